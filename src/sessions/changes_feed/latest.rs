//! What was told last of each document, so that a row which says the same can be dropped.

use super::remembered::Remembered;
use super::row::Row;
use std::hash::{BuildHasher, RandomState};

/// Of the last documents that were told of, what their last rows said.
///
/// The last, for after a conflict an older revision may be the winner once more. Both are hashes of
/// 64 bits: for a row to be dropped in error, two must be the same by chance.
#[derive(Debug, Default)]
pub(super) struct Latest {
    hasher: RandomState,
    said: Remembered<u64>,
}

impl Latest {
    /// Takes down what `row` says; whether the last row of its document said the same: the
    /// revisions, deleted or not, and the document as it came, if it did.
    pub(super) fn tell(&mut self, row: &Row) -> bool {
        let id = self.hasher.hash_one(&row.id);
        let said = self.hasher.hash_one((&row.revs, row.deleted, &row.doc));
        self.said.recall(id, said, |last| std::mem::replace(last, said)) == Some(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FEED_RECENT_ROWS;
    use crate::sessions::changes_feed::row::bare as row;

    #[test]
    fn the_same_is_what_the_last_row_of_its_document_said() {
        let mut latest = Latest::default();
        let mut check = |row: Row, is_same: bool| assert_eq!(latest.tell(&row), is_same, "{row:?}");
        let with = |doc: &str| Row { doc: Some(doc.to_owned().into()), ..row("x", "2-b") };
        check(row("x", "1-a"), false);
        check(row("x", "1-a"), true);
        check(row("y", "1-a"), false);
        check(row("x", "1-a"), true);
        // The winner once more, after the one that had won meanwhile is deleted.
        check(row("x", "2-b"), false);
        check(row("x", "1-a"), false);
        check(row("x", "1-a"), true);
        // A document that comes along at last, and one that has got a conflict.
        check(row("x", "2-b"), false);
        check(with("{}"), false);
        check(with("{}"), true);
        check(with("{\"_conflicts\":[]}"), false);
        check(Row { deleted: true, ..row("x", "2-b") }, false);
        check(Row { deleted: true, ..row("x", "2-b") }, true);
        check(row("y", "1-a"), true);
    }

    #[test]
    fn as_many_documents_are_known_as_rows_and_no_more() {
        let mut latest = Latest::default();
        for number in 1..=FEED_RECENT_ROWS {
            assert!(!latest.tell(&row(&number.to_string(), "1-a")));
        }
        assert!(latest.tell(&row("1", "1-a")));
        assert!(!latest.tell(&row("one more", "1-a")));
        assert!(!latest.tell(&row("1", "1-a")));
        assert_eq!(latest.said.lens(), (FEED_RECENT_ROWS, FEED_RECENT_ROWS));
    }
}
