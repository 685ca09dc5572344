//! Reading and writing items over a socket: POE's `Wheel::ReadWrite`.

mod contract;
mod ended;
mod input;
mod output;
mod patience;
mod query;
mod state;
#[cfg(test)]
mod tests;

pub use contract::BrokenFilter;
pub use ended::Ended;

use crate::filters::{Filter, Marks};
use crate::limits::ITEMS_PER_TURN;
use crate::reactor::{Cx, Event, Readiness, Socket, Wheel, WheelCx, WheelId};
use contract::AskProtocol;
use input::Supply;
use output::MarkEvents;
use state::{EndPlan, Source, WireState};
use std::fmt;
use std::io;
use std::time::SystemTime;

/// A connection with a filter: it delivers the items that the peer sends, and takes items to send.
///
/// Input is read as it arrives, within a budget of bytes and items for each turn. Output is written
/// when it is put, and only the bytes that the socket does not accept are stored. This is a handle
/// that can be copied; after the connection has ended it does nothing.
///
/// ```
/// use masque::filters::Line;
/// use masque::reactor::{Cx, Event, Handlers, Rig, Session, Socket};
/// use masque::sessions::TcpServer;
/// use masque::wheels::{Ended, ReadWrite};
///
/// /// Sends each line back. [`Peer`](masque::sessions::Peer) is such a session, ready-made.
/// struct Echo { wire: ReadWrite<Line> }
///
/// impl Echo {
///     const LINE: Event<String> = Event::new("echo.line");
///     const ENDED: Event<Ended> = Event::new("echo.ended");
///
///     fn new(cx: &mut Cx<'_>, socket: Socket) -> std::io::Result<Self> {
///         let wire = ReadWrite::new(cx, socket, Line::new(), Self::LINE, Self::ENDED)?;
///         Ok(Echo { wire })
///     }
///
///     fn ended(&mut self, cx: &mut Cx<'_>, why: Ended) {
///         if !why.is_final() {
///             self.wire.finish(cx); // the peer sends no more: end when all is written
///         }
///     }
/// }
///
/// impl Session for Echo {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::LINE, |echo, cx, line| drop(echo.wire.put(cx, line)))
///             .on(Self::ENDED, Self::ended);
///     }
/// }
///
/// let mut rig = Rig::new();
/// rig.spawn(TcpServer::new(7).accept(|cx, client| {
///     if let Err(error) = cx.spawn_with(|cx| Echo::new(cx, client.socket)) {
///         eprintln!("a client is not served: {error}");
///     }
/// }));
/// ```
pub struct ReadWrite<F: Filter> {
    id: WheelId<WireState<F>>,
}

/// What happened to an item that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It was written, or will be soon.
    Flowing,
    /// It will be written, but the unsent bytes are above the high mark: put no more until the low
    /// mark's event.
    Full,
    /// The connection has ended or is ending: the item is dropped.
    Gone,
}

impl<F: Filter> ReadWrite<F> {
    /// Reads and writes `socket` through `filter`. Items are delivered as `input`. `ended` is
    /// delivered once with a final [`Ended`], and before that if the peer closes its half.
    ///
    /// # Errors
    /// If the system cannot poll the socket.
    ///
    /// # Panics
    /// If the session's kind has no handler for one of the events.
    #[track_caller]
    pub fn new(
        cx: &mut Cx<'_>,
        mut socket: Socket,
        filter: F,
        input: Event<F::In>,
        ended: Event<Ended>,
    ) -> io::Result<Self> {
        let (input, ended) = (cx.wheel_event(input), cx.wheel_event(ended));
        let id = cx.mount(|cx, id| {
            id.register(cx, &mut socket)?;
            let state = WireState::new(socket, filter, input, ended, cx.now());
            state.watch_acks();
            Ok::<_, io::Error>(state)
        })?;
        Ok(ReadWrite { id })
    }

    /// Delivers `flushed` each time all output has been written.
    ///
    /// # Panics
    /// If the session's kind has no handler for it.
    #[track_caller]
    pub fn on_flushed(self, cx: &mut Cx<'_>, flushed: Event<()>) {
        let outlet = cx.wheel_event(flushed);
        if let Some(state) = self.id.state(cx) {
            state.extra().flushed = Some(outlet);
        }
    }

    /// Delivers `full` when the unsent bytes reach the high mark, and `drained` when they fall to
    /// the low mark after that.
    ///
    /// # Panics
    /// If `low` is not less than `high`, or the session's kind has no handler for one of the
    /// events.
    #[track_caller]
    pub fn on_marks(self, cx: &mut Cx<'_>, marks: Marks, full: Event<()>, drained: Event<()>) {
        assert!(marks.low < marks.high, "the low mark must be below the high mark: {marks:?}");
        let (full, drained) = (cx.wheel_event(full), cx.wheel_event(drained));
        if let Some(state) = self.id.state(cx) {
            state.extra().marks = Some(MarkEvents::new(marks, full, drained));
        }
    }

    /// Sends an item to the peer. It is written at once, in one system call, as far as the socket
    /// has room. The rest is written when there is room again.
    ///
    /// If more than [`OUTPUT_MAX`](crate::limits::OUTPUT_MAX) bytes wait for the peer, its
    /// connection fails.
    pub fn put(self, cx: &mut Cx<'_>, item: impl Into<F::Out>) -> Put {
        output::put(cx, self.id, item.into())
    }

    /// Puts an item and then ends the connection as [`finish`](ReadWrite::finish) does.
    pub fn put_last(self, cx: &mut Cx<'_>, item: impl Into<F::Out>) {
        self.put(cx, item);
        self.finish(cx);
    }

    /// Ends the connection after all output has been written, and then delivers
    /// [`Ended::Finished`]. Input that arrives meanwhile is discarded.
    ///
    /// It closes the write side first, and reads the peer's bytes for a limited time, so that the
    /// peer gets the last bytes instead of a reset (RFC 9112, section 9.6).
    pub fn finish(self, cx: &mut Cx<'_>) {
        output::finish(cx, self.id);
    }

    /// Ends the connection as [`finish`](ReadWrite::finish) does, but only once the peer has ended
    /// its half and every item that it sent has been delivered and answered.
    ///
    /// It is for the handler of [`Ended::Eof`], which may be delivered while requests before the
    /// end are still unread.
    pub fn finish_after_input(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx) {
            state.end = EndPlan::AfterInput;
            self.id.again(cx);
        }
    }

    /// Closes the connection now and delivers nothing more. Unsent bytes are lost; if there are
    /// any, the connection is reset, so that the peer does not take a part for the whole, and the
    /// system keeps no send buffer for it.
    pub fn close(self, cx: &mut Cx<'_>) {
        self.id.unmount(cx);
    }

    /// Takes no more items until [`resume`](ReadWrite::resume). It takes effect at once: items that
    /// have been read already wait as well.
    ///
    /// If the connection is reset during the pause, it fails immediately, and bytes that were
    /// received but not taken are lost (RFC 9293, section 3.10.7). An orderly end of the peer is
    /// reported after the items before it.
    pub fn pause(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx) {
            state.input.paused = true;
            patience::arm(cx, self.id);
        }
    }

    /// Takes items again.
    pub fn resume(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx)
            && std::mem::take(&mut state.input.paused)
        {
            self.id.again(cx);
        }
    }
}

impl<F: Filter> Wheel for WireState<F> {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        let Some(state) = me.state(cx) else { return };
        state.input.supply = state.input.supply.max(Supply::of(ready));
        state.running = true;
        state.input.items_left = ITEMS_PER_TURN;
        let was_lent = std::mem::take(&mut state.is_lent);
        // After an error no input is left, and the filter is not called again.
        let has_ended = matches!(state.input.source, Source::Ended | Source::Malformed);
        state.input.is_interrupted |= was_lent && !(has_ended && state.input.pending.is_empty());
        let is_over = was_lent && state.filter.is_finished();
        let (has_output, has_backlog) = (state.has_output(), state.has_backlog());
        if ready.intersects(Readiness::TIMER) {
            state.wait.fired();
            output::give_up(cx, me);
        }
        if is_over {
            output::finish(cx, me);
        }
        if has_output {
            output::run(cx, me, ready.intersects(Readiness::WRITABLE));
        }
        if has_backlog {
            input::drain(cx, me);
        }
        input::run(cx, me);
        input::report_departure(cx, me);
        output::finish_after_input(cx, me);
        let now = cx.now();
        let Some(state) = me.state(cx) else { return };
        state.running = false;
        let (has_more, reports) = (state.input.items_left == 0, state.extra.is_some());
        let writes_on = state.socket.writes_on();
        let look = if writes_on {
            output::run(cx, me, true); // which may change what is waited for
            me.state(cx).map_or(patience::Look::Nothing, |state| state.look(now))
        } else {
            state.look(now)
        };
        if has_more {
            me.again(cx);
        }
        patience::act(cx, me, look);
        if reports {
            output::report(cx, me);
        }
    }

    fn orphaned(&mut self, date: SystemTime) {
        self.filter.set_date(date);
        output::last_words(self);
    }
}

/// Unmounts the wheel and delivers the reason to its session.
fn end<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>, why: Ended) {
    if let Some(state) = me.unmount(cx) {
        let ended = state.on_ended;
        let why = match why {
            Ended::Finished if state.end == EndPlan::TimedOut => Ended::TimedOut,
            why => why,
        };
        drop(state); // so that the socket is closed when the session gets the event
        cx.deliver(ended, why);
    }
}

impl<F: Filter> Clone for ReadWrite<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Filter> Copy for ReadWrite<F> {}

impl<F: Filter> fmt::Debug for ReadWrite<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadWrite({:?})", self.id)
    }
}
