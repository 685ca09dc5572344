//! From the bytes of a head to a response, and to where its body ends.

use super::HttpClientError;
use crate::filters::framing::{Directions, Framing, FramingError};
use crate::filters::head::{self, Copied, HeadScan};
use crate::limits::SECOND_RESPONSE_BYTES;
use bytes::Bytes;
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

/// The response that stands at the front of `input`: once it is complete, or, when `full` says that
/// no more of it will be shown, as much of it as there is.
pub(super) fn second(input: &[u8], headers_max: usize, full: bool) -> Option<Response<Bytes>> {
    let unreadable = |input: &[u8]| {
        let mut response = Response::new(Bytes::copy_from_slice(shown(input)));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Some(response)
    };
    let length = match HeadScan::default().find(input) {
        Ok(Some(length)) => length,
        Ok(None) if !full => return None,
        _ => return unreadable(input),
    };
    let (bytes, rest) = input.split_at(length);
    let head = parse(bytes, &Method::GET, headers_max);
    let Ok(Some(Head { response, body, .. })) = head else { return unreadable(input) };
    match body {
        Body::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !full && rest.len() < length {
                return None;
            }
            let body = shown(&rest[..length.min(rest.len())]);
            Some(response.map(|()| Bytes::copy_from_slice(body)))
        }
        // Only of what CouchDB says, an object, is it known where it ends: of all else the head
        // says enough.
        Body::Chunked | Body::ToEnd => {
            let body = match object_end(rest) {
                _ if !rest.is_empty() && rest[0] != b'{' => &[],
                Some(end) => &rest[..end],
                None if full => rest,
                None => return None,
            };
            Some(response.map(|()| Bytes::copy_from_slice(shown(body))))
        }
    }
}

/// Where the JSON object ends that stands at the front of `json`, if it is whole.
fn object_end(json: &[u8]) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    let end = json.iter().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' if !is_string => depth += 1,
            b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    end.map(|end| end + 1)
}

fn shown(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(SECOND_RESPONSE_BYTES)]
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
