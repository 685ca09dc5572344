//! How it ends: it answers all waiting requests, and waits for no client.

use super::program::{self, FOR_EVER, answer, tag};
use crate::support::{PATIENCE, wait_until};
use std::net::TcpStream;
use std::time::Duration;

/// The program ends within three seconds: one for requests that are still arriving, two for clients
/// that do not close. This is for a busy machine, and less than the ten seconds after which every
/// connection is closed.
const LEAVE: Duration = Duration::from_secs(8);

fn ends_well(signal: &str) {
    let (mut dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut idle = dashboard.connect();
    dashboard.send(&mut idle, "/board");
    assert_eq!(answer(&mut idle).status, 200);
    let mut silent = dashboard.connect();
    let mut unfinished = dashboard.connect();
    unfinished.send(b"GET /board HTTP/1.1\r\nHos").expect("it reads");
    let mut polls: Vec<_> = (0..20).map(|_| dashboard.park("board", &rev)).collect();
    let mut pipelined = dashboard.park("board", &rev);
    dashboard.send(&mut pipelined, &format!("/board/{rev}"));
    dashboard.catch_up();

    dashboard.program.signal(signal);
    for poll in polls.iter_mut().chain([&mut pipelined]) {
        let reply = answer(poll);
        assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
        assert_eq!(reply.json()["n"], 1);
        assert_eq!(reply.header("Connection"), Some("close"));
        assert!(poll.rest(PATIENCE).expect("it is closed in good order").is_empty());
    }
    let status = dashboard.program.wait_for_end(LEAVE);
    assert_eq!(status.code(), Some(0), "{}", dashboard.program.log());
    for connection in [&mut idle, &mut silent] {
        assert!(connection.rest(PATIENCE).expect("it is closed in good order").is_empty());
    }
    assert!(TcpStream::connect(dashboard.address()).is_err(), "nobody listens any more");
}

#[test]
fn sigint_answers_the_polls_and_ends() {
    ends_well("INT");
}

#[test]
fn sigterm_answers_the_polls_and_ends() {
    ends_well("TERM");
}

#[test]
fn it_ends_while_the_database_is_not_there() {
    for arguments in [&[][..], &["--log", "off"]] {
        let mut dashboard = program::follow("http://127.0.0.1:1/numbers", arguments);
        assert_eq!(dashboard.get("/overview").status, 503);
        dashboard.program.signal("INT");
        assert_eq!(dashboard.program.wait_for_end(LEAVE).code(), Some(0));
    }
}

/// After the first signal it waits for a request that is still coming, ten seconds; after the
/// second, for none.
#[test]
fn a_second_signal_leaves_at_once() {
    for second in ["INT", "TERM"] {
        let (mut dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
        let mut poll = dashboard.park("board", &rev);
        let mut unfinished = dashboard.connect();
        unfinished
            .send(b"POST /board HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
            .expect("it reads");
        dashboard.catch_up();
        dashboard.program.signal("INT");
        assert_eq!(answer(&mut poll).status, 200, "the first signal has been heard");
        dashboard.program.signal(second);
        assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
        let log = dashboard.program.log();
        assert!(
            log.contains(": exiting immediately") && !log.contains("shutdown timeout"),
            "{log}"
        );
    }
}

/// A client asks again as soon as it is answered: its request may be on its way when the signal
/// comes.
#[test]
fn the_request_after_an_answer_was_lost_when_the_signal_came_between() {
    const BROWSERS: usize = 20;
    let (mut dashboard, _) = program::with_board(r#"{"n":1}"#, &["--log", "info"]);
    let mut kept: Vec<_> = (0..BROWSERS).map(|_| dashboard.connect()).collect();
    for connection in &mut kept {
        dashboard.send(connection, "/board");
        assert_eq!(answer(connection).status, 200);
    }
    dashboard.program.signal("TERM");
    wait_until(PATIENCE, || dashboard.program.log().contains(": shutting down"));
    for connection in &mut kept {
        dashboard.send(connection, "/board");
        assert_eq!(answer(connection).status, 200);
    }
    assert_eq!(dashboard.program.wait_for_end(LEAVE).code(), Some(0));
}
