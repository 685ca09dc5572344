//! What keeps a session alive from outside: holds, and the postbacks that carry one.

use super::cx::Cx;
use super::error::{Missing, PostError};
use super::event::Event;
use super::kernel::Kernel;
use super::mounts::RawWheel;
use super::room::Room;
use super::session::{At, SessionId};
use mio::Waker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// Keeps a session alive until it is dropped: POE's public reference counter, as a guard.
///
/// Clones share one hold. The kernel learns of a drop at the end of the turn. It may be dropped in
/// another thread, and wakes a [`Reactor`](super::Reactor) that sleeps.
#[derive(Clone)]
pub struct Hold(Arc<Guard>);

impl Hold {
    /// Who is held.
    pub fn session(&self) -> SessionId {
        match self.0.of {
            Release::Hold(id) => id,
            Release::Permit(_) => unreachable!("a hold is for a session"),
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({})", self.session())
    }
}

/// What is told to the kernel when a guard is dropped, wherever that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Release {
    Hold(SessionId),
    Permit(RawWheel),
}

/// The releases that a kernel has yet to hear of. It is shared with the guards, which may be
/// dropped while the kernel is lent out, in another thread, or outlive it.
#[derive(Clone)]
pub(super) struct Releases(Arc<Mutex<Waiting>>);

struct Waiting {
    releases: VecDeque<Release>,
    /// Ends the wait of the driver, if there is one that waits for sockets.
    waker: Option<Arc<Waker>>,
    /// Whether the driver waits, and has to be woken.
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

    /// Gives back the room that is not needed.
    pub(super) fn shrink(&self) {
        self.waiting().releases.give_back();
    }

    pub(super) fn is_large(&self) -> bool {
        self.waiting().releases.is_large()
    }

    /// Gives back what a burst took. Returns true if there is still more than a block.
    pub(super) fn tidy(&self) -> bool {
        self.waiting().releases.tidy()
    }

    /// Notes that the driver is about to wait: from now on a release wakes it. Returns false if
    /// there is one already, for which the driver must not wait.
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
        waiting.releases.make_room();
        waiting.releases.push_back(release);
        if std::mem::take(&mut waiting.is_asleep)
            && let Some(waker) = &waiting.waker
        {
            // The only failure is a counter that is full, and then the driver wakes anyway.
            let _ = waker.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().expect("nothing panics while it holds the releases")
    }
}

pub(super) struct Guard {
    of: Release,
    releases: Releases,
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

/// A typed "post this to me" for a component: POE's postback.
///
/// It knows its session and its handler, so that a post through it looks nothing up, and it holds
/// the session until its last clone is dropped.
pub struct Postback<P> {
    event: &'static str,
    to: SessionId,
    at: At,
    keep: fn(&mut Kernel, At, P) -> u32,
    /// Nothing, if the session had stopped when this was made.
    hold: Option<Hold>,
}

impl<P: 'static> Postback<P> {
    pub(super) fn new<R: 'static>(
        event: Event<P, R>,
        to: SessionId,
        at: At,
        hold: Option<Hold>,
    ) -> Self {
        let keep = |kernel: &mut Kernel, at, payload| kernel.keep::<P, R>(at, payload);
        Postback { event: event.name(), to, at, keep, hold }
    }

    /// Whether the session that made this still takes posts. O(1).
    pub fn is_live(&self, cx: &Cx<'_>) -> bool {
        cx.kernel.slots.is_live(self.to)
    }

    /// Posts `payload` to the session that made this. O(1).
    pub fn post(&self, cx: &mut Cx<'_>, payload: P) -> Result<(), PostError> {
        let (to, from) = (self.to, cx.id());
        let kernel = &mut *cx.kernel;
        if !kernel.slots.is_live(to) {
            return Err(PostError::NoSession { to: Missing::Id(to), event: self.event });
        }
        kernel.check_queue(kernel.limits.queue, self.at, self.event)?;
        let payload = (self.keep)(kernel, self.at, payload);
        kernel.enqueue(from, to, self.at, payload);
        Ok(())
    }
}

impl<P> Clone for Postback<P> {
    fn clone(&self) -> Self {
        Postback { hold: self.hold.clone(), ..*self }
    }
}

impl<P> fmt::Debug for Postback<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postback({}, {})", self.to, self.event)
    }
}

impl Kernel {
    pub(super) fn guard(&self, of: Release) -> Guard {
        Guard { of, releases: self.releases.clone() }
    }

    pub(super) fn hold(&mut self, id: SessionId) -> Option<Hold> {
        self.slots.live_slot(id)?;
        self.retain(id);
        self.holds += 1;
        Some(Hold(Arc::new(self.guard(Release::Hold(id)))))
    }
}
