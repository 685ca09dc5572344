//! A filter that breaks its contract ends its connection. It must not hang it, nor keep the loop
//! busy without end.

use super::state::{Sink, Source, WireState};
use crate::filters::{Filter, Output, Patience, Protocol, Stall};
use crate::limits::ITEMS_WITHOUT_INPUT;
use bytes::Bytes;
use std::any::type_name;
use std::fmt;
use std::time::SystemTime;

/// How a filter has broken the contract of [`Filter`]: the error of an
/// [`Ended::Malformed`](super::Ended::Malformed) that is the program's mistake and not the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokenFilter {
    /// It needs more bytes at once than its [`input_max`](Filter::input_max) allows.
    Starves {
        /// The filter's type.
        filter: &'static str,
        /// The number of bytes that may wait for it.
        input_max: usize,
    },
    /// It has returned more than [`ITEMS_WITHOUT_INPUT`] items in a row without consuming a byte.
    Endless {
        /// The filter's type.
        filter: &'static str,
    },
}

impl fmt::Display for BrokenFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokenFilter::Starves { filter, input_max } => {
                write!(f, "`{filter}` needs more than the {input_max} bytes of its `input_max`")
            }
            BrokenFilter::Endless { filter } => {
                write!(f, "`{filter}` returns items without end and consumes no input")
            }
        }
    }
}

impl std::error::Error for BrokenFilter {}

/// The methods of [`Protocol`] for any filter. A filter that is no protocol has the defaults.
pub(super) trait AskProtocol: Filter {
    fn respond(&mut self) -> Option<Bytes> {
        self.protocol_mut().and_then(Protocol::respond)
    }

    fn set_date(&mut self, now: SystemTime) {
        if let Some(protocol) = self.protocol_mut() {
            protocol.set_date(now);
        }
    }

    fn is_waiting(&self) -> bool {
        self.protocol().is_some_and(Protocol::is_waiting)
    }

    fn is_finished(&self) -> bool {
        self.protocol().is_some_and(Protocol::is_finished)
    }

    fn patience(&self) -> Option<Patience> {
        self.protocol().and_then(Protocol::patience)
    }

    fn timed_out(&mut self, output: &mut Output) {
        if let Some(protocol) = self.protocol_mut() {
            protocol.timed_out(output);
        }
    }

    fn orphaned(&mut self, output: &mut Output) {
        if let Some(protocol) = self.protocol_mut() {
            protocol.orphaned(output);
        }
    }

    fn stall(&self) -> Option<Stall> {
        self.protocol().and_then(Protocol::stall)
    }
}

impl<F: Filter> AskProtocol for F {}

impl<F: Filter> WireState<F> {
    /// Counts an item for which the filter consumed this number of bytes.
    pub(super) fn count_item(&mut self, consumed: usize) -> Option<BrokenFilter> {
        self.input.items_unfed = if consumed > 0 { 0 } else { self.input.items_unfed + 1 };
        let filter = type_name::<F>();
        (self.input.items_unfed > ITEMS_WITHOUT_INPUT).then_some(BrokenFilter::Endless { filter })
    }

    /// Checks that the filter can get the bytes that it needs, if it has left this number
    /// unconsumed.
    pub(super) fn check_need(&mut self, left: usize) -> Option<BrokenFilter> {
        self.input.items_unfed = 0;
        let input_max = self.filter.input_max();
        let is_stuck = left > 0
            && left >= input_max
            && matches!(self.input.source, Source::Open | Source::Ending)
            && self.sink == Sink::Open
            && !self.filter.is_waiting()
            && !self.filter.is_finished();
        is_stuck.then_some(BrokenFilter::Starves { filter: type_name::<F>(), input_max })
    }
}
