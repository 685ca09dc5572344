//! An in-memory CouchDB as a value, without I/O.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod fnv;
pub mod if_none_match;
pub mod limits;
pub mod percent;

mod api;
mod store;

pub use api::{Answer, Couch, Feed, Pace, Rows, Then, error_body};
pub use store::{CreateError, Identity};
