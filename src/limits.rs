//! Every bound in one place, each with its reason. What is reached is always an error or an event,
//! never a silent drop.

use crate::reactor::PanicPolicy;

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

/// Posts that may wait in a kernel's queue. Yields and notices, which cannot be refused, may make it
/// twice as long, and panic then. Some 40 MiB when full; a queue that long is
/// minutes of work and means that somebody posts faster than anybody handles.
pub const QUEUE_MAX: usize = 1 << 20;

/// Sessions in a kernel. More than there can be connections in a process.
pub const SESSIONS_MAX: usize = 1 << 20;

/// Timers in a kernel. A few for each session.
pub const TIMERS_MAX: usize = 1 << 22;

/// Wheels in a kernel. More than there can be descriptors in a process.
pub const WHEELS_MAX: usize = 1 << 20;

/// Handlers on the stack at a time. A call is a read of somebody who knows more; a chain of them this
/// long is a circle that goes through spawns.
pub const CALL_DEPTH_MAX: usize = 32;

/// Readiness events that one poll brings. The rest comes with the next turn.
pub const POLL_EVENTS_MAX: usize = 1024;

/// Names that are looked up at a time, each in a thread of its own.
pub const NAME_LOOKUPS_MAX: usize = 16;

// Places in these tables are `u32`.
const _: () = assert!(SESSIONS_MAX < u32::MAX as usize);
const _: () = assert!(TIMERS_MAX + WHEELS_MAX < u32::MAX as usize);
