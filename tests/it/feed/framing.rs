//! A feed in every framing and at every split.

use super::*;

fn feed_text() -> String {
    let deleted = r#"{"seq":"6-f","id":"x","changes":[{"rev":"6-f"}],"deleted":true,"doc":{}}"#;
    [
        "\n",
        &row("\"4-d\"", "x", "4-d"),
        "\r\n",
        &row("\"5-é\u{2028}\"", "x", "5-e"),
        deleted,
        "\n\n",
    ]
    .concat()
}

/// Sends `bytes`, split at `cuts`, and compares the events about `x`.
#[track_caller]
fn check(bytes: &[u8], cuts: &[usize], expected: &[&str]) {
    let mut pieces = vec![];
    let mut from = 0;
    for &to in cuts.iter().chain([&bytes.len()]) {
        pieces.push(Act::send(&bytes[from..to]));
        from = to;
    }
    pieces.push(Act::Finish);
    let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
        1 => pieces.clone(),
        _ => vec![],
    })
    .follow();
    stage.run_s(2.0);
    let revs = stage.revs("x");
    let is_told = |rev: &&str| revs.iter().any(|told| told == rev);
    // Revisions that arrive together are reported as one event; the last is always reported.
    assert!(revs.iter().is_sorted_by_key(|rev| expected.iter().position(|e| e == rev).unwrap()));
    assert_eq!(revs.last().map(String::as_str), expected.last().copied(), "cut at {cuts:?}");
    if cuts.len() + 1 == bytes.len() {
        assert!(expected.iter().all(is_told), "{revs:?}, byte by byte");
    }
    // It comes back from the last sequence that was handled.
    assert_eq!(stage.world.borrow().asked.last().unwrap().since(), "6-f", "cut at {cuts:?}");
}

fn at_every_split(bytes: &[u8]) {
    let expected = ["3-c", "4-d", "5-e", "-"];
    check(bytes, &[], &expected);
    (1..bytes.len()).for_each(|at| check(bytes, &[at], &expected));
    check(bytes, &(1..bytes.len()).collect::<Vec<_>>(), &expected);
}

fn chunks_of(length: usize) -> Vec<u8> {
    let text = feed_text();
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in text.as_bytes().chunks(length) {
        bytes.extend(format!("{:X};ext=1\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes
}

#[test]
fn many_lines_in_one_chunk() {
    at_every_split(&chunks_of(1000));
    at_every_split(&[&chunks_of(1000)[..], b"0\r\nTrailer: x\r\n\r\n"].concat());
}

#[test]
fn one_line_in_many_chunks() {
    at_every_split(&chunks_of(7));
    check(&chunks_of(1), &[], &["3-c", "4-d", "5-e", "-"]);
}

#[test]
fn a_body_of_known_length() {
    let text = feed_text();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    at_every_split(&[head.as_bytes(), text.as_bytes()].concat());
}

#[test]
fn a_body_up_to_the_end_of_the_connection() {
    for status in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK"] {
        at_every_split(format!("{status}\r\n\r\n{}", feed_text()).as_bytes());
    }
}

#[test]
fn an_interim_response_comes_first() {
    let bytes = [b"HTTP/1.1 100 Continue\r\n\r\n", &chunks_of(1000)[..]].concat();
    check(&bytes, &[], &["3-c", "4-d", "5-e", "-"]);
}

#[test]
fn an_unfinished_line_is_never_reported() {
    for framed in [true, false] {
        let mut stage = Stage::with_feeds(move |_| {
            let line = row("4", "x", "4-d");
            let cut = line.trim_end();
            if framed {
                vec![begin(), chunk(cut), end()]
            } else {
                vec![Act::send(format!("HTTP/1.0 200 OK\r\n\r\n{cut}")), Act::Finish]
            }
        })
        .follow();
        stage.run_s(60.0);
        assert_eq!(stage.revs("x"), ["3-c"]);
        assert!(
            stage
                .world
                .borrow()
                .asked
                .iter()
                .all(|asked| !asked.is_feed() || asked.since() == "3-c")
        );
    }
}
