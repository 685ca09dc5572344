//! From the bytes of a head to a response, and to where its body ends.

use super::HttpClientError;
use crate::filters::framing::{Directions, Framing, FramingError};
use crate::filters::head::{self, Copied};
use http::{Method, Response, StatusCode, Version};

/// A response whose body is still to come.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) body: Body,
    /// Whether another request can follow on this connection.
    pub(super) keep_alive: bool,
}

/// Where the body ends, RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    ToEnd,
}

/// Reads a whole head, empty line included, of a response to `asked`; `None` for an interim one.
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
        let headers = Copied::whole(bytes).fields(parsed.headers, None);
        let headers = headers.ok_or(HttpClientError::Head)?;
        let directions = Directions::of(parsed.headers);
        let body = body(&directions, asked, status, http10)?;
        let keep_alive = body != Body::ToEnd && directions.keeps_alive(http10);
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = if http10 { Version::HTTP_10 } else { Version::HTTP_11 };
        *response.headers_mut() = headers;
        Ok(Some(Head { response, body, keep_alive }))
    })
}

fn body(
    directions: &Directions<'_>,
    asked: &Method,
    status: StatusCode,
    http10: bool,
) -> Result<Body, HttpClientError> {
    let framing = directions.framing(http10).map_err(|error| match error {
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
