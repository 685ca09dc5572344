//! Ready-made sessions over wheels and filters.
//!
//! A [`Connection`] has the program's code for one connection. A [`TcpServer`] creates one for each
//! client. A [`TcpClient`] has one, and can connect again.

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
