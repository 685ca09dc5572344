//! The start of a feed, and its events while nothing fails.

use super::*;
use masque::couch_feed::limits::FILTER_BYTES;

#[test]
fn a_feed_reads_the_documents_and_follows_from_before_that() {
    let mut stage = Stage::with_feeds(|_| {
        let mut acts =
            vec![begin(), chunk("\n"), Act::wait_s(2.5), chunk(&row("\"4-d\"", "x", "4-d"))];
        acts.extend(beats(400));
        acts
    })
    .follow();
    stage.check(
        3600.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        2.500 x is 4-d",
    );
    let target = stage.world.borrow().asked[2].target.clone();
    assert_eq!(
        target,
        "/db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since=3-c\
         &filter=_doc_ids&doc_ids=%5B%22x%22%5D"
    );
    let counters = stage.counters();
    assert_eq!((counters.connections, counters.rows, counters.changes), (1, 1, 2));
    assert_eq!((counters.heartbeats, counters.losses), (1 + 359, 0));
    // Three bodies, and a line end for each heartbeat.
    assert!(counters.bytes > 400, "{counters:?}");
    assert_eq!(
        counters.heard.unwrap() - counters.last_row.unwrap(),
        std::time::Duration::from_secs(3590)
    );
    assert_eq!(stage.rig.stats().timers, 2, "one of the feed, one of the server");
}

#[test]
fn requests_do_not_ask_for_a_compressed_feed() {
    let mut stage = Stage::with_feeds(|_| vec![begin()]).follow();
    stage.run_s(1.0);
    for asked in &stage.world.borrow().asked {
        assert_eq!(asked.header("accept-encoding"), None);
        assert_eq!(asked.header("host"), Some("couch:5984"));
        assert_eq!(asked.header("authorization"), None);
    }
}

#[test]
fn the_heartbeat_may_be_a_fraction_of_a_second() {
    let mut stage = Stage::with_feeds(|_| vec![begin(), chunk("\n")])
        .follow_with(|feed| feed.doc("x").heartbeat(std::time::Duration::from_millis(400)));
    stage.run_s(0.1);
    assert!(stage.world.borrow().asked[2].target.contains("&heartbeat=400&"));
    stage.run_s(0.9);
    // Two and a half times that.
    let log = stage.log();
    assert!(
        log.contains(
            "
1.000 lost (1)"
        ),
        "{log}"
    );
    assert!(log.contains("nothing, not even a heartbeat, for 1s"), "{log}");
}

#[test]
fn several_documents_have_one_feed() {
    let mut stage = Stage::with_feeds(|_| {
        let rows = row("4", "b/2", "2-b") + &row("5", "x", "4-d") + &row("6", "other", "1-o");
        vec![begin(), chunk(&rows)]
    })
    .follow_with(|feed| feed.doc("x").doc("b/2").doc("ü").doc("x"));
    stage.check(
        1.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 GET /db/b%2F2
        0.000 #1 GET /db/%C3%BC
        0.000 #1 GET /db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since=3-c\
&filter=_doc_ids&doc_ids=%5B%22x%22%2C%22b%2F2%22%2C%22%C3%BC%22%5D
        0.000 x is 3-c
        0.000 b/2 is gone
        0.000 ü is gone
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 x is 4-d
        0.000 b/2 is 2-b",
    );
}

#[test]
fn a_server_that_does_not_filter_is_asked_for_everything() {
    let check = |status: &'static str, error: &'static str, reason: &'static str| {
        let body = format!(r#"{{"error":"{error}","reason":"{reason}"}}"#);
        let mut stage = Stage::with_feeds(move |asked| {
            if asked.target.contains("filter") {
                return vec![json(status, &body)];
            }
            vec![begin(), chunk(&(row("4", "y", "9-y") + &row("5", "x", "4-d")))]
        })
        .follow();
        stage.check(
            1.0,
            "0.000 #1 GET /db
            0.000 #1 GET /db/x
            0.000 #1 feed since 3-c
            0.000 x is 3-c
            0.000 #1 GET /db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since=3-c
            0.000 connected #1 since 3-c
            0.000 caught up
            0.000 x is 4-d",
        );
    };
    check("404 Not Found", "not_found", "missing");
    // CouchDB 1.0, and Couchbase's Sync Gateway.
    let form = "filter parameter must be of the form `designname/filtername`";
    check("400 Bad Request", "bad_request", form);
    check("400 Bad Request", "Bad Request", "Unknown filter; try sync_gateway/bychannel");
    check("414 URI Too Long", "", "");
}

#[test]
fn the_filter_was_given_up_after_an_unrelated_rejection() {
    for (status, body) in [
        ("400 Bad Request", r#"{"error":"bad_request","reason":"Malformed sequence supplied"}"#),
        ("400 Bad Request", "<html>a proxy"),
        ("404 Not Found", "<html>a proxy that reloads"),
        ("405 Method Not Allowed", r#"{"error":"method_not_allowed","reason":"Only GET allowed"}"#),
        ("502 Bad Gateway", "<html>a proxy without a server"),
    ] {
        let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
            1 => vec![json(status, body)],
            _ => vec![begin(), chunk("\n")],
        })
        .follow();
        stage.run_s(31.0);
        let world = stage.world.borrow();
        let mut feeds = world.asked.iter().filter(|asked| asked.is_feed());
        assert!(feeds.all(|asked| asked.target.contains("&filter=_doc_ids&")), "{:?}", world.log);
        assert!(world.log.iter().any(|line| line.contains(" connected #2 ")), "{:?}", world.log);
        assert!(world.log.iter().any(|line| line.contains(&format!(" {status}"))), "{status}");
    }
}

/// Five hundred documents, whose ids are too long for a request's target.
fn many(mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Stage {
    Stage::with_feeds(move |asked| feeds(asked))
        .follow_with(|feed| (0..500).fold(feed, |feed, n| feed.doc(format!("d{n}"))))
}

#[test]
fn for_many_documents_the_whole_database_was_asked_for() {
    let mut stage = many(|_| vec![begin(), chunk(&row("4", "d499", "1-a"))]);
    stage.run_s(1.0);
    let world = stage.world.borrow();
    let asked = world.asked.last().unwrap();
    assert!(asked.method == "POST" && asked.target.ends_with("&filter=_doc_ids"), "{asked:?}");
    let ids: Vec<_> = (0..500).map(|n| format!("d{n}")).collect();
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, serde_json::json!({ "doc_ids": ids }));
    drop(world);
    assert_eq!(stage.revs("d499"), ["-", "1-a"]);
    assert_eq!(stage.revs("d498"), ["-"]);
}

#[test]
fn ids_one_byte_longer_than_the_limit_are_posted() {
    let around = "%5B%22%22%5D".len();
    for (length, method) in [(FILTER_BYTES, "GET"), (FILTER_BYTES + 1, "POST")] {
        let id = "x".repeat(length - around);
        let mut stage =
            Stage::with_feeds(|_| vec![begin(), chunk("\n")]).follow_with(|feed| feed.doc(id));
        stage.run_s(1.0);
        assert_eq!(stage.world.borrow().asked.last().unwrap().method, method);
    }
}

#[test]
fn the_follower_filters_if_the_server_accepts_no_list_of_ids() {
    for status in ["405 Method Not Allowed", "413 Payload Too Large"] {
        let mut stage = many(move |asked| match asked.method.as_str() {
            "POST" => vec![json(status, "{}")],
            _ => vec![begin(), chunk(&row("4", "d499", "1-a"))],
        });
        stage.run_s(1.0);
        let world = stage.world.borrow();
        assert!(!world.asked.last().unwrap().target.contains("filter"), "{status}");
        drop(world);
        assert_eq!(stage.counters().losses, 0, "{status}");
        assert_eq!(stage.revs("d499"), ["-", "1-a"], "{status}");
    }
}

#[test]
fn servers_that_close_after_each_answer_are_asked_on_new_connections() {
    let close = |body: &str| vec![Act::send(format!("HTTP/1.0 200 OK\r\n\r\n{body}")), Act::Finish];
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => close(r#"{"update_seq":7,"instance_start_time":"1"}"#),
        "/db/x" => close(r#"{"_id":"x","_rev":"3-c"}"#),
        _ => vec![
            Act::send("HTTP/1.0 200 OK\r\n\r\n\n"),
            Act::wait_s(5.0),
            Act::send(row("8", "x", "4-d")),
        ],
    })
    .follow();
    stage.check(
        6.0,
        "0.000 #1 GET /db
        0.000 #2 GET /db/x
        0.000 #3 feed since 7
        0.000 x is 3-c
        0.000 connected #3 since 7
        0.000 caught up
        5.000 x is 4-d",
    );
}

#[test]
fn a_connection_that_is_closed_idle_costs_a_new_one_and_is_no_loss() {
    // It says nothing of closing, but does, after each answer.
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => vec![info("7", "1"), Act::Kill],
        "/db/x" => vec![revision("x", "3-c"), Act::Kill],
        _ => vec![begin(), chunk(&row("8", "x", "4-d"))],
    })
    .follow();
    stage.run_s(1.0);
    assert_eq!(stage.revs("x").last().unwrap(), "4-d");
    assert_eq!(stage.counters().losses, 0);
    assert!(stage.connections() <= 3);
}

#[test]
fn a_document_is_reported_when_it_is_read_before_the_feed_answers() {
    let mut stage = Stage::with_feeds(|_| vec![Act::wait_s(9.0), begin(), chunk("\n")]).follow();
    stage.check(
        10.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        9.000 connected #1 since 3-c
        9.000 caught up",
    );
}

#[test]
fn one_document_that_could_not_be_read_delayed_the_others() {
    let mut reads = 0;
    let mut stage = Stage::with_database("\"4-t\"", move |asked| match asked.target.as_str() {
        "/db/bad" => {
            reads += 1;
            let failure = json("500 Internal Server Error", r#"{"error":"badmatch","reason":"x"}"#);
            vec![if reads < 4 { failure } else { revision("bad", "1-a") }]
        }
        "/db/x" => vec![revision("x", "4-d")],
        _ if asked.feeds == 1 => vec![begin(), chunk(&row("\"5-t\"", "x", "5-e"))],
        _ => [begin()].into_iter().chain(beats(1000)).collect(),
    })
    .follow_with(|feed| feed.doc("bad").doc("x"));
    let feed = "GET /db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since";
    let filter = "&filter=_doc_ids&doc_ids=%5B%22bad%22%2C%22x%22%5D";
    let log = format!(
        "0.000 #1 GET /db
        0.000 #1 GET /db/bad
        0.000 #1 GET /db/x
        0.000 bad cannot be read: the server answered 500 Internal Server Error: badmatch: x
        0.000 #1 {feed}=4-t{filter}
        0.000 x is 4-d
        0.000 connected #1 since 4-t
        0.000 caught up
        0.000 x is 5-e
        1.000 #2 GET /db
        1.000 #2 GET /db/bad
        1.000 #2 {feed}=5-t{filter}
        1.000 connected #2 since 5-t
        3.000 #3 GET /db
        3.000 #3 GET /db/bad
        3.000 #3 {feed}=5-t{filter}
        3.000 connected #3 since 5-t
        7.000 #4 GET /db
        7.000 #4 GET /db/bad
        7.000 #4 {feed}=5-t{filter}
        7.000 bad is 1-a
        7.000 connected #4 since 5-t"
    );
    stage.check(600.0, &log);
}

#[test]
fn a_rejection_of_all_requests_is_a_loss_of_the_feed() {
    for (status, head) in [
        ("401 Unauthorized", ""),
        ("503 Service Unavailable", ""),
        ("500 Internal Server Error", "Retry-After: 5\r\n"),
    ] {
        let mut stage = Stage::with_database("\"4-t\"", move |_| {
            vec![Act::send(format!("HTTP/1.1 {status}\r\n{head}Content-Length: 0\r\n\r\n"))]
        })
        .follow_with(|feed| feed.doc("x").doc("y"));
        stage.run_s(0.01);
        let log = stage.log();
        assert!(log.contains("lost (1)") && !log.contains("/db/y"), "{log}");
    }
}
