//! An in-memory CouchDB, as a value.
//!
//! It speaks enough of the API of CouchDB 3.5.1 for any client (`PouchDB`, nano, curl, a `_changes`
//! follower) to use a database, follow it and replicate with it. No socket, clock, thread or kernel
//! is named here: [`Couch`] takes a request and gives an [`Answer`], and a `_changes` feed that is
//! not over yet is a [`Follow`], which a session asks for lines whenever the database changed.
//!
//! - [`store`]: databases, documents, revisions and sequences; knows no HTTP.
//! - [`api`]: requests to answers; knows no socket.
//! - [`limits`]: every bound.
//!
//! If a document cannot be stored, only that one is refused, so that a replicator continues with
//! the others. Not there, and refused: views, Mango, attachments, users; `docs/couchdb.md` lists
//! all differences from CouchDB 3.5.1. Everything is lost when the process ends.

pub(crate) mod api;
pub(crate) mod limits;
pub(crate) mod store;

pub(crate) use api::{Answer, Couch, Follow, Pace, Rows, Then};
pub(crate) use store::Identity;
