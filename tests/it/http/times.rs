//! How long a client is waited for: to the nanosecond, and never while an answer is made.

use super::{GOOD, LATER, TICK, Talk, answer, before, echo, ok, refused, secs};
use crate::support::actor::{Actor, Journal, direct, local};
use bytes::Bytes;
use masque::filters::{Filter, HttpClient, Httpd, Marks, Protocol, Response, Stall, Stream};
use masque::limits::{
    FINISH_TIME, HTTP_BODY_BYTES_PER_S, HTTP_BODY_TIME, HTTP_HEAD_TIME, HTTP_IDLE_TIME,
    HTTP_STALL_TIME, LINGER_TIME,
};
use masque::reactor::Rig;
use masque::sessions::{TcpClient, TcpServer};
use std::time::Duration;

/// What the network in memory takes for a peer that does not read.
const PIPE: usize = 64 * 1024;

const LATE: &str = "the request did not come in time";
const TIMEOUT: &str = "408 Request Timeout";
const TOLD: &str = "the peer did not send or read in time";

fn late(after: Duration) -> String {
    let date = httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + after);
    refused(TIMEOUT, LATE).replace("Thu, 01 Jan 1970 00:00:00 GMT", &date)
}

#[track_caller]
fn ends_with(talk: &mut Talk, words: &str) {
    assert_eq!((talk.heard().as_str(), talk.has_ended()), (words, true));
    talk.run_for(LINGER_TIME);
    assert_eq!(talk.journal.take(), [TOLD]);
    assert_eq!(talk.connections(), 0);
    assert_eq!(talk.rig.stats().timers, 0);
}

#[test]
fn a_client_that_sends_nothing_is_closed_without_an_answer() {
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.nothing_until(HTTP_HEAD_TIME);
    ends_with(&mut talk, "");
}

#[test]
fn a_head_that_does_not_come_in_time_is_answered_with_408() {
    for start in ["G", "\r", "GET / HTTP/1.1\r\nHost: h\r\n\r"] {
        let mut talk = Talk::new(Httpd::new(), echo);
        talk.send(start);
        talk.nothing_until(HTTP_HEAD_TIME);
        ends_with(&mut talk, &late(HTTP_HEAD_TIME));
    }
}

#[test]
fn the_first_head_has_its_time_from_the_beginning_however_it_comes() {
    let mut talk = Talk::new(Httpd::new(), echo);
    for byte in "GET / HTTP/1.1\r\nHost".bytes().take(9) {
        talk.run_for(secs(1));
        talk.send(vec![byte]);
    }
    talk.nothing_until(HTTP_HEAD_TIME.saturating_sub(secs(9)));
    ends_with(&mut talk, &late(HTTP_HEAD_TIME));
}

#[test]
fn a_head_that_comes_in_the_last_moment_is_in_time() {
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(&GOOD.as_bytes()[..5]);
    talk.run_for(before(HTTP_HEAD_TIME));
    talk.send(&GOOD.as_bytes()[5..]);
    assert!(talk.heard().ends_with("GET /good \n"));
    talk.nothing_until(HTTP_IDLE_TIME);
    ends_with(&mut talk, "");
}

#[test]
fn a_later_head_has_its_time_from_its_first_byte() {
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(GOOD);
    talk.heard();
    talk.run_for(secs(50));
    talk.send("G");
    talk.nothing_until(HTTP_HEAD_TIME);
    ends_with(&mut talk, &late(secs(60)));

    // Also after a slow request in the same packet.
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(&GOOD.as_bytes()[..5]);
    talk.run_for(secs(9));
    talk.send([&GOOD.as_bytes()[5..], b"G"].concat());
    talk.heard();
    talk.nothing_until(HTTP_HEAD_TIME);
    ends_with(&mut talk, &late(secs(19)));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut talk = Talk::new(Httpd::new(), echo);
    for _ in 0..3 {
        talk.send(GOOD);
        talk.heard();
        talk.run_for(before(HTTP_IDLE_TIME));
    }
    talk.send(GOOD);
    talk.heard();
    talk.nothing_until(HTTP_IDLE_TIME);
    ends_with(&mut talk, "");
}

const PUT: &str = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";

#[test]
fn a_body_has_its_time_and_more_for_what_comes() {
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.run_for(secs(3));
    talk.send(PUT);
    talk.nothing_until(HTTP_BODY_TIME);
    ends_with(&mut talk, &late(secs(33)));

    // So much in the first moment earns five seconds.
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(PUT);
    talk.send(vec![b'x'; 5 * HTTP_BODY_BYTES_PER_S as usize]);
    talk.nothing_until(HTTP_BODY_TIME + secs(5));
    ends_with(&mut talk, &late(secs(35)));
}

#[test]
fn a_body_at_the_least_rate_comes_whole_and_one_below_it_does_not() {
    let send = |rate: usize, seconds: usize| {
        let mut talk = Talk::new(Httpd::new(), echo);
        talk.send(PUT);
        for _ in 0..seconds {
            talk.send(vec![b'x'; rate]);
            talk.run_for(secs(1));
        }
        (talk.heard(), talk.has_ended())
    };
    let (heard, _) = send(HTTP_BODY_BYTES_PER_S as usize, 200);
    assert!(heard.starts_with("HTTP/1.1 200 OK"), "{heard}");
    // Three fifths of it: 30 s + 0.6 s for each second's worth, of which 76 have come by then.
    let (heard, has_ended) = send(HTTP_BODY_BYTES_PER_S as usize * 3 / 5, 80);
    assert_eq!((heard, has_ended), (late(Duration::from_millis(75_600)), true));
    let chunks = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut talk = Talk::new(Httpd::new(), echo);
    talk.send(chunks);
    for _ in 0..6 {
        talk.run_for(before(secs(5)));
        talk.send("0"); // digits of a size are no body
    }
    talk.nothing_until(TICK * 6);
    ends_with(&mut talk, &late(secs(30)));
}

#[test]
fn nothing_is_timed_while_an_answer_is_made() {
    for hours in [1, 24] {
        let held = secs(hours * 3600);
        let mut talk = Talk::new(Httpd::new(), move |cx, _, item| {
            cx.delay(LATER, held, answer(item).into());
        });
        talk.send(GOOD);
        talk.send("GET /next HTTP/1.1\r\nHo"); // nor what waits behind it
        talk.nothing_until(held);
        assert!(talk.heard().ends_with("GET /good \n"));
        assert!(!talk.has_ended());
        talk.nothing_until(HTTP_HEAD_TIME);
        ends_with(&mut talk, &late(held + HTTP_HEAD_TIME));
    }
}

#[test]
fn a_long_poll_continues_forever_with_one_timer_a_connection() {
    const POLL: Duration = Duration::from_secs(28);
    let mut talk = Talk::new(Httpd::new(), |cx, _, item| {
        cx.delay(LATER, POLL, answer(item).into());
    });
    for _ in 0..1000 {
        talk.send(GOOD);
        assert!(talk.rig.stats().timers <= 2, "the poll's, and one more");
        talk.nothing_until(POLL);
        assert!(talk.heard().ends_with("GET /good \n"));
    }
    assert_eq!(talk.rig.stats().timers, 1);
}

#[test]
fn a_pause_by_the_session_has_no_timeout() {
    let mut talk = Talk::new(Httpd::new(), |cx, wire, item| {
        echo(cx, wire, item);
        wire.pause(cx);
    });
    talk.send(GOOD);
    talk.heard();
    talk.send("GET /la");
    talk.nothing_until(secs(3600));
    assert!(!talk.has_ended());
}

/// A server of so large answers, and a client that does not read.
fn stalled(httpd: Httpd, bytes: usize) -> Talk {
    let mut talk = Talk::new(httpd, move |cx, wire, _| {
        wire.put(cx, Response::new(vec![b'x'; bytes].into()));
    });
    talk.slow_down();
    talk.send(GOOD);
    talk
}

#[test]
fn a_client_that_takes_nothing_is_dropped() {
    let mut talk = stalled(Httpd::new(), PIPE);
    talk.run_for(before(HTTP_STALL_TIME));
    assert_eq!((talk.journal.take().len(), talk.connections()), (0, 1));
    talk.run_for(TICK);
    assert_eq!((talk.journal.take(), talk.connections()), (vec![TOLD.to_owned()], 0));
}

#[test]
fn a_client_that_reads_a_little_now_and_then_is_kept() {
    let mut talk = stalled(Httpd::new(), 20 * PIPE);
    for count in 0..20 {
        assert_eq!(talk.heard.borrow().len(), count * PIPE);
        talk.run_for(before(HTTP_STALL_TIME));
        talk.read();
        assert_eq!(talk.connections(), 1);
    }
    talk.read(); // it has all, and counts as idle
    talk.run_for(before(HTTP_IDLE_TIME));
    assert_eq!(talk.journal.take(), [""; 0]);
}

#[test]
fn the_last_answer_has_as_long_as_the_client_goes_on_reading() {
    let mut talk = stalled(Httpd::new().with_requests_max(1), 20 * PIPE);
    for _ in 0..20 {
        talk.run_for(before(FINISH_TIME));
        talk.read();
        assert_eq!(talk.connections(), 1);
    }
    talk.read();
    assert!(talk.heard.borrow().len() > 20 * PIPE);

    let mut talk = stalled(Httpd::new().with_requests_max(1), 20 * PIPE);
    talk.run_for(secs(1));
    talk.read();
    talk.run_for(before(FINISH_TIME));
    assert_eq!(talk.connections(), 1);
    talk.run_for(TICK);
    assert_eq!(talk.connections(), 0);
}

#[test]
fn each_time_can_be_set_and_be_unlimited() {
    let five = secs(5);
    let httpd = || Httpd::new().with_head_time(five).with_body_time(five).with_idle_time(five);
    let mut talk = Talk::new(httpd(), echo);
    talk.nothing_until(five);
    ends_with(&mut talk, "");

    let mut talk = Talk::new(httpd().with_body_rate(10), echo);
    talk.send(PUT);
    talk.send("x".repeat(20));
    talk.nothing_until(secs(7));
    ends_with(&mut talk, &late(secs(7)));

    let mut talk = Talk::new(httpd(), echo);
    talk.send(GOOD);
    assert_eq!(talk.heard(), ok("GET /good \n"));
    talk.nothing_until(five);
    ends_with(&mut talk, "");

    let stall = Stall { marks: Marks { high: 2, low: 1 }, time: five };
    let mut talk = stalled(Httpd::new().with_stall(stall), PIPE);
    talk.run_for(before(five));
    assert_eq!(talk.connections(), 1);
    talk.run_for(TICK);
    assert_eq!(talk.connections(), 0);

    let for_ever = Duration::MAX;
    let stall = Stall { marks: Marks { high: 2, low: 1 }, time: for_ever };
    let patient = Httpd::new().with_head_time(for_ever).with_body_time(for_ever);
    let patient = patient.with_idle_time(for_ever).with_stall(stall);
    for start in ["", "GET", PUT, GOOD] {
        let mut talk = Talk::new(patient.clone(), echo);
        talk.send(start);
        talk.heard();
        talk.nothing_until(secs(1_000_000));
        assert_eq!((talk.has_ended(), talk.rig.stats().timers), (false, 0));
    }
}

#[test]
fn other_protocols_and_clients_have_all_the_time_there_is() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let served = journal.clone();
    rig.spawn(TcpServer::new(local(1)).serve(move |_| Actor::<Stream>::new("server", &served)));
    rig.spawn(TcpClient::new(local(1)).run(Actor::<Stream>::doing(
        "client",
        &journal,
        |cx, wire, _| {
            wire.pause(cx);
        },
    )));
    rig.settle();
    direct::<Stream>(&mut rig, "server", |peer, cx| {
        peer.put(cx, Bytes::from(vec![0; 10 * PIPE]));
    });
    rig.run_for(secs(100_000));
    assert!(!journal.take().iter().any(|line| line.contains("disconnected")));
    assert_eq!(rig.stats().timers, 0);
    let patience = HttpClient::new().protocol().and_then(Protocol::patience);
    assert_eq!(patience, None);
}
