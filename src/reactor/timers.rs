//! Timers in the order in which they are due.

use slab::Slab;

/// The timers of a kernel: an indexed heap of four children a node.
///
/// Due times are nanoseconds since the kernel's start; equal ones are in the order in which they
/// were set. Setting, removing and moving a timer is O(log n), and O(1) in the common case that
/// everyone's delay is the same, for then the newest is always the latest. Nothing stale is kept,
/// and nothing is allocated once warm.
#[derive(Debug)]
pub(super) struct Timers<T> {
    entries: Slab<Entry<T>>,
    heap: Vec<Node>,
    sequence: u64,
}

/// A timer's id: its place, and a serial number so that a later timer there is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) index: u32,
    serial: u64,
}

#[derive(Debug)]
struct Entry<T> {
    serial: u64,
    place: u32,
    value: T,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    due: u64,
    sequence: u64,
    entry: u32,
}

impl Node {
    fn is_before(self, other: Node) -> bool {
        (self.due, self.sequence) < (other.due, other.sequence)
    }
}

const CHILDREN: usize = 4;

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Timers { entries: Slab::new(), heap: vec![], sequence: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The sequence number of the newest timer: what is set from now on has a higher one.
    pub(super) fn newest(&self) -> u64 {
        self.sequence
    }

    /// Sets a timer. O(log n).
    pub(super) fn insert(&mut self, due: u64, value: T) -> Key {
        let serial = self.next_sequence();
        let place = self.heap.len();
        let entry = self.entries.insert(Entry { serial, place: place as u32, value }) as u32;
        self.heap.push(Node { due, sequence: serial, entry });
        self.sift_up(place);
        Key { index: entry, serial }
    }

    /// The timer at `key`, unless it has fired or was removed. O(1).
    pub(super) fn find(&mut self, key: Key) -> Option<&mut T> {
        self.entries
            .get_mut(key.index as usize)
            .filter(|entry| entry.serial == key.serial)
            .map(|entry| &mut entry.value)
    }

    /// The timer at `index`, which must be set. O(1).
    pub(super) fn at(&mut self, index: u32) -> &mut T {
        &mut self.entries[index as usize].value
    }

    /// When the timer at `index`, which must be set, is due. O(1).
    pub(super) fn due(&self, index: u32) -> u64 {
        self.heap[self.entries[index as usize].place as usize].due
    }

    /// The earliest due time, and the sequence number of the timer that has it. O(1).
    pub(super) fn next(&self) -> Option<(u64, u64)> {
        self.heap.first().map(|node| (node.due, node.sequence))
    }

    /// The index of the earliest timer. O(1).
    pub(super) fn first(&self) -> Option<u32> {
        self.heap.first().map(|node| node.entry)
    }

    /// Removes the timer at `index`, which must be set. O(log n).
    pub(super) fn remove(&mut self, index: u32) -> T {
        let entry = self.entries.remove(index as usize);
        let place = entry.place as usize;
        self.heap.swap_remove(place);
        self.settle(place);
        entry.value
    }

    /// Moves the timer at `index`, which must be set, behind those that are due at `due`. O(log n).
    pub(super) fn move_to(&mut self, index: u32, due: u64) {
        let sequence = self.next_sequence();
        let place = self.entries[index as usize].place as usize;
        self.heap[place] = Node { due, sequence, entry: index };
        self.settle(place);
    }

    /// Gives back the room behind the last timer. O(room).
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.heap.shrink_to_fit();
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Puts right a node that may be too early or too late for its place.
    fn settle(&mut self, place: usize) {
        if place < self.heap.len() {
            let place = self.sift_up(place);
            self.sift_down(place);
        }
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        let node = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if !node.is_before(self.heap[parent]) {
                break;
            }
            self.set(place, self.heap[parent]);
            place = parent;
        }
        self.set(place, node);
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        let node = self.heap[place];
        loop {
            let first = place * CHILDREN + 1;
            let children = first..self.heap.len().min(first + CHILDREN);
            let Some(least) = children.min_by_key(|&c| (self.heap[c].due, self.heap[c].sequence))
            else {
                break;
            };
            if !self.heap[least].is_before(node) {
                break;
            }
            self.set(place, self.heap[least]);
            place = least;
        }
        self.set(place, node);
    }

    fn set(&mut self, place: usize, node: Node) {
        self.heap[place] = node;
        self.entries[node.entry as usize].place = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The same steps on a sorted map, which cannot be wrong in the same way.
    #[test]
    fn timers_come_in_the_order_of_due_time_and_setting_whatever_is_removed_or_moved() {
        let (mut random, mut timers, mut model) = (7_u64, Timers::new(), BTreeMap::new());
        let mut set: Vec<(Key, (u64, u64))> = vec![];
        let mut step = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for number in 0..20_000_u64 {
            let due = step(50);
            match step(10) {
                0..5 => {
                    let key = timers.insert(due, number);
                    set.push((key, (due, timers.newest())));
                    model.insert((due, timers.newest()), number);
                }
                5..7 if !set.is_empty() => {
                    let (key, at) = set.swap_remove(step(set.len() as u64) as usize);
                    assert_eq!(timers.due(key.index), at.0);
                    assert_eq!(Some(timers.remove(key.index)), model.remove(&at));
                    assert_eq!(timers.find(key), None);
                }
                7..9 if !set.is_empty() => {
                    let one = step(set.len() as u64) as usize;
                    let (key, at) = &mut set[one];
                    timers.move_to(key.index, due);
                    let value = model.remove(at).expect("it is set");
                    *at = (due, timers.newest());
                    model.insert(*at, value);
                }
                _ => {
                    let first = model.first_key_value().map(|(at, value)| (*at, *value));
                    assert_eq!(timers.next(), first.map(|(at, _)| at));
                    if let (Some(index), Some((at, value))) = (timers.first(), first) {
                        assert_eq!(timers.remove(index), value);
                        model.remove(&at);
                        set.retain(|(key, _)| key.index != index);
                    }
                }
            }
            assert_eq!(timers.len(), model.len());
        }
    }
}
