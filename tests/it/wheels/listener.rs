//! Accepting: how many at a time, by whose leave, and where.

use crate::support::actor::{Actor, Journal, local};
use masque::filters::Line;
use masque::reactor::{Cx, Endpoint, Event, Handlers, Rig, Session, Socket};
use masque::sessions::TcpClient;
use masque::wheels::{Accepted, Listener};
use std::io;
use std::time::Duration;

/// Listens, and keeps each connection.
struct Keeper {
    at: Endpoint,
    journal: Journal,
    listener: Option<Listener>,
    kept: Vec<Socket>,
}

impl Keeper {
    const ACCEPTED: Event<Accepted> = Event::new("keeper.accepted");
    const COUNT: Event<()> = Event::new("keeper.count");
    const DO: Event<fn(&mut Keeper, &mut Cx<'_>, Listener)> = Event::new("keeper.do");

    fn accepted(&mut self, cx: &mut Cx<'_>, accepted: Accepted) {
        self.kept.push(accepted.socket);
        let open = self.listener.expect("it listens").connections(cx);
        self.journal.note(format!("{open} open"));
    }
}

impl Session for Keeper {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ACCEPTED, Self::accepted)
            .on(Self::COUNT, |keeper, _, ()| {
                keeper.journal.note(format!("{} kept", keeper.kept.len()));
            })
            .on(Self::DO, |keeper, cx, deed| {
                let listener = keeper.listener.expect("it listens");
                deed(keeper, cx, listener);
            });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("keeper").expect("no other session has this alias");
        match Listener::new(cx, &self.at, Self::ACCEPTED) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => self.journal.note(format!("cannot listen: {error}")),
        }
    }
}

/// A keeper at port 1.
fn keeper() -> (Rig, Journal) {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let keeper = Keeper { at: local(1), journal: journal.clone(), listener: None, kept: vec![] };
    rig.spawn(keeper);
    (rig, journal)
}

/// Has so many clients connect to port 1.
fn connect(rig: &mut Rig, count: usize) {
    for _ in 0..count {
        rig.spawn(TcpClient::new(local(1)).run(Actor::<Line>::new("client", &Journal::default())));
    }
    rig.settle();
}

#[track_caller]
fn tell(rig: &mut Rig, deed: fn(&mut Keeper, &mut Cx<'_>, Listener)) {
    rig.call("keeper", Keeper::DO, deed).expect("the keeper is there");
    rig.settle();
}

#[test]
fn each_client_is_accepted_once() {
    let (mut rig, journal) = keeper();
    connect(&mut rig, 5);
    assert_eq!(journal.take(), ["1 open", "2 open", "3 open", "4 open", "5 open"]);
}

#[test]
fn a_turn_accepts_up_to_256_clients() {
    let (mut rig, journal) = keeper();
    tell(&mut rig, |_, cx, listener| listener.pause(cx));
    connect(&mut rig, 257);
    tell(&mut rig, |_, cx, listener| {
        listener.resume(cx);
        cx.delay_add(Keeper::COUNT, Duration::ZERO, ());
        cx.delay_add(Keeper::COUNT, Duration::from_nanos(1), ());
    });
    let counts: Vec<_> = journal.take().into_iter().filter(|line| line.contains("kept")).collect();
    assert_eq!(counts, ["256 kept"], "in the first turn");
    rig.run_for(Duration::from_nanos(1));
    assert_eq!(journal.take(), ["257 kept"]);
}

#[test]
fn ten_thousand_connections_are_open_at_a_time_by_default() {
    let (mut rig, journal) = keeper();
    for _ in 0..10 {
        connect(&mut rig, 1_000);
    }
    assert_eq!(journal.take().last().map(String::as_str), Some("10000 open"));
    connect(&mut rig, 1);
    assert_eq!(journal.take(), [""; 0], "the next client waits");
}

#[test]
fn at_the_limit_clients_wait_until_another_has_disconnected() {
    let (mut rig, journal) = keeper();
    tell(&mut rig, |_, cx, listener| listener.limit(cx, 2));
    connect(&mut rig, 4);
    assert_eq!(journal.take(), ["1 open", "2 open"]);
    tell(&mut rig, |keeper, _, _| drop(keeper.kept.pop()));
    assert_eq!(journal.take(), ["2 open"]);
    tell(&mut rig, |_, cx, listener| listener.limit(cx, 1));
    tell(&mut rig, |keeper, _, _| drop(keeper.kept.pop()));
    assert_eq!(journal.take(), [""; 0], "one is open, and one may be");
    tell(&mut rig, |_, cx, listener| listener.limit(cx, 2));
    assert_eq!(journal.take(), ["2 open"]);
}

#[test]
fn a_limit_of_none_accepts_none() {
    let (mut rig, journal) = keeper();
    tell(&mut rig, |_, cx, listener| listener.limit(cx, 0));
    connect(&mut rig, 2);
    assert_eq!(journal.take(), [""; 0]);
    tell(&mut rig, |_, cx, listener| listener.limit(cx, usize::MAX));
    assert_eq!(journal.take(), ["1 open", "2 open"]);
}

#[test]
fn a_paused_listener_accepts_when_it_is_resumed() {
    let (mut rig, journal) = keeper();
    tell(&mut rig, |_, cx, listener| listener.pause(cx));
    connect(&mut rig, 2);
    assert_eq!(journal.take(), [""; 0]);
    tell(&mut rig, |_, cx, listener| listener.resume(cx));
    assert_eq!(journal.take(), ["1 open", "2 open"]);
}

#[test]
fn port_0_becomes_a_port_and_a_closed_listener_has_none() {
    let (mut rig, journal) = (Rig::new(), Journal::default());
    let keeper = Keeper { at: local(0), journal: journal.clone(), listener: None, kept: vec![] };
    rig.spawn(keeper);
    tell(&mut rig, |keeper, cx, listener| {
        let at = listener.local(cx).expect("it listens");
        assert!(at != local(0), "{at}");
        listener.close(cx);
        listener.close(cx);
        assert_eq!(listener.local(cx), None);
        keeper.journal.note("closed");
    });
    assert_eq!(journal.take(), ["closed"]);
}

#[test]
fn an_address_in_use_is_an_error() {
    let (mut rig, _) = keeper();
    let journal = Journal::default();
    let other = Keeper { at: local(1), journal: journal.clone(), listener: None, kept: vec![] };
    rig.spawn(Unnamed(other));
    let in_use = io::Error::from(io::ErrorKind::AddrInUse);
    assert_eq!(journal.take(), [format!("cannot listen: {in_use}")]);
}

/// A second keeper, whose alias is taken.
struct Unnamed(Keeper);

impl Session for Unnamed {
    fn events(on: &mut Handlers<Self>) {
        on.on(Keeper::ACCEPTED, |second, cx, accepted| second.0.accepted(cx, accepted));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        if let Err(error) = Listener::new(cx, &self.0.at, Keeper::ACCEPTED) {
            self.0.journal.note(format!("cannot listen: {error}"));
        }
    }
}
