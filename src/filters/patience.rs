//! What a filter asks of the peer: to go on in time, and to read what was put for it.

use std::time::Duration;

/// What a [`Filter`](super::Filter) waits for the peer to send, and for how long.
///
/// The filter reads no clock. It says which wait this is; the wheel counts the time, from when that
/// changed, and stops counting while it does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Which wait this is: the time counts anew when it is another.
    pub wait: u32,
    /// How long it may take from its beginning. It may grow meanwhile, as it does with each byte of
    /// a body that comes slowly; [`Duration::MAX`] is for ever.
    pub time: Duration,
}

/// When a peer counts as one that does not read, and how long that is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// At so many unsent bytes or more, nothing more is read from the peer.
    pub high: usize,
    /// At so many or less, it is read from again. Less than `high`.
    pub low: usize,
    /// How long a peer may take none of what waits for it. Then the connection is given up.
    pub time: Duration,
}
