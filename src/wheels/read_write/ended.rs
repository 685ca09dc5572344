//! How a connection ends.

#[cfg(doc)]
use super::{BrokenFilter, ReadWrite};
#[cfg(doc)]
use crate::filters::Filter;
use std::fmt;
use std::io;

/// How the connection, or the peer's half of it, has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The peer sends no more. It may still read: what is put goes out.
    Eof,
    /// The filter cannot make sense of what came, or has broken its contract ([`BrokenFilter`]);
    /// nothing more is read. What is put still goes out.
    Malformed(Box<dyn std::error::Error + Send + Sync>),
    /// Everything has been sent after [`finish`](ReadWrite::finish) or
    /// [`put_last`](ReadWrite::put_last). The connection is gone.
    Finished,
    /// The peer was waited for too long: for what the filter has
    /// [`patience`](crate::filters::Protocol::patience) for, or to read
    /// ([`stall`](crate::filters::Protocol::stall)). The connection is gone, after the filter's
    /// last words; if output still waited for the peer, it was reset.
    TimedOut,
    /// Reading or writing failed. The connection is gone, and so is what had not been sent.
    Failed(io::Error),
    /// This side has closed it at once, and what had not been sent is gone. A wheel never tells
    /// this, for whoever closes knows; sessions that hide the wheel do.
    Closed,
}

impl Ended {
    /// Whether the connection is gone.
    pub fn is_final(&self) -> bool {
        matches!(self, Ended::Finished | Ended::TimedOut | Ended::Failed(_) | Ended::Closed)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Eof => f.write_str("the peer has ended"),
            Ended::Malformed(error) => error.fmt(f),
            Ended::Finished => f.write_str("all has been sent"),
            Ended::TimedOut => f.write_str("the peer was waited for too long"),
            Ended::Failed(error) => error.fmt(f),
            Ended::Closed => f.write_str("this side has closed it"),
        }
    }
}
