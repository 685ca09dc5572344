//! A client that reconnects.
//!
//! A `TcpClient` connects and runs a `Connection`, as a server does. With a `Backoff` it connects
//! again after each failure and after the end of each connection.
//!
//! Notice:
//! - The client starts before its server. A failure to connect is an event, not a returned error.
//! - Each `connected` is followed by exactly one `disconnected`, with the reason.
//! - Client and server are sessions of one kernel, and both are done when the client shuts down.
//! - `Rig` has a network in memory, so that each run is the same. A `Reactor` runs the same
//!   sessions.
//!
//! Run it with `cargo run --example 08_line_client`; it prints
//!
//! ```text
//! cannot connect to 127.0.0.1:7000: connection refused
//! the server starts
//! connected
//! the server says "one word each"
//! disconnected: all has been sent
//! connected
//! the server says "one word each"
//! that is enough
//! disconnected: all has been sent
//! ```

use masque::filters::Line;
use masque::reactor::{Cx, Rig};
use masque::sessions::{Backoff, Connection, TcpClient, TcpServer};
use masque::wheels::{ConnectError, Ended, ReadWrite};
use std::time::Duration;

/// Prints the server's lines, and shuts down after the second one.
struct Listener {
    heard: u32,
}

impl Connection for Listener {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>) {
        println!("connected");
    }

    fn input(&mut self, cx: &mut Cx<'_>, _: ReadWrite<Line>, line: String) {
        println!("the server says {line:?}");
        self.heard += 1;
        if self.heard == 2 {
            println!("that is enough");
            cx.yield_now(TcpClient::SHUTDOWN, ());
            cx.post("server", TcpServer::SHUTDOWN, ()).expect("it has just said something");
        }
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        println!("disconnected: {why}");
    }

    fn connect_failed(&mut self, _: &mut Cx<'_>, why: &ConnectError) {
        println!("{why}");
    }
}

/// Sends one line to each client and closes the connection.
struct Curt;

impl Connection for Curt {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new()
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        wire.put_last(cx, "one word each");
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {}
}

fn main() {
    let mut rig = Rig::new();
    let backoff = Backoff::new(Duration::from_secs(3600), Duration::from_secs(3600));
    rig.spawn(TcpClient::new(7000).backoff(backoff).run(Listener { heard: 0 }));
    rig.settle(); // handles everything that needs no time
    rig.spawn(
        TcpServer::new(7000)
            .alias("server")
            .started(|_, _| println!("the server starts"))
            .serve(|_peer| Curt),
    );
    rig.run(); // two hours of virtual time, in microseconds
}
