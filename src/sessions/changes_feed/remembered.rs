//! A memory that forgets, so that what is known of a feed without end stays bounded.

use crate::limits::FEED_RECENT_ROWS;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// A value for each of the last [`FEED_RECENT_ROWS`] keys that were new. Keys are hashes.
#[derive(Debug)]
pub(super) struct Remembered<V> {
    values: HashMap<u64, V>,
    /// The keys, the oldest first.
    order: VecDeque<u64>,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Remembered { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> Remembered<V> {
    /// Does `again` with what is remembered for `key`. Where that is nothing, `value` is from now
    /// on, and of too many keys the oldest is forgotten. O(1).
    pub(super) fn recall<R>(
        &mut self,
        key: u64,
        value: V,
        again: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        match self.values.entry(key) {
            Entry::Occupied(mut entry) => Some(again(entry.get_mut())),
            Entry::Vacant(entry) => {
                entry.insert(value);
                self.order.push_back(key);
                if self.order.len() > FEED_RECENT_ROWS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.values.remove(&oldest);
                }
                None
            }
        }
    }

    /// The keys with their values, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (u64, &V)> {
        self.order.iter().rev().filter_map(|key| Some((*key, self.values.get(key)?)))
    }

    /// How many values there are, and how many keys: the same.
    #[cfg(test)]
    pub(super) fn lens(&self) -> (usize, usize) {
        (self.values.len(), self.order.len())
    }
}
