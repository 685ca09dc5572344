//! When a feed that was lost is tried again, and how it ends when it is not.

use super::*;
use masque::sessions::{ChangesFeed, FeedError, FeedEvent};
use std::path::Path;
use std::time::Duration;

/// What a real server answered.
fn recorded(name: &str) -> Act {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    Act::send(std::fs::read(captures.join(name)).unwrap())
}

/// A database that is there for so many looks at it, then gone for `gone` of them, and then back.
fn comes_and_goes(there: usize, gone: usize) -> Stage {
    let mut looks = 0;
    Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            let is_gone = (there..there + gone).contains(&(looks - 1));
            vec![if is_gone { recorded(NO_DATABASE) } else { info(r#""3-c""#, "1") }]
        }
        "/db/x" => vec![revision("x", "3-c")],
        _ => vec![begin(), chunk("\n"), Act::wait_s(10.0), chunk("\n"), Act::Finish],
    })
}

const NO_DATABASE: &str = "couchdb/err_404_missing_db.response";

/// The feed has ended, and its watcher too.
#[track_caller]
fn check_over(mut stage: Stage) {
    stage.clear();
    stage.check(3600.0, "");
    stage.stop_server();
    assert_eq!(stage.rig.stats().sessions, 0);
}

#[test]
fn a_feed_with_a_limit_gives_up_at_the_start() {
    let mut stage =
        Stage::new(|_| vec![]).follow_as("http://couch:1/db", |feed| feed.doc("x").retry_limit(2));
    stage.check(
        3600.0,
        "0.000 lost (1), again in 0.465: cannot connect to couch:1: connection refused
        0.465 lost (2), again in 0.930: cannot connect to couch:1: connection refused
        1.395 gave up (3) at nowhere: cannot connect to couch:1: connection refused",
    );
    check_over(stage);
}

#[test]
fn a_feed_with_a_limit_gives_up_later_after_reporting_its_rows() {
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 => vec![begin(), chunk("\n"), Act::wait_s(10.0), chunk("\n"), Act::Kill],
        2 => vec![begin(), chunk(&row("\"4-d\"", "x", "4-d")), Act::Kill],
        3 | 4 => vec![begin(), Act::Kill],
        _ => vec![begin(), chunk(&row("\"5-e\"", "y", "5-e")), chunk("nonsense\n")],
    })
    .follow_with(|feed| feed.doc("x").retry_limit(3));
    stage.check(
        60.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        10.000 lost (1), again in 0.465: the connection ended in the middle of the feed
        10.465 #2 GET /db
        10.465 #2 feed since 3-c
        10.465 connected #2 since 3-c
        10.465 caught up
        10.465 x is 4-d
        10.465 lost (1), again in 0.349: the connection ended in the middle of the feed
        10.814 #3 GET /db
        10.814 #3 GET /db/x
        10.814 #3 feed since 4-d
        10.814 connected #3 since 4-d
        10.814 caught up
        10.814 lost (2), again in 0.697: the connection ended in the middle of the feed
        11.511 #4 GET /db
        11.511 #4 GET /db/x
        11.511 #4 feed since 4-d
        11.511 connected #4 since 4-d
        11.511 caught up
        11.511 lost (3), again in 1.394: the connection ended in the middle of the feed
        12.905 #5 GET /db
        12.905 #5 GET /db/x
        12.905 #5 feed since 4-d
        12.905 connected #5 since 4-d
        12.905 caught up
        12.905 gave up (4) at 5-e: not a line of a changes feed: nonsense",
    );
    check_over(stage);
}

#[test]
fn a_limit_of_0_is_one_try() {
    let mut stage = comes_and_goes(1, 0).follow_with(|feed| feed.doc("x").retry_limit(0));
    stage.check(
        60.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        10.000 gave up (1) at 3-c: the connection ended in the middle of the feed",
    );
    check_over(stage);
}

type Condition = fn(&FeedError) -> bool;

const WHATEVER: Condition = |_| true;
const NOT_LASTING: Condition = |why| !why.is_permanent();
const DATABASE_COMES: Condition =
    |why| !why.is_permanent() || matches!(why, FeedError::NoDatabase(_));
const DATABASE_GOES: Condition = |why| !matches!(why, FeedError::NoDatabase(_));

/// Has a server be well for `feeds` feeds and then answer everything with `answer`, and compares
/// for which conditions the feed gives up at that.
#[track_caller]
fn check(answer: &Act, gives_up: &[Condition]) {
    for condition in [WHATEVER, NOT_LASTING, DATABASE_COMES, DATABASE_GOES] {
        for feeds in [0, 1] {
            let bad = answer.clone();
            let mut stage = Stage::new(move |asked| match asked.target.as_str() {
                _ if asked.feeds >= feeds && !asked.is_feed() => vec![bad.clone()],
                "/db" => vec![info(r#""3-c""#, "1")],
                "/db/x" => vec![revision("x", "3-c")],
                _ => vec![begin(), chunk("\n"), Act::Finish],
            })
            .follow_with(move |feed| feed.doc("x").retry_if(condition));
            stage.run_s(600.0);
            let log = stage.log();
            let is_given_up = gives_up.iter().any(|other| std::ptr::fn_addr_eq(*other, condition));
            assert_eq!(log.contains(" gave up ("), is_given_up, "after {feeds} feeds: {log}");
            if is_given_up {
                check_over(stage);
            } else {
                assert!(stage.counters().losses > 2, "{log}"); // the slowest are those of 401
            }
        }
    }
}

#[test]
fn a_feed_gives_up_on_its_condition_at_the_start_and_later() {
    let lasting = [NOT_LASTING, DATABASE_COMES];
    check(&recorded("couchdb/err_401_wrong_password.response"), &lasting);
    check(&recorded("couchdb/err_403_not_member.response"), &lasting);
    check(&recorded("couchdb/err_405_delete.response"), &lasting);
    check(&recorded("couchdb/err_since_word.response"), &lasting);
    check(&json("415 Unsupported Media Type", "{}"), &lasting);
    check(&json("404 Not Found", "<h1>a proxy</h1>"), &lasting);
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://other/db\r\nContent-Length: 0\r\n\r\n";
    check(&Act::send(elsewhere), &lasting);
    for no_database in [NO_DATABASE, "pouchdb/err_404_missing_db.response"] {
        check(&recorded(no_database), &[NOT_LASTING, DATABASE_GOES]);
    }
    for passing in ["408 Request Timeout", "425 Too Early", "429 Slow", "500 Oops", "503 Later"] {
        check(&json(passing, "{}"), &[]);
    }
    check(&json("421 Misdirected Request", "{}"), &[]);
    for never in ["501 Not Implemented", "505 HTTP Version Not Supported", "511 Log In"] {
        check(&json(never, "{}"), &lasting);
    }
    check(&Act::Kill, &[]);
    check(&Act::send("nonsense\r\n\r\n"), &[]);
}

#[test]
fn a_node_that_was_down_or_in_maintenance_was_treated_as_a_permanent_error() {
    for error in ["nodedown", "maintenance_mode"] {
        let body = format!(r#"{{"error":"{error}","reason":"progress not possible"}}"#);
        let answer = json("412 Precondition Failed", &body);
        check(&answer, &[]);
        let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
            1..=3 => vec![answer.clone()],
            _ => vec![begin(), chunk("\n")],
        })
        .follow_with(|feed| feed.doc("x").retry_if(|why| !why.is_permanent()));
        stage.run_s(5.0);
        let log = stage.log();
        assert!(log.ends_with("caught up"), "{log}");
    }
}

#[test]
fn after_a_login_at_a_node_that_was_down_each_request_had_the_password() {
    for passing in ["412 Precondition Failed", "425 Too Early", "408 Request Timeout"] {
        let mut logins = 0;
        let mut stage = Stage::new(move |asked| {
            if asked.target == "/_session" {
                logins += 1;
                let cookie = "HTTP/1.1 200 OK\r\nSet-Cookie: AuthSession=c\r\n\
                              Content-Length: 2\r\n\r\n{}";
                return vec![if logins > 2 { Act::send(cookie) } else { json(passing, "{}") }];
            }
            assert_eq!(asked.header("authorization"), None);
            if asked.is_feed() { vec![begin()] } else { vec![info("\"3-c\"", "1")] }
        })
        .follow_as("http://jan:pw@couch/db", ChangesFeed::cookie_session);
        stage.run_s(5.0);
        assert_eq!(stage.counters().losses, 2, "{passing}");
    }
}

#[test]
fn a_missing_database_is_awaited_at_the_start_and_later() {
    for (there, until_s) in [(0, 5.0), (1, 15.0)] {
        let mut stage = comes_and_goes(there, 2).follow();
        // Each pause is that of any other loss, and not a long one as after a refusal.
        stage.run_s(until_s);
        let log = stage.log();
        let why = "there is no such database: not_found: Database does not exist.";
        assert_eq!(log.matches(why).count(), 2, "{log}");
        assert_eq!(log.matches("caught up").count(), there + 1, "{log}");
        assert!(log.ends_with("caught up"), "{log}");
        assert_eq!(stage.revs("x"), ["3-c"]);
    }
}

#[test]
fn a_database_that_disappears_while_documents_are_read_does_not_delete_them() {
    let mut stage = Stage::with_database(r#""3-c""#, |_| vec![recorded(NO_DATABASE)])
        .follow_with(|feed| feed.doc("x").retry_limit(0));
    stage.check(
        1.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 gave up (1) at 3-c: there is no such database: not_found: Database does not exist.",
    );
}

#[test]
fn a_missing_filter_is_distinguished_from_a_missing_database() {
    let check = |name: &'static str, feeds: usize, why: &str| {
        let mut stage = Stage::with_feeds(move |_| vec![recorded(name)])
            .follow_with(|feed| feed.doc("x").retry_limit(0));
        stage.run_s(1.0);
        let log = stage.world.borrow().log.clone();
        assert_eq!(log.last().unwrap(), &format!("0.000 gave up (1) at 3-c: {why}"));
        // A server without the one filter is asked for everything, one without the database is not.
        let asked = stage.world.borrow().asked.len() - 2;
        assert_eq!(asked, feeds, "{log:?}");
    };
    let no_database = "there is no such database: not_found: Database does not exist.";
    check(NO_DATABASE, 1, no_database);
    check(
        "pouchdb/err_404_missing_db.response",
        1,
        "there is no such database: not_found: no_db_file",
    );
    let no_filter = "there is no such filter: not_found: missing";
    check("couchdb/cont_filter_missing.response", 2, &format!("{no_filter} json key: nope"));
    check("couchdb/cont_filter_missing_ddoc.response", 2, no_filter);
    check("pouchdb/cont_filter_missing.response", 2, no_filter);
}

#[test]
fn the_last_event_is_delivered_even_if_the_queue_is_full() {
    let mut limits = masque::reactor::Limits::default();
    limits.queue = 1;
    let mut stage = Stage::with_feeds(|_| vec![begin(), chunk("\n"), Act::Kill])
        .limited(limits)
        .follow_with(|feed: ChangesFeed| feed.doc("x").doc("y").doc("z").retry_limit(0));
    stage.check(
        1.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 GET /db/y
        0.000 #1 GET /db/z
        0.000 #1 GET /db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since=3-c\
        &filter=_doc_ids&doc_ids=%5B%22x%22%2C%22y%22%2C%22z%22%5D
        0.000 x is 3-c
        0.000 y is gone
        0.000 z is gone
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 gave up (1) at 3-c: the connection ended in the middle of the feed",
    );
    check_over(stage);
}

#[test]
fn a_feed_that_has_given_up_reads_no_document() {
    let bare = "{\"seq\":4,\"id\":\"x\",\"changes\":[{\"rev\":\"4-d\"}]}\nnonsense\n";
    let mut stage = Stage::with_feeds(move |_| vec![begin(), chunk(bare)])
        .follow_with(|feed| feed.doc("x").retry_limit(0));
    stage.check(
        60.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 gave up (1) at 4: not a line of a changes feed: nonsense",
    );
    check_over(stage);
}

#[test]
fn a_retry_cap_of_a_millisecond_caused_a_storm_of_connections() {
    for cap in [Duration::from_millis(1), Duration::ZERO] {
        let mut stage = Stage::with_feeds(|_| vec![begin(), Act::Kill])
            .follow_with(move |feed| feed.doc("x").retry_cap(cap));
        stage.run_s(10.0);
        assert!((100..400).contains(&stage.connections()), "{} in 10 s", stage.connections());
    }
}

#[test]
fn a_pause_between_tries_was_shorter_than_the_one_before() {
    let failures: [fn() -> Act; 4] = [
        || Act::Kill,
        || json("500 Internal Server Error", "{}"),
        || json("403 Forbidden", r#"{"error":"forbidden","reason":"no"}"#),
        || json("401 Unauthorized", r#"{"error":"unauthorized","reason":"no"}"#),
    ];
    for seed in 0..25 {
        for failure in failures {
            let mut stage = Stage::new(move |_| vec![failure()])
                .follow_with(move |feed| feed.doc("x").seed(seed));
            stage.run_s(1800.0);
            let told = stage.told.borrow();
            let pauses = told.iter().filter_map(|event| match event {
                FeedEvent::Lost { retry_after, .. } => Some(*retry_after),
                _ => None,
            });
            let (mut before, mut count) = (Duration::ZERO, 0);
            for (number, pause) in pauses.enumerate() {
                let step = Duration::from_millis(500 << number.min(6)).min(Duration::from_secs(30));
                assert!(pause >= step / 2 && pause >= before, "{seed}: {pause:?}, {before:?}");
                (before, count) = (pause, count + 1);
            }
            assert!(count > 5, "{seed}: {count}");
        }
    }
}
