//! The verbs of time: delays are relative, alarms absolute, and both are timers.
//!
//! Names and ids may be mixed, as in POE: `delay` and `delay_clear` go by an event's name and clear
//! every timer of it however it was set; `delay_set` gives an id that moves or removes that one.
//! Timers never touch posts of the same name. A timer keeps its session alive.

use super::cx::Cx;
use super::error::TimerError;
use super::event::Event;
use super::kernel::Kernel;
use super::mounts::RawWheel;
use super::session::{At, SessionId};
use super::timers::{Key, Node};
use super::wheel::Ready;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// A timer's id, with the type of what it carries.
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
    /// When it would have.
    pub due: Instant,
    /// What it carried.
    pub payload: P,
}

/// A move of a timer relative to when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// So much earlier, at the earliest at once.
    Earlier(Duration),
    /// So much later.
    Later(Duration),
}

/// What a timer does, and its links: the timers of a session for one handler are a list, and the
/// first ones of these lists are a list.
#[derive(Debug)]
pub(super) struct Timer {
    what: What,
    before: u32,
    after: u32,
    /// The first timer of the session's next list, where this is the first one of its own.
    next_list: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Event { to: SessionId, at: At, payload: u32 },
    Wheel(RawWheel),
}

/// The end of a list.
pub(super) const NO_TIMER: u32 = u32::MAX;

impl Cx<'_> {
    /// Posts `payload` to this session after `after`, in place of every timer of that event (POE's
    /// `delay`). O(log timers).
    ///
    /// # Panics
    /// When this kind has no handler for the event, or when there are as many timers as there may
    /// be.
    #[track_caller]
    pub fn delay<P: 'static>(&mut self, event: Event<P>, after: Duration, payload: P) {
        let due = self.due_after(after);
        self.replace(event, due, payload);
    }

    /// Clears every timer of that event; whether there was one. O(log timers) for each.
    ///
    /// # Panics
    /// When this kind has no handler for the event.
    #[track_caller]
    pub fn delay_clear<P: 'static>(&mut self, event: Event<P>) -> bool {
        self.mine(event).is_some_and(|at| self.clear(at))
    }

    /// Posts `payload` to this session after `after`, beside other timers of that event. O(log
    /// timers).
    ///
    /// # Panics
    /// As [`delay`](Cx::delay).
    #[track_caller]
    pub fn delay_add<P: 'static>(&mut self, event: Event<P>, after: Duration, payload: P) {
        let due = self.due_after(after);
        self.set(event, due, payload);
    }

    /// As [`delay_add`](Cx::delay_add), with an id for the timer. O(log timers).
    ///
    /// # Panics
    /// As [`delay`](Cx::delay), and when the session has stopped.
    #[track_caller]
    pub fn delay_set<P: 'static>(
        &mut self,
        event: Event<P>,
        after: Duration,
        payload: P,
    ) -> TimerId<P> {
        let due = self.due_after(after);
        let key = self.set(event, due, payload);
        let key = key.unwrap_or_else(|| panic!("a stopped session sets no timer for `{event:?}`"));
        TimerId { key, payload: PhantomData }
    }

    /// Moves a timer to `after` from now; when that is. The watchdog's verb. O(log timers).
    pub fn delay_adjust<P: 'static>(
        &mut self,
        id: TimerId<P>,
        after: Duration,
    ) -> Result<Instant, TimerError> {
        self.own(id)?;
        let due = self.due_after(after);
        self.kernel.timers.move_to(id.key.index, due);
        Ok(self.kernel.instant(due))
    }

    /// Posts `payload` to this session at `at`, in place of every timer of that event. A time that
    /// has passed means now. O(log timers).
    ///
    /// # Panics
    /// As [`delay`](Cx::delay).
    #[track_caller]
    pub fn alarm<P: 'static>(&mut self, event: Event<P>, at: Instant, payload: P) {
        let due = self.due_at(self.kernel.nanos(at));
        self.replace(event, due, payload);
    }

    /// Posts `payload` to this session at `at`, beside other timers of that event. O(log timers).
    ///
    /// # Panics
    /// As [`delay`](Cx::delay).
    #[track_caller]
    pub fn alarm_add<P: 'static>(&mut self, event: Event<P>, at: Instant, payload: P) {
        let due = self.due_at(self.kernel.nanos(at));
        self.set(event, due, payload);
    }

    /// As [`alarm_add`](Cx::alarm_add), with an id for the timer. O(log timers).
    ///
    /// # Panics
    /// As [`delay_set`](Cx::delay_set).
    #[track_caller]
    pub fn alarm_set<P: 'static>(
        &mut self,
        event: Event<P>,
        at: Instant,
        payload: P,
    ) -> TimerId<P> {
        let due = self.due_at(self.kernel.nanos(at));
        let key = self.set(event, due, payload);
        let key = key.unwrap_or_else(|| panic!("a stopped session sets no timer for `{event:?}`"));
        TimerId { key, payload: PhantomData }
    }

    /// Moves a timer relative to when it is due; when that is now. It goes behind those that are
    /// due at that time already; a move by nothing leaves it where it is. O(log timers).
    pub fn alarm_adjust<P: 'static>(
        &mut self,
        id: TimerId<P>,
        by: Shift,
    ) -> Result<Instant, TimerError> {
        self.own(id)?;
        let was = self.kernel.timers.due(id.key.index);
        let due = match by {
            Shift::Earlier(by) => self.due_at(was.saturating_sub(nanos(by))),
            Shift::Later(by) => self.due_at(was.saturating_add(nanos(by))),
        };
        if due != was {
            self.kernel.timers.move_to(id.key.index, due);
        }
        Ok(self.kernel.instant(due))
    }

    /// Removes a timer, however it was set by id, and gives back what it carried. O(log timers).
    pub fn alarm_remove<P: 'static>(&mut self, id: TimerId<P>) -> Result<Removed<P>, TimerError> {
        let (at, payload) = self.own(id)?;
        let due = self.kernel.timers.due(id.key.index);
        self.kernel.unlink_timer(id.key.index);
        let due = self.kernel.instant(due);
        let entry = self.kernel.entry(at);
        Ok(Removed { event: entry.name, due, payload: entry.take::<P, ()>(payload) })
    }

    /// Removes every timer of this session; how many there were. O(log timers) for each.
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

    fn clear(&mut self, at: At) -> bool {
        let mut was_set = false;
        while let Some(index) = self.kernel.first_timer(self.me, at) {
            self.kernel.discard_timer(index);
            was_set = true;
        }
        was_set
    }

    #[track_caller]
    fn set<P: 'static>(&mut self, event: Event<P>, due: u64, payload: P) -> Option<Key> {
        let at = self.mine(event)?;
        Some(self.set_at(event, at, due, payload))
    }

    #[track_caller]
    fn set_at<P: 'static>(&mut self, event: Event<P>, at: At, due: u64, payload: P) -> Key {
        let most = self.kernel.limits.timers;
        assert!(self.kernel.timers.len() < most, "`{event:?}` is one timer too many: {most}");
        let payload = self.kernel.entry(at).keep::<P, ()>(payload);
        self.kernel.link_timer(self.me, at, due, payload)
    }

    fn due_after(&self, after: Duration) -> u64 {
        self.kernel.nanos(self.now()).saturating_add(nanos(after))
    }

    /// A due time that is not before now: what is set or moved in a turn comes behind all that is
    /// due in it, and a session that sets itself overdue timers for ever keeps nobody from theirs.
    fn due_at(&self, due: u64) -> u64 {
        due.max(self.kernel.nanos(self.now()))
    }

    fn own<P>(&mut self, id: TimerId<P>) -> Result<(At, u32), TimerError> {
        match self.kernel.timers.find(id.key).ok_or(TimerError::Gone)?.what {
            What::Event { to, at, payload } if to == self.me => Ok((at, payload)),
            _ => Err(TimerError::NotMine),
        }
    }
}

impl Kernel {
    /// Fires the timers that are due and were set before this turn's `newest`, each straight from
    /// its place, so that a handler can still clear the ones after it.
    pub(super) fn fire_timers(&mut self, newest: u64) {
        let now = self.nanos(self.now());
        while let Some(Node { due, sequence, entry: index }) = self.timers.first() {
            if due > now || sequence > newest {
                break;
            }
            self.stats.timer_lag.record(now - due);
            match self.timers.at(index).what {
                What::Event { to, at, payload } => {
                    self.retain(to); // until it has run: unlinking lets go of it
                    self.unlink_timer(index);
                    self.run_kept(to, to, at, payload);
                    self.let_go(to);
                }
                What::Wheel(wheel) => {
                    self.timers.remove(index);
                    self.wheel_timer_fired(wheel);
                    self.run_wheel(wheel, Ready::TIMER);
                }
            }
        }
    }

    /// Sets a wheel's timer; the wheel keeps the key and is run when it is due.
    pub(super) fn set_wheel_timer(&mut self, wheel: RawWheel, after: Duration) -> u32 {
        let due = self.nanos(self.now()).saturating_add(nanos(after));
        let timer = Timer {
            what: What::Wheel(wheel),
            before: NO_TIMER,
            after: NO_TIMER,
            next_list: NO_TIMER,
        };
        self.timers.insert(due, timer).index
    }

    pub(super) fn remove_all_timers(&mut self, id: SessionId) -> usize {
        let mut removed = 0;
        while let Some(slot) = self.slots.find(id)
            && slot.first_timer != NO_TIMER
        {
            let first = slot.first_timer;
            self.discard_timer(first);
            removed += 1;
        }
        removed
    }

    /// The first timer of a handler. O(handlers of the session that have timers).
    fn first_timer(&self, id: SessionId, at: At) -> Option<u32> {
        let mut first = self.slots.get(id)?.first_timer;
        while first != NO_TIMER {
            let timer = self.timers.get(first);
            match timer.what {
                What::Event { at: own, .. } if own.handler == at.handler => return Some(first),
                _ => first = timer.next_list,
            }
        }
        None
    }

    /// Sets a timer and puts it at the front of its handler's list.
    fn link_timer(&mut self, id: SessionId, at: At, due: u64, payload: u32) -> Key {
        self.retain(id);
        let what = What::Event { to: id, at, payload };
        let (before, after) = (NO_TIMER, self.first_timer(id, at).unwrap_or(NO_TIMER));
        let next_list = if after == NO_TIMER {
            self.slots.find(id).map_or(NO_TIMER, |slot| slot.first_timer)
        } else {
            self.timers.get(after).next_list
        };
        let key = self.timers.insert(due, Timer { what, before, after, next_list });
        if after == NO_TIMER {
            self.slots.find(id).expect("a live session sets a timer").first_timer = key.index;
        } else {
            self.timers.at(after).before = key.index;
            self.relink_list(id, after, key.index);
        }
        key
    }

    /// Removes a session's timer and leaves its payload to the caller.
    fn unlink_timer(&mut self, index: u32) {
        let Timer { what, before, after, next_list } = self.timers.remove(index);
        let What::Event { to, .. } = what else { unreachable!("a wheel's timer has no links") };
        if after != NO_TIMER {
            let after = self.timers.at(after);
            (after.before, after.next_list) = (before, next_list);
        }
        if before == NO_TIMER {
            self.relink_list(to, index, if after == NO_TIMER { next_list } else { after });
        } else {
            self.timers.at(before).after = after;
        }
        self.let_go(to);
    }

    /// Has what leads to the list that began with one timer lead to another.
    fn relink_list(&mut self, id: SessionId, from: u32, to: u32) {
        let slot = self.slots.find(id).expect("a timer goes with its session");
        if slot.first_timer == from {
            slot.first_timer = to;
            return;
        }
        let mut list = slot.first_timer;
        while self.timers.get(list).next_list != from {
            list = self.timers.get(list).next_list;
        }
        self.timers.at(list).next_list = to;
    }

    fn discard_timer(&mut self, index: u32) {
        let What::Event { to, at, payload } = self.timers.at(index).what else {
            unreachable!("a session's list holds its own timers")
        };
        self.unlink_timer(index);
        self.discard(to, at, payload);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
