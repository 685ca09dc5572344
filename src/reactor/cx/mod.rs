//! What a handler can do: the verbs of the kernel, for the session that is running.

mod hold;
mod signal;
mod time;
mod topics;

pub use hold::{Hold, Postback};
pub use time::{Removed, Shift, TimerId};

use crate::reactor::error::{AliasError, CallError, PostError, To};
use crate::reactor::event::Event;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::dispatch::Running;
use crate::reactor::kernel::{Kernel, Stats};
use crate::reactor::session::Session;
use crate::reactor::tables::slots::Phase;
use std::fmt;
use std::time::{Instant, SystemTime};

/// The kernel as one session sees it while a handler of its runs: POE's `@_[KERNEL, SESSION,
/// SENDER]`.
///
/// Timers are in [`delay`](Cx::delay) and its neighbours, topics in [`watch`](Cx::watch).
///
/// A verb on the session itself (`yield_now`, `delay`, `postback`, …) panics when its kind has no
/// such handler, for that is a mistake in one file; a verb on another session answers with an
/// error, because the other session may have ended.
///
/// # After `stop`
/// Once a session has said [`stop`](Cx::stop), and while its `stopped` runs, it can set nothing up
/// for itself any more. No verb panics for that reason:
///
/// - Verbs without a value (`yield_now`, `delay`, `watch`, …) do nothing.
/// - Verbs with a value give one that does nothing: a [`TimerId`](crate::reactor::TimerId) whose
///   timer is gone, a [`Postback`] that holds nothing and is not live, a wheel that is unmounted at
///   once, an [`WheelEvent`](crate::reactor::WheelEvent) through which nothing comes;
///   [`hold`](Cx::hold) gives `None`.
/// - Verbs with a `Result` whose error is the kernel's (`alias`, `signal`, `delay_adjust`, `post`,
///   …) give an error.
///
/// What the session has is there until `stopped` has run, and can be taken back: `delay_clear`,
/// `alarm_remove`, `unwatch`, `alias_remove` and `unmount` work. So does what it does to others:
/// `post`, `call`, `notify`, `spawn`.
pub struct Cx<'a> {
    pub(in crate::reactor) kernel: &'a mut Kernel,
    pub(in crate::reactor) me: SessionId,
    pub(in crate::reactor) sender: SessionId,
    pub(in crate::reactor) running: Running,
}

impl Cx<'_> {
    /// The session that is running.
    pub fn id(&self) -> SessionId {
        self.me
    }

    /// Who sent what is being handled: the poster, the caller or the notifier. A session is the
    /// sender of its own timers and wheels; nobody is of what comes from outside the kernel.
    pub fn sender(&self) -> Option<SessionId> {
        Some(self.sender).filter(|id| *id != SessionId::KERNEL)
    }

    /// The name of the event that is being handled (POE's `STATE`): `_start` and `_stop` while
    /// `started` and `stopped` run, `_default` in a default handler, `_wheel` in a wheel itself.
    pub fn event(&self) -> &'static str {
        self.kernel.name_of(self.running)
    }

    /// The time of this turn. It does not change within a turn and never goes back.
    pub fn now(&self) -> Instant {
        self.kernel.now()
    }

    /// The time of day when this turn began, for protocols that tell it. It may go back; time with
    /// [`now`](Cx::now). On virtual time it begins at the Unix epoch.
    pub fn date(&self) -> SystemTime {
        self.kernel.date
    }

    /// Starts a session whose parent is this one; its `started` has run when this returns. A parent
    /// lives at least as long as its children, unless it stops.
    ///
    /// # Panics
    /// When there are as many sessions as there may be, or when this is as deep in calls and spawns
    /// as can be.
    #[track_caller]
    pub fn spawn<H: Session>(&mut self, heap: H) -> SessionId {
        self.kernel.spawn_under(self.me, heap)
    }

    /// As [`spawn`](Cx::spawn), with a heap that `make` makes on behalf of the new session: what it
    /// mounts, sets or watches is that session's. When it fails, there is none.
    ///
    /// # Panics
    /// As [`spawn`](Cx::spawn).
    #[track_caller]
    pub fn spawn_with<H: Session, E>(
        &mut self,
        make: impl FnOnce(&mut Cx<'_>) -> Result<H, E>,
    ) -> Result<SessionId, E> {
        let id = self.kernel.reserve_slot::<H>(self.me);
        self.kernel.start_with(id, self.me, make)?;
        Ok(id)
    }

    /// Queues an event for another session (POE's `post`). O(handlers of its kind), and the price
    /// of a hash for an alias; no allocation once warm.
    ///
    /// The receiver is found and the payload's type checked now; the handler runs in the next turn,
    /// after everything that was posted before. Sender and receiver both live until then.
    pub fn post<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        self.kernel.send(self.me, to.into(), event, payload)
    }

    /// Queues an event for this session, behind what is queued already (POE's `yield`). The same
    /// cost as [`post`](Cx::post). It may go past the queue's limit, up to twice of it, so that a
    /// load from outside does not break a session's own sequence of steps.
    ///
    /// # Panics
    /// When this kind has neither a handler for the event nor a default one, or when sessions have
    /// yielded without end.
    #[track_caller]
    pub fn yield_now<P: 'static, R: 'static>(&mut self, event: Event<P, R>, payload: P) {
        match self.kernel.send_to_self(self.me, event, payload) {
            Ok(()) | Err(PostError::NoSession { .. }) => {}
            Err(PostError::QueueFull { session, event }) => {
                panic!("`{event}` of `{session}` is yielded without end")
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs another session's handler now and answers with its reply (POE's `call`). O(handlers of
    /// its kind), no allocation.
    ///
    /// Keep it for reads, from the one who shows to the one who knows. A session that is running
    /// cannot be called; a session that calls itself is told `Busy` and can call the method
    /// instead.
    pub fn call<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.kernel.call_as(self.me, to.into(), event, payload)
    }

    /// A typed "post this to me" for a component; it holds this session until it is dropped. O(1),
    /// one allocation.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn postback<P: 'static, R: 'static>(&mut self, event: Event<P, R>) -> Postback<P> {
        let at = self.mine(event).unwrap_or(HandlerRef::NONE);
        Postback::new(event, self.me, at, self.kernel.hold(self.me))
    }

    /// Keeps a session alive until the hold is dropped (POE's `refcount_increment`). `None` when it
    /// is not there.
    pub fn hold(&mut self, id: SessionId) -> Option<Hold> {
        self.kernel.hold(id)
    }

    /// Lets this session go by `alias` as well. O(1).
    ///
    /// An alias keeps a session only while there is somebody who could use it: when nothing but
    /// aliases and watches is left in the kernel, the program is idle and ends.
    pub fn alias(&mut self, alias: impl Into<Box<str>>) -> Result<(), AliasError> {
        let (alias, me) = (alias.into(), self.me);
        let Some(slot) = self.kernel.slots.live_slot(me) else {
            return Err(AliasError::Stopped { alias });
        };
        match self.kernel.aliases.get(&alias) {
            Some(&owner) if owner == me => Ok(()),
            Some(&owner) => Err(AliasError::Taken { alias, owner }),
            None => {
                slot.aliases.push(alias.clone());
                self.kernel.aliases.insert(alias, me);
                Ok(())
            }
        }
    }

    /// Takes an alias of this session back; whether it had it. What was posted to it still arrives.
    pub fn alias_remove(&mut self, alias: &str) -> bool {
        let me = self.me;
        if self.kernel.resolve(alias) != Some(me) {
            return false;
        }
        self.kernel.aliases.remove(alias);
        let slot = self.kernel.slots.find(me).expect("it has an alias");
        slot.aliases.retain(|own| **own != *alias);
        self.kernel.mark(me);
        true
    }

    /// Which session goes by this alias (POE's `alias_resolve`).
    pub fn resolve(&self, alias: &str) -> Option<SessionId> {
        self.kernel.resolve(alias)
    }

    /// This session's aliases, sorted (POE's `alias_list`).
    pub fn aliases(&self) -> Vec<&str> {
        let own = self.kernel.slots.get(self.me).map_or(&[][..], |slot| &slot.aliases);
        let mut all: Vec<_> = own.iter().map(|alias| &**alias).collect();
        all.sort_unstable();
        all
    }

    /// Whether a session is there and takes messages.
    pub fn exists(&self, id: SessionId) -> bool {
        self.kernel.slots.is_live(id)
    }

    /// Ends this session when the running handler returns: `stopped` runs, then its timers,
    /// watches, aliases and wheels are gone. See [`Cx`] for what the verbs do after this.
    pub fn stop(&mut self) {
        if let Some(slot) = self.kernel.slots.live_slot(self.me) {
            slot.phase = Phase::Stopping;
        }
    }

    /// Ends every session at the end of this turn (POE's `$kernel->stop`).
    pub fn stop_all(&mut self) {
        self.kernel.stop();
    }

    /// Runs a part of a handler whose panic does not end the session, or the kernel if the session
    /// is essential. The panic is counted and logged as any other, and the answer is `None`.
    pub(crate) fn contain_panic<T>(&mut self, part: impl FnOnce(&mut Cx<'_>) -> T) -> Option<T> {
        let sender = self.sender;
        let ran = self.kernel.contain_panic(self.me, self.running, |cx| {
            cx.sender = sender;
            part(cx)
        });
        ran.ok()
    }

    /// The kernel's figures as they stand.
    pub fn stats(&self) -> Stats {
        self.kernel.stats()
    }

    /// My handler for `event`, or `None` when I have stopped.
    #[track_caller]
    pub(in crate::reactor) fn mine<P: 'static, R: 'static>(
        &mut self,
        event: Event<P, R>,
    ) -> Option<HandlerRef> {
        match self.kernel.find(self.me, event) {
            Ok(at) => Some(at),
            Err(PostError::NoSession { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("me", &self.me).field("sender", &self.sender).finish()
    }
}
