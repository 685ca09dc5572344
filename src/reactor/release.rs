//! Guards, and the list through which the kernel learns that one was dropped.

use crate::reactor::ids::{SessionId, WheelToken};
use crate::reactor::shrink::ShrinkableTable;
use mio::Waker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// The entry that a guard adds to the kernel's list when it is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Release {
    Hold(SessionId),
    Permit(WheelToken),
}

/// The releases that a kernel has not read yet. The list is shared with the guards, because they
/// may be dropped while the kernel is borrowed, in another thread, or after the kernel.
#[derive(Clone)]
pub(super) struct Releases(Arc<Mutex<Waiting>>);

struct Waiting {
    releases: VecDeque<Release>,
    /// Wakes the driver, if it waits for sockets.
    waker: Option<Arc<Waker>>,
    /// True if the driver waits, so that a release must wake it.
    is_asleep: bool,
}

impl Releases {
    pub(super) fn new(waker: Option<Arc<Waker>>) -> Self {
        let waiting = Waiting { releases: VecDeque::new(), waker, is_asleep: false };
        Releases(Arc::new(Mutex::new(waiting)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().releases.is_empty()
    }

    pub(super) fn next(&self) -> Option<Release> {
        self.waiting().releases.pop_front()
    }

    /// Releases the capacity that is not needed.
    pub(super) fn shrink(&self) {
        self.waiting().releases.shrink();
    }

    pub(super) fn is_large(&self) -> bool {
        self.waiting().releases.is_large()
    }

    /// Releases what a burst took. Returns true if the list is still longer than a block.
    pub(super) fn tidy(&self) -> bool {
        self.waiting().releases.tidy()
    }

    /// Notes that the driver is about to wait: from now on a release wakes it. Returns false if a
    /// release is in the list already, so that the driver must not wait.
    pub(super) fn fall_asleep(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_asleep = waiting.releases.is_empty();
        waiting.is_asleep
    }

    /// Notes that the driver does not wait any more.
    pub(super) fn wake_up(&self) {
        self.waiting().is_asleep = false;
    }

    fn push(&self, release: Release) {
        let mut waiting = self.waiting();
        waiting.releases.reserve_one();
        waiting.releases.push_back(release);
        if std::mem::take(&mut waiting.is_asleep)
            && let Some(waker) = &waiting.waker
        {
            // The only failure is a full counter, and then the driver wakes anyway.
            let _ = waker.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().expect("nothing panics while it holds the releases")
    }
}

pub(super) struct Guard {
    pub(super) of: Release,
    pub(super) releases: Releases,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.releases.push(self.of);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.of)
    }
}

/// A guard of a wheel. When it is dropped, in any thread, the wheel runs.
#[derive(Debug)]
#[must_use = "the wheel runs as soon as it is dropped"]
#[expect(dead_code, reason = "the fields are only dropped")]
pub struct Permit(Guard, Option<Arc<()>>);

impl Permit {
    pub(super) fn new(guard: Guard) -> Self {
        Permit(guard, None)
    }

    /// Stores a clone of an `Arc`, whose count then includes this permit until it is dropped.
    pub fn with_share(mut self, share: Arc<()>) -> Self {
        self.1 = Some(share);
        self
    }
}
