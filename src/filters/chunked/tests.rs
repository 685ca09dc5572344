//! Chunked bodies, sound and not, in pieces of every kind.

use super::super::{Filter, Output};
use super::*;
use crate::testing::{Pieces, damaged, each_way};

/// A chunked body as a filter, so that it can be shown in pieces.
struct Body {
    decoder: Decoder,
    ended: bool,
}

impl Filter for Body {
    type In = Vec<u8>;
    type Out = Bytes;
    type Error = ChunkError;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, ChunkError> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.decoder.decode(input)?;
        self.ended = piece == Some(Piece::End);
        Ok(piece.map(|piece| match piece {
            Piece::Data(data) => data.to_vec(),
            Piece::End => b"|".to_vec(),
        }))
    }
    fn encode(&mut self, data: Bytes, output: &mut Output) {
        encode(data, output);
    }
    fn input_max(&self) -> usize {
        usize::MAX
    }
}

/// The data of `input`, `|` for its end, and the rest after it; or the error.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    each_way(input.as_ref(), |pieces| {
        let seen = pieces.feed(&mut Body { decoder: Decoder::new(), ended: false });
        let mut text = seen.items.concat().escape_ascii().to_string();
        match seen.error {
            Some(error) => write!(text, "! {error:?}").unwrap(),
            None if seen.left > 0 => text += " left",
            None => {}
        }
        assert_eq!(text, expected, "{pieces:?}");
    });
}

#[test]
fn chunks_become_data() {
    check("0\r\n\r\n", "|");
    check("5\r\nhello\r\n0\r\n\r\n", "hello|");
    check("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world|");
    check("A\r\n0123456789\r\n00\r\n\r\n", "0123456789|");
    check("000000000000000a\r\n0123456789\r\n0000000000000000\r\n\r\n", "0123456789|");
    check("2\r\n\r\n\r\n0\r\n\r\n", "\\r\\n|");
    check("0\r\n\r\nGET", "| left");
}

#[test]
fn an_unfinished_body_is_neither_an_end_nor_an_error() {
    for unfinished in ["", "5", "5\r", "5\r\n", "0\r\n", "0\r\n\r", "0\r\nA: b\r\n"] {
        check(unfinished, "");
    }
    check("5\r\nhel", "hel");
    check("ffffffffffffffff\r\nhel", "hel");
    check("HTTP/1", " left");
}

#[test]
fn a_size_is_hex_digits_and_crlf() {
    for bad in [
        "\r\n",
        "\n",
        ";x\r\n",
        " 5\r\n",
        "5 \r\n",
        "5\t\r\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5\n",
        "5\r5",
        "g\r\n",
        "5;\r\n",
        "5 ;a\r\n",
        "5; a\r\n",
        "5;a\n",
        "5;a=\r\n",
        "5;a=\"b\r\n",
        "5;a=b\"\r\n",
        "5;a=\"b\"c\r\n",
        "5;a=\"\0\"\r\n",
        "00000000000000005\r\n",
        "HTTQ",
        "hTTP/1.1 200 OK",
    ] {
        check(bad, "! Size");
    }
}

#[test]
fn extensions_and_trailers_are_ignored() {
    check("1;a\r\nx\r\n0\r\n\r\n", "x|");
    check("1;a=b;c=\"d;\\\"\r\n", "! Size");
    check("1;a=b;c=\"d;\\\" \"\r\nx\r\n0;last\r\n\r\n", "x|");
    check("0\r\nA: b\r\nC:\r\n\r\n", "|");
}

#[test]
fn data_is_followed_by_crlf() {
    for bad in ["1\r\nxy", "1\r\nx\n", "1\r\nx\ry"] {
        check(bad, "x! DataEnd");
    }
}

#[test]
fn a_trailer_is_a_field() {
    for bad in ["\n", " a: b\r\n", ":\r\n", "a\r\n", "a : b\r\n", "a: b\n", "a: \0\r\n", "\rx"] {
        check(format!("0\r\n{bad}"), "! Trailer");
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let fits = "a".repeat(CHUNK_EXTENSION_BYTES);
    check(format!("1;{fits}\r\nx\r\n0;{fits}\r\n\r\n"), "x|");
    check(format!("1;{fits}a"), "! ExtensionTooLong");
    check(format!("0\r\na:{}\r\n\r\n", "b".repeat(CHUNK_TRAILER_BYTES - 4)), "|");
    check(format!("0\r\na:{}\r\n\r\n", "b".repeat(CHUNK_TRAILER_BYTES - 3)), "! TrailerTooLong");
}

#[test]
fn a_second_response_is_told_apart() {
    check("1\r\nx\r\nHTTP/1.1 500 Internal Server Error\r\n", "x! StatusLine");
    check("HTTP/1.0", "! StatusLine");
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut output = Output::new();
    for data in ["hello", "", " chunked world, "] {
        encode(Bytes::from_static(data.as_bytes()), &mut output);
    }
    encode(Bytes::from(vec![b'x'; 300]), &mut output);
    encode_end(&mut output);
    let coded = output.to_vec();
    assert!(coded.starts_with(b"5\r\nhello\r\n10\r\n chunked world, \r\n12c\r\nxxx"));
    check(coded, &format!("hello chunked world, {}|", "x".repeat(300)));
}

#[test]
fn damaged_bodies_are_understood_one_way_only() {
    let bodies = b"3\r\nhel\r\n00002;a;b=\"c\\\"\";d=e\r\nlo\r\n0\r\nA: b\r\nC:\r\n\r\n";
    for seed in 1..=2000 {
        let input = damaged(bodies, seed);
        let feed = |pieces: &Pieces<'_>| {
            let seen = pieces.feed(&mut Body { decoder: Decoder::new(), ended: false });
            (seen.items.concat(), seen.error)
        };
        let whole = feed(&Pieces::cut(&input, Vec::new()));
        each_way(&input, |pieces| {
            assert_eq!(feed(pieces), whole, "{} in {pieces:?}", input.escape_ascii());
        });
    }
}
