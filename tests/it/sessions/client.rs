//! A client as its program sees it: how it connects, again and again, and how it ends.

use crate::support::actor::{Actor, Journal, Moment, direct, local};
use masque::filters::{Line, Stream};
use masque::reactor::{Cx, Endpoint, Event, Handlers, Rig};
use masque::sessions::{Backoff, Connection, Peer, TcpClient, TcpServer};
use masque::wheels::{ConnectError, Ended, ReadWrite, Target};
use std::net::SocketAddr;
use std::time::Duration;

/// A server at `port` that has the alias `server` and sends its port to every client.
fn serve(rig: &mut Rig, port: u16) {
    rig.spawn(TcpServer::new(local(port)).alias("server").serve(move |_| {
        Actor::<Line>::doing("peer", &Journal::default(), move |cx, wire, moment| match moment {
            Moment::Connected => drop(wire.put(cx, port.to_string())),
            Moment::Ended => wire.finish(cx),
            _ => {}
        })
    }));
}

fn actor(journal: &Journal) -> Actor<Line> {
    Actor::new("client", journal)
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().expect("it is an address").into()
}

#[test]
fn a_refused_connection_is_reported_and_the_session_ends() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(TcpClient::new(1).run(actor(&journal)));
    assert!(rig.run());
    assert_eq!(journal.take_of("client"), ["cannot connect to 127.0.0.1:1: connection refused"]);
}

#[test]
fn the_time_to_connect_is_exact_whenever_it_begins() {
    for begin_us in [0, 50_000, 500_000, 999_999] {
        let (mut rig, journal) = (Rig::new(), Journal::default());
        rig.silence(endpoint("10.0.0.9:80"));
        rig.run_for(Duration::from_micros(begin_us));
        let client = TcpClient::new(("10.0.0.9", 80)).timeout(Duration::from_secs(1));
        rig.spawn(client.run(actor(&journal)));
        rig.run_for(Duration::from_nanos(999_999_999));
        assert_eq!(journal.take(), [""; 0], "begun at {begin_us}");
        rig.run_for(Duration::from_nanos(1));
        assert_eq!(journal.take(), ["client: cannot connect to 10.0.0.9:80: no answer in time"]);
        assert_eq!(rig.stats().sessions, 0);
    }
}

#[test]
fn a_client_has_thirty_seconds_to_connect_by_default() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.silence(endpoint("10.0.0.9:80"));
    rig.spawn(TcpClient::new(("10.0.0.9", 80)).run(actor(&journal)));
    rig.run_for(Duration::from_millis(29_999));
    assert_eq!(journal.take(), [""; 0]);
    rig.run_for(Duration::from_millis(1));
    assert_eq!(journal.take(), ["client: cannot connect to 10.0.0.9:80: no answer in time"]);
}

#[test]
fn a_time_to_connect_that_never_ends_was_a_panic() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    serve(&mut rig, 1);
    rig.silence(endpoint("10.0.0.9:80"));
    rig.spawn(TcpClient::new(1).timeout(Duration::MAX).run(actor(&journal)));
    let silent = TcpClient::new(("10.0.0.9", 80)).timeout(Duration::MAX);
    rig.spawn(silent.run(Actor::<Line>::new("waiting", &journal)));
    rig.run_for(Duration::from_secs(100 * 365 * 24 * 3600));
    assert_eq!(journal.take_of("client"), ["connected", "1"]);
    assert_eq!(journal.take_of("waiting"), [""; 0], "it waits for ever");
    assert_eq!(rig.stats().panics, 0);
}

#[test]
fn a_backoff_that_never_ends_tries_no_more_and_breaks_nothing() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let backoff = Backoff::new(Duration::MAX, Duration::MAX).seed(1);
    rig.spawn(TcpClient::new(1).backoff(backoff).run(actor(&journal)));
    rig.run_for(Duration::from_secs(100 * 365 * 24 * 3600));
    assert_eq!(journal.take_of("client").len(), 1);
    assert_eq!(rig.stats().panics, 0);
}

#[test]
fn reconnect_while_connected_disconnects_first() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    serve(&mut rig, 1);
    let client = rig.spawn(TcpClient::new(1).run(actor(&journal)));
    rig.settle();
    assert_eq!(journal.take_of("client"), ["connected", "1"]);
    rig.post(client, TcpClient::RECONNECT, ()).expect("it is there");
    rig.settle();
    let seen = journal.take_of("client");
    assert_eq!(seen, ["disconnected, this side has closed the connection", "connected", "1"]);
    assert_eq!(rig.call("server", TcpServer::CONNECTIONS, ()), Ok(1));
}

#[test]
fn connect_goes_to_another_server_and_stays_with_it() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    serve(&mut rig, 1);
    serve(&mut rig, 2); // its alias is taken, so it says nothing and ends
    let server = TcpServer::new(local(2)).serve(|_| {
        Actor::<Line>::doing("peer", &Journal::default(), |cx, wire, moment| {
            if let Moment::Connected = moment {
                wire.put(cx, "2");
            }
        })
    });
    rig.spawn(server);
    let client = rig.spawn(TcpClient::new(1).run(actor(&journal)));
    rig.settle();
    rig.post(client, TcpClient::CONNECT, Target::from(2)).expect("it is there");
    rig.settle();
    rig.post(client, TcpClient::RECONNECT, ()).expect("it is there");
    rig.settle();
    let gone = "disconnected, this side has closed the connection";
    let seen = journal.take_of("client");
    assert_eq!(seen, ["connected", "1", gone, "connected", "2", gone, "connected", "2"]);
}

#[test]
fn reconnect_while_connecting_starts_again() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.silence(endpoint("10.0.0.9:80"));
    let client = TcpClient::new(("10.0.0.9", 80)).timeout(Duration::from_secs(2));
    let client = rig.spawn(client.run(actor(&journal)));
    rig.run_for(Duration::from_secs(1));
    rig.post(client, TcpClient::RECONNECT, ()).expect("it is there");
    rig.run_for(Duration::from_millis(1999));
    assert_eq!(journal.take(), [""; 0]);
    rig.run_for(Duration::from_millis(1));
    assert_eq!(journal.take(), ["client: cannot connect to 10.0.0.9:80: no answer in time"]);
}

#[test]
fn shutdown_sends_everything_first_and_takes_no_more_input() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let served = journal.clone();
    rig.spawn(TcpServer::new(local(1)).alias("server").serve(move |_| {
        Actor::<Stream>::doing("peer", &served, |cx, wire, moment| match moment {
            Moment::Connected => wire.pause(cx),
            Moment::Ended => wire.finish(cx),
            _ => {}
        })
    }));
    let client =
        TcpClient::new(1).alias("the client").run(Actor::<Stream>::new("client", &journal));
    let client = rig.spawn(client);
    rig.settle();
    direct::<Stream>(&mut rig, client, |peer, cx| {
        peer.put(cx, vec![0; 200_000]);
    });
    rig.post(client, TcpClient::SHUTDOWN, ()).expect("it is there");
    rig.post(client, TcpClient::SHUTDOWN, ()).expect("it may be called twice");
    rig.run_for(Duration::from_secs(1));
    assert_eq!(journal.take_of("client"), ["connected"]);
    assert_eq!(rig.resolve("the client"), Some(client), "its alias is there to the end");
    direct::<Stream>(&mut rig, "peer", |peer, cx| {
        peer.put(cx, "not heard\n");
        peer.wire().expect("connected").resume(cx);
    });
    rig.settle();
    assert_eq!(journal.take_of("client"), ["flushed", "disconnected, all has been sent"]);
    assert_eq!(
        journal.take_of("peer")[1..],
        ["flushed", "the peer has ended", "disconnected, all has been sent"]
    );
    assert_eq!((rig.resolve("the client"), rig.stats().sessions), (None, 1));
}

#[test]
fn shutdown_while_connecting_or_waiting_ends_at_once() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.silence(endpoint("10.0.0.9:80"));
    let hour = Duration::from_secs(3600);
    for client in [
        TcpClient::new(("10.0.0.9", 80)).timeout(hour),
        TcpClient::new(1).backoff(Backoff::new(hour, hour)),
    ] {
        let client = rig.spawn(client.alias("client").run(actor(&journal)));
        rig.settle();
        assert_eq!(rig.stats().sessions, 1);
        rig.post(client, TcpClient::SHUTDOWN, ()).expect("it is there");
        assert!(rig.run());
    }
    assert_eq!(rig.elapsed(), Duration::ZERO);
    assert_eq!(journal.take(), ["client: cannot connect to 127.0.0.1:1: connection refused"]);
}

#[test]
fn with_a_backoff_it_reconnects_when_the_server_returns() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let (first, cap) = (Duration::from_secs(1), Duration::from_secs(8));
    let client = TcpClient::new(1).backoff(Backoff::new(first, cap).seed(1));
    rig.spawn(client.run(actor(&journal)));
    rig.run_for(Duration::from_secs(100));
    let refused = journal.take_of("client").len();
    assert!((10..=60).contains(&refused), "{refused} tries in 100 seconds, 8 apart at most");
    serve(&mut rig, 1);
    rig.run_for(cap);
    let seen = journal.take_of("client");
    assert_eq!(seen[seen.len() - 2..], ["connected", "1"]);

    // The server closes the connection; what it had said resets the delays.
    direct::<Line>(&mut rig, "peer", Peer::close);
    rig.run_for(first);
    let seen = journal.take_of("client");
    let gone = "disconnected, all has been sent";
    assert_eq!(seen, ["the peer has ended", gone, "connected", "1"]);
}

#[test]
fn delays_grow_for_a_server_that_hangs_up_without_a_word() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(TcpServer::new(local(1)).accept(|_, accepted| drop(accepted)));
    let (first, cap) = (Duration::from_secs(1), Duration::from_secs(60));
    let client = TcpClient::new(1).backoff(Backoff::new(first, cap).seed(1));
    rig.spawn(client.run(actor(&journal)));
    rig.run_for(Duration::from_secs(3600));
    let seen = journal.take_of("client");
    let connected = seen.iter().filter(|line| *line == "connected").count();
    let disconnected = seen.iter().filter(|line| line.starts_with("disconnected")).count();
    assert_eq!(connected, disconnected);
    assert!((60..=300).contains(&connected), "{connected} in an hour, 60 seconds apart at most");
}

#[test]
fn an_alias_keeps_a_client_so_that_it_can_reconnect() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    serve(&mut rig, 1);
    rig.spawn(TcpClient::new(1).alias("the client").run(actor(&journal)));
    rig.spawn(TcpClient::new(1).run(Actor::<Line>::new("unnamed", &journal)));
    rig.settle();
    for name in ["the client", "unnamed"] {
        direct::<Line>(&mut rig, name, Peer::close);
    }
    rig.run_for(Duration::from_secs(3600));
    journal.take();
    assert_eq!(rig.stats().sessions, 2, "the server and the client that has an alias");
    rig.post("the client", TcpClient::RECONNECT, ()).expect("it is there");
    rig.settle();
    assert_eq!(journal.take_of("client"), ["connected", "1"]);
}

#[test]
fn a_taken_alias_is_reported_and_the_session_ends() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    serve(&mut rig, 1);
    let owner = rig.resolve("server").expect("it is there");
    rig.spawn(TcpClient::new(1).alias("server").run(actor(&journal)));
    rig.settle();
    let why = format!("cannot connect to 127.0.0.1:1: the alias `server` belongs to {owner}");
    assert_eq!(journal.take_of("client"), [why]);
    assert_eq!(rig.stats().sessions, 1);
}

/// Asks again some time after it was disconnected or refused, as POE's FAQ has it.
struct Faq(Journal);

impl Faq {
    const SAY: Event<String> = Event::new("faq.say");
}

impl Connection for Faq {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::SAY, |peer, cx, line| {
            let put = peer.put(cx, line);
            peer.connection.0.note(format!("{put:?}"));
        });
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        self.0.note(line);
        wire.close(cx);
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        self.0.note(why.to_string());
        cx.delay(TcpClient::RECONNECT, Duration::from_secs(60), ());
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &ConnectError) {
        self.0.note(why.to_string());
        cx.delay(TcpClient::RECONNECT, Duration::from_secs(60), ());
    }
}

#[test]
fn a_delay_for_reconnect_reconnects_too_and_further_events_reach_the_connection() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let client = rig.spawn(TcpClient::new(1).run(Faq(journal.clone())));
    rig.run_for(Duration::from_secs(59));
    assert_eq!(journal.take(), ["cannot connect to 127.0.0.1:1: connection refused"]);
    rig.post(client, Faq::SAY, "no session receives it".to_owned()).expect("it is there");
    serve(&mut rig, 1);
    rig.run_for(Duration::from_secs(1));
    assert_eq!(journal.take(), ["Gone", "1", "this side has closed the connection"]);
    rig.run_for(Duration::from_secs(60));
    assert_eq!(journal.take(), ["1", "this side has closed the connection"]);
}

#[test]
fn a_backoff_of_nothing_stopped_virtual_time_and_tried_without_a_pause() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    rig.spawn(TcpClient::new(1).backoff(backoff).run(actor(&journal)));
    rig.run_for(Duration::from_secs(1));
    let tries = journal.take_of("client").len();
    assert!((90..=101).contains(&tries), "{tries} tries in a second");
}

#[test]
fn pauses_between_tries_grow_and_none_is_shorter_than_half_of_its_step() {
    for seed in 0..20 {
        let (mut rig, journal) = (Rig::new(), Journal::default());
        let (first, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        let client = TcpClient::new(1).backoff(Backoff::new(first, cap).seed(seed));
        rig.spawn(client.run(actor(&journal)));
        let (mut tries, mut last, mut pauses) = (0, Duration::ZERO, vec![]);
        while pauses.len() < 12 {
            rig.run_for(Duration::from_millis(10));
            let more = journal.take_of("client").len();
            if more > 0 && tries > 0 {
                pauses.push(rig.elapsed().saturating_sub(last));
            }
            (tries, last) = (tries + more, if more > 0 { rig.elapsed() } else { last });
        }
        let tick = Duration::from_millis(20);
        for (try_number, pause) in pauses.iter().enumerate() {
            let step = (first * (1 << try_number.min(6))).min(cap);
            assert!(*pause + tick >= step / 2 && *pause <= step + tick, "{seed}: {pauses:?}");
        }
        assert!(pauses.windows(2).all(|two| two[0] <= two[1] + tick), "{seed}: {pauses:?}");
    }
}
