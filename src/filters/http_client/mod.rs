//! The client side of HTTP/1.

mod error;
mod response;
#[cfg(test)]
mod tests;

pub use error::HttpClientError;

use super::chunked::{ChunkError, Decoder, Piece};
use super::head::HeadScan;
use super::{Filter, Output, Protocol};
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEADERS};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response, Version};
use response::{Body, Head};
use std::fmt::Write;

/// A part of a response: one head, then data, then one end.
#[derive(Debug)]
#[non_exhaustive]
pub enum Part {
    /// Status and fields. Interim responses (1xx) are skipped.
    Head(Response<()>),
    /// Some bytes of the body, as soon as they arrive; the boundaries between parts have no
    /// meaning. The transfer coding is decoded, a `Content-Encoding` is not.
    Data(Bytes),
    /// Bytes outside the framing: a status line in place of a chunk, or a piece of the bytes after
    /// it. Only with [`pass_unframed`](HttpClient::pass_unframed).
    Unframed(Bytes),
    /// The end of the response. The next request can be put, unless the filter is finished.
    End,
}

/// HTTP/1.1 for a client: requests out, responses in as a stream of [`Part`]s.
///
/// A connection has one request at a time. Bodies may be chunked, have a length, or end with the
/// connection. If the connection ends within a body that has a length or chunks, that is an error,
/// never an [`End`](Part::End). The filter adds no `Host`, because only the caller knows the name.
///
/// A server that fails in the middle of a chunked body may write a second whole response into it;
/// see [`pass_unframed`](Self::pass_unframed).
///
/// # Panics
/// `encode` panics if the response to the last request has not ended.
#[derive(Debug)]
pub struct HttpClient {
    state: ResponseState,
    scan: HeadScan,
    asked: Method,
    keep_alive: bool,
    head_max: usize,
    headers_max: usize,
    passes_unframed: bool,
}

#[derive(Debug)]
enum ResponseState {
    /// No request is in progress.
    Idle,
    /// A request has been put; the head of its response is read.
    Head,
    /// A body of this many more bytes.
    Length(u64),
    Chunked(Decoder),
    /// The data before this error was delivered.
    ChunksFailed(ChunkError),
    /// A body up to the connection's end.
    ToEnd,
    /// After a status line in place of a chunk.
    Unframed,
    /// The connection takes no further request.
    Over,
}

impl HttpClient {
    /// Creates a filter with the limits of [`crate::limits`].
    pub fn new() -> Self {
        Self {
            state: ResponseState::Idle,
            scan: HeadScan::default(),
            asked: Method::GET,
            keep_alive: true,
            head_max: HTTP_HEAD_BYTES,
            headers_max: HTTP_HEADERS,
            passes_unframed: false,
        }
    }

    /// Sets the limit of a head, in bytes.
    pub fn with_head_max(self, bytes: usize) -> Self {
        Self { head_max: bytes, ..self }
    }

    /// Sets the limit of a head's fields.
    pub fn with_headers_max(self, count: usize) -> Self {
        Self { headers_max: count, ..self }
    }

    /// Some servers, such as CouchDB, write a second response into a chunked body when they fail.
    /// Delivers that response as [`Part::Unframed`] until the connection ends, instead of failing
    /// at its status line. The receiver must limit what it keeps.
    #[must_use]
    pub fn pass_unframed(self) -> Self {
        Self { passes_unframed: true, ..self }
    }

    /// Returns true if a request can be put.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, ResponseState::Idle)
    }

    /// Reads heads up to the first that is not interim.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Part>, HttpClientError> {
        loop {
            // Not further than the limit, so that errors after it make no difference.
            let seen = &input[..input.len().min(self.head_max + 1)];
            let found = self.scan.find(seen).map_err(|_| HttpClientError::Head)?;
            if found.unwrap_or(seen.len()) > self.head_max {
                return Err(HttpClientError::HeadTooLarge);
            }
            let Some(length) = found else { return Ok(None) };
            let (bytes, rest) = input.split_at(length);
            *input = rest;
            let Some(head) = response::parse(bytes, &self.asked, self.headers_max)? else {
                continue;
            };
            let Head { response, body, keep_alive } = head;
            self.keep_alive = keep_alive;
            self.state = match body {
                Body::Length(length) => ResponseState::Length(length),
                Body::Chunked => ResponseState::Chunked(Decoder::new()),
                Body::ToEnd => ResponseState::ToEnd,
            };
            return Ok(Some(Part::Head(response)));
        }
    }

    /// The data of all chunks in `input`, as one part: a server that writes many small chunks, as
    /// CouchDB does for its feed, must not cost an event for each.
    fn chunks(&mut self, input: &mut &[u8]) -> Result<Option<Part>, HttpClientError> {
        let ResponseState::Chunked(decoder) = &mut self.state else { return Ok(None) };
        let mut data = BytesMut::new();
        let failure = loop {
            match decoder.decode(input) {
                Ok(Some(Piece::Data(piece))) => {
                    if data.is_empty() {
                        data.reserve(piece.len() + input.len());
                    }
                    data.extend_from_slice(piece);
                }
                Ok(Some(Piece::End)) if data.is_empty() => return Ok(Some(self.end())),
                // The decoder returns the end again at the next call.
                Ok(Some(Piece::End) | None) => break None,
                Err(error) => break Some(error),
            }
        };
        match failure {
            Some(ChunkError::StatusLine) if self.passes_unframed => {
                self.state = ResponseState::Unframed;
            }
            Some(error) if data.is_empty() => return Err(HttpClientError::Chunk(error)),
            Some(error) => self.state = ResponseState::ChunksFailed(error),
            None => {}
        }
        if data.is_empty() && failure.is_some() {
            return Ok(take_all(input).map(Part::Unframed));
        }
        Ok(Some(data.freeze()).filter(|data| !data.is_empty()).map(Part::Data))
    }

    fn end(&mut self) -> Part {
        self.state = if self.keep_alive { ResponseState::Idle } else { ResponseState::Over };
        Part::End
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for HttpClient {
    type In = Part;
    type Out = Request<Bytes>;
    type Error = HttpClientError;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Part>, HttpClientError> {
        match &mut self.state {
            ResponseState::Idle if input.is_empty() => Ok(None),
            ResponseState::Idle => Err(HttpClientError::Unasked),
            ResponseState::Head => self.head(input),
            ResponseState::Length(0) => Ok(Some(self.end())),
            ResponseState::Length(left) => {
                let length = usize::try_from(*left).map_or(input.len(), |l| l.min(input.len()));
                *left -= length as u64;
                Ok(take(input, length))
            }
            ResponseState::Chunked(_) => self.chunks(input),
            ResponseState::ChunksFailed(error) => Err(HttpClientError::Chunk(*error)),
            ResponseState::ToEnd => Ok(take_all(input).map(Part::Data)),
            ResponseState::Unframed => Ok(take_all(input).map(Part::Unframed)),
            ResponseState::Over => {
                *input = &[];
                Ok(None)
            }
        }
    }

    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<Part>, HttpClientError> {
        if let Some(part) = self.decode(input)? {
            return Ok(Some(part));
        }
        match self.state {
            ResponseState::Idle | ResponseState::Over => Ok(None),
            ResponseState::Head if input.is_empty() => Err(HttpClientError::Closed),
            ResponseState::Head | ResponseState::Length(_) | ResponseState::Chunked(_) => {
                Err(HttpClientError::Cut)
            }
            ResponseState::ChunksFailed(error) => Err(HttpClientError::Chunk(error)),
            ResponseState::ToEnd => Ok(Some(self.end())),
            ResponseState::Unframed => Err(HttpClientError::Chunk(ChunkError::StatusLine)),
        }
    }

    fn encode(&mut self, request: Request<Bytes>, output: &mut Output) {
        assert!(self.is_idle(), "a request is put before the end of the last response");
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let version = if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
        // Writing to an Output cannot fail.
        let _ = write!(output, "{} {target} {version}\r\n", parts.method);
        for (name, value) in &parts.headers {
            if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
                output.text(name.as_str().as_bytes());
                output.text(b": ");
                output.text(value.as_bytes());
                output.text(b"\r\n");
            }
        }
        // RFC 9110 section 8.6: a method that usually has a body sends a length of 0 too.
        let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method);
        if expected || !body.is_empty() {
            let _ = write!(output, "content-length: {}\r\n", body.len());
        }
        output.text(b"\r\n");
        output.shared(body);
        self.asked = parts.method;
        self.state = ResponseState::Head;
    }

    /// The longest head.
    fn input_max(&self) -> usize {
        self.head_max + 1
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }

    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        Some(self)
    }
}

impl Protocol for HttpClient {
    fn is_finished(&self) -> bool {
        matches!(self.state, ResponseState::Over)
    }
}

/// `length` bytes off the front, unless there are none.
fn take(input: &mut &[u8], length: usize) -> Option<Part> {
    let (data, rest) = input.split_at(length);
    *input = rest;
    (!data.is_empty()).then(|| Part::Data(Bytes::copy_from_slice(data)))
}

/// All of `input`, unless it is empty.
fn take_all(input: &mut &[u8]) -> Option<Bytes> {
    let data = std::mem::take(input);
    (!data.is_empty()).then(|| Bytes::copy_from_slice(data))
}
