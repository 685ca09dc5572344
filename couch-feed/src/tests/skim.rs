//! Skimming a row finds the same as parsing it.

use crate::row::skim;
use crate::row::{members, text_of};
use serde_json::value::RawValue;

/// What parsing finds: id and sequence.
fn parsed(line: &str) -> Option<(String, String)> {
    let [id, seq] = members(line.as_bytes(), ["id", "seq"])?;
    Some((text_of(id?)?.into_owned(), seq?.get().to_owned()))
}

fn skimmed(line: &str) -> Option<(String, String)> {
    let (id, seq) = skim(line.as_bytes())?;
    let seq: &RawValue = serde_json::from_slice(seq).unwrap();
    Some((id.to_owned(), seq.get().to_owned()))
}

#[test]
fn rows_of_all_servers_are_skimmed() {
    for line in [
        r#"{"seq":"4-g1A_A","id":"x","changes":[{"rev":"2-b"}],"doc":{"_id":"x"}}"#,
        r#"{"id":"x","doc":{"n":1.50,"_rev":"1-a"},"changes":[{"rev":"1-a"}],"seq":7}"#,
        r#"{"seq":[4,"g1,A}"],"id":"x","deleted":true}"#,
        r#" { "id" : "\u00e9".."#,
        r#"{"seq":null,"id":"x"}"#,
        r#"{"id":"a","seq":-1.5e3}"#,
    ] {
        let line = line.replace("\"\\u00e9\"..", "\"\u{e9}\" , \"seq\" : 1 }");
        assert!(skimmed(&line).is_some(), "{line}");
        assert_eq!(skimmed(&line), parsed(&line), "{line}");
    }
}

#[test]
fn a_line_that_is_no_plain_row_is_left_to_the_parser() {
    for line in [
        "",
        "{}",
        "[]",
        "{\"seq\":1}",
        "{\"last_seq\":1,\"pending\":0}",
        "{\"seq\":1,\"id\":7}",
        "{\"seq\":1,\"id\":\"\\u0078\"}",
        "{\"seq\":1,\"id\":\"x\"",
        "{\"seq\":1 \"id\":\"x\"}",
        "{\"seq\":},\"id\":\"x\"}",
        "{\"seq\":\"",
        "{\"seq\":\"\\",
        "{\"a\":[",
        "HTTP/1.1 500 Oh",
    ] {
        assert_eq!(skim(line.as_bytes()), None, "{line}");
    }
    assert_eq!(skim(b"{\"seq\":1,\"id\":\"\xff\"}"), None);
}

#[test]
fn rows_with_members_in_any_order_are_skimmed_as_they_are_parsed() {
    let values = [
        ("id", r#""doc-1""#),
        ("id", r#""a\"b""#),
        ("seq", r#""12-abc""#),
        ("seq", "12"),
        ("seq", r#"[1,"x"]"#),
        ("changes", r#"[{"rev":"1-a"},{"rev":"2-b"}]"#),
        ("doc", r#"{"_id":"doc-1","t":"}],\\\"{","n":[[],{"id":"no","seq":0}]}"#),
        ("deleted", "true"),
        ("a\\u0062", "null"),
    ];
    let mut random = 1_u64;
    let mut skipped = 0;
    for _ in 0..20_000 {
        let mut next = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % most
        };
        let space = |n: usize| [" ", "", "", "\t"][n];
        let mut row = String::from("{");
        let mut names = vec![];
        for _ in 0..=next(6) {
            let (name, value) = values[next(values.len())];
            if names.contains(&name) {
                continue;
            }
            if !names.is_empty() {
                row += ",";
            }
            names.push(name);
            let spaces = [next(4), next(4), next(4), next(4)].map(space);
            let [a, b, c, d] = spaces;
            row = format!("{row}{a}\"{name}\"{b}:{c}{value}{d}");
        }
        row += "}";
        if let Some(found) = skimmed(&row) {
            skipped += 1;
            assert_eq!(Some(found), parsed(&row), "{row}");
        } else {
            let escaped = row.contains("a\\\"b") || row.contains("\\u0062");
            assert!(escaped || parsed(&row).is_none(), "{row}");
        }
    }
    assert!(skipped > 2000, "{skipped}");
}
