//! Second responses in the middle of a feed.

use crate::listening::second_response;

/// The error if more may arrive, and the error if not.
#[track_caller]
fn check(input: &str, complete: Option<&str>, cut: &str) {
    let text = |is_over| second_response(input.as_bytes(), is_over).map(|error| error.to_string());
    assert_eq!(text(false).as_deref(), complete, "{input}");
    assert_eq!(text(true).as_deref(), Some(cut), "{input}");
}

#[test]
fn a_second_response_is_read_when_it_is_complete() {
    let text = "the body contains a second response: 500 Internal Server Error";
    let full = &format!("{text}, boom: \"}}");
    let body = r#"{"error":"boom","reason":"\"}"}"#;
    let begin = "HTTP/1.1 500 Oh\r\n";
    check(&format!("{begin}\r\n{body}"), Some(full), full);
    check(&format!("{begin}\r\n{body}\n and more"), Some(full), full);
    check(&format!("{begin}Content-Length: 31\r\n\r\n{body}"), Some(full), full);
    check(&format!("{begin}\r\n{}", &body[..body.len() - 1]), None, text);
    check(&format!("{begin}\r\n"), None, text);
    check("HTTP/1.1 503", None, text);
    for other in ["<html>", "}", "\\{"] {
        check(&format!("{begin}\r\n{other}"), Some(text), text);
    }
}

#[test]
fn the_reason_is_fit_for_a_log() {
    let body = r#"{"error":"a\nb","reason":"\u001b[2J"}"#;
    let text = "the body contains a second response: 500 Internal Server Error, a b: \\u{1b}[2J";
    check(&format!("HTTP/1.1 500 Oh\r\n\r\n{body}"), Some(text), text);
}
