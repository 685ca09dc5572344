//! Unit tests, each of one module.

mod checkpoint;
mod cutter;
mod document;
mod documents;
mod ledger;
mod loss;
mod members;
mod query;
mod row;
mod seen;
mod skim;
mod url;

/// Notes that a follower has changed its state.
pub(crate) fn record_transition(_from: &'static str, _to: &'static str) {}
