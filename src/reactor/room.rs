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
//! Messages on their way do double: they are few, as a rule, and when they are gone so is their
//! room.

use slab::Slab;
use std::collections::VecDeque;

/// A table that would be longer than this gets a block of its own. It is as long as this at once:
/// glibc joins freed blocks with what is beside them if they are longer than 1 KiB.
const SMALL_BYTES: usize = 2 * 1024;

/// How long such a block is at first. What of it was never used takes no memory.
const BLOCK_BYTES: usize = 256 * 1024;

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
        self.shrink_to(few::<T>());
    }
}

impl<T> Room for VecDeque<T> {
    fn make_room(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<T>(self.len()));
        }
    }

    fn give_back(&mut self) {
        self.shrink_to(few::<T>());
    }
}

/// Whoever has one of these sees to it that it is not empty: a slab keeps no room.
impl<T> Room for Slab<T> {
    fn make_room(&mut self) {
        if self.len() == self.capacity() {
            self.reserve(more::<InSlab<T>>(self.len()));
        }
    }

    fn give_back(&mut self) {
        if self.capacity() > few::<InSlab<T>>() {
            self.shrink_to_fit();
        }
    }
}

/// About what a slab has at each place: a value, or the number of the next free place.
type InSlab<T> = (usize, T);

/// How many places a small table has.
fn few<T>() -> usize {
    (SMALL_BYTES / size_of::<T>().max(1)).max(1)
}

/// How many places a full table is to have more, at least; containers double by themselves.
fn more<T>(len: usize) -> usize {
    let few = few::<T>();
    let block = BLOCK_BYTES / size_of::<T>().max(1);
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
            table.make_room();
            table.push(number);
            if rooms.last() != Some(&table.capacity()) {
                rooms.push(table.capacity());
            }
        }
        assert_eq!(rooms, [256, 32_768, 65_536, 131_072]);
        table.clear();
        table.give_back();
        assert_eq!(table.capacity(), 256);
    }
}
