//! The long poll: a browser's request is answered when there is new data.
//!
//! One session has the data, and one session serves each browser. A browser requests `/rev/N`,
//! where N is the revision that it has. If the data is newer, the answer is immediate. Otherwise
//! the request is parked until the data changes, for 28 seconds at most.
//!
//! Notice:
//! - A parked browser costs a watch and a timer, but no thread and no polling loop.
//! - `watch` and `delay` lead to the same handler, `respond`. The first of the two removes the
//!   other.
//! - The data is read with a `call` when it is needed, so it is not shared.
//! - A `Rig` runs it, so that 28 seconds take microseconds. With a `Reactor` it is a server.
//!
//! Run it with `cargo run --example 09_long_poll`; it prints
//!
//! ```text
//!  0.0 s  GET /rev/0
//!  0.0 s  200 {"rev":1}
//!  0.0 s  GET /rev/1
//! 10.0 s  the data changes
//! 10.0 s  200 {"rev":2}
//! 10.0 s  GET /rev/2
//! 38.0 s  200 {"rev":2}
//! ```

use bytes::Bytes;
use masque::filters::{Httpd, Line, Request, Response};
use masque::reactor::{Cx, Event, Handlers, Rig, Session, Topic};
use masque::sessions::{Connection, Peer, TcpClient, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use std::time::{Duration, SystemTime};

const CHANGED: Topic<()> = Topic::new("data.changed");
const LONG_POLL: Duration = Duration::from_secs(28);

fn say(cx: &Cx<'_>, what: &str) {
    let time = cx.date().duration_since(SystemTime::UNIX_EPOCH).expect("virtual time begins there");
    println!("{:4.1} s  {what}", time.as_secs_f32());
}

/// Has the data, which changes once.
struct Data {
    rev: u64,
}

impl Data {
    const CHANGE: Event<()> = Event::new("data.change");
    const REV: Event<(), u64> = Event::new("data.rev");

    fn change(&mut self, cx: &mut Cx<'_>, (): ()) {
        say(cx, "the data changes");
        self.rev += 1;
        cx.notify(CHANGED, ());
    }
}

impl Session for Data {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CHANGE, Self::change).on(Self::REV, |data, _, ()| data.rev);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("data").expect("no other session has an alias");
        cx.delay(Self::CHANGE, Duration::from_secs(10), ());
    }
}

/// One browser's connection, on the server's side.
struct Browser;

impl Browser {
    const RESPOND: Event<()> = Event::new("browser.respond");

    fn respond(peer: &mut Peer<Self>, cx: &mut Cx<'_>, (): ()) {
        cx.unwatch(CHANGED);
        cx.delay_clear(Self::RESPOND);
        let rev = cx.call("data", Data::REV, ()).expect("its alias keeps it");
        peer.put(cx, Response::new(Bytes::from(format!("{{\"rev\":{rev}}}\n"))));
    }
}

impl Connection for Browser {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        Httpd::new()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::RESPOND, Self::respond);
    }

    fn input(
        &mut self,
        cx: &mut Cx<'_>,
        wire: ReadWrite<Httpd>,
        request: Result<Request, Response>,
    ) {
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return wire.put_last(cx, refusal), // a bad request brings its answer
        };
        say(cx, &format!("{} {}", request.method(), request.uri()));
        let known = request.uri().path().strip_prefix("/rev/").and_then(|rev| rev.parse().ok());
        if known == cx.call("data", Data::REV, ()).ok() {
            cx.watch(CHANGED, Self::RESPOND);
            cx.delay(Self::RESPOND, LONG_POLL, ());
        } else {
            cx.yield_now(Self::RESPOND, ());
        }
    }
}

/// The browser itself: asks three times. It only looks at lines, which is enough for this server.
struct Asks {
    rev: u64,
}

impl Connection for Asks {
    type Filter = Line;

    fn filter(&self) -> Line {
        Line::new().with_crlf()
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>) {
        wire.put(cx, format!("GET /rev/{} HTTP/1.1\r\nHost: example.org\r\n", self.rev));
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
        if line.starts_with('{') {
            say(cx, &format!("200 {line}"));
            self.rev += 1;
            if self.rev < 3 { self.connected(cx, wire) } else { wire.finish(cx) }
        }
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, _: &Ended) {
        cx.post("server", TcpServer::SHUTDOWN, ()).expect("it has just answered");
    }
}

fn main() {
    let mut rig = Rig::new();
    rig.spawn(Data { rev: 1 });
    rig.spawn(TcpServer::new(8080).alias("server").serve(|_peer| Browser));
    rig.spawn(TcpClient::new(8080).run(Asks { rev: 0 }));
    rig.run();
}
