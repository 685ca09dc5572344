//! Followed documents.

use crate::documents::{Document, Reading};
use crate::event::Change;

#[test]
fn a_wanted_revision_was_mistaken_for_one_that_was_too_long() {
    let rev = |rev: &str| Some(rev.to_owned());
    let mut x = Document::new("x".into());
    assert!(x.record_rev(rev("4-d")));
    assert!(x.record(Change { id: "x".into(), rev: rev("5-e"), doc: Some("{}".into()) }));
    x.reading = Reading::Due; // it is read again, and is too long at an unknown revision
    x.record_too_long();
    assert!(x.record_rev(rev("4-d")), "an older revision that wins again may be read");
}
