//! A rig with a server that speaks TLS, and a network between it and its client that a test can
//! trouble.

use super::server::{Heard, Say, Secure, Served};
use crate::support::actor::local;
use bytes::Bytes;
use masque::filters::Stream;
use masque::reactor::{Cx, Event, Handlers, Rig, Session, Socket};
use masque::sessions::{ChangesFeed, Connection, Database, FeedError, FeedEvent, TcpServer};
use masque::wheels::{ConnectError, Connector, Ended, ReadWrite};
use rustls::ServerConfig;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Where the server is.
pub(super) const SERVER: u16 = 1;
/// The address of the same server, behind a troubled network.
pub(super) const TROUBLED: u16 = 2;

/// A rig whose host `couch` has a server at [`SERVER`].
pub(super) fn serve(
    config: &Arc<ServerConfig>,
    act: impl FnMut(&mut Cx<'_>, ReadWrite<Secure>, &[u8]) + 'static,
) -> (Rig, Heard) {
    let (mut rig, heard, config) = (Rig::new(), Heard::default(), config.clone());
    let (served, act) = (heard.clone(), Rc::new(RefCell::new(act)));
    rig.name("couch", &[[127, 0, 0, 1].into()]);
    rig.spawn(
        TcpServer::new(local(SERVER))
            .serve(move |_| Served::new(&config, &served, &(act.clone() as Rc<RefCell<_>>))),
    );
    (rig, heard)
}

/// Says it at once.
pub(super) fn say(cx: &mut Cx<'_>, wire: ReadWrite<Secure>, bytes: impl Into<Vec<u8>>) {
    wire.put(cx, Say::Bytes(Bytes::from(bytes.into())));
}

/// What the network does with the bytes of the server.
#[derive(Clone)]
pub(super) struct Trouble {
    /// The sizes of the pieces in which bytes go on, in both directions, again and again.
    pieces: Vec<usize>,
    /// True if the connection is closed.
    is_cut: Rc<Cell<bool>>,
    /// True if the network changes the next bytes of the server.
    is_garbled: Rc<Cell<bool>>,
}

impl Trouble {
    pub(super) fn pieces(pieces: &[usize]) -> Self {
        let (is_cut, is_garbled) = Default::default();
        Trouble { pieces: pieces.to_vec(), is_cut, is_garbled }
    }

    /// Has the network go away, and come back, as soon as it has something to do.
    pub(super) fn cut_at_next_byte(&self) {
        self.is_cut.set(true);
    }

    /// Changes what the server sends next.
    pub(super) fn garble_next_bytes(&self) {
        self.is_garbled.set(true);
    }

    /// Puts it before the server of the rig.
    pub(super) fn spawn(&self, rig: &mut Rig) {
        let trouble = self.clone();
        rig.spawn(TcpServer::new(local(TROUBLED)).accept(move |cx, accepted| {
            cx.spawn(Relay {
                trouble: trouble.clone(),
                accepted: Some(accepted.socket),
                client: Half::default(),
                server: Half::default(),
                next: 0,
                is_ticking: false,
            });
        }));
    }
}

/// One connection through the troubled network.
struct Relay {
    trouble: Trouble,
    accepted: Option<Socket>,
    client: Half,
    server: Half,
    next: usize,
    is_ticking: bool,
}

#[derive(Default)]
struct Half {
    wire: Option<ReadWrite<Stream>>,
    /// The bytes on their way to it.
    waiting: VecDeque<u8>,
    /// True if no more bytes will be sent to it.
    is_last: bool,
}

impl Relay {
    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("relay.connected");
    const FROM_CLIENT: Event<Bytes> = Event::new("relay.from_client");
    const FROM_SERVER: Event<Bytes> = Event::new("relay.from_server");
    const CLIENT_ENDED: Event<Ended> = Event::new("relay.client_ended");
    const SERVER_ENDED: Event<Ended> = Event::new("relay.server_ended");
    const TICK: Event<()> = Event::new("relay.tick");

    fn tick_soon(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.is_ticking, true) {
            cx.delay(Self::TICK, Duration::from_nanos(1), ());
        }
    }

    /// One piece in each direction.
    fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_ticking = false;
        if self.trouble.is_cut.take() {
            for half in [&self.client, &self.server] {
                half.wire.inspect(|wire| wire.finish(cx));
            }
            return;
        }
        let size = self.trouble.pieces[self.next % self.trouble.pieces.len()];
        self.next += 1;
        let mut is_more = false;
        for half in [&mut self.client, &mut self.server] {
            let Some(wire) = half.wire else { continue };
            let piece: Vec<u8> = half.waiting.drain(..size.min(half.waiting.len())).collect();
            if !piece.is_empty() {
                wire.put(cx, piece);
            }
            if half.waiting.is_empty() && half.is_last {
                wire.finish(cx);
            }
            is_more |= !half.waiting.is_empty();
        }
        if is_more {
            self.tick_soon(cx);
        }
    }
}

impl Session for Relay {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, |relay, cx, result| {
            let socket = result.expect("the server is there");

            let wire = ReadWrite::new(cx, socket, Stream, Self::FROM_SERVER, Self::SERVER_ENDED);
            relay.server.wire = wire.ok();
            relay.tick_soon(cx);
        })
        .on(Self::FROM_CLIENT, |relay, cx, bytes| {
            relay.server.waiting.extend(bytes);
            relay.tick_soon(cx);
        })
        .on(Self::FROM_SERVER, |relay, cx, bytes| {
            relay.client.waiting.extend(bytes);
            if relay.trouble.is_garbled.take()
                && let Some(byte) = relay.client.waiting.back_mut()
            {
                *byte ^= 1;
            }
            relay.tick_soon(cx);
        })
        .on(Self::CLIENT_ENDED, |relay, cx, _| {
            relay.server.is_last = true;
            relay.tick_soon(cx);
        })
        .on(Self::SERVER_ENDED, |relay, cx, _| {
            relay.client.is_last = true;
            relay.tick_soon(cx);
        })
        .on(Self::TICK, Self::tick);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let socket = self.accepted.take().expect("it was accepted");
        let wire = ReadWrite::new(cx, socket, Stream, Self::FROM_CLIENT, Self::CLIENT_ENDED);
        self.client.wire = wire.ok();
        Connector::new(cx, local(SERVER), Duration::from_secs(1), Self::CONNECTED);
    }
}

/// Connects, and gives what it makes of the socket a session.
pub(super) struct Dialer<C: Connection> {
    port: u16,
    start: Option<Box<Start<C>>>,
}

type Start<C> = dyn FnOnce(&Cx<'_>, Socket) -> (C, Socket);

impl<C: Connection> Dialer<C> {
    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("dialer.connected");

    pub(super) fn new(
        port: u16,
        start: impl FnOnce(&Cx<'_>, Socket) -> (C, Socket) + 'static,
    ) -> Self {
        Dialer { port, start: Some(Box::new(start)) }
    }
}

impl<C: Connection> Session for Dialer<C> {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, |dialer, cx, result| {
            let start = dialer.start.take().expect("the watcher reports once");
            let (connection, socket) = start(cx, result.expect("the server is there"));
            cx.spawn(masque::sessions::Peer::new(connection, socket));
        });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        Connector::new(cx, local(self.port), Duration::from_secs(1), Self::CONNECTED);
    }
}

/// Answers as CouchDB does, of whose database `db` the document `x` is `doc`, and has `feed` do the
/// rest when the changes are asked for.
pub(super) fn couch(
    doc: String,
    feed: impl Fn(&mut Cx<'_>, ReadWrite<Secure>) + 'static,
) -> impl FnMut(&mut Cx<'_>, ReadWrite<Secure>, &[u8]) + 'static {
    move |cx, wire, bytes| {
        let request = std::str::from_utf8(bytes).expect("a request is text");
        let answer = |cx: &mut Cx<'_>, body: &str| {
            let length = body.len();
            say(cx, wire, format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"));
        };
        match request.split(' ').nth(1) {
            None => {}
            Some("/db") => {
                answer(cx, r#"{"db_name":"db","update_seq":"1-a","instance_start_time":"1"}"#);
            }
            Some("/db/x") => answer(cx, &doc),
            Some(_) => {
                say(cx, wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n");
                feed(cx, wire);
            }
        }
    }
}

/// A row of the feed, in a chunk.
pub(super) fn row(rev: &str) -> String {
    let doc = format!(r#"{{"_id":"x","_rev":"{rev}"}}"#);
    let row = format!(r#"{{"seq":"{rev}","id":"x","changes":[{{"rev":"{rev}"}}],"doc":{doc}}}"#);
    format!("{:x}\r\n{row}\n\r\n", row.len() + 1)
}

/// Follows `x`, and keeps the events it receives.
pub(super) struct Watcher {
    database: Database,
    told: Told,
}

/// The events that a watcher received.
#[derive(Clone, Default)]
pub(super) struct Told(Rc<RefCell<Vec<FeedEvent>>>);

impl Told {
    /// Everything since the last time, changes and losses in short.
    pub(super) fn take(&self) -> Vec<String> {
        let shown = |event: FeedEvent| match event {
            FeedEvent::Change(change) => format!("{} is {}", change.id, change.rev.unwrap()),
            FeedEvent::Lost { why, .. } => format!("lost: {why}"),
            FeedEvent::CaughtUp => "caught up".to_owned(),
            FeedEvent::Connected { .. } => "connected".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.take().into_iter().map(shown).collect()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.0.borrow().iter().any(|event| matches!(event, FeedEvent::Lost { .. }))
    }

    /// The first loss, and when it is tried again.
    pub(super) fn loss(&self) -> (Arc<FeedError>, Duration) {
        let told = self.0.borrow();
        let losses = told.iter().filter_map(|event| match event {
            FeedEvent::Lost { why, retry_after, .. } => Some((why.clone(), *retry_after)),
            _ => None,
        });
        losses.into_iter().next().unwrap_or_else(|| panic!("it is not lost: {told:?}"))
    }
}

impl Watcher {
    const FEED: Event<FeedEvent> = Event::new("watcher.feed");

    pub(super) fn new(url: &str, authority: &str) -> (Self, Told) {
        let database: Database = url.parse().unwrap();
        Self::of(database.authority(authority.as_bytes()).unwrap())
    }

    pub(super) fn trusting_the_platform(url: &str) -> (Self, Told) {
        Self::of(url.parse().unwrap())
    }

    fn of(database: Database) -> (Self, Told) {
        let told = Told::default();
        (Watcher { database, told: told.clone() }, told)
    }
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, |watcher, _, event| watcher.told.0.borrow_mut().push(event));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
        cx.spawn(feed.doc("x").seed(0x1234_5678_9ABC_DEF1));
    }
}
