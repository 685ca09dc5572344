//! Which rows were reported recently, so that repeated rows are recognised.

use crate::checkpoint::Marks;
use crate::limits::{KEPT_ROWS, RECENT_ROWS};
use crate::row::Row;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

/// A value for each of the last [`RECENT_ROWS`] different keys, so that the memory is bounded. Keys
/// are hashes.
#[derive(Debug)]
struct Remembered<V> {
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
    /// If there is a value for `key`, returns what `again` does with it. Otherwise stores `value`,
    /// and if there are too many keys then, removes the oldest. O(1).
    fn recall<R>(&mut self, key: u64, value: V, again: impl FnOnce(&mut V) -> R) -> Option<R> {
        match self.values.entry(key) {
            Entry::Occupied(mut entry) => Some(again(entry.get_mut())),
            Entry::Vacant(entry) => {
                entry.insert(value);
                self.order.push_back(key);
                if self.order.len() > RECENT_ROWS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.values.remove(&oldest);
                }
                None
            }
        }
    }

    fn latest_first(&self) -> impl Iterator<Item = (u64, &V)> {
        self.order.iter().rev().filter_map(|key| Some((*key, self.values.get(key)?)))
    }
}

/// The last rows that were reported, by id and revisions.
///
/// Rows are kept as hashes of 64 bits: that two rows share one is less likely than a bit error in
/// memory, and the only consequence is a wrong mark.
#[derive(Debug)]
pub(crate) struct Recent {
    /// See [`Marks::salt`].
    salt: u64,
    numbers: Remembered<Numbers>,
}

/// The numbers with which a row was reported.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    first: u64,
    last: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { salt: RandomState::new().hash_one(()), numbers: Remembered::default() }
    }
}

impl Recent {
    /// Records that `row` is reported with `number`. Returns the number with which it was reported
    /// last, if it is one of the last [`RECENT_ROWS`] different rows.
    pub(crate) fn record(&mut self, row: &Row, number: u64) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (self.salt, &row.id, &row.revs, row.deleted).hash(&mut hasher);
        let numbers = Numbers { first: number, last: number };
        let key = hasher.finish();
        self.numbers.recall(key, numbers, |known| std::mem::replace(&mut known.last, number))
    }

    /// Forgets all rows and starts with those of an earlier run, which have the number 0.
    pub(crate) fn restart(&mut self, marks: Marks) {
        *self = Recent::default();
        if !marks.is_empty() {
            self.salt = marks.salt;
        }
        for hash in marks.hashes {
            self.numbers.recall(hash, Numbers { first: 0, last: 0 }, |_| {});
        }
    }

    /// Marks of the latest acknowledged rows: all rows up to `number` are. A row that was reported
    /// again since remains acknowledged.
    pub(crate) fn marks(&self, number: u64) -> Marks {
        let acknowledged = self.numbers.latest_first().filter(|(_, known)| known.first <= number);
        let mut hashes: Vec<_> = acknowledged.take(KEPT_ROWS).map(|(hash, _)| hash).collect();
        hashes.reverse();
        // A salt without hashes is not written.
        let salt = if hashes.is_empty() { 0 } else { self.salt };
        Marks { salt, hashes }
    }

    #[cfg(test)]
    pub(crate) fn lens(&self) -> (usize, usize) {
        (self.numbers.values.len(), self.numbers.order.len())
    }
}

/// What the last row of each of the last documents said, so that a row that says the same can be
/// dropped.
///
/// Only the last row of a document counts, because after a conflict an older revision may be the
/// winner again. Keys and values are hashes of 64 bits: a row is dropped in error only if two
/// hashes are equal by chance.
#[derive(Debug, Default)]
pub(crate) struct LatestRows {
    hasher: RandomState,
    contents: Remembered<u64>,
}

impl LatestRows {
    /// Records what `row` says. Returns true if the last row of its document said the same: the
    /// revisions, `deleted`, and the document, byte by byte.
    pub(crate) fn record(&mut self, row: &Row) -> bool {
        let id = self.hasher.hash_one(&row.id);
        let content = self.hasher.hash_one((&row.revs, row.deleted, &row.doc));
        let last = self.contents.recall(id, content, |last| std::mem::replace(last, content));
        last == Some(content)
    }

    #[cfg(test)]
    pub(crate) fn lens(&self) -> (usize, usize) {
        (self.contents.values.len(), self.contents.order.len())
    }
}
