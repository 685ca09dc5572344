//! A fault of a connection affects only that connection. Also: clients that disconnect.

use super::{Caller, GOOD, Talk, answer, call, echo, ok, refused, secs};
use crate::support::actor::{Actor, Journal, direct, local};
use masque::filters::{Httpd, Reply, Request, Response};
use masque::reactor::{Cx, Rig, Topic};
use masque::sessions::TcpServer;
use masque::wheels::ReadWrite;
use std::rc::Rc;

const FAILED: &str = "500 Internal Server Error";

/// Panics at `/panic`.
fn fragile(cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, item: Result<Request, Response>) {
    assert!(!item.as_ref().is_ok_and(|request| request.uri() == "/panic"), "it was told to");
    echo(cx, wire, item);
}

const PANIC: &str = "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_panic_before_the_answer_is_answered_with_500() {
    let mut talk = Talk::new(Httpd::new(), fragile);
    talk.send(format!("{GOOD}{PANIC}{GOOD}"));
    let failed = refused(FAILED, "the server has failed");
    assert_eq!(talk.heard(), format!("{}{failed}", ok("GET /good \n")));
    assert!(talk.has_ended());
    assert_eq!((talk.connections(), talk.rig.stats().panics), (0, 1));
    assert_eq!(talk.rig.stats().timers, 0);
}

#[test]
fn a_panic_over_a_head_request_has_an_answer_without_a_body() {
    let mut talk = Talk::new(Httpd::new(), fragile);
    talk.send(PANIC.replace("GET", "HEAD"));
    assert!(talk.heard().ends_with("connection: close\r\n\r\n"));
}

#[test]
fn other_clients_do_not_notice() {
    let mut talk = Talk::new(Httpd::new(), fragile);
    // Another that is in the middle of something.
    talk.send(&GOOD.as_bytes()[..9]);
    let (heard, has_ended) = (Rc::clone(&talk.heard), Rc::clone(&talk.has_ended));
    talk.connect();
    talk.send(PANIC);
    assert!(talk.has_ended());
    assert!(!has_ended.get());
    assert_eq!((heard.borrow().len(), talk.connections()), (0, 1));
    talk.run_for(secs(1));
    talk.connect();
    talk.send(GOOD);
    assert!(talk.heard().ends_with("GET /good \n"));
}

#[test]
fn a_panic_within_an_answer_cuts_it_off() {
    let mut talk = Talk::new(Httpd::new(), |cx, wire, _| {
        wire.put(cx, Reply::Start(http::Response::new(())));
        wire.put(cx, Reply::Data("half".into()));
        panic!("it was told to");
    });
    talk.send(GOOD);
    let heard = talk.heard();
    assert!(
        heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.ends_with("4\r\nhalf\r\n"),
        "{heard}"
    );
    assert!(talk.has_ended());
}

#[test]
fn a_panic_after_an_answer_sends_nothing_more() {
    let mut talk = Talk::new(Httpd::new(), |cx, wire, item| {
        echo(cx, wire, item);
        panic!("it was told to");
    });
    talk.send(GOOD);
    assert_eq!(talk.heard(), ok("GET /good \n"));
    assert!(talk.has_ended());
}

#[test]
fn a_panic_long_after_the_request_is_answered_too() {
    let mut talk = Talk::new(Httpd::new(), |cx, _, _| {
        cx.delay(super::LATER, secs(28), Reply::Data("out of turn".into()));
    });
    talk.send(GOOD.repeat(4000)); // more than is read while one is at work
    talk.nothing_until(secs(28));
    let heard = talk.heard();
    assert!(heard.starts_with("HTTP/1.1 500 ") && heard.contains("00:00:28"), "{heard}");
}

const CHANGED: Topic<()> = Topic::new("test.changed");

/// Parks every request.
fn parked() -> Talk {
    Talk::new(Httpd::new(), |cx, _, item| {
        cx.watch(CHANGED, super::NOTICED);
        cx.delay(super::LATER, secs(28), answer(item).into());
    })
}

#[test]
fn a_browser_that_leaves_while_it_is_parked_leaves_nothing() {
    let goes: [fn(&mut Cx<'_>, ReadWrite<masque::filters::Stream>); 2] =
        [|cx, wire| wire.close(cx), |cx, wire| wire.finish(cx)];
    for go in goes {
        let mut talk = parked();
        talk.send(GOOD);
        assert_eq!((talk.connections(), talk.rig.stats().watchers), (1, 1));
        talk.client(move |cx, wire| {
            cx.alias_remove("client");
            go(cx, wire);
        });
        talk.run_for(std::time::Duration::ZERO);
        let stats = talk.rig.stats();
        let left = (stats.sessions, stats.wheels, stats.timers, stats.watchers, stats.holds);
        assert_eq!(left, (1, 1, 0, 0, 0), "at once");
    }
}

#[test]
fn one_that_is_reset_leaves_nothing_either() {
    let mut talk = parked();
    talk.send(GOOD);
    talk.client(|cx, wire| {
        wire.put(cx, "GET /next");
        wire.close(cx);
    });
    talk.run_for(std::time::Duration::ZERO);
    assert_eq!((talk.connections(), talk.rig.stats().watchers), (0, 0));
}

#[test]
fn a_client_that_only_ends_its_half_is_answered() {
    let mut talk = Talk::new(Httpd::new(), echo);
    let heard = call(&mut talk.rig, &GOOD.repeat(3), secs(0));
    assert_eq!(heard, ok("GET /good \n").repeat(3));
    assert_eq!(talk.connections(), 1, "the one that says nothing");
    let mut talk = Talk::new(Httpd::new(), echo);
    let heard = call(&mut talk.rig, &GOOD[..9], secs(0));
    assert_eq!(heard, refused("400 Bad Request", "the request was cut short"));
}

#[test]
fn also_when_the_answer_takes_its_time_and_the_session_does_not_mind() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let served = journal.clone();
    rig.spawn(
        TcpServer::new(local(1))
            .serve(move |_| Actor::<Httpd>::doing("server", &served, |_, _, _| ())),
    );
    assert_eq!(call(&mut rig, GOOD, secs(28)), "");
    direct::<Httpd>(&mut rig, "server", |peer, cx| {
        let wire = peer.wire().expect("it is connected");
        wire.put_last(cx, Response::new("at last\n".into()));
    });
    let heard = rig.call("caller", Caller::HEAR, ()).expect("it is there");
    assert!(heard.ends_with(b"at last\n"), "{}", heard.escape_ascii());
    rig.settle();
    let gone = "disconnected, all has been sent";
    let seen = ["connected", "GET /good", "the peer has ended", "flushed", gone];
    assert_eq!(journal.take_of("server"), seen);
}
