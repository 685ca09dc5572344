//! Why a feed was lost.

use super::row::Reason;
use crate::filters::{HttpClientError, LineTooLong};
use crate::reactor::TlsError;
use crate::wheels::ConnectError;
use http::StatusCode;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why the feed was lost. None of these shows a credential.
#[derive(Debug)]
#[non_exhaustive]
pub enum FeedError {
    /// No connection was made.
    Connect(ConnectError),
    /// The connection is not secured: the certificate is not good, or TLS failed. Of the request
    /// nothing was sent before that was found. With the feature `tls` alone.
    Tls(TlsError),
    /// Reading or writing failed.
    Io(io::Error),
    /// What came is not HTTP; or CouchDB failed in mid-feed and wrote a second response into the
    /// first.
    Http(HttpClientError),
    /// The server refused.
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says, when it speaks as CouchDB does.
        reason: Option<Reason>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// There is no such database: its answer, which tells that from other answers of 404.
    NoDatabase(Reason),
    /// There is no such filter, or no design document that would have it; the database is there.
    NoFilter(Reason),
    /// No answer came within this time.
    NoAnswer(Duration),
    /// Nothing, not even a heartbeat, came for this time.
    Silent(Duration),
    /// The connection ended in the middle of the feed.
    Cut,
    /// The feed ended in good order, and again without anything new.
    Ended,
    /// A line is longer than the limit.
    LineTooLong(LineTooLong),
    /// A line is none of a feed's; its beginning.
    Line(String),
    /// The server reports an error in the feed.
    Server(Reason),
    /// No request can carry what is to be asked for.
    Request(&'static str),
    /// An answer is not what CouchDB would say to this request.
    Answer(&'static str),
    /// The server sends elsewhere, to where a feed does not follow.
    Redirect(&'static str),
}

impl FeedError {
    /// Whether trying again will not help until somebody has done something about it.
    pub fn is_lasting(&self) -> bool {
        let passing =
            [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        match self {
            Self::Refused { status, .. } => status.is_client_error() && !passing.contains(status),
            Self::NoDatabase(_) | Self::NoFilter(_) | Self::Request(_) | Self::Redirect(_) => true,
            Self::Tls(error) => error.is_lasting(),
            _ => false,
        }
    }

    /// Whether the same request without a filter may be answered: the filter is not known, or made
    /// the request too long, or one that `is_posted`. Of what else is refused nobody can say so;
    /// and a filter that is given up for a proxy's whim has the whole database come from then on.
    pub(super) fn may_be_of_filter(&self, is_posted: bool) -> bool {
        let of_post = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::PAYLOAD_TOO_LARGE];
        match self {
            Self::NoFilter(_) | Self::Refused { status: StatusCode::URI_TOO_LONG, .. } => true,
            Self::Refused { status, .. } if is_posted && of_post.contains(status) => true,
            // CouchDB 1.0 says that a filter "must be of the form `designname/filtername`".
            Self::Refused { status: StatusCode::BAD_REQUEST, reason, .. } => {
                reason.as_ref().is_some_and(|reason| reason.reason.contains("filter"))
            }
            _ => false,
        }
    }

    /// Whether the server may say so of one document and go on with others. Who takes no
    /// credentials, or has too much to do, is not asked for more.
    pub(super) fn may_be_of_one(&self) -> bool {
        let of_all = [
            StatusCode::UNAUTHORIZED,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        match self {
            Self::Refused { status, retry_after: None, .. } => !of_all.contains(status),
            Self::Answer(_) | Self::Redirect(_) | Self::Request(_) => true,
            _ => false,
        }
    }

    /// What a socket's error means.
    pub(super) fn of_io(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Io, Self::Tls)
    }

    /// Whether it says something of the way to the server, and nothing of what the server was about
    /// to say.
    pub(super) fn is_of_the_way(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Io(_) | Self::NoAnswer(_) | Self::Silent(_) | Self::Cut => {
                true
            }
            Self::Tls(error) => !error.is_lasting(),
            _ => false,
        }
    }

    /// Whether a connection was not made, or broke, which says nothing of what was asked for.
    pub(super) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Io(_) | Self::Tls(_) | Self::Cut)
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Refused { status, reason: Some(reason), .. } => {
                write!(f, "the server answered {status}: {reason}")
            }
            Self::Refused { status, .. } => write!(f, "the server answered {status}"),
            Self::NoDatabase(reason) => write!(f, "there is no such database: {reason}"),
            Self::NoFilter(reason) => write!(f, "there is no such filter: {reason}"),
            Self::NoAnswer(time) => write!(f, "no answer within {time:?}"),
            Self::Silent(time) => write!(f, "nothing, not even a heartbeat, for {time:?}"),
            Self::Cut => f.write_str("the connection ended in the middle of the feed"),
            Self::Ended => f.write_str("the feed ended again without anything new"),
            Self::LineTooLong(error) => error.fmt(f),
            Self::Line(line) => write!(f, "not a line of a changes feed: {line}"),
            Self::Server(reason) => write!(f, "the server reports {reason}"),
            Self::Request(why) => write!(f, "the request cannot be made: {why}"),
            Self::Answer(what) => write!(f, "not CouchDB's answer: {what}"),
            Self::Redirect(why) => write!(f, "the server sends elsewhere: {why}"),
        }
    }
}

impl std::error::Error for FeedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::LineTooLong(error) => Some(error),
            _ => None,
        }
    }
}
