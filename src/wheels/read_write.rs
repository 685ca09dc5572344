//! Reading and writing items over a socket: POE's `Wheel::ReadWrite`.

mod contract;
mod ended;
mod input;
mod output;
mod patience;
mod query;
#[cfg(test)]
mod tests;

pub use contract::BrokenFilter;
pub use ended::Ended;

use crate::filters::{Filter, Marks, Output};
use crate::limits::ITEMS_PER_TURN;
use crate::reactor::{Cx, Event, Readiness, Socket, Wheel, WheelCx, WheelEvent, WheelId};
use contract::AskProtocol;
use input::Supply;
use patience::Watch;
use std::fmt;
use std::io;
use std::time::{Instant, SystemTime};

/// A connection through a filter: what the peer sends arrives as items, and items are put for it.
///
/// Input is read as it comes, under a budget of bytes and items for each turn. Output is written
/// when it is put; only what the socket has no room for is kept. A handle is a copy; once the
/// connection is gone it does nothing.
pub struct ReadWrite<F: Filter> {
    id: WheelId<State<F>>,
}

/// What became of an item that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is written, or will be soon.
    Flowing,
    /// It will be written, but the high mark is passed: put no more until the low mark's event.
    Full,
    /// The connection has ended or is ending: the item is dropped.
    Gone,
}

/// What the kernel keeps for a connection.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct State<F: Filter> {
    socket: Socket,
    filter: F,
    /// What came and is not consumed yet. Empty, and without memory, most of the time.
    pending: Vec<u8>,
    /// What the socket had no room for, besides what it holds itself.
    unsent: Option<Box<Output>>,
    input: WheelEvent<F::In>,
    ended: WheelEvent<Ended>,
    extra: Option<Box<Extra>>,
    failure: Option<io::Error>,
    source: Source,
    sink: Sink,
    supply: Supply,
    watch: Watch,
    paused: bool,
    /// Whether the filter was left before it said that it needs more bytes: it may have an item
    /// without any, as the end of a body is.
    is_interrupted: bool,
    /// Whether the session has had the filter to change it, and the wheel is to look at it again.
    is_lent: bool,
    /// Whether so much is unsent that nothing more is read.
    is_clogged: bool,
    /// Whether it ends because the peer was waited for too long.
    is_late: bool,
    /// True if the connection ends when its input has ended and every item is answered.
    ends_with_input: bool,
    /// How many more items may be delivered in this turn.
    items_left: u16,
    /// How many items in a row the filter has given without taking a byte.
    items_unfed: u32,
    /// Whether the wheel runs now and will look at its input by itself.
    running: bool,
}

/// Where the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Open,
    /// The end has been reported early, because an item waits for its answer. Bytes from before the
    /// end are still in the socket.
    Ending,
    /// The end has been read and is to be told when what came before it has been.
    Eof,
    /// The end has been told. Items may still follow, from behind one that has yet to be answered.
    Ended,
    /// What came makes no sense. What may still come is not read, and is thrown away at the end.
    Malformed,
    /// What comes is read and thrown away, so many bytes more.
    Discarding(usize),
}

/// Where the output stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    Open,
    /// What is unsent goes out, then the write side is shut.
    Finishing,
    Shut,
}

/// What few connections ask for.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one event that is due, or not")]
struct Extra {
    flushed: Option<WheelEvent<()>>,
    flushed_due: bool,
    marks: Option<(Marks, WheelEvent<()>, WheelEvent<()>)>,
    /// When the system had no room for all, while its time to acknowledge is off for that.
    full: Option<Instant>,
    above: bool,
    high_due: bool,
    low_due: bool,
}

impl<F: Filter> ReadWrite<F> {
    /// Reads and writes `socket` through `filter`. Items come as `input`; how it ends comes as
    /// `ended`, once with a final [`Ended`], and before that when the peer's half ends.
    ///
    /// # Errors
    /// When the system cannot watch the socket.
    ///
    /// # Panics
    /// When the session's kind lacks a handler for one of the events.
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
            let watch = Watch::new(cx.now());
            let state = State {
                socket,
                filter,
                pending: Vec::new(),
                unsent: None,
                input,
                ended,
                extra: None,
                failure: None,
                source: Source::Open,
                sink: Sink::Open,
                supply: Supply::Dry,
                watch,
                paused: false,
                is_interrupted: false,
                is_lent: false,
                is_clogged: false,
                is_late: false,
                ends_with_input: false,
                items_left: 0,
                items_unfed: 0,
                running: false,
            };
            state.watch_acks();
            Ok::<_, io::Error>(state)
        })?;
        Ok(ReadWrite { id })
    }

    /// Has `flushed` told whenever everything that was put has been written.
    ///
    /// # Panics
    /// When the session's kind has no handler for it.
    #[track_caller]
    pub fn on_flushed(self, cx: &mut Cx<'_>, flushed: Event<()>) {
        let outlet = cx.wheel_event(flushed);
        if let Some(state) = self.id.state(cx) {
            state.extra().flushed = Some(outlet);
        }
    }

    /// Has `full` told once each time the unsent bytes rise to the high mark, and `drained` once
    /// each time they fall to the low mark after that.
    ///
    /// # Panics
    /// When `low` is not less than `high`, or the session's kind lacks a handler.
    #[track_caller]
    pub fn on_marks(self, cx: &mut Cx<'_>, marks: Marks, full: Event<()>, drained: Event<()>) {
        assert!(marks.low < marks.high, "the low mark must be below the high mark: {marks:?}");
        let (full, drained) = (cx.wheel_event(full), cx.wheel_event(drained));
        if let Some(state) = self.id.state(cx) {
            state.extra().marks = Some((marks, full, drained));
        }
    }

    /// Puts an item for the peer. It is written at once as far as the socket has room, in one
    /// system call; the rest follows when there is room again.
    ///
    /// A peer for whom more than [`OUTPUT_MAX`](crate::limits::OUTPUT_MAX) bytes wait is given up:
    /// its connection fails.
    pub fn put(self, cx: &mut Cx<'_>, item: impl Into<F::Out>) -> Put {
        output::put(cx, self.id, item.into())
    }

    /// Puts an item and then ends the connection as [`finish`](ReadWrite::finish) does.
    pub fn put_last(self, cx: &mut Cx<'_>, item: impl Into<F::Out>) {
        self.put(cx, item);
        self.finish(cx);
    }

    /// Ends the connection once everything that was put has been written; then comes
    /// [`Ended::Finished`]. Input that comes meanwhile is thrown away.
    ///
    /// The write side is shut first and what the peer still sends is read for a while, so that it
    /// sees the last bytes rather than a reset (RFC 9112, section 9.6).
    pub fn finish(self, cx: &mut Cx<'_>) {
        output::finish(cx, self.id);
    }

    /// Ends the connection as [`finish`](ReadWrite::finish) does, but only once the peer has ended
    /// its half and every item that it sent has been delivered and answered.
    ///
    /// For the handler of [`Ended::Eof`], which may come while requests that were sent before the
    /// end are still unread.
    pub fn finish_after_input(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx) {
            state.ends_with_input = true;
            self.id.again(cx);
        }
    }

    /// Closes the connection now. What has not been sent is lost, and nothing more is told. If
    /// something has not been sent, the connection is reset, so that the peer does not mistake what
    /// it received for the whole, and the system keeps no send buffer for it.
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
            state.paused = true;
            patience::arm(cx, self.id);
        }
    }

    /// Takes items again.
    pub fn resume(self, cx: &mut Cx<'_>) {
        if let Some(state) = self.id.state(cx)
            && std::mem::take(&mut state.paused)
        {
            self.id.again(cx);
        }
    }
}

impl<F: Filter> State<F> {
    fn unsent(&self) -> usize {
        self.unsent.as_ref().map_or(0, |output| output.len()) + self.socket.held()
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl<F: Filter> Drop for State<F> {
    /// Resets a connection whose output was not sent completely. After an orderly close the system
    /// would keep its send buffer until the peer has read it, and the peer could mistake a part for
    /// the whole.
    fn drop(&mut self) {
        if self.unsent() > 0 {
            self.socket.reset();
        }
    }
}

impl<F: Filter> Wheel for State<F> {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        let Some(state) = me.state(cx) else { return };
        state.supply = state.supply.max(Supply::of(ready));
        state.running = true;
        state.items_left = ITEMS_PER_TURN;
        let was_lent = std::mem::take(&mut state.is_lent);
        // After an error nothing is left, and the filter is not asked again.
        let has_ended = matches!(state.source, Source::Ended | Source::Malformed);
        state.is_interrupted |= was_lent && !(has_ended && state.pending.is_empty());
        let is_over = was_lent && state.filter.is_finished();
        let (has_output, has_backlog) = (state.has_output(), state.has_backlog());
        if ready.intersects(Readiness::TIMER) {
            state.watch.fired();
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
        let (has_more, reports) = (state.items_left == 0, state.extra.is_some());
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

/// Takes the wheel off and tells its session why.
fn end<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>, why: Ended) {
    if let Some(state) = me.unmount(cx) {
        let ended = state.ended;
        let why = match why {
            Ended::Finished if state.is_late => Ended::TimedOut,
            why => why,
        };
        drop(state); // so that the socket is closed when the session hears of it
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

impl<F: Filter> fmt::Debug for State<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("socket", &self.socket)
            .field("pending", &self.pending.len())
            .field("unsent", &self.unsent())
            .finish_non_exhaustive()
    }
}
