//! The table of wheels, with their states.

use super::arena::{AnyArena, Arena, ArenaKey};
use crate::reactor::ids::{NO_TIMER, NO_WHEEL, SessionId, WheelToken};
use crate::reactor::net::Readiness;
use crate::reactor::shrink::ShrinkableTable;
use slab::Slab;
use std::any::{Any, TypeId};
use std::collections::VecDeque;

/// Where the state of a wheel is: which arena, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) struct WheelState {
    arena: u32,
    key: ArenaKey,
}

/// Every mounted wheel, and the wheels with a reason to run. `V` is the vtable of a type of wheel.
pub(in crate::reactor) struct Wheels<V: 'static> {
    mounted: Slab<Mounted<V>>,
    /// The states, in an arena for each type.
    arenas: Vec<(TypeId, Box<dyn AnyArena>)>,
    generation: u32,
    ready: VecDeque<WheelToken>,
}

pub(in crate::reactor) struct Mounted<V: 'static> {
    generation: u32,
    pub(in crate::reactor) owner: SessionId,
    /// The next wheel of the same owner.
    pub(in crate::reactor) next: u32,
    pub(in crate::reactor) timer: u32,
    /// The number of its permits that were not dropped.
    pub(in crate::reactor) permits: u32,
    ready: Readiness,
    is_queued: bool,
    pub(in crate::reactor) vtable: &'static V,
    pub(in crate::reactor) state: WheelState,
}

impl<V> Default for Wheels<V> {
    fn default() -> Self {
        Wheels { mounted: Slab::new(), arenas: vec![], generation: 0, ready: VecDeque::new() }
    }
}

impl<V> Wheels<V> {
    pub(in crate::reactor) fn len(&self) -> usize {
        self.mounted.len()
    }

    pub(in crate::reactor) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Releases the capacity after the last wheel. O(capacity).
    pub(in crate::reactor) fn shrink(&mut self) {
        self.mounted.shrink();
        self.ready.shrink();
        for (_, arena) in &mut self.arenas {
            arena.shrink();
        }
    }

    /// Returns true if there is capacity for more wheels than a kernel keeps it for.
    pub(in crate::reactor) fn is_large(&self) -> bool {
        self.mounted.is_large()
    }

    /// Releases what many wheels took. Returns true if some table is still longer than a block.
    pub(in crate::reactor) fn tidy(&mut self) -> bool {
        let mut is_large = self.mounted.tidy() | self.ready.tidy();
        for (_, arena) in &mut self.arenas {
            is_large |= arena.tidy();
        }
        is_large
    }

    /// Adds a wheel whose state is not built yet, at the front of its owner's list, which began
    /// with `next`.
    pub(in crate::reactor) fn insert<W: 'static>(
        &mut self,
        owner: SessionId,
        next: u32,
        vtable: &'static V,
    ) -> WheelToken {
        let state = self.reserve::<W>();
        self.insert_mounted(owner, next, vtable, state)
    }

    /// The part that does not depend on the type of the wheel, so that it exists once.
    fn insert_mounted(
        &mut self,
        owner: SessionId,
        next: u32,
        vtable: &'static V,
        state: WheelState,
    ) -> WheelToken {
        // A generation is half of a token. Its top bit is left for tokens that are not wheels'.
        self.generation = (self.generation + 1) % (u32::MAX >> 1);
        let generation = self.generation;
        self.mounted.reserve_one();
        let index = self.mounted.insert(Mounted {
            generation,
            owner,
            next,
            timer: NO_TIMER,
            permits: 0,
            ready: Readiness::default(),
            is_queued: false,
            vtable,
            state,
        }) as u32;
        WheelToken { index, generation }
    }

    /// Removes a wheel and returns where its state is.
    pub(in crate::reactor) fn remove(&mut self, wheel: WheelToken) -> WheelState {
        self.mounted.remove(wheel.index as usize).state
    }

    pub(in crate::reactor) fn find(&mut self, wheel: WheelToken) -> Option<&mut Mounted<V>> {
        self.mounted
            .get_mut(wheel.index as usize)
            .filter(|mounted| mounted.generation == wheel.generation)
    }

    /// The wheel at an index of its owner's list.
    pub(in crate::reactor) fn at(&mut self, index: u32) -> &mut Mounted<V> {
        &mut self.mounted[index as usize]
    }

    /// The token of the wheel at an index of its owner's list.
    pub(in crate::reactor) fn token(&self, index: u32) -> WheelToken {
        WheelToken { index, generation: self.mounted[index as usize].generation }
    }

    /// Removes a wheel from a list of its owner that does not begin with it.
    pub(in crate::reactor) fn unlink(&mut self, first: u32, wheel: u32, next: u32) {
        let mut before = first;
        while self.at(before).next != wheel {
            before = self.at(before).next;
        }
        debug_assert_ne!(before, NO_WHEEL, "an owner's list has all of its wheels");
        self.at(before).next = next;
    }

    /// Adds a reason to run a wheel, and queues it if it has none yet. Returns false if it is gone.
    pub(in crate::reactor) fn wake(&mut self, wheel: WheelToken, ready: Readiness) -> bool {
        let Some(mounted) = self.find(wheel) else { return false };
        mounted.ready = mounted.ready | ready;
        if !std::mem::replace(&mut mounted.is_queued, true) {
            self.ready.reserve_one();
            self.ready.push_back(wheel);
        }
        true
    }

    /// The next wheel with a reason to run, and its reasons; `None` for a wheel that is gone since.
    pub(in crate::reactor) fn next_ready(&mut self) -> Option<(WheelToken, Readiness)> {
        let wheel = self.ready.pop_front()?;
        let mounted = self.find(wheel)?;
        mounted.is_queued = false;
        Some((wheel, std::mem::take(&mut mounted.ready)))
    }

    /// The state of a wheel, if it was built.
    pub(in crate::reactor) fn state<W: 'static>(&mut self, wheel: WheelToken) -> Option<&mut W> {
        let WheelState { arena, key } = self.find(wheel)?.state;
        self.arena(arena).value(key)
    }

    /// The same, for a wheel that may have been removed from the table.
    pub(in crate::reactor) fn state_at<W: 'static>(&mut self, state: WheelState) -> Option<&mut W> {
        self.arena(state.arena).value(state.key)
    }

    pub(in crate::reactor) fn put_state<W: 'static>(&mut self, at: WheelState, state: W) {
        self.arena(at.arena).put(at.key, state);
    }

    pub(in crate::reactor) fn take_state<W: 'static>(&mut self, state: WheelState) -> Option<W> {
        self.arena(state.arena).remove(state.key)
    }

    fn arena<W: 'static>(&mut self, arena: u32) -> &mut Arena<W> {
        let any = self.arenas[arena as usize].1.as_any();
        any.downcast_mut().expect("a state is asked for with the type of its wheel")
    }

    /// Reserves a slot for the state of a wheel of this type.
    fn reserve<W: 'static>(&mut self) -> WheelState {
        let known = self.arenas.iter().position(|(of, _)| *of == TypeId::of::<W>());
        let arena = known.unwrap_or_else(|| {
            self.arenas.push((TypeId::of::<W>(), Box::new(Arena::<W>::new())));
            self.arenas.len() - 1
        }) as u32;
        WheelState { arena, key: self.arena::<W>(arena).reserve() }
    }
}

/// Objects that all wheels of a kernel share, such as a buffer to read into.
#[derive(Default)]
pub(in crate::reactor) struct Scratch(Vec<Box<dyn Any>>);

impl Scratch {
    #[expect(clippy::unnecessary_box_returns, reason = "the wheels share the allocation")]
    pub(in crate::reactor) fn take<T: Default + 'static>(&mut self) -> Box<T> {
        match self.0.iter().position(|object| object.is::<T>()) {
            Some(at) => self.0.swap_remove(at).downcast().unwrap_or_default(),
            None => Box::default(),
        }
    }

    /// Drops the objects that no wheel uses now.
    pub(in crate::reactor) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps one object per type; a second one that is returned is dropped.
    pub(in crate::reactor) fn put_back<T: 'static>(&mut self, object: Box<T>) {
        if !self.0.iter().any(|kept| kept.is::<T>()) {
            self.0.push(object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_takes_little_next_to_its_state() {
        assert!(size_of::<Mounted<()>>() <= 48, "{}", size_of::<Mounted<()>>());
    }

    #[test]
    fn a_token_of_a_removed_wheel_finds_no_later_one() {
        let mut wheels = Wheels::<()>::default();
        let owner = SessionId::KERNEL;
        let first = wheels.insert::<u8>(owner, NO_WHEEL, &());
        let state = wheels.remove(first);
        assert_eq!(wheels.take_state::<u8>(state), None, "it was never built");
        let second = wheels.insert::<u8>(owner, NO_WHEEL, &());
        assert_eq!(first.index, second.index);
        assert!(wheels.find(first).is_none() && wheels.find(second).is_some());
        assert!(!wheels.wake(first, Readiness::AGAIN));
    }

    #[test]
    fn the_reasons_of_a_wheel_come_together() {
        let mut wheels = Wheels::<()>::default();
        let wheel = wheels.insert::<u8>(SessionId::KERNEL, NO_WHEEL, &());
        wheels.wake(wheel, Readiness::READABLE);
        wheels.wake(wheel, Readiness::TIMER);
        let both = Readiness::READABLE | Readiness::TIMER;
        assert_eq!(wheels.next_ready(), Some((wheel, both)));
        assert_eq!(wheels.next_ready(), None);
    }
}
