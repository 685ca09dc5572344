//! HTTP's server as a client on the wire sees it: a real `Httpd` behind a real `ReadWrite`, on
//! virtual time, and every byte that comes back.

mod departures;
mod isolation;
mod load;
mod streams;
mod syntax;
mod times;

use crate::support::actor::{Actor, Journal, Moment, direct, local};
use bytes::Bytes;
use masque::filters::{Filter, Httpd, Mode, Reply, Request, Response, Stream};
use masque::reactor::{Cx, Event, Handlers, Rig, Session, Socket};
use masque::sessions::{Connection, Peer, TcpClient, TcpServer};
use masque::wheels::{ConnectError, Connector, Ended, ReadWrite};
use std::cell::{Cell, RefCell};
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

type Item<M> = <Httpd<M> as Filter>::In;
type Serve<M> = dyn Fn(&mut Cx<'_>, ReadWrite<Httpd<M>>, Item<M>);

/// A client's connection to a server of HTTP at port 1.
struct Talk {
    rig: Rig,
    heard: Rc<RefCell<Vec<u8>>>,
    has_ended: Rc<Cell<bool>>,
    /// True if the client reads once and then waits for `read`.
    is_slow: Rc<Cell<bool>>,
    /// The reasons for which connections ended, as the server received them.
    journal: Journal,
}

/// The server's side of it.
struct Served<M: Mode> {
    httpd: Httpd<M>,
    serve: Rc<Serve<M>>,
    journal: Journal,
}

impl<M: Mode> Connection for Served<M> {
    type Filter = Httpd<M>;

    fn filter(&self) -> Httpd<M> {
        self.httpd.clone()
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(LATER, |peer, cx, reply| {
            peer.put(cx, reply);
        })
        .on(NOTICED, |_, _, ()| ());
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd<M>>, item: Item<M>) {
        (self.serve)(cx, wire, item);
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.journal.note(why.to_string());
    }
}

/// Puts a reply when its time has come.
const LATER: Event<Reply> = Event::new("served.later");
/// Takes notice, and that is all.
const NOTICED: Event<()> = Event::new("served.noticed");

impl Talk {
    fn new<M: Mode>(
        httpd: Httpd<M>,
        serve: impl Fn(&mut Cx<'_>, ReadWrite<Httpd<M>>, Item<M>) + 'static,
    ) -> Self {
        let (mut rig, journal, serve) = (Rig::new(), Journal::default(), Rc::new(serve));
        let ends = journal.clone();
        rig.spawn(TcpServer::new(local(1)).alias("server").serve(move |_| Served {
            httpd: httpd.clone(),
            serve: Rc::clone(&serve) as Rc<Serve<M>>,
            journal: ends.clone(),
        }));
        let mut talk = Talk {
            rig,
            heard: Rc::default(),
            has_ended: Rc::default(),
            is_slow: Rc::default(),
            journal,
        };
        talk.connect();
        talk
    }

    /// Has another client take the place of the one that there was, which stays as it is.
    fn connect(&mut self) {
        self.client(|cx, _| {
            cx.alias_remove("client");
        });
        (self.heard, self.has_ended) = (Rc::default(), Rc::default());
        let (heard, has_ended) = (Rc::clone(&self.heard), Rc::clone(&self.has_ended));
        // It stays and goes on sending when the server has ended: the server must bear that.
        let is_slow = Rc::clone(&self.is_slow);
        let client =
            Actor::<Stream>::doing("client", &Journal::default(), move |cx, wire, moment| {
                match moment {
                    Moment::Input(bytes) => heard.borrow_mut().extend_from_slice(&bytes),
                    Moment::Ended => has_ended.set(true),
                    _ => {}
                }
                if is_slow.get() {
                    wire.pause(cx);
                }
            });
        self.rig.spawn(TcpClient::new(local(1)).run(client));
        self.rig.settle();
    }

    /// Has the client do something, unless its connection is gone.
    fn client(&mut self, act: impl FnOnce(&mut Cx<'_>, ReadWrite<Stream>) + 'static) {
        if self.rig.resolve("client").is_some() {
            direct::<Stream>(&mut self.rig, "client", |peer, cx| {
                act(cx, peer.wire().expect("it is connected"));
            });
        }
        self.rig.settle();
    }

    fn send(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.client(move |cx, wire| {
            wire.put(cx, bytes);
        });
    }

    /// Has the client read nothing any more, except when it is [told to](Talk::read).
    fn slow_down(&mut self) {
        self.is_slow.set(true);
        self.client(|cx, wire| wire.pause(cx));
    }

    /// Has a slow client read once: as much as the network holds.
    fn read(&mut self) {
        self.client(|cx, wire| wire.resume(cx));
    }

    /// Returns the bytes that arrived since the last call.
    fn heard(&mut self) -> String {
        String::from_utf8(self.heard.take()).expect("the answer is text")
    }

    /// Returns true if the server has ended the connection.
    fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    fn run_for(&mut self, time: Duration) {
        self.rig.run_for(time);
    }

    /// Lets time pass to just before `time`; nothing may have happened. Then to `time`.
    #[track_caller]
    fn nothing_until(&mut self, time: Duration) {
        self.run_for(before(time));
        assert_eq!((self.heard().as_str(), self.has_ended()), ("", false), "before {time:?}");
        self.run_for(TICK);
    }

    fn connections(&mut self) -> usize {
        self.rig.call("server", TcpServer::CONNECTIONS, ()).expect("it is there")
    }
}

/// A client that has a bare socket, and so can end its half and read on.
struct Caller(Option<Socket>);

impl Caller {
    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("caller.connected");
    /// Sends these bytes and ends its half.
    const SAY: Event<Vec<u8>> = Event::new("caller.say");
    /// Returns the received bytes.
    const HEAR: Event<(), Vec<u8>> = Event::new("caller.hear");

    fn say(&mut self, _: &mut Cx<'_>, bytes: Vec<u8>) {
        let socket = self.0.as_mut().expect("it is connected");
        assert_eq!(socket.write(&[IoSlice::new(&bytes)]).ok(), Some(bytes.len()));
        socket.shutdown_write().expect("it is open");
    }

    fn hear(&mut self, _: &mut Cx<'_>, (): ()) -> Vec<u8> {
        let mut heard = vec![0; 64 * 1024];
        let count = self.0.as_mut().and_then(|socket| socket.read(&mut heard).ok());
        heard.truncate(count.unwrap_or(0));
        heard
    }
}

impl Session for Caller {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, |caller, _, socket| caller.0 = socket.ok())
            .on(Self::SAY, Self::say)
            .on(Self::HEAR, Self::hear);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("caller").expect("there is one");
        Connector::new(cx, local(1), secs(1), Self::CONNECTED);
    }
}

/// Sends `bytes` to port 1 and ends that half. Returns the answer that arrives within `time`.
fn call(rig: &mut Rig, bytes: &str, time: Duration) -> String {
    rig.spawn(Caller(None));
    rig.settle();
    rig.call("caller", Caller::SAY, bytes.into()).expect("it is there");
    rig.run_for(time);
    let heard = rig.call("caller", Caller::HEAR, ()).expect("it is there");
    String::from_utf8(heard).expect("the answer is text")
}

/// The smallest step of virtual time.
const TICK: Duration = Duration::from_nanos(1);

/// The last moment before `time`.
fn before(time: Duration) -> Duration {
    time.saturating_sub(TICK)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Answers each request with its method, target and body; each refusal with itself.
fn echo(cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, item: Result<Request, Response>) {
    wire.put(cx, answer(item));
}

fn answer(item: Result<Request, Response>) -> Response {
    item.map_or_else(|refusal| refusal, |request| Response::new(text_of(&request).into()))
}

fn text_of(request: &Request) -> String {
    format!("{} {} {}\n", request.method(), request.uri(), request.body().escape_ascii())
}

/// `fields` and the body as a whole answer with a length, at the rig's beginning.
fn whole(status: &str, fields: &str, more: &str, body: &str) -> String {
    let length = body.len();
    let date = "Thu, 01 Jan 1970 00:00:00 GMT";
    format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\ndate: {date}\r\n{more}\r\n{body}"
    )
}

/// The answer to a good request.
fn ok(body: &str) -> String {
    whole("200 OK", "", "", body)
}

/// The answer to a bad one.
fn refused(status: &str, why: &str) -> String {
    let fields = "content-type: text/plain; charset=utf-8\r\n";
    whole(status, fields, "connection: close\r\n", &format!("{status}: {why}\n"))
}

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: h\r\n\r\n";
