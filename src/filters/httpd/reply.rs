//! Encodes responses.

use crate::filters::{Output, chunked, framing};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Response, StatusCode, response};
use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

/// An answer to a request: a whole response, or a stream of parts.
///
/// [`Response`]s and [`Prepared`] ones convert with `into()`. The filter sets `Content-Length`,
/// `Transfer-Encoding`, `Connection` and `Date`, and replaces these fields of a response. There are
/// three exceptions. `Connection: close` closes. A `Date` is kept. The `Content-Length` of a 304,
/// and of an empty response to HEAD, is kept.
#[derive(Debug)]
pub enum Reply {
    /// A response with its body. An informational one (1xx) is sent before the answer.
    Whole(Response<Bytes>),
    /// A response that was encoded before.
    Prepared(Prepared),
    /// `100 Continue`, if the client holds the body back until then; otherwise nothing is sent. It
    /// is for [streamed bodies](super::Httpd::with_streamed_bodies): the filter itself asks for
    /// whole ones.
    Continue,
    /// The head of an answer whose body is put in parts: chunked, or up to the connection's end for
    /// an HTTP/1.0 client.
    Start(Response<()>),
    /// A part of the body of a started answer. Empty parts are skipped.
    Data(Bytes),
    /// The end of a started answer.
    End,
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        Self::Whole(response)
    }
}

impl From<Prepared> for Reply {
    fn from(prepared: Prepared) -> Self {
        Self::Prepared(prepared)
    }
}

/// A response that is encoded once and answers many requests.
///
/// A clone only increments a reference count. Encoding it copies the head (about a hundred bytes)
/// and shares the body. Build it when the content changes, not for each request.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    /// Status line and fields, without `Date`, `Connection` and the empty line.
    head: Vec<u8>,
    /// Empty if the status has no body.
    body: Bytes,
    status: StatusCode,
    close: bool,
}

impl Prepared {
    /// Encodes `response`. A `Date` in it is replaced by the time of sending.
    ///
    /// # Panics
    /// If the status is informational, because such a response is no answer.
    pub fn new(response: Response<Bytes>) -> Self {
        let (mut parts, mut body) = response.into_parts();
        assert!(!parts.status.is_informational(), "{} is no answer", parts.status);
        parts.headers.remove(DATE);
        let mut head = Output::new();
        let length = length(&parts, &body, false);
        write_head(&parts, &mut head);
        write_length(length.as_ref(), &mut head);
        if has_no_body(parts.status) {
            body.clear();
        }
        let (status, close) = (parts.status, closes(&parts.headers));
        Self(Arc::new(Encoded { head: head.to_vec(), body, status, close }))
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The length of its body in bytes, for a log.
    pub fn body_len(&self) -> usize {
        self.0.body.len()
    }
}

/// The properties of a request on which its answer depends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The request was HEAD: headers, but no body.
    pub(super) head: bool,
    /// The client speaks HTTP/1.0: no chunks, no interim responses.
    pub(super) http10: bool,
    pub(super) keep_alive: bool,
}

/// How the parts of a started answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Chunked,
    ToClose,
    None,
}

/// True if the connection is closed after the answer.
pub(super) type Closes = bool;

/// Writes a whole answer.
pub(super) fn whole(
    response: Response<Bytes>,
    asked: Asked,
    date: Option<SystemTime>,
    output: &mut Output,
) -> Closes {
    let (parts, body) = response.into_parts();
    let closing = !asked.keep_alive || closes(&parts.headers);
    write_head(&parts, output);
    write_length(length(&parts, &body, asked.head).as_ref(), output);
    let date = date.filter(|_| !parts.headers.contains_key(DATE));
    finish_head(closing, asked, date, output);
    if !asked.head && !has_no_body(parts.status) {
        output.shared(body);
    }
    closing
}

/// Writes a prepared answer.
pub(super) fn prepared(
    Prepared(encoded): Prepared,
    asked: Asked,
    date: Option<SystemTime>,
    output: &mut Output,
) -> Closes {
    let closing = !asked.keep_alive || encoded.close;
    output.text(&encoded.head);
    finish_head(closing, asked, date, output);
    if !asked.head {
        output.shared(encoded.body.clone());
    }
    closing
}

/// Writes the head of an answer that is put in parts.
pub(super) fn start(
    response: Response<()>,
    asked: Asked,
    date: Option<SystemTime>,
    output: &mut Output,
) -> (Body, Closes) {
    let (parts, ()) = response.into_parts();
    let bodiless = has_no_body(parts.status);
    let to_close = asked.http10 && !bodiless && !asked.head;
    let closing = !asked.keep_alive || closes(&parts.headers) || to_close;
    write_head(&parts, output);
    if !asked.http10 && !bodiless {
        output.text(b"transfer-encoding: chunked\r\n");
    }
    let date = date.filter(|_| !parts.headers.contains_key(DATE));
    finish_head(closing, asked, date, output);
    let body = match to_close {
        true => Body::ToClose,
        false if bodiless || asked.head => Body::None,
        false => Body::Chunked,
    };
    (body, closing)
}

/// Writes a part of the body of a started answer.
pub(super) fn data(data: Bytes, body: Body, output: &mut Output) {
    match body {
        Body::Chunked => chunked::encode(data, output),
        Body::ToClose => output.shared(data),
        Body::None => {}
    }
}

/// Writes an informational response before the answer.
pub(super) fn interim(parts: &response::Parts, output: &mut Output) {
    write_head(parts, output);
    output.text(b"\r\n");
}

/// Writes the status line and the fields of the response. The filter sets the others. The version
/// is the highest that the server supports, not the request's (RFC 9110, section 2.5).
fn write_head(parts: &response::Parts, output: &mut Output) {
    output.text(b"HTTP/1.1 ");
    output.text(parts.status.as_str().as_bytes());
    output.text(b" ");
    output.text(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    output.text(b"\r\n");
    // A switch to another protocol names it in Connection.
    let switches = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in &parts.headers {
        let ours = name == CONTENT_LENGTH || name == TRANSFER_ENCODING;
        if !ours && (name != CONNECTION || switches) {
            field(name.as_str(), value.as_bytes(), output);
        }
    }
}

/// `Date`, `Connection` and the empty line.
fn finish_head(closing: Closes, asked: Asked, date: Option<SystemTime>, output: &mut Output) {
    if let Some(date) = date {
        output.text(b"date: ");
        output.date(date);
        output.text(b"\r\n");
    }
    if closing {
        output.text(b"connection: close\r\n");
    } else if asked.http10 {
        output.text(b"connection: keep-alive\r\n");
    }
    output.text(b"\r\n");
}

/// The value of `Content-Length`.
enum Length {
    Of(usize),
    Said(HeaderValue),
}

/// The value of `Content-Length` (RFC 9110, section 8.6).
fn length(parts: &response::Parts, body: &Bytes, head: bool) -> Option<Length> {
    let said = || parts.headers.get(CONTENT_LENGTH).cloned().map(Length::Said);
    match parts.status {
        StatusCode::NO_CONTENT => None,
        status if status.is_informational() => None,
        StatusCode::NOT_MODIFIED => said(),
        _ if head && body.is_empty() => said().or(Some(Length::Of(0))),
        _ => Some(Length::Of(body.len())),
    }
}

fn write_length(length: Option<&Length>, output: &mut Output) {
    match length {
        None => {}
        Some(Length::Said(value)) => field(CONTENT_LENGTH.as_str(), value.as_bytes(), output),
        Some(Length::Of(bytes)) => {
            // Writing to an Output cannot fail.
            let _ = write!(output, "content-length: {bytes}\r\n");
        }
    }
}

fn field(name: &str, value: &[u8], output: &mut Output) {
    output.text(name.as_bytes());
    output.text(b": ");
    output.text(value);
    output.text(b"\r\n");
}

fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

fn closes(headers: &HeaderMap) -> Closes {
    let mut lists = headers.get_all(CONNECTION).into_iter();
    lists.any(|list| framing::has_token(list.as_bytes(), "close"))
}
