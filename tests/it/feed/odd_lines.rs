//! Lines that other followers stumble over.

use super::*;
use masque::sessions::{EveryChange, Query, Start};

/// A feed whose first row has `seq` and that is then closed. Returns the next requested sequence.
fn asked_after(seq: &str) -> String {
    let line = row(seq, "x", "4-d");
    let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
        1 => vec![begin(), chunk(&line), Act::Kill],
        _ => vec![begin()],
    })
    .follow();
    stage.run_s(1.0);
    assert_eq!(stage.revs("x"), ["3-c", "4-d"]);
    let target = stage.world.borrow().asked.last().unwrap().target.clone();
    target.split("since=").nth(1).unwrap().split('&').next().unwrap().to_owned()
}

#[test]
fn sequences_are_sent_back_as_they_came() {
    for (seq, since) in [
        (r#""4-g1AAA_-Bc""#, "4-g1AAA_-Bc"),
        ("4", "4"),
        ("18446744073709551616000", "18446744073709551616000"),
        (r#"[4,"g1,A+/="]"#, "%5B4%2C%22g1%2CA%2B%2F%3D%22%5D"),
        (r#"{"a":1}"#, "%7B%22a%22%3A1%7D"),
        (r#""a b\"&#é""#, "a%20b%22%26%23%C3%A9"),
        // No checkpoint.
        ("null", "3-c"),
    ] {
        assert_eq!(asked_after(seq), since, "{seq}");
    }
}

#[test]
fn rows_between_sequences_carry_no_checkpoint_and_the_next_one_does() {
    let lines = row("null", "x", "4-d")
        + &row("null", "x", "5-e")
        + &row("\"6-f\"", "y", "1-y")
        + &row("null", "x", "6-f");
    let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
        1 => vec![begin(), chunk(&lines), Act::Kill],
        _ => vec![begin()],
    })
    .follow();
    stage.run_s(1.0);
    assert_eq!(stage.world.borrow().asked.last().unwrap().since(), "6-f");
    assert_eq!(stage.revs("x"), ["3-c", "6-f"]);
}

#[test]
fn a_feed_starts_over_if_its_sequence_is_too_long_for_a_request() {
    let long = format!("\"{}\"", "é".repeat(20_000));
    let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
        1 => vec![begin(), chunk(&row(&long, "x", "4-d")), Act::Kill],
        _ => vec![begin(), chunk("\n")],
    })
    .follow();
    stage.run_s(60.0);
    let shown = stage.log();
    assert!(
        shown.contains("not CouchDB's answer: its sequence is too long to be sent back"),
        "{shown}"
    );
    assert!(shown.ends_with("caught up"), "{shown}");
    assert_eq!(stage.world.borrow().asked.last().unwrap().since(), "3-c");
}

#[test]
fn an_id_that_is_too_long_was_treated_as_a_long_sequence() {
    let mut stage = Stage::with_feeds(|_| vec![begin()])
        .follow_with(|feed| feed.doc("x").doc("é".repeat(20_000)));
    stage.run_s(3600.0);
    let shown = stage.log();
    assert!(shown.contains("the request cannot be made: a document's id is too long"), "{shown}");
    assert!(!shown.contains("sequence"), "{shown}");
    assert_eq!(shown.matches("GET /db/x").count(), 1, "{shown}");
    assert!(!shown.contains("lost") && stage.connections() < 200, "{shown}");
}

#[test]
fn a_query_that_is_too_long_was_treated_as_a_long_sequence() {
    let query = Query::new().filter("app/f", [("k", "é".repeat(20_000))]).unwrap();
    let mut stage = Stage::with_feeds(|_| vec![begin()])
        .follow_with(|feed| feed.every_change(EveryChange::since(Start::Now).query(query)));
    stage.run_s(1.0);
    let shown = stage.log();
    assert!(shown.ends_with("the request cannot be made: the query is too long"), "{shown}");
}

#[test]
fn documents_are_delivered_as_the_server_wrote_them() {
    let doc = "{\"_id\":\"x\",\"_rev\":\"4-d\",\"big\":12345678901234567890123,\"n\":1.50,\
               \"s\":\"\u{2028}\\ud800\",\"s\":2}";
    let rest = r#""unknown":[1],"changes":[{"rev":"4-d"}],"id":"x","seq":7}"#;
    let line = format!("{{\"doc\":{doc},{rest}\n");
    let mut stage = Stage::with_feeds(move |_| vec![begin(), chunk(&line)]).follow();
    stage.run_s(1.0);
    let told = stage.told.borrow();
    let masque::sessions::FeedEvent::Change(change) = told.last().unwrap() else {
        panic!("{told:?}")
    };
    assert_eq!(change.doc.as_deref(), Some(doc.as_bytes()));
}

#[test]
fn foreign_lines_in_a_feed_end_it() {
    for line in [
        "{}",
        "[]",
        "7",
        "null",
        "{\"seq\":4}",
        "{\"seq\":4,\"id\":5}",
        "{\"seq\":4,\"id\":\"x\"",
        "\u{1}",
    ] {
        let mut stage =
            Stage::with_feeds(move |_| vec![begin(), chunk(&format!("{line}\n"))]).follow();
        stage.run_s(0.1);
        assert!(stage.counters().losses >= 1, "{line}");
        let log = stage.log();
        assert!(log.contains("not a line of a changes feed"), "{line}: {log}");
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_by_a_request_without_documents() {
    let long = |rev: &str| {
        row("\"4-d\"", "y", rev)
            .replace("{\"_id\"", &format!("{{\"l\":\"{}\",\"_id\"", "y".repeat(1000)))
    };
    let mut stage = Stage::with_feeds(move |asked| {
        let bare = "{\"seq\":\"4-d\",\"id\":\"y\",\"changes\":[{\"rev\":\"1-y\"}]}\n";
        match (asked.since().as_str(), asked.target.contains("include_docs=true")) {
            ("3-c", true) => vec![begin(), chunk(&long("1-y"))],
            ("3-c", false) => vec![begin(), chunk(bare), Act::wait_s(20.0), Act::Kill],
            _ => vec![begin(), chunk(&row("\"5-e\"", "x", "5-e"))],
        }
    })
    .follow_with(|feed| feed.doc("x").line_max(500));
    stage.check(
        21.5,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 lost (1), again in 0.465: a line is longer than 500 bytes
        0.465 #2 GET /db
        0.465 #2 GET /db/_changes?feed=continuous&include_docs=false&heartbeat=10000&since=3-c\
&filter=_doc_ids&doc_ids=%5B%22x%22%5D
        0.465 connected #2 since 3-c
        0.465 caught up
        20.465 lost (2), again in 0.930: the connection ended in the middle of the feed
        21.395 #3 GET /db
        21.395 #3 GET /db/x
        21.395 #3 feed since 4-d
        21.395 connected #3 since 4-d
        21.395 caught up
        21.395 x is 5-e",
    );
}

#[test]
fn a_document_that_is_too_long_is_reported_and_skipped_until_it_is_short_again() {
    let doc =
        |rev: &str| format!("{{\"_id\":\"x\",\"_rev\":\"{rev}\",\"l\":\"{}\"}}", "y".repeat(1000));
    let mut reads = 0;
    let mut stage = Stage::new(move |asked| {
        let bare = "{\"seq\":\"4-d\",\"id\":\"x\",\"changes\":[{\"rev\":\"4-d\"}]}\n";
        let long = bare.replace("]}", &format!("],\"doc\":{}}}", doc("4-d")));
        match (asked.target.as_str(), asked.since().as_str()) {
            ("/db", _) => vec![info(r#""3-c""#, "1")],
            ("/db/x", _) => {
                reads += 1;
                let short = r#"{"_id":"x","_rev":"3-c"}"#.to_owned();
                vec![json("200 OK", &if reads == 1 { short } else { doc("4-d") })]
            }
            (target, "3-c") if target.contains("include_docs=true") => vec![begin(), chunk(&long)],
            (_, "3-c") => vec![begin(), chunk(bare)],
            _ => vec![begin(), Act::wait_s(5.0), chunk(&row("\"5-e\"", "x", "5-e"))],
        }
    })
    .follow_with(|feed| feed.doc("x").line_max(500));
    stage.check(
        6.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 lost (1), again in 0.465: a line is longer than 500 bytes
        0.465 #2 GET /db
        0.465 #2 GET /db/_changes?feed=continuous&include_docs=false&heartbeat=10000&since=3-c\
&filter=_doc_ids&doc_ids=%5B%22x%22%5D
        0.465 connected #2 since 3-c
        0.465 caught up
        0.465 #3 GET /db
        0.465 #3 GET /db/x
        0.465 x is longer than 500
        0.465 #4 feed since 4-d
        0.465 connected #4 since 4-d
        5.465 x is 5-e",
    );
}

#[test]
fn a_document_that_is_too_long_was_read_and_reported_after_each_loss() {
    let doc =
        |length: usize| format!("{{\"_id\":\"y\",\"_rev\":\"1-y\"{}}}", " ".repeat(length - 24));
    let mut losses = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        // Something changes during each loss.
        "/db" => vec![info(&format!("\"{losses}-s\""), "1")],
        // Its body never arrives, so the feed must not wait for it.
        "/db/x" => vec![Act::send("HTTP/1.1 200 OK\r\nContent-Length: 501\r\n\r\n")],
        "/db/y" => vec![json("200 OK", &doc(500))],
        "/db/z" => vec![unannounced(&doc(501))],
        _ => {
            losses += 1;
            vec![begin(), chunk("\n"), Act::wait_s(1.0), Act::Kill]
        }
    })
    .follow_with(|feed| feed.doc("x").doc("y").doc("z").line_max(500));
    stage.run_s(600.0);
    let log = stage.log();
    assert!(log.matches("GET /db/x").count() > 20, "{log}");
    for id in ["x", "z"] {
        assert_eq!(log.matches(&format!("{id} is longer than 500")).count(), 1, "{log}");
    }
    assert_eq!(log.matches("y is 1-y").count(), 1, "as long as may be: {log}");
    assert!(!log.contains("nothing, not even") && !log.contains("no answer"), "{log}");
}

#[test]
fn a_line_that_is_too_long_without_documents_is_reported_as_stuck_and_requested_slowly() {
    let mut stage = Stage::with_feeds(|_| vec![begin(), chunk(&"x".repeat(600))])
        .follow_with(|feed| feed.doc("x").line_max(500));
    stage.run_s(3600.0);
    assert!((120..250).contains(&stage.connections()), "{}", stage.connections());
    let log = stage.log();
    assert!(log.contains("stuck (5) at 3-c: a line is longer than 500 bytes"), "{log}");
}

#[test]
fn a_change_without_its_document_is_read_by_a_separate_request() {
    let bare = |seq: &str, rev: &str| {
        format!("{{\"seq\":\"{seq}\",\"id\":\"x\",\"changes\":[{{\"rev\":\"{rev}\"}}]}}\n")
    };
    let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
        // Known already, then a burst of news.
        1 => vec![
            begin(),
            chunk(&bare("3-c", "3-c")),
            Act::wait_s(1.0),
            chunk(&(bare("4-d", "4-d") + &bare("5-e", "5-e"))),
        ],
        _ => vec![begin(), chunk("\n")],
    })
    .follow();
    stage.check(
        2.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        1.000 #2 GET /db
        1.000 #2 GET /db/x
        1.000 #2 feed since 5-e
        1.000 x is 5-e
        1.000 connected #2 since 5-e",
    );
}

#[test]
fn a_second_response_of_64_kib_is_not_waited_for() {
    for (bytes, is_lost_at_once) in [(64 * 1024 - 1, false), (64 * 1024, true)] {
        let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
            1 => {
                let start = "HTTP/1.1 500 Internal Server Error\r\nX: ";
                let second = format!("{start}{}", "x".repeat(bytes - start.len()));
                vec![begin(), chunk("\n"), Act::send(second), Act::wait_s(60.0)]
            }
            _ => vec![begin(), chunk("\n")],
        })
        .follow();
        stage.run_s(4.0);
        let losses = stage.counters().losses;
        assert_eq!(losses == 1, is_lost_at_once, "after {bytes} bytes");
        stage.run_s(2.0);
        assert_eq!(stage.counters().losses, 1, "after {bytes} bytes");
    }
}
