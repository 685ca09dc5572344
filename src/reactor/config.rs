//! The settings of a kernel: its limits, and what it does when a handler panics.

use crate::limits::{CALL_DEPTH_MAX, QUEUE_MAX, SESSIONS_MAX, TIMERS_MAX, WHEELS_MAX};

/// The limits of a kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The largest number of posts in the queue; yields and notices may add the same number again.
    /// Default: [`QUEUE_MAX`].
    pub queue: usize,
    /// The largest number of sessions. Default: [`SESSIONS_MAX`].
    pub sessions: usize,
    /// The largest number of timers. Default: [`TIMERS_MAX`].
    pub timers: usize,
    /// The largest number of wheels. Default: [`WHEELS_MAX`].
    pub wheels: usize,
    /// The largest number of handlers on the stack, nested by `call` and `spawn`. Default:
    /// [`CALL_DEPTH_MAX`].
    pub call_depth: usize,
    /// What happens when a handler panics.
    pub panics: PanicPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: QUEUE_MAX,
            sessions: SESSIONS_MAX,
            timers: TIMERS_MAX,
            wheels: WHEELS_MAX,
            call_depth: CALL_DEPTH_MAX,
            panics: PanicPolicy::default(),
        }
    }
}

/// What happens when a handler panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The session is stopped: its heap is dropped and its wheels are closed. All other sessions go
    /// on.
    #[default]
    Isolate,
    /// The process is aborted, for programs that a supervisor starts again.
    Abort,
}
