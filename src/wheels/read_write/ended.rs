//! The ways in which a connection ends.

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
    /// The peer sends nothing more. It may still read: output is written.
    Eof,
    /// The filter cannot decode the input, or has broken its contract ([`BrokenFilter`]). Nothing
    /// more is read. Output is still written.
    Malformed(Box<dyn std::error::Error + Send + Sync>),
    /// All output has been sent, after [`finish`](ReadWrite::finish) or
    /// [`put_last`](ReadWrite::put_last). The connection is closed.
    Finished,
    /// A time limit has passed, for the peer to send
    /// ([`patience`](crate::filters::Protocol::patience)) or to read
    /// ([`stall`](crate::filters::Protocol::stall)). The connection is closed, after a last answer
    /// of the filter; if output still waited for the peer, it was reset.
    TimedOut,
    /// Reading or writing failed. The connection is closed, and unsent bytes are lost.
    Failed(io::Error),
    /// This side has closed the connection, and unsent bytes are lost. A wheel never delivers this;
    /// sessions that own the wheel for the program do.
    Closed,
}

impl Ended {
    /// Returns true if the connection is closed.
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
            Ended::TimedOut => f.write_str("the peer did not send or read in time"),
            Ended::Failed(error) => error.fmt(f),
            Ended::Closed => f.write_str("this side has closed the connection"),
        }
    }
}
