//! Splitting an answer into rows and lines.

use crate::cutter::{Cutter, skip_empty};
use crate::limits::ANSWER_BYTES;
use bytes::BytesMut;

fn items(input: &str, step: usize) -> Vec<String> {
    let mut page = Cutter::page(60);
    let mut items = vec![];
    for piece in input.as_bytes().chunks(step) {
        page.feed(piece);
        items.extend(std::iter::from_fn(|| page.next_of_page()).map(|item| match item {
            Ok(item) => String::from_utf8_lossy(&item).into_owned(),
            Err(_) => "! too long".to_owned(),
        }));
    }
    items
}

#[test]
fn the_beginning_of_an_answer_waits_for_no_end_and_all_that_is_unfinished_does() {
    let long = format!("{{\"results\":[{}", ",".repeat(ANSWER_BYTES));
    for (input, pending) in [
        ("", 0),
        ("{\"res", 5),
        ("{\"results\":[", 0),
        ("{\"results\":[\n\n", 0),
        ("{\"results\":[{\"a\":1},\n", 0),
        ("{\"results\":[x", 1),
        ("{\"results\":[],\"last_seq\":[7,\"x\"]}", 0),
        (&long, 0),
    ] {
        let mut page = Cutter::page(60);
        page.feed(input.as_bytes());
        while page.next_of_page().is_some() {}
        assert_eq!(page.pending(), pending, "{}", &input[..input.len().min(40)]);
    }
    let mut page = Cutter::page(60);
    page.feed(b"{\"results\":[{\"a\":1},{\"b");
    while page.next_of_page().is_some() {}
    assert!(page.pending() >= 3 && page.pending() < 20, "{}", page.pending());
}

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    for step in 1..=input.len() {
        assert_eq!(items(input, step), expected, "{input} by {step}");
    }
}

#[test]
fn rows_and_the_rest_are_cut_out_however_they_are_written() {
    // CouchDB.
    check(
        "{\"results\":[\n{\"seq\":1,\"id\":\"a\"},\r\n{\"id\":\"b\"}\n],\n\
         \"last_seq\":\"2-b\",\"pending\":0}\n",
        &[
            "{\"seq\":1,\"id\":\"a\"}",
            "{\"id\":\"b\"}",
            "{\"results\":[],\"last_seq\":\"2-b\",\"pending\":0}",
        ],
    );
    // PouchDB.
    check(
        "{\"results\":[{\"id\":\"a\",\"seq\":1},{\"id\":\"b\"}],\"last_seq\":2}",
        &["{\"id\":\"a\",\"seq\":1}", "{\"id\":\"b\"}", "{\"results\":[],\"last_seq\":2}"],
    );
    // Nothing new, the keys in another order, a sequence that is a list.
    check("{\"results\":[\n\n],\n\"last_seq\":0}", &["", "{\"results\":[],\"last_seq\":0}"]);
    check(
        "{ \"last_seq\" : [4, \"g {1\"] , \"results\" : [ {\"id\":\"a\"} ] }",
        &["{\"id\":\"a\"}", "{\"last_seq\":[4,\"g {1\"],\"results\":[]}"],
    );
    // Any bytes in a row.
    let row = r#"{"id":"]}\"\\","x":[[{}],{"y":", {"}], "n" : 1.50}"#;
    check(&format!("{{\"results\":[{row},\n{row}"), &[row, row]);
}

#[test]
fn each_empty_line_is_a_sign_of_life() {
    let input = "{\"results\":[\n\n\n{\"id\":\"a\n\n\"}\n\n],\n\"last_seq\":1}\n\n";
    check(input, &["", "", "{\"id\":\"a\n\n\"}", "", "{\"results\":[],\"last_seq\":1}"]);
}

#[test]
fn a_sign_of_life_between_two_rows_made_their_comma_a_part_of_the_rest() {
    for between in [",", ",\n", "\n,\n", "\n,", " , ", "\r\n,\r\n", ",\n\n", "\n\n,"] {
        let rows = format!("{{\"id\":1}}{between}{{\"id\":2}}");
        let input = format!("{{\"results\":[\n{rows}\n],\n\"last_seq\":1}}\n");
        for step in 1..=input.len() {
            let mut found = items(&input, step);
            found.retain(|item| !item.is_empty());
            let rest = "{\"results\":[],\"last_seq\":1}";
            assert_eq!(found, ["{\"id\":1}", "{\"id\":2}", rest], "{between:?} by {step}");
        }
    }
}

#[test]
fn what_is_no_such_answer_is_shown_as_it_is() {
    check("<html>\n<body>\n", &["<html>"]);
    check("{\"error\":\"x\",\"reason\":\"y\"}\n", &["{\"error\":\"x\",\"reason\":\"y\"}"]);
    // A second answer in the first: what it says is found.
    check(
        "{\"results\":[\nHTTP/1.1 500 Oh\r\nA: b\r\n\r\n{\"error\":\"x\"}\n",
        &["", "{\"error\":\"x\"}"],
    );
    check("]]]]\n", &["]"]);
    let long = "x".repeat(ANSWER_BYTES + 1);
    assert_eq!(items(&format!("{{\"{long}{long}"), 1000)[0].len(), ANSWER_BYTES + 1);
}

#[test]
fn a_row_may_be_as_long_as_the_limit_and_no_longer() {
    let row = |length: usize| format!("{{\"id\":\"{}\"}}", "x".repeat(length - 9));
    let page = |row: &str| format!("{{\"results\":[{row},{{\"id\":1}}],\"last_seq\":1}}");
    check(&page(&row(60)), &[&row(60), "{\"id\":1}", "{\"results\":[],\"last_seq\":1}"]);
    check(&page(&row(61)), &["! too long"]);
}

#[test]
fn empty_lines_are_skipped_up_to_what_is_no_empty_line() {
    for (input, left) in [
        (&b""[..], &b""[..]),
        (b"\n\n\r\n\n", b""),
        (b"\n{", b"{"),
        (b"\r", b"\r"),
        (b"\n\r\r\n", b"\r\r\n"),
        (b" \n", b" \n"),
    ] {
        let mut input = BytesMut::from(input);
        skip_empty(&mut input);
        assert_eq!(input, left);
    }
}
