//! One answer of the server while it comes.

use super::error::FeedError;
use super::row::parse_reason;
use crate::filters::Lines;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use std::time::{Duration, SystemTime};

/// What has come of the answer to the request under way.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    retry_after: Option<Duration>,
    /// The body, where it is not a feed.
    pub(super) body: Vec<u8>,
    /// The feed's lines, where it is one.
    pub(super) lines: Option<Lines>,
    /// Whether the feed has said that it ends here.
    pub(super) is_last: bool,
}

impl Answer {
    pub(super) fn of(head: &Response<()>, date: SystemTime) -> Self {
        Answer {
            status: Some(head.status()),
            retry_after: retry_after(head.headers(), date),
            ..Answer::default()
        }
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

/// RFC 9110, section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(date).ok(),
    }
}
