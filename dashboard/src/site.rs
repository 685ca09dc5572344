//! What all browsers' connections share: the paths, and what is under them.

use crate::files::Files;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use masque::filters::{Reply, Request, Response};
use masque::reactor::SessionId;
use std::time::Duration;

/// The site as configured.
#[derive(Debug)]
pub(crate) struct Site {
    /// The documents that are followed, by their places.
    pub(crate) docs: Vec<String>,
    /// How long a poll waits for a change.
    pub(crate) long_poll: Duration,
    pub(crate) files: Files,
    /// Who knows how the documents stand.
    pub(crate) overview: SessionId,
}

/// What a request is for.
#[derive(Debug)]
pub(crate) enum Route {
    /// A document, and the revision that the browser has.
    Document { place: usize, rev: Option<String> },
    /// Something that is answered at once.
    Answer(Reply),
}

impl Route {
    fn answer(answer: impl Into<Reply>) -> Self {
        Route::Answer(answer.into())
    }
}

impl Site {
    /// Finds what a request is for. Nothing of the request is echoed.
    pub(crate) fn route(&self, request: &Request) -> Route {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        let Some(segments) = segments(request.uri().path()) else {
            return Route::answer(plain(StatusCode::BAD_REQUEST, "The path is not valid.\n"));
        };
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let found = match segments[..] {
            [""] => Some(Route::answer(self.to_page())),
            ["favicon.ico"] => self.files.read("favicon.ico").map(Route::answer),
            ["file", ref name @ ..] => self.files.read(&name.join("/")).map(Route::answer),
            [doc] => self.document(doc, None),
            [doc, rev] => self.document(doc, Some(rev.to_owned())),
            _ => None,
        };
        match found {
            None => Route::answer(plain(StatusCode::NOT_FOUND, "There is nothing here.\n")),
            Some(_) if !is_read => Route::answer(not_allowed()),
            Some(route) => route,
        }
    }

    fn document(&self, doc: &str, rev: Option<String>) -> Option<Route> {
        let place = self.docs.iter().position(|own| own == doc)?;
        Some(Route::Document { place, rev })
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

/// A response of one sentence.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn not_allowed() -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are.\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The segments of a path, each decoded once; `None` when one is not text, or could lead elsewhere.
fn segments(path: &str) -> Option<Vec<String>> {
    let segments = path.strip_prefix('/')?.split('/').map(decoded);
    segments.map(|segment| segment.filter(|segment| is_harmless(segment))).collect()
}

fn is_harmless(segment: &str) -> bool {
    segment != ".." && segment != "." && !segment.contains(['\0', '/', '\\'])
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut decoded = vec![];
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            (digit()? * 16 + digit()?) as u8
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // a String takes everything
        }
        encoded
    })
}
