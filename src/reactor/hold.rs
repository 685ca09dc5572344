//! What keeps a session alive from outside: holds, and the postbacks that carry one.

use super::cx::Cx;
use super::error::{Missing, PostError};
use super::kernel::Kernel;
use super::mounts::RawWheel;
use super::room::Room;
use super::session::{At, SessionId};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// Keeps a session alive until it is dropped: POE's public reference counter, as a guard.
///
/// Clones share one hold. The kernel learns of a drop at the end of the turn; a drop in another
/// thread does not wake it.
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
/// dropped while the kernel is lent out, or outlive it.
#[derive(Clone, Default)]
pub(super) struct Releases(Arc<Mutex<VecDeque<Release>>>);

impl Releases {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    pub(super) fn next(&self) -> Option<Release> {
        self.waiting().pop_front()
    }

    /// Gives back the room that is not needed.
    pub(super) fn shrink(&self) {
        self.waiting().give_back();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Release>> {
        self.0.lock().expect("nothing panics while it holds the releases")
    }
}

pub(super) struct Guard {
    of: Release,
    releases: Releases,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut waiting = self.releases.waiting();
        waiting.make_room();
        waiting.push_back(self.of);
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
    at: At,
    keep: fn(&mut Kernel, At, P) -> u32,
    hold: Hold,
}

impl<P: 'static> Postback<P> {
    pub(super) fn new<R: 'static>(at: At, hold: Hold) -> Self {
        Postback { at, keep: |kernel, at, payload| kernel.entry(at).keep::<P, R>(payload), hold }
    }

    /// Whether the session that made this still takes posts. O(1).
    pub fn is_live(&self, cx: &Cx<'_>) -> bool {
        cx.kernel.slots.is_live(self.hold.session())
    }

    /// Posts `payload` to the session that made this. O(1).
    pub fn post(&self, cx: &mut Cx<'_>, payload: P) -> Result<(), PostError> {
        let (to, from) = (self.hold.session(), cx.id());
        let kernel = &mut *cx.kernel;
        if !kernel.slots.is_live(to) {
            let event = kernel.event_name(self.at);
            return Err(PostError::NoSession { to: Missing::Id(to), event });
        }
        kernel.check_queue(kernel.limits.queue, self.at, kernel.event_name(self.at))?;
        let payload = (self.keep)(kernel, self.at, payload);
        kernel.enqueue(from, to, self.at, payload);
        Ok(())
    }
}

impl<P> Clone for Postback<P> {
    fn clone(&self) -> Self {
        Postback { at: self.at, keep: self.keep, hold: self.hold.clone() }
    }
}

impl<P> fmt::Debug for Postback<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postback({})", self.hold.session())
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
