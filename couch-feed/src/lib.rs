//! A follower of `CouchDB` databases, without I/O.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod action;
mod answers;
mod checkpoint;
mod cutter;
mod documents;
mod error;
mod event;
mod follower;
mod ledger;
pub mod limits;
mod listening;
mod look;
mod loss;
mod options;
mod pages;
mod query;
mod requests;
mod retry;
mod row;
mod rows;
mod seen;
mod skim;
mod state;
#[cfg(test)]
mod tests;
mod url;

pub use action::{Action, Channel, Lost, Urgency};
pub use checkpoint::{Checkpoint, Mismatch, NoCheckpoint};
pub use error::{BoxError, FeedError};
pub use event::{Change, Counters, FeedEnd, FeedEvent, FeedMode};
pub use follower::Follower;
pub use options::FeedOptions;
pub use query::{EveryChange, OnMismatch, OnRecreated, Query, QueryError, Start};
pub use row::{Reason, Row, Seq};
pub use url::{DatabaseUrl, DatabaseUrlError};
