//! What a program does with one connection.

use super::peer::Peer;
use crate::filters::Filter;
use crate::filters::Marks;
use crate::reactor::{Cx, Handlers};
use crate::wheels::{BrokenFilter, ConnectError, Ended, ReadWrite};

/// What a program does with one connection, on the server's side or the client's: the callbacks of
/// POE's `Server::TCP` (`ClientInput` and so on) and `Client::TCP` (`ServerInput` and so on) as
/// methods.
///
/// The implementing type is the heap: what a session keeps for its connection. The session itself
/// is a [`Peer`]. Each method is given the wire, a handle that may be copied and kept.
///
/// For each connection the order is `connected`, then `input` and the like, then `ended` when the
/// peer ends first, then `disconnected`: always exactly one for each `connected`, unless a method
/// panics.
///
/// ```
/// use masque::filters::Line;
/// use masque::reactor::Cx;
/// use masque::sessions::Connection;
/// use masque::wheels::ReadWrite;
///
/// /// Says what it hears.
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
    /// What turns bytes into items and items into bytes.
    type Filter: Filter;

    /// A new filter, for each connection that is made.
    fn filter(&self) -> Self::Filter;

    /// At how many unsent bytes [`full`](Connection::full) and [`drained`](Connection::drained) are
    /// told; without marks they never are. Asked for each connection that is made.
    fn marks(&self) -> Option<Marks> {
        None
    }

    /// Names the handlers of further events that the session takes (POE's `InlineStates`). Asked
    /// once for each kind. A handler finds this heap in [`Peer::connection`].
    fn events(_on: &mut Handlers<Peer<Self>>) {}

    /// The connection is there.
    fn connected(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// An item has come. None comes once this side has begun to end the connection.
    fn input(
        &mut self,
        cx: &mut Cx<'_>,
        wire: ReadWrite<Self::Filter>,
        item: <Self::Filter as Filter>::In,
    );

    /// All output was written. This runs in the turn after the last byte was sent.
    fn flushed(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The unsent bytes have reached the high mark: put no more.
    fn full(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The unsent bytes have fallen to the low mark: put again.
    fn drained(&mut self, _cx: &mut Cx<'_>, _wire: ReadWrite<Self::Filter>) {}

    /// The peer has ended, or sends what the filter cannot make sense of: [`Ended::Eof`] or
    /// [`Ended::Malformed`]. No more items come, but the connection is there and can be put to.
    ///
    /// Unless this is written anew, the connection ends when what was put has been sent.
    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Self::Filter>, why: &Ended) {
        if let Ended::Malformed(error) = why {
            // What a peer sends is not worth a line; a mistake of the program is.
            let is_ours = error.is::<BrokenFilter>();
            let level = if is_ours { log::Level::Error } else { log::Level::Debug };
            log::log!(level, "a connection ends: {error}");
        }
        wire.finish(cx);
    }

    /// The connection is gone, and so is the wire. The reason is final: [`Ended::Finished`],
    /// [`Ended::TimedOut`], [`Ended::Failed`] or [`Ended::Closed`].
    fn disconnected(&mut self, _cx: &mut Cx<'_>, _why: &Ended) {}

    /// The client could not connect; this never runs for a server's connection. Unless this is
    /// written anew, it goes to the log.
    fn connect_failed(&mut self, _cx: &mut Cx<'_>, why: &ConnectError) {
        log::warn!("{why}");
    }
}
