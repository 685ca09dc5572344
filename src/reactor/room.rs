//! Room in the kernel's tables, so that what a crowd took goes back when it has left.
//!
//! An allocator keeps its small blocks side by side, and one that stays keeps the memory of all
//! that were before it. So a session takes places in tables and nothing else, and a table that is
//! not small has a block so long that the allocator takes it from the system by itself (glibc does
//! from 128 KiB on). Such a block grows and shrinks where it is, page by page. It is not freed, for
//! glibc puts the next ones of its length among the small: so a table that is not small is never
//! empty or without room.

use slab::Slab;
use std::collections::VecDeque;

/// A table that would be longer than this gets a block of its own.
const SMALL_BYTES: usize = 2 * 1024;

/// How long such a block is at first. What of it was never used takes no memory.
const BLOCK_BYTES: usize = 256 * 1024;

/// How many places a table keeps.
const FEW: usize = 16;

pub(super) trait Room {
    /// Makes room for one more, amortised in O(1).
    fn make_room(&mut self);

    /// Gives back the room that is not needed. O(room).
    fn give_back(&mut self);
}

impl<T> Room for Vec<T> {
    fn make_room(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn give_back(&mut self) {
        self.shrink_to(FEW);
    }
}

impl<T> Room for VecDeque<T> {
    fn make_room(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn give_back(&mut self) {
        self.shrink_to(FEW);
    }
}

/// Whoever has one of these sees to it that it is not empty: a slab keeps no room.
impl<T> Room for Slab<T> {
    fn make_room(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn give_back(&mut self) {
        self.shrink_to_fit();
    }
}

/// How many places a full table is to have more, at least; containers double by themselves.
fn more<T>(len: usize) -> usize {
    let size = size_of::<T>().max(1);
    if len * size * 2 <= SMALL_BYTES { 1 } else { (BLOCK_BYTES / size).saturating_sub(len).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_small_or_has_a_block_of_its_own_and_keeps_a_few_places() {
        let mut table = Vec::new();
        let mut rooms = vec![];
        for number in 0..100_000_u64 {
            table.make_room();
            table.push(number);
            if rooms.last() != Some(&table.capacity()) {
                rooms.push(table.capacity());
            }
        }
        assert_eq!(rooms, [4, 8, 16, 32, 64, 128, 256, 32_768, 65_536, 131_072]);
        table.clear();
        table.give_back();
        assert_eq!(table.capacity(), FEW);
    }
}
