//! Why a feed was lost.

use super::mode::FeedMode;
use super::row::Reason;
use crate::filters::{HttpClientError, LineTooLong};
use crate::limits::FEED_PROOF_TIME;
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
    /// Nothing of the feed came within this time, not even a heartbeat, although the database
    /// answered: something on the way, or CouchDB itself, buffers the feed. From now on it is asked
    /// for in another way; see [`FeedMode`].
    HeldBack {
        /// How the feed was asked for.
        mode: FeedMode,
        /// How long it was waited for.
        time: Duration,
    },
    /// A line of the feed, or another answer, came more slowly than
    /// [`FEED_BYTES_PER_S`](crate::limits::FEED_BYTES_PER_S).
    TooSlow {
        /// The bytes of it that had come.
        bytes: usize,
        /// The time that they took.
        time: Duration,
    },
    /// Nothing, not even a heartbeat, came for this time.
    Silent(Duration),
    /// The connection ended in the middle of the feed.
    Cut,
    /// The server answered with the feed and ended it in good order, too soon or without anything
    /// new.
    Ended {
        /// How long the feed lasted.
        after: Duration,
        /// The rows that came.
        rows: u64,
    },
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
    ///
    /// False for a [lock-out](Self::is_lockout), which ends by itself, and for 412, by which
    /// CouchDB reports a node that is down or in maintenance. True for 501, 505 and 511, which say
    /// that the server will never answer such a request.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Refused { status, .. } => is_lasting(*status) && !self.is_lockout(),
            Self::NoDatabase(_) | Self::NoFilter(_) | Self::Request(_) | Self::Redirect(_) => true,
            Self::Tls(error) => error.is_lasting(),
            _ => false,
        }
    }

    /// Returns true if CouchDB has locked the account for this address, because of too many wrong
    /// passwords from it. The lock ends by itself, after five minutes by default. It is answered
    /// with 403, as is a missing permission.
    pub fn is_lockout(&self) -> bool {
        match self {
            Self::Refused { status: StatusCode::FORBIDDEN, reason: Some(reason), .. } => {
                reason.reason.contains("temporarily locked")
            }
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
            Self::Refused { status, retry_after: None, .. } => {
                !of_all.contains(status) && !self.is_lockout()
            }
            Self::Answer(_) | Self::Redirect(_) | Self::Request(_) | Self::TooSlow { .. } => true,
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
            Self::Connect(_)
            | Self::Io(_)
            | Self::NoAnswer(_)
            | Self::HeldBack { .. }
            | Self::TooSlow { .. }
            | Self::Silent(_)
            | Self::Cut => true,
            Self::Tls(error) => !error.is_lasting(),
            _ => false,
        }
    }

    /// Whether a connection was not made, or broke, which says nothing of what was asked for.
    pub(super) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Io(_) | Self::Tls(_) | Self::Cut)
    }

    /// What this has in common with the same failure at another time: its text without numbers,
    /// because most of what differs is numbers, such as those of Erlang's processes. Durations have
    /// units too, and a feed that is answered in neither way fails in two ways, by turns.
    pub(super) fn kind(&self) -> String {
        let mut kind = match self {
            Self::HeldBack { .. } | Self::NoAnswer(_) | Self::Silent(_) => "nothing".to_owned(),
            Self::Ended { .. } => "ended".to_owned(),
            Self::TooSlow { .. } => "too slow".to_owned(),
            _ => self.to_string(),
        };
        kind.retain(|letter| !letter.is_ascii_digit());
        kind
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Returns true if a refusal with this status will be repeated until somebody has done something.
fn is_lasting(status: StatusCode) -> bool {
    match status {
        // CouchDB answers a GET with 412 only where a node is down or in maintenance mode.
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => false,
        StatusCode::NOT_IMPLEMENTED
        | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => true,
        status => status.is_client_error(),
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
            Self::HeldBack { mode, time } => {
                let name = mode.name();
                write!(
                    f,
                    "nothing of feed={name} came within {time:?}, although the database answered: \
                     the feed is buffered (set `proxy_buffering off` in nginx, or \
                     `buffer_response = false` in CouchDB); {}",
                    match mode {
                        FeedMode::Continuous => "from now on it is asked for by feed=longpoll",
                        _ => "from now on each answer is asked to end after a heartbeat",
                    }
                )
            }
            Self::TooSlow { bytes, time } => {
                write!(f, "only {bytes} bytes of an unfinished answer came within {time:?}")
            }
            Self::Silent(time) => write!(f, "nothing, not even a heartbeat, for {time:?}"),
            Self::Cut => f.write_str("the connection ended in the middle of the feed"),
            Self::Ended { after, rows } => {
                let news = if *rows == 0 { " without anything new" } else { "" };
                write!(
                    f,
                    "the feed ended again{news}: the server answered 200 OK, sent {rows} rows and \
                     ended it after {after:.1?}"
                )?;
                let is_at_once = *after < FEED_PROOF_TIME;
                f.write_str(if is_at_once {
                    ", as a node in maintenance mode does, or one whose database is deleted"
                } else {
                    ""
                })
            }
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
