//! The table of wheels, and how one is run.

use super::cx::{Cx, Running};
use super::kernel::Kernel;
use super::room::Room;
use super::session::SessionId;
use super::shelf::{Place, Shelf};
use super::timing::NO_TIMER;
use super::wheel::Ready;
use slab::Slab;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A wheel's place, with its type erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawWheel {
    index: u32,
    generation: u32,
}

pub(super) const NO_WHEEL: u32 = u32::MAX;

impl RawWheel {
    /// The number under which its sockets are registered.
    pub(super) fn token(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    pub(super) fn of_token(token: usize) -> Self {
        RawWheel { index: token as u32, generation: (token >> 32) as u32 }
    }
}

/// What a kind of wheel does, with its type erased.
pub(super) struct Verbs {
    pub(super) run: fn(&mut Cx<'_>, RawWheel, Ready),
    pub(super) orphaned: fn(&mut Kernel, State, SystemTime),
    /// Drops a state that is in no table any more.
    pub(super) discard: fn(&mut Kernel, State),
    /// Gives back the shelf's room that is not needed.
    pub(super) shrink: fn(&mut dyn Any),
    /// Gives back what many wheels took; see [`Room::tidy`].
    pub(super) tidy: fn(&mut dyn Any) -> bool,
}

/// Where the state of a wheel is: among the shelves, and on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    shelf: u32,
    place: Place,
}

impl fmt::Display for RawWheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Every mounted wheel, and those that have something to do.
#[derive(Default)]
pub(super) struct Wheels {
    mounted: Slab<Mounted>,
    /// The states, on a shelf for each type.
    shelves: Vec<(Box<dyn Any>, &'static Verbs)>,
    generation: u32,
    ready: VecDeque<RawWheel>,
}

struct Mounted {
    generation: u32,
    owner: SessionId,
    /// The next wheel of the same owner.
    next: u32,
    timer: u32,
    /// How many permits that it gave out are still there.
    permits: u32,
    ready: Ready,
    queued: bool,
    verbs: &'static Verbs,
    state: State,
}

impl Wheels {
    pub(super) fn len(&self) -> usize {
        self.mounted.len()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Gives back the room behind the last wheel. O(room).
    pub(super) fn shrink(&mut self) {
        self.mounted.give_back();
        self.ready.give_back();
        for (shelf, verbs) in &mut self.shelves {
            (verbs.shrink)(&mut **shelf);
        }
    }

    /// Returns true if there is room for more wheels than a kernel keeps it for.
    pub(super) fn is_large(&self) -> bool {
        self.mounted.is_large()
    }

    /// Gives back what many wheels took. Returns true if some table is still longer than a block.
    pub(super) fn tidy(&mut self) -> bool {
        let mut is_large = self.mounted.tidy() | self.ready.tidy();
        for (shelf, verbs) in &mut self.shelves {
            is_large |= (verbs.tidy)(&mut **shelf);
        }
        is_large
    }

    /// The state of a wheel, once it has one.
    pub(super) fn state<W: 'static>(&mut self, wheel: RawWheel) -> Option<&mut W> {
        self.find(wheel)?.state.of(self)
    }

    fn shelf<W: 'static>(&mut self, shelf: u32) -> &mut Shelf<W> {
        Shelf::of(&mut *self.shelves[shelf as usize].0)
    }

    /// A place for the state of a wheel of this type.
    fn place<W: 'static>(&mut self, verbs: &'static Verbs) -> State {
        let known = self.shelves.iter().position(|(shelf, _)| shelf.is::<Shelf<W>>());
        let shelf = known.unwrap_or_else(|| {
            self.shelves.push((Shelf::<W>::boxed(), verbs));
            self.shelves.len() - 1
        }) as u32;
        State { shelf, place: self.shelf::<W>(shelf).reserve() }
    }

    fn find(&mut self, wheel: RawWheel) -> Option<&mut Mounted> {
        self.mounted
            .get_mut(wheel.index as usize)
            .filter(|mounted| mounted.generation == wheel.generation)
    }
}

impl State {
    /// The state itself, if it has come.
    pub(super) fn of<W: 'static>(self, wheels: &mut Wheels) -> Option<&mut W> {
        wheels.shelf(self.shelf).value(self.place)
    }

    /// Takes the state off its shelf.
    pub(super) fn take<W: 'static>(self, wheels: &mut Wheels) -> Option<W> {
        wheels.shelf(self.shelf).remove(self.place)
    }
}

impl Kernel {
    /// Makes a place for a wheel, whose state is yet to come.
    pub(super) fn mount<W: 'static>(
        &mut self,
        owner: SessionId,
        verbs: &'static Verbs,
    ) -> RawWheel {
        let wheels = &mut self.wheels;
        let state = wheels.place::<W>(verbs);
        // A generation is half of a token; the top one is left for what is no wheel's.
        wheels.generation = (wheels.generation + 1) % (u32::MAX >> 1);
        let generation = wheels.generation;
        let slot = self.slots.find(owner);
        wheels.mounted.make_room();
        let index = wheels.mounted.insert(Mounted {
            generation,
            owner,
            next: slot.as_ref().map_or(NO_WHEEL, |slot| slot.first_wheel),
            timer: NO_TIMER,
            permits: 0,
            ready: Ready::default(),
            queued: false,
            verbs,
            state,
        }) as u32;
        if let Some(slot) = slot {
            slot.refs += 1;
            slot.first_wheel = index;
        }
        RawWheel { index, generation }
    }

    /// Gives a wheel its state, unless it has been unmounted or its owner has stopped.
    pub(super) fn furnish<W: 'static>(&mut self, wheel: RawWheel, state: W) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        let (owner, State { shelf, place }) = (mounted.owner, mounted.state);
        self.wheels.shelf(shelf).put(place, state);
        if !self.slots.is_live(owner) {
            self.unmount::<W>(wheel);
        }
    }

    pub(super) fn permits(&mut self, wheel: RawWheel) -> Option<&mut u32> {
        self.wheels.find(wheel).map(|mounted| &mut mounted.permits)
    }

    /// Takes back a permit that a wheel gave out, and has the wheel run.
    pub(super) fn release_permit(&mut self, wheel: RawWheel) {
        if let Some(permits) = self.permits(wheel) {
            *permits -= 1;
            self.wake_wheel(wheel, Ready::RELEASED);
        }
    }

    /// Has a wheel run in the next turn. What it was told before it runs comes together.
    pub(super) fn wake_wheel(&mut self, wheel: RawWheel, ready: Ready) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        mounted.ready = mounted.ready.and(ready);
        if !mounted.queued {
            mounted.queued = true;
            self.wheels.ready.make_room();
            self.wheels.ready.push_back(wheel);
        }
    }

    /// Tells a wheel that its name has been resolved; the answer is dropped when it is gone.
    pub(super) fn wake_resolved(&mut self, wheel: RawWheel) {
        if self.wheels.find(wheel).is_some() {
            self.wake_wheel(wheel, Ready::RESOLVED);
        } else {
            self.net.resolved(wheel.token());
        }
    }

    pub(super) fn run_next_wheel(&mut self) {
        let Some(wheel) = self.wheels.ready.pop_front() else { return };
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.queued = false;
            let ready = std::mem::take(&mut mounted.ready);
            self.run_wheel(wheel, ready);
        }
    }

    /// Runs a wheel; one that panics takes its owner with it.
    pub(super) fn run_wheel(&mut self, wheel: RawWheel, ready: Ready) {
        let Some(mounted) = self.wheels.find(wheel) else { return };
        let (owner, run) = (mounted.owner, mounted.verbs.run);
        if self.guarded(owner, Running::Wheel, |cx| run(cx, wheel, ready)).is_some() {
            self.end_if_stopping(owner);
        } else {
            self.unmount_guarded(wheel);
            self.end(owner);
        }
    }

    /// Runs a wheel after `after`, in place of an earlier such wish.
    pub(super) fn delay_wheel(&mut self, wheel: RawWheel, after: Duration) {
        self.clear_wheel_timer(wheel);
        if self.wheels.find(wheel).is_some() {
            let timer = self.set_wheel_timer(wheel, after);
            self.wheels.find(wheel).expect("just seen").timer = timer;
        }
    }

    pub(super) fn wheel_timer_fired(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            mounted.timer = NO_TIMER;
        }
    }

    pub(super) fn clear_wheel_timer(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            let timer = std::mem::replace(&mut mounted.timer, NO_TIMER);
            if timer != NO_TIMER {
                self.timers.remove(timer);
            }
        }
    }

    /// Takes a wheel off; its state, if it had one.
    pub(super) fn unmount<W: 'static>(&mut self, wheel: RawWheel) -> Option<W> {
        self.detach(wheel)?.take(&mut self.wheels)
    }

    /// Takes a wheel out of the tables, together with the answer to its lookup if nobody asked for
    /// it, and leaves its state to the caller.
    fn detach(&mut self, wheel: RawWheel) -> Option<State> {
        self.clear_wheel_timer(wheel);
        let (owner, next) = self.wheels.find(wheel).map(|mounted| (mounted.owner, mounted.next))?;
        if let Some(slot) = self.slots.find(owner) {
            if slot.first_wheel == wheel.index {
                slot.first_wheel = next;
            } else {
                let mut before = slot.first_wheel;
                while self.wheels.mounted[before as usize].next != wheel.index {
                    before = self.wheels.mounted[before as usize].next;
                }
                self.wheels.mounted[before as usize].next = next;
            }
        }
        self.let_go(owner);
        self.net.resolved(wheel.token());
        Some(self.wheels.mounted.remove(wheel.index as usize).state)
    }

    fn unmount_guarded(&mut self, wheel: RawWheel) {
        if let Some(mounted) = self.wheels.find(wheel) {
            let (owner, discard, state) = (mounted.owner, mounted.verbs.discard, mounted.state);
            self.detach(wheel);
            self.dropping(owner, |kernel| discard(kernel, state));
        }
    }

    /// Lets the wheels of a session that has panicked have their last words.
    pub(super) fn orphan_all(&mut self, id: SessionId) {
        let mut index = self.slots.find(id).map_or(NO_WHEEL, |slot| slot.first_wheel);
        while index != NO_WHEEL {
            let Mounted { next, verbs, state, .. } = &self.wheels.mounted[index as usize];
            let (next, orphaned, state) = (*next, verbs.orphaned, *state);
            let date = self.date;
            // A wheel cannot reach the kernel here, so the list stays as it is.
            self.dropping(id, |kernel| orphaned(kernel, state, date));
            index = next;
        }
    }

    pub(super) fn unmount_all(&mut self, id: SessionId) {
        while let Some(slot) = self.slots.find(id)
            && slot.first_wheel != NO_WHEEL
        {
            let index = slot.first_wheel;
            let generation = self.wheels.mounted[index as usize].generation;
            self.unmount_guarded(RawWheel { index, generation });
        }
    }
}

/// What the wheels of a kernel lend each other.
#[derive(Default)]
pub(super) struct Spares(Vec<Box<dyn Any>>);

impl Spares {
    #[expect(clippy::unnecessary_box_returns, reason = "the allocation is what is lent")]
    pub(super) fn take<T: Default + 'static>(&mut self) -> Box<T> {
        match self.0.iter().position(|spare| spare.is::<T>()) {
            Some(at) => self.0.swap_remove(at).downcast().unwrap_or_default(),
            None => Box::default(),
        }
    }

    /// Gives back what is lent to nobody now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// One of a kind is kept: who had one of its own to give back is not soon to want another.
    pub(super) fn give_back<T: 'static>(&mut self, spare: Box<T>) {
        if !self.0.iter().any(|kept| kept.is::<T>()) {
            self.0.push(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mounted;

    #[test]
    fn a_wheel_takes_little_beside_its_state() {
        assert!(size_of::<Mounted>() <= 48, "{}", size_of::<Mounted>());
    }
}
