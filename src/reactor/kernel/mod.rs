//! The kernel: its tables, its figures, and the order of a turn.

pub(in crate::reactor) mod dispatch;
mod notices;
mod queue;
pub(in crate::reactor) mod signals;
pub(in crate::reactor) mod sweep;
pub(in crate::reactor) mod timers;
pub(in crate::reactor) mod wheels;

use crate::reactor::config::Limits;
use crate::reactor::cx::Cx;
use crate::reactor::error::{CallError, PostError, To};
use crate::reactor::event::Event;
use crate::reactor::histogram::Histogram;
use crate::reactor::ids::{HandlerRef, SessionId};
use crate::reactor::kernel::dispatch::Running;
use crate::reactor::kernel::notices::TopicVTable;
use crate::reactor::kernel::signals::SignalWatch;
use crate::reactor::kernel::sweep::Bursts;
use crate::reactor::kernel::timers::SessionTimer;
use crate::reactor::kernel::wheels::WheelVTable;
use crate::reactor::net::{Memory, Net};
use crate::reactor::release::Releases;
use crate::reactor::run_error::RunError;
use crate::reactor::session::{Entry, Kind, Session};
use crate::reactor::tables::queue::Queued;
use crate::reactor::tables::slots::Slots;
use crate::reactor::tables::timers::{NEVER, Timers};
use crate::reactor::tables::topics::Topics;
use crate::reactor::tables::wheels::{Scratch, Wheels};
use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Sessions, their queue, timers, aliases, watchers and wheels: `POE::Kernel`.
///
/// A kernel reads no clock and never waits: [`turn`](Kernel::turn) takes the time and returns what
/// to wait for. A [`Reactor`](crate::reactor::Reactor) drives a kernel with the system's clock and
/// sockets, a [`Rig`](crate::reactor::Rig) with virtual ones.
///
/// # A turn
/// 1. `now` is taken once; it does not change within a turn and never goes back.
/// 2. Wheels whose sockets are ready read and write; their events are delivered synchronously.
/// 3. Timers that are due fire in the order of (due time, time of setting). A timer that was
///    overdue when it was set fires in the next turn.
/// 4. Posts and notices that were queued when the turn began are dispatched first in, first out.
/// 5. Sessions that nothing can wake any more are stopped.
///
/// Events that handlers post and timers that they set meanwhile wait for the next turn, so a
/// session that yields to itself without end delays neither sockets nor timers.
pub struct Kernel {
    pub(in crate::reactor) limits: Limits,
    pub(in crate::reactor) kinds: Vec<Kind>,
    kind_of: HashMap<TypeId, u32>,
    pub(in crate::reactor) slots: Slots,
    pub(in crate::reactor) aliases: HashMap<Box<str>, SessionId>,
    pub(in crate::reactor) queue: VecDeque<Queued>,
    pub(in crate::reactor) timers: Timers<SessionTimer>,
    pub(in crate::reactor) topics: Topics<TopicVTable>,
    pub(in crate::reactor) wheels: Wheels<WheelVTable>,
    pub(in crate::reactor) scratch: Scratch,
    pub(in crate::reactor) signals: Vec<SignalWatch>,
    pub(in crate::reactor) net: Net,
    pub(in crate::reactor) holds: usize,
    pub(in crate::reactor) releases: Releases,
    /// Sessions that the sweep checks at the end of this turn, and at the end of the next.
    pub(in crate::reactor) marks: Vec<SessionId>,
    pub(in crate::reactor) deferred: Vec<SessionId>,
    /// The newest session when the turn began.
    pub(in crate::reactor) newest: u64,
    /// The number of sessions when the tables were last shrunk, and the time.
    pub(in crate::reactor) shrunk: (usize, Instant),
    pub(in crate::reactor) bursts: Bursts,
    /// The number of handlers on the stack.
    pub(in crate::reactor) depth: usize,
    pub(in crate::reactor) ending: bool,
    /// Why it is ending, if nothing requested the end.
    pub(in crate::reactor) failure: Option<RunError>,
    epoch: Instant,
    now: Instant,
    /// The time of day, for protocols that send it. No timer uses it.
    pub(in crate::reactor) date: SystemTime,
    pub(in crate::reactor) stats: Stats,
}

/// What the driver of a kernel should do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Poll without waiting and run another turn: there is work.
    Poll,
    /// Wait for readiness, at most until this time.
    Until(Instant),
    /// Wait for readiness.
    Forever,
    /// No session is left. [`Kernel::failure`] is `Some` if an essential session has panicked.
    Done,
}

/// The current figures of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns so far.
    pub turns: u64,
    /// The durations of turns, without waiting: the time for which other sessions had to wait. The
    /// driver measures it, because a kernel reads no clock. On virtual time nothing is recorded.
    pub turn_time: Histogram,
    /// How late timers fired, because of earlier turns or of the system.
    pub timer_lag: Histogram,
    /// Notices so far that had a watcher.
    pub notices: u64,
    /// Posts and timers so far for which a handler ran.
    pub dispatched: u64,
    /// Posts so far for which no handler ran, because their receiver or the whole kernel had
    /// stopped.
    pub dead_letters: u64,
    /// Handlers that panicked so far.
    pub panics: u64,
    /// Sessions now.
    pub sessions: usize,
    /// Posts and notices that wait now.
    pub queued: usize,
    /// Timers that are set now.
    pub timers: usize,
    /// Wheels that are mounted now.
    pub wheels: usize,
    /// Watches of topics now.
    pub watchers: usize,
    /// Holds and postbacks that have not been dropped.
    pub holds: usize,
}

impl Kernel {
    /// Creates a kernel with an in-memory network, whose time begins at `now`.
    pub fn new(now: Instant) -> Self {
        Self::with_limits(now, Limits::default())
    }

    /// Like [`new`](Self::new), with these limits.
    pub fn with_limits(now: Instant, limits: Limits) -> Self {
        Self::on(Net::Memory(Memory::default()), now, limits)
    }

    pub(in crate::reactor) fn on(net: Net, now: Instant, limits: Limits) -> Self {
        let waker = match &net {
            Net::System(sockets) => Some(sockets.waker()),
            Net::Memory(_) => None,
        };
        Kernel {
            limits,
            kinds: vec![],
            kind_of: HashMap::new(),
            slots: Slots::default(),
            aliases: HashMap::new(),
            queue: VecDeque::new(),
            timers: Timers::new(),
            topics: Topics::default(),
            wheels: Wheels::default(),
            scratch: Scratch::default(),
            signals: vec![],
            net,
            holds: 0,
            releases: Releases::new(waker),
            marks: vec![],
            deferred: vec![],
            newest: 0,
            shrunk: (0, now),
            bursts: Bursts::new(),
            depth: 0,
            ending: false,
            failure: None,
            epoch: now,
            now,
            date: SystemTime::UNIX_EPOCH,
            stats: Stats::default(),
        }
    }

    /// The time of the current turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Starts a session without a parent. Its `started` has run when this returns.
    ///
    /// # Panics
    /// If the number of sessions is at its limit ([`Limits::sessions`]).
    #[track_caller]
    pub fn spawn<H: Session>(&mut self, heap: H) -> SessionId {
        self.spawn_under(SessionId::KERNEL, heap)
    }

    /// Queues an event for a session, without a sender. O(handlers of the receiver's kind).
    pub fn post<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        self.send(SessionId::KERNEL, to.into(), event, payload)
    }

    /// Runs a session's handler now and returns its reply.
    pub fn call<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.call_as(SessionId::KERNEL, to.into(), event, payload)
    }

    /// The session that has this alias (POE's `alias_resolve`).
    pub fn resolve(&self, alias: &str) -> Option<SessionId> {
        self.aliases.get(alias).copied()
    }

    /// Stops every session at the end of the turn, the newest first, and empties the queue (POE's
    /// `$kernel->stop`). The `stopped` of each runs. A session that a `stopped` spawns is stopped
    /// in the next turn.
    pub fn stop(&mut self) {
        self.ending = self.slots.live() > 0;
    }

    /// Runs one turn, in the order that [`Kernel`] describes.
    pub fn turn(&mut self, now: Instant) -> Wait {
        self.advance(now);
        self.stats.turns += 1;
        // Only the work that exists now is done; work that results from it waits for the next turn.
        let (ready, newest, backlog) =
            (self.wheels.ready_len(), self.timers.begin_turn(), self.queue.len());
        self.newest = self.slots.newest();
        for _ in 0..ready {
            self.run_next_wheel();
        }
        self.fire_timers(newest);
        for _ in 0..backlog {
            let Some(queued) = self.queue.pop_front() else { break };
            self.dispatch(queued);
        }
        self.sweep();
        self.next_wait()
    }

    /// The current figures. O(1).
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.slots.live(),
            queued: self.queue.len(),
            timers: self.timers.len(),
            wheels: self.wheels.len(),
            watchers: self.topics.watchers(),
            holds: self.holds,
            ..self.stats
        }
    }

    /// What to wait for before the next turn.
    pub fn next_wait(&self) -> Wait {
        if self.slots.live() == 0 {
            Wait::Done
        } else if self.has_work() {
            Wait::Poll
        } else if let Some(first) = self.timers.first() {
            Wait::Until(self.instant(first.due))
        } else {
            Wait::Forever
        }
    }

    /// Returns true if a turn would have something to do now.
    fn has_work(&self) -> bool {
        !self.queue.is_empty()
            || self.timers.has_overdue()
            || self.wheels.ready_len() > 0
            || !self.marks.is_empty()
            || !self.releases.is_empty()
            || self.ending
            || self.is_idle()
    }

    /// Moves the time forward outside a turn, before a verb that is called between turns.
    pub(in crate::reactor) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    #[track_caller]
    pub(in crate::reactor) fn spawn_under<H: Session>(
        &mut self,
        parent: SessionId,
        heap: H,
    ) -> SessionId {
        let id = self.reserve_slot::<H>(parent);
        self.start(id, parent, heap);
        id
    }

    /// Reserves the slot of a session whose heap does not exist yet.
    #[track_caller]
    pub(in crate::reactor) fn reserve_slot<H: Session>(&mut self, parent: SessionId) -> SessionId {
        let Limits { sessions, call_depth, .. } = self.limits;
        let name = std::any::type_name::<H>();
        assert!(
            self.slots.live() < sessions,
            "`{name}` is one session too many: there may be {sessions}"
        );
        assert!(
            self.depth < call_depth,
            "`{name}` is spawned more than {call_depth} handlers deep"
        );
        let kind = self.kind::<H>();
        let id = self.slots.insert(kind, parent);
        self.retain(parent);
        self.mark(id);
        id
    }

    fn kind<H: Session>(&mut self) -> u32 {
        if let Some(kind) = self.kind_of.get(&TypeId::of::<H>()) {
            return *kind;
        }
        self.kinds.push(Kind::of::<H>());
        let kind = self.kinds.len() as u32 - 1;
        self.kind_of.insert(TypeId::of::<H>(), kind);
        kind
    }

    pub(in crate::reactor) fn entry(&mut self, at: HandlerRef) -> &mut Entry {
        &mut self.kinds[at.kind as usize].table[at.handler as usize]
    }

    pub(in crate::reactor) fn event_name(&self, at: HandlerRef) -> &'static str {
        self.kinds[at.kind as usize].table[at.handler as usize].name
    }

    pub(in crate::reactor) fn kind_name(&self, at: HandlerRef) -> &'static str {
        self.kinds[at.kind as usize].name
    }

    /// `at` in the nanoseconds of timers: the kernel's start is [`START`]. A time that is too far
    /// away is [`NEVER`].
    pub(in crate::reactor) fn nanos(&self, at: Instant) -> u64 {
        match at.checked_duration_since(self.epoch) {
            Some(after) => START.saturating_add(nanos(after)),
            None => START.saturating_sub(nanos(self.epoch.saturating_duration_since(at))),
        }
    }

    pub(in crate::reactor) fn instant(&self, nanos: u64) -> Instant {
        let after = Duration::from_nanos(nanos.saturating_sub(START));
        let before = Duration::from_nanos(START.saturating_sub(nanos));
        // Only a system whose clock cannot represent three centuries has no such instant.
        let instant = self.epoch.checked_add(after).and_then(|at| at.checked_sub(before));
        instant.unwrap_or(self.epoch)
    }

    pub(in crate::reactor) fn cx(
        &mut self,
        me: SessionId,
        sender: SessionId,
        running: Running,
    ) -> Cx<'_> {
        Cx { kernel: self, me, sender, running }
    }
}

/// The kernel's start in the time of its timers. It is not zero, because an alarm may be set to a
/// time before the start.
const START: u64 = u64::MAX / 2;

/// A duration in nanoseconds; a duration that is too long is [`NEVER`].
pub(in crate::reactor) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
