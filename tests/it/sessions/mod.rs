//! Ready-made sessions, on virtual time.

mod client;
mod event_stream;
mod server;
