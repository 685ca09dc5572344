//! Why a response cannot be understood.

use crate::filters::chunked::ChunkError;
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
    /// The server has switched to a protocol that nobody asked for (101).
    Switched,
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
            Self::Switched => f.write_str("the server switched to another protocol"),
        }
    }
}

impl std::error::Error for HttpClientError {}
