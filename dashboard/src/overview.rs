//! How the followed documents stand, and who is told when they change.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use masque::filters::{Prepared, Response};
use masque::reactor::{Cx, Event, Handlers, Session, Topic};
use masque::sessions::{Change, ChangesFeed, Database, FeedEvent};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Told to every browser that waits when a document has changed: its place.
pub(crate) const CHANGED: Topic<usize> = Topic::new("overview.changed");

/// Follows CouchDB and holds the newest of each document, ready to be sent.
#[derive(Debug)]
pub(crate) struct Overview {
    database: Database,
    heartbeat: Duration,
    retry_cap: Duration,
    docs: Vec<Document>,
    is_following: bool,
    /// Why there is no data, until there is.
    trouble: String,
    is_closing: bool,
}

#[derive(Debug)]
struct Document {
    id: String,
    /// The newest that is known, and when it came.
    newest: Option<(Change, SystemTime)>,
    answer: Prepared,
}

/// How a document stands, for one request.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// Its revision; `None` when there is no document to have one.
    pub(crate) rev: Option<Arc<str>>,
    /// One buffer for everyone.
    pub(crate) answer: Prepared,
    /// Whether the server is about to end, so that nobody should wait any more.
    pub(crate) is_closing: bool,
}

impl Overview {
    /// Call it with a document's place.
    pub(crate) const CURRENT: Event<usize, Current> = Event::new("overview.current");
    /// Answers everyone who waits: the server is about to end.
    pub(crate) const CLOSE: Event<()> = Event::new("overview.close");
    const FEED: Event<FeedEvent> = Event::new("overview.feed");

    pub(crate) fn new(
        database: Database,
        docs: &[String],
        heartbeat: Duration,
        retry_cap: Duration,
    ) -> Self {
        let trouble = "the database is being connected to".to_owned();
        let unknown = |id: &String| Document {
            id: id.clone(),
            newest: None,
            answer: Prepared::new(unavailable(&trouble)),
        };
        let docs = docs.iter().map(unknown).collect();
        Overview {
            database,
            heartbeat,
            retry_cap,
            docs,
            is_following: false,
            trouble,
            is_closing: false,
        }
    }

    fn current(&mut self, _: &mut Cx<'_>, place: usize) -> Current {
        let Document { newest, answer, .. } = &self.docs[place];
        let change =
            newest.as_ref().map(|(change, _)| change).filter(|change| change.doc.is_some());
        Current {
            rev: change.and_then(|change| change.rev.as_deref()).map(Arc::from),
            answer: answer.clone(),
            is_closing: self.is_closing,
        }
    }

    fn close(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_closing = true;
        for place in 0..self.docs.len() {
            cx.notify(CHANGED, place);
        }
    }

    fn feed(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        let database = &self.database;
        match event {
            FeedEvent::Change(change) => return self.change(cx, change),
            FeedEvent::CaughtUp if !self.is_following => {
                log::info!("following {database}");
                self.is_following = true;
            }
            FeedEvent::Lost { why, retry_after, .. } => {
                log::warn!("lost {database}: {why}; trying again in {retry_after:.1?}");
                self.is_following = false;
                self.trouble = why.to_string();
            }
            FeedEvent::Recreated => log::warn!("{database} is another than before"),
            FeedEvent::Stuck { times, since, why } => {
                log::error!("{database} fails at {since} in the same way for {times} times: {why}");
            }
            FeedEvent::TooLong { id, max } => {
                log::error!("{id} is longer than {max} bytes and is not shown");
            }
            _ => return,
        }
        for place in 0..self.docs.len() {
            self.prepare(place);
        }
    }

    fn change(&mut self, cx: &mut Cx<'_>, change: Change) {
        let Some(place) = self.docs.iter().position(|doc| doc.id == change.id) else { return };
        log::debug!("{} is at {}", change.id, change.rev.as_deref().unwrap_or("no revision"));
        self.docs[place].newest = Some((change, cx.date()));
        self.prepare(place);
        cx.notify(CHANGED, place);
    }

    /// Makes the answer that everyone gets until the next change.
    fn prepare(&mut self, place: usize) {
        let document = &mut self.docs[place];
        let mut response = match &document.newest {
            None => unavailable(&self.trouble),
            Some((Change { doc: None, rev, .. }, _)) => gone(rev.is_some()),
            Some((Change { rev, doc: Some(doc), .. }, date)) => {
                let mut response = json(StatusCode::OK, doc.clone());
                let headers = response.headers_mut();
                set(headers, LAST_MODIFIED, httpdate::fmt_http_date(*date));
                if let Some(rev) = rev {
                    set(headers, ETAG, format!("\"{rev}\""));
                }
                response
            }
        };
        let state = if self.is_following { "following" } else { "lost" };
        response.headers_mut().insert(FEED_STATE, HeaderValue::from_static(state));
        document.answer = Prepared::new(response);
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

/// One that was seen to be deleted still has a revision; one that the server does not know has none.
fn gone(is_deleted: bool) -> Response {
    let body: &[u8] = if is_deleted {
        b"{\"error\":\"not_found\",\"reason\":\"deleted\"}\n"
    } else {
        b"{\"error\":\"not_found\",\"reason\":\"missing\"}\n"
    };
    json(StatusCode::NOT_FOUND, Bytes::from_static(body))
}

/// A revision that cannot stand in a header is left out: the document has it too.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

impl Session for Overview {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CURRENT, Self::current).on(Self::CLOSE, Self::close).on(Self::FEED, Self::feed);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
        let feed = feed.heartbeat(self.heartbeat).retry_cap(self.retry_cap);
        let feed = self.docs.iter().fold(feed, |feed, doc| feed.doc(&doc.id));
        cx.spawn(feed);
    }
}
