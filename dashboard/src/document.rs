//! A followed document, ready to be told in each of the ways that browsers ask for it.

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

/// How a document stands. What is told of it is made once for everyone, when it changes.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The newest that is known, and when it came.
    newest: Option<(Change, SystemTime)>,
    /// Why that is not how it stands, while it is not.
    trouble: Option<String>,
    /// What a poll waits by; see [`Document::rev`].
    rev: Option<Arc<str>>,
    /// Whose bytes the answers share.
    revision: Revision,
    /// The newest revision that was superseded for an older one, until there is a newer one.
    superseded: Option<Superseded>,
    /// The database became another one after the newest came.
    is_of_old_database: bool,
    /// The identity of the database that the newest is of.
    database: Option<Arc<str>>,
    /// The time that a poll waits, in seconds.
    long_poll: HeaderValue,
    is_fresh: bool,
    answer: Tagged,
    /// Made when somebody asks for it, for where nobody subscribes nobody needs the copy.
    event: Option<Bytes>,
}

/// A revision that was superseded for an older one.
#[derive(Debug)]
struct Superseded {
    rev: Arc<str>,
    /// Because the database became another one, and not because a branch was deleted.
    was_of_other_database: bool,
}

/// What a change of a document means to others.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The revision before, which is old now.
    pub(crate) old: Revision,
    /// The database became another one, and this is its first change of the document.
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
            long_poll: HeaderValue::try_from(long_poll).expect("a number can be in a header"),
            is_fresh: false,
            answer: Tagged::new(unavailable("")),
            event: None,
        };
        document.prepare(feed);
        document
    }

    /// Takes another revision, or that there is none.
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

    /// Remembers the present revision if `next` is older: a browser that has it has nothing newer.
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

    /// The database is another one: what comes next begins again.
    pub(crate) fn database_was_recreated(&mut self) {
        self.is_of_old_database = true;
    }

    /// Everything that the database has is known. Returns true if the database became another one
    /// and has the document at the same revision.
    pub(crate) fn caught_up(&mut self, feed: &FeedTracker) -> bool {
        if self.database != feed.database() {
            self.database = feed.database();
            self.prepare(feed);
        }
        std::mem::take(&mut self.is_of_old_database)
    }

    /// It stands otherwise than it is known, and is not to be had.
    pub(crate) fn mark_outdated(&mut self, trouble: String, feed: &FeedTracker) {
        self.trouble = Some(trouble);
        self.prepare(feed);
    }

    /// Why what is known is not how it stands.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Makes the answer that everyone gets until the next change, of the document or of the feed.
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
        // Where databases have an identity, that says it better.
        let is_to_be_told =
            |superseded: &&Superseded| !superseded.was_of_other_database || self.database.is_none();
        if let Some(superseded) = self.superseded.as_ref().filter(is_to_be_told) {
            set(headers, SUPERSEDES, superseded.rev.to_string());
        }
        self.answer = Tagged::new(response);
    }

    /// What a poll waits by: its revision, the revision of its deletion, or [`MISSING`] if the
    /// database does not have it. `None` if nothing is known of it.
    pub(crate) fn rev(&self) -> Option<Arc<str>> {
        self.rev.clone()
    }

    /// Whose bytes the answer and the event share.
    pub(crate) fn revision(&self) -> Revision {
        self.revision.clone()
    }

    /// The newest revision that was superseded for an older one, if nothing newer has come since.
    pub(crate) fn superseded(&self) -> Option<Arc<str>> {
        self.superseded.as_ref().map(|superseded| Arc::clone(&superseded.rev))
    }

    /// Returns true if the feed knows of nothing newer than what is shown.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
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

/// Tells the page whether the document may be out of date.
const FEED_STATE: HeaderName = HeaderName::from_static("feed-state");
/// Tells the page how long a poll waits, in seconds.
const LONG_POLL: HeaderName = HeaderName::from_static("long-poll");
/// Tells the page which database the document is of: it is another text once the database was
/// deleted and created again, and the same at every dashboard that follows the same database.
const DATABASE: HeaderName = HeaderName::from_static("database");
/// Tells the page that the document has rightly gone back to an older revision, from this one.
const SUPERSEDES: HeaderName = HeaderName::from_static("supersedes");

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

/// A revision that cannot stand in a header is superseded out: the document has it too.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
