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
/// A verb on the session itself (`yield_now`, `delay`, `postback`, …) panics if its kind has no
/// such handler, because that is a mistake within one file. A verb on another session returns an
/// error, because the other session may have ended.
///
/// # After `stop`
/// Once a session has called [`stop`](Cx::stop), and while its `stopped` runs, it can set up
/// nothing for itself. No verb panics because of that:
///
/// - Verbs without a value (`yield_now`, `delay`, `watch`, …) do nothing.
/// - Verbs with a value return one that does nothing: a [`TimerId`](crate::reactor::TimerId)
///   without a timer, a [`Postback`] that is not live, a wheel that is unmounted at once, a
///   [`WheelEvent`](crate::reactor::WheelEvent) that is never delivered. [`hold`](Cx::hold) returns
///   `None`.
/// - Verbs with a `Result` whose error is the kernel's (`alias`, `signal`, `delay_adjust`, `post`,
///   …) return an error.
///
/// What the session owns stays until `stopped` has run, and can be removed: `delay_clear`,
/// `alarm_remove`, `unwatch`, `alias_remove` and `unmount` work. Verbs on other sessions work too:
/// `post`, `call`, `notify`, `spawn`.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Rig, Session};
/// use std::time::Duration;
///
/// /// Counts down, one number each second, and then stops.
/// struct Countdown { left: u32 }
///
/// impl Countdown {
///     const TICK: Event<()> = Event::new("countdown.tick");
///     const LEFT: Event<(), u32> = Event::new("countdown.left");
///
///     fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
///         self.left -= 1;
///         match self.left {
///             0 => cx.stop(),
///             _ => cx.delay(Self::TICK, Duration::from_secs(1), ()),
///         }
///     }
/// }
///
/// impl Session for Countdown {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::TICK, Self::tick).on(Self::LEFT, |countdown, _, ()| countdown.left);
///     }
///     fn started(&mut self, cx: &mut Cx<'_>) {
///         cx.alias("countdown").expect("the alias is free");
///         cx.delay(Self::TICK, Duration::from_secs(1), ());
///     }
/// }
///
/// let mut rig = Rig::new();
/// rig.spawn(Countdown { left: 3 });
/// rig.run_for(Duration::from_secs(1));
/// assert_eq!(rig.call("countdown", Countdown::LEFT, ()), Ok(2));
/// assert!(rig.run(), "the session has stopped after three seconds");
/// assert_eq!(rig.elapsed(), Duration::from_secs(3));
/// ```
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

    /// The session that posted, called or notified the event that is being handled (POE's
    /// `SENDER`). A session is the sender of its own timers and wheels. `None` if the event came
    /// from outside the kernel.
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

    /// The time of day when this turn began, for protocols that send it. It may go back, so use
    /// [`now`](Cx::now) to measure time. On virtual time it begins at the Unix epoch.
    pub fn date(&self) -> SystemTime {
        self.kernel.date
    }

    /// Starts a session whose parent is this one. Its `started` has run when this returns. A parent
    /// lives at least as long as its children, unless it stops.
    ///
    /// # Panics
    /// If the number of sessions is at its limit, or the nesting of calls and spawns is.
    #[track_caller]
    pub fn spawn<H: Session>(&mut self, heap: H) -> SessionId {
        self.kernel.spawn_under(self.me, heap)
    }

    /// Starts a session whose heap `make` builds. `make` runs as the new session: the wheels,
    /// timers and watches that it sets up belong to that session. If `make` fails, no session is
    /// started.
    ///
    /// # Panics
    /// Like [`spawn`](Cx::spawn).
    #[track_caller]
    pub fn spawn_with<H: Session, E>(
        &mut self,
        make: impl FnOnce(&mut Cx<'_>) -> Result<H, E>,
    ) -> Result<SessionId, E> {
        let id = self.kernel.reserve_slot::<H>(self.me);
        self.kernel.start_with(id, self.me, make)?;
        Ok(id)
    }

    /// Queues an event for another session (POE's `post`). O(handlers of its kind), and a hash
    /// lookup for an alias. No allocation once warm.
    ///
    /// The receiver is looked up and the payload's type is checked now. The handler runs in the
    /// next turn, after everything that was posted before. Sender and receiver are kept alive until
    /// then.
    pub fn post<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        self.kernel.send(self.me, to.into(), event, payload)
    }

    /// Queues an event for this session at the end of the queue (POE's `yield`). It costs the same
    /// as [`post`](Cx::post). It may fill the queue up to twice its limit, so that load from
    /// outside does not break a session's own sequence of steps.
    ///
    /// # Panics
    /// If this kind has neither a handler for the event nor a default one, or if sessions have
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

    /// Runs another session's handler now and returns its reply (POE's `call`). O(handlers of its
    /// kind), no allocation.
    ///
    /// Use it to read the state of another session. A session that is running cannot be called: a
    /// session that calls itself gets `Busy`, and should call the method directly.
    pub fn call<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.kernel.call_as(self.me, to.into(), event, payload)
    }

    /// A handle with which a component posts `event` to this session. It keeps this session alive
    /// until it is dropped. O(1), one allocation.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn postback<P: 'static, R: 'static>(&mut self, event: Event<P, R>) -> Postback<P> {
        let at = self.mine(event).unwrap_or(HandlerRef::NONE);
        Postback::new(event, self.me, at, self.kernel.hold(self.me))
    }

    /// Keeps a session alive until the hold is dropped (POE's `refcount_increment`). `None` if
    /// there is no such session. O(1), one allocation.
    pub fn hold(&mut self, id: SessionId) -> Option<Hold> {
        self.kernel.hold(id)
    }

    /// Gives this session the additional name `alias` (POE's `alias_set`). O(1).
    ///
    /// An alias keeps its session alive only while something else in the kernel is alive. If only
    /// aliases and watches are left, no event can occur any more, and the program ends.
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

    /// Removes an alias of this session. Returns false if the session did not have it. Events that
    /// were posted to the alias before still arrive.
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

    /// The session that has this alias (POE's `alias_resolve`).
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

    /// Returns true if the session exists and takes messages.
    pub fn exists(&self, id: SessionId) -> bool {
        self.kernel.slots.is_live(id)
    }

    /// Ends this session when the running handler returns: `stopped` runs, then its timers,
    /// watches, aliases and wheels are removed. See [`Cx`] for what the verbs do after this.
    pub fn stop(&mut self) {
        if let Some(slot) = self.kernel.slots.live_slot(self.me) {
            slot.phase = Phase::Stopping;
        }
    }

    /// Ends every session at the end of this turn (POE's `$kernel->stop`).
    pub fn stop_all(&mut self) {
        self.kernel.stop();
    }

    /// Runs a part of a handler whose panic ends neither the session nor the kernel. The panic is
    /// counted and logged like any other, and the result is `None`.
    pub(crate) fn contain_panic<T>(&mut self, part: impl FnOnce(&mut Cx<'_>) -> T) -> Option<T> {
        let sender = self.sender;
        let ran = self.kernel.contain_panic(self.me, self.running, |cx| {
            cx.sender = sender;
            part(cx)
        });
        ran.ok()
    }

    /// The kernel's current figures. O(1).
    pub fn stats(&self) -> Stats {
        self.kernel.stats()
    }

    /// This session's handler for `event`, or `None` if it has stopped.
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
