//! The state of a connection, which the kernel stores.

use super::Ended;
use super::input::Supply;
use super::output::MarkEvents;
use super::patience::PeerWait;
use crate::filters::{Filter, Output};
use crate::reactor::{Socket, WheelEvent};
use std::fmt;
use std::io;
use std::time::Instant;

/// The state of a connection in the kernel.
pub(super) struct WireState<F: Filter> {
    pub(super) socket: Socket,
    pub(super) filter: F,
    pub(super) input: Input,
    /// Bytes that the socket did not accept. Its layer may hold more.
    pub(super) unsent: Option<Box<Output>>,
    pub(super) on_input: WheelEvent<F::In>,
    pub(super) on_ended: WheelEvent<Ended>,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) failure: Option<io::Error>,
    pub(super) sink: Sink,
    pub(super) end: EndPlan,
    pub(super) wait: PeerWait,
    /// True if the session has borrowed the filter to change it, so that the wheel must check it
    /// again.
    pub(super) is_lent: bool,
    /// True while the wheel runs, and will check its input before it returns.
    pub(super) running: bool,
}

/// The input of a connection, and why it may not be read now.
pub(super) struct Input {
    /// Bytes that the filter has not consumed. Usually empty and without memory.
    pub(super) pending: Vec<u8>,
    pub(super) source: Source,
    pub(super) supply: Supply,
    pub(super) paused: bool,
    /// True if reading is stopped because too many bytes are unsent.
    pub(super) is_clogged: bool,
    /// True if decoding stopped before the filter needed more bytes. It may have an item that needs
    /// no bytes, such as the end of a body.
    pub(super) is_interrupted: bool,
    /// The number of items that may still be delivered in this turn.
    pub(super) items_left: u16,
    /// The number of items in a row for which the filter consumed no byte.
    pub(super) items_unfed: u32,
}

/// How the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndPlan {
    /// When the session or the filter ends it.
    OnRequest,
    /// When its input has ended and every item is answered.
    AfterInput,
    /// It is ending because a time limit has passed.
    TimedOut,
}

/// The state of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Open,
    /// The end has been reported early, because an item waits for its answer. Bytes from before the
    /// end are still in the socket.
    Ending,
    /// The end has been read. It is delivered after the items before it.
    Eof,
    /// The end has been delivered. More items may follow, if an earlier one waits for its answer.
    Ended,
    /// The input could not be decoded. Nothing more is read, until the connection ends.
    Malformed,
    /// Input is read and discarded, up to this number of bytes.
    Discarding(u32),
}

/// The state of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Open,
    /// Unsent bytes are written, then the write side is closed.
    Finishing,
    Shut,
}

/// Settings that few connections use.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) flushed: Option<WheelEvent<()>>,
    pub(super) flushed_due: bool,
    pub(super) marks: Option<MarkEvents>,
    /// When the system last had no room for all output, if the time to acknowledge is off because
    /// of that.
    pub(super) full: Option<Instant>,
}

impl<F: Filter> WireState<F> {
    pub(super) fn new(
        socket: Socket,
        filter: F,
        on_input: WheelEvent<F::In>,
        on_ended: WheelEvent<Ended>,
        now: Instant,
    ) -> Self {
        WireState {
            socket,
            filter,
            input: Input {
                pending: Vec::new(),
                source: Source::Open,
                supply: Supply::Dry,
                paused: false,
                is_clogged: false,
                is_interrupted: false,
                items_left: 0,
                items_unfed: 0,
            },
            unsent: None,
            on_input,
            on_ended,
            extra: None,
            failure: None,
            sink: Sink::Open,
            end: EndPlan::OnRequest,
            wait: PeerWait::new(now),
            is_lent: false,
            running: false,
        }
    }

    /// The number of bytes that were not written to the socket.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.as_ref().map_or(0, |output| output.len()) + self.socket.held()
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl<F: Filter> Drop for WireState<F> {
    /// Resets a connection whose output was not sent completely. After an orderly close the system
    /// would keep its send buffer until the peer has read it, and the peer could mistake a part for
    /// the whole.
    fn drop(&mut self) {
        if self.unsent() > 0 {
            self.socket.reset();
        }
    }
}

impl<F: Filter> fmt::Debug for WireState<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireState")
            .field("socket", &self.socket)
            .field("pending", &self.input.pending.len())
            .field("unsent", &self.unsent())
            .finish_non_exhaustive()
    }
}
