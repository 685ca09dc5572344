//! A server as its program sees it: which clients it serves, how many at the same time, and how it
//! ends.

use crate::support::actor::{Actor, Journal, Moment, direct, local};
use masque::filters::Line;
use masque::reactor::{Cx, Event, Handlers, Rig, Session, Topic};
use masque::sessions::{Connection, Peer, TcpClient, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// Says what it hears after `echo: `; at `quit` that is the last it says.
fn echo(journal: &Journal) -> Actor<Line> {
    Actor::doing("server", journal, |cx, wire, moment| match moment {
        Moment::Input(line) if line == "quit" => wire.put_last(cx, "echo: quit"),
        Moment::Input(line) => drop(wire.put(cx, format!("echo: {line}"))),
        Moment::Ended => wire.finish(cx),
        _ => {}
    })
}

/// An echo server at port 1 that has the alias `echo`.
fn echo_server(journal: &Journal) -> TcpServer {
    let journal = journal.clone();
    TcpServer::new(local(1)).alias("echo").serve(move |_| echo(&journal))
}

/// A client of port 1 that says `word` and leaves when the server does.
fn client(word: &'static str, journal: &Journal) -> Peer<Actor<Line>> {
    let client = Actor::doing("client", journal, move |cx, wire, moment| match moment {
        Moment::Connected => drop(wire.put(cx, word)),
        Moment::Ended => wire.finish(cx),
        _ => {}
    });
    TcpClient::new(local(1)).run(client)
}

fn connections(rig: &mut Rig) -> usize {
    rig.call("echo", TcpServer::CONNECTIONS, ()).expect("it listens")
}

#[test]
fn started_gets_the_port_that_the_system_selected() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let (starts, stops) = (journal.clone(), journal.clone());
    let server = rig.spawn(
        TcpServer::new(0)
            .started(move |_, at| starts.note(at.to_string()))
            .stopped(move |_| stops.note("stopped"))
            .serve(move |_| echo(&Journal::default())),
    );
    let at = rig.call(server, TcpServer::LOCAL, ()).expect("it is there").expect("it listens");
    assert_eq!(journal.take(), [at.to_string()]);
    assert_ne!(at, local(0));
    rig.post(server, TcpServer::SHUTDOWN, ()).expect("it is there");
    assert!(rig.run());
    assert_eq!(journal.take(), ["stopped"]);
}

#[test]
fn both_sides_are_notified_in_the_same_order() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(echo_server(&journal));
    rig.spawn(client("quit", &journal));
    rig.settle();
    let seen = journal.take_of("server");
    assert_eq!(seen, ["connected", "quit", "flushed", "disconnected, all has been sent"]);
    let seen = journal.take_of("client");
    let last = ["echo: quit", "the peer has ended", "disconnected, all has been sent"];
    assert_eq!(seen[..2], ["connected", "flushed"]);
    assert_eq!(seen[2..], last);
}

/// One client in a session of the program's own.
struct Own(Option<masque::reactor::Socket>, Option<ReadWrite<Line>>);

impl Own {
    const INPUT: Event<String> = Event::new("own.input");
    const ENDED: Event<Ended> = Event::new("own.ended");
}

impl Session for Own {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ENDED, |_, _, _| ()).on(Self::INPUT, |own, cx, line| {
            own.1.expect("it is connected").put_last(cx, format!("echo: {line}"));
        });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let socket = self.0.take().expect("it starts once");
        self.1 = ReadWrite::new(cx, socket, Line::new(), Self::INPUT, Self::ENDED).ok();
    }
}

#[test]
fn a_program_can_have_its_own_sessions_accept() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let server = TcpServer::new(local(1)).accept(|cx, accepted| {
        cx.spawn(Own(Some(accepted.socket), None));
    });
    rig.spawn(server);
    rig.spawn(client("quit", &journal));
    rig.settle();
    assert!(journal.take_of("client").contains(&"echo: quit".to_owned()));
    assert_eq!(rig.stats().sessions, 1, "the server's is left");
}

/// Shuts the server down when it is disconnected.
struct Last;

impl Connection for Last {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        wire.put(cx, "quit");
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, line: String) {
        assert_eq!(line, "echo: quit");
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, _: &Ended) {
        cx.post("echo", TcpServer::SHUTDOWN, ()).expect("it is there");
    }
}

#[test]
fn the_last_client_can_end_the_program() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(echo_server(&journal));
    rig.spawn(TcpClient::new(1).run(Last));
    assert!(rig.run(), "no session is left");
    assert_eq!((rig.elapsed(), rig.stats().panics), (Duration::ZERO, 0));
}

/// Answers after a second.
struct Slow {
    open: Rc<Cell<usize>>,
}

impl Slow {
    const ANSWER: Event<()> = Event::new("slow.answer");
}

impl Connection for Slow {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::ANSWER, |peer, cx, ()| {
            peer.put(cx, "at last");
            cx.yield_now(Peer::<Self>::SHUTDOWN, ());
        });
    }

    fn input(&mut self, cx: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {
        cx.delay(Self::ANSWER, Duration::from_secs(1), ());
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, _: &Ended) {
        self.open.set(self.open.get() - 1);
    }
}

/// Has nine clients come, one word each, to a server with room for `most`; how many were served at
/// once at most.
#[track_caller]
fn check_concurrency(most: usize) {
    let mut rig = Rig::new();
    let journal = Journal::default();
    let (open, peak) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let highest = Rc::clone(&peak);
    rig.spawn(TcpServer::new(local(1)).concurrency(most).serve(move |_| {
        open.set(open.get() + 1);
        highest.set(highest.get().max(open.get()));
        Slow { open: Rc::clone(&open) }
    }));
    for _ in 0..9 {
        rig.spawn(client("hello", &journal));
    }
    rig.run_for(Duration::from_secs(60));
    let served = journal.take_of("client").iter().filter(|line| *line == "at last").count();
    assert_eq!((served, peak.get()), (9, most));
}

#[test]
fn no_more_clients_than_may_be_are_served_at_once_and_all_are_in_the_end() {
    check_concurrency(1);
    check_concurrency(4);
    check_concurrency(9);
}

#[test]
fn a_concurrency_of_none_accepts_none_until_it_is_changed() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(TcpServer::new(local(1)).alias("echo").concurrency(0).serve(move |_| echo(&journal)));
    for _ in 0..3 {
        rig.spawn(client("hello", &Journal::default()));
    }
    let mut set = |most, expected| {
        rig.post("echo", TcpServer::SET_CONCURRENCY, most).expect("it is there");
        rig.settle();
        assert_eq!(connections(&mut rig), expected, "{most:?}");
    };
    set(Some(0), 0);
    set(Some(2), 2);
    set(Some(1), 2); // who is there stays
    set(None, 3);
}

#[test]
fn a_shutdown_leaves_the_clients_that_are_there() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let stops = journal.clone();
    let clients = journal.clone();
    let server = TcpServer::new(local(1)).alias("echo").stopped(move |_| stops.note("stopped"));
    let server = rig.spawn(server.serve(move |_| echo(&clients)));
    rig.spawn(client("hello", &journal));
    rig.settle();
    rig.post("echo", TcpServer::SHUTDOWN, ()).expect("it is there");
    rig.post("echo", TcpServer::SHUTDOWN, ()).expect("it may be called twice");
    rig.settle();
    assert_eq!(rig.resolve("echo"), None, "another server can have the alias");
    assert_eq!(rig.call(server, TcpServer::LOCAL, ()), Ok(None));
    journal.take();

    rig.spawn(TcpClient::new(1).run(Actor::<Line>::new("late", &journal)));
    rig.settle();
    assert_eq!(journal.take_of("late"), ["cannot connect to 127.0.0.1:1: connection refused"]);
    direct::<Line>(&mut rig, "client", |peer, cx| {
        peer.put(cx, "still there?");
    });
    rig.settle();
    assert!(journal.take_of("client").contains(&"echo: still there?".to_owned()));
    direct::<Line>(&mut rig, "client", |peer, cx| {
        peer.put(cx, "quit");
    });
    assert!(rig.run());
    assert_eq!(journal.take().last().map(String::as_str), Some("stopped"));
}

#[test]
fn a_shutdown_of_a_client_flushes_first_and_takes_no_more_input() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(echo_server(&journal));
    rig.spawn(client("hello", &journal));
    rig.settle();
    journal.take();
    direct::<Line>(&mut rig, "server", |peer, cx| {
        peer.put(cx, "bye");
        cx.yield_now(Peer::<Actor<Line>>::SHUTDOWN, ());
        cx.yield_now(Peer::<Actor<Line>>::SHUTDOWN, ());
    });
    let now = rig.now();
    rig.turn(now);
    direct::<Line>(&mut rig, "client", |peer, cx| {
        peer.put(cx, "not heard");
    });
    rig.settle();
    assert_eq!(journal.take_of("server"), ["flushed", "disconnected, all has been sent"]);
    assert!(journal.take_of("client").contains(&"bye".to_owned()));
}

#[test]
fn a_server_that_cannot_listen_reports_it_and_ends() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(echo_server(&journal));
    let check = |rig: &mut Rig, server: TcpServer<()>, expected: &str| {
        let (fails, stops) = (journal.clone(), journal.clone());
        let server = server
            .started(|_, at| panic!("it listens at {at}"))
            .failed(move |_, error| fails.note(error.to_string()))
            .stopped(move |_| stops.note("stopped"));
        rig.spawn(server.serve(|_| echo(&Journal::default())));
        rig.settle();
        assert_eq!(journal.take(), [expected, "stopped"]);
        assert_eq!(rig.stats().sessions, 1);
    };
    let in_use = std::io::Error::from(std::io::ErrorKind::AddrInUse).to_string();
    check(&mut rig, TcpServer::new(local(1)), &in_use);
    let owner = rig.resolve("echo").expect("it is there");
    let taken = format!("the alias `echo` belongs to {owner}");
    check(&mut rig, TcpServer::new(local(2)).alias("echo"), &taken);
    rig.name("nowhere", &[]);
    check(&mut rig, TcpServer::new(("nowhere", 1)), "the name has no address");
    check(&mut rig, TcpServer::new(("unknown", 1)), "no such host");
}

#[test]
fn a_server_listens_at_the_first_address_of_its_name_that_it_can() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let addresses = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse::<IpAddr>().expect("it is one"));
    rig.name("here", &addresses);
    for expected in ["10.0.0.1:80", "10.0.0.2:80"] {
        let starts = journal.clone();
        let server = TcpServer::new(("here", 80)).started(move |_, at| starts.note(at.to_string()));
        let server = rig.spawn(server.serve(|_| echo(&Journal::default())));
        assert_eq!(rig.call(server, TcpServer::LOCAL, ()), Ok(None), "the name is looked up");
        rig.settle();
        assert_eq!(journal.take(), [expected]);
    }
}

#[test]
fn a_shutdown_while_the_name_is_looked_up_ends_the_server() {
    let mut rig = Rig::new();
    let server = TcpServer::new(("localhost", 80)).started(|_, at| panic!("it listens at {at}"));
    let server = rig.spawn(server.serve(|_| echo(&Journal::default())));
    rig.call(server, TcpServer::SHUTDOWN, ()).expect("it is there");
    assert!(rig.run());
    assert_eq!(rig.stats().panics, 0);
}

#[test]
fn a_client_that_panics_its_session_does_not_affect_the_others() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let served = journal.clone();
    rig.spawn(TcpServer::new(local(1)).alias("echo").serve(move |_| {
        Actor::<Line>::doing("server", &served, |cx, wire, moment| {
            if let Moment::Input(line) = moment {
                assert_ne!(line, "panic");
                wire.put(cx, line);
            }
        })
    }));
    let other = Journal::default();
    rig.spawn(client("hello", &journal));
    rig.spawn(client("panic", &other));
    rig.settle();
    assert_eq!(rig.stats().panics, 1);
    assert!(other.take_of("client").contains(&"the peer has ended".to_owned()));
    assert_eq!(connections(&mut rig), 1);
    direct::<Line>(&mut rig, "client", |peer, cx| {
        peer.put(cx, "still there?");
    });
    rig.settle();
    assert!(journal.take_of("client").contains(&"still there?".to_owned()));
}

/// Watches and waits, as a browser that is parked does.
struct Parked;

impl Parked {
    const WAKE: Event<()> = Event::new("parked.wake");
}

const CHANGED: Topic<()> = Topic::new("changed");

impl Connection for Parked {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::WAKE, |_, _, ()| ());
    }

    fn input(&mut self, cx: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {
        cx.watch(CHANGED, Self::WAKE);
        cx.delay(Self::WAKE, Duration::from_secs(3600), ());
    }
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(TcpServer::new(local(1)).serve(|_| Parked));
    rig.spawn(client("hello", &journal));
    rig.settle();
    assert_eq!((rig.stats().timers, rig.stats().watchers), (1, 1));
    direct::<Line>(&mut rig, "client", Peer::close);
    rig.settle();
    assert_eq!((rig.stats().timers, rig.stats().watchers, rig.stats().sessions), (0, 0, 1));
}

#[test]
fn everything_ends_with_the_program_and_each_connection_is_notified() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    rig.spawn(echo_server(&journal));
    rig.spawn(client("hello", &journal));
    rig.settle();
    journal.take();
    rig.stop();
    assert!(rig.run());
    let gone = "disconnected, this side has closed the connection";
    assert_eq!(journal.take(), [format!("server: {gone}"), format!("client: {gone}")]);
    assert_eq!((rig.stats().wheels, rig.stats().timers), (0, 0));
}

/// Connects `count` clients to port 1, one after the other, and returns what they heard.
fn greet_each(rig: &mut Rig, count: usize) -> Vec<String> {
    let journal = Journal::default();
    for _ in 0..count {
        rig.spawn(client("quit", &journal));
        rig.settle();
    }
    journal.take_of("client").into_iter().filter(|line| line.starts_with("echo")).collect()
}

#[test]
fn a_panic_over_one_client_ended_the_listener() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let stops = journal.clone();
    let mut count = 0;
    let server = TcpServer::new(local(1)).alias("echo").stopped(move |_| stops.note("stopped"));
    rig.spawn(server.serve(move |_| {
        count += 1;
        assert_ne!(count, 2, "the second client is too much");
        echo(&Journal::default())
    }));
    assert_eq!(greet_each(&mut rig, 3), ["echo: quit", "echo: quit"]);
    assert_eq!((rig.stats().panics, connections(&mut rig)), (1, 0));
    rig.post("echo", TcpServer::SHUTDOWN, ()).expect("it is there");
    assert!(rig.run());
    assert_eq!(journal.take(), ["stopped"]);
}

#[test]
fn a_panic_of_a_programs_own_acceptor_ended_the_listener() {
    let mut rig = Rig::new();
    let mut count = 0;
    let server = TcpServer::new(local(1)).alias("echo");
    // The panic of a part for one client is not that of the essential session.
    let server = server.started(|cx, _| cx.mark_essential(cx.id()));
    rig.spawn(server.accept(move |cx, accepted| {
        count += 1;
        assert_ne!(count, 1, "the first client is too much");
        cx.spawn(Own(Some(accepted.socket), None));
    }));
    assert_eq!(greet_each(&mut rig, 2), ["echo: quit"]);
    assert_eq!((rig.stats().panics, rig.failure()), (1, None));
}

/// A connection whose own events have the name of one of its session's.
struct Clashing;

impl Connection for Clashing {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Event::<()>::new("peer.input"), |_, _, ()| ());
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {}
}

#[test]
fn a_clash_of_event_names_ended_the_listener_at_its_first_client() {
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(local(1)).alias("echo").serve(|_| Clashing));
    assert_eq!(greet_each(&mut rig, 2), [""; 0]);
    assert_eq!((rig.stats().panics, connections(&mut rig)), (2, 0));
}
