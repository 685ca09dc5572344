//! A client: POE's `POE::Component::Client::TCP`.

use super::backoff::Backoff;
use super::connection::Connection;
use super::peer::Peer;
use crate::limits::CONNECT_TIME;
use crate::reactor::{Cx, Event, Socket};
use crate::wheels::{ConnectError, Connector, Target};
use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Connects to a server, with a [`Connection`].
///
/// It has the options of POE's `Client::TCP`. [`run`](TcpClient::run) makes the session. It begins
/// to connect when it is spawned. The result of each attempt is
/// [`connected`](Connection::connected) or [`connect_failed`](Connection::connect_failed).
///
/// Like any session, it ends if no event can reach it: without a connection, an attempt to connect,
/// or something else that could wake it. To keep it, give it a [`backoff`](TcpClient::backoff), or
/// set a delay for [`RECONNECT`](TcpClient::RECONNECT) in `disconnected`. With an alias it can be
/// asked to reconnect, and exists until it is asked to [shut down](TcpClient::SHUTDOWN).
///
/// ```no_run
/// # use masque::{filters::Line, reactor::*, sessions::*, wheels::ReadWrite};
/// # struct Greeter;
/// # impl Connection for Greeter {
/// #     type Filter = Line;
/// #     fn filter(&self) -> Line { Line::new() }
/// #     fn input(&mut self, _: &mut Cx<'_>, _: ReadWrite<Line>, _: String) {}
/// # }
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::new()?;
/// let client = TcpClient::new(("example.org", 7)).alias("greeter");
/// reactor.spawn(client.timeout(Duration::from_secs(5)).run(Greeter));
/// reactor.run()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "`run` makes a session of it, to spawn"]
pub struct TcpClient {
    dial: Dial,
}

impl TcpClient {
    /// Ends the connection when all output has been sent, and then the session. Input that arrives
    /// meanwhile is dropped. Without a connection the session ends at once.
    pub const SHUTDOWN: Event<()> = Event::new("peer.shutdown");

    /// Connects again, now. An open connection is closed at once, and its `disconnected` runs
    /// first. POE's FAQ sets a delay for this in `disconnected`; a [`backoff`](TcpClient::backoff)
    /// does that for you.
    pub const RECONNECT: Event<()> = Event::new("peer.reconnect");

    /// Like [`RECONNECT`](TcpClient::RECONNECT), but to another server from now on.
    pub const CONNECT: Event<Target> = Event::new("peer.connect");

    /// Creates a client of the server at `to`: a name or an address with a port, a port of this
    /// machine, or an [`Endpoint`](crate::reactor::Endpoint).
    pub fn new(to: impl Into<Target>) -> Self {
        let dial = Dial {
            to: to.into(),
            alias: None,
            time: CONNECT_TIME,
            backoff: None,
            connector: None,
            is_ending: false,
        };
        TcpClient { dial }
    }

    /// Gives the session the name `alias`, from its start to its end. If another session has it,
    /// `connect_failed` runs and the session ends.
    pub fn alias(mut self, alias: impl Into<Box<str>>) -> Self {
        self.dial.alias = Some(alias.into());
        self
    }

    /// Limits an attempt to connect to `time`. Default: [`CONNECT_TIME`]. [`Duration::MAX`] leaves
    /// the limit to the system.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.dial.time = time;
        self
    }

    /// Connects again each time an attempt has failed or the connection has ended, with `backoff`'s
    /// delays. The first item that arrives resets the delays.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.dial.backoff = Some(backoff);
        self
    }

    /// Makes the session that connects, with `connection`.
    pub fn run<C: Connection>(self, connection: C) -> Peer<C> {
        Peer::dialing(connection, self.dial)
    }
}

/// How a client connects.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) to: Target,
    alias: Option<Box<str>>,
    time: Duration,
    backoff: Option<Backoff>,
    connector: Option<Connector>,
    /// True if the session ends with the connection.
    is_ending: bool,
}

impl Dial {
    pub(super) fn name(&mut self, cx: &mut Cx<'_>) -> Result<(), ConnectError> {
        let Some(alias) = self.alias.take() else { return Ok(()) };
        cx.alias(alias).map_err(|error| {
            let error = Error::new(ErrorKind::AlreadyExists, error);
            ConnectError::Connect { to: self.to.clone(), error }
        })
    }

    /// Begins an attempt, and stops one that is in progress.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, dialed: Event<Result<Socket, ConnectError>>) {
        self.end(cx);
        self.is_ending = false;
        self.connector = Some(Connector::new(cx, self.to.clone(), self.time, dialed));
    }

    /// Ends the session after the current connection.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>) {
        self.is_ending = true;
        if let Some(connector) = self.connector.take() {
            connector.close(cx);
        }
    }

    /// An attempt has failed, or a connection is gone.
    pub(super) fn lost(&mut self, cx: &mut Cx<'_>, reconnect: Event<()>) {
        if self.is_ending {
            cx.stop();
        } else if let Some(backoff) = &mut self.backoff {
            let delay = backoff.next_delay();
            cx.delay(reconnect, delay, ());
        }
    }

    /// The server has said something.
    pub(super) fn proven(&mut self) {
        if let Some(backoff) = &mut self.backoff {
            backoff.reset();
        }
    }
}
