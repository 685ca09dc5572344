//! TCP keep-alive, on the system's sockets, because virtual time cannot show it.
#![cfg(target_os = "linux")]

use crate::support::PATIENCE;
use masque::limits::FEED_KEEPALIVE_IDLE;
use masque::reactor::{Cx, Event, Handlers, Reactor, Session};
use masque::sessions::{ChangesFeed, FeedEvent};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Follows the database of a server on this machine.
struct Watcher {
    port: u16,
}

impl Watcher {
    const FEED: Event<FeedEvent> = Event::new("watcher.feed");
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, |_, _, _| ());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let database = format!("http://127.0.0.1:{}/db", self.port).parse().unwrap();
        let feed = ChangesFeed::new(database, cx.postback(Self::FEED));
        cx.spawn(feed.doc("x"));
    }
}

/// In how much time the system asks the server at `port` whether it is there; `None` when it does
/// not, or is not connected.
fn asks_in(port: u16) -> Option<Duration> {
    let server = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when: 2 is the keep-alive's timer,
    // its time in hundredths of a second.
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let hundredths = fields.get(5)?.strip_prefix("02:")?;
        let is_it = fields[2] == server && fields[3] == "01";
        is_it.then(|| Duration::from_millis(10 * u64::from_str_radix(hundredths, 16).unwrap()))
    })
}

#[test]
fn the_system_probes_a_silent_server() {
    let server = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    let port = server.local_addr().expect("it is bound").port();
    let mut reactor = Reactor::new().expect("the system has a poll");
    reactor.spawn(Watcher { port });
    let end = Instant::now() + PATIENCE;
    let left = loop {
        reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
        if let Some(left) = asks_in(port) {
            break left;
        }
        assert!(Instant::now() < end, "no keep-alive");
    };
    let idle = FEED_KEEPALIVE_IDLE;
    assert!(left <= idle && left > idle.saturating_sub(PATIENCE), "{left:?}");
}
