//! A follower of `CouchDB` databases, without I/O.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answers;
mod checkpoint;
mod cutter;
mod documents;
mod error;
mod event;
mod follower;
pub mod limits;
mod listening;
mod loss;
mod options;
mod query;
mod requests;
mod row;
mod rows;
mod state;
#[cfg(test)]
mod tests;
mod url;

pub use checkpoint::{Checkpoint, Mismatch, NoCheckpoint};
pub use error::{BoxError, FeedError};
pub use event::{Action, Change, Channel, Counters, FeedEnd, FeedEvent, FeedMode, Lost, Urgency};
pub use follower::Follower;
pub use options::FeedOptions;
pub use query::{EveryChange, OnMismatch, OnRecreated, Query, QueryError, Start};
pub use row::{Reason, Row, Seq};
pub use url::{DatabaseUrl, DatabaseUrlError};
