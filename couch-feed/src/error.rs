//! Why a feed was lost.

use crate::event::FeedMode;
use crate::limits::PROOF_TIME;
use crate::row::Reason;
use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// An error of the client that makes the connections and reads the answers.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why the feed was lost. None of these shows a credential.
#[derive(Debug)]
#[non_exhaustive]
pub enum FeedError {
    /// No connection was made.
    Connect(BoxError),
    /// The connection is not secured: the certificate is not valid, or TLS failed. Nothing of the
    /// request was sent before that was found.
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
    /// CouchDB failed in the middle of the feed and wrote a second response into the first.
    SecondResponse {
        /// Its status; 500 if the connection ended within its head.
        status: StatusCode,
        /// What it says, if it is an answer of CouchDB.
        reason: Option<Reason>,
    },
    /// The server rejected a request.
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says, if it is an answer of CouchDB.
        reason: Option<Reason>,
        /// How long it asks not to be asked again.
        retry_after: Option<Duration>,
    },
    /// The database does not exist, according to CouchDB itself: other answers of 404 are
    /// [`Refused`](Self::Refused).
    NoDatabase(Reason),
    /// The filter or its design document does not exist. The database does.
    NoFilter(Reason),
    /// No answer came within this time.
    NoAnswer(Duration),
    /// Nothing of the feed came within this time, not even a heartbeat, although the database
    /// answered: something on the network path, or CouchDB itself, buffers the feed. From now on it
    /// is asked for in another way; see [`FeedMode`].
    HeldBack {
        /// How the feed was asked for.
        mode: FeedMode,
        /// The time until this was noticed.
        time: Duration,
    },
    /// A line of the feed, or another answer, came more slowly than
    /// [`BYTES_PER_S`](crate::limits::BYTES_PER_S).
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
    LineTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A line is not one of a feed; its beginning.
    Line(String),
    /// The server reports an error in the feed.
    Server(Reason),
    /// The request would be too long.
    Request(&'static str),
    /// An answer is not what CouchDB would send to this request.
    Answer(&'static str),
    /// The server redirects to where a feed does not follow.
    Redirect(&'static str),
}

impl FeedError {
    /// Returns true if trying again will not help until an operator has fixed something.
    ///
    /// False for a [lock-out](Self::is_lockout), which ends by itself, and for 412, by which
    /// CouchDB reports a node that is down or in maintenance. True for 501, 505 and 511, which say
    /// that the server will never answer such a request.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { status, .. } => is_permanent(*status) && !self.is_lockout(),
            Self::NoDatabase(_) | Self::NoFilter(_) | Self::Request(_) | Self::Redirect(_) => true,
            Self::Tls { is_permanent, .. } => *is_permanent,
            _ => false,
        }
    }

    /// Returns true if CouchDB has locked the account for this address, because of too many wrong
    /// passwords from it. The lock ends by itself, after five minutes by default. It is answered
    /// with 403, as is a missing permission.
    #[must_use]
    pub fn is_lockout(&self) -> bool {
        match self {
            Self::Refused { status: StatusCode::FORBIDDEN, reason: Some(reason), .. } => {
                reason.reason.contains("temporarily locked")
            }
            _ => false,
        }
    }

    /// Returns true if the same request without a filter may be answered: the filter is unknown, or
    /// made the request too long, or made it a POST (`is_posted`). Other errors do not blame the
    /// filter, because omitting it by mistake makes the server send the whole database.
    pub(crate) fn may_be_of_filter(&self, is_posted: bool) -> bool {
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

    /// Returns true if this may concern one document only. A server that rejects the credentials or
    /// is overloaded is not asked for other documents.
    pub(crate) fn is_per_document(&self) -> bool {
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

    /// Returns true if this concerns the network path to the server, and not what the server was
    /// about to send.
    pub(crate) fn is_transport(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Io(_)
            | Self::NoAnswer(_)
            | Self::HeldBack { .. }
            | Self::TooSlow { .. }
            | Self::Silent(_)
            | Self::Cut => true,
            Self::Tls { is_permanent, .. } => !is_permanent,
            _ => false,
        }
    }

    /// Returns true if a connection was not made, or broke, which says nothing about the request.
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Io(_) | Self::Tls { .. } | Self::Cut)
    }

    /// A text that is the same each time the same failure happens: the message without digits,
    /// because mostly numbers differ, such as those of Erlang's processes. Failures with durations
    /// have fixed texts, because durations also differ in their units.
    pub(crate) fn kind(&self) -> String {
        let mut kind = match self {
            Self::HeldBack { .. } | Self::NoAnswer(_) | Self::Silent(_) => "nothing".to_owned(),
            Self::Ended { .. } => "ended".to_owned(),
            Self::TooSlow { .. } => "too slow".to_owned(),
            _ => self.to_string(),
        };
        kind.retain(|letter| !letter.is_ascii_digit());
        kind
    }

    /// How long the server asks not to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Returns true if a server answers with this status until an operator has fixed something.
fn is_permanent(status: StatusCode) -> bool {
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
            Self::Connect(error) | Self::Tls { error, .. } | Self::Http(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::SecondResponse { status, reason } => {
                write!(f, "the body contains a second response: {status}")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ", {reason}"))
            }
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
                let is_at_once = *after < PROOF_TIME;
                f.write_str(if is_at_once {
                    ", as a node in maintenance mode does, or one whose database is deleted"
                } else {
                    ""
                })
            }
            Self::LineTooLong { max } => write!(f, "a line is longer than {max} bytes"),
            Self::Line(line) => write!(f, "not a line of a changes feed: {line}"),
            Self::Server(reason) => write!(f, "the server reports {reason}"),
            Self::Request(why) => write!(f, "the request cannot be made: {why}"),
            Self::Answer(what) => write!(f, "not CouchDB's answer: {what}"),
            Self::Redirect(why) => write!(f, "the server sends elsewhere: {why}"),
        }
    }
}

impl Error for FeedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) | Self::Tls { error, .. } | Self::Http(error) => Some(&**error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
