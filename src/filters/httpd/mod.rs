//! The server side of HTTP/1.

mod incoming;
mod limits;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use reply::{Prepared, Reply};

use super::head::HeadScan;
use super::{Filter, Output};
use bytes::Bytes;
use http::StatusCode;
use incoming::{Coming, Incoming};
use limits::Limits;
use reply::{Asked, Body};
use request::{HEAD_TOO_LARGE, Refusal, TARGET_TOO_LONG, bad};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request with its whole body.
pub type Request = http::Request<Bytes>;
/// A response with its whole body.
pub type Response = http::Response<Bytes>;

/// HTTP/1.0 and 1.1 for a server: POE's `POE::Filter::HTTPD`.
///
/// Requests come in whole, one at a time: the next one of a connection is decoded when the answer
/// to the last one is complete, so answers cannot get out of order. A bad request comes as the
/// response to put, as in POE; nothing is decoded after it. Answers are [`Reply`]s.
///
/// Keep-alive, chunked bodies both ways, HEAD, `Expect: 100-continue`, `Content-Length`, `Date` and
/// `Connection` are seen to here; what is ambiguous in a request is refused (RFC 9112 section 11).
///
/// `Date` is sent once [`set_date`](Filter::set_date) has told the time: a filter reads no clock,
/// and RFC 9110 section 6.6.1 wants no `Date` of a server without one.
///
/// ```
/// use masque::filters::{Filter, Httpd, Output, Response};
///
/// let mut httpd = Httpd::new().with_body_max(1 << 16);
/// let mut input = &b"GET /overview HTTP/1.1\r\nHost: example\r\n\r\n"[..];
/// let mut output = Output::new();
/// match httpd.decode(&mut input).unwrap() {
///     Some(Ok(request)) => {
///         let answer = Response::new(format!("{}\n", request.uri().path()).into());
///         httpd.encode(answer.into(), &mut output);
///     }
///     Some(Err(refusal)) => httpd.encode(refusal.into(), &mut output),
///     None => unreachable!("the request is complete"),
/// }
/// assert_eq!(output.to_vec(), b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n/overview\n");
/// ```
///
/// A value takes less than a hundred bytes and, between requests, no other memory. Set one up, and
/// give each connection a clone: the limits are shared.
///
/// # Panics
/// `encode` does when an answer comes out of turn: to no request (except a 4xx or 5xx, after which
/// the connection is closed), before the end of the last one, or a part of one that was not
/// started.
#[derive(Clone, Debug, Default)]
pub struct Httpd {
    limits: Option<Arc<Limits>>,
    date: Option<SystemTime>,
    scan: HeadScan,
    incoming: Option<Box<Incoming>>,
    asked: Asked,
    turn: Turn,
    /// An empty line has been passed over before this request.
    blank: bool,
    /// The body is waited for by a client that waits to be told to send it.
    expected: bool,
}

/// Whose turn it is on the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// The client's: a request is read.
    #[default]
    Request,
    /// The server's: a request is to be answered.
    Answer,
    /// The server's: a refusal is to be put, and nothing more is read.
    Refusal,
    /// The server's: an answer is coming in parts.
    Parts(Body),
    /// Nobody's: the last answer has been written.
    Over,
}

impl Httpd {
    /// A filter with the limits of [`crate::limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the connection after the answer to the request at work, or before the next request:
    /// for a server that is about to end.
    pub fn close_after_answer(&mut self) {
        self.asked.keep_alive = false;
        if self.turn == Turn::Request && self.incoming.is_none() {
            self.turn = Turn::Over;
        }
    }

    /// Whether some bytes of a request have come, but not all: what tells a slow client, to be
    /// answered with 408, from an idle one.
    pub fn is_within_request(&self, pending: &[u8]) -> bool {
        self.turn == Turn::Request && (self.incoming.is_some() || !pending.is_empty())
    }

    fn request(&mut self, input: &mut &[u8]) -> Result<Option<Request>, Refusal> {
        if self.incoming.is_none()
            && let Some(request) = self.head(input)?
        {
            return Ok(Some(request));
        }
        let max = self.limits().body;
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        if !incoming.fill(input, max)? {
            return Ok(None);
        }
        self.expected = false;
        Ok(self.incoming.take().map(|incoming| incoming.finish()))
    }

    /// Reads a head, and the body too when it is all there; when not, the request is incoming.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Request>, Refusal> {
        if !self.blank && input.starts_with(b"\r\n") {
            // RFC 9112 section 2.2: old clients send one after a body.
            self.blank = true;
            self.scan = HeadScan::default();
            *input = &input[2..];
        }
        // Known before the rest is, for the refusal of what may be wrong with the rest.
        self.asked.head = input.starts_with(b"HEAD ");
        let Some(length) = self.find_head(input)? else { return Ok(None) };
        let (bytes, rest) = input.split_at(length);
        *input = rest;
        self.blank = false;
        let head = request::parse(&Bytes::copy_from_slice(bytes), self.limits().headers)?;
        self.asked = Asked {
            head: head.request.method() == http::Method::HEAD,
            http10: head.request.version() == http::Version::HTTP_10,
            keep_alive: head.keep_alive,
        };
        let coming = Coming::new(head.framing, self.limits().body)?;
        if let Coming::Length(length) = coming
            && length <= input.len()
        {
            let (body, rest) = input.split_at(length);
            *input = rest;
            return Ok(Some(head.request.map(|()| Bytes::copy_from_slice(body))));
        }
        self.expected = head.expects && input.is_empty();
        self.incoming = Some(Box::new(Incoming::new(head.request, coming)));
        Ok(None)
    }

    fn find_head(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let found = self.scan.find(input).map_err(|_| bad("a line does not end with CRLF"))?;
        let limits = self.limits();
        let length = found.unwrap_or(input.len());
        if is_target_too_long(&input[..length], limits.target) {
            return Err(TARGET_TOO_LONG);
        }
        if length > limits.head {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(found)
    }

    /// The next item, where `ended` says that no more bytes will come.
    fn next(&mut self, input: &mut &[u8], ended: bool) -> Option<Result<Request, Response>> {
        match self.turn {
            Turn::Request => {}
            Turn::Answer | Turn::Parts(_) => return None,
            Turn::Refusal | Turn::Over => {
                *input = &[];
                return None;
            }
        }
        let refusal = match self.request(input) {
            Ok(Some(request)) => {
                self.turn = Turn::Answer;
                return Some(Ok(request));
            }
            Ok(None) if ended && (self.incoming.is_some() || !input.is_empty()) => {
                bad("the request was cut short")
            }
            Ok(None) => return None,
            Err(refusal) => refusal,
        };
        *input = &[];
        self.incoming = None;
        self.expected = false;
        self.asked.keep_alive = false;
        self.turn = Turn::Refusal;
        Some(Err(refusal.response()))
    }

    fn answered(&mut self, closes: bool) {
        self.asked = Asked::default();
        self.turn = if closes { Turn::Over } else { Turn::Request };
    }

    /// Makes sure that an answer of `status` is due, or that it needs no request.
    #[track_caller]
    fn expect_answer(&mut self, status: StatusCode) {
        match self.turn {
            Turn::Answer | Turn::Refusal => {}
            // A server's own word to a slow client (408), or before it ends (503).
            Turn::Request if status.is_client_error() || status.is_server_error() => {
                self.asked.keep_alive = false;
            }
            Turn::Request => panic!("{status} is put that nobody asked for"),
            Turn::Parts(_) => panic!("{status} is put before the end of the last answer"),
            Turn::Over => panic!("{status} is put after the last answer"),
        }
    }

    #[track_caller]
    fn parts(&self) -> Body {
        match self.turn {
            Turn::Parts(body) => body,
            _ => panic!("a part of an answer is put that was not started"),
        }
    }
}

impl Filter for Httpd {
    type In = Result<Request, Response>;
    type Out = Reply;
    type Error = Infallible;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Infallible> {
        Ok(self.next(input, false))
    }

    /// A request that is cut short is a bad one; it is answered, since the peer may still read.
    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Infallible> {
        Ok(self.next(input, true))
    }

    fn encode(&mut self, reply: Reply, output: &mut Output) {
        match reply {
            Reply::Whole(response) if is_interim(response.status()) => {
                if !self.asked.http10 && self.turn == Turn::Answer {
                    reply::interim(&response.into_parts().0, output);
                }
            }
            Reply::Whole(response) => {
                self.expect_answer(response.status());
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let closes = reply::whole(response, self.asked, self.date, output);
                // After a switch another filter takes over; until then nothing is decoded.
                if !switches {
                    self.answered(closes);
                }
            }
            Reply::Prepared(prepared) => {
                self.expect_answer(prepared.status());
                let closes = reply::prepared(prepared, self.asked, self.date, output);
                self.answered(closes);
            }
            Reply::Start(response) => {
                self.expect_answer(response.status());
                let (body, closes) = reply::start(response, self.asked, self.date, output);
                self.asked.keep_alive = !closes;
                self.turn = Turn::Parts(body);
            }
            Reply::Data(data) => reply::data(data, self.parts(), output),
            Reply::End => {
                if self.parts() == Body::Chunked {
                    super::chunked::encode_end(output);
                }
                self.answered(!self.asked.keep_alive);
            }
        }
    }

    /// `100 Continue`, when the client waits for it with the body.
    fn respond(&mut self, output: &mut Output) {
        if std::mem::take(&mut self.expected) {
            output.text(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn set_date(&mut self, now: SystemTime) {
        self.date = Some(now).filter(|&now| now >= UNIX_EPOCH);
    }

    /// The longest head; bodies are taken as they come.
    fn input_max(&self) -> usize {
        self.limits().head + 1
    }

    fn is_waiting(&self) -> bool {
        matches!(self.turn, Turn::Answer | Turn::Refusal | Turn::Parts(_))
    }

    fn is_finished(&self) -> bool {
        self.turn == Turn::Over
    }
}

/// Whether the target in a head, complete or not, has more than `max` bytes.
fn is_target_too_long(head: &[u8], max: usize) -> bool {
    head.len() > max && {
        let line = head.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
        line.split(|&byte| byte == b' ').nth(1).is_some_and(|target| target.len() > max)
    }
}

/// Whether a response goes ahead of the answer. 101 is an answer: the last one in HTTP.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
