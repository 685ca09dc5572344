//! What keeps a session alive from outside: holds, and the postbacks that carry one.

use crate::reactor::cx::Cx;
use crate::reactor::error::{Missing, PostError};
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::release::{Guard, Release};
use std::fmt;
use std::sync::Arc;

/// Keeps a session alive until it is dropped: POE's public reference counter, as a guard.
///
/// Clones share one hold. The kernel learns of a drop at the end of the turn. It may be dropped in
/// another thread, and wakes a [`Reactor`](crate::reactor::Reactor) that sleeps.
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

/// A typed "post this to me" for a component: POE's postback.
///
/// It knows its session and its handler, so that a post through it looks nothing up, and it holds
/// the session until its last clone is dropped.
pub struct Postback<P> {
    event: &'static str,
    to: SessionId,
    at: HandlerRef,
    keep: fn(&mut Kernel, HandlerRef, P) -> u32,
    /// Nothing, if the session had stopped when this was made.
    hold: Option<Hold>,
}

impl<P: 'static> Postback<P> {
    pub(in crate::reactor) fn new<R: 'static>(
        event: Event<P, R>,
        to: SessionId,
        at: HandlerRef,
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
    pub(in crate::reactor) fn guard(&self, of: Release) -> Guard {
        Guard { of, releases: self.releases.clone() }
    }

    pub(in crate::reactor) fn hold(&mut self, id: SessionId) -> Option<Hold> {
        self.slots.live_slot(id)?;
        self.retain(id);
        self.holds += 1;
        Some(Hold(Arc::new(self.guard(Release::Hold(id)))))
    }
}
