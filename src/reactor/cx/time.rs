//! The verbs of time: delays are relative, alarms absolute, and both are timers.
//!
//! Names and ids may be mixed, as in POE. `delay` and `delay_clear` use an event's name: they clear
//! all its timers, however they were set. `delay_set` returns an id, which moves or removes that
//! one timer. Timers and posts of the same event do not affect each other. A timer keeps its
//! session alive.
//!
//! A time that is too far away, such as [`Duration::MAX`] (more than about 292 years), never comes.
//! The timer keeps its session alive and can be moved or removed, but it does not fire.

use crate::reactor::cx::Cx;
use crate::reactor::error::TimerError;
use crate::reactor::event::Event;
use crate::reactor::ids::HandlerRef;
use crate::reactor::kernel::nanos;
use crate::reactor::kernel::timers::TimerTarget;
use crate::reactor::tables::timers::{Key, NEVER};
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// A timer's id, with the type of its payload.
pub struct TimerId<P> {
    key: Key,
    payload: PhantomData<fn(P)>,
}

impl<P> Clone for TimerId<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for TimerId<P> {}

impl<P> fmt::Debug for TimerId<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimerId({:?})", self.key)
    }
}

/// A timer that was removed before it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed<P> {
    /// The event that it would have posted.
    pub event: &'static str,
    /// When it would have fired.
    pub due: Instant,
    /// Its payload.
    pub payload: P,
}

/// A change of a timer's due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Earlier by this time, but not before now.
    Earlier(Duration),
    /// Later by this time.
    Later(Duration),
}

impl Cx<'_> {
    /// Posts `payload` to this session after `after`, and replaces all timers of that event (POE's
    /// `delay`). O(log timers).
    ///
    /// # Panics
    /// If this kind has no handler for the event, or if the number of timers is at its limit.
    #[track_caller]
    pub fn delay<P: 'static>(&mut self, event: Event<P>, after: Duration, payload: P) {
        let due = self.due_after(after);
        self.replace(event, due, payload);
    }

    /// Clears every timer of that event. Returns true if there was one. O(log timers) for each.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn delay_clear<P: 'static>(&mut self, event: Event<P>) -> bool {
        // A session that has stopped still has its timers.
        let Some(slot) = self.kernel.slots.get(self.me) else { return false };
        match self.kernel.handler(slot.kind, event) {
            Ok(at) => self.clear(at),
            Err(error) => panic!("{error}"),
        }
    }

    /// Posts `payload` to this session after `after`, and keeps other timers of that event (POE's
    /// `delay_add`). O(log timers).
    ///
    /// # Panics
    /// Like [`delay`](Cx::delay).
    #[track_caller]
    pub fn delay_add<P: 'static>(&mut self, event: Event<P>, after: Duration, payload: P) {
        let due = self.due_after(after);
        self.set(event, due, payload);
    }

    /// Like [`delay_add`](Cx::delay_add), and returns the timer's id (POE's `delay_set`). O(log
    /// timers).
    ///
    /// # Panics
    /// Like [`delay`](Cx::delay).
    #[track_caller]
    pub fn delay_set<P: 'static>(
        &mut self,
        event: Event<P>,
        after: Duration,
        payload: P,
    ) -> TimerId<P> {
        let due = self.due_after(after);
        self.set(event, due, payload)
    }

    /// Moves a timer to `after` from now, as a watchdog does, and returns its new due time (POE's
    /// `delay_adjust`). For a time that never comes this is an instant centuries away. O(log
    /// timers).
    pub fn delay_adjust<P: 'static>(
        &mut self,
        id: TimerId<P>,
        after: Duration,
    ) -> Result<Instant, TimerError> {
        self.own_to_move(id)?;
        let due = self.due_after(after);
        self.move_to(id, due);
        Ok(self.kernel.instant(due))
    }

    /// Posts `payload` to this session at `at`, and replaces all timers of that event (POE's
    /// `alarm`). A time that has passed means now; of several such timers the one with the earliest
    /// time fires first. O(log timers).
    ///
    /// # Panics
    /// Like [`delay`](Cx::delay).
    #[track_caller]
    pub fn alarm<P: 'static>(&mut self, event: Event<P>, at: Instant, payload: P) {
        let due = self.kernel.nanos(at);
        self.replace(event, due, payload);
    }

    /// Posts `payload` to this session at `at`, and keeps other timers of that event (POE's
    /// `alarm_add`). O(log timers).
    ///
    /// # Panics
    /// Like [`delay`](Cx::delay).
    #[track_caller]
    pub fn alarm_add<P: 'static>(&mut self, event: Event<P>, at: Instant, payload: P) {
        let due = self.kernel.nanos(at);
        self.set(event, due, payload);
    }

    /// Like [`alarm_add`](Cx::alarm_add), and returns the timer's id (POE's `alarm_set`). O(log
    /// timers).
    ///
    /// # Panics
    /// Like [`delay`](Cx::delay).
    #[track_caller]
    pub fn alarm_set<P: 'static>(
        &mut self,
        event: Event<P>,
        at: Instant,
        payload: P,
    ) -> TimerId<P> {
        let due = self.kernel.nanos(at);
        self.set(event, due, payload)
    }

    /// Moves a timer relative to its due time and returns the new one (POE's `alarm_adjust`). It
    /// fires after the timers that are already set to that time. A shift of zero changes nothing,
    /// and so does any shift of a timer that never fires. O(log timers).
    pub fn alarm_adjust<P: 'static>(
        &mut self,
        id: TimerId<P>,
        by: Shift,
    ) -> Result<Instant, TimerError> {
        self.own_to_move(id)?;
        let was = self.due(id);
        let due = match by {
            _ if was == NEVER => NEVER,
            Shift::Earlier(by) => was.saturating_sub(nanos(by)),
            Shift::Later(by) => was.saturating_add(nanos(by)),
        };
        if due != was {
            self.move_to(id, due);
        }
        Ok(self.kernel.instant(self.due(id)))
    }

    /// Removes the timer with this id and returns its payload (POE's `alarm_remove`). O(log
    /// timers).
    pub fn alarm_remove<P: 'static>(&mut self, id: TimerId<P>) -> Result<Removed<P>, TimerError> {
        let (at, payload) = self.own(id)?;
        let due = self.due(id);
        self.kernel.unlink_timer(id.key.index);
        let due = self.kernel.instant(due);
        let entry = self.kernel.entry(at);
        Ok(Removed { event: entry.name, due, payload: entry.take::<P, ()>(payload) })
    }

    /// Removes all timers of this session and returns their number (POE's `alarm_remove_all`).
    /// O(log timers) for each.
    pub fn alarm_remove_all(&mut self) -> usize {
        self.kernel.remove_all_timers(self.me)
    }

    #[track_caller]
    fn replace<P: 'static>(&mut self, event: Event<P>, due: u64, payload: P) {
        if let Some(at) = self.mine(event) {
            self.clear(at);
            self.set_at(event, at, due, payload);
        }
    }

    fn clear(&mut self, at: HandlerRef) -> bool {
        let mut was_set = false;
        while let Some(index) = self.kernel.first_timer(self.me, at) {
            self.kernel.discard_timer(index);
            was_set = true;
        }
        was_set
    }

    #[track_caller]
    fn set<P: 'static>(&mut self, event: Event<P>, due: u64, payload: P) -> TimerId<P> {
        let at = self.mine(event);
        let key = at.map_or(Key::NONE, |at| self.set_at(event, at, due, payload));
        TimerId { key, payload: PhantomData }
    }

    #[track_caller]
    fn set_at<P: 'static>(&mut self, event: Event<P>, at: HandlerRef, due: u64, payload: P) -> Key {
        let most = self.kernel.limits.timers;
        assert!(self.kernel.timers.len() < most, "`{event:?}` is one timer too many: {most}");
        let payload = self.kernel.store_payload::<P, ()>(at, payload);
        self.kernel.link_timer(self.me, at, due, payload)
    }

    fn due_after(&self, after: Duration) -> u64 {
        self.kernel.nanos(self.now()).saturating_add(nanos(after))
    }

    /// The due time of a timer that is set; now if it is overdue.
    fn due<P>(&self, id: TimerId<P>) -> u64 {
        self.kernel.timers.due(id.key.index).max(self.kernel.nanos(self.now()))
    }

    fn move_to<P>(&mut self, id: TimerId<P>, due: u64) {
        let now = self.kernel.nanos(self.now());
        self.kernel.timers.move_to(id.key.index, due, now);
    }

    /// Checks that a timer can be moved: it is set, and its session has not stopped.
    fn own_to_move<P>(&mut self, id: TimerId<P>) -> Result<(), TimerError> {
        self.own(id)?;
        if self.exists(self.me) { Ok(()) } else { Err(TimerError::Stopped) }
    }

    fn own<P>(&mut self, id: TimerId<P>) -> Result<(HandlerRef, u32), TimerError> {
        match self.kernel.timers.find(id.key).ok_or(TimerError::Gone)?.target {
            TimerTarget::Event { to, at, payload } if to == self.me => Ok((at, payload)),
            _ => Err(TimerError::NotMine),
        }
    }
}
