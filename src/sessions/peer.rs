//! The session of one connection.

use super::connection::Connection;
use super::tcp_client::{Dial, TcpClient};
use crate::filters::Filter;
use crate::reactor::{Cx, Event, Handlers, Session, Socket};
use crate::wheels::{ConnectError, Ended, Put, ReadWrite, Target};
use std::fmt;
use std::io;

/// The session of one [`Connection`]: a client of a [`TcpServer`](super::TcpServer), or a
/// [`TcpClient`](super::TcpClient).
///
/// The session of a server's client ends with its connection, together with its timers and watches.
/// The session of a [`TcpClient`] may connect again.
pub struct Peer<C: Connection> {
    /// The value that the program keeps for the connection.
    pub connection: C,
    wire: Option<ReadWrite<C::Filter>>,
    role: Role,
}

/// Where the connection comes from.
enum Role {
    /// A server accepted it. The session takes the socket when it starts.
    Server(Option<Socket>),
    /// A client makes it, and makes it again when it was lost.
    Client(Box<Dial>),
}

impl Role {
    fn dial(&mut self) -> Option<&mut Dial> {
        match self {
            Role::Server(_) => None,
            Role::Client(dial) => Some(dial),
        }
    }
}

impl<C: Connection> Peer<C> {
    /// Ends the connection when all its output has been sent, and then the session. Input that
    /// arrives meanwhile is dropped. A client that is not connected ends at once.
    pub const SHUTDOWN: Event<()> = TcpClient::SHUTDOWN;
    const DIALED: Event<Result<Socket, ConnectError>> = Event::new("peer.dialed");
    const INPUT: Event<<C::Filter as Filter>::In> = Event::new("peer.input");
    const ENDED: Event<Ended> = Event::new("peer.ended");
    const FLUSHED: Event<()> = Event::new("peer.flushed");
    const FULL: Event<()> = Event::new("peer.full");
    const DRAINED: Event<()> = Event::new("peer.drained");

    /// Creates the session of `connection` over a socket that was
    /// [accepted](super::TcpServer::accept) or made elsewhere. The session ends with the
    /// connection.
    ///
    /// ```
    /// # use masque::{filters::Line, reactor::Cx, sessions::{Connection, Peer, TcpServer}};
    /// # use masque::wheels::{Accepted, ReadWrite};
    /// # struct Echo;
    /// # impl Connection for Echo {
    /// #     type Filter = Line;
    /// #     fn filter(&self) -> Line { Line::new() }
    /// #     fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
    /// #         wire.put(cx, line);
    /// #     }
    /// # }
    /// let server = TcpServer::new(("127.0.0.1", 0)).accept(|cx, Accepted { socket, .. }| {
    ///     cx.spawn(Peer::new(Echo, socket));
    /// });
    /// # let _ = server;
    /// ```
    pub fn new(connection: C, socket: Socket) -> Self {
        Peer { connection, wire: None, role: Role::Server(Some(socket)) }
    }

    pub(super) fn dialing(connection: C, dial: Dial) -> Self {
        Peer { connection, wire: None, role: Role::Client(Box::new(dial)) }
    }

    /// Returns the wire, or `None` when not connected.
    pub fn wire(&self) -> Option<ReadWrite<C::Filter>> {
        self.wire
    }

    /// Sends an item; returns [`Put::Gone`] when not connected.
    pub fn put(&self, cx: &mut Cx<'_>, item: impl Into<<C::Filter as Filter>::Out>) -> Put {
        self.wire.map_or(Put::Gone, |wire| wire.put(cx, item))
    }

    /// Closes the connection now, if there is one. Output that was not yet sent is lost.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        if let Some(wire) = self.wire {
            wire.close(cx);
        }
        self.check(cx);
    }

    /// Starts the connection over `socket`.
    fn connect(&mut self, cx: &mut Cx<'_>, socket: Socket) -> io::Result<()> {
        let filter = self.connection.filter();
        let wire = ReadWrite::new(cx, socket, filter, Self::INPUT, Self::ENDED)?;
        wire.on_flushed(cx, Self::FLUSHED);
        if let Some(marks) = self.connection.marks() {
            wire.on_marks(cx, marks, Self::FULL, Self::DRAINED);
        }
        self.wire = Some(wire);
        self.run(cx, C::connected);
        Ok(())
    }

    /// Runs a method of the connection while connected. The method may close the wire.
    fn run(
        &mut self,
        cx: &mut Cx<'_>,
        method: impl FnOnce(&mut C, &mut Cx<'_>, ReadWrite<C::Filter>),
    ) {
        if let Some(wire) = self.wire {
            method(&mut self.connection, cx, wire);
            self.check(cx);
        }
    }

    /// A closed wheel delivers no event, so this asks the wheel.
    fn check(&mut self, cx: &mut Cx<'_>) {
        if self.wire.is_some_and(|wire| !wire.is_open(cx)) {
            self.disconnect(cx, &Ended::Closed);
        }
    }

    fn disconnect(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        if self.wire.take().is_none() {
            return;
        }
        self.connection.disconnected(cx, why);
        match &mut self.role {
            Role::Client(dial) => dial.lost(cx, TcpClient::RECONNECT),
            Role::Server(_) => cx.stop(),
        }
    }

    fn input(&mut self, cx: &mut Cx<'_>, item: <C::Filter as Filter>::In) {
        if let Some(dial) = self.role.dial() {
            dial.proven();
        }
        self.run(cx, |connection, cx, wire| connection.input(cx, wire, item));
    }

    fn ended(&mut self, cx: &mut Cx<'_>, why: Ended) {
        if why.is_final() {
            self.disconnect(cx, &why);
        } else {
            self.run(cx, |connection, cx, wire| connection.ended(cx, wire, &why));
        }
    }

    fn shutdown(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Some(dial) = self.role.dial() {
            dial.end(cx);
            cx.delay_clear(TcpClient::RECONNECT);
        }
        match self.wire {
            Some(wire) => wire.finish(cx),
            None => cx.stop(),
        }
    }

    fn redial(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(dial) = self.role.dial() else { return };
        dial.begin(cx, Self::DIALED);
        if let Some(wire) = self.wire.take() {
            wire.close(cx);
            self.connection.disconnected(cx, &Ended::Closed);
        }
        cx.delay_clear(TcpClient::RECONNECT);
    }

    fn redirect(&mut self, cx: &mut Cx<'_>, to: Target) {
        if let Some(dial) = self.role.dial() {
            dial.to = to;
            self.redial(cx, ());
        }
    }

    fn dialed(&mut self, cx: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        let result = result.map(|socket| self.connect(cx, socket));
        let Some(dial) = self.role.dial() else { return };
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => ConnectError::Connect { to: dial.to.clone(), error },
            Err(error) => error,
        };
        self.connection.connect_failed(cx, &error);
        dial.lost(cx, TcpClient::RECONNECT);
    }
}

impl<C: Connection> Session for Peer<C> {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::INPUT, Self::input)
            .on(Self::ENDED, Self::ended)
            .on(Self::FLUSHED, |peer, cx, ()| peer.run(cx, C::flushed))
            .on(Self::FULL, |peer, cx, ()| peer.run(cx, C::full))
            .on(Self::DRAINED, |peer, cx, ()| peer.run(cx, C::drained))
            .on(Self::SHUTDOWN, Self::shutdown)
            .on(TcpClient::RECONNECT, Self::redial)
            .on(TcpClient::CONNECT, Self::redirect)
            .on(Self::DIALED, Self::dialed);
        C::events(on);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        match &mut self.role {
            Role::Server(socket) => {
                let Some(socket) = socket.take() else { return };
                if let Err(error) = self.connect(cx, socket) {
                    log::warn!("a connection cannot be watched: {error}");
                    cx.stop();
                }
            }
            Role::Client(dial) => {
                if let Err(error) = dial.name(cx) {
                    self.connection.connect_failed(cx, &error);
                    return cx.stop();
                }
                self.redial(cx, ());
            }
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if let Some(wire) = self.wire.take() {
            wire.close(cx);
            self.connection.disconnected(cx, &Ended::Closed);
        }
    }
}

impl<C: Connection + fmt::Debug> fmt::Debug for Peer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("connection", &self.connection)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}
