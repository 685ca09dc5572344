//! What the integration tests lean on: programs that end with their test, servers and clients that
//! were not written here, an HTTP client as plain as can be, and patience that has an end.

pub(crate) mod actor;
pub(crate) mod folder;
pub(crate) mod followers;
pub(crate) mod http;
mod logged;
pub(crate) mod node;
pub(crate) mod pouchdb_server;
pub(crate) mod process;
mod tests;
mod wait;

pub(crate) use logged::logged;
pub(crate) use wait::{PATIENCE, wait_until};
