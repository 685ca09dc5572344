//! Why a verb of the kernel failed: one enum for each group of verbs. Messages name the session and
//! the event.

use crate::reactor::ids::SessionId;
use std::fmt;

/// The address of a message: a session's id or its alias.
///
/// Both convert into it, so that `post` and `call` accept both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To<'a> {
    /// The session with this id.
    Id(SessionId),
    /// The session that has this alias.
    Alias(&'a str),
}

impl From<SessionId> for To<'_> {
    fn from(id: SessionId) -> Self {
        To::Id(id)
    }
}

impl<'a> From<&'a str> for To<'a> {
    fn from(alias: &'a str) -> Self {
        To::Alias(alias)
    }
}

impl<'a> From<&'a String> for To<'a> {
    fn from(alias: &'a String) -> Self {
        To::Alias(alias)
    }
}

/// The address of a session that does not exist, for the error's message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// No session has this id any more.
    Id(SessionId),
    /// No session has this alias.
    Alias(Box<str>),
}

impl From<To<'_>> for Missing {
    fn from(to: To<'_>) -> Self {
        match to {
            To::Id(id) => Missing::Id(id),
            To::Alias(alias) => Missing::Alias(alias.into()),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Id(id) => write!(f, "{id}"),
            Missing::Alias(alias) => write!(f, "session `{alias}`"),
        }
    }
}

/// Why a post failed. The poster gets the error at once; the receiver is not informed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// There is no such session: an unknown alias, or one that has stopped (POE's `ESRCH`).
    NoSession {
        /// The address of the post.
        to: Missing,
        /// The name of the event.
        event: &'static str,
    },
    /// The session's kind handles no event of that name and has no default handler.
    NoHandler {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
    },
    /// The session's kind handles an event of that name with other types.
    WrongType {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
        /// The types of payload and reply that the handler has.
        handled: &'static str,
        /// The types of payload and reply of the event that was posted.
        given: &'static str,
    },
    /// The kernel's queue is at its limit ([`Limits::queue`](crate::reactor::Limits::queue)).
    QueueFull {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
    },
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostError::NoSession { to, event } => write!(f, "no {to} for `{event}`"),
            PostError::NoHandler { session, event } => {
                write!(f, "`{session}` has no handler for `{event}`")
            }
            PostError::WrongType { session, event, handled, given } => {
                write!(f, "`{session}` handles `{event}` as {handled}, not as {given}")
            }
            PostError::QueueFull { session, event } => {
                write!(f, "the queue is full: `{event}` to `{session}` was not posted")
            }
        }
    }
}

impl std::error::Error for PostError {}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// A post would have failed as well, for this reason.
    Undeliverable(PostError),
    /// The session is already running further up this call stack; post to it instead.
    Busy {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
    },
    /// The nesting of calls is at its limit
    /// ([`Limits::call_depth`](crate::reactor::Limits::call_depth)).
    TooDeep {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
    },
    /// The handler panicked, and its session has been stopped.
    Panicked {
        /// The receiver's kind.
        session: &'static str,
        /// The name of the event.
        event: &'static str,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Undeliverable(error) => error.fmt(f),
            CallError::Busy { session, event } => {
                write!(f, "`{session}` is running already and cannot be called with `{event}`")
            }
            CallError::TooDeep { session, event } => {
                write!(f, "calls are nested too deep: `{event}` of `{session}` was not called")
            }
            CallError::Panicked { session, event } => {
                write!(f, "`{session}` panicked in `{event}` and was stopped")
            }
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Undeliverable(error) => Some(error),
            _ => None,
        }
    }
}

impl From<PostError> for CallError {
    fn from(error: PostError) -> Self {
        CallError::Undeliverable(error)
    }
}

/// Why an alias could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasError {
    /// The alias belongs to another session (POE's `EEXIST`).
    Taken {
        /// The requested alias.
        alias: Box<str>,
        /// The session that has it.
        owner: SessionId,
    },
    /// The session has [stopped](super::Cx::stop).
    Stopped {
        /// The requested alias.
        alias: Box<str>,
    },
}

impl fmt::Display for AliasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AliasError::Taken { alias, owner } => {
                write!(f, "the alias `{alias}` belongs to {owner}")
            }
            AliasError::Stopped { alias } => {
                write!(f, "the session has stopped and takes no alias `{alias}`")
            }
        }
    }
}

impl std::error::Error for AliasError {}

/// Why a timer could not be changed through its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerError {
    /// The timer has fired or was removed (POE's `ESRCH`).
    Gone,
    /// The timer belongs to another session (POE's `EPERM`).
    NotMine,
    /// The session has [stopped](super::Cx::stop): none of its timers will fire.
    Stopped,
}

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimerError::Gone => "the timer has fired or was removed",
            TimerError::NotMine => "the timer belongs to another session",
            TimerError::Stopped => "the session has stopped",
        })
    }
}

impl std::error::Error for TimerError {}
