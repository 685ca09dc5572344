//! What a kernel measures of itself.

use masque::reactor::{Cx, Event, Handlers, Kernel, ListeningSocket, Reactor, Rig, Session};
use masque::sessions::TcpServer;
use std::time::{Duration, Instant};

/// Rings once, so long after it was started.
struct Bell(Duration);

const RING: Event<()> = Event::new("bell.ring");

impl Session for Bell {
    fn events(on: &mut Handlers<Self>) {
        on.on(RING, |_, _, ()| ());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.delay(RING, self.0, ());
    }
}

#[test]
fn a_timer_that_fires_late_is_counted_with_how_late_it_was() {
    let start = Instant::now();
    let mut kernel = Kernel::new(start);
    kernel.spawn(Bell(Duration::from_secs(1)));
    kernel.turn(start + Duration::from_millis(999));
    assert_eq!(kernel.stats().timer_lag.count(), 0);
    kernel.turn(start + Duration::from_millis(1_250));
    let lag = kernel.stats().timer_lag;
    assert_eq!((lag.count(), lag.sum()), (1, Duration::from_millis(250)));
}

#[test]
fn a_reactor_measures_its_turns_and_not_the_time_between_two_runs() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    reactor.spawn(Bell(Duration::from_millis(50)));
    reactor.run().expect("the poll works");
    let stats = reactor.stats();
    assert_eq!(stats.turn_time.count() + 1, stats.turns, "the last one ends with the run");
    assert!(stats.turn_time.sum() < Duration::from_millis(40), "the wait does not count");
    reactor.spawn(Bell(Duration::from_millis(50)));
    reactor.run().expect("the poll works");
    let stats = reactor.stats();
    assert_eq!(stats.turn_time.count() + 2, stats.turns);
}

#[test]
fn a_socket_of_the_system_is_no_use_on_a_network_in_memory() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let socket = ListeningSocket::try_from(socket).expect("it can be used without blocking");
    let mut rig = Rig::new();
    let (told, error) = std::sync::mpsc::channel();
    rig.spawn(
        TcpServer::adopt(socket)
            .failed(move |_, error| told.send(error.kind()).expect("the test listens"))
            .accept(|_, _| ()),
    );
    assert!(rig.run());
    assert_eq!(error.recv(), Ok(std::io::ErrorKind::Unsupported));
}
