//! What a connection costs while nothing happens, and what it asks of the system; how it behaves is
//! tested with a network.

use super::{ReadWrite, State};
use crate::filters::{Filter, Httpd, Stream};

#[test]
fn a_connection_takes_little_while_it_waits() {
    let (bare, http) = (size_of::<State<Stream>>(), size_of::<State<Httpd>>());
    assert!(bare <= 208 && http <= 264, "{bare} and {http}");
}

#[cfg(target_os = "linux")]
mod acks {
    use super::*;
    use crate::filters::Response;
    use crate::limits::PEER_ACK_TIME;
    use crate::reactor::{Cx, Endpoint, Event, Handlers, Reactor};
    use crate::sessions::{Connection, Peer, TcpServer};
    use bytes::Bytes;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    /// More than the system keeps for a peer.
    const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

    /// Answers each request with a long document.
    struct Library;

    impl Library {
        /// Call it for the time that the system gives the peer, so long after now.
        const ACK_TIME: Event<Duration, Option<Duration>> = Event::new("library.ack_time");

        fn ack_time(peer: &mut Peer<Self>, cx: &mut Cx<'_>, after: Duration) -> Option<Duration> {
            let (wire, now) = (peer.wire().expect("it is connected"), cx.now());
            let state = cx.wheel(wire.id).expect("it is connected");
            state.adapt_ack_time(now + after);
            state.socket.ack_time().expect("Linux has it")
        }
    }

    impl Connection for Library {
        type Filter = Httpd;

        fn filter(&self) -> Httpd {
            Httpd::new()
        }

        fn events(on: &mut Handlers<Peer<Self>>) {
            on.on(Self::ACK_TIME, Self::ack_time);
        }

        fn connected(&mut self, cx: &mut Cx<'_>, _: ReadWrite<Httpd>) {
            cx.alias("connection").expect("there is one");
        }

        fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, _: <Httpd as Filter>::In) {
            wire.put(cx, Response::new(Bytes::from(vec![b'x'; DOCUMENT_BYTES])));
        }
    }

    #[test]
    fn a_peer_that_reads_slowly_is_not_ended_by_the_system() {
        let mut reactor = Reactor::new().expect("the system has a poll");
        let server = reactor.spawn(TcpServer::new(0).serve(|_| Library));
        let at = reactor.call(server, TcpServer::LOCAL, ()).expect("it is there");
        let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
        let mut client = TcpStream::connect(at).expect("it listens");
        let turn = |reactor: &mut Reactor| {
            reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        };
        while reactor.kernel().resolve("connection").is_none() {
            turn(&mut reactor);
        }
        let ack_time = |reactor: &mut Reactor, after: Duration| {
            reactor.call("connection", Library::ACK_TIME, after).expect("it is there")
        };
        assert_eq!(ack_time(&mut reactor, Duration::ZERO), Some(PEER_ACK_TIME));

        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it is open");
        while ack_time(&mut reactor, Duration::ZERO).is_some() {
            turn(&mut reactor); // until it has been asked, and the system has no room for all
        }
        client.set_nonblocking(true).expect("it is open");
        let (mut read, mut bytes) = (0, vec![0; 1024 * 1024]);
        while read < DOCUMENT_BYTES {
            turn(&mut reactor);
            read += client.read(&mut bytes).unwrap_or(0);
        }
        turn(&mut reactor);
        assert_eq!(ack_time(&mut reactor, Duration::ZERO), None, "its end may still be on its way");
        assert_eq!(ack_time(&mut reactor, PEER_ACK_TIME), Some(PEER_ACK_TIME));
    }
}
