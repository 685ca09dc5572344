//! A filter that breaks its contract ends its connection. It must not hang it, nor keep the loop
//! busy without end.

use super::{Sink, Source, State};
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
    /// It needs more bytes at once than its [`input_max`](Filter::input_max) lets wait.
    Starves {
        /// The filter's type.
        filter: &'static str,
        /// How many bytes may wait in front of it.
        input_max: usize,
    },
    /// It has given more than [`ITEMS_WITHOUT_INPUT`] items in a row without taking a byte.
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
                write!(f, "`{filter}` gives items without end and takes no input")
            }
        }
    }
}

impl std::error::Error for BrokenFilter {}

/// What a wheel asks of any filter: a filter that is no protocol gives the defaults.
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

impl<F: Filter> State<F> {
    /// Counts an item for which the filter has taken so many bytes.
    pub(super) fn count_item(&mut self, consumed: usize) -> Option<BrokenFilter> {
        self.items_unfed = if consumed > 0 { 0 } else { self.items_unfed + 1 };
        let filter = type_name::<F>();
        (self.items_unfed > ITEMS_WITHOUT_INPUT).then_some(BrokenFilter::Endless { filter })
    }

    /// Checks that the filter gets what it says that it needs, with so many bytes left before it.
    pub(super) fn check_need(&mut self, left: usize) -> Option<BrokenFilter> {
        self.items_unfed = 0;
        let input_max = self.filter.input_max();
        let is_stuck = left > 0
            && left >= input_max
            && matches!(self.source, Source::Open | Source::Ending)
            && self.sink == Sink::Open
            && !self.filter.is_waiting()
            && !self.filter.is_finished();
        is_stuck.then_some(BrokenFilter::Starves { filter: type_name::<F>(), input_max })
    }
}
