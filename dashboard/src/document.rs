//! A followed document, ready to be told in each of the ways that browsers ask for it.

use crate::conditional::Tagged;
use crate::feed::Feed;
use crate::revisions::{Revision, Revisions};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use masque::filters::{HttpDate, Response, ServerSentEvent};
use masque::sessions::Change;
use std::sync::Arc;
use std::time::SystemTime;

/// How a document stands. What is told of it is made once for everyone, when it changes.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The newest that is known, and when it came.
    newest: Option<(Change, SystemTime)>,
    /// Why that is not how it stands, while it is not.
    trouble: Option<String>,
    rev: Option<Arc<str>>,
    /// Whose bytes the answers share.
    revision: Revision,
    answer: Tagged,
    /// Made when somebody asks for it, for where nobody subscribes nobody needs the copy.
    event: Option<Bytes>,
}

impl Document {
    pub(crate) fn new(id: &str, feed: &Feed) -> Self {
        let answer = Tagged::new(unavailable(feed.trouble()));
        Document {
            id: id.to_owned(),
            newest: None,
            trouble: None,
            rev: None,
            revision: Revision::default(),
            answer,
            event: None,
        }
    }

    /// It has another revision, or none. Returns the one before, which is old now.
    pub(crate) fn change(
        &mut self,
        mut change: Change,
        date: SystemTime,
        feed: &Feed,
        revisions: &mut Revisions,
    ) -> Revision {
        let mut revision = revisions.begin();
        change.doc = change.doc.map(|doc| revisions.keep(&mut revision, doc));
        self.rev = change.rev.as_deref().filter(|_| change.doc.is_some()).map(Arc::from);
        self.newest = Some((change, date));
        self.trouble = None;
        self.event = None;
        self.prepare(feed);
        std::mem::replace(&mut self.revision, revision)
    }

    /// It stands otherwise than it is known, and is not to be had.
    pub(crate) fn outdate(&mut self, trouble: String, feed: &Feed) {
        self.trouble = Some(trouble);
        self.prepare(feed);
    }

    /// Why what is known is not how it stands.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Makes the answer that everyone gets until the next change, of the document or of the feed.
    pub(crate) fn prepare(&mut self, feed: &Feed) {
        let mut response = match &self.newest {
            None => unavailable(self.trouble().unwrap_or(feed.trouble())),
            Some((Change { doc: None, rev, .. }, _)) => {
                json(StatusCode::NOT_FOUND, Bytes::from_static(gone(rev.is_some())))
            }
            Some((Change { rev, doc: Some(doc), .. }, date)) => {
                let mut response = json(StatusCode::OK, doc.clone());
                let headers = response.headers_mut();
                set(headers, LAST_MODIFIED, HttpDate::from(*date).to_string());
                if let Some(rev) = rev {
                    set(headers, ETAG, format!("\"{rev}\""));
                }
                response
            }
        };
        let is_current = feed.is_following() && self.trouble.is_none();
        let state = if is_current { "following" } else { "lost" };
        response.headers_mut().insert(FEED_STATE, HeaderValue::from_static(state));
        self.answer = Tagged::new(response);
    }

    /// Its revision; `None` when there is no document to have one.
    pub(crate) fn rev(&self) -> Option<Arc<str>> {
        self.rev.clone()
    }

    /// Whose bytes the answer and the event share.
    pub(crate) fn revision(&self) -> Revision {
        self.revision.clone()
    }

    /// One buffer for everyone.
    pub(crate) fn answer(&self) -> Tagged {
        self.answer.clone()
    }

    /// It as an event of a stream, one buffer for everyone: a message with the document, or `gone`.
    /// Nothing while nothing is known of it.
    pub(crate) fn event(&mut self, revisions: &Revisions) -> Option<Bytes> {
        let (change, _) = self.newest.as_ref()?;
        let event = self.event.get_or_insert_with(|| {
            let Some(doc) = &change.doc else {
                let gone = gone(change.rev.is_some()).trim_ascii();
                return ServerSentEvent::new(gone).named("gone").encode();
            };
            let event = ServerSentEvent::new(doc.trim_ascii());
            let event = self.rev.as_ref().map_or(event, |rev| event.id(rev)).encode();
            revisions.keep(&mut self.revision, event)
        });
        Some(event.clone())
    }
}

/// Tells the page whether the document may be out of date.
const FEED_STATE: HeaderName = HeaderName::from_static("feed-state");

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A poll must come through, and a document is never to be shown from a cache unasked.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// CouchDB's own form of an error.
fn unavailable(reason: &str) -> Response {
    let reason = serde_json::Value::from(reason);
    let body = format!("{{\"error\":\"unavailable\",\"reason\":{reason}}}\n");
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, body.into());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// One that was seen to be deleted still has a revision; one that the server does not know has
/// none.
fn gone(is_deleted: bool) -> &'static [u8] {
    if is_deleted {
        b"{\"error\":\"not_found\",\"reason\":\"deleted\"}\n"
    } else {
        b"{\"error\":\"not_found\",\"reason\":\"missing\"}\n"
    }
}

/// A revision that cannot stand in a header is left out: the document has it too.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
