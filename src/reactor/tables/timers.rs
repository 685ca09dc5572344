//! Timers, ordered by due time.

mod lane;

use crate::reactor::shrink::ShrinkableTable;
use lane::Lane;
use slab::Slab;

/// The timers of a kernel: lanes for timers that are set in the order of their due times, and an
/// indexed heap with four children per node for the others.
///
/// Due times are nanoseconds; equal ones are in the order of setting. Setting, removing and moving
/// a timer is O(1) in a lane, and O(log n) in the heap. Timers with one of a few common delays are
/// in lanes. Nothing is allocated once warm.
///
/// A timer that is overdue when it is set waits for the next turn, and is then ordered by its due
/// time. Otherwise a session that sets overdue timers without end would always come before all
/// others.
#[derive(Debug)]
pub(in crate::reactor) struct Timers<T> {
    entries: Slab<Entry<T>>,
    lanes: [Lane; LANES],
    heap: Vec<Node>,
    overdue: Vec<Node>,
    sequence: u64,
}

/// The due time of a timer that never fires: it is later than any time that a clock shows.
pub(in crate::reactor) const NEVER: u64 = u64::MAX;

/// A timer's id: its index, and a serial number that distinguishes it from later timers with this
/// index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) struct Key {
    pub(in crate::reactor) index: u32,
    serial: u64,
}

impl Key {
    /// The key of no timer: serial numbers begin at 1.
    pub(in crate::reactor) const NONE: Key = Key { index: u32::MAX, serial: 0 };
}

#[derive(Debug)]
struct Entry<T> {
    serial: u64,
    place: Place,
    value: T,
}

/// The place of a timer.
#[derive(Clone, Copy, Debug)]
enum Place {
    Lane(u8, u32),
    Heap(u32),
    Overdue(u32),
}

/// A timer in the order: its due time, its sequence number and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reactor) struct Node {
    pub(in crate::reactor) due: u64,
    pub(in crate::reactor) sequence: u64,
    pub(in crate::reactor) entry: u32,
    pub(in crate::reactor) was_overdue: bool,
}

impl Node {
    fn is_before(self, other: Node) -> bool {
        self.order() < other.order()
    }

    fn order(self) -> (u64, u64) {
        (self.due, self.sequence)
    }
}

/// A server uses only a few delays: for a request's head, between two requests, for a long poll.
const LANES: usize = 4;

/// A lane that is not longer than this is emptied for a timer that fits into no lane, so that a few
/// timers that are far away do not block a lane.
const LANE_SHORT: usize = 8;

const CHILDREN: usize = 4;

impl<T> Timers<T> {
    pub(in crate::reactor) fn new() -> Self {
        let (entries, lanes) = (Slab::new(), Default::default());
        Timers { entries, lanes, heap: vec![], overdue: vec![], sequence: 0 }
    }

    pub(in crate::reactor) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds the timers that were overdue when they were set. Returns the sequence number of the
    /// newest timer: timers that are set from now on have higher ones.
    pub(in crate::reactor) fn begin_turn(&mut self) -> u64 {
        while let Some(node) = self.overdue.pop() {
            self.put(None, node);
        }
        self.sequence
    }

    /// Returns true if a timer waits for the next turn.
    pub(in crate::reactor) fn has_overdue(&self) -> bool {
        !self.overdue.is_empty()
    }

    /// Sets a timer. O(1), or O(log n) in the heap.
    pub(in crate::reactor) fn insert(&mut self, due: u64, now: u64, value: T) -> Key {
        let serial = self.next_sequence();
        let entry = Entry { serial, place: Place::Heap(0), value };
        self.entries.reserve_one();
        let index = self.entries.insert(entry) as u32;
        let node = Node { due, sequence: serial, entry: index, was_overdue: due < now };
        if node.was_overdue {
            self.defer(node);
        } else {
            let lane = self.lane_for(due);
            self.put(lane, node);
        }
        Key { index, serial }
    }

    /// The timer at `key`, unless it has fired or was removed. O(1).
    pub(in crate::reactor) fn find(&mut self, key: Key) -> Option<&mut T> {
        self.entries
            .get_mut(key.index as usize)
            .filter(|entry| entry.serial == key.serial)
            .map(|entry| &mut entry.value)
    }

    /// The timer at `index`, which must be set. O(1).
    pub(in crate::reactor) fn at(&mut self, index: u32) -> &mut T {
        &mut self.entries[index as usize].value
    }

    /// Like [`at`](Self::at), without a change.
    pub(in crate::reactor) fn get(&self, index: u32) -> &T {
        &self.entries[index as usize].value
    }

    /// The due time of the timer at `index`, which must be set. O(1).
    pub(in crate::reactor) fn due(&self, index: u32) -> u64 {
        match self.entries[index as usize].place {
            Place::Lane(lane, number) => self.lanes[usize::from(lane)].due(number),
            Place::Heap(place) => self.heap[place as usize].due,
            Place::Overdue(place) => self.overdue[place as usize].due,
        }
    }

    /// The earliest timer of this turn, unless it never fires. O(1).
    pub(in crate::reactor) fn first(&self) -> Option<Node> {
        let lanes = self.lanes.iter().filter_map(Lane::first);
        let first = lanes.chain(self.heap.first().copied()).min_by_key(|node| node.order());
        first.filter(|node| node.due < NEVER)
    }

    /// Removes the timer at `index`, which must be set. O(1), or O(log n) in the heap.
    pub(in crate::reactor) fn remove(&mut self, index: u32) -> T {
        let entry = self.entries.remove(index as usize);
        self.take(entry.place);
        entry.value
    }

    /// Moves the timer at `index`, which must be set, to `due`, after the others of that time.
    /// O(1), or O(log n) in the heap.
    pub(in crate::reactor) fn move_to(&mut self, index: u32, due: u64, now: u64) {
        let sequence = self.next_sequence();
        let node = Node { due, sequence, entry: index, was_overdue: due < now };
        if node.was_overdue {
            self.take(self.entries[index as usize].place);
            return self.defer(node);
        }
        match (self.entries[index as usize].place, self.lane_for(due)) {
            (Place::Heap(place), None) => {
                self.heap[place as usize] = node;
                self.restore_order(place as usize);
            }
            (_, lane) => {
                // The place is read again, because `lane_for` may have emptied its lane.
                self.take(self.entries[index as usize].place);
                self.put(lane, node);
            }
        }
    }

    /// Releases the capacity after the last timer. O(capacity).
    pub(in crate::reactor) fn shrink(&mut self) {
        self.entries.shrink();
        self.lanes.iter_mut().for_each(Lane::shrink);
        self.heap.shrink();
        self.overdue.shrink();
    }

    /// Returns true if the capacity is more than a kernel keeps.
    pub(in crate::reactor) fn is_large(&self) -> bool {
        self.entries.is_large()
    }

    /// Releases what a burst of timers took. Returns true if some table is still longer than a
    /// block.
    pub(in crate::reactor) fn tidy(&mut self) -> bool {
        let mut is_large = self.entries.tidy();
        for lane in &mut self.lanes {
            is_large |= lane.tidy();
        }
        is_large | self.heap.tidy() | self.overdue.tidy()
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The lane into which a timer fits: of several, the one with the latest timer. If none fits, a
    /// short lane is emptied for it.
    fn lane_for(&mut self, due: u64) -> Option<usize> {
        let fitting = self.lanes.iter().enumerate().filter(|(_, lane)| lane.latest() <= Some(due));
        let best = fitting.max_by_key(|(_, lane)| lane.latest()).map(|(lane, _)| lane);
        best.or_else(|| {
            let lanes = self.lanes.iter().enumerate();
            let (shortest, lane) = lanes.min_by_key(|(_, lane)| lane.len())?;
            (lane.len() <= LANE_SHORT).then_some(shortest).inspect(|lane| {
                while let Some(node) = self.lanes[*lane].pop() {
                    self.put(None, node);
                }
            })
        })
    }

    /// Puts a timer into a lane or the heap, and stores its place.
    fn put(&mut self, lane: Option<usize>, node: Node) {
        if let Some(lane) = lane {
            let number = self.lanes[lane].push(node);
            self.entries[node.entry as usize].place = Place::Lane(lane as u8, number);
        } else {
            self.heap.reserve_one();
            self.heap.push(node);
            self.sift_up(self.heap.len() - 1);
        }
    }

    /// Lets a timer wait for the next turn.
    fn defer(&mut self, node: Node) {
        self.entries[node.entry as usize].place = Place::Overdue(self.overdue.len() as u32);
        self.overdue.reserve_one();
        self.overdue.push(node);
    }

    /// Removes the timer at `place` from its lane, the heap, or the overdue ones.
    fn take(&mut self, place: Place) {
        match place {
            Place::Heap(place) => {
                self.heap.swap_remove(place as usize);
                self.restore_order(place as usize);
            }
            Place::Overdue(place) => {
                self.overdue.swap_remove(place as usize);
                if let Some(moved) = self.overdue.get(place as usize) {
                    self.entries[moved.entry as usize].place = Place::Overdue(place);
                }
            }
            Place::Lane(number, timer) => {
                let lane = &mut self.lanes[usize::from(number)];
                lane.remove(timer);
                if lane.is_sparse() {
                    lane.close_up(|entry, timer| {
                        self.entries[entry as usize].place = Place::Lane(number, timer);
                    });
                }
            }
        }
    }

    /// Restores the order of the heap around a node that was changed.
    fn restore_order(&mut self, place: usize) {
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
            let Some(least) = children.min_by_key(|&child| self.heap[child].order()) else {
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
        self.entries[node.entry as usize].place = Place::Heap(place as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn timers_come_in_the_order_of_due_time_and_setting_whatever_is_removed_or_moved() {
        compare(|_, random| random % 50);
    }

    #[test]
    fn overdue_timers_come_in_that_order_too_once_a_turn_has_begun() {
        compare(|now, random| (now + 20).saturating_sub(random % 40));
    }

    #[test]
    fn timers_of_a_few_delays_come_in_order_too() {
        compare(|now, random| now + [10, 28, 60, 3_600][(random % 4) as usize]);
    }

    #[test]
    fn many_timers_of_one_delay_leave_gaps_when_they_are_removed() {
        compare(|now, random| if random % 100 == 0 { now + random % 9 } else { now + 28 });
    }

    /// The same steps on a sorted map, which cannot be wrong in the same way; with due times by the
    /// number of the step.
    fn compare(due: fn(u64, u64) -> u64) {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut timers, mut model) = (Timers::new(), BTreeMap::new());
        let mut set: Vec<(Key, (u64, u64))> = vec![];
        let mut step = |below: u64| random.u64(..below);
        for number in 0..20_000_u64 {
            let now = number / 100;
            let due = due(now, step(10_000));
            match step(10) {
                0..5 => {
                    let key = timers.insert(due, now, number);
                    set.push((key, (due, timers.sequence)));
                    model.insert((due, timers.sequence), number);
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
                    timers.move_to(key.index, due, now);
                    let value = model.remove(at).expect("it is set");
                    *at = (due, timers.sequence);
                    model.insert(*at, value);
                }
                _ => {
                    timers.begin_turn();
                    let first = model.first_key_value().map(|(at, value)| (*at, *value));
                    assert_eq!(timers.first().map(Node::order), first.map(|(at, _)| at));
                    if let (Some(Node { entry: index, .. }), Some((at, value))) =
                        (timers.first(), first)
                    {
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
