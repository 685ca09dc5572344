//! The reasons to run a wheel.

use std::ops::BitOr;

/// Why a wheel runs: a set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness(u8);

impl Readiness {
    /// There may be bytes, or the end, to read; or a connection to accept.
    pub const READABLE: Readiness = Readiness(1);
    /// There may be room to write; or a connection has been made or refused.
    pub const WRITABLE: Readiness = Readiness(2);
    /// Its timer has fired.
    pub const TIMER: Readiness = Readiness(4);
    /// It has asked for another turn.
    pub const AGAIN: Readiness = Readiness(8);
    /// A permit that it gave out has been dropped.
    pub const RELEASED: Readiness = Readiness(16);
    /// A name that it asked for has been resolved.
    pub const RESOLVED: Readiness = Readiness(32);
    /// The peer has closed its half, or the connection has failed: read until the end or the error.
    pub const HANGUP: Readiness = Readiness(64);
    /// The connection has failed, for example by a reset. Bytes that were received before can still
    /// be read.
    pub const FAILED: Readiness = Readiness(128);

    /// Returns true if one of the reasons of `other` is among these.
    #[must_use]
    pub const fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }
}

/// The reasons of both.
impl BitOr for Readiness {
    type Output = Readiness;

    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}
