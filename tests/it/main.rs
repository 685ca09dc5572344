//! The integration tests: one program, because every further one is linked anew.
#![forbid(unsafe_code)]

mod captures;
mod feed;
mod support;
