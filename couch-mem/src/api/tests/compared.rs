//! The answers of CouchDB 3.5.1 to some three hundred requests, and ours. If they differ, the
//! table in `DIFFERENCES.md` says why.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Client;
use crate::api::Answer;
use crate::store::push_args;
use crate::{Couch, Identity};

const COMPARED: &str = include_str!("compared.txt");
const DOCUMENTED: &str = include_str!("../../../DIFFERENCES.md");

/// One request with its recorded answers.
#[derive(Default)]
struct Case<'a> {
    line: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: String,
    theirs: &'a str,
    /// The other answer, and the row of the table.
    ours: Option<(&'a str, &'a str)>,
}

fn cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for block in COMPARED.split("\n\n").filter(|block| block.starts_with("> ")) {
        let mut case = Case::default();
        for line in block.lines() {
            let (mark, text) = line.split_once(' ').expect("a mark and text");
            match mark {
                ">" => case.line = text,
                "h" => case.headers.push(text.split_once(": ").expect("a header")),
                "=" => case.body = text.replace("\\r\\n", "\r\n"),
                "<" => case.theirs = text,
                "!" => case.ours = Some((text, "")),
                "#" => case.ours = case.ours.map(|(ours, _)| (ours, text)),
                _ => panic!("{line}"),
            }
        }
        cases.push(case);
    }
    cases
}

#[test]
fn answers_are_those_of_couchdb_or_the_difference_is_documented() {
    let identity = Identity { uuid: u128::MAX / 3, start_time_s: 1_795_506_176 };
    let mut client = Client { couch: Couch::new(identity) };
    client.expect(201, "PUT /dashboard", "");
    let (mut wrong, mut reasons) = (String::new(), BTreeSet::new());
    let cases = cases();
    for case in &cases {
        let ours = comparable(&answer(&mut client, case));
        let expected = comparable(case.ours.map_or(case.theirs, |(ours, _)| ours));
        if ours != expected {
            let Case { line, body, .. } = case;
            push_args(
                &mut wrong,
                format_args!("{line} {body}\n  expected {expected}\n  got      {ours}\n"),
            );
        }
        if let Some((_, reason)) = case.ours {
            reasons.insert(reason);
            assert_ne!(expected, comparable(case.theirs), "{}: no difference", case.line);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() > 300, "{}", cases.len());
    for reason in reasons {
        assert!(DOCUMENTED.contains(&format!("| {reason} |")), "DIFFERENCES.md: {reason}");
    }
}

/// Sends the request and writes the answer as it was recorded.
fn answer(client: &mut Client, case: &Case<'_>) -> String {
    let (head, body) = match client.answer_with(case.line, &case.headers, case.body.clone()) {
        Answer::Complete(response) => {
            let (head, body) = response.into_parts();
            (head, body.to_vec())
        }
        Answer::Feed(mut follow) => {
            let mut body = follow.opening().to_vec();
            body.extend_from_slice(&follow.rows(&client.couch).lines);
            body.extend_from_slice(&follow.end(&client.couch));
            (crate::Feed::head().into_parts().0, body)
        }
    };
    let field = |name: &str| {
        let value = head.headers.get(name)?.to_str().expect("text");
        // Other tags are hashes.
        let is_shown = name != "etag"
            || value[1..].starts_with(|first: char| first.is_ascii_digit()) && value.contains('-');
        is_shown.then(|| format!("{name}: {value}"))
    };
    let fields = ["content-type", "etag", "location", "allow"].into_iter().filter_map(field);
    let fields = fields.collect::<Vec<_>>().join("; ");
    let body = String::from_utf8(body).expect("UTF-8");
    format!("{} [{fields}] {body}", head.status.as_u16()).trim_end().to_owned()
}

/// An answer without what differs from run to run, and with JSON members in order.
fn comparable(answer: &str) -> String {
    let answer = answer.replace("//host:5984/", "//host/");
    let (head, body) = answer.split_once("] ").unwrap_or((&answer, ""));
    let quoted = body.replace(":#", ":\"#\"");
    let body = serde_json::from_str(&quoted).map_or(quoted, |json: Value| json.to_string());
    let (mut out, mut token) = (String::new(), String::new());
    for c in format!("{head}] {body}\0").chars() {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            token.push(c);
            continue;
        }
        let plain = token.trim_matches('-');
        let measured = ["\"file\":", "\"external\":", "\"active\":"];
        out += &match plain {
            "" => token.clone(),
            _ if measured.iter().any(|name| out.ends_with(name)) => "\"#\"".to_owned(),
            _ => token.replace(plain, &steady(plain)),
        };
        token.clear();
        out.push(c);
    }
    out.replace(['\0', '\r', '\n'], "").trim_end().to_owned()
}

/// A word without what the server made up.
fn steady(word: &str) -> String {
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_made =
        |text: &str| is_hex(text, 16) || is_hex(text, 32) && !text.starts_with(&"0".repeat(16));
    match word.split_once('-') {
        Some((number, rest)) if is_number(number) && (is_made(rest) || rest.starts_with("g1")) => {
            format!("{number}-#")
        }
        None if is_hex(word, 32) && is_made(word) || is_number(word) && word.len() == 10 => {
            "#".to_owned()
        }
        _ => word.to_owned(),
    }
}
