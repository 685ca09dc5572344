//! Ready-made sessions, on virtual time.

mod client;
mod server;
