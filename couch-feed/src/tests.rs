//! Unit tests, each of one module.

mod checkpoint;
mod cutter;
mod document;
mod documents;
mod follower;
mod ledger;
mod loss;
mod members;
mod query;
mod row;
mod seen;
mod skim;
mod url;

use std::collections::BTreeSet;
use std::sync::Mutex;

type Arrow = (&'static str, &'static str);

/// The transitions that the tests of this process have made.
static WALKED: Mutex<BTreeSet<Arrow>> = Mutex::new(BTreeSet::new());

/// Notes that a follower has changed its state.
pub(crate) fn record_transition(from: &'static str, to: &'static str) {
    WALKED.lock().unwrap().insert((from, to));
}

fn walked() -> BTreeSet<Arrow> {
    WALKED.lock().unwrap().clone()
}
