//! A chunked body is understood in one way only, however it is split into pieces. The decoder
//! returns no more bytes than it received, and every body that it accepts is valid by the grammar.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque::filters::chunked::{ChunkError, Decoder, Piece};

/// The data, and how it ended: with `true` at its end, with `false` in the middle, or with an
/// error.
type Seen = (Vec<u8>, Result<bool, ChunkError>);

fuzz_target!(|input: &[u8]| {
    let Some((&step, body)) = input.split_last() else { return };
    let body = without_head(body);
    let whole = decode(body, body.len().max(1));
    for step in [1, usize::from(step).max(1)] {
        assert_eq!(decode(body, step), whole, "in pieces of {step}");
    }
    assert!(whole.0.len() <= body.len());
    if whole.1 == Ok(true) {
        assert!(body.windows(4).any(|end| end == b"\r\n\r\n"), "it has ended without an end");
    }
});

/// A recording is a whole response.
fn without_head(input: &[u8]) -> &[u8] {
    let end = input.windows(4).position(|end| end == b"\r\n\r\n");
    match end.filter(|_| input.starts_with(b"HTTP/")) {
        Some(end) => &input[end + 4..],
        None => input,
    }
}

fn decode(body: &[u8], step: usize) -> Seen {
    let (mut decoder, mut data) = (Decoder::new(), vec![]);
    // What the decoder leaves is shown to it again, with more behind it.
    let mut shown = vec![];
    for piece in body.chunks(step) {
        shown.extend_from_slice(piece);
        let mut input = &shown[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(Piece::Data(part))) => data.extend_from_slice(part),
                Ok(Some(Piece::End)) => return (data, Ok(true)),
                Ok(None) => break,
                Err(error) => return (data, Err(error)),
            }
        }
        assert!(input.len() < 8, "it keeps what it should have taken");
        shown = input.to_vec();
    }
    (data, Ok(false))
}
