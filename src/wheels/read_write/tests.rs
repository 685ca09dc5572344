//! Tests of a connection's size and of the options of its socket. Its behaviour is tested with a
//! network.

use super::ReadWrite;
use super::state::WireState;
use crate::filters::{Filter, Httpd, Stream};

#[test]
fn a_connection_takes_little_while_it_waits() {
    let (bare, http) = (size_of::<WireState<Stream>>(), size_of::<WireState<Httpd>>());
    assert!(bare <= 208 && http <= 264, "{bare} and {http}");
}

#[cfg(target_os = "linux")]
mod acks {
    use super::*;
    use crate::filters::Response;
    use crate::limits::PEER_ACK_TIME;
    use crate::reactor::{Cx, Endpoint, Event, Handlers, Reactor, Session};
    use crate::wheels::{Accepted, Ended, Listener};
    use bytes::Bytes;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};
    use std::time::Duration;

    /// More than the system keeps for a peer.
    const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

    /// Answers each request with a long document.
    #[derive(Default)]
    struct Library {
        listener: Option<Listener>,
        wire: Option<ReadWrite<Httpd>>,
    }

    impl Library {
        const ACCEPTED: Event<Accepted> = Event::new("library.accepted");
        const REQUEST: Event<<Httpd as Filter>::In> = Event::new("library.request");
        const ENDED: Event<Ended> = Event::new("library.ended");
        /// Returns the address to connect to.
        const LOCAL: Event<(), Option<Endpoint>> = Event::new("library.local");
        /// Returns the time to acknowledge after the payload's time from now; `None` if it is off,
        /// or there is no peer.
        const ACK_TIME: Event<Duration, Option<Duration>> = Event::new("library.ack_time");

        fn accepted(&mut self, cx: &mut Cx<'_>, accepted: Accepted) {
            let (socket, filter) = (accepted.socket, Httpd::new());
            self.wire = ReadWrite::new(cx, socket, filter, Self::REQUEST, Self::ENDED).ok();
        }

        fn request(&mut self, cx: &mut Cx<'_>, _: <Httpd as Filter>::In) {
            let document = Bytes::from(vec![b'x'; DOCUMENT_BYTES]);
            self.wire.expect("it is connected").put(cx, Response::new(document));
        }

        fn ack_time(&mut self, cx: &mut Cx<'_>, after: Duration) -> Option<Duration> {
            let now = cx.now();
            let state = self.wire?.id.state(cx)?;
            state.adapt_ack_time(now + after);
            state.socket.ack_time().expect("Linux has it")
        }
    }

    impl Session for Library {
        fn events(on: &mut Handlers<Self>) {
            on.on(Self::ACCEPTED, Self::accepted)
                .on(Self::REQUEST, Self::request)
                .on(Self::ENDED, |_, _, _| ())
                .on(Self::LOCAL, |library, cx, ()| library.listener?.local(cx))
                .on(Self::ACK_TIME, Self::ack_time);
        }

        fn started(&mut self, cx: &mut Cx<'_>) {
            let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
            self.listener = Listener::new(cx, &at, Self::ACCEPTED).ok();
        }
    }

    #[test]
    fn a_peer_that_reads_slowly_is_not_ended_by_the_system() {
        let mut reactor = Reactor::new().expect("the system has a poll");
        let library = reactor.spawn(Library::default());
        let at = reactor.call(library, Library::LOCAL, ()).expect("it is there");
        let Some(Endpoint::Tcp(at)) = at else { panic!("{at:?}") };
        let mut client = TcpStream::connect(at).expect("it listens");
        let mut turns = 0;
        let mut ack_time = |after: Duration| {
            turns += 1;
            assert!(turns < 5_000, "the condition does not hold within 5,000 turns");
            reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
            reactor.call(library, Library::ACK_TIME, after).expect("it is there")
        };
        while ack_time(Duration::ZERO) != Some(PEER_ACK_TIME) {} // until it is connected

        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it is open");
        // Until it has been asked, and the system has no room for all.
        while ack_time(Duration::ZERO).is_some() {}
        client.set_nonblocking(true).expect("it is open");
        let (mut read, mut bytes) = (0, vec![0; 1024 * 1024]);
        while read < DOCUMENT_BYTES {
            assert_eq!(ack_time(Duration::ZERO), None);
            read += client.read(&mut bytes).unwrap_or(0);
        }
        assert_eq!(ack_time(Duration::ZERO), None, "its end may still be on its way");
        assert_eq!(ack_time(PEER_ACK_TIME), Some(PEER_ACK_TIME));
    }
}
