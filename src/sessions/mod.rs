//! Ready-made sessions over wheels and filters.
//!
//! A program says what it does with one connection in a [`Connection`]; a [`TcpServer`] has one for
//! each client that connects, a [`TcpClient`] has one that it connects, and again if need be.

mod backoff;
#[cfg(feature = "couch")]
mod changes_feed;
mod connection;
#[cfg(feature = "http")]
mod event_stream;
mod peer;
mod tcp_client;
mod tcp_server;

pub use backoff::Backoff;
#[cfg(feature = "couch")]
pub use changes_feed::{
    AuthorityError, Change, ChangesFeed, Checkpoint, CheckpointError, CheckpointFile, Counters,
    Database, DatabaseError, DatabaseUrlError, EveryChange, FeedEnd, FeedError, FeedEvent,
    FeedMode, Mismatch, NoCheckpoint, OnMismatch, OnRecreated, Query, QueryError, Reason, Row, Seq,
    Start,
};
pub use connection::Connection;
#[cfg(feature = "http")]
pub use event_stream::EventStream;
pub use peer::Peer;
pub use tcp_client::TcpClient;
pub use tcp_server::{Acceptor, TcpServer};
