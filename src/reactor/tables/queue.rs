//! The entries of a kernel's queue.

use crate::reactor::ids::{HandlerRef, SessionId};
/// An entry of the queue.
pub(in crate::reactor) enum Queued {
    Post { from: SessionId, to: SessionId, at: HandlerRef, payload: u32 },
    Notice { from: SessionId, topic: u32, message: u32, upto: u64 },
}
