//! Room in the kernel's tables, so that what a crowd took goes back when it has left.
//!
//! An allocator keeps its small blocks side by side, and one that stays keeps the memory of all
//! that were before it. So a session takes places in tables and nothing else, and a table that is
//! not small has a block so long that the allocator takes it from the system by itself (glibc does
//! from 128 KiB on). Such a block grows and shrinks where it is, page by page. It is not freed, for
//! glibc puts the next ones of its length among the small: so a table that is not small is never
//! empty or without room. Nor does a table grow to that by doubling: what it would leave behind
//! would lie among a crowd's small blocks, in one of the lists of freed ones that are not joined.
//!
//! Messages that wait for a handler double their room, because they are usually few. What a burst
//! of them took is given back as well: a table that is longer than such a block and three quarters
//! empty is [tidied](Room::tidy).

use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// A table that would be longer than this gets a block of its own. It is as long as this at once:
/// glibc joins freed blocks with what is beside them if they are longer than 1 KiB.
const SMALL_BYTES: usize = 2 * 1024;

/// How long such a block is at first. What of it was never used takes no memory.
const BLOCK_BYTES: usize = 256 * 1024;

pub(super) trait ShrinkableTable {
    /// Makes room for one more, amortised in O(1).
    fn reserve_one(&mut self);

    /// Gives back the room that is not needed. O(room).
    fn shrink(&mut self);

    /// How many places are taken, how many there are, and how many a block has.
    fn places(&self) -> [usize; 3];

    /// Returns true if it has more places than a block. Smaller tables keep what they have.
    fn is_large(&self) -> bool {
        let [_, room, block] = self.places();
        room > block
    }

    /// Returns true if it is large and three quarters of it are empty.
    fn is_roomy(&self) -> bool {
        let [len, room, _] = self.places();
        self.is_large() && len <= room / 4
    }

    /// Gives back the room of a table that is large and three quarters empty. Returns true if it is
    /// still large. O(room).
    fn tidy(&mut self) -> bool {
        if self.is_roomy() {
            self.shrink();
        }
        self.is_large()
    }
}

/// Returns true if a slab that has an entry at `place` is longer than a block.
pub(super) fn is_beyond_block<T>(place: u32) -> bool {
    place as usize >= block::<InSlab<T>>()
}

impl<T> ShrinkableTable for Vec<T> {
    fn reserve_one(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn shrink(&mut self) {
        self.shrink_to(few::<T>());
    }

    fn places(&self) -> [usize; 3] {
        [self.len(), self.capacity(), block::<T>()]
    }
}

impl<T> ShrinkableTable for VecDeque<T> {
    fn reserve_one(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn shrink(&mut self) {
        self.shrink_to(few::<T>());
    }

    fn places(&self) -> [usize; 3] {
        [self.len(), self.capacity(), block::<T>()]
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> ShrinkableTable for HashMap<K, V, S> {
    fn reserve_one(&mut self) {
        self.reserve(1);
    }

    fn shrink(&mut self) {
        self.shrink_to(few::<(K, V)>());
    }

    fn places(&self) -> [usize; 3] {
        [self.len(), self.capacity(), block::<(K, V)>()]
    }
}

/// Whoever has one of these sees to it that it is not empty: a slab keeps no room.
impl<T> ShrinkableTable for Slab<T> {
    fn reserve_one(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<InSlab<T>>(self.len()));
        }
    }

    fn shrink(&mut self) {
        if self.capacity() > few::<InSlab<T>>() {
            self.shrink_to_fit();
        }
    }

    fn places(&self) -> [usize; 3] {
        [self.len(), self.capacity(), block::<InSlab<T>>()]
    }
}

/// About what a slab has at each place: a value, or the number of the next free place.
type InSlab<T> = (usize, T);

/// How many places a small table has.
fn few<T>() -> usize {
    (SMALL_BYTES / size_of::<T>().max(1)).max(1)
}

/// How many places a block has.
fn block<T>() -> usize {
    BLOCK_BYTES / size_of::<T>().max(1)
}

/// How many places a full table is to have more, at least; containers double by themselves.
fn more<T>(len: usize) -> usize {
    let (few, block) = (few::<T>(), block::<T>());
    if len < few { few - len } else { block.saturating_sub(len).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_small_or_has_a_block_of_its_own_and_keeps_a_few_places() {
        let mut table = Vec::new();
        let mut rooms = vec![];
        for number in 0..100_000_u64 {
            table.reserve_one();
            table.push(number);
            if rooms.last() != Some(&table.capacity()) {
                rooms.push(table.capacity());
            }
        }
        assert_eq!(rooms, [256, 32_768, 65_536, 131_072]);
        table.clear();
        table.shrink();
        assert_eq!(table.capacity(), 256);
    }

    #[test]
    fn a_table_is_tidied_when_it_is_longer_than_a_block_and_three_quarters_are_empty() {
        let mut table: Vec<u64> = Vec::with_capacity(32_768);
        assert!(!table.tidy());
        assert_eq!(table.capacity(), 32_768, "a block is kept");
        let mut table = Vec::with_capacity(65_536);
        table.resize(65_536 / 4 + 1, 0_u64);
        assert!(table.tidy());
        assert_eq!(table.capacity(), 65_536, "more than a quarter is in use");
        table.pop();
        assert!(!table.tidy());
        assert_eq!(table.capacity(), 65_536 / 4);
        assert_eq!([4681 - 1, 4681].map(is_beyond_block::<[u64; 6]>), [false, true]);
    }
}
