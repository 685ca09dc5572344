//! What a driver does for a follower, and how it reports a lost connection.

use crate::error::BoxError;
use bytes::Bytes;
use http::Request;
use std::io;

/// One of the two connections that a follower may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The connection of the feed.
    Feed,
    /// The connection for looks at the database while an answer of the feed goes on.
    Look,
}

/// What the driver must do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a new connection, then call
    /// [`Follower::handle_connected`](crate::Follower::handle_connected), or
    /// [`Follower::handle_lost`](crate::Follower::handle_lost) if that fails. A client that manages
    /// its connections itself can call the former at once.
    Connect(Channel),
    /// Send a request on the open connection.
    Send(Channel, Box<Request<Bytes>>),
    /// Close the connection, or stop opening it, and report nothing more of it.
    Close(Channel),
    /// Read nothing more from the feed's connection until [`Resume`](Self::Resume), so that the
    /// server waits: the program has not acknowledged enough rows.
    Pause,
    /// Read again.
    Resume,
    /// The [checkpoint](crate::Follower::checkpoint) has moved.
    Save(Urgency),
}

/// When a checkpoint should be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once: the feed has just begun at this place.
    Now,
    /// Within about a second, with other moves until then.
    Soon,
}

/// Why a connection was lost, or not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lost {
    /// The connection was not made.
    Connect(BoxError),
    /// The connection could not be secured.
    Tls {
        /// What failed.
        error: BoxError,
        /// True if it will fail again until an operator has fixed it, as with a certificate.
        is_permanent: bool,
    },
    /// Reading or writing failed.
    Io(io::Error),
    /// The answer is not valid HTTP.
    Http(BoxError),
    /// The connection ended before the first byte of an answer.
    Unanswered,
    /// The connection ended within an answer, or between two.
    Cut,
}
