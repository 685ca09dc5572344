//! Timers that need no sorting.

use crate::reactor::shrink::ShrinkableTable;
use crate::reactor::tables::timers::Node;
use std::collections::VecDeque;

/// Timers that were set in the order of their due times, as timers with an equal delay are.
///
/// Each timer has a number, which finds it. A timer that is removed from the middle leaves a gap,
/// so that the others keep their numbers. Neither end is ever a gap.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Lane {
    nodes: VecDeque<Node>,
    /// The number of the first timer. Numbers wrap from `u32::MAX` to 0.
    front: u32,
    gaps: usize,
}

/// The entry of a gap.
const GAP: u32 = u32::MAX;

impl Lane {
    /// The number of timers and gaps.
    pub(in crate::reactor) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The earliest.
    pub(in crate::reactor) fn first(&self) -> Option<Node> {
        self.nodes.front().copied()
    }

    /// The due time of the last timer. A timer that is due earlier does not fit into this lane.
    pub(in crate::reactor) fn latest(&self) -> Option<u64> {
        self.nodes.back().map(|node| node.due)
    }

    /// The due time of the timer with this number.
    pub(in crate::reactor) fn due(&self, number: u32) -> u64 {
        self.nodes[self.place(number)].due
    }

    /// Appends a timer and returns its number.
    pub(in crate::reactor) fn push(&mut self, node: Node) -> u32 {
        let number = self.front.wrapping_add(self.nodes.len() as u32);
        self.nodes.reserve_one();
        self.nodes.push_back(node);
        number
    }

    /// Removes a timer. Amortized O(1).
    pub(in crate::reactor) fn remove(&mut self, number: u32) {
        let place = self.place(number);
        self.nodes[place].entry = GAP;
        self.gaps += 1;
        while self.nodes.front().is_some_and(Node::is_gap) {
            self.nodes.pop_front();
            self.front = self.front.wrapping_add(1);
            self.gaps -= 1;
        }
        while self.nodes.back().is_some_and(Node::is_gap) {
            self.nodes.pop_back();
            self.gaps -= 1;
        }
    }

    /// Returns true if there are more gaps than timers.
    pub(in crate::reactor) fn is_sparse(&self) -> bool {
        self.gaps * 2 > self.nodes.len()
    }

    /// Removes the gaps, and calls `renumber` with each timer's entry and new number. O(`len`).
    pub(in crate::reactor) fn close_up(&mut self, mut renumber: impl FnMut(u32, u32)) {
        self.nodes.retain(|node| !node.is_gap());
        self.gaps = 0;
        for (place, node) in (0_u32..).zip(&self.nodes) {
            renumber(node.entry, self.front.wrapping_add(place));
        }
    }

    /// Removes the last timer and returns it.
    pub(in crate::reactor) fn pop(&mut self) -> Option<Node> {
        let node = self.nodes.back().copied()?;
        self.remove(self.front.wrapping_add(self.nodes.len() as u32 - 1));
        Some(node)
    }

    /// Releases the capacity after the last timer.
    pub(in crate::reactor) fn shrink(&mut self) {
        self.nodes.shrink();
    }

    /// Releases what a burst of timers took; see [`ShrinkableTable::tidy`].
    pub(in crate::reactor) fn tidy(&mut self) -> bool {
        self.nodes.tidy()
    }

    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.front) as usize
    }
}

impl Node {
    fn is_gap(&self) -> bool {
        self.entry == GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(entry: u32) -> Node {
        Node { due: u64::from(entry), sequence: 0, entry, was_overdue: false }
    }

    #[test]
    fn numbers_stay_when_others_leave_and_when_they_wrap() {
        let mut lane = Lane { front: u32::MAX - 1, ..Lane::default() };
        let numbers: Vec<u32> = (0..5).map(|entry| lane.push(node(entry))).collect();
        assert_eq!(numbers, [u32::MAX - 1, u32::MAX, 0, 1, 2]);
        lane.remove(u32::MAX);
        assert_eq!(lane.len(), 5);
        assert_eq!(lane.due(1), 3);
        lane.remove(u32::MAX - 1);
        assert_eq!((lane.len(), lane.first(), lane.due(0)), (3, Some(node(2)), 2));
        assert_eq!(lane.push(node(5)), 3);
    }

    #[test]
    fn neither_end_is_a_gap() {
        let mut lane = Lane::default();
        for entry in 0..4 {
            lane.push(node(entry));
        }
        lane.remove(2);
        assert_eq!(lane.pop(), Some(node(3)));
        assert_eq!((lane.len(), lane.latest()), (2, Some(1)));
        assert_eq!([lane.pop(), lane.pop(), lane.pop()], [Some(node(1)), Some(node(0)), None]);
        assert_eq!((lane.first(), lane.latest(), lane.gaps), (None, None, 0));
    }

    #[test]
    fn closing_the_gaps_tells_the_new_numbers() {
        let mut lane = Lane::default();
        for entry in 0..7 {
            lane.push(node(entry));
        }
        for number in [0, 2, 3, 4, 5] {
            lane.remove(number);
        }
        assert!(lane.is_sparse());
        let mut told = vec![];
        lane.close_up(|entry, number| told.push((entry, number)));
        assert_eq!(told, [(1, 1), (6, 2)]);
        assert_eq!((lane.due(2), lane.is_sparse()), (6, false));
    }
}
