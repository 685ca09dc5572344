//! Values of one type next to each other, for states of wheels.

use crate::reactor::shrink::ShrinkableTable;
use slab::Slab;
use std::any::Any;

/// The index of a value in the arena of its type.
pub(in crate::reactor) type ArenaKey = u32;

/// Values, or slots reserved for values that are not built yet. Slot 0 is never used, so that an
/// arena that was used once is never empty and keeps its block of memory.
pub(in crate::reactor) struct Arena<T>(Slab<Option<T>>);

/// An arena whose type is known to its users only.
pub(in crate::reactor) trait AnyArena: Any {
    fn as_any(&mut self) -> &mut dyn Any;

    /// Releases the capacity that is not needed. O(capacity).
    fn shrink(&mut self);

    /// Releases what a burst took; see [`ShrinkableTable::tidy`].
    fn tidy(&mut self) -> bool;
}

impl<T: 'static> Arena<T> {
    pub(in crate::reactor) fn new() -> Self {
        Arena(Slab::new())
    }

    /// Reserves a slot for a value that is built later. O(1), no allocation once warm.
    #[inline(never)]
    pub(in crate::reactor) fn reserve(&mut self) -> ArenaKey {
        if self.0.len() == self.0.capacity() {
            self.grow();
        }
        self.0.insert(None) as ArenaKey
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.0.reserve_one();
        if self.0.is_empty() {
            self.0.insert(None);
        }
    }

    /// The value, if it was built.
    pub(in crate::reactor) fn value(&mut self, key: ArenaKey) -> Option<&mut T> {
        self.0.get_mut(key as usize)?.as_mut()
    }

    /// Stores the value of a reserved slot.
    pub(in crate::reactor) fn put(&mut self, key: ArenaKey, value: T) {
        self.0[key as usize] = Some(value);
    }

    /// Removes the value and frees its slot.
    #[inline(never)]
    pub(in crate::reactor) fn remove(&mut self, key: ArenaKey) -> Option<T> {
        self.0.try_remove(key as usize).flatten()
    }
}

impl<T: 'static> AnyArena for Arena<T> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    #[inline(never)]
    fn shrink(&mut self) {
        self.0.shrink();
    }

    #[inline(never)]
    fn tidy(&mut self) -> bool {
        self.0.tidy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_grows_to_a_block_in_one_step() {
        let mut arena = Arena::<[u64; 40]>::new();
        let mut capacities = vec![];
        for _ in 0..2000 {
            arena.reserve();
            if capacities.last() != Some(&arena.0.capacity()) {
                capacities.push(arena.0.capacity());
            }
        }
        assert_eq!(capacities, [6, 780, 1560, 3120]);
    }
}
