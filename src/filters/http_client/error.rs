//! Why a response cannot be decoded.

use crate::filters::chunked::ChunkError;
use std::fmt;

/// Why a response cannot be decoded any further. The connection cannot be used any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpClientError {
    /// The connection ended before the first byte of a response. If the connection has served a
    /// request before, the server closed it because it was idle, and the request can be repeated on
    /// another one.
    Closed,
    /// The connection ended within a head, or within a body that has a length or chunks.
    Cut,
    /// Bytes arrived that answer no request.
    Unasked,
    /// A head is not one of HTTP/1.
    Head,
    /// A head is longer than the limit, or has more fields.
    HeadTooLarge,
    /// `Content-Length` is not one number.
    ContentLength,
    /// `Transfer-Encoding` is not exactly `chunked`.
    TransferEncoding,
    /// A chunked body is malformed.
    Chunk(ChunkError),
    /// The server has switched to a protocol that was not requested (101).
    Switched,
}

impl fmt::Display for HttpClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection ended before a response"),
            Self::Cut => f.write_str("the connection ended within a response"),
            Self::Unasked => f.write_str("bytes arrived that answer no request"),
            Self::Head => f.write_str("the head of a response is malformed"),
            Self::HeadTooLarge => f.write_str("the head of a response is too large"),
            Self::ContentLength => f.write_str("Content-Length is not one number"),
            Self::TransferEncoding => f.write_str("Transfer-Encoding is not exactly chunked"),
            Self::Chunk(error) => error.fmt(f),
            Self::Switched => f.write_str("the server switched to another protocol"),
        }
    }
}

impl std::error::Error for HttpClientError {}
