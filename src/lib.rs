//! An event loop of sessions with named, typed events: the model of POE.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod deadline;
pub mod filters;
mod fnv;
pub mod limits;
pub mod reactor;
pub mod sessions;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wheels;

pub use bytes;
#[cfg(feature = "couch")]
pub use couch_feed;
#[cfg(feature = "http")]
pub use http;
