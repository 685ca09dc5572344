//! Parses the head of a request, or returns why it is refused.

use super::limits::Limits;
use crate::filters::framing::{Framing, FramingError, MessageFields, Single};
use crate::filters::head::{self, HeadBytes};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};

/// The properties of a head that are not in the request: its body's length, and if the connection
/// persists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) framing: Framing,
    /// True if the client keeps this connection open.
    pub(super) keep_alive: bool,
    /// True if the client sends the body only after `100 Continue`.
    pub(super) expects: bool,
}

/// Why a request is refused: a status, and a fixed text that echoes nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
}

/// `400 Bad Request`.
pub(super) const fn bad(why: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, why }
}

pub(super) const HEAD_TOO_LARGE: Refusal =
    Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why: "the head is too large" };
pub(super) const TARGET_TOO_LONG: Refusal =
    Refusal { status: StatusCode::URI_TOO_LONG, why: "the request target is too long" };
pub(super) const BODY_TOO_LARGE: Refusal =
    Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, why: "the body is too large" };

pub(super) const LATE: Refusal =
    Refusal { status: StatusCode::REQUEST_TIMEOUT, why: "the request did not come in time" };
pub(super) const FAILED: Refusal =
    Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, why: "the server has failed" };

impl Refusal {
    /// The answer to send.
    pub(super) fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{}: {}\n", self.status, self.why)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Parses a whole head, with its empty line, into `request`, whose body stays empty (RFC 9112,
/// sections 3, 5 and 6; RFC 9110, section 7.2).
pub(super) fn parse(
    bytes: &[u8],
    limits: &Limits,
    request: &mut Request<Bytes>,
) -> Result<Outline, Refusal> {
    head::with_room(limits.headers, |room| {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, room) {
            Ok(httparse::Status::Complete(_)) => assemble(&parsed, bytes, limits, request),
            // It has an end, so httparse must have skipped empty lines.
            Ok(httparse::Status::Partial) => Err(bad("there are empty lines before the request")),
            Err(error) => Err(unparsable(error, bytes)),
        }
    })
}

/// Parses a head at the front of `input` in one pass, and returns its length. `None` means only
/// that the head is incomplete or unusual; most heads are neither.
pub(super) fn parse_at_once(
    input: &[u8],
    limits: &Limits,
    request: &mut Request<Bytes>,
) -> Option<(usize, Result<Outline, Refusal>)> {
    head::with_room(limits.headers, |room| {
        let mut parsed = httparse::Request::new(&mut []);
        let Ok(httparse::Status::Complete(length)) = parsed.parse_with_uninit_headers(input, room)
        else {
            return None;
        };
        let bytes = &input[..length];
        let is_plain = length <= limits.head
            && parsed.path.is_some_and(|target| target.len() <= limits.target)
            && head::has_strict_lines(bytes, parsed.headers);
        is_plain.then(|| (length, assemble(&parsed, bytes, limits, request)))
    })
}

fn assemble(
    parsed: &httparse::Request<'_, '_>,
    bytes: &[u8],
    limits: &Limits,
    request: &mut Request<Bytes>,
) -> Result<Outline, Refusal> {
    // A complete head has all three.
    let method = method(parsed.method.unwrap_or_default())?;
    let target = parsed.path.unwrap_or_default();
    let http10 = parsed.version == Some(0);
    let copied =
        if limits.keeps_few() { HeadBytes::in_parts(bytes) } else { HeadBytes::whole(bytes) };
    let uri = uri(&method, copied.part(target.as_bytes()))?;
    let kept = limits.kept(uri.path());
    let headers = copied.fields(parsed.headers, kept);
    let mut headers = headers.ok_or(bad("a field is malformed"))?;
    let fields = MessageFields::of(parsed.headers);
    check_host(fields.host, http10)?;
    if let Some(authority) = uri.authority().filter(|_| uri.scheme().is_some()) {
        // RFC 9112 section 3.2.2: the authority of an absolute target replaces Host. It is checked
        // as strictly, because a user name in it can make one site look like another.
        if authority.host().is_empty() || !is_host(authority.as_str().as_bytes()) {
            return Err(bad("the authority is malformed"));
        }
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.map_err(|_| bad("the authority is malformed"))?;
        if kept.is_none_or(|kept| kept.has(&HOST)) {
            headers.insert(HOST, host);
        }
    }
    let framing = fields.framing(http10).map_err(|error| match error {
        FramingError::Length => bad("Content-Length is not one number"),
        FramingError::Coding => bad("Transfer-Encoding is not one final chunked"),
        FramingError::UnknownCoding => {
            Refusal { status: StatusCode::NOT_IMPLEMENTED, why: "the transfer coding is unknown" }
        }
    })?;
    let expects = !http10 && fields.has_expectation;
    if expects {
        check_expectations(&fields)?;
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = if http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = headers;
    Ok(Outline { framing, keep_alive: fields.keeps_alive(http10), expects })
}

fn unparsable(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal { why: "there are too many fields", ..HEAD_TOO_LARGE }
        }
        httparse::Error::HeaderName => bad("a field's name is malformed"),
        httparse::Error::HeaderValue => bad("a field's value is malformed"),
        httparse::Error::Version if is_another_major(bytes) => Refusal {
            status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            why: "only HTTP/1.0 and HTTP/1.1 are supported",
        },
        _ => bad("the request line is not method, target and HTTP/1.1"),
    }
}

/// Returns true if the request line ends with a version of another major number.
fn is_another_major(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', b'0'..=b'9']
        if *major != b'1')
}

fn method(name: &str) -> Result<Method, Refusal> {
    let method = Method::from_bytes(name.as_bytes()).map_err(|_| bad("the method is malformed"))?;
    let standard = matches!(
        method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::OPTIONS
            | Method::PATCH
            | Method::TRACE
            | Method::CONNECT
    );
    if standard || REGISTERED.binary_search(&name).is_ok() {
        Ok(method)
    } else {
        Err(Refusal { status: StatusCode::NOT_IMPLEMENTED, why: "the method is unknown" })
    }
}

/// The other methods of IANA's registry, in order. CouchDB's COPY is one of them.
const REGISTERED: [&str; 30] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Parses the target, in the form that the method allows (RFC 9112, section 3.2).
fn uri(method: &Method, target: Bytes) -> Result<Uri, Refusal> {
    const MALFORMED: Refusal = bad("the request target is malformed");
    let (first, length) = (target.first().copied(), target.len());
    if first != Some(b'/') && memchr::memchr(b'#', &target).is_some() {
        return Err(MALFORMED);
    }
    let uri = Uri::from_maybe_shared(target).map_err(|_| MALFORMED)?;
    let fits = match first {
        // A target has no fragment. `Uri` would drop one.
        Some(b'/') => {
            let has_all = uri.path_and_query().is_some_and(|path| path.as_str().len() == length);
            has_all && *method != Method::CONNECT
        }
        Some(b'*') => *method == Method::OPTIONS && uri.path() == "*" && uri.query().is_none(),
        _ if *method == Method::CONNECT => uri.scheme().is_none() && uri.port().is_some(),
        _ => matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some(),
    };
    if fits { Ok(uri) } else { Err(MALFORMED) }
}

fn check_host(host: Single<'_>, http10: bool) -> Result<(), Refusal> {
    match host {
        Single::Absent if http10 => Ok(()),
        Single::Once(host) if is_host(host) => Ok(()),
        Single::Once(_) => Err(bad("Host is malformed")),
        _ => Err(bad("there is not one Host")),
    }
}

/// `uri-host [ ":" port ]`, RFC 3986 section 3.2; empty for a target that has no host.
fn is_host(host: &[u8]) -> bool {
    // Nearly all hosts have only plain bytes.
    let plain = host.iter().position(|byte| !is_plain(*byte)).unwrap_or(host.len());
    if let [] | [b':', ..] = &host[plain..] {
        return host[plain..].iter().skip(1).all(u8::is_ascii_digit);
    }
    let (name, port) = match host.iter().rposition(|&byte| byte == b':' || byte == b']') {
        Some(colon) if host[colon] == b':' => (&host[..colon], &host[colon + 1..]),
        _ => (host, &[][..]),
    };
    let is_name = match name {
        [b'[', address @ .., b']'] => {
            address.iter().all(|byte| byte.is_ascii_alphanumeric() || b":.".contains(byte))
        }
        _ => is_registered_name(name),
    };
    is_name && port.iter().all(u8::is_ascii_digit)
}

/// The bytes of a name that need no percent-encoding.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-._~!$&'()*+,;=";
    let mut mark = 0;
    while mark < marks.len() {
        plain[marks[mark] as usize] = true;
        mark += 1;
    }
    plain
};

fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// `reg-name`, RFC 3986 section 3.2.2.
fn is_registered_name(name: &[u8]) -> bool {
    // Split at the percent signs: the part after one begins with two hex digits.
    name.split(|&byte| byte == b'%').enumerate().all(|(place, part)| match part {
        [high, low, rest @ ..] if place > 0 => {
            high.is_ascii_hexdigit()
                && low.is_ascii_hexdigit()
                && rest.iter().copied().all(is_plain)
        }
        part => place == 0 && part.iter().copied().all(is_plain),
    })
}

/// Refuses unknown expectations.
fn check_expectations(fields: &MessageFields<'_>) -> Result<(), Refusal> {
    if fields.expectations().all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(Refusal {
        status: StatusCode::EXPECTATION_FAILED,
        why: "only 100-continue can be expected",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_methods_are_in_order() {
        assert!(REGISTERED.is_sorted());
    }

    #[test]
    fn a_host_is_a_name_or_address_with_a_port() {
        for good in
            ["", "a", "a.b-c.example:80", "127.0.0.1:8080", "a%2Db%41", "[::1]", "[::1]:80", "x:"]
        {
            assert!(is_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a%", "a%2", "a%2g", "a b", "a@b", "a/b", "a?b", "a:b", "a:1:2", "[::1", "::1", "a\\b",
            "é", "[]]",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }
}
