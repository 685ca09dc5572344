//! Tables that return their memory to the system when a crowd has left.
//!
//! An allocator puts small blocks next to each other, and one surviving block keeps the memory of
//! all blocks before it from the system. So a session takes only slots in tables. A table that is
//! not small gets a block that the allocator maps from the system separately (glibc does so from
//! 128 KiB on). Such a block grows and shrinks in place, page by page. It is never freed, because
//! glibc would then put the next blocks of its length among the small ones; so a table that is not
//! small keeps some capacity. A small table does not double into a large one either: the freed
//! blocks would lie among a crowd's small blocks, in a list of blocks that glibc does not merge.
//!
//! The tables of queued messages double, because they are usually short. They also return what a
//! burst took: a table that is longer than such a block and three quarters empty is
//! [tidied](ShrinkableTable::tidy).

use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// A table that is longer than this gets its own block. A small table has this length from the
/// start, because glibc merges a freed block with its neighbours only if it is longer than 1 KiB.
const SMALL_BYTES: usize = 2 * 1024;

/// The first length of such a block. Pages of it that were never used take no memory.
const BLOCK_BYTES: usize = 256 * 1024;

pub(super) trait ShrinkableTable {
    /// Reserves a slot for one more. Amortized O(1).
    fn reserve_one(&mut self);

    /// Releases the capacity that is not needed. O(capacity).
    fn shrink(&mut self);

    /// The number of slots in use, the capacity, and the number of slots in a block.
    fn places(&self) -> [usize; 3];

    /// Returns true if its capacity is more than a block. Smaller tables keep what they have.
    fn is_large(&self) -> bool {
        let [_, room, block] = self.places();
        room > block
    }

    /// Returns true if it is large and three quarters of it are empty.
    fn is_roomy(&self) -> bool {
        let [len, room, _] = self.places();
        self.is_large() && len <= room / 4
    }

    /// Releases the capacity of a table that is large and three quarters empty. Returns true if it
    /// is still large. O(capacity).
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

/// The owner of such a slab keeps an entry in it, because an empty slab keeps no capacity.
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

/// About the size of a slab's entry: a value, or the index of the next free entry.
type InSlab<T> = (usize, T);

/// The number of slots in a small table.
fn few<T>() -> usize {
    (SMALL_BYTES / size_of::<T>().max(1)).max(1)
}

/// The number of slots in a block.
fn block<T>() -> usize {
    BLOCK_BYTES / size_of::<T>().max(1)
}

/// The least number of slots by which a full table grows. Containers double by themselves.
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
