//! The table of sessions, and what each of them owns.

use crate::reactor::ids::{NO_TIMER, NO_WHEEL, SessionId, WatchRef};
use crate::reactor::shrink::ShrinkableTable;
use std::any::Any;

/// The kernel's data of a session.
pub(in crate::reactor) struct Slot {
    generation: u32,
    pub(in crate::reactor) kind: u32,
    pub(in crate::reactor) phase: Phase,
    /// True if the next sweep checks it.
    pub(in crate::reactor) marked: bool,
    /// True if its panic ends the kernel.
    pub(in crate::reactor) is_essential: bool,
    /// The number of things that can wake it: messages to it and from it, timers, wheels, children
    /// and holds.
    pub(in crate::reactor) refs: u32,
    pub(in crate::reactor) parent: SessionId,
    /// The number of its spawn, so that children end before their parents.
    pub(in crate::reactor) born: u64,
    /// `None` while a handler runs, which borrows it.
    pub(in crate::reactor) heap: Option<Box<dyn Any>>,
    pub(in crate::reactor) first_timer: u32,
    pub(in crate::reactor) first_wheel: u32,
    pub(in crate::reactor) first_watch: WatchRef,
    pub(in crate::reactor) aliases: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) enum Phase {
    Vacant,
    Live,
    /// It has called `stop` or is being stopped: no event reaches it any more.
    Stopping,
}

impl Slot {
    /// Returns true if nothing keeps the session alive, so that the sweep stops it.
    pub(in crate::reactor) fn is_forgotten(&self) -> bool {
        self.phase == Phase::Live
            && self.refs == 0
            && self.first_watch == WatchRef::NONE
            && self.aliases.is_empty()
    }
}

/// Sessions by id. Every verb is O(1).
#[derive(Default)]
pub(in crate::reactor) struct Slots {
    places: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
    born: u64,
    /// The first generation of a new slot: later than any of a slot that was removed.
    generation: u32,
}

impl Slots {
    pub(in crate::reactor) fn live(&self) -> usize {
        self.live
    }

    /// The number of slots, with the vacant ones.
    pub(in crate::reactor) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The number of the newest session.
    pub(in crate::reactor) fn newest(&self) -> u64 {
        self.born
    }

    pub(in crate::reactor) fn insert(&mut self, kind: u32, parent: SessionId) -> SessionId {
        self.born += 1;
        self.live += 1;
        let mut slot = Slot {
            generation: 0,
            kind,
            phase: Phase::Live,
            marked: false,
            is_essential: false,
            refs: 0,
            parent,
            born: self.born,
            heap: None,
            first_timer: NO_TIMER,
            first_wheel: NO_WHEEL,
            first_watch: WatchRef::NONE,
            aliases: vec![],
        };
        let Some(index) = self.free.pop() else {
            slot.generation = self.generation;
            self.places.reserve_one();
            self.places.push(slot);
            let index = self.places.len() as u32 - 1;
            return SessionId { index, generation: self.generation };
        };
        let place = &mut self.places[index as usize];
        slot.generation = place.generation + 1;
        *place = slot;
        SessionId { index, generation: place.generation }
    }

    /// The slot of a session that has not been removed, also while it is stopping.
    pub(in crate::reactor) fn find(&mut self, id: SessionId) -> Option<&mut Slot> {
        self.places
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation && slot.phase != Phase::Vacant)
    }

    /// Like [`find`](Self::find), without a change.
    pub(in crate::reactor) fn get(&self, id: SessionId) -> Option<&Slot> {
        self.places
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation && slot.phase != Phase::Vacant)
    }

    /// Returns true if a session takes messages.
    pub(in crate::reactor) fn is_live(&self, id: SessionId) -> bool {
        self.get(id).is_some_and(|slot| slot.phase == Phase::Live)
    }

    /// The slot of a session that takes messages.
    pub(in crate::reactor) fn live_slot(&mut self, id: SessionId) -> Option<&mut Slot> {
        self.find(id).filter(|slot| slot.phase == Phase::Live)
    }

    /// Empties a slot; its index may be used again from now on.
    pub(in crate::reactor) fn remove(&mut self, id: SessionId) {
        let slot = self.find(id).expect("a session is removed once");
        slot.phase = Phase::Vacant;
        slot.heap = None;
        slot.aliases = vec![];
        self.live -= 1;
        // A slot whose generations are used up is not used again, so that an id never means another
        // session.
        if id.generation < u32::MAX {
            self.free.reserve_one();
            self.free.push(id.index);
        }
    }

    /// Releases the slots after the last session. O(slots).
    pub(in crate::reactor) fn shrink(&mut self) {
        while let Some(last) = self.places.last()
            && last.phase == Phase::Vacant
            && last.generation < u32::MAX
        {
            self.generation = self.generation.max(last.generation + 1);
            self.places.pop();
        }
        let left = self.places.len() as u32;
        self.free.retain(|index| *index < left);
        self.free.shrink();
        self.places.shrink();
    }

    /// All sessions, the newest first.
    pub(in crate::reactor) fn newest_first(&self) -> Vec<SessionId> {
        let mut all: Vec<_> = (0_u32..)
            .zip(&self.places)
            .filter(|(_, slot)| slot.phase != Phase::Vacant)
            .map(|(index, slot)| (slot.born, SessionId { index, generation: slot.generation }))
            .collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn a_session_takes_little_in_addition_to_its_heap() {
        assert!(size_of::<Slot>() <= 88, "{}", size_of::<Slot>());
    }
}
