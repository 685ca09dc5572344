//! The embedded database as sessions: one that has it, and one for each client.

use bytes::Bytes;
use couch_mem::{Answer, Couch, Feed, Identity, Pace, Rows, Then, error_body};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use masque::filters::Marks;
use masque::filters::{HttpDate, Httpd, Reply, Response};
use masque::reactor::{Cx, Event, Handlers, LogLimit, Session, SessionId, Socket, Topic};
use masque::sessions::TcpServer;
use masque::wheels::{Ended, ReadWrite};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// The name of the database.
pub(crate) const DATABASE: &str = "dashboard";

/// Sent to every feed when a database has changed: the name of the database.
const CHANGED: Topic<Arc<str>> = Topic::new("embedded.changed");

/// The largest body of a request: the largest document with its envelope.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Above `high` unsent bytes a client counts as a slow reader, until it is at `low` again.
const MARKS: Marks = Marks { high: 256 * 1024, low: 64 * 1024 };

/// The session that owns the databases.
#[derive(Debug)]
pub(crate) struct Embedded {
    couch: Couch,
}

impl Embedded {
    /// Call it with a request.
    pub(crate) const ANSWER: Event<Request<Bytes>, Answer> = Event::new("embedded.answer");
    /// Call it for the unsent rows of a feed.
    const ROWS: Event<Box<Feed>, (Box<Feed>, Rows)> = Event::new("embedded.rows");
    /// Call it for the last line of a feed.
    const LAST: Event<Box<Feed>, Bytes> = Event::new("embedded.last");

    /// Makes an empty database, with a new identity each time.
    pub(crate) fn new(date: SystemTime) -> Self {
        let uuid = fastrand::u128(..);
        let start_time_s = HttpDate::from(date).unix_seconds();
        let mut couch = Couch::new(Identity { uuid, start_time_s });
        couch.create_database(DATABASE).expect("the name is valid and the server is empty");
        Embedded { couch }
    }

    fn answer(&mut self, cx: &mut Cx<'_>, request: Request<Bytes>) -> Answer {
        let answer = self.couch.answer(&request);
        for name in self.couch.take_changed() {
            cx.notify(CHANGED, name);
        }
        answer
    }
}

impl Session for Embedded {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ANSWER, Self::answer)
            .on(Self::ROWS, |embedded, _, mut feed| {
                let rows = feed.rows(&embedded.couch);
                (feed, rows)
            })
            .on(Self::LAST, |embedded, _, feed| feed.end(&embedded.couch));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // An alias keeps the session alive as long as another session can call it.
        if let Err(taken) = cx.alias("couch") {
            log::warn!("{taken}");
        }
    }
}

/// Serves the databases of the session `couch` to at most `clients_max` clients at the same time.
pub(crate) fn server(at: SocketAddr, couch: SessionId, clients_max: usize) -> TcpServer {
    let mut unserved = LogLimit::default();
    TcpServer::new(at).concurrency(clients_max).accept(move |cx, accepted| {
        if let Err(error) = cx.spawn_with(|cx| Client::new(cx, accepted.socket, couch))
            && let Some(more) = unserved.pass(cx.now())
        {
            log::warn!("cannot serve a client of the embedded database: {error}{more}");
        }
    })
}

/// One client of the database.
#[derive(Debug)]
struct Client {
    wire: ReadWrite<Httpd>,
    couch: SessionId,
    /// The feed that is being sent.
    feed: Option<Box<Feed>>,
    /// The client reads more slowly than the feed sends.
    is_full: bool,
}

impl Client {
    const REQUEST: Event<Result<Request<Bytes>, Response>> = Event::new("client.request");
    const ENDED: Event<Ended> = Event::new("client.ended");
    const CHANGED: Event<Arc<str>> = Event::new("client.changed");
    const SEND: Event<()> = Event::new("client.send");
    const QUIET: Event<()> = Event::new("client.quiet");
    const FULL: Event<()> = Event::new("client.full");
    const DRAINED: Event<()> = Event::new("client.drained");

    fn new(cx: &mut Cx<'_>, socket: Socket, couch: SessionId) -> io::Result<Self> {
        let httpd = Httpd::new().with_body_max(BODY_BYTES_MAX);
        let wire = ReadWrite::new(cx, socket, httpd, Self::REQUEST, Self::ENDED)?;
        wire.on_marks(cx, MARKS, Self::FULL, Self::DRAINED);
        Ok(Client { wire, couch, feed: None, is_full: false })
    }

    fn request(&mut self, cx: &mut Cx<'_>, request: Result<Request<Bytes>, Response>) {
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return self.wire.put_last(cx, in_json(&refusal)),
        };
        if !is_for_this_machine(&request) {
            return self.wire.put_last(cx, forbidden());
        }
        match cx.call(self.couch, Embedded::ANSWER, request) {
            Ok(Answer::Complete(answer)) => {
                self.wire.put(cx, answer);
            }
            Ok(Answer::Feed(feed)) => {
                self.wire.put(cx, Reply::Start(Feed::head()));
                self.wire.put(cx, Reply::Data(Bytes::from_static(feed.opening())));
                cx.watch(CHANGED, Self::CHANGED);
                rearm(cx, feed.pace());
                self.feed = Some(Box::new(feed));
                self.send(cx, ());
            }
            Err(_) => cx.stop(), // the database has stopped, so the program is ending
        }
    }

    fn changed(&mut self, cx: &mut Cx<'_>, name: Arc<str>) {
        if self.feed.as_ref().is_some_and(|feed| *name == *feed.database()) {
            self.send(cx, ());
        }
    }

    /// Sends new rows, unless the client has not read the previous ones.
    fn send(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.is_full {
            return; // drained() continues
        }
        let Some(feed) = self.feed.take() else { return };
        let Ok((feed, rows)) = cx.call(self.couch, Embedded::ROWS, feed) else {
            return cx.stop();
        };
        if !rows.lines.is_empty() {
            self.wire.put(cx, Reply::Data(rows.lines));
            rearm(cx, feed.pace());
        }
        match rows.then {
            Then::End => return self.end(cx, feed),
            Then::More => cx.yield_now(Self::SEND, ()),
            Then::Wait => {}
        }
        self.feed = Some(feed);
    }

    fn quiet(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(feed) = self.feed.take() else { return };
        match feed.pace() {
            Pace::Timeout(_) => self.end(cx, feed),
            Pace::Heartbeat(_) => {
                if !self.is_full {
                    self.wire.put(cx, Reply::Data(Bytes::from_static(Feed::HEARTBEAT)));
                }
                rearm(cx, feed.pace());
                self.feed = Some(feed);
            }
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>, feed: Box<Feed>) {
        cx.unwatch(CHANGED);
        cx.delay_clear(Self::QUIET);
        let Ok(last) = cx.call(self.couch, Embedded::LAST, feed) else { return cx.stop() };
        self.wire.put(cx, Reply::Data(last));
        self.wire.put(cx, Reply::End);
    }

    fn drained(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_full = false;
        self.send(cx, ());
    }

    fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        // A client that sends no more while it receives a feed has left. CouchDB does the same.
        if ended.is_final() || self.feed.is_some() {
            return cx.stop();
        }
        self.wire.finish(cx);
    }
}

impl Session for Client {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::REQUEST, Self::request)
            .on(Self::ENDED, Self::ended)
            .on(Self::CHANGED, Self::changed)
            .on(Self::SEND, Self::send)
            .on(Self::QUIET, Self::quiet)
            .on(Self::FULL, |client, _, ()| client.is_full = true)
            .on(Self::DRAINED, Self::drained);
    }
}

/// Restarts the time without rows of a feed.
fn rearm(cx: &mut Cx<'_>, pace: Pace) {
    let (Pace::Heartbeat(after) | Pace::Timeout(after)) = pace;
    cx.delay(Client::QUIET, after, ());
}

/// Returns true if the request names this machine. Otherwise a page of another site could send
/// requests here through a browser, under the name of that site (DNS rebinding).
fn is_for_this_machine(request: &Request<Bytes>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true }; // no browser: HTTP/1.0
    names_this_machine(host.to_str().unwrap_or_default())
}

/// Returns true for the names of this machine, with or without a port: in any case (RFC 9110,
/// section 4.2.3), and with the final dot of a complete name.
fn names_this_machine(host: &str) -> bool {
    // The colons of an IPv6 address are in brackets: a port is after the last one.
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn forbidden() -> Response {
    refusal(StatusCode::FORBIDDEN, "forbidden", "Only this machine is served.")
}

/// Returns a malformed request's error in the form of CouchDB. A replicator reads each answer as
/// JSON, and stops if it is not JSON.
fn in_json(refusal_in_text: &Response) -> Response {
    let status = refusal_in_text.status();
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::URI_TOO_LONG => "too_long",
        _ => "bad_request",
    };
    let text = String::from_utf8_lossy(refusal_in_text.body());
    let reason = text.trim_end();
    refusal(status, error, reason.split_once(": ").map_or(reason, |(_, why)| why))
}

fn refusal(status: StatusCode, error: &str, reason: &str) -> Response {
    let mut response = Response::new(Bytes::from(error_body(error, reason)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_this_machine_are_accepted() {
        let table = [
            ("127.0.0.1", true),
            ("127.0.0.1:5984", true),
            ("localhost", true),
            ("LOCALHOST:5984", true),
            ("localhost.", true),
            ("Localhost.:5984", true),
            ("[::1]", true),
            ("[::1]:5984", true),
            ("localhost:", true),
            ("", false),
            (":5984", false),
            ("evil.example", false),
            ("evil.example:5984", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:5984", false),
            ("localhost..", false),
            ("[::2]", false),
            ("::1", false),
        ];
        for (host, expected) in table {
            assert_eq!(names_this_machine(host), expected, "{host}");
        }
    }
}
