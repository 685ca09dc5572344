//! A session's timers: how they are linked with the session, and how they fire.

use crate::reactor::ids::{HandlerRef, NO_TIMER, SessionId, WheelToken};
use crate::reactor::kernel::{Kernel, nanos};
use crate::reactor::net::Readiness;
use crate::reactor::tables::timers::{Key, Node};
use std::time::Duration;

/// The target of a timer, and its links. The timers of one session and one handler are a list, and
/// the heads of these lists are a list.
#[derive(Debug)]
pub(in crate::reactor) struct SessionTimer {
    pub(in crate::reactor) target: TimerTarget,
    before: u32,
    after: u32,
    /// If this timer is the head of its list: the head of the session's next list.
    next_list: u32,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::reactor) enum TimerTarget {
    Event { to: SessionId, at: HandlerRef, payload: u32 },
    Wheel(WheelToken),
}

impl Kernel {
    /// Fires the timers that are due and were set before this turn's `newest`. Each is taken out
    /// when it fires, so that a handler can still clear later ones.
    pub(in crate::reactor) fn fire_timers(&mut self, newest: u64) {
        let now = self.nanos(self.now());
        while let Some(node) = self.timers.first() {
            let Node { due, sequence, entry: index, was_overdue } = node;
            if due > now || sequence > newest {
                break;
            }
            // A timer that was overdue when it was set does not show how late the kernel is.
            self.stats.timer_lag.record(if was_overdue { 0 } else { now - due });
            match self.timers.at(index).target {
                TimerTarget::Event { to, at, payload } => {
                    self.retain(to); // until it has run, because unlinking releases it
                    self.unlink_timer(index);
                    self.run_stored(to, to, at, payload);
                    self.release(to);
                }
                TimerTarget::Wheel(wheel) => {
                    self.timers.remove(index);
                    self.wheel_timer_fired(wheel);
                    self.run_wheel(wheel, Readiness::TIMER);
                }
            }
        }
    }

    /// Sets a wheel's timer. The wheel stores the index, and runs when the timer is due.
    pub(in crate::reactor) fn set_wheel_timer(
        &mut self,
        wheel: WheelToken,
        after: Duration,
    ) -> u32 {
        let now = self.nanos(self.now());
        let timer = SessionTimer {
            target: TimerTarget::Wheel(wheel),
            before: NO_TIMER,
            after: NO_TIMER,
            next_list: NO_TIMER,
        };
        self.timers.insert(now.saturating_add(nanos(after)), now, timer).index
    }

    pub(in crate::reactor) fn remove_all_timers(&mut self, id: SessionId) -> usize {
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
    pub(in crate::reactor) fn first_timer(&self, id: SessionId, at: HandlerRef) -> Option<u32> {
        let mut first = self.slots.get(id)?.first_timer;
        while first != NO_TIMER {
            let timer = self.timers.get(first);
            match timer.target {
                TimerTarget::Event { at: own, .. } if own.handler == at.handler => {
                    return Some(first);
                }
                _ => first = timer.next_list,
            }
        }
        None
    }

    /// Sets a timer and puts it at the front of its handler's list.
    pub(in crate::reactor) fn link_timer(
        &mut self,
        id: SessionId,
        at: HandlerRef,
        due: u64,
        payload: u32,
    ) -> Key {
        self.retain(id);
        let target = TimerTarget::Event { to: id, at, payload };
        let (before, after) = (NO_TIMER, self.first_timer(id, at).unwrap_or(NO_TIMER));
        let next_list = if after == NO_TIMER {
            self.slots.find(id).map_or(NO_TIMER, |slot| slot.first_timer)
        } else {
            self.timers.get(after).next_list
        };
        let now = self.nanos(self.now());
        let key = self.timers.insert(due, now, SessionTimer { target, before, after, next_list });
        if after == NO_TIMER {
            self.slots.find(id).expect("a live session sets a timer").first_timer = key.index;
        } else {
            self.timers.at(after).before = key.index;
            self.relink_list(id, after, key.index);
        }
        key
    }

    /// Removes a session's timer and leaves its payload to the caller.
    pub(in crate::reactor) fn unlink_timer(&mut self, index: u32) {
        let SessionTimer { target, before, after, next_list } = self.timers.remove(index);
        let TimerTarget::Event { to, .. } = target else {
            unreachable!("a wheel's timer has no links")
        };
        if after != NO_TIMER {
            let after = self.timers.at(after);
            (after.before, after.next_list) = (before, next_list);
        }
        if before == NO_TIMER {
            self.relink_list(to, index, if after == NO_TIMER { next_list } else { after });
        } else {
            self.timers.at(before).after = after;
        }
        self.release(to);
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

    pub(in crate::reactor) fn discard_timer(&mut self, index: u32) {
        let TimerTarget::Event { to, at, payload } = self.timers.at(index).target else {
            unreachable!("a session's list holds its own timers")
        };
        self.unlink_timer(index);
        self.discard(to, at, payload);
    }
}
