//! The long poll: which requests wait, what ends the wait, and which state is left afterwards.

use super::program::{self, Dashboard, FOR_EVER, answer, tag};
use crate::support::{PATIENCE, http, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

#[test]
fn a_poll_waits_for_the_change_and_has_it() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut poll = dashboard.park("board", &rev);
    let next = dashboard.store("board", r#"{"n":2}"#);
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, next.as_str()));
    assert_eq!(reply.json(), json!({ "_id": "board", "_rev": next, "n": 2 }));

    dashboard.send(&mut poll, &format!("/board/{next}"));
    dashboard.catch_up();
    assert!(
        poll.is_silent().expect("it stays open"),
        "the next poll waits, on the same connection"
    );
    dashboard.send(&mut dashboard.connect(), "/board");
    let last = dashboard.store("board", r#"{"n":3}"#);
    assert_eq!(tag(&answer(&mut poll)), last);
}

#[test]
fn a_poll_without_a_change_gets_the_current_document() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &["--long-poll", "0.05"]);
    let mut poll = dashboard.connect();
    for _ in 0..3 {
        dashboard.send(&mut poll, &format!("/board/{rev}"));
        let reply = answer(&mut poll);
        assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
        assert_eq!(reply.json()["n"], 1);
    }
}

#[test]
fn each_document_wakes_only_its_own_polls() {
    let dashboard = program::start(&["--doc", "a", "--doc", "b", "--long-poll", "3600"]);
    let (a, b) = (dashboard.store("a", r#"{"n":1}"#), dashboard.store("b", r#"{"n":2}"#));
    dashboard.wait_for("a", &a);
    dashboard.wait_for("b", &b);
    assert_eq!(dashboard.get("/b").json()["n"], 2);

    let mut on_a = dashboard.park("a", &a);
    let mut on_b = dashboard.park("b", &b);
    let b = dashboard.store("b", r#"{"n":3}"#);
    assert_eq!(tag(&answer(&mut on_b)), b);
    dashboard.catch_up();
    assert!(on_a.is_silent().expect("it stays open"), "a has not changed");
    let a = dashboard.store("a", r#"{"n":4}"#);
    let reply = answer(&mut on_a);
    assert_eq!((tag(&reply), &reply.json()["n"]), (a.as_str(), &json!(4)));
}

#[test]
fn a_deleted_document_ends_the_wait_with_404() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut poll = dashboard.park("board", &rev);
    program::delete(dashboard.couch.as_ref().expect("its own"), "board", &rev);
    let reply = answer(&mut poll);
    assert_eq!((reply.status, reply.json()["reason"].as_str()), (404, Some("deleted")));
    let deletion = tag(&reply).to_owned();
    assert!(deletion.starts_with("2-"), "{deletion}");

    dashboard.send(&mut poll, &format!("/board/{rev}"));
    assert_eq!(answer(&mut poll).status, 404, "it is no longer at that revision");
    drop(poll);
    let mut poll = dashboard.park("board", &deletion);
    let again = dashboard.store("board", r#"{"n":2}"#);
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, again.as_str()));
}

#[test]
fn a_document_that_was_not_there_could_not_be_waited_for() {
    let dashboard = program::start(&[&["--doc", "board"], &FOR_EVER[..]].concat());
    dashboard.wait_for("board", "none");
    assert_eq!(dashboard.get("/board").status, 404);
    let mut poll = dashboard.park("board", "none");
    let rev = dashboard.store("board", r#"{"n":1}"#);
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
}

/// Two dashboards behind one name: a browser may ask the one after the other.
#[test]
fn a_browser_went_back_in_time_between_two_dashboards() {
    const OLD: &str = "7-00000000000000000000000000000007";
    const NEW: &str = "8-00000000000000000000000000000008";
    let start = |more: &[&str]| {
        let arguments = [&["--doc", "board"], &FOR_EVER[..], more].concat();
        let dashboard = program::start(&arguments);
        replicate(&dashboard, OLD);
        dashboard.wait_for("board", OLD);
        dashboard
    };
    let ahead = start(&[]);
    replicate(&ahead, NEW);
    ahead.wait_for("board", NEW);

    let plain = start(&[]);
    let reply = plain.get(&format!("/board/{NEW}"));
    assert_eq!((reply.status, tag(&reply)), (200, OLD), "any other revision is answered at once");

    let monotonic = start(&["--monotonic"]);
    let mut poll = monotonic.park("board", NEW);
    replicate(&monotonic, NEW);
    monotonic.wait_for("board", NEW);
    assert!(poll.is_silent().expect("it stays open"), "it has that one");
    let next = monotonic.store("board", r#"{"n":9}"#);
    assert_eq!(tag(&answer(&mut poll)), next);
    for (dashboard, count) in [(&ahead, 0), (&plain, 1), (&monotonic, 1)] {
        let metrics = dashboard.get("/metrics");
        let line = format!("\ndashboard_ahead_total {count}\n");
        assert!(metrics.text().contains(&line), "{}", metrics.text());
    }
}

/// Stores a revision of the board as a replication does, which comes with its name.
#[track_caller]
fn replicate(dashboard: &Dashboard, rev: &str) {
    let couch = dashboard.couch.as_ref().expect("it has one");
    let stored =
        http::put(&format!("{couch}/board?new_edits=false"), &format!("{{\"_rev\":\"{rev}\"}}"));
    assert_eq!(stored.status, 201, "{}", stored.text());
}

/// The README says what to do first, and the program prints it with its own address.
#[test]
fn the_first_instruction_of_the_readme_failed_for_a_person() {
    let mut dashboard = program::start(&[]);
    let printed = dashboard.curl.take().expect("it prints a line to paste");
    let readme = fs::read_to_string(program::root().join("README.md")).expect("it is there");
    let shown = readme.lines().find(|line| line.starts_with("curl -X PUT "));
    let shown = shown.expect("the README shows the line");
    let couch = dashboard.couch.as_deref().expect("it has one");
    let (_, path) = shown.split_once("/dashboard/").expect("it names the embedded database");
    assert_eq!(printed, format!("curl -X PUT {couch}/{path}"), "but for the port");

    // A person takes seconds to copy a line: what moves by itself has moved on.
    let moving = tag(&dashboard.get("/overview")).to_owned();
    wait_until(PATIENCE, || tag(&dashboard.get("/overview")) != moving);
    let rev = paste(&printed);
    dashboard.wait_for("mine", &rev);
    assert_eq!(dashboard.get("/mine").json()["figure"], 42);
    assert_eq!(dashboard.get("/file/index.html?doc=mine").status, 200);

    // Then again, with the revision that the first answer named, as the README says.
    let again =
        printed.replace("{\"figure\": 42}", &format!("{{\"_rev\": \"{rev}\", \"figure\": 43}}"));
    dashboard.wait_for("mine", &paste(&again));
    assert_eq!(dashboard.get("/mine").json()["figure"], 43);
}

/// What a shell makes of the line: the revision in curl's answer.
#[track_caller]
fn paste(line: &str) -> String {
    let ran = Command::new("sh").args(["-c", line]).output().expect("there is a shell");
    let answer: Value = serde_json::from_slice(&ran.stdout).expect("the database answers");
    assert_eq!(answer["ok"], true, "{line}: {answer}");
    answer["rev"].as_str().expect("a revision").to_owned()
}

#[test]
fn a_client_that_sends_no_more_is_answered_at_once() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut poll = dashboard.park("board", &rev);
    poll.end_sending().expect("it is open");
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
    assert!(poll.rest(PATIENCE).expect("it is closed in good order").is_empty());
}

#[test]
fn pipelined_polls_are_answered_in_order() {
    let (dashboard, mut rev) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let mut connection = dashboard.connect();
    // The first waits, so do all behind it; the second waits for what the first will have told.
    dashboard.send(&mut connection, &format!("/board/{rev}"));
    dashboard.send(&mut connection, "/none");
    dashboard.send(&mut connection, "/board/1-old");
    dashboard.catch_up();
    assert!(connection.is_silent().expect("it stays open"));
    for n in 1..=3 {
        let next = dashboard.store("board", &json!({ "n": n }).to_string());
        let reply = answer(&mut connection);
        assert_eq!((reply.status, tag(&reply)), (200, next.as_str()));
        assert_eq!(answer(&mut connection).status, 404);
        let reply = answer(&mut connection);
        assert_eq!((reply.status, &reply.json()["n"]), (200, &json!(n)));
        rev = next;
        for path in [&format!("/board/{rev}"), "/none", "/board/1-old"] {
            dashboard.send(&mut connection, path);
        }
    }
}

#[test]
fn http_1_0_is_spoken() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut plain = dashboard.connect();
    plain.send(format!("GET /board/{rev} HTTP/1.0\r\n\r\n").as_bytes()).expect("it reads");
    let mut kept = dashboard.connect();
    let request = format!("GET /board/{rev} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    kept.send(request.as_bytes()).expect("it reads");
    dashboard.catch_up();
    assert!(plain.is_silent().expect("it is open") && kept.is_silent().expect("it is open"));

    let next = dashboard.store("board", r#"{"n":2}"#);
    assert_eq!(tag(&answer(&mut plain)), next);
    assert!(plain.rest(PATIENCE).expect("it is closed").is_empty(), "closed without being asked");
    let reply = answer(&mut kept);
    assert_eq!((tag(&reply), reply.header("Connection")), (next.as_str(), Some("keep-alive")));
    kept.send(b"GET /board HTTP/1.0\r\n\r\n").expect("it is still open");
    assert_eq!(tag(&answer(&mut kept)), next);
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing() {
    let (dashboard, mut rev) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let before = dashboard.descriptors_at_rest();
    for round in 1..=10 {
        let polls: Vec<_> = (0..20).map(|_| dashboard.park("board", &rev)).collect();
        assert!(dashboard.descriptors() >= before + polls.len());
        drop(polls);
        dashboard.wait_for_descriptors(before);
        rev = dashboard.store("board", &json!({ "n": round }).to_string());
        dashboard.wait_for("board", &rev);
    }
    dashboard.wait_for_descriptors(before);
}

#[test]
fn a_large_document_reaches_late_readers() {
    let (dashboard, rev) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let mut polls: Vec<_> = (0..10).map(|_| dashboard.park("board", &rev)).collect();
    // More than the system keeps for both sides of a connection.
    let text: String = (b'a'..=b'w').map(char::from).cycle().take(1_200_000).collect();
    let text = text.repeat(5);
    let rev = dashboard.store("board", &json!({ "text": text }).to_string());
    dashboard.wait_for("board", &rev);
    for poll in &mut polls {
        let document = answer(poll).json();
        assert_eq!(document["_rev"], rev);
        assert!(document["text"] == text, "not a byte is lost");
    }
}

#[test]
fn a_document_that_never_was_is_not_called_deleted() {
    let dashboard = program::start(&["--doc", "board"]);
    wait_until(PATIENCE, || dashboard.get("/board").status == 404);
    assert_eq!(dashboard.get("/board").json()["reason"], "missing");
}

#[test]
fn requests_behind_a_poll_are_answered_too_when_the_client_sends_no_more() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut connection = dashboard.connect();
    for path in [&format!("/board/{rev}"), "/none", "/favicon.ico"] {
        dashboard.send(&mut connection, path);
    }
    connection.end_sending().expect("it is open");
    let statuses = [(); 3].map(|()| answer(&mut connection).status);
    assert_eq!(statuses, [200, 404, 200]);
    assert!(connection.rest(PATIENCE).expect("it is closed in good order").is_empty());
}
