//! TLS on the client's side: the certificates it trusts, the bytes it reads and how it fails.

mod certificates;
mod failures;
mod feed;
mod patience;
mod server;
mod stage;
mod system;
mod wire;
