//! What the heads of requests and responses have in common: where a head ends, its fields, and what
//! they say about the body.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use std::mem::MaybeUninit;

/// Looks for the end of a head in bytes that are shown again and again, with more behind them, and
/// remembers how far it has looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScan {
    scanned: u32,
    /// Where the line that is being looked at begins.
    line: u32,
}

/// A line of a head does not end with CRLF, or has a CR within it. Both have been used to make two
/// parsers see two different messages, so neither is let pass (RFC 9112 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BareLineEnd;

impl HeadScan {
    /// Whether some bytes of a head have been shown.
    pub(super) fn has_begun(self) -> bool {
        self.scanned > 0
    }

    /// Where the line that is being looked at ends, without LF.
    pub(super) fn line_end(self, input: &[u8]) -> usize {
        let line = self.line as usize;
        memchr::memchr(b'\n', &input[line..]).map_or(input.len(), |length| line + length)
    }

    /// The length of the head with its empty line, once it is there. O(new bytes).
    pub(super) fn find(&mut self, input: &[u8]) -> Result<Option<usize>, BareLineEnd> {
        let mut at = self.scanned as usize;
        while let Some(found) = memchr::memchr(b'\n', &input[at..]) {
            at += found + 1;
            let line = &input[self.line as usize..at];
            let line = line.strip_suffix(b"\r\n").ok_or(BareLineEnd)?;
            if memchr::memchr(b'\r', line).is_some() {
                return Err(BareLineEnd);
            }
            if line.is_empty() {
                *self = Self::default();
                return Ok(Some(at));
            }
            self.line = at as u32;
        }
        self.scanned = input.len() as u32;
        Ok(None)
    }
}

/// Runs `parse` with room for `max` fields: on the stack for as many as are usual.
pub(super) fn with_room<'b, R>(
    max: usize,
    parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'b>>]) -> R,
) -> R {
    const USUAL: usize = crate::limits::HTTP_HEADERS;
    if max <= USUAL {
        parse(&mut [const { MaybeUninit::uninit() }; USUAL][..max])
    } else {
        parse(&mut vec![MaybeUninit::uninit(); max])
    }
}

/// The fields that are kept as a map whose values share `head`'s bytes, with `room` for so many
/// from the start; `None` when one of them cannot be. The map is most of what a head costs.
pub(super) fn fields(
    parsed: &[httparse::Header<'_>],
    head: &Bytes,
    room: usize,
    is_kept: impl Fn(&str) -> bool,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(room.min(parsed.len()));
    for field in parsed.iter().filter(|field| is_kept(field.name)) {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        // An empty value may be no part of the head.
        let value = match field.value {
            [] => Bytes::new(),
            value => head.slice_ref(value),
        };
        headers.try_append(name, HeaderValue::from_maybe_shared(value).ok()?).ok()?;
    }
    Some(headers)
}

/// What the fields say about the body's length, RFC 9112 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing: no body in a request, all up to the connection's end in a response.
    None,
    Length(u64),
    Chunked,
}

/// Why it cannot be known how long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FramingError {
    /// `Content-Length` is not one number, or stands twice.
    Length,
    /// `Transfer-Encoding` with a `Content-Length`, in HTTP/1.0, or not ending in one `chunked`.
    Coding,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
}

/// Reads `Content-Length` and `Transfer-Encoding`, leaving nothing to be understood in two ways.
pub(super) fn framing(headers: &HeaderMap, http10: bool) -> Result<Framing, FramingError> {
    let length = headers.get(CONTENT_LENGTH);
    if headers.contains_key(TRANSFER_ENCODING) {
        if length.is_some() || http10 {
            return Err(FramingError::Coding);
        }
        return codings(headers).map(|()| Framing::Chunked);
    }
    let Some(length) = length else { return Ok(Framing::None) };
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(FramingError::Length);
    }
    number(length.as_bytes()).map(Framing::Length).ok_or(FramingError::Length)
}

/// Whether a list field has `token`, in any case.
pub(super) fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}

/// Accepts `chunked` alone.
fn codings(headers: &HeaderMap) -> Result<(), FramingError> {
    let mut chunked = false;
    let mut unknown = false;
    for coding in items(headers, TRANSFER_ENCODING) {
        if chunked || coding.is_empty() {
            return Err(FramingError::Coding); // not the last one, or twice
        }
        chunked = coding.eq_ignore_ascii_case(b"chunked");
        unknown |= !chunked;
    }
    if unknown { Err(FramingError::UnknownCoding) } else { Ok(()) }
}

fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

/// A number of digits only, within `u64`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn end(input: &str, expected: Result<Option<usize>, BareLineEnd>) {
        assert_eq!(HeadScan::default().find(input.as_bytes()), expected, "{input:?} whole");
        let mut scan = HeadScan::default();
        let mut found = Ok(None);
        for shown in 0..=input.len() {
            found = scan.find(&input.as_bytes()[..shown]);
            if found != Ok(None) {
                break;
            }
        }
        assert_eq!(found, expected, "{input:?} byte by byte");
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        end("", Ok(None));
        end("GET / HTTP/1.1\r\nHost: x\r\n", Ok(None));
        end("GET / HTTP/1.1\r\nHost: x\r\n\r\nbody\n", Ok(Some(27)));
        end("\r\n", Ok(Some(2)));
        end("GET / HTTP/1.1\n", Err(BareLineEnd));
        end("GET / HTTP/1.1\r\n\n", Err(BareLineEnd));
        end("GET / HTTP/1.1\r\r\n", Err(BareLineEnd));
        end("a\rb\r\n", Err(BareLineEnd));
    }

    #[track_caller]
    fn length(fields: &[(&'static str, &'static str)], expected: Result<Framing, FramingError>) {
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(framing(&headers, false), expected, "{fields:?}");
    }

    #[test]
    fn the_length_of_a_body_is_never_ambiguous() {
        const CL: &str = "content-length";
        const TE: &str = "transfer-encoding";
        length(&[], Ok(Framing::None));
        length(&[(CL, "0")], Ok(Framing::Length(0)));
        length(&[(CL, "18446744073709551615")], Ok(Framing::Length(u64::MAX)));
        for bad in ["", "18446744073709551616", "-1", "+1", "1 2", "1,1", "0x1", "1.0", "ten"] {
            length(&[(CL, bad)], Err(FramingError::Length));
        }
        length(&[(CL, "1"), (CL, "1")], Err(FramingError::Length));
        length(&[(TE, "chunked")], Ok(Framing::Chunked));
        length(&[(TE, "Chunked")], Ok(Framing::Chunked));
        for bad in ["", "chunked, chunked", "chunked, gzip", ",chunked", "chunked,"] {
            length(&[(TE, bad)], Err(FramingError::Coding));
        }
        length(&[(TE, "chunked"), (TE, "chunked")], Err(FramingError::Coding));
        length(&[(TE, "chunked"), (CL, "1")], Err(FramingError::Coding));
        for unknown in ["gzip, chunked", "gzip", "xchunked", "identity", "chunked;q=1"] {
            length(&[(TE, unknown)], Err(FramingError::UnknownCoding));
        }
    }
}
