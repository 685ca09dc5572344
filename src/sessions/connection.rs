//! The program's code for one connection.

use super::peer::Peer;
use crate::filters::Filter;
use crate::filters::Marks;
use crate::reactor::{Cx, Handlers};
use crate::wheels::{BrokenFilter, ConnectError, Ended, ReadWrite};

/// The program's code for one connection, of a server or a client. Its methods are the callbacks of
/// POE's `Server::TCP` (`ClientInput` and so on) and `Client::TCP` (`ServerInput` and so on).
///
/// The implementing type is the state of the connection. The session is a [`Peer`]. Each method
/// gets the wire, a handle that can be copied and stored.
///
/// For each connection the order is `connected`, then `input` and the other events, then `ended` if
/// the peer ends first, then `disconnected`. There is exactly one `disconnected` for each
/// `connected`, unless a method panics.
///
/// ```
/// use masque::filters::Line;
/// use masque::reactor::Cx;
/// use masque::sessions::Connection;
/// use masque::wheels::ReadWrite;
///
/// /// Sends each line back.
/// struct Echo;
///
/// impl Connection for Echo {
///     type Filter = Line;
///
///     fn filter(&self) -> Line {
///         Line::new()
///     }
///
///     fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Line>, line: String) {
///         wire.put(cx, line);
///     }
/// }
/// ```
pub trait Connection: Sized + 'static {
    /// The filter of the connection.
    type Filter: Filter;

    /// Creates the filter of a new connection.
    fn filter(&self) -> Self::Filter;

    /// The numbers of unsent bytes at which [`full`](Connection::full) and
    /// [`drained`](Connection::drained) run. Without marks they never run. Called for each new
    /// connection.
    fn marks(&self) -> Option<Marks> {
        None
    }

    /// Registers handlers of further events (POE's `InlineStates`). Called once for each kind. A
    /// handler finds this value in [`Peer::connection`].
    fn events(_on: &mut Handlers<Peer<Self>>) {}

    /// The connection has been made.
    fn connected(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// An item has arrived. No item is delivered after this side has begun to end the connection.
    fn input(
        &mut self,
        cx: &mut Cx<'_>,
        wire: ReadWrite<Self::Filter>,
        item: <Self::Filter as Filter>::In,
    );

    /// All output was written. This runs in the turn after the last byte was sent.
    fn flushed(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The unsent bytes have reached the high mark: send no more.
    fn full(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The unsent bytes have fallen to the low mark: send again.
    fn drained(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The peer has ended, or sends bytes that the filter cannot decode: [`Ended::Eof`] or
    /// [`Ended::Malformed`]. No more items are delivered, but the connection can still send.
    ///
    /// By default the connection ends when its output has been sent.
    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Self::Filter>, why: &Ended) {
        if let Ended::Malformed(error) = why {
            // A peer's mistake is logged only at the level debug; a mistake of the program is an
            // error.
            let is_ours = error.is::<BrokenFilter>();
            let level = if is_ours { log::Level::Error } else { log::Level::Debug };
            log::log!(level, "a connection ends: {error}");
        }
        wire.finish(cx);
    }

    /// The connection has ended, and the wire does nothing any more. The reason is
    /// [`Ended::Finished`], [`Ended::TimedOut`], [`Ended::Failed`] or [`Ended::Closed`].
    fn disconnected(&mut self, _cx: &mut Cx<'_>, _why: &Ended) {}

    /// The client could not connect. This never runs for a server's connection. By default the
    /// error is logged.
    fn connect_failed(&mut self, _cx: &mut Cx<'_>, why: &ConnectError) {
        log::warn!("{why}");
    }
}
