//! POE's model for Rust: sessions, named events and one cooperative kernel.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod deadline;
pub mod filters;
mod fnv;
pub mod limits;
pub mod reactor;
pub mod sessions;
pub mod wheels;

pub use couch_feed;
