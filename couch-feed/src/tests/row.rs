//! The rows and answers of all kinds of servers.

use crate::row::{Line, Reason, Row, Seq, one_line, parse_info, parse_line};
use crate::state::Place;
use bytes::Bytes;

fn row(seq: Option<&str>, revs: &str, deleted: bool, doc: Option<&'static str>) -> Line {
    Line::Row(Row {
        seq: seq.map(|seq| Seq(seq.into())),
        id: "x".into(),
        revs: revs.split(' ').map(str::to_owned).collect(),
        deleted,
        doc: doc.map(|doc| Bytes::from_static(doc.as_bytes())),
        json: Bytes::new(),
        rejected: None,
    })
}

/// Without the row's text, which is the line.
fn parsed(line: &str) -> Line {
    match parse_line(&Bytes::from(line.to_owned()), |_| true) {
        Line::Row(row) => {
            assert_eq!(row.json, line);
            Line::Row(Row { json: Bytes::new(), ..row })
        }
        other => other,
    }
}

#[test]
fn lines_of_every_server_are_understood() {
    let last = |seq: &str| Line::Last(Some(Seq(seq.into())));
    for (line, expected) in [
        ("", Line::Heartbeat),
        (" \r", Line::Heartbeat),
        (
            r#"{"seq":"4-g1A_A","id":"x","changes":[{"rev":"2-b"},{"rev":"2-a"}]}"#,
            row(Some("4-g1A_A"), "2-b 2-a", false, None),
        ),
        // PouchDB: numbers, and the keys in another order.
        (
            concat!(
                r#"{"id":"x","doc":{"n":1.50,"_rev":"1-a","_id":"x"},"#,
                r#""changes":[{"rev":"1-a"}],"seq":7}"#
            ),
            row(Some("7"), "1-a", false, Some(r#"{"n":1.50,"_rev":"1-a","_id":"x"}"#)),
        ),
        // BigCouch: an array.
        (
            r#"{"seq":[4,"g1,A"],"id":"x","changes":[{"rev":"1-a"}],"deleted":true}"#,
            row(Some(r#"[4,"g1,A"]"#), "1-a", true, None),
        ),
        // seq_interval: null between.
        (
            r#"{"seq":null,"id":"x","changes":[{"rev":"1-a"}],"doc":null}"#,
            row(None, "1-a", false, None),
        ),
        (r#"{"last_seq":"9-x","pending":0}"#, last("9-x")),
        (r#"{"last_seq":9}"#, last("9")),
        (r#"{"results":[],"last_seq":9}"#, last("9")),
        (r#"{"results":[7],"last_seq":9}"#, Line::Malformed),
        (r#"{"last_seq":null}"#, Line::Last(None)),
        (
            r#"{"error":"not_found","reason":"no"}"#,
            Line::Error(Reason { error: "not_found".into(), reason: "no".into() }),
        ),
        ("HTTP/1.1 500 Internal Server Error", Line::Malformed),
        (r#"{"seq":1,"id":"x""#, Line::Malformed),
        ("{}", Line::Malformed),
        ("[]", Line::Malformed),
        ("7", Line::Malformed),
    ] {
        assert_eq!(parsed(line), expected, "{line}");
    }
    let line = Bytes::from_static(b"{\"id\":\"\xff\"}");
    assert_eq!(parse_line(&line, |_| true), Line::Malformed);
}

#[test]
fn a_sequence_that_could_not_be_told_went_to_the_log_with_its_control_characters() {
    let Line::Last(Some(seq)) = parsed(r#"{"last_seq":"4-\u001b[2J\n"}"#) else { panic!() };
    assert_eq!(format!("{seq:?}"), "Seq(4-\\u{1b}[2J\\n)");
    assert_eq!(seq.as_str(), "4-\u{1b}[2J\n");
}

#[test]
fn of_a_row_that_nobody_wants_the_sequence_is_taken() {
    let passed = |line: &'static str| parse_line(&Bytes::from(line), |id| id == "x");
    let at = |seq: &str| Line::Skipped(Some(Seq(seq.into())));
    assert_eq!(passed(r#"{"seq":"4-g","id":"y","changes":[],"doc":{"_id":"x"}}"#), at("4-g"));
    assert_eq!(passed(r#"{"seq":[4,"g"],"id":"\u0079"}"#), at(r#"[4,"g"]"#));
    assert_eq!(passed(r#"{"seq":null,"id":"y"}"#), Line::Skipped(None));
    assert_eq!(passed(r#"{"seq":1,"id":"y","doc":{"a":}}"#), Line::Malformed);
    assert!(matches!(passed(r#"{"seq":1,"id":"\u0078"}"#), Line::Row(row) if row.id == "x"));
}

#[test]
fn an_empty_sequence_went_into_a_checkpoint_that_could_not_be_read() {
    assert_eq!(
        parsed(r#"{"seq":"","id":"x","changes":[{"rev":"1-a"}]}"#),
        row(None, "1-a", false, None)
    );
    assert_eq!(parsed(r#"{"last_seq":""}"#), Line::Last(None));
}

#[test]
fn a_database_is_told_from_its_successor_where_the_server_says_so() {
    let identity = |body: &str| parse_info(body.as_bytes()).unwrap().identity;
    assert_eq!(identity(r#"{"instance_start_time":"1795506176"}"#), Some("1795506176".into()));
    assert_eq!(identity(r#"{"instance_start_time":"0","db_uuid":"u"}"#), Some("u".into()));
    assert_eq!(identity(r#"{"instance_start_time":"0","update_seq":4}"#), None);
    let time = r#""instance_start_time":"1795506176""#;
    let of = |rest: &str| identity(&format!("{{{time},{rest}}}"));
    assert_eq!(of(r#""update_seq":"4-g1AAAA""#), Some("1795506176".into()));
    assert_eq!(of(r#""update_seq":4"#), None);
    assert_eq!(of(r#""update_seq":4,"db_uuid":"u""#), Some("u".into()));
    assert_eq!(parse_info(b"<html>"), None);
}

#[test]
fn purges_are_counted_alike_by_all_nodes_of_a_cluster() {
    let purges = |seq: &str| {
        let body = format!("{{\"update_seq\":1,\"purge_seq\":{seq}}}");
        parse_info(body.as_bytes()).unwrap().purges
    };
    assert_eq!(purges("\"12-g1AAA-B_\""), Some("12".into()));
    assert_eq!(purges("\"12-g1BBB\""), Some("12".into()));
    assert_eq!(purges("12"), Some("12".into()));
    assert_eq!(purges("[12,\"g1A-B\"]"), Some("[12".into()));
    assert_eq!(purges("null"), None);
    assert_eq!(parse_info(b"{}").unwrap().purges, None);
}

#[test]
fn sequences_are_compared_only_if_both_are_numbers() {
    for (update_seq, seq, expected) in [
        ("4", "5", true),
        ("4", "4", false),
        ("4", "0", false),
        ("10", "9", false),
        ("\"4\"", "5", false),
        ("\"4-a\"", "5-a", false),
        ("4", "5-a", false),
        ("4", "[5,\"a\"]", false),
        ("[4,\"a\"]", "[5,\"a\"]", false),
        ("4.5", "5", false),
        ("-4", "5", false),
    ] {
        let info = parse_info(format!("{{\"update_seq\":{update_seq}}}").as_bytes()).unwrap();
        let has_lost = Place::default().has_lost(&info, &Seq(seq.into()));
        assert_eq!(has_lost, expected, "{seq} of {update_seq}");
    }
}

#[test]
fn a_text_from_a_server_becomes_one_line_of_bounded_length() {
    for (text, expected) in [
        ("", ""),
        ("It's \"quoted\" \u{e9}", "It's \"quoted\" \u{e9}"),
        (" two\r\n\tlines ", "two lines"),
        ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
        ("a\0b \\", "a\\0b \\\\"),
    ] {
        assert_eq!(one_line(text), expected);
    }
    let long = "\u{e9}".repeat(200);
    assert_eq!(one_line(&long), long);
    assert_eq!(one_line(&format!("{long}x")), format!("{long}..."));
    assert_eq!(one_line(&"a b ".repeat(10_000)).chars().count(), 203);
}
