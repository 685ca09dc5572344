//! Guards that keep a session alive: holds, and the postbacks that contain one.

use crate::reactor::cx::Cx;
use crate::reactor::error::{Missing, PostError};
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::Kernel;
use crate::reactor::release::{Guard, Release};
use std::fmt;
use std::sync::Arc;

/// A guard that keeps a session alive until it is dropped: POE's public reference counter.
///
/// Clones share one hold. The kernel notices a drop at the end of the turn. A hold may be dropped
/// in another thread; that wakes a [`Reactor`](crate::reactor::Reactor) that waits.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Hold, Rig, Session};
///
/// const HOLD: Event<(), Option<Hold>> = Event::new("idle.hold");
///
/// /// Waits for calls, and has no timer, wheel or child that keeps it alive.
/// struct Idle;
///
/// impl Session for Idle {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(HOLD, |_, cx: &mut Cx<'_>, ()| cx.hold(cx.id()));
///     }
/// }
///
/// let mut rig = Rig::new();
/// let idle = rig.spawn(Idle);
/// let hold = rig.call(idle, HOLD, ()).expect("it has just started");
/// assert!(!rig.run(), "it is alive, although no event can occur");
/// drop(hold);
/// assert!(rig.run(), "it has ended");
/// ```
#[derive(Clone)]
#[must_use = "the session is kept alive only until the hold is dropped"]
pub struct Hold(Arc<Guard>);

impl Hold {
    /// The session that is kept alive.
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

/// A typed handle with which a component posts one event to a session: POE's postback.
///
/// It has the ids of its session and handler, so that a post through it needs no lookup. It keeps
/// the session alive until its last clone is dropped.
pub struct Postback<P> {
    event: &'static str,
    to: SessionId,
    at: HandlerRef,
    store: fn(&mut Kernel, HandlerRef, P) -> u32,
    /// `None` if the session had stopped when the postback was made.
    hold: Option<Hold>,
}

impl<P: 'static> Postback<P> {
    pub(in crate::reactor) fn new<R: 'static>(
        event: Event<P, R>,
        to: SessionId,
        at: HandlerRef,
        hold: Option<Hold>,
    ) -> Self {
        let store = |kernel: &mut Kernel, at, payload| kernel.store_payload::<P, R>(at, payload);
        Postback { event: event.name(), to, at, store, hold }
    }

    /// Returns true if the session that made this postback still takes posts. O(1).
    pub fn is_live(&self, cx: &Cx<'_>) -> bool {
        cx.kernel.slots.is_live(self.to)
    }

    /// Posts `payload` to the session that made this postback. O(1).
    pub fn post(&self, cx: &mut Cx<'_>, payload: P) -> Result<(), PostError> {
        let (to, from) = (self.to, cx.id());
        let kernel = &mut *cx.kernel;
        if !kernel.slots.is_live(to) {
            return Err(PostError::NoSession { to: Missing::Id(to), event: self.event });
        }
        kernel.check_queue(kernel.limits.queue, self.at, self.event)?;
        let payload = (self.store)(kernel, self.at, payload);
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
