//! What a protocol expects of the peer: to go on in time, and to read what was sent.

use std::time::Duration;

/// What a [`Protocol`](super::Protocol) waits for the peer to send, and for how long.
///
/// The filter reads no clock. It says which wait this is. The wheel counts the time since that
/// changed, and stops counting while it does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Which wait this is: the time starts again when the number changes.
    pub wait: u32,
    /// How long it may take from its beginning. It may grow, as it does with each byte of a body
    /// that arrives slowly. [`Duration::MAX`] means forever.
    pub time: Duration,
}

/// When a buffer of unsent bytes counts as full, and when it can be filled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// At so many unsent bytes or more, it is full.
    pub high: usize,
    /// At so many or less, it can be filled again. Less than `high`.
    pub low: usize,
}

/// When a peer counts as one that does not read, and how long that is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// At the high mark, nothing more is read from the peer; at the low mark, reading resumes.
    pub marks: Marks,
    /// How long a peer may take none of the bytes that wait for it. Then the connection is closed.
    pub time: Duration,
}
