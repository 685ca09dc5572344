//! One answer of the server while it comes.

use super::error::FeedError;
use super::mode::Cutter;
use super::row::parse_reason;
use crate::limits::FEED_RETRY_AFTER_MAX;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use std::time::{Duration, SystemTime};

/// What has come of the answer to the request under way.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    retry_after: Option<Duration>,
    /// Where else the server has what was asked for.
    pub(super) location: Option<String>,
    /// The body, where it is not a feed.
    pub(super) body: Vec<u8>,
    /// The feed's lines, where it is one.
    pub(super) lines: Option<Cutter>,
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

    /// Whether CouchDB itself says that what was asked for is not there. A proxy's 404 says nothing
    /// of a document.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
            && parse_reason(&self.body).is_some_and(|reason| reason.error == "not_found")
    }

    /// The refusal that this answer is.
    pub(super) fn refusal(&self) -> FeedError {
        FeedError::Refused {
            status: self.status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            reason: parse_reason(&self.body),
            retry_after: self.retry_after,
        }
    }
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
