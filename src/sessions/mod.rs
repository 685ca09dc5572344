//! Ready-made sessions over wheels and filters.

mod backoff;

pub use backoff::Backoff;
