//! Time limits of a protocol: for the peer to send, and to read.

use std::time::Duration;

/// What a [`Protocol`](super::Protocol) waits for the peer to send, and for how long.
///
/// The filter reads no clock. It returns the number of the wait. The wheel measures the time since
/// the number changed, and stops while it does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The number of the wait. The time starts again when it changes.
    pub wait: u32,
    /// The time limit from the beginning of the wait. It may grow, for example with each byte of a
    /// body. [`Duration::MAX`] means forever.
    pub time: Duration,
}

/// When a buffer of unsent bytes counts as full, and when it can be filled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// With this number of unsent bytes or more, it is full.
    pub high: usize,
    /// With this number or less, it can be filled again. Less than `high`.
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
