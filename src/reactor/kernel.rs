//! The kernel: the queue, and the turn in which everything happens.

use super::cx::Cx;
use super::error::{CallError, Missing, PostError, To};
use super::event::Event;
use super::hold::Release;
use super::net::{Memory, Net};
use super::session::{At, Entry, Kind, Session, SessionId, Unhandled};
use super::signal::Watch;
use super::slots::{Phase, Slots};
use super::timers::Timers;
use super::timing::Timer;
use super::watchers::Topics;
use super::wheel::{Spares, Wheels};
use crate::limits::Limits;
use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

/// Sessions, their queue, timers, aliases, watchers and wheels: `POE::Kernel`.
///
/// A kernel reads no clock and waits for nothing: [`turn`](Kernel::turn) is told the time and says
/// what to wait for. A [`Reactor`](super::Reactor) drives one with the system's clock and sockets, a
/// [`Rig`](super::Rig) with virtual ones.
///
/// # A turn
/// 1. `now` is taken once; it does not change within a turn and never goes back.
/// 2. Wheels whose sockets are ready read and write; what they find is delivered synchronously.
/// 3. Timers that are due fire in the order of (due time, setting).
/// 4. Posts and notices that were queued when the turn began are dispatched first in, first out.
/// 5. Sessions that nothing can wake any more are stopped.
///
/// Whatever handlers post, set or make ready meanwhile waits for the next turn, so a session that
/// yields to itself for ever keeps neither sockets nor timers from their turn.
pub struct Kernel {
    pub(super) limits: Limits,
    pub(super) kinds: Vec<Kind>,
    kind_of: HashMap<TypeId, u32>,
    pub(super) slots: Slots,
    pub(super) aliases: HashMap<Box<str>, SessionId>,
    queue: VecDeque<Queued>,
    pub(super) timers: Timers<Timer>,
    pub(super) topics: Topics,
    pub(super) wheels: Wheels,
    pub(super) spares: Spares,
    pub(super) signals: Vec<Watch>,
    pub(super) net: Net,
    pub(super) holds: usize,
    pub(super) release: Sender<Release>,
    pub(super) released: Receiver<Release>,
    /// Sessions for the sweep to look at.
    pub(super) marks: Vec<SessionId>,
    /// How many handlers are on the stack.
    pub(super) depth: usize,
    pub(super) ending: bool,
    epoch: Instant,
    now: Instant,
    /// The time of day, for protocols that tell it; nothing is timed by it.
    pub(super) date: SystemTime,
    pub(super) stats: Stats,
}

/// What the driver of a kernel should do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look for readiness without waiting and turn again: there is work.
    Poll,
    /// Wait for readiness, at most until then.
    Until(Instant),
    /// Wait for readiness.
    Forever,
    /// No session is left.
    Done,
}

/// Figures of a kernel, as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns so far.
    pub turns: u64,
    /// Posts and timers that a handler was run for so far.
    pub dispatched: u64,
    /// Posts whose receiver had stopped before they came to it so far.
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

/// What waits in the queue.
pub(super) enum Queued {
    Post { from: SessionId, to: SessionId, at: At, payload: u32 },
    Notice { from: SessionId, topic: u32, message: u32, upto: u64 },
}

impl Kernel {
    /// A kernel with an in-memory network, whose time begins at `now`.
    pub fn new(now: Instant) -> Self {
        Self::with_limits(now, Limits::default())
    }

    /// A kernel with an in-memory network and limits of its own.
    pub fn with_limits(now: Instant, limits: Limits) -> Self {
        Self::on(Net::Memory(Memory::default()), now, limits)
    }

    pub(super) fn on(net: Net, now: Instant, limits: Limits) -> Self {
        let (release, released) = channel();
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
            spares: Spares::default(),
            signals: vec![],
            net,
            holds: 0,
            release,
            released,
            marks: vec![],
            depth: 0,
            ending: false,
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

    /// Starts a session that has no parent: its `started` has run when this returns.
    ///
    /// # Panics
    /// When there are as many sessions as there may be ([`Limits::sessions`]).
    pub fn spawn<H: Session>(&mut self, heap: H) -> SessionId {
        self.spawn_under(SessionId::KERNEL, heap)
    }

    /// Queues an event for a session, from no session. O(handlers of the receiver's kind).
    pub fn post<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        self.send(SessionId::KERNEL, to.into(), event, payload)
    }

    /// Runs a session's handler now and answers with its reply.
    pub fn call<'a, P: 'static, R: 'static>(
        &mut self,
        to: impl Into<To<'a>>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        self.call_as(SessionId::KERNEL, to.into(), event, payload)
    }

    /// Which session goes by this alias (POE's `alias_resolve`).
    pub fn resolve(&self, alias: &str) -> Option<SessionId> {
        self.aliases.get(alias).copied()
    }

    /// Stops every session at the end of the turn, the newest first, and empties the queue (POE's
    /// `$kernel->stop`). Each gets its `stopped`.
    pub fn stop(&mut self) {
        self.ending = true;
    }

    /// One turn; see [`Kernel`] for its order.
    pub fn turn(&mut self, now: Instant) -> Wait {
        self.set_now(now);
        self.stats.turns += 1;
        // What there is now has its turn; what comes of it waits for the next.
        let (ready, newest, backlog) =
            (self.wheels.ready_len(), self.timers.newest(), self.queue.len());
        for _ in 0..ready {
            self.run_next_wheel();
        }
        self.fire_timers(newest);
        for _ in 0..backlog {
            let Some(queued) = self.queue.pop_front() else { break };
            self.dispatch(queued);
        }
        self.sweep();
        self.outlook()
    }

    /// The figures as they stand. O(1).
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

    /// Tells the time: at the start of a turn, and when a driver runs a handler between turns, which
    /// would otherwise set its timers by the last one's time.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// What to wait for before the next turn.
    pub fn outlook(&self) -> Wait {
        if self.slots.live() == 0 {
            Wait::Done
        } else if !self.queue.is_empty() || self.wheels.ready_len() > 0 || self.ending {
            Wait::Poll
        } else if let Some((due, _)) = self.timers.next() {
            match self.epoch.checked_add(Duration::from_nanos(due)) {
                Some(due) => Wait::Until(due),
                None => Wait::Forever,
            }
        } else {
            Wait::Forever
        }
    }

    pub(super) fn spawn_under<H: Session>(&mut self, parent: SessionId, heap: H) -> SessionId {
        assert!(
            self.slots.live() < self.limits.sessions,
            "`{}` is one session too many: there may be {}",
            std::any::type_name::<H>(),
            self.limits.sessions
        );
        let kind = self.kind::<H>();
        let id = self.slots.insert(kind, parent);
        self.retain(parent);
        self.mark(id);
        self.start(id, Box::new(heap));
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

    pub(super) fn entry(&mut self, at: At) -> &mut Entry {
        &mut self.kinds[at.kind as usize].table[at.handler as usize]
    }

    pub(super) fn event_name(&self, at: At) -> &'static str {
        self.kinds[at.kind as usize].table[at.handler as usize].name
    }

    pub(super) fn kind_name(&self, at: At) -> &'static str {
        self.kinds[at.kind as usize].name
    }

    pub(super) fn find_session(
        &self,
        to: To<'_>,
        event: &'static str,
    ) -> Result<SessionId, PostError> {
        match to {
            To::Id(id) => Ok(id),
            To::Alias(alias) => {
                self.resolve(alias).ok_or(PostError::NoSession { to: to.into(), event })
            }
        }
    }

    /// The handler of a live session for `event`.
    pub(super) fn find<P: 'static, R: 'static>(
        &self,
        id: SessionId,
        event: Event<P, R>,
    ) -> Result<At, PostError> {
        let name = event.name();
        let Some(slot) = self.slots.get(id).filter(|slot| slot.phase == Phase::Live) else {
            return Err(PostError::NoSession { to: Missing::Id(id), event: name });
        };
        let (number, kind) = (slot.kind, &self.kinds[slot.kind as usize]);
        let Some(handler) = kind.table.iter().position(|entry| entry.key == event.key()) else {
            return Err(PostError::NoHandler { session: kind.name, event: name });
        };
        let entry = &kind.table[handler];
        if !entry.takes::<P, R>() {
            return Err(PostError::WrongType {
                session: kind.name,
                event: name,
                handled: entry.types,
                given: std::any::type_name::<(P, R)>(),
            });
        }
        Ok(At { kind: number, handler: handler as u32 })
    }

    pub(super) fn send<P: 'static, R: 'static>(
        &mut self,
        from: SessionId,
        to: To<'_>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<(), PostError> {
        let to = self.find_session(to, event.name())?;
        let (at, payload) = match self.find(to, event) {
            Ok(at) => {
                self.check_queue(at)?;
                (at, self.entry(at).keep::<P, R>(payload))
            }
            Err(error @ PostError::NoHandler { .. }) => {
                let at = self.fallback(to).ok_or(error)?;
                self.check_queue(at)?;
                let payload = Unhandled { event: event.name(), payload: Box::new(payload) };
                (at, self.entry(at).keep::<Unhandled, ()>(payload))
            }
            Err(error) => return Err(error),
        };
        self.enqueue(from, to, at, payload);
        Ok(())
    }

    fn fallback(&self, id: SessionId) -> Option<At> {
        let kind = self.slots.get(id)?.kind;
        let handler = self.kinds[kind as usize].fallback?;
        Some(At { kind, handler })
    }

    /// A queue that others have filled still has room for as much that sessions yield to themselves.
    pub(super) fn check_queue(&self, at: At) -> Result<(), PostError> {
        if self.queue.len() < self.limits.queue {
            return Ok(());
        }
        Err(PostError::QueueFull { session: self.kind_name(at), event: self.event_name(at) })
    }

    /// Whether the room beyond the queue's limit, which is for yields alone, is used up as well.
    pub(super) fn is_overrun(&self) -> bool {
        self.queue.len() >= self.limits.queue.saturating_mul(2)
    }

    pub(super) fn enqueue(&mut self, from: SessionId, to: SessionId, at: At, payload: u32) {
        self.retain(to);
        self.retain(from);
        self.queue.push_back(Queued::Post { from, to, at, payload });
    }

    pub(super) fn enqueue_notice(&mut self, from: SessionId, topic: u32, message: u32, upto: u64) {
        self.retain(from);
        self.queue.push_back(Queued::Notice { from, topic, message, upto });
    }

    pub(super) fn call_as<P: 'static, R: 'static>(
        &mut self,
        from: SessionId,
        to: To<'_>,
        event: Event<P, R>,
        payload: P,
    ) -> Result<R, CallError> {
        let to = self.find_session(to, event.name())?;
        let at = self.find(to, event)?;
        self.exchange(to, from, at, || payload)
            .map_err(|refusal| refusal.into_call_error(to, self.kind_name(at), event.name()))
    }

    fn dispatch(&mut self, queued: Queued) {
        match queued {
            Queued::Post { from, to, at, payload } => {
                self.run_kept(to, from, at, payload);
                self.let_go(to);
                self.let_go(from);
            }
            Queued::Notice { from, topic, message, upto } => {
                self.deliver_notice(from, topic, message, upto);
                self.let_go(from);
            }
        }
    }

    /// Runs a handler for a payload in its inbox.
    pub(super) fn run_kept(&mut self, to: SessionId, from: SessionId, at: At, payload: u32) {
        let run = self.entry(at).run;
        match self.enter(to, from, at, |heap, cx| run(heap, cx, at, payload)) {
            Ok(()) => self.stats.dispatched += 1,
            Err(refusal) if refusal.is_panic() => {} // the handler took the payload with it
            Err(_) => {
                self.stats.dead_letters += 1;
                (self.entry(at).discard)(self, at, payload);
            }
        }
    }

    /// Empties the queue without running anything.
    pub(super) fn drop_queue(&mut self) {
        while let Some(queued) = self.queue.pop_front() {
            match queued {
                Queued::Post { at, payload, .. } => (self.entry(at).discard)(self, at, payload),
                Queued::Notice { topic, message, .. } => self.drop_notice(topic, message),
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.timers.len() == 0 && self.wheels.len() == 0 && self.holds == 0
    }

    /// Nanoseconds from the kernel's start until `at`; what is too far away never comes.
    pub(super) fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    pub(super) fn instant(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }

    pub(super) fn cx(&mut self, me: SessionId, sender: SessionId, at: Option<At>) -> Cx<'_> {
        Cx { kernel: self, me, sender, at }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
