//! Which rows were told of late, so that a row that comes again is known.

use super::remembered::Remembered;
use super::row::Row;
use crate::limits::FEED_KEPT_ROWS;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

/// The last rows that were told, by id and revisions.
///
/// A row is kept as a hash of 64 bits: that two rows share one is less likely than a bit that flips
/// in memory, and nothing is dropped for it, only marked.
#[derive(Debug)]
pub(super) struct Recent {
    /// What nobody who writes documents knows, so that nobody can have two rows share a hash.
    salt: u64,
    numbers: Remembered<Numbers>,
}

/// The numbers under which a row was told.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    first: u64,
    last: u64,
}

/// Rows that an earlier run has handled, the newest last.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    salt: u64,
    hashes: Vec<u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { salt: RandomState::new().hash_one(()), numbers: Remembered::default() }
    }
}

impl Recent {
    /// Takes down that `row` is told under `number`; the number under which it was told before, if
    /// that was one of the last [`FEED_RECENT_ROWS`](crate::limits::FEED_RECENT_ROWS) different
    /// ones.
    pub(super) fn tell(&mut self, row: &Row, number: u64) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (self.salt, &row.id, &row.revs, row.deleted).hash(&mut hasher);
        let told = Numbers { first: number, last: number };
        self.numbers.recall(hasher.finish(), told, |told| std::mem::replace(&mut told.last, number))
    }

    /// Nothing that comes is the same as before, but for rows that were handled in an earlier run:
    /// those were told under the number 0.
    pub(super) fn begin(&mut self, kept: Kept) {
        *self = Recent::default();
        if !kept.is_empty() {
            self.salt = kept.salt;
        }
        for hash in kept.hashes {
            self.numbers.recall(hash, Numbers { first: 0, last: 0 }, |_| {});
        }
    }

    /// The newest of those that are handled, for a later run: all were up to `number`. To be told
    /// again undoes nothing.
    pub(super) fn kept(&self, number: u64) -> Kept {
        let handled = self.numbers.newest_first().filter(|(_, told)| told.first <= number);
        let mut hashes: Vec<_> = handled.take(FEED_KEPT_ROWS).map(|(hash, _)| hash).collect();
        hashes.reverse();
        // Without them a salt means nothing, and is not written.
        let salt = if hashes.is_empty() { 0 } else { self.salt };
        Kept { salt, hashes }
    }
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Reads what `Display` writes. What is not that, as another version may write, has no rows: it
    /// is of no consequence for what is told.
    pub(super) fn of(text: &str) -> Self {
        let digits = text.as_bytes().chunks(16);
        let number = |digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match digits.map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some([salt, hashes @ ..]) if hashes.len() <= FEED_KEPT_ROWS => {
                let mut seen = HashSet::new();
                let hashes = hashes.iter().copied().filter(|hash| seen.insert(*hash)).collect();
                Kept { salt: *salt, hashes }
            }
            _ => Kept::default(),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.salt)?;
        self.hashes.iter().try_for_each(|hash| write!(f, "{hash:016x}"))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.hashes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FEED_RECENT_ROWS;
    use crate::sessions::changes_feed::row::bare as row;

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
        assert_eq!(recent.numbers.lens(), (FEED_RECENT_ROWS, FEED_RECENT_ROWS));
    }

    /// What a later run has of it.
    fn later(recent: &Recent, number: u64) -> Recent {
        let mut later = Recent::default();
        let text = recent.kept(number).to_string();
        assert!(text.len() <= 16 * (1 + FEED_KEPT_ROWS));
        later.begin(Kept::of(&text));
        later
    }

    #[test]
    fn a_row_that_was_handled_is_known_to_a_later_run() {
        let mut recent = Recent::default();
        for (id, number) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)] {
            recent.tell(&row(id, "1-a"), number);
        }
        let mut later = later(&recent, 2);
        assert_eq!(later.tell(&row("a", "1-a"), 1), Some(0));
        assert_eq!(later.tell(&row("b", "1-a"), 2), Some(0));
        assert_eq!(later.tell(&row("b", "2-b"), 3), None);
        assert_eq!(later.tell(&row("a", "1-a"), 4), Some(1));
        for id in ["c", "d"] {
            assert_eq!(later.tell(&row(id, "1-a"), 5), None, "it was told and not handled");
        }
    }

    #[test]
    fn as_many_rows_are_kept_as_a_file_may_have() {
        let mut recent = Recent::default();
        for number in 1..=FEED_KEPT_ROWS as u64 + 2 {
            recent.tell(&row("z", &number.to_string()), number);
        }
        let mut later = later(&recent, FEED_KEPT_ROWS as u64 + 1);
        assert_eq!(later.numbers.lens(), (FEED_KEPT_ROWS, FEED_KEPT_ROWS));
        assert_eq!(later.tell(&row("z", "1"), 1), None);
        assert_eq!(later.tell(&row("z", "2"), 2), Some(0));
    }

    #[test]
    fn what_was_read_of_no_rows_was_not_what_had_been_written() {
        let kept = Recent::default().kept(0);
        assert_eq!(kept, Kept::default());
    }

    #[test]
    fn what_is_not_kept_rows_has_none() {
        let whole = Kept { salt: 1, hashes: vec![2, 3] };
        assert_eq!(Kept::of(&whole.to_string()), whole);
        assert_eq!(Kept::of("00000000000000010000000000000002"), Kept { salt: 1, hashes: vec![2] });
        let long = "0".repeat(16 * (2 + FEED_KEPT_ROWS));
        for text in ["", "v2:0000", "000000000000000\u{e9}", &long] {
            assert!(Kept::of(text).is_empty(), "{text}");
        }
        // One hash twice would be forgotten twice.
        let twice = Kept { salt: 1, hashes: vec![2, 2] };
        assert_eq!(Kept::of(&twice.to_string()).hashes, [2]);
    }
}
