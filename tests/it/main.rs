//! The integration tests: one program, because every further one is linked separately.
#![forbid(unsafe_code)]

mod captures;
mod dashboard;
mod examples;
mod feed;
mod http;
mod kernel;
mod limits;
mod sessions;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod wheels;
