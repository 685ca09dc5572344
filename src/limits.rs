//! Every bound in one place, each with its reason. What is reached is always an error or an event,
//! never a silent drop.

use crate::reactor::PanicPolicy;
use std::time::Duration;

/// The limits of a kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Posts and notices that may wait: [`QUEUE_MAX`].
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

/// Posts and notices that may wait in a kernel's queue. Some 40 MiB when full; a queue that long is
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

/// Connections that one listener accepts in a turn. A rush of clients leaves time for those that are
/// there.
pub const ACCEPTS_PER_TURN: usize = 256;

/// The pause after the system refused to accept for want of descriptors or memory.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Connections of a listener that are open at a time, unless it is told otherwise. More wait in the
/// system's backlog.
pub const CONNECTIONS_MAX: usize = 10_000;

/// The buffer that all connections of a kernel read into, one after the other.
pub const READ_BUFFER: usize = 64 * 1024;

/// Bytes that one connection reads in a turn before the others have theirs.
pub const READ_PER_TURN: usize = 256 * 1024;

/// Bytes that may wait for a peer that does not read. It is then given up.
pub const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// Pieces that one system call writes.
pub const WRITE_SLICES: usize = 16;

/// The time in which a connection that is ending must have taken its last bytes.
pub const FINISH_TIME: Duration = Duration::from_secs(30);

/// The time for which what a peer still sends is read after the last byte went to it, so that it can
/// read that instead of a reset.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// The bytes that are read and thrown away in that time.
pub const LINGER_BYTES: usize = 256 * 1024;

const _: () = assert!(SESSIONS_MAX < u32::MAX as usize);
const _: () = assert!(TIMERS_MAX < u32::MAX as usize);
