//! The server side of HTTP/1.

mod incoming;
mod limits;
mod mode;
mod reading;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use mode::{Mode, RequestPart, Streamed, Whole};
pub use reply::{Prepared, Reply};

use super::head::HeadScan;
use super::{Filter, Output, Patience, Protocol, Stall};
use bytes::Bytes;
use http::StatusCode;
use incoming::Incoming;
use limits::Limits;
use reply::{Asked, Body};
use request::{FAILED, LATE, Refusal};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;
/// A response with its whole body.
pub type Response = http::Response<Bytes>;

/// HTTP/1.0 and 1.1 for a server: POE's `POE::Filter::HTTPD`.
///
/// It delivers whole requests, one at a time: the next request of a connection is decoded when the
/// answer to the last one is complete, so answers cannot get out of order. A bad request is
/// delivered as the response to put, as in POE, and nothing is decoded after it. Answers are
/// [`Reply`]s.
///
/// The filter handles keep-alive, chunked bodies in both fields, HEAD, `Expect: 100-continue`,
/// `Content-Length`, `Date` and `Connection`. It refuses ambiguous requests (RFC 9112, section 11).
///
/// `Date` is sent after [`set_date`](Protocol::set_date) was called, because a filter reads no
/// clock, and a server without a clock must not send it (RFC 9110, section 6.6.1).
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
/// # Limits
///
/// | limit | default | when it is reached |
/// |---|---|---|
/// | [head](Httpd::with_head_max) | 16 KiB | 431, close |
/// | [target](Httpd::with_target_max) | 8 KiB | 414, close |
/// | [fields](Httpd::with_headers_max) | 100 | 431, close |
/// | [body](Httpd::with_body_max) | 1 MiB | 413, close |
/// | [requests](Httpd::with_requests_max) of a connection | none | the last answer closes |
/// | requests at work | 1 | nothing more is read |
/// | [time for a head](Httpd::with_head_time) | 10 s | 408 if a byte came, close |
/// | [time for a body](Httpd::with_body_time) | 30 s, and 1 s for each 500 bytes | 408, close |
/// | [time between requests](Httpd::with_idle_time) | 60 s | close |
/// | [unsent bytes](Httpd::with_stall) | 256 KiB | nothing more is read, until 64 KiB |
/// | [time without reading](Httpd::with_stall) | 30 s | reset |
///
/// The times count only while the filter waits for the client, not while an answer is prepared: a
/// long poll may wait for any time.
///
/// A connection stores at most one head and one body, and the bytes of one read
/// ([`READ_BUFFER`](crate::limits::READ_BUFFER)) after them. Its unsent bytes are at most the high
/// mark plus the answer that exceeds it.
///
/// A value takes less than a hundred bytes, and between requests no other memory. Build one, and
/// give each connection a clone, because clones share the limits.
///
/// # Panics
/// `encode` panics if no answer is due: without a request, before the end of the last answer, or
/// for a part of an answer that was not started. A 4xx or 5xx needs no request; it closes the
/// connection.
#[derive(Clone, Debug, Default)]
pub struct Httpd<M: Mode = Whole> {
    limits: Option<Arc<Limits>>,
    date: Option<SystemTime>,
    scan: HeadScan,
    /// The body that is arriving, and the mode's state.
    incoming: Option<Box<(Incoming, M::Partial)>>,
    /// The number of heads that have arrived.
    requests: u32,
    asked: Asked,
    turn: Turn,
    /// True if an empty line was skipped before this request.
    blank: bool,
    /// The client sends the body only after `100 Continue`.
    expected: bool,
    mode: PhantomData<M>,
}

/// The side of the connection that must act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// The client: a request is read.
    #[default]
    Request,
    /// The server: a request must be answered. Its body may still be arriving.
    Answer,
    /// The server: a refusal must be put, and nothing more is read.
    Refusal,
    /// The server: an answer is being put in parts.
    Parts(Body),
    /// The server, but its parts are dropped: an answer had begun when its request proved bad.
    Cut,
    /// Neither: the last answer has been written.
    Over,
}

/// What the filter waits for, for a [`Patience`].
#[derive(Clone, Copy)]
enum Awaited {
    Request,
    Head,
    Body,
}

impl Httpd {
    /// A filter with the limits of [`crate::limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Delivers requests in [parts](RequestPart): the head at once, and the body as it arrives. It
    /// is for bodies that are larger than memory, or that are processed while they arrive.
    ///
    /// An answer may be put after the head, at any time. If it begins before the body has ended, it
    /// closes the connection, because the rest of the body cannot be skipped safely; no more of
    /// that body is delivered then. To make a client wait with the body,
    /// [pause](crate::wheels::ReadWrite::pause).
    ///
    /// [`Reply::Continue`] asks a client for the body that it holds back (`Expect: 100-continue`).
    /// A malformed body is delivered as the response to put, like a malformed head; if an answer
    /// has begun, it is cut off instead.
    pub fn with_streamed_bodies(self) -> Httpd<Streamed> {
        Httpd { limits: self.limits, ..Httpd::default() }
    }
}

impl<M: Mode> Httpd<M> {
    /// Closes the connection after the answer to the current request, or before the next request:
    /// for a server that is about to end. Call it through
    /// [`filter_mut`](crate::wheels::ReadWrite::filter_mut), which closes an idle connection.
    pub fn close_after_answer(&mut self) {
        self.asked.keep_alive = false;
        if self.turn == Turn::Request && self.incoming.is_none() {
            self.turn = Turn::Over;
        }
    }

    /// Returns true if the current body has not arrived completely.
    fn is_body_coming(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| !incoming.0.is_complete())
    }

    /// What the filter waits for, from the client.
    fn awaited(&self) -> Option<Awaited> {
        match self.turn {
            Turn::Request if self.incoming.is_some() => Some(Awaited::Body),
            Turn::Request if self.scan.has_begun() || self.requests == 0 => Some(Awaited::Head),
            Turn::Request => Some(Awaited::Request),
            Turn::Answer | Turn::Parts(_) if self.is_body_coming() && !self.expected => {
                Some(Awaited::Body)
            }
            _ => None,
        }
    }

    /// Begins an answer with `status`. It must be due, or be a status that needs no request.
    #[track_caller]
    fn begin_answer(&mut self, status: StatusCode) {
        match self.turn {
            Turn::Answer | Turn::Refusal => {}
            // A server may send a 408 to a slow client, or a 503 before it ends.
            Turn::Request if status.is_client_error() || status.is_server_error() => {
                self.asked.keep_alive = false;
            }
            Turn::Request => panic!("{status} is put without a request"),
            Turn::Parts(_) => panic!("{status} is put before the end of the last answer"),
            Turn::Cut | Turn::Over => panic!("{status} is put after the last answer"),
        }
        // The rest of a body after its answer cannot be distinguished from the next request.
        self.asked.keep_alive &= !self.is_body_coming();
        self.expected = false;
    }

    fn answered(&mut self, closes: bool) {
        self.asked = Asked::default();
        self.incoming = None;
        self.turn = if closes { Turn::Over } else { Turn::Request };
    }

    /// Sends a refusal without a request, and ends the conversation.
    fn break_off(&mut self, refusal: Refusal, output: &mut Output) {
        self.asked.keep_alive = false;
        reply::whole(refusal.response(), self.asked, self.date, output);
        self.answered(true);
    }

    /// `100 Continue`, if the client waits for it.
    fn call_for_body(&mut self) -> Option<Bytes> {
        const GO_ON: Bytes = Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n");
        std::mem::take(&mut self.expected).then_some(GO_ON)
    }

    #[track_caller]
    fn parts(&self) -> Body {
        match self.turn {
            Turn::Parts(body) => body,
            _ => panic!("a part is put of an answer that was not started"),
        }
    }
}

impl<M: Mode> Filter for Httpd<M> {
    type In = Result<M::Item, Response>;
    type Out = Reply;
    type Error = Infallible;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Infallible> {
        Ok(self.next(input, false))
    }

    /// A request that is cut short is a bad request. It is answered, because the peer may still
    /// read.
    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Infallible> {
        Ok(self.next(input, true))
    }

    fn encode(&mut self, reply: Reply, output: &mut Output) {
        if self.turn == Turn::Cut {
            return self.answered(true);
        }
        match reply {
            Reply::Whole(response) if is_interim(response.status()) => {
                if !self.asked.http10 && self.turn == Turn::Answer {
                    reply::interim(&response.into_parts().0, output);
                }
            }
            Reply::Continue => output.shared(self.call_for_body().unwrap_or_default()),
            Reply::Whole(response) => {
                self.begin_answer(response.status());
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let closes = reply::whole(response, self.asked, self.date, output);
                // After a switch, another filter replaces this one; until then nothing is decoded.
                if !switches {
                    self.answered(closes);
                }
            }
            Reply::Prepared(prepared) => {
                self.begin_answer(prepared.status());
                let closes = reply::prepared(prepared, self.asked, self.date, output);
                self.answered(closes);
            }
            Reply::Start(response) => {
                self.begin_answer(response.status());
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

    /// The longest head. Bodies are consumed as they arrive.
    fn input_max(&self) -> usize {
        self.limits().head + 1
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }

    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        Some(self)
    }
}

impl<M: Mode> Protocol for Httpd<M> {
    /// `100 Continue`, if the client waits for it and bodies are delivered whole.
    fn respond(&mut self) -> Option<Bytes> {
        if M::STREAMS { None } else { self.call_for_body() }
    }

    fn set_date(&mut self, now: SystemTime) {
        self.date = Some(now);
    }

    fn is_waiting(&self) -> bool {
        match self.turn {
            Turn::Answer | Turn::Parts(_) => self.incoming.is_none(),
            Turn::Refusal | Turn::Cut => true,
            Turn::Request | Turn::Over => false,
        }
    }

    fn is_finished(&self) -> bool {
        self.turn == Turn::Over
    }

    /// The time limit of a head, of a body, or until the next request.
    fn patience(&self) -> Option<Patience> {
        let (awaited, limits) = (self.awaited()?, self.limits());
        let time = match awaited {
            Awaited::Request => limits.idle_time,
            Awaited::Head => limits.head_time,
            Awaited::Body => {
                limits.body_time(self.incoming.as_ref().map_or(0, |body| body.0.received()))
            }
        };
        Some(Patience { wait: self.requests.wrapping_mul(4) + awaited as u32, time })
    }

    /// 408, if a request has begun.
    fn timed_out(&mut self, output: &mut Output) {
        let has_begun = match self.turn {
            Turn::Request => self.incoming.is_some() || self.scan.has_begun(),
            turn => turn == Turn::Answer,
        };
        if has_begun {
            self.break_off(LATE, output);
        }
        self.turn = Turn::Over;
    }

    /// 500, if an answer was due and none of it has been sent.
    fn orphaned(&mut self, output: &mut Output) {
        if let Turn::Answer | Turn::Refusal = self.turn {
            self.break_off(FAILED, output);
        }
    }

    fn stall(&self) -> Option<Stall> {
        Some(self.limits().stall)
    }
}

/// Returns true if a response precedes the answer. 101 is an answer, because it is the last one in
/// HTTP.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
