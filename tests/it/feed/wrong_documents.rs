//! Documents that are not those of their rows or requests.

use super::*;
use masque::sessions::{EveryChange, FeedEvent, FeedMode, Query, Start};

/// Wrong answers for the document `x`, and the reported reason.
const WRONG: [(&str, &str); 9] = [
    (r#"{"_id":"y","_rev":"4-d"}"#, "it is another document"),
    (r#"{"_rev":"4-d"}"#, "it has no _id"),
    (r#"{"_id":7,"_rev":"4-d"}"#, "it has no _id"),
    (r#"{"_id":"x"}"#, "it has no _rev"),
    (r#"{"_id":"x","_rev":4}"#, "it has no _rev"),
    (r#"{"_id":"x","_rev":""}"#, "it has no _rev"),
    ("[]", "it is no document"),
    ("\"x\"", "it is no document"),
    ("7", "it is no document"),
];

fn row_with(seq: usize, id: &str, rev: &str, doc: &str) -> String {
    format!(
        "{{\"seq\":\"{seq}-s\",\"id\":{id},\"changes\":[{{\"rev\":\"{rev}\"}}],\"doc\":{doc}}}\n"
    )
}

/// The reported documents of `x`, `-` if it was deleted.
fn docs(stage: &Stage) -> Vec<String> {
    let told = stage.told.borrow();
    let docs = told.iter().filter_map(|event| match event {
        FeedEvent::Change(change) if change.id == "x" => Some(&change.doc),
        _ => None,
    });
    docs.map(|doc| doc.as_ref().map_or("-".into(), |doc| String::from_utf8_lossy(doc).into()))
        .collect()
}

#[test]
fn a_row_with_the_document_of_another_row_was_shown() {
    for (wrong, _) in WRONG {
        for mode in FeedMode::ALL {
            let mut stage = Stage::new(move |asked| match (asked.target.as_str(), asked.feeds) {
                ("/db", _) => vec![info("\"3-s\"", "1")],
                ("/db/x", 0) => vec![revision("x", "3-c")],
                ("/db/x", _) => vec![revision("x", "4-d")],
                _ if asked.since() == "3-s" && mode == FeedMode::Continuous => {
                    vec![begin(), chunk(&row_with(4, "\"x\"", "4-d", wrong))]
                }
                _ if asked.since() == "3-s" => {
                    let row = row_with(4, "\"x\"", "4-d", wrong);
                    let page = format!("{{\"results\":[{row}],\"last_seq\":\"4-s\"}}");
                    vec![begin(), chunk(&page), end()]
                }
                _ if mode == FeedMode::Normal => vec![nothing_more(asked)],
                _ => vec![begin(), chunk("\n")],
            })
            .follow_with(move |feed| feed.mode(mode).doc("x"));
            stage.run_s(20.0);
            let expected = [r#"{"_id":"x","_rev":"3-c"}"#, r#"{"_id":"x","_rev":"4-d"}"#];
            assert_eq!(docs(&stage), expected, "{wrong} {mode:?}");
            assert_eq!(stage.counters().losses, 0, "{wrong} {mode:?}");
        }
    }
}

#[test]
fn a_document_that_is_another_was_shown_and_one_without_a_revision_had_the_feed_be_lost() {
    for (wrong, why) in WRONG {
        let mut stage = Stage::new(move |asked| match (asked.target.as_str(), asked.feeds) {
            ("/db", _) => vec![info("\"3-s\"", "1")],
            ("/db/x", 0) => vec![revision("x", "3-c")],
            ("/db/x", 1..=3) => vec![json("200 OK", wrong)],
            ("/db/x", _) => vec![revision("x", "4-d")],
            (_, 1) => vec![begin(), chunk(&row_with(4, "\"x\"", "4-d", wrong))],
            _ => vec![begin(), chunk("\n")],
        })
        .follow();
        stage.run_s(30.0);
        let log = stage.log();
        let told = format!("x cannot be read: not CouchDB's answer: {why}");
        assert_eq!(log.matches("x cannot be read").count(), 1, "{log}");
        assert!(log.contains(&told) && !log.contains("lost"), "{wrong}: {log}");
        // Until it is right again, no other event names it.
        assert_eq!(stage.revs("x"), ["3-c", "4-d"], "{wrong}: {log}");
    }
}

#[test]
fn a_feed_without_retries_ends_at_a_wrong_document() {
    let mut stage = Stage::with_database("\"3-s\"", |_| vec![revision("y", "3-c")])
        .follow_with(|feed| feed.doc("x").retry_limit(0).retry_if(|_| false));
    stage.run_s(1.0);
    let log = stage.log();
    assert!(log.ends_with("gave up (1) at 3-s: not CouchDB's answer: it is another document"));
}

#[test]
fn a_document_that_was_deleted_before_its_row_was_sent_was_shown_as_existing() {
    // The server adds the document as it is when the row is sent.
    let doc = r#"{"_id":"x","_rev":"5-e","n":1,"_deleted":true}"#;
    let mut stage = Stage::with_feeds(move |_| {
        vec![begin(), chunk(&row_with(4, "\"x\"", "4-d", doc)), chunk("\n")]
    })
    .follow();
    stage.run_s(1.0);
    let log = stage.log();
    assert!(log.ends_with("x is gone at 5-e"), "{log}");
}

#[test]
fn a_document_newer_than_its_row_had_the_revision_of_the_row() {
    let docs = [(4, "4-d", "5-e"), (5, "5-e", "5-e"), (6, "6-f", "6-f")];
    let rows = docs.map(|(seq, rev, newer)| {
        row_with(seq, "\"x\"", rev, &format!(r#"{{"_id":"x","_rev":"{newer}"}}"#))
    });
    let mut stage = Stage::with_feeds(move |_| {
        let rows = rows.iter().flat_map(|row| [chunk(row), Act::wait_s(1.0)]);
        [begin()].into_iter().chain(rows).collect()
    })
    .follow();
    stage.run_s(5.0);
    assert_eq!(stage.revs("x"), ["3-c", "5-e", "6-f"]);
}

#[test]
fn an_id_is_the_same_however_it_is_escaped() {
    let row = row_with(4, "\"\\u0078\"", "4-d", r#"{"_rev":"4-d","_id":"\u0078"}"#);
    let mut stage = Stage::with_feeds(move |_| vec![begin(), chunk(&row), chunk("\n")]).follow();
    stage.run_s(1.0);
    assert_eq!(stage.revs("x"), ["3-c", "4-d"]);
    assert_eq!(stage.world.borrow().asked.len(), 3, "it came with its row");
}

/// The events of a feed of every change with these rows, and the documents.
fn told_of(rows: &[String]) -> Vec<String> {
    let rows = rows.concat();
    let every = EveryChange::since(Start::Beginning).query(Query::new().include_docs());
    let mut stage = Stage::with_database("\"9-s\"", move |asked| match asked.target.as_str() {
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ if asked.since() == "0" => vec![begin(), chunk(&rows), chunk("\n")],
        _ => vec![begin(), chunk("\n")],
    })
    .follow_with(|feed| feed.every_change(every));
    stage.run_s(1.0);
    assert_eq!(stage.counters().losses, 0);
    let told = stage.told.borrow();
    let shown = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, row, .. } => {
            let doc = row.doc.as_ref().map_or("-".into(), |doc| String::from_utf8_lossy(doc));
            Some(format!("{number}: {} {doc}", row.id))
        }
        FeedEvent::Unread { id, why } => Some(format!("{id}: {why}")),
        _ => None,
    });
    shown.collect()
}

#[test]
fn a_row_of_every_change_was_reported_with_the_document_of_another() {
    for (wrong, why) in WRONG {
        let good = r#"{"_id":"z","_rev":"1-z"}"#;
        let rows = [row_with(1, "\"x\"", "4-d", wrong), row_with(2, "\"z\"", "1-z", good)];
        let expected = [
            format!("x: not CouchDB's answer: {why}"),
            "1: x -".to_owned(),
            format!("2: z {good}"),
        ];
        assert_eq!(told_of(&rows), expected, "{wrong}");
    }
}

#[test]
fn a_row_of_every_change_has_its_document_in_whatever_form_it_was_written() {
    for (id, doc) in [
        ("\"x\"", r#"{"_id":"x","_rev":"4-d","n":1}"#),
        ("\"x\"", r#"{ "_rev" : "4-d", "n":{"_id":"y"}, "_id" : "x" }"#),
        ("\"x\"", r#"{"_id":"x","_rev":"5-e"}"#),
        ("\"x\"", r#"{"_id":"x","_rev":"4-d","_deleted":true}"#),
        ("\"\\u0078\"", r#"{"_id":"x","_rev":"4-d"}"#),
        ("\"x\"", r#"{"_id":"\u0078","_rev":"4-d"}"#),
    ] {
        assert_eq!(told_of(&[row_with(1, id, "4-d", doc)]), [format!("1: x {doc}")]);
    }
    // No document is none, and the server may say so.
    assert_eq!(told_of(&[row_with(1, "\"x\"", "4-d", "null")]), ["1: x -"]);
    let (id, doc) = (r#""a\",\"_rev\":\"b""#, r#"{"_id":"a","_rev":"b","_rev":"c"}"#);
    let told = told_of(&[row_with(1, id, "4-d", doc)]);
    assert_eq!(told[0], "a\",\"_rev\":\"b: not CouchDB's answer: it is another document");
}

#[test]
fn a_row_that_is_no_object_was_skipped_silently() {
    for mode in [FeedMode::LongPoll, FeedMode::Normal] {
        let mut stage = Stage::with_feeds(|_| {
            let good = row("\"4-d\"", "x", "4-d");
            let page = format!("{{\"results\":[{good},7],\"last_seq\":\"9-z\"}}");
            vec![begin(), chunk(&page), end()]
        })
        .follow_with(move |feed| feed.mode(mode).doc("x"));
        stage.run_s(0.1);
        let log = stage.log();
        assert!(log.contains("not a line of a changes feed: {\"results\":[7]"), "{log}");
        stage.run_s(5.0);
        // It is asked for again from the row before.
        assert_eq!(stage.world.borrow().asked.last().unwrap().since(), "4-d");
    }
}
