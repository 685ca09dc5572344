//! The ids of everything in the kernel. This module imports nothing from the reactor.

use std::fmt;

/// A session's id. The id of a stopped session never becomes valid again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SessionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl SessionId {
    /// The sender of events that no session sent.
    pub(super) const KERNEL: SessionId = SessionId { index: u32::MAX, generation: 0 };
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}.{}", self.index, self.generation)
    }
}

/// The address of a handler: its kind, and its index in the kind's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandlerRef {
    pub(super) kind: u32,
    pub(super) handler: u32,
}

impl HandlerRef {
    /// No handler: the address in a handle that a stopped session got.
    pub(super) const NONE: HandlerRef = HandlerRef { kind: u32::MAX, handler: u32::MAX };
}

/// A wheel's index and generation, without its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WheelToken {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl WheelToken {
    /// The number under which its sockets are registered.
    pub(super) fn token(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    pub(super) fn of_token(token: usize) -> Self {
        WheelToken { index: token as u32, generation: (token >> 32) as u32 }
    }
}

impl fmt::Display for WheelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A watch of a session: its index in a topic. The watches of a session are a linked list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchRef {
    pub(super) topic: u32,
    pub(super) place: u32,
}

impl WatchRef {
    /// The end of a list.
    pub(super) const NONE: WatchRef = WatchRef { topic: u32::MAX, place: u32::MAX };
}

/// The end of a list of wheels.
pub(super) const NO_WHEEL: u32 = u32::MAX;

/// The end of a list of timers.
pub(super) const NO_TIMER: u32 = u32::MAX;
