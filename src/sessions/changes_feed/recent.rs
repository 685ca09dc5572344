//! Which rows were told of late, so that a row that comes again is known.

use super::row::Row;
use crate::limits::FEED_RECENT_ROWS;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The last rows that were told, by id and revisions.
///
/// A row is kept as a hash of 64 bits: that two rows share one is less likely than a bit that flips
/// in memory, and nothing is dropped for it, only marked.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    /// The number under which each was told last.
    numbers: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

impl Recent {
    /// Takes down that `row` is told under `number`; the number under which it was told before, if
    /// that was one of the last [`FEED_RECENT_ROWS`] different ones.
    pub(super) fn tell(&mut self, row: &Row, number: u64) -> Option<u64> {
        let hash = self.hasher.hash_one((&row.id, &row.revs, row.deleted));
        match self.numbers.entry(hash) {
            Entry::Occupied(mut entry) => Some(entry.insert(number)),
            Entry::Vacant(entry) => {
                entry.insert(number);
                self.order.push_back(hash);
                if self.order.len() > FEED_RECENT_ROWS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.numbers.remove(&oldest);
                }
                None
            }
        }
    }

    /// Nothing that comes is the same as before.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn row(id: &str, rev: &str) -> Row {
        let (id, revs) = (id.to_owned(), vec![rev.to_owned()]);
        Row { seq: None, id, revs, deleted: false, doc: None, json: Bytes::new() }
    }

    #[test]
    fn a_row_is_known_by_id_and_revisions_within_the_limit() {
        let mut recent = Recent::default();
        assert_eq!(recent.tell(&row("x", "1-a"), 1), None);
        assert_eq!(recent.tell(&row("x", "2-b"), 2), None);
        assert_eq!(recent.tell(&row("y", "1-a"), 3), None);
        assert_eq!(recent.tell(&row("x", "1-a"), 4), Some(1));
        assert_eq!(recent.tell(&row("x", "1-a"), 5), Some(4));
        // As many as are kept are known, and one more is not.
        for number in 3..FEED_RECENT_ROWS as u64 {
            assert_eq!(recent.tell(&row("z", &number.to_string()), 6), None);
        }
        assert_eq!(recent.tell(&row("x", "1-a"), 7), Some(5));
        assert_eq!(recent.tell(&row("z", "one more"), 8), None);
        assert_eq!(recent.tell(&row("x", "1-a"), 9), None);
        assert_eq!(recent.order.len(), FEED_RECENT_ROWS);
    }
}
