//! Why a response cannot be understood.

use super::response;
use crate::filters::chunked::ChunkError;
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEADERS, SECOND_RESPONSE_BYTES};
use crate::shown::shown;
use bytes::Bytes;
use http::Response;
use std::fmt;

/// Why a response cannot be understood any further. The connection is of no more use.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpClientError {
    /// The connection ended before the first byte of a response. On a connection that has served a
    /// request before, the server closed it idle: the request can be repeated elsewhere.
    Closed,
    /// The connection ended within a head, or within a body whose end is known otherwise.
    Cut,
    /// Bytes came that answer no request.
    Unasked,
    /// A head is not one of HTTP/1.
    Head,
    /// A head is longer, or has more fields, than the limit.
    HeadTooLarge,
    /// `Content-Length` is not one number.
    ContentLength,
    /// `Transfer-Encoding` is not `chunked` alone.
    TransferEncoding,
    /// A chunked body is malformed.
    Chunk(ChunkError),
    /// In the place of a chunk, or of a line of a feed that nothing frames, stands a second
    /// response: CouchDB has failed in the middle of this one. What it says is that response's
    /// body, of up to [`SECOND_RESPONSE_BYTES`](crate::limits::SECOND_RESPONSE_BYTES). When the
    /// connection ended within its head, it is a 500 with what there was as its body.
    SecondResponse(Box<Response<Bytes>>),
    /// The server has switched to a protocol that nobody asked for (101).
    Switched,
}

impl HttpClientError {
    /// The second response at the front of `input`, once it is complete or no more of it comes, be
    /// that because it `is_over` or longer than any.
    pub(crate) fn second(input: &[u8], is_over: bool) -> Option<Self> {
        let is_over = is_over || input.len() >= HTTP_HEAD_BYTES + SECOND_RESPONSE_BYTES;
        let second = response::second(input, HTTP_HEADERS, is_over);
        second.map(Box::new).map(Self::SecondResponse)
    }

    /// CouchDB's `error` and `reason` in a [`SecondResponse`](Self::SecondResponse).
    pub fn couchdb_reason(&self) -> Option<(String, String)> {
        let Self::SecondResponse(response) = self else { return None };
        let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
        let member = |name: &str| Some(body.get(name)?.as_str()?.to_owned());
        Some((member("error")?, member("reason")?))
    }
}

impl fmt::Display for HttpClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection ended before a response"),
            Self::Cut => f.write_str("the connection ended within a response"),
            Self::Unasked => f.write_str("bytes came that answer no request"),
            Self::Head => f.write_str("the head of a response is malformed"),
            Self::HeadTooLarge => f.write_str("the head of a response is too large"),
            Self::ContentLength => f.write_str("Content-Length is not one number"),
            Self::TransferEncoding => f.write_str("Transfer-Encoding is not chunked alone"),
            Self::Chunk(error) => error.fmt(f),
            Self::SecondResponse(response) => {
                write!(f, "a second response stands in the body: {}", response.status())?;
                match self.couchdb_reason() {
                    Some((error, reason)) => write!(f, ", {}: {}", shown(&error), shown(&reason)),
                    None => Ok(()),
                }
            }
            Self::Switched => f.write_str("the server switched to another protocol"),
        }
    }
}

impl std::error::Error for HttpClientError {}
