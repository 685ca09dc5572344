//! Changes as server-sent events.

use super::program::{self, Dashboard, FOR_EVER, answer};
use crate::support::PATIENCE;
use crate::support::http::Connection;

/// Subscribes to the board's events, as a browser that has seen `last`.
#[track_caller]
fn subscribe(dashboard: &Dashboard, last: Option<&str>) -> Connection {
    let mut connection = dashboard.connect();
    let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!("GET /board/events HTTP/1.1\r\nHost: h\r\n{last}\r\n");
    connection.send(request.as_bytes()).expect("it reads");
    let head = connection.head(PATIENCE).expect("it answers");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("text/event-stream"));
    assert_eq!(head.header("Cache-Control"), Some("no-store"));
    connection
}

#[track_caller]
fn event(connection: &mut Connection) -> String {
    let event = connection.chunk(PATIENCE).expect("an event comes");
    String::from_utf8(event).expect("it is text")
}

#[track_caller]
fn assert_document(event: &str, rev: &str, n: i32) {
    let rest = event.strip_prefix(&format!("id: {rev}\ndata: ")).expect(event);
    let json = rest.strip_suffix("\n\n").expect(event);
    let json: serde_json::Value = serde_json::from_str(json).expect(event);
    assert_eq!((&json["n"], &json["_rev"]), (&n.into(), &rev.into()));
}

const FOLLOWING: &str = "event: feed\ndata: {\"state\":\"following\"}\n\n";

#[test]
fn each_change_is_sent_to_all_listeners() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut new = subscribe(&dashboard, None);
    let mut behind = subscribe(&dashboard, Some("1-abc"));
    let mut current = subscribe(&dashboard, Some(&rev));
    for stream in [&mut new, &mut behind, &mut current] {
        assert_eq!(event(stream), FOLLOWING);
    }
    assert_document(&event(&mut new), &rev, 1);
    assert_document(&event(&mut behind), &rev, 1);
    assert!(current.is_silent().expect("it is open"), "it knows this one");
    let second = dashboard.store("board", r#"{"n":2}"#);
    for stream in [&mut new, &mut behind, &mut current] {
        assert_document(&event(stream), &second, 2);
    }
    let couch = dashboard.couch.as_ref().expect("it has one");
    program::delete(couch, "board", &second);
    for stream in [&mut new, &mut behind, &mut current] {
        let gone = event(stream);
        assert!(gone.starts_with("event: gone\nid: 3-") && gone.contains("deleted"), "{gone}");
    }
}

#[test]
fn a_stream_on_which_nothing_happens_shows_that_it_lives() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &["--long-poll", "0.2"]);
    let mut stream = subscribe(&dashboard, Some(&rev));
    assert_eq!(event(&mut stream), FOLLOWING);
    for _ in 0..3 {
        assert_eq!(event(&mut stream), ":\n\n");
    }
}

#[test]
fn a_lost_feed_is_reported_immediately() {
    let (mut database, _) = program::with_board(r#"{"n":1}"#, &[]);
    let couch = database.couch.clone().expect("it has one");
    let dashboard = program::follow(&couch, &["--doc", "board", "--long-poll", "3600"]);
    let mut stream = subscribe(&dashboard, None);
    // The database may or may not have been followed when the stream began: a later change is not
    // lost.
    let (mut is_told, mut is_followed) = (false, false);
    while !(is_told && is_followed) {
        let event = event(&mut stream);
        is_told |= event.starts_with("id: ");
        is_followed |= event == FOLLOWING;
    }
    database.program.kill();
    let lost = loop {
        let event = event(&mut stream);
        if event != FOLLOWING {
            break event;
        }
    };
    assert!(lost.starts_with("event: feed\ndata: {\"state\":\"lost\",\"reason\":\""), "{lost}");
}

#[test]
fn a_stream_ends_with_the_server_and_with_the_browser() {
    let (mut dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut left = subscribe(&dashboard, Some(&rev));
    assert_eq!(event(&mut left), FOLLOWING);
    left.end_sending().expect("it is open");
    assert!(left.chunk(PATIENCE).expect("it ends in good order").is_empty());
    let mut stays = subscribe(&dashboard, Some(&rev));
    assert_eq!(event(&mut stays), FOLLOWING);
    dashboard.program.signal("TERM");
    assert!(stays.chunk(PATIENCE).expect("it ends in good order").is_empty());
    assert!(stays.rest(PATIENCE).expect("it is closed").is_empty());
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
}

#[test]
fn head_shows_what_a_stream_would_begin_with() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut connection = dashboard.connect();
    let request = b"HEAD /board/events HTTP/1.1\r\nHost: h\r\n\r\n";
    connection.send(request).expect("it reads");
    let head = connection.head(PATIENCE).expect("it answers");
    assert_eq!(head.header("Content-Type"), Some("text/event-stream"));
    dashboard.send(&mut connection, "/board");
    assert_eq!(answer(&mut connection).status, 200);
    assert_eq!(dashboard.get("/other/events").status, 404);
}

/// A client that does not read receives only the latest revision when it reads again, not every
/// missed one.
#[test]
fn slow_readers_skip_old_events() {
    let (dashboard, _) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let mut slow = subscribe(&dashboard, None);
    let padding = "x".repeat(400_000);
    let newest = 40;
    let mut rev = String::new();
    for n in 1..=newest {
        rev = dashboard.store("board", &format!(r#"{{"n":{n},"padding":"{padding}"}}"#));
        dashboard.wait_for("board", &rev); // so that none is skipped on its way here
    }
    let mut told = 0;
    let end = format!("id: {rev}\n");
    loop {
        let event = event(&mut slow);
        told += usize::from(event.starts_with("id: "));
        if event.starts_with(&end) {
            break;
        }
    }
    assert!(told < newest, "it is told {told} documents of {newest}");
}
