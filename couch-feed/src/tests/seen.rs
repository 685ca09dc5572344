//! Repeated rows.

use crate::checkpoint::{LatestRows, Marks, Recent};
use crate::limits::{KEPT_ROWS, RECENT_ROWS};
use crate::row::Row;
use bytes::Bytes;

/// A row with only an id and a revision.
fn row(id: &str, rev: &str) -> Row {
    let (id, revs) = (id.to_owned(), vec![rev.to_owned()]);
    Row { seq: None, id, revs, deleted: false, doc: None, json: Bytes::new(), rejected: None }
}

#[test]
fn a_row_is_recognised_by_id_and_revisions_within_the_limit() {
    let mut recent = Recent::default();
    assert_eq!(recent.record(&row("x", "1-a"), 1), None);
    assert_eq!(recent.record(&row("x", "2-b"), 2), None);
    assert_eq!(recent.record(&row("y", "1-a"), 3), None);
    assert_eq!(recent.record(&row("x", "1-a"), 4), Some(1));
    assert_eq!(recent.record(&row("x", "1-a"), 5), Some(4));
    // As many as are kept are known, and one more is not.
    for number in 3..RECENT_ROWS as u64 {
        assert_eq!(recent.record(&row("z", &number.to_string()), 6), None);
    }
    assert_eq!(recent.record(&row("x", "1-a"), 7), Some(5));
    assert_eq!(recent.record(&row("z", "one more"), 8), None);
    assert_eq!(recent.record(&row("x", "1-a"), 9), None);
    assert_eq!(recent.lens(), (RECENT_ROWS, RECENT_ROWS));
}

/// What a later run remembers.
fn later(recent: &Recent, number: u64) -> Recent {
    let mut later = Recent::default();
    let text = recent.marks(number).to_string();
    assert!(text.len() <= 16 * (1 + KEPT_ROWS));
    later.restart(Marks::parse(&text));
    later
}

#[test]
fn an_acknowledged_row_is_recognised_by_a_later_run() {
    let mut recent = Recent::default();
    for (id, number) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("d", 5)] {
        recent.record(&row(id, "1-a"), number);
    }
    let mut later = later(&recent, 2);
    assert_eq!(later.record(&row("a", "1-a"), 1), Some(0));
    assert_eq!(later.record(&row("b", "1-a"), 2), Some(0));
    assert_eq!(later.record(&row("b", "2-b"), 3), None);
    assert_eq!(later.record(&row("a", "1-a"), 4), Some(1));
    for id in ["c", "d"] {
        assert_eq!(later.record(&row(id, "1-a"), 5), None, "it was reported but not acknowledged");
    }
}

#[test]
fn as_many_rows_are_kept_as_a_file_may_have() {
    let mut recent = Recent::default();
    for number in 1..=KEPT_ROWS as u64 + 2 {
        recent.record(&row("z", &number.to_string()), number);
    }
    let mut later = later(&recent, KEPT_ROWS as u64 + 1);
    assert_eq!(later.lens(), (KEPT_ROWS, KEPT_ROWS));
    assert_eq!(later.record(&row("z", "1"), 1), None);
    assert_eq!(later.record(&row("z", "2"), 2), Some(0));
}

#[test]
fn no_rows_give_the_default_marks() {
    let kept = Recent::default().marks(0);
    assert_eq!(kept, Marks::default());
}

#[test]
fn a_text_that_is_no_marks_gives_none() {
    let whole = Marks { salt: 1, hashes: vec![2, 3] };
    assert_eq!(Marks::parse(&whole.to_string()), whole);
    assert_eq!(
        Marks::parse("00000000000000010000000000000002"),
        Marks { salt: 1, hashes: vec![2] }
    );
    let long = "0".repeat(16 * (2 + KEPT_ROWS));
    for text in ["", "v2:0000", "000000000000000\u{e9}", &long] {
        assert!(Marks::parse(text).hashes.is_empty(), "{text}");
    }
    // One hash twice would be forgotten twice.
    let twice = Marks { salt: 1, hashes: vec![2, 2] };
    assert_eq!(Marks::parse(&twice.to_string()).hashes, [2]);
}

#[test]
fn a_row_is_compared_with_the_last_row_of_its_document() {
    let mut latest = LatestRows::default();
    let mut check = |row: Row, is_same: bool| assert_eq!(latest.record(&row), is_same, "{row:?}");
    let with = |doc: &str| Row { doc: Some(doc.to_owned().into()), ..row("x", "2-b") };
    check(row("x", "1-a"), false);
    check(row("x", "1-a"), true);
    check(row("y", "1-a"), false);
    check(row("x", "1-a"), true);
    // The winner again, after the revision that had won in between is deleted.
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
    let mut latest = LatestRows::default();
    for number in 1..=RECENT_ROWS {
        assert!(!latest.record(&row(&number.to_string(), "1-a")));
    }
    assert!(latest.record(&row("1", "1-a")));
    assert!(!latest.record(&row("one more", "1-a")));
    assert!(!latest.record(&row("1", "1-a")));
    assert_eq!(latest.lens(), (RECENT_ROWS, RECENT_ROWS));
}
