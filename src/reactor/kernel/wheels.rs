//! How wheels are mounted, run and unmounted.

use crate::reactor::cx::Cx;
use crate::reactor::ids::{NO_TIMER, NO_WHEEL, SessionId, WheelToken};
use crate::reactor::kernel::Kernel;
use crate::reactor::kernel::dispatch::Running;
use crate::reactor::net::Readiness;
use crate::reactor::tables::wheels::WheelState;
use std::time::{Duration, SystemTime};

/// The functions of a type of wheel, with the type erased.
pub(in crate::reactor) struct WheelVTable {
    pub(in crate::reactor) run: fn(&mut Cx<'_>, WheelToken, Readiness),
    pub(in crate::reactor) orphaned: fn(&mut Kernel, WheelState, SystemTime),
    /// Drops the state of a wheel that was removed from the table.
    pub(in crate::reactor) discard: fn(&mut Kernel, WheelState),
}

impl Kernel {
    /// Adds a wheel whose state is not built yet.
    pub(in crate::reactor) fn mount<W: 'static>(
        &mut self,
        owner: SessionId,
        vtable: &'static WheelVTable,
    ) -> WheelToken {
        let slot = self.slots.find(owner);
        let next = slot.as_ref().map_or(NO_WHEEL, |slot| slot.first_wheel);
        let wheel = self.wheels.insert::<W>(owner, next, vtable);
        if let Some(slot) = slot {
            slot.refs += 1;
            slot.first_wheel = wheel.index;
        }
        wheel
    }

    /// Stores a wheel's state, unless it has been unmounted or its owner has stopped.
    pub(in crate::reactor) fn set_state<W: 'static>(&mut self, wheel: WheelToken, state: W) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        let (owner, at) = (mounted.owner, mounted.state);
        self.wheels.put_state(at, state);
        if !self.slots.is_live(owner) {
            self.unmount::<W>(wheel);
        }
    }

    pub(in crate::reactor) fn permits(&mut self, wheel: WheelToken) -> Option<&mut u32> {
        self.wheels.find(wheel).map(|mounted| &mut mounted.permits)
    }

    /// A permit of a wheel was dropped: runs the wheel.
    pub(in crate::reactor) fn release_permit(&mut self, wheel: WheelToken) {
        if let Some(permits) = self.permits(wheel) {
            *permits -= 1;
            self.wake_wheel(wheel, Readiness::RELEASED);
        }
    }

    /// Runs a wheel in the next turn, once for all reasons until then.
    pub(in crate::reactor) fn wake_wheel(&mut self, wheel: WheelToken, ready: Readiness) {
        self.wheels.wake(wheel, ready);
    }

    /// A name that a wheel asked for has been resolved. The result is dropped if the wheel is gone.
    pub(in crate::reactor) fn wake_resolved(&mut self, wheel: WheelToken) {
        if !self.wheels.wake(wheel, Readiness::RESOLVED) {
            self.net.resolved(wheel.token());
        }
    }

    pub(in crate::reactor) fn run_next_wheel(&mut self) {
        if let Some((wheel, ready)) = self.wheels.next_ready() {
            self.run_wheel(wheel, ready);
        }
    }

    /// Runs a wheel. If it panics, its owner ends too.
    pub(in crate::reactor) fn run_wheel(&mut self, wheel: WheelToken, ready: Readiness) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        let (owner, run) = (mounted.owner, mounted.vtable.run);
        if self.catch_panic(owner, Running::Wheel, |cx| run(cx, wheel, ready)).is_some() {
            self.end_if_stopping(owner);
        } else {
            self.unmount_and_drop(wheel);
            self.end(owner);
        }
    }

    /// Runs a wheel after `after`; replaces its earlier timer.
    pub(in crate::reactor) fn delay_wheel(&mut self, wheel: WheelToken, after: Duration) {
        self.clear_wheel_timer(wheel);
        if self.wheels.find(wheel).is_some() {
            let timer = self.set_wheel_timer(wheel, after);
            self.wheels.find(wheel).expect("found above").timer = timer;
        }
    }

    pub(in crate::reactor) fn wheel_timer_fired(&mut self, wheel: WheelToken) {
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.timer = NO_TIMER;
        }
    }

    pub(in crate::reactor) fn clear_wheel_timer(&mut self, wheel: WheelToken) {
        if let Some(mounted) = self.wheels.find(wheel) {
            let timer = std::mem::replace(&mut mounted.timer, NO_TIMER);
            if timer != NO_TIMER {
                self.timers.remove(timer);
            }
        }
    }

    /// Unmounts a wheel and returns its state, if it was built.
    pub(in crate::reactor) fn unmount<W: 'static>(&mut self, wheel: WheelToken) -> Option<W> {
        let state = self.detach(wheel)?;
        self.wheels.take_state(state)
    }

    /// Removes a wheel from the tables, with the result of its name lookup, and leaves its state to
    /// the caller.
    fn detach(&mut self, wheel: WheelToken) -> Option<WheelState> {
        self.clear_wheel_timer(wheel);
        let (owner, next) = self.wheels.find(wheel).map(|mounted| (mounted.owner, mounted.next))?;
        if let Some(slot) = self.slots.find(owner) {
            if slot.first_wheel == wheel.index {
                slot.first_wheel = next;
            } else {
                self.wheels.unlink(slot.first_wheel, wheel.index, next);
            }
        }
        self.release(owner);
        self.net.resolved(wheel.token());
        Some(self.wheels.remove(wheel))
    }

    fn unmount_and_drop(&mut self, wheel: WheelToken) {
        if let Some(mounted) = self.wheels.find(wheel) {
            let (owner, discard, state) = (mounted.owner, mounted.vtable.discard, mounted.state);
            self.detach(wheel);
            self.dropping(owner, |kernel| discard(kernel, state));
        }
    }

    /// Informs the wheels of a session that has panicked, so that they can send a last answer.
    pub(in crate::reactor) fn orphan_all(&mut self, id: SessionId) {
        let mut index = self.slots.find(id).map_or(NO_WHEEL, |slot| slot.first_wheel);
        while index != NO_WHEEL {
            let mounted = self.wheels.at(index);
            let (next, orphaned, state) = (mounted.next, mounted.vtable.orphaned, mounted.state);
            let date = self.date;
            // A wheel cannot reach the kernel here, so the list does not change.
            self.dropping(id, |kernel| orphaned(kernel, state, date));
            index = next;
        }
    }

    pub(in crate::reactor) fn unmount_all(&mut self, id: SessionId) {
        while let Some(slot) = self.slots.find(id)
            && slot.first_wheel != NO_WHEEL
        {
            let wheel = self.wheels.token(slot.first_wheel);
            self.unmount_and_drop(wheel);
        }
    }
}
