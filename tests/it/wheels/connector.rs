//! Connections that are made, refused, not answered; names that lead somewhere or nowhere.

use crate::support::actor::local;
use masque::reactor::{Cx, Endpoint, Event, Handlers, Rig, Session, Socket};
use masque::wheels::{Accepted, ConnectError, Connector, Listener, Lookup, Target};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Connects once and remembers how it went, and when.
struct Caller {
    to: Target,
    time: Duration,
    result: Option<Result<Endpoint, ConnectError>>,
}

impl Caller {
    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("caller.connected");
    const RESULT: Event<(), Option<Result<Endpoint, ConnectError>>> = Event::new("caller.result");

    fn connected(&mut self, _: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        self.result = Some(result.map(|socket| socket.peer().expect("it is connected")));
    }
}

impl Session for Caller {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, Self::connected)
            .on(Self::RESULT, |caller, _, ()| caller.result.take());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("caller").expect("one at a time");
        Connector::new(cx, self.to.clone(), self.time, Self::CONNECTED);
    }
}

/// Listens, and closes each connection.
struct Answerer(Endpoint);

impl Answerer {
    const ACCEPTED: Event<Accepted> = Event::new("answerer.accepted");
}

impl Session for Answerer {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ACCEPTED, |_, _, _| ());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        Listener::new(cx, &self.0, Self::ACCEPTED).expect("every address is free");
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("it is an address")
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().expect("it is an address").into()
}

/// A world with listeners at 10.0.0.1:80 and 10.0.0.2:80, none at 10.0.0.3, and silence at .8 and
/// .9.
fn world() -> Rig {
    let mut rig = Rig::new();
    rig.spawn(Answerer(endpoint("10.0.0.1:80")));
    rig.spawn(Answerer(endpoint("10.0.0.2:80")));
    rig.silence(endpoint("10.0.0.8:80"));
    rig.silence(endpoint("10.0.0.9:80"));
    rig.name("one", &[ip("10.0.0.1")]);
    rig.name("second", &[ip("10.0.0.3"), ip("10.0.0.2")]);
    rig.name("none", &[ip("10.0.0.3"), ip("10.0.0.4")]);
    rig.name("late", &[ip("10.0.0.8"), ip("10.0.0.9"), ip("10.0.0.1")]);
    rig.name("deaf", &[ip("10.0.0.8"), ip("10.0.0.9")]);
    rig.name("nowhere", &[]);
    rig
}

/// Connects within three seconds. Returns the result and its time.
#[track_caller]
fn check(to: impl Into<Target>, expected: Result<&str, &str>, after_ms: u64) {
    let mut rig = world();
    // It begins at any fraction of a second, which must make no difference.
    rig.run_for(Duration::from_micros(1_234_567));
    let time = Duration::from_secs(3);
    rig.spawn(Caller { to: to.into(), time, result: None });
    let told = |rig: &mut Rig| rig.call("caller", Caller::RESULT, ()).expect("its alias keeps it");
    if after_ms > 0 {
        rig.run_for(Duration::from_millis(after_ms).saturating_sub(Duration::from_nanos(1)));
        assert!(told(&mut rig).is_none(), "the result has arrived too early");
    }
    rig.run_for(Duration::from_nanos(1));
    let result = told(&mut rig).expect("the result comes within the time");
    let result = result.map(|peer| peer.to_string()).map_err(|error| error.to_string());
    assert_eq!(result.as_deref().map_err(|error| &**error), expected);
    rig.run_for(Duration::from_secs(60));
    assert!(told(&mut rig).is_none(), "it is told once");
}

#[test]
fn an_address_or_a_name_is_connected_to() {
    check(endpoint("10.0.0.1:80"), Ok("10.0.0.1:80"), 0);
    check(("10.0.0.1", 80), Ok("10.0.0.1:80"), 0);
    check(("one", 80), Ok("10.0.0.1:80"), 0);
}

#[test]
fn all_addresses_of_a_name_are_tried_within_one_time_limit() {
    check(("second", 80), Ok("10.0.0.2:80"), 0);
    check(("none", 80), Err("cannot connect to none:80: connection refused"), 0);
    // Two that do not answer have a third of three seconds, and half of the two that are left.
    check(("late", 80), Ok("10.0.0.1:80"), 2000);
    check(("deaf", 80), Err("cannot connect to deaf:80: no answer in time"), 3000);
}

#[test]
fn a_server_that_does_not_answer_is_closed_exactly_in_time() {
    check(("10.0.0.9", 80), Err("cannot connect to 10.0.0.9:80: no answer in time"), 3000);
}

#[test]
fn refused_connections_and_unknown_names_are_errors() {
    check(endpoint("10.0.0.3:80"), Err("cannot connect to 10.0.0.3:80: connection refused"), 0);
    check(("unknown", 80), Err("cannot look up unknown:80: no such host"), 0);
    check(("nowhere", 80), Err("cannot look up nowhere:80: the name has no address"), 0);
}

/// Closes its connector before it is through.
struct Quitter;

impl Session for Quitter {
    fn events(on: &mut Handlers<Self>) {
        on.on(Caller::CONNECTED, |_, _, _| panic!("it was closed"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let connector =
            Connector::new(cx, endpoint("10.0.0.9:80"), Duration::from_secs(1), Caller::CONNECTED);
        connector.close(cx);
        connector.close(cx);
    }
}

#[test]
fn a_closed_connector_reports_nothing_and_keeps_nothing() {
    let mut rig = Rig::new();
    rig.silence(endpoint("10.0.0.9:80"));
    rig.spawn(Quitter);
    assert!(rig.run());
    assert_eq!((rig.stats().panics, rig.stats().wheels, rig.elapsed()), (0, 0, Duration::ZERO));
}

/// Looks a name up.
struct Asker(&'static str, Option<io::Result<Vec<Endpoint>>>);

impl Asker {
    const FOUND: Event<io::Result<Vec<Endpoint>>> = Event::new("asker.found");
    const RESULT: Event<(), Option<io::Result<Vec<Endpoint>>>> = Event::new("asker.result");
}

impl Session for Asker {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FOUND, |asker, _, found| asker.1 = Some(found))
            .on(Self::RESULT, |asker, _, ()| asker.1.take());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("asker").expect("it is free");
        Lookup::new(cx, self.0, 80, Self::FOUND);
    }
}

#[test]
fn a_lookup_returns_all_addresses_or_the_reason_of_failure() {
    let ask = |name| {
        let mut rig = world();
        rig.spawn(Asker(name, None));
        rig.settle();
        rig.call("asker", Asker::RESULT, ())
            .expect("its alias keeps it")
            .expect("the result has arrived")
    };
    let two = ask("second").expect("it is known");
    assert_eq!(two, [endpoint("10.0.0.3:80"), endpoint("10.0.0.2:80")]);
    assert_eq!(ask("nowhere").expect("it is known"), []);
    assert_eq!(ask("unknown").map_err(|error| error.kind()), Err(ErrorKind::NotFound));
}

#[test]
fn a_target_is_written_as_it_is_dialed() {
    let check = |target: Target, expected: &str| assert_eq!(target.to_string(), expected);
    check(("example.org", 80).into(), "example.org:80");
    check(("::1", 80).into(), "[::1]:80");
    check(Target::Host("fe80::1%1".into(), 80), "[fe80::1%1]:80");
    check(7.into(), "127.0.0.1:7");
    check(local(7).into(), "127.0.0.1:7");
}
