//! How long a peer is waited for behind what a handshake has let out, of which no poll tells.

use super::certificates::{Authority, of};
use super::stage::{SERVER, serve};
use crate::support::actor::local;
use bytes::Bytes;
use masque::filters::{Filter, Marks, Output, Patience, Protocol, Stall, Stream};
use masque::reactor::{Cx, Event, Handlers, Session, Socket, Trust};
use masque::wheels::{ConnectError, Connector, Ended, ReadWrite};
use rustls::version::TLS12;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Waits a second for each next byte, and so long for a peer that does not read.
struct Hurried(Duration);

impl Filter for Hurried {
    type In = Bytes;
    type Out = Bytes;
    type Error = std::convert::Infallible;
    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Self::Error> {
        Stream.decode(input)
    }
    fn encode(&mut self, item: Bytes, output: &mut Output) {
        Stream.encode(item, output);
    }
    fn input_max(&self) -> usize {
        1 << 16
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }

    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        Some(self)
    }
}

impl Protocol for Hurried {
    fn patience(&self) -> Option<Patience> {
        Some(Patience { wait: 1, time: Duration::from_secs(1) })
    }

    fn stall(&self) -> Option<Stall> {
        Some(Stall { marks: Marks { high: 1 << 20, low: 0 }, time: self.0 })
    }
}

struct Client {
    stall: Duration,
    trust: Trust,
    ends: Rc<RefCell<Vec<String>>>,
}

impl Client {
    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("client.connected");
    const INPUT: Event<Bytes> = Event::new("client.input");
    const ENDED: Event<Ended> = Event::new("client.ended");
}

impl Session for Client {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, |client, cx, socket| {
            let socket = socket.unwrap().into_tls(&client.trust, "couch", cx.date()).unwrap();
            let filter = Hurried(client.stall);
            let wire = ReadWrite::new(cx, socket, filter, Self::INPUT, Self::ENDED).unwrap();
            wire.put(cx, Bytes::from_static(b"hello"));
            assert!(wire.unsent(cx) > 0);
        })
        .on(Self::INPUT, |_, _, _| ())
        .on(Self::ENDED, |client, _, why| client.ends.borrow_mut().push(why.to_string()));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        Connector::new(cx, local(SERVER), Duration::from_secs(1), Self::CONNECTED);
    }
}

fn check(stall: Duration) {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server_of(&[&TLS12]);
    let (mut rig, heard) = serve(&config, |_, _, _| ());
    let trust = Trust::authority(authority.pem().as_bytes()).unwrap();
    let ends = Rc::<RefCell<Vec<String>>>::default();
    rig.spawn(Client { stall, trust, ends: ends.clone() });
    rig.run_for(Duration::from_secs(5));
    assert_eq!(heard.text(), "hello");
    assert_eq!(*ends.borrow(), ["the peer did not send or read in time"]);
}

#[test]
fn a_peer_was_waited_for_as_if_it_did_not_read_what_it_had_read() {
    check(Duration::from_secs(30));
    check(Duration::MAX);
}
