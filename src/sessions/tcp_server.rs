//! A server: POE's `POE::Component::Server::TCP`.

use super::connection::Connection;
use super::peer::Peer;
use crate::limits::{CONNECTIONS_MAX, REFUSALS_MAX};
use crate::reactor::{Cx, Endpoint, Event, Handlers, ListeningSocket, Session};
use crate::wheels::{Accepted, Counts, Listener, Lookup, Overload, Target};
use std::fmt;
use std::io::{self, ErrorKind};

/// Listens at an address and has each client that connects served by a session of its own.
///
/// It takes what POE's `Server::TCP` takes, and becomes a session by being told what to do with a
/// client: [`serve`](TcpServer::serve) has a [`Connection`] for each, [`accept`](TcpServer::accept)
/// leaves it to the program.
///
/// The sessions of clients are children of this one, so that it is there while any of them is. It
/// ends when it was told to [shut down](TcpServer::SHUTDOWN) and the last client has gone, or when
/// it cannot listen.
///
/// A system that is out of descriptors does not end it: it accepts again when there are some. Nor
/// does a panic over one client: that client is closed, and the panic is counted and logged.
///
/// ```
/// # use masque::{filters::Line, reactor::*, sessions::*, wheels::ReadWrite};
/// # struct Echo;
/// # impl Connection for Echo {
/// #     type Filter = Line;
/// #     fn filter(&self) -> Line { Line::new() }
/// #     fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
/// #         wire.put(cx, line);
/// #     }
/// # }
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::new()?;
/// reactor.spawn(
///     TcpServer::new(("127.0.0.1", 0))
///         .alias("echo")
///         .concurrency(100)
///         .started(|_, at| println!("echo at {at}"))
///         .serve(|_peer| Echo),
/// );
/// # reactor.post("echo", TcpServer::SHUTDOWN, ()).unwrap();
/// reactor.run()
/// # }
/// ```
pub struct TcpServer<A = Acceptor> {
    at: Target,
    /// What was opened elsewhere, until the session starts.
    handed: Option<ListeningSocket>,
    alias: Option<Box<str>>,
    most: Option<usize>,
    most_per_address: usize,
    overload: Overload,
    refusals_max: usize,
    started: Option<Box<Started>>,
    stopped: Option<Box<Stopped>>,
    failed: Option<Box<Failed>>,
    acceptor: A,
    lookup: Option<Lookup>,
    listener: Option<Listener>,
}

/// What a server does with a client. A server that has none is no session yet.
pub struct Acceptor(Box<Accept>);

type Accept = dyn FnMut(&mut Cx<'_>, Accepted);
type Started = dyn FnOnce(&mut Cx<'_>, &Endpoint);
type Stopped = dyn FnOnce(&mut Cx<'_>);
type Failed = dyn FnOnce(&mut Cx<'_>, io::Error);

impl TcpServer<()> {
    /// A server that listens at `at`: an address or a host's name with a port, a port of this
    /// machine alone, or an [`Endpoint`]. Port 0 has the system pick one. Of a host's addresses it
    /// takes the first one that can be listened at.
    pub fn new(at: impl Into<Target>) -> Self {
        TcpServer {
            at: at.into(),
            handed: None,
            alias: None,
            most: Some(CONNECTIONS_MAX),
            most_per_address: usize::MAX,
            overload: Overload::default(),
            refusals_max: REFUSALS_MAX,
            started: None,
            stopped: None,
            failed: None,
            acceptor: (),
            lookup: None,
            listener: None,
        }
    }

    /// A server that listens by a socket that was opened elsewhere: one that a supervisor hands
    /// over (systemd's socket activation), or that was bound before privileges were dropped.
    ///
    /// ```
    /// # use masque::sessions::TcpServer;
    /// # fn main() -> std::io::Result<()> {
    /// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let server = TcpServer::adopt(socket.try_into()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt(socket: ListeningSocket) -> Self {
        let at = socket.local().unwrap_or(Endpoint::Unnamed);
        TcpServer { handed: Some(socket), ..Self::new(at) }
    }

    /// Has each client served by the connection that `connection` makes of its address, in a
    /// [`Peer`], which is a session of its own. A panic in `connection` costs that client only.
    pub fn serve<C: Connection>(
        self,
        mut connection: impl FnMut(Endpoint) -> C + 'static,
    ) -> TcpServer {
        self.accept(move |cx, Accepted { socket, peer }| {
            let connection = connection(peer);
            cx.spawn(Peer::new(connection, socket));
        })
    }

    /// Has `accept` see to each client (POE's `Acceptor`). It runs in the server's session; a
    /// session that it spawns is that one's child. The client counts for as long as its socket is
    /// open. A panic in `accept` costs that client only: `accept` is called again for the next one,
    /// with what it has captured as the panic left it.
    pub fn accept(self, accept: impl FnMut(&mut Cx<'_>, Accepted) + 'static) -> TcpServer {
        TcpServer {
            at: self.at,
            handed: self.handed,
            alias: self.alias,
            most: self.most,
            most_per_address: self.most_per_address,
            overload: self.overload,
            refusals_max: self.refusals_max,
            started: self.started,
            stopped: self.stopped,
            failed: self.failed,
            acceptor: Acceptor(Box::new(accept)),
            lookup: self.lookup,
            listener: self.listener,
        }
    }
}

impl<A> TcpServer<A> {
    /// Lets the server's session go by `alias`, until it is told to shut down. Where it is taken,
    /// the server fails.
    pub fn alias(mut self, alias: impl Into<Box<str>>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// Has at most `most` clients be connected at a time; 0 accepts none, `None` any number. More
    /// clients wait in the system's backlog, or are turned away: [`overload`](TcpServer::overload).
    /// Without this it is [`CONNECTIONS_MAX`].
    pub fn concurrency(mut self, most: impl Into<Option<usize>>) -> Self {
        self.most = most.into();
        self
    }

    /// Has at most `most` clients of one address be connected at a time; more are turned away, also
    /// where others would wait. Without this there may be any number: whole companies and towns
    /// share one address. See [`Listener::limit_per_address`].
    pub fn concurrency_per_address(mut self, most: usize) -> Self {
        self.most_per_address = most;
        self
    }

    /// Says what becomes of clients for whom there is no room: they wait, or are told so and
    /// closed. Without this they wait.
    pub fn overload(mut self, overload: Overload) -> Self {
        self.overload = overload;
        self
    }

    /// Limits the clients that are being told that there is no room; see
    /// [`Listener::limit_refusals`]. Without this it is [`REFUSALS_MAX`].
    pub fn refusals(mut self, most: usize) -> Self {
        self.refusals_max = most;
        self
    }

    /// Runs `started` once the server listens, with the port that the system picked.
    pub fn started(mut self, started: impl FnOnce(&mut Cx<'_>, &Endpoint) + 'static) -> Self {
        self.started = Some(Box::new(started));
        self
    }

    /// Runs `stopped` when the session ends: after a shutdown, after [`failed`](Self::failed), or
    /// with the program. If `started` or `failed` panics, the session ends without it.
    pub fn stopped(mut self, stopped: impl FnOnce(&mut Cx<'_>) + 'static) -> Self {
        self.stopped = Some(Box::new(stopped));
        self
    }

    /// Runs `failed` when the server cannot listen, or its alias is taken; then the session ends.
    /// Without this the log is told.
    pub fn failed(mut self, failed: impl FnOnce(&mut Cx<'_>, io::Error) + 'static) -> Self {
        self.failed = Some(Box::new(failed));
        self
    }
}

impl TcpServer {
    /// Stops listening and gives the alias back. Clients that are connected go on; the session ends
    /// with the last of them.
    pub const SHUTDOWN: Event<()> = Event::new("server.shutdown");

    /// Changes how many clients may be connected at a time; see
    /// [`concurrency`](TcpServer::concurrency). It takes effect at once and ends no connection.
    pub const SET_CONCURRENCY: Event<Option<usize>> = Event::new("server.set_concurrency");

    /// Call it to learn where the server listens, with the port that the system picked; `None`
    /// while its name is being looked up and when it listens no more.
    pub const LOCAL: Event<(), Option<Endpoint>> = Event::new("server.local");

    /// Call it to learn how many clients are connected. A server that was shut down does not count.
    pub const CONNECTIONS: Event<(), usize> = Event::new("server.connections");

    /// Call it to learn how many clients were accepted and refused, by cause. A server that was
    /// shut down has forgotten.
    pub const COUNTS: Event<(), Counts> = Event::new("server.counts");

    const FOUND: Event<io::Result<Vec<Endpoint>>> = Event::new("server.found");
    const ACCEPTED: Event<Accepted> = Event::new("server.accepted");

    fn found(&mut self, cx: &mut Cx<'_>, found: io::Result<Vec<Endpoint>>) {
        self.lookup = None;
        match found {
            Ok(addresses) => self.listen(cx, &addresses),
            Err(error) => self.fail(cx, error),
        }
    }

    fn listen(&mut self, cx: &mut Cx<'_>, addresses: &[Endpoint]) {
        let mut error = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match Listener::new(cx, address, Self::ACCEPTED) {
                Ok(listener) => return self.listening(cx, listener),
                Err(refusal) => error = refusal,
            }
        }
        self.fail(cx, error);
    }

    fn listening(&mut self, cx: &mut Cx<'_>, listener: Listener) {
        self.listener = Some(listener);
        listener.limit(cx, self.most.unwrap_or(usize::MAX));
        listener.limit_per_address(cx, self.most_per_address);
        listener.overload(cx, std::mem::take(&mut self.overload));
        listener.limit_refusals(cx, self.refusals_max);
        let local = listener.local(cx);
        if let (Some(started), Some(local)) = (self.started.take(), local) {
            started(cx, &local);
        }
    }

    fn fail(&mut self, cx: &mut Cx<'_>, error: io::Error) {
        match self.failed.take() {
            Some(failed) => failed(cx, error),
            None => log::error!("cannot listen at {}: {error}", self.at),
        }
        cx.stop();
    }

    /// Hands a client to the program. Its panic must not end the server, because other clients use
    /// the same listener.
    fn accepted(&mut self, cx: &mut Cx<'_>, accepted: Accepted) {
        cx.contain_panic(|cx| (self.acceptor.0)(cx, accepted));
    }

    fn set_concurrency(&mut self, cx: &mut Cx<'_>, most: Option<usize>) {
        self.most = most;
        if let Some(listener) = self.listener {
            listener.limit(cx, most.unwrap_or(usize::MAX));
        }
    }

    fn shutdown(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Some(lookup) = self.lookup.take() {
            lookup.close(cx);
        }
        if let Some(listener) = self.listener.take() {
            listener.close(cx);
        }
        if let Some(alias) = self.alias.take() {
            cx.alias_remove(&alias);
        }
    }
}

impl Session for TcpServer {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ACCEPTED, Self::accepted)
            .on(Self::FOUND, Self::found)
            .on(Self::SHUTDOWN, Self::shutdown)
            .on(Self::SET_CONCURRENCY, Self::set_concurrency)
            .on(Self::LOCAL, |server, cx, ()| server.listener?.local(cx))
            .on(Self::COUNTS, |server, cx, ()| {
                server.listener.map_or(Counts::default(), |listener| listener.counts(cx))
            })
            .on(Self::CONNECTIONS, |server, cx, ()| {
                server.listener.map_or(0, |listener| listener.connections(cx))
            });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        if let Some(alias) = &self.alias
            && let Err(error) = cx.alias(alias.clone())
        {
            return self.fail(cx, io::Error::new(ErrorKind::AlreadyExists, error));
        }
        if let Some(socket) = self.handed.take() {
            return match Listener::adopt(cx, socket, Self::ACCEPTED) {
                Ok(listener) => self.listening(cx, listener),
                Err(error) => self.fail(cx, error),
            };
        }
        match self.at.clone() {
            Target::Endpoint(endpoint) => self.listen(cx, &[endpoint]),
            Target::Host(host, port) => {
                self.lookup = Some(Lookup::new(cx, &host, port, Self::FOUND));
            }
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if let Some(stopped) = self.stopped.take() {
            stopped(cx);
        }
    }
}

impl<A> fmt::Debug for TcpServer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("at", &self.at)
            .field("alias", &self.alias)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}
