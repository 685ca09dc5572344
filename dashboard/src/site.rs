//! What all browsers' connections share: the paths, and what is under them.

use crate::metrics::{Kind, Metrics};
use crate::percent::{decoded, encoded};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use masque::filters::{Httpd, Request, Response};
use masque::reactor::SessionId;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The site as configured.
#[derive(Debug)]
pub(crate) struct Site {
    /// The documents that are followed, by their places.
    pub(crate) docs: Vec<String>,
    /// How long a poll waits for a change.
    pub(crate) long_poll: Duration,
    /// How long the feed may be lost before the site counts as ill.
    pub(crate) stale_after: Duration,
    /// Who has the files.
    pub(crate) files: SessionId,
    /// Who knows how the documents stand.
    pub(crate) overview: SessionId,
    /// Who is told of each answer.
    pub(crate) access_log: Option<SessionId>,
    pub(crate) metrics: Arc<Metrics>,
    /// What each connection is read by: a clone of this.
    pub(crate) httpd: Httpd,
}

/// What a request is for.
#[derive(Debug)]
pub(crate) enum Route {
    /// A document, and the revision that the browser has.
    Document {
        place: usize,
        rev: Option<String>,
    },
    /// A document's changes as they come.
    Events {
        place: usize,
    },
    /// A file, if there is one of that name.
    File(String),
    Health,
    Metrics,
    /// Something that is the same each time.
    Answer(Response),
}

impl Route {
    /// What its answer is counted as.
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
    /// What the server of browsers goes by.
    pub(crate) const SERVER: &str = "server";

    /// Finds what a request is for. Nothing of the request is echoed.
    pub(crate) fn route(&self, request: &Request) -> Route {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        if request.method() == Method::OPTIONS && request.uri().path() == "*" {
            return Route::Answer(options());
        }
        let Some((first, rest)) = split(request.uri().path()) else {
            return Route::Answer(plain(StatusCode::BAD_REQUEST, "The path is not valid.\n"));
        };
        let found = match (&*first, rest.as_deref()) {
            ("", None) => Some(Route::Answer(self.to_page())),
            ("favicon.ico", None) => Some(Route::File("favicon.ico".to_owned())),
            ("file", name) => Some(Route::File(name.unwrap_or_default().to_owned())),
            ("health", None) => Some(Route::Health),
            ("metrics", None) => Some(Route::Metrics),
            (doc, None) => self.document(doc, None),
            (doc, Some("events")) => self.place(doc).map(|place| Route::Events { place }),
            (doc, Some(rev)) if !rev.contains('/') => self.document(doc, Some(rev.to_owned())),
            _ => None,
        };
        match found {
            None => Route::Answer(not_found()),
            Some(_) if request.method() == Method::OPTIONS => Route::Answer(options()),
            Some(_) if !is_read => Route::Answer(not_allowed()),
            Some(route) => route,
        }
    }

    fn document(&self, doc: &str, rev: Option<String>) -> Option<Route> {
        self.place(doc).map(|place| Route::Document { place, rev })
    }

    fn place(&self, doc: &str) -> Option<usize> {
        self.docs.iter().position(|own| own == doc)
    }

    /// The page shows the first document unless it is told of another.
    fn to_page(&self) -> Response {
        let mut to = "/file/index.html".to_owned();
        if self.docs[0] != "overview" {
            to.push_str("?doc=");
            to.push_str(&encoded(&self.docs[0]));
        }
        let mut response = plain(StatusCode::FOUND, "The page is under /file/index.html.\n");
        let location = HeaderValue::try_from(to).expect("it is encoded");
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

pub(crate) fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

/// For a request that comes too late.
pub(crate) fn unavailable() -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, "The server is ending.\n")
}

/// A response of one sentence.
fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What can be done with everything that is here.
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

/// The first segment of a path and what is behind it, each segment decoded once; `None` when one is
/// not text, or could lead elsewhere. No segment has a slash when it is decoded.
fn split(path: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let path = path.strip_prefix('/')?;
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let rest = match rest {
        None => None,
        Some(rest) if rest.contains('/') => {
            let segments: Option<Vec<_>> = rest.split('/').map(segment).collect();
            Some(Cow::Owned(segments?.join("/")))
        }
        Some(rest) => Some(segment(rest)?),
    };
    Some((segment(first)?, rest))
}

/// Most have nothing to decode.
fn segment(encoded: &str) -> Option<Cow<'_, str>> {
    let segment = if encoded.contains('%') {
        Cow::Owned(String::from_utf8(decoded(encoded)?).ok()?)
    } else {
        Cow::Borrowed(encoded)
    };
    let is_harmless = segment != ".."
        && segment != "."
        && !segment.bytes().any(|byte| matches!(byte, b'\0' | b'/' | b'\\'));
    is_harmless.then_some(segment)
}
