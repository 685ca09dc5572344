//! A followed document, prepared for each kind of request.

use crate::conditional::Tagged;
use crate::feed::FeedTracker;
use crate::revisions::{Revision, Revisions};
use crate::winner::{MISSING, is_newer};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use masque::filters::{HttpDate, Response, ServerSentEvent};
use masque::sessions::Change;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The current state of a document. Answers are prepared once for all browsers, when it changes.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The latest known revision, and when it arrived.
    newest: Option<(Change, SystemTime)>,
    /// The reason why `newest` is known to be outdated, if it is.
    trouble: Option<String>,
    /// The revision that polls compare, see [`Document::rev`].
    rev: Option<Arc<str>>,
    /// The revision whose bytes the answers share.
    revision: Revision,
    /// The newest revision that an older one has replaced, until a newer one arrives.
    superseded: Option<Superseded>,
    /// The database was created again after `newest` arrived.
    is_of_old_database: bool,
    /// The identity of the database that `newest` comes from.
    database: Option<Arc<str>>,
    /// The time that a poll waits, in seconds.
    long_poll: HeaderValue,
    is_fresh: bool,
    answer: Tagged,
    /// Prepared at the first request, because without a stream the copy is not needed.
    event: Option<Bytes>,
}

/// A revision that an older one has replaced.
#[derive(Debug)]
struct Superseded {
    rev: Arc<str>,
    /// The reason is that the database was created again, not that a branch was deleted.
    was_of_other_database: bool,
}

/// The consequences of a change for others.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The previous revision, which is old now.
    pub(crate) old: Revision,
    /// This is the first change of the document in a database that was created again.
    pub(crate) is_first_of_database: bool,
}

impl Document {
    pub(crate) fn new(id: &str, long_poll: Duration, feed: &FeedTracker) -> Self {
        let long_poll = long_poll.as_secs_f64().to_string();
        let mut document = Document {
            id: id.to_owned(),
            newest: None,
            trouble: None,
            rev: None,
            revision: Revision::default(),
            superseded: None,
            is_of_old_database: false,
            database: None,
            long_poll: HeaderValue::try_from(long_poll).expect("a number is a valid header value"),
            is_fresh: false,
            answer: Tagged::new(unavailable("")),
            event: None,
        };
        document.prepare(feed);
        document
    }

    /// Stores another revision, or a deletion.
    pub(crate) fn change(
        &mut self,
        mut change: Change,
        date: SystemTime,
        feed: &FeedTracker,
        revisions: &mut Revisions,
    ) -> Changed {
        let is_first_of_database = std::mem::take(&mut self.is_of_old_database);
        let mut revision = revisions.begin();
        change.doc = change.doc.map(|doc| revisions.keep(&mut revision, doc));
        let rev = match (&change.rev, &change.doc) {
            (rev @ Some(_), _) => rev.as_deref(),
            (None, Some(_)) => None,
            (None, None) => Some(MISSING),
        };
        self.remember_superseded(rev, is_first_of_database);
        self.rev = rev.map(Arc::from);
        self.database = feed.database();
        self.newest = Some((change, date));
        self.trouble = None;
        self.event = None;
        self.prepare(feed);
        let old = std::mem::replace(&mut self.revision, revision);
        Changed { old, is_first_of_database }
    }

    /// Remembers the current revision if `next` is older: a browser that has it is not ahead.
    fn remember_superseded(&mut self, next: Option<&str>, was_of_other_database: bool) {
        if let Some(rev) = self.rev.take().filter(|rev| is_newer(rev, None)) {
            let is_left = was_of_other_database || is_newer(&rev, next);
            let is_newest = self
                .superseded
                .as_ref()
                .is_none_or(|superseded| is_newer(&rev, Some(&superseded.rev)));
            if is_left && is_newest {
                self.superseded = Some(Superseded { rev, was_of_other_database });
            }
        }
        self.superseded =
            self.superseded.take().filter(|superseded| is_newer(&superseded.rev, next));
    }

    /// Notes that the database was created again: the next change counts as the first one.
    pub(crate) fn database_was_recreated(&mut self) {
        self.is_of_old_database = true;
    }

    /// Notes that all changes have been received. Returns true if the database was created again
    /// and has the document at the same revision.
    pub(crate) fn caught_up(&mut self, feed: &FeedTracker) -> bool {
        if self.database != feed.database() {
            self.database = feed.database();
            self.prepare(feed);
        }
        std::mem::take(&mut self.is_of_old_database)
    }

    /// Notes that the document has a newer revision that cannot be read.
    pub(crate) fn mark_outdated(&mut self, trouble: String, feed: &FeedTracker) {
        self.trouble = Some(trouble);
        self.prepare(feed);
    }

    /// Returns the reason why the shown revision is outdated.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Prepares the answer that all browsers get until the document or the feed changes.
    pub(crate) fn prepare(&mut self, feed: &FeedTracker) {
        let mut response = match &self.newest {
            None => unavailable(self.trouble().unwrap_or(feed.trouble())),
            Some((Change { doc: None, rev, .. }, _)) => {
                json(StatusCode::NOT_FOUND, Bytes::from_static(gone(rev.is_some())))
            }
            Some((Change { doc: Some(doc), .. }, date)) => {
                let mut response = json(StatusCode::OK, doc.clone());
                let headers = response.headers_mut();
                set(headers, LAST_MODIFIED, HttpDate::from(*date).to_string());
                response
            }
        };
        self.is_fresh = feed.is_following() && self.trouble.is_none();
        let state = if self.is_fresh { "following" } else { "lost" };
        let headers = response.headers_mut();
        headers.insert(FEED_STATE, HeaderValue::from_static(state));
        headers.insert(LONG_POLL, self.long_poll.clone());
        if let Some(rev) = &self.rev {
            set(headers, ETAG, format!("\"{rev}\""));
        }
        if let Some(database) = &self.database {
            set(headers, DATABASE, database.to_string());
        }
        // If the database has an identity, browsers compare that instead.
        let is_relevant =
            |superseded: &&Superseded| !superseded.was_of_other_database || self.database.is_none();
        if let Some(superseded) = self.superseded.as_ref().filter(is_relevant) {
            set(headers, SUPERSEDES, superseded.rev.to_string());
        }
        self.answer = Tagged::new(response);
    }

    /// Returns the revision that polls compare: the revision, the revision of its deletion, or
    /// [`MISSING`] if the database does not have the document. `None` if nothing is known of it.
    pub(crate) fn rev(&self) -> Option<Arc<str>> {
        self.rev.clone()
    }

    /// Returns the revision whose bytes the answer and the event share.
    pub(crate) fn revision(&self) -> Revision {
        self.revision.clone()
    }

    /// Returns the newest revision that an older one has replaced, if no newer one has arrived
    /// since.
    pub(crate) fn superseded(&self) -> Option<Arc<str>> {
        self.superseded.as_ref().map(|superseded| Arc::clone(&superseded.rev))
    }

    /// Returns true if the feed knows of no newer revision than the shown one.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Returns the prepared answer, one buffer for all browsers.
    pub(crate) fn answer(&self) -> Tagged {
        self.answer.clone()
    }

    /// Returns the document as an event of a stream, one buffer for all browsers: a message with
    /// the document, or `gone`. `None` while nothing is known of it.
    pub(crate) fn event(&mut self, revisions: &Revisions) -> Option<Bytes> {
        let (change, _) = self.newest.as_ref()?;
        let event = self.event.get_or_insert_with(|| {
            let Some(doc) = &change.doc else {
                let gone = gone(change.rev.is_some()).trim_ascii();
                let event = ServerSentEvent::new(gone).named("gone");
                return self.rev.as_ref().map_or(event, |rev| event.id(rev)).encode();
            };
            let event = ServerSentEvent::new(doc.trim_ascii());
            let event = self.rev.as_ref().map_or(event, |rev| event.id(rev)).encode();
            revisions.keep(&mut self.revision, event)
        });
        Some(event.clone())
    }
}

/// Header: whether the document may be out of date.
const FEED_STATE: HeaderName = HeaderName::from_static("feed-state");
/// Header: how long a poll waits, in seconds.
const LONG_POLL: HeaderName = HeaderName::from_static("long-poll");
/// Header: the identity of the database. It changes if the database is deleted and created again,
/// and is the same at every dashboard that follows this database.
const DATABASE: HeaderName = HeaderName::from_static("database");
/// Header: the newer revision that the document rightly had before.
const SUPERSEDES: HeaderName = HeaderName::from_static("supersedes");

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Caches must ask the server every time, so that polls reach it and no old document is shown.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Returns an error in the form of CouchDB.
fn unavailable(reason: &str) -> Response {
    let reason = serde_json::Value::from(reason);
    let body = format!("{{\"error\":\"unavailable\",\"reason\":{reason}}}\n");
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, body.into());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Returns the body for a document without content. A document that was deleted has a revision; a
/// document that the server does not know has none.
fn gone(is_deleted: bool) -> &'static [u8] {
    if is_deleted {
        b"{\"error\":\"not_found\",\"reason\":\"deleted\"}\n"
    } else {
        b"{\"error\":\"not_found\",\"reason\":\"missing\"}\n"
    }
}

/// Sets a header, unless the value is not valid in a header. The document has its revision too.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
