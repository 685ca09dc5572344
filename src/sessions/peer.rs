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
/// A server's ends with its connection, with all its timers and watches. A client's may connect
/// again.
pub struct Peer<C: Connection> {
    /// What the program keeps for the connection.
    pub connection: C,
    wire: Option<ReadWrite<C::Filter>>,
    /// What a server has accepted, until the session starts.
    accepted: Option<Socket>,
    /// How a client connects.
    dial: Option<Box<Dial>>,
}

impl<C: Connection> Peer<C> {
    /// Ends the connection when everything that was put has been sent, and then the session. Input
    /// that comes meanwhile is thrown away. A client that is not connected ends at once.
    pub const SHUTDOWN: Event<()> = TcpClient::SHUTDOWN;
    const DIALED: Event<Result<Socket, ConnectError>> = Event::new("peer.dialed");
    const INPUT: Event<<C::Filter as Filter>::In> = Event::new("peer.input");
    const ENDED: Event<Ended> = Event::new("peer.ended");
    const FLUSHED: Event<()> = Event::new("peer.flushed");
    const FULL: Event<()> = Event::new("peer.full");
    const DRAINED: Event<()> = Event::new("peer.drained");

    /// The session that has `connection` talk over a socket that was
    /// [accepted](super::TcpServer::accept) or made elsewhere. It ends with the connection.
    pub fn new(connection: C, socket: Socket) -> Self {
        Peer { connection, wire: None, accepted: Some(socket), dial: None }
    }

    pub(super) fn dialing(connection: C, dial: Dial) -> Self {
        Peer { connection, wire: None, accepted: None, dial: Some(Box::new(dial)) }
    }

    /// The wire, while connected.
    pub fn wire(&self) -> Option<ReadWrite<C::Filter>> {
        self.wire
    }

    /// Puts an item; [`Put::Gone`] when not connected.
    pub fn put(&self, cx: &mut Cx<'_>, item: impl Into<<C::Filter as Filter>::Out>) -> Put {
        self.wire.map_or(Put::Gone, |wire| wire.put(cx, item))
    }

    /// Closes the connection now, if there is one; what has not been sent is lost.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        if let Some(wire) = self.wire {
            wire.close(cx);
        }
        self.check(cx);
    }

    /// Has the connection begin over `socket`.
    fn connect(&mut self, cx: &mut Cx<'_>, socket: Socket) -> io::Result<()> {
        let filter = self.connection.filter();
        let wire = ReadWrite::new(cx, socket, filter, Self::INPUT, Self::ENDED)?;
        wire.on_flushed(cx, Self::FLUSHED);
        if let Some(marks) = self.connection.marks() {
            wire.on_marks(cx, marks, Self::FULL, Self::DRAINED);
        }
        self.wire = Some(wire);
        self.tell(cx, C::connected);
        Ok(())
    }

    /// Runs a method of the connection, if there is one; it may have closed it when this returns.
    fn tell(
        &mut self,
        cx: &mut Cx<'_>,
        method: impl FnOnce(&mut C, &mut Cx<'_>, ReadWrite<C::Filter>),
    ) {
        if let Some(wire) = self.wire {
            method(&mut self.connection, cx, wire);
            self.check(cx);
        }
    }

    /// A wheel that is closed tells nobody, so this looks.
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
        match &mut self.dial {
            Some(dial) => dial.lost(cx, TcpClient::RECONNECT),
            None => cx.stop(),
        }
    }

    fn input(&mut self, cx: &mut Cx<'_>, item: <C::Filter as Filter>::In) {
        if let Some(dial) = &mut self.dial {
            dial.proven();
        }
        self.tell(cx, |connection, cx, wire| connection.input(cx, wire, item));
    }

    fn ended(&mut self, cx: &mut Cx<'_>, why: Ended) {
        if why.is_final() {
            self.disconnect(cx, &why);
        } else {
            self.tell(cx, |connection, cx, wire| connection.ended(cx, wire, &why));
        }
    }

    fn shutdown(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Some(dial) = &mut self.dial {
            dial.end(cx);
            cx.delay_clear(TcpClient::RECONNECT);
        }
        match self.wire {
            Some(wire) => wire.finish(cx),
            None => cx.stop(),
        }
    }

    fn redial(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(dial) = &mut self.dial else { return };
        dial.begin(cx, Self::DIALED);
        if let Some(wire) = self.wire.take() {
            wire.close(cx);
            self.connection.disconnected(cx, &Ended::Closed);
        }
        cx.delay_clear(TcpClient::RECONNECT);
    }

    fn redirect(&mut self, cx: &mut Cx<'_>, to: Target) {
        if let Some(dial) = &mut self.dial {
            dial.to = to;
            self.redial(cx, ());
        }
    }

    fn dialed(&mut self, cx: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        let result = result.and_then(|socket| {
            self.connect(cx, socket).map_err(|error| {
                let to = self.dial.as_ref().expect("it has dialed").to.clone();
                ConnectError::Connect { to, error }
            })
        });
        if let Err(error) = result {
            self.connection.connect_failed(cx, &error);
            if let Some(dial) = &mut self.dial {
                dial.lost(cx, TcpClient::RECONNECT);
            }
        }
    }
}

impl<C: Connection> Session for Peer<C> {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::INPUT, Self::input)
            .on(Self::ENDED, Self::ended)
            .on(Self::FLUSHED, |peer, cx, ()| peer.tell(cx, C::flushed))
            .on(Self::FULL, |peer, cx, ()| peer.tell(cx, C::full))
            .on(Self::DRAINED, |peer, cx, ()| peer.tell(cx, C::drained))
            .on(Self::SHUTDOWN, Self::shutdown)
            .on(TcpClient::RECONNECT, Self::redial)
            .on(TcpClient::CONNECT, Self::redirect)
            .on(Self::DIALED, Self::dialed);
        C::events(on);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        if let Some(socket) = self.accepted.take() {
            if let Err(error) = self.connect(cx, socket) {
                log::warn!("a connection cannot be watched: {error}");
                cx.stop();
            }
        } else if let Some(dial) = &mut self.dial {
            if let Err(error) = dial.name(cx) {
                self.connection.connect_failed(cx, &error);
                return cx.stop();
            }
            self.redial(cx, ());
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
