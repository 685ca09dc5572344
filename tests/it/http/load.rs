//! More clients than there is room for, and clients that do not read.

use super::{Caller, GOOD, TICK, Talk, before, secs};
use crate::support::actor::{Actor, Journal, direct, local};
use bytes::Bytes;
use masque::filters::{Httpd, Line, Marks, Response, Stall};
use masque::limits::{LINGER_TIME, REFUSALS_MAX};
use masque::reactor::{Rig, SessionId};
use masque::sessions::{Peer, TcpClient, TcpServer};
use masque::wheels::{Counts, Overload};
use std::cell::Cell;
use std::rc::Rc;

/// What the network in memory takes for a peer that does not read.
const PIPE: usize = 64 * 1024;

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// A server with the settings of `set`, which keeps each client that it accepts.
fn keeper(set: impl FnOnce(TcpServer<()>) -> TcpServer<()>) -> (Rig, Journal) {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let served = journal.clone();
    let server = set(TcpServer::new(local(1)).alias("server"));
    rig.spawn(server.serve(move |_| Actor::<Line>::new("server", &served)));
    (rig, journal)
}

fn refusing() -> Overload {
    Overload::Refuse(Bytes::from_static(BUSY.as_bytes()))
}

/// A client that writes its input to the journal.
fn client(rig: &mut Rig, journal: &Journal) -> SessionId {
    let client = rig.spawn(TcpClient::new(local(1)).run(Actor::<Line>::new("client", journal)));
    rig.settle();
    client
}

/// Has so many clients connect and do nothing.
fn crowd(rig: &mut Rig, count: usize) {
    for _ in 0..count {
        let idle = Actor::<Line>::doing("client", &Journal::default(), |_, _, _| ());
        rig.spawn(TcpClient::new(local(1)).run(idle));
    }
    rig.settle();
}

fn counts(rig: &mut Rig) -> (u64, u64, u64) {
    let counts: Counts = rig.call("server", TcpServer::COUNTS, ()).expect("it is there");
    (counts.accepted, counts.refused_for_total, counts.refused_for_address)
}

fn connections(rig: &mut Rig) -> usize {
    rig.call("server", TcpServer::CONNECTIONS, ()).expect("it is there")
}

#[test]
fn a_client_beyond_the_limit_gets_an_answer_and_is_closed() {
    let (mut rig, _) = keeper(|server| server.concurrency(2).overload(refusing()));
    let quiet = Journal::default();
    client(&mut rig, &quiet);
    client(&mut rig, &quiet);
    let told = Journal::default();
    client(&mut rig, &told);
    let seen = told.take_of("client");
    assert_eq!(seen[1], "HTTP/1.1 503 Service Unavailable");
    assert_eq!(seen.last().map(String::as_str), Some("disconnected, all has been sent"));
    assert!(!quiet.take().iter().any(|line| line.contains("ended")));
    assert_eq!((counts(&mut rig), connections(&mut rig)), ((2, 1, 0), 2));
    assert_eq!(rig.stats().timers, 0, "nothing of it is left");
}

#[test]
fn by_default_clients_above_the_limit_wait() {
    let (mut rig, _) = keeper(|server| server.concurrency(2));
    let journal = Journal::default();
    for _ in 0..5 {
        client(&mut rig, &journal);
    }
    assert_eq!((counts(&mut rig), connections(&mut rig)), ((2, 0, 0), 2));
    assert_eq!(journal.take_of("client"), ["connected"; 5]);
}

#[test]
fn an_address_that_has_its_share_is_turned_away_and_gets_another_place_when_one_is_free() {
    for overload in [Overload::Backlog, refusing()] {
        let words = usize::from(overload != Overload::Backlog);
        let (mut rig, served) =
            keeper(|server| server.concurrency(10).concurrency_per_address(2).overload(overload));
        let journal = Journal::default();
        for _ in 0..5 {
            client(&mut rig, &journal);
        }
        rig.run_for(LINGER_TIME);
        assert_eq!((counts(&mut rig), connections(&mut rig)), ((2, 0, 3), 2));
        let seen = journal.take_of("client");
        let busy = seen.iter().filter(|line| line.contains("503")).count();
        assert_eq!(busy, 3 * words, "{seen:?}");
        assert_eq!(seen.iter().filter(|line| line.starts_with("disconnected")).count(), 3);
        served.take();
        direct::<Line>(&mut rig, "client", Peer::close);
        rig.settle();
        client(&mut rig, &journal);
        assert_eq!((counts(&mut rig), connections(&mut rig)), ((3, 0, 3), 2));
    }
}

#[test]
fn a_rejection_reaches_clients_that_send_before_reading() {
    let (mut rig, _) = keeper(|server| server.concurrency(0).overload(refusing()));
    rig.spawn(Caller(None));
    rig.settle();
    // It says all it has to say although it has been refused, and then reads.
    rig.call("caller", Caller::SAY, GOOD.repeat(1000).into_bytes()).expect("it is there");
    rig.settle();
    let heard = rig.call("caller", Caller::HEAR, ()).expect("it is there");
    assert_eq!(heard.escape_ascii().to_string(), BUSY.as_bytes().escape_ascii().to_string());
    assert_eq!(rig.stats().timers, 0);
}

#[test]
fn clients_that_do_not_read_a_rejection_are_closed_in_time_and_few_at_a_time() {
    let (mut rig, _) = keeper(|server| server.concurrency(0).overload(refusing()));
    crowd(&mut rig, REFUSALS_MAX + 50);
    assert_eq!(counts(&mut rig).1 as usize, REFUSALS_MAX + 50);
    assert_eq!(rig.stats().timers, REFUSALS_MAX);
    rig.run_for(before(LINGER_TIME));
    assert_eq!(rig.stats().timers, REFUSALS_MAX);
    rig.run_for(TICK);
    assert_eq!(rig.stats().timers, 0);
    crowd(&mut rig, 1);
    assert_eq!(rig.stats().timers, 1, "there is room for it again");
}

#[test]
fn the_program_limits_the_number_of_answered_rejections() {
    let (mut rig, _) = keeper(|server| server.concurrency(0).overload(refusing()).refusals(3));
    crowd(&mut rig, 3);
    assert_eq!(rig.stats().timers, 3);
    crowd(&mut rig, 1);
    assert_eq!((counts(&mut rig).1, rig.stats().timers), (4, 3));
}

#[test]
fn a_server_that_is_shut_down_while_it_refuses_ends_with_the_last_refusal() {
    let (mut rig, _) = keeper(|server| server.concurrency(0).overload(refusing()));
    rig.spawn(TcpClient::new(local(1)).run(Actor::<Line>::doing(
        "client",
        &Journal::default(),
        |_, _, _| (),
    )));
    rig.settle();
    rig.post("server", TcpServer::SHUTDOWN, ()).expect("it is there");
    rig.run_for(LINGER_TIME);
    assert_eq!((rig.stats().wheels, rig.stats().panics), (1, 0), "the client's");
}

/// A server of answers of `bytes`, with these marks, that counts its requests; a client that does
/// not read.
fn clogged(bytes: usize, low: usize, high: usize) -> (Talk, Rc<Cell<usize>>) {
    let served = Rc::<Cell<usize>>::default();
    let count = Rc::clone(&served);
    let stall = Stall { marks: Marks { high, low }, time: secs(30) };
    let mut talk = Talk::new(Httpd::new().with_stall(stall), move |cx, wire, _| {
        count.set(count.get() + 1);
        wire.put(cx, Response::new(vec![b'x'; bytes].into()));
    });
    talk.slow_down();
    (talk, served)
}

#[test]
fn a_client_that_does_not_read_is_read_no_more_until_it_has() {
    // An answer is a pipe's worth and a head; the first one but a head is taken by the network.
    let (mut talk, served) = clogged(PIPE, PIPE, 3 * PIPE);
    talk.send(GOOD.repeat(1000));
    assert_eq!(served.get(), 4, "three wait");
    talk.send(GOOD.repeat(1000));
    talk.run_for(secs(29));
    assert_eq!(served.get(), 4);
    for expected in [4, 4, 7, 7, 7, 10] {
        talk.read(); // a pipe's worth: above the low mark after one and two of them
        assert_eq!(served.get(), expected);
    }
    talk.is_slow.set(false);
    talk.read();
    talk.run_for(secs(1));
    assert_eq!(served.get(), 2000, "all in the end");
}

#[test]
fn one_that_never_reads_is_dropped_with_all_that_waits() {
    let (mut talk, _) = clogged(PIPE, PIPE, 3 * PIPE);
    talk.send(GOOD.repeat(1000));
    talk.run_for(before(secs(30)));
    assert_eq!(talk.connections(), 1);
    talk.run_for(TICK);
    assert_eq!((talk.connections(), talk.rig.stats().timers), (0, 0));
}
