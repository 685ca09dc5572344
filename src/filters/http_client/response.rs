//! Parses the head of a response, and determines where its body ends.

use super::HttpClientError;
use crate::filters::framing::{Framing, FramingError, MessageFields};
use crate::filters::head::{self, HeadBytes};
use http::{Method, Response, StatusCode, Version};

/// A response whose body has not arrived.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) body: Body,
    /// True if another request can follow on this connection.
    pub(super) keep_alive: bool,
}

/// How the end of the body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    ToEnd,
}

/// Parses a whole head, with its empty line, of a response to `asked`. Returns `None` for an
/// interim response.
pub(super) fn parse(
    bytes: &[u8],
    asked: &Method,
    headers_max: usize,
) -> Result<Option<Head>, HttpClientError> {
    head::with_room(headers_max, |room| {
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, bytes, room) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HttpClientError::HeadTooLarge),
            Ok(httparse::Status::Partial) | Err(_) => return Err(HttpClientError::Head),
        }
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
        let status = status.map_err(|_| HttpClientError::Head)?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(HttpClientError::Switched);
        }
        if status.is_informational() {
            return Ok(None);
        }
        let http10 = parsed.version == Some(0);
        let headers = HeadBytes::whole(bytes).fields(parsed.headers, None);
        let headers = headers.ok_or(HttpClientError::Head)?;
        let fields = MessageFields::of(parsed.headers);
        let body = body(&fields, asked, status, http10)?;
        let keep_alive = body != Body::ToEnd && fields.keeps_alive(http10);
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = if http10 { Version::HTTP_10 } else { Version::HTTP_11 };
        *response.headers_mut() = headers;
        Ok(Some(Head { response, body, keep_alive }))
    })
}

fn body(
    fields: &MessageFields<'_>,
    asked: &Method,
    status: StatusCode,
    http10: bool,
) -> Result<Body, HttpClientError> {
    let framing = fields.framing(http10).map_err(|error| match error {
        FramingError::Length => HttpClientError::ContentLength,
        FramingError::Coding | FramingError::UnknownCoding => HttpClientError::TransferEncoding,
    })?;
    let bodiless = *asked == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    Ok(match framing {
        _ if bodiless => Body::Length(0),
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::Chunked,
        Framing::None => Body::ToEnd,
    })
}
