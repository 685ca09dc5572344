//! The paths of the site, and the state that all connections share.

use crate::metrics::{Kind, Metrics};
use bytes::Bytes;
use couch_mem::percent::{decoded, encoded};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use masque::filters::{Httpd, Request, Response};
use masque::reactor::SessionId;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// The site, as configured.
#[derive(Debug)]
pub(crate) struct Site {
    /// The ids of the shown documents. Their index identifies them.
    pub(crate) docs: Vec<String>,
    /// How long a poll waits for a change.
    pub(crate) long_poll: Duration,
    /// If true, a poll or stream with a newer revision waits until this dashboard has caught up, at
    /// most the time of a poll.
    pub(crate) monotonic: bool,
    /// How long the feed may be disconnected before `/health` returns 503.
    pub(crate) stale_after: Duration,
    /// The session of the files.
    pub(crate) files: SessionId,
    /// The session of the documents.
    pub(crate) overview: SessionId,
    /// The session of the access log.
    pub(crate) access_log: Option<SessionId>,
    pub(crate) metrics: Arc<Metrics>,
    /// The largest number of browsers that are served at the same time.
    pub(crate) browsers_max: usize,
    /// The filter of each connection is a clone of this.
    pub(crate) httpd: Httpd,
}

/// The resource that a request asks for.
#[derive(Debug)]
pub(crate) enum Route<'r> {
    /// A document, and the revision that the browser has.
    Document {
        index: usize,
        rev: Option<Cow<'r, str>>,
    },
    /// A stream of the changes of a document.
    Events {
        index: usize,
    },
    /// The name of a file, which may not exist.
    File(String),
    Health,
    Metrics,
    /// An answer that is always the same.
    Answer(Response),
}

impl Route<'_> {
    /// Returns the kind under which the answer is counted.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Route::Document { rev: None, .. } => Kind::Document,
            Route::Document { .. } => Kind::Poll,
            Route::Events { .. } => Kind::Events,
            Route::File(_) => Kind::File,
            Route::Health => Kind::Health,
            Route::Metrics => Kind::Metrics,
            Route::Answer(_) => Kind::Other,
        }
    }
}

impl Site {
    /// The alias of the server of browsers.
    pub(crate) const SERVER: &str = "server";

    /// True if as many browsers are connected as may be.
    pub(crate) fn is_full(&self) -> bool {
        let Metrics { connections, guests, .. } = &*self.metrics;
        connections.read() - guests.read() >= self.browsers_max as u64
    }

    /// Finds what a request is for. Nothing of the request is echoed.
    pub(crate) fn route<'r>(&self, request: &'r Request) -> Route<'r> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if request.method() == Method::OPTIONS && request.uri().path() == "*" {
            return Route::Answer(options());
        }
        let Some((first, rest)) = split(request.uri().path()) else {
            return Route::Answer(plain(StatusCode::BAD_REQUEST, "The path is not valid.\n"));
        };
        let found = match (&*first, rest) {
            ("", None) => Some(Route::Answer(self.to_page())),
            ("favicon.ico", None) => Some(Route::File("favicon.ico".to_owned())),
            ("file", name) => Some(Route::File(name.unwrap_or_default().into_owned())),
            ("health", None) => Some(Route::Health),
            ("metrics", None) => Some(Route::Metrics),
            (doc, None) => self.document(doc, None),
            (doc, Some(rest)) => match &*rest {
                "events" => self.index(doc).map(|index| Route::Events { index }),
                rev if cut(rev).1.is_some() => None,
                _ => self.document(doc, Some(rest)),
            },
        };
        match found {
            None => Route::Answer(not_found()),
            Some(_) if request.method() == Method::OPTIONS => Route::Answer(options()),
            Some(_) if !is_read => Route::Answer(not_allowed()),
            Some(route) => route,
        }
    }

    fn document<'r>(&self, doc: &str, rev: Option<Cow<'r, str>>) -> Option<Route<'r>> {
        self.index(doc).map(|index| Route::Document { index, rev })
    }

    fn index(&self, doc: &str) -> Option<usize> {
        self.docs.iter().position(|own| own == doc)
    }

    /// Redirects to the page. The page shows the first document unless its address names another
    /// one. The `Location` is relative, so that it is also right below a path of a proxy (RFC 9110,
    /// section 10.2.2).
    fn to_page(&self) -> Response {
        let mut to = "file/index.html".to_owned();
        if self.docs[0] != "overview" {
            to.push_str("?doc=");
            to.push_str(&encoded(&self.docs[0]));
        }
        let mut response = plain(StatusCode::FOUND, "The page is at file/index.html.\n");
        let location = HeaderValue::try_from(to).expect("the id is percent-encoded");
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

pub(crate) fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

/// Answers a request that arrives while the server is ending.
pub(crate) fn unavailable() -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, "The server is ending.\n")
}

/// Answers a request while the maximum number of browsers is connected.
pub(crate) fn full() -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "The server is full.\n");
    // Browsers rarely leave within a second.
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Returns the same answer as bytes, for a connection that is closed before its request is read.
pub(crate) fn full_unread() -> Bytes {
    let full = full();
    let mut answer = format!("HTTP/1.1 {}\r\nconnection: close\r\n", full.status());
    for (name, value) in full.headers() {
        let value = value.to_str().expect("the values are written above as text");
        let _ = write!(answer, "{name}: {value}\r\n"); // writing to a String cannot fail
    }
    let length = full.body().len();
    let _ = write!(answer, "content-length: {length}\r\n\r\n");
    [answer.as_bytes(), full.body()].concat().into()
}

/// Returns a response with one sentence.
fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The methods of all resources.
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

fn not_allowed() -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are.\n");
    response.headers_mut().insert(ALLOW, ALLOWED);
    response
}

/// RFC 9110, section 9.3.7.
fn options() -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, ALLOWED);
    response
}

/// Returns the first segment of a path and the rest, each segment decoded once. `None` if one is
/// not text or could lead to another path. A decoded segment never contains a slash.
fn split(path: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    // Nearly all paths need no decoding. The whole path is checked without a branch, because it is
    // short.
    let is_plain = path.bytes().fold(true, |plain, byte| plain & !matches!(byte, b'%' | b'\\' | 0));
    let part = |encoded| segment(encoded, is_plain);
    let (first, rest) = cut(path.strip_prefix('/')?);
    let rest = match rest {
        None => None,
        Some(rest) if cut(rest).1.is_some() => {
            let segments: Option<Vec<_>> = rest.split('/').map(part).collect();
            Some(Cow::Owned(segments?.join("/")))
        }
        Some(rest) => Some(part(rest)?),
    };
    Some((part(first)?, rest))
}

/// Splits at the first slash.
fn cut(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'/') {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => (path, None),
    }
}

/// Decodes a segment, unless it is plain.
fn segment(encoded: &str, is_plain: bool) -> Option<Cow<'_, str>> {
    let segment = if is_plain {
        Cow::Borrowed(encoded)
    } else {
        let text = String::from_utf8(decoded(encoded)?).ok()?;
        if text.contains(['\0', '/', '\\']) {
            return None;
        }
        Cow::Owned(text)
    };
    (segment != ".." && segment != ".").then_some(segment)
}
