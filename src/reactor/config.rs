//! What a program can set of a kernel.

use crate::limits::{CALL_DEPTH_MAX, QUEUE_MAX, SESSIONS_MAX, TIMERS_MAX, WHEELS_MAX};

/// The limits of a kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Posts that may wait; yields and notices may be as many again: [`QUEUE_MAX`].
    pub queue: usize,
    /// Sessions at a time: [`SESSIONS_MAX`].
    pub sessions: usize,
    /// Timers at a time: [`TIMERS_MAX`].
    pub timers: usize,
    /// Wheels at a time: [`WHEELS_MAX`].
    pub wheels: usize,
    /// Handlers that may be on the stack, by calls and spawns in calls: [`CALL_DEPTH_MAX`].
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
pub enum PanicPolicy {
    /// The session is stopped: its heap dropped, its wheels closed. Everyone else is served on.
    #[default]
    Isolate,
    /// The process is aborted, for programs that would rather be started anew.
    Abort,
}
