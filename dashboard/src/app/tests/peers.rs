//! The peers of the dashboard in tests: a scripted CouchDB and a client that stores what it gets.

use masque::filters::Stream;
use masque::reactor::{Cx, Event, Handlers, Rig, SessionId};
use masque::sessions::{Connection, Peer, TcpClient, TcpServer};
use masque::wheels::ReadWrite;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The head and the first heartbeat of a feed without end.
pub(crate) const FEED: &str = "HTTP/1.1 200 OK\r\n\r\n\n";

/// A part of an answer.
pub(crate) enum Step {
    Send(String),
    /// Sends a heartbeat, and again each time its pause has passed.
    Heartbeats,
    /// Closes the connection, in the middle of an answer if it has not ended.
    Close,
}

/// How a CouchDB answers. Each connection has a clone.
pub(crate) trait Script: Clone + 'static {
    /// How often `poll` is called, if at all.
    const POLL_PAUSE: Option<Duration> = None;

    /// Returns the steps of the answer to a request of this path, each with the pause before it.
    fn answer(&mut self, path: &str) -> Vec<(Duration, Step)>;

    /// Returns a step that no request asked for.
    fn poll(&mut self) -> Option<Step> {
        None
    }
}

/// Starts a CouchDB at the port 5984.
pub(crate) fn couch(rig: &mut Rig, script: impl Script) -> SessionId {
    let couch = move |_| Couch { script: script.clone(), due: VecDeque::new() };
    rig.spawn(TcpServer::new(5984).serve(couch))
}

/// Returns a whole answer.
pub(crate) fn whole(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A connection to the CouchDB.
struct Couch<S> {
    script: S,
    due: VecDeque<(Duration, Step)>,
}

impl<S: Script> Couch<S> {
    const NEXT: Event<()> = Event::new("couch.next");
    const POLL: Event<()> = Event::new("couch.poll");

    fn next(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        match self.due.pop_front() {
            Some((pause, Step::Heartbeats)) => {
                self.due.push_front((pause, Step::Heartbeats));
                wire.put(cx, "\n");
            }
            Some((_, step)) => take(step, cx, wire),
            None => {}
        }
    }

    fn poll(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        if let Some(step) = self.script.poll() {
            take(step, cx, wire);
        }
        if let Some(pause) = S::POLL_PAUSE {
            cx.delay(Self::POLL, pause, ());
        }
    }
}

fn take(step: Step, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
    match step {
        Step::Send(text) => drop(wire.put(cx, text)),
        Step::Heartbeats => drop(wire.put(cx, "\n")),
        Step::Close => wire.close(cx),
    }
}

impl<S: Script> Connection for Couch<S> {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::NEXT, |peer, cx, ()| {
            if let Some(wire) = peer.wire() {
                peer.connection.next(cx, wire);
            }
        })
        .on(Self::POLL, |peer, cx, ()| {
            if let Some(wire) = peer.wire() {
                peer.connection.poll(cx, wire);
            }
        });
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        self.poll(cx, wire);
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, bytes: bytes::Bytes) {
        let request = std::str::from_utf8(&bytes).expect("requests are text");
        let path = request.split(' ').nth(1).expect("a request has a path");
        self.due = self.script.answer(path).into();
        self.next(cx, wire);
    }

    fn flushed(&mut self, cx: &mut Cx<'_>, _: ReadWrite<Stream>) {
        if let Some((pause, _)) = self.due.front() {
            cx.delay(Self::NEXT, *pause, ());
        }
    }
}

/// A client of the dashboard that sends a text.
struct Client {
    sends: String,
    got: Arc<Mutex<String>>,
}

impl Connection for Client {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, self.sends.clone());
    }

    fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>, bytes: bytes::Bytes) {
        let text = std::str::from_utf8(&bytes).expect("answers are text");
        self.got.lock().expect("no thread panics while it holds this lock").push_str(text);
    }
}

/// The text that a client has received until now.
pub(crate) struct Got(Arc<Mutex<String>>);

impl Got {
    pub(crate) fn text(&self) -> MutexGuard<'_, String> {
        self.0.lock().expect("no thread panics while it holds this lock")
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.text().is_empty()
    }

    #[track_caller]
    pub(crate) fn has(&self, parts: &[&str]) {
        let text = self.text();
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text}");
    }
}

/// Starts a client that sends this text to the dashboard.
pub(crate) fn browse(rig: &mut Rig, sends: impl Into<String>) -> Got {
    let got = Arc::new(Mutex::new(String::new()));
    let client = Client { sends: sends.into(), got: Arc::clone(&got) };
    rig.spawn(TcpClient::new(8080).run(client));
    rig.settle();
    Got(got)
}
