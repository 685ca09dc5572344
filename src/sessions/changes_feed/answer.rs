//! One answer of the server while it comes.

use super::error::FeedError;
use super::mode::Cutter;
use super::row::{Reason, parse_reason};
use crate::limits::FEED_RETRY_AFTER_MAX;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use std::time::{Duration, Instant, SystemTime};

/// What has come of the answer to the request under way.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    /// When its head, and when the line that is unfinished, began to come.
    pub(super) began: Option<Instant>,
    pub(super) line_began: Option<Instant>,
    /// Whether any of its body has come.
    pub(super) has_body: bool,
    retry_after: Option<Duration>,
    /// Where else the server has what was asked for.
    pub(super) location: Option<String>,
    /// The body, where it is not a feed.
    pub(super) body: Vec<u8>,
    /// The feed's lines, where it is one.
    pub(super) lines: Option<Cutter>,
    /// What has come of a second response in it, which nothing frames.
    pub(super) second: Option<Vec<u8>>,
    /// Whether the feed has said that it ends here.
    pub(super) is_last: bool,
}

impl Answer {
    pub(super) fn of(head: &Response<()>, date: SystemTime) -> Self {
        let headers = head.headers();
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        Answer {
            status: Some(head.status()),
            retry_after: retry_after(headers, date),
            location: location.map(str::to_owned),
            ..Answer::default()
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status == Some(StatusCode::OK)
    }

    /// Whether the server says that this is elsewhere. 303 is for answers to a POST, and yet means
    /// the same to a GET.
    pub(super) fn is_redirect(&self) -> bool {
        let redirects = [301, 302, 303, 307, 308];
        self.status.is_some_and(|status| redirects.contains(&status.as_u16()))
    }

    /// Returns true if the server will answer otherwise in a while, without anybody's help.
    pub(super) fn is_passing_failure(&self) -> bool {
        let is_failure = self.status.is_some_and(|s| s.is_client_error() || s.is_server_error());
        is_failure && !self.refusal().is_lasting()
    }

    /// Returns true if the credentials are what was refused, as far as is known from what has come:
    /// a 403 whose reason did not come may be that of a locked account.
    pub(super) fn refuses_credentials(&self, is_login: bool) -> bool {
        match self.status {
            Some(StatusCode::UNAUTHORIZED) => true,
            Some(StatusCode::FORBIDDEN) => {
                is_login || parse_reason(&self.body).is_none() || self.refusal().is_lockout()
            }
            _ => false,
        }
    }

    /// Returns true if this is CouchDB's own answer to a wrong password, which is the same at every
    /// path.
    pub(super) fn is_wrong_password(&self) -> bool {
        self.status == Some(StatusCode::UNAUTHORIZED)
            && parse_reason(&self.body).is_some_and(|reason| reason.error == "unauthorized")
    }

    /// What has come of it and is unfinished: since when, and how many bytes.
    pub(super) fn unfinished(&self) -> Option<(Instant, usize)> {
        match &self.lines {
            Some(lines) => self.line_began.map(|began| (began, lines.pending())),
            None => self.began.map(|began| (began, self.body.len())),
        }
    }

    /// What CouchDB itself says of what is not there. A proxy's 404 says nothing of it.
    fn missing(&self) -> Option<Reason> {
        let reason = parse_reason(&self.body).filter(|reason| reason.error == "not_found");
        reason.filter(|_| self.status == Some(StatusCode::NOT_FOUND))
    }

    /// Whether the database is there, and what was asked for in it is not.
    pub(super) fn is_not_found(&self) -> bool {
        self.missing().is_some_and(|reason| !is_of_database(&reason))
    }

    /// The refusal that this answer is.
    pub(super) fn refusal(&self) -> FeedError {
        match self.missing() {
            Some(reason) if is_of_database(&reason) => FeedError::NoDatabase(reason),
            _ => FeedError::Refused {
                status: self.status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                reason: parse_reason(&self.body),
                retry_after: self.retry_after,
            },
        }
    }

    /// The refusal that this answer is to who asked for a feed: what else could be missing?
    pub(super) fn refusal_of_feed(&self) -> FeedError {
        match self.missing() {
            Some(reason) if !is_of_database(&reason) => FeedError::NoFilter(reason),
            _ => self.refusal(),
        }
    }
}

/// Whether it is the database that is not there. A design document is `missing` or `deleted`, and
/// of a filter a `missing json key` is told.
fn is_of_database(reason: &Reason) -> bool {
    // CouchDB since 2.0; before that, and PouchDB.
    ["Database does not exist.", "no_db_file"].contains(&reason.reason.as_str())
}

/// Whether a body is to be read as it is. A feed that is compressed is a feed that is held back.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity")
}

/// RFC 9110, section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(date).ok()?,
    };
    Some(asked.min(FEED_RETRY_AFTER_MAX))
}
