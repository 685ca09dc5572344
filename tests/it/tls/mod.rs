//! TLS on the client's side: whom it trusts, what it makes of the bytes, and how it fails.

mod certificates;
mod failures;
mod feed;
mod patience;
mod server;
mod stage;
mod system;
mod wire;
