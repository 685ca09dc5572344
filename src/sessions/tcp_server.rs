//! A server: POE's `POE::Component::Server::TCP`.

use super::connection::Connection;
use super::peer::Peer;
use crate::limits::{CONNECTIONS_MAX, REFUSALS_MAX};
use crate::reactor::{Cx, Endpoint, Event, Handlers, ListeningSocket, Session};
use crate::wheels::{Accepted, Counts, Listener, Lookup, Overload, Target};
use std::fmt;
use std::io::{self, ErrorKind};

/// Listens at an address and serves each client in a session of its own.
///
/// It has the options of POE's `Server::TCP`. It becomes a session when the program says what to do
/// with a client: [`serve`](TcpServer::serve) makes a [`Connection`] for each client, and
/// [`accept`](TcpServer::accept) gives each accepted socket to the program.
///
/// The sessions of clients are children of the server's session, so the server exists while any of
/// them does. It ends after a [shutdown](TcpServer::SHUTDOWN) when the last client has gone, or
/// when it cannot listen.
///
/// The server survives a lack of file descriptors: it accepts again when some are free. It also
/// survives a panic that one client causes: that client is closed, and the panic is counted and
/// logged.
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
#[must_use = "a server listens only once it is spawned as a session"]
pub struct TcpServer<A = Acceptor> {
    options: ServerOptions,
    acceptor: A,
    lookup: Option<Lookup>,
    listener: Option<Listener>,
}

/// What the builder sets. It does not depend on the acceptor, so it moves as one value when a
/// server gets its acceptor.
struct ServerOptions {
    at: Target,
    /// A socket that was opened elsewhere. The session takes it when it starts.
    adopted: Option<ListeningSocket>,
    alias: Option<Box<str>>,
    most: Option<usize>,
    most_per_address: usize,
    overload: Overload,
    refusals_max: usize,
    started: Option<Box<Started>>,
    stopped: Option<Box<Stopped>>,
    failed: Option<Box<Failed>>,
}

/// What a server does with each client. A server without an acceptor is not a session yet.
pub struct Acceptor(Box<Accept>);

type Accept = dyn FnMut(&mut Cx<'_>, Accepted);
type Started = dyn FnOnce(&mut Cx<'_>, &Endpoint);
type Stopped = dyn FnOnce(&mut Cx<'_>);
type Failed = dyn FnOnce(&mut Cx<'_>, io::Error);

impl TcpServer<()> {
    /// Creates a server that listens at `at`: an address or host name with a port, a port of the
    /// loopback address, or an [`Endpoint`]. With port 0 the system picks a port. If a host name
    /// has several addresses, the server uses the first at which it can listen.
    pub fn new(at: impl Into<Target>) -> Self {
        let options = ServerOptions {
            at: at.into(),
            adopted: None,
            alias: None,
            most: Some(CONNECTIONS_MAX),
            most_per_address: usize::MAX,
            overload: Overload::default(),
            refusals_max: REFUSALS_MAX,
            started: None,
            stopped: None,
            failed: None,
        };
        TcpServer { options, acceptor: (), lookup: None, listener: None }
    }

    /// Creates a server from a listening socket that was opened elsewhere: for example by a
    /// supervisor (systemd's socket activation), or before the program dropped its privileges.
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
        let mut server = Self::new(at);
        server.options.adopted = Some(socket);
        server
    }

    /// Serves each client in a [`Peer`], which is a session of its own. `connection` makes the
    /// [`Connection`] from the client's address. A panic in `connection` closes only that client.
    pub fn serve<C: Connection>(
        self,
        mut connection: impl FnMut(Endpoint) -> C + 'static,
    ) -> TcpServer {
        self.accept(move |cx, Accepted { socket, peer }| {
            let connection = connection(peer);
            cx.spawn(Peer::new(connection, socket));
        })
    }

    /// Gives each accepted socket to `accept` (POE's `Acceptor`). `accept` runs in the server's
    /// session, so a session that it spawns is a child of the server. A client counts as connected
    /// while its socket is open. A panic in `accept` closes only that client: `accept` is called
    /// again for the next one, and its captured values are as the panic left them.
    pub fn accept(self, accept: impl FnMut(&mut Cx<'_>, Accepted) + 'static) -> TcpServer {
        let acceptor = Acceptor(Box::new(accept));
        TcpServer { options: self.options, acceptor, lookup: None, listener: None }
    }
}

impl<A> TcpServer<A> {
    /// Gives the server's session the name `alias` until its shutdown. The server fails if another
    /// session has this alias.
    pub fn alias(mut self, alias: impl Into<Box<str>>) -> Self {
        self.options.alias = Some(alias.into());
        self
    }

    /// Limits how many clients are connected at a time; 0 accepts none, `None` sets no limit.
    /// Further clients wait in the system's backlog or are refused: see
    /// [`overload`](TcpServer::overload). The default is [`CONNECTIONS_MAX`].
    pub fn concurrency(mut self, most: impl Into<Option<usize>>) -> Self {
        self.options.most = most.into();
        self
    }

    /// Limits how many clients of one address are connected at a time. Further clients of that
    /// address are refused, even if [`overload`](TcpServer::overload) lets others wait. There is no
    /// limit by default, because whole companies and towns share one address. See
    /// [`Listener::limit_per_address`].
    pub fn concurrency_per_address(mut self, most: usize) -> Self {
        self.options.most_per_address = most;
        self
    }

    /// Sets what happens to clients above the limit: they wait, or they get a refusal and are
    /// closed. By default they wait.
    pub fn overload(mut self, overload: Overload) -> Self {
        self.options.overload = overload;
        self
    }

    /// Limits how many refusals are being sent at a time; see [`Listener::limit_refusals`]. The
    /// default is [`REFUSALS_MAX`].
    pub fn refusals(mut self, most: usize) -> Self {
        self.options.refusals_max = most;
        self
    }

    /// Runs `started` once the server listens. Its argument has the port that the system picked.
    pub fn started(mut self, started: impl FnOnce(&mut Cx<'_>, &Endpoint) + 'static) -> Self {
        self.options.started = Some(Box::new(started));
        self
    }

    /// Runs `stopped` when the session ends: after a shutdown, after [`failed`](Self::failed), or
    /// with the program. If `started` or `failed` panics, the session ends without it.
    pub fn stopped(mut self, stopped: impl FnOnce(&mut Cx<'_>) + 'static) -> Self {
        self.options.stopped = Some(Box::new(stopped));
        self
    }

    /// Runs `failed` if the server cannot listen or its alias is taken; then the session ends. By
    /// default the error is logged.
    pub fn failed(mut self, failed: impl FnOnce(&mut Cx<'_>, io::Error) + 'static) -> Self {
        self.options.failed = Some(Box::new(failed));
        self
    }
}

impl TcpServer {
    /// Stops listening and releases the alias. Connected clients continue; the session ends with
    /// the last of them.
    pub const SHUTDOWN: Event<()> = Event::new("server.shutdown");

    /// Changes how many clients may be connected at a time; see
    /// [`concurrency`](TcpServer::concurrency). It takes effect at once and ends no connection.
    pub const SET_CONCURRENCY: Event<Option<usize>> = Event::new("server.set_concurrency");

    /// A call of this event returns the address at which the server listens, with the port that the
    /// system picked. The answer is `None` while the host name is looked up, and after a shutdown.
    pub const LOCAL: Event<(), Option<Endpoint>> = Event::new("server.local");

    /// A call of this event returns how many clients are connected: 0 after a shutdown, because
    /// then the server no longer counts.
    pub const CONNECTIONS: Event<(), usize> = Event::new("server.connections");

    /// A call of this event returns how many clients were accepted and refused, by cause. All
    /// counts are 0 after a shutdown.
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
        listener.limit(cx, self.options.most.unwrap_or(usize::MAX));
        listener.limit_per_address(cx, self.options.most_per_address);
        listener.overload(cx, std::mem::take(&mut self.options.overload));
        listener.limit_refusals(cx, self.options.refusals_max);
        let local = listener.local(cx);
        if let (Some(started), Some(local)) = (self.options.started.take(), local) {
            started(cx, &local);
        }
    }

    fn fail(&mut self, cx: &mut Cx<'_>, error: io::Error) {
        match self.options.failed.take() {
            Some(failed) => failed(cx, error),
            None => log::error!("cannot listen at {}: {error}", self.options.at),
        }
        cx.stop();
    }

    /// Hands a client to the program. Its panic must not end the server, because other clients use
    /// the same listener.
    fn accepted(&mut self, cx: &mut Cx<'_>, accepted: Accepted) {
        cx.contain_panic(|cx| (self.acceptor.0)(cx, accepted));
    }

    fn set_concurrency(&mut self, cx: &mut Cx<'_>, most: Option<usize>) {
        self.options.most = most;
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
        if let Some(alias) = self.options.alias.take() {
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
        if let Some(alias) = &self.options.alias
            && let Err(error) = cx.alias(alias.clone())
        {
            return self.fail(cx, io::Error::new(ErrorKind::AlreadyExists, error));
        }
        if let Some(socket) = self.options.adopted.take() {
            return match Listener::adopt(cx, socket, Self::ACCEPTED) {
                Ok(listener) => self.listening(cx, listener),
                Err(error) => self.fail(cx, error),
            };
        }
        match self.options.at.clone() {
            Target::Endpoint(endpoint) => self.listen(cx, &[endpoint]),
            Target::Host(host, port) => {
                self.lookup = Some(Lookup::new(cx, &host, port, Self::FOUND));
            }
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if let Some(stopped) = self.options.stopped.take() {
            stopped(cx);
        }
    }
}

impl<A> fmt::Debug for TcpServer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("at", &self.options.at)
            .field("alias", &self.options.alias)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}
