//! The parts that heads of requests and responses have in common: the end of a head, and its
//! fields.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::mem::MaybeUninit;

/// Searches the end of a head. The bytes are passed again each time with more after them, and the
/// scan remembers how far it has searched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScan {
    scanned: u32,
    /// The start of the current line.
    line: u32,
}

/// A line of a head does not end with CRLF, or has a CR inside. Attackers have used both to make
/// two parsers see two different messages, so both are errors (RFC 9112, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BareLineEnd;

impl HeadScan {
    /// Returns true if some bytes of a head have arrived.
    pub(super) fn has_begun(self) -> bool {
        self.scanned > 0
    }

    /// The end of the current line, without LF.
    pub(super) fn line_end(self, input: &[u8]) -> usize {
        let line = self.line as usize;
        memchr::memchr(b'\n', &input[line..]).map_or(input.len(), |length| line + length)
    }

    /// The length of the head with its empty line, once it is complete. O(new bytes).
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

/// Runs `parse` with an array for `max` fields, which is on the stack for the default limit.
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

/// Returns true if each line of a head that httparse has parsed ends with CRLF. httparse also
/// accepts a bare LF, but no CR inside a line.
pub(super) fn has_strict_lines(head: &[u8], parsed: &[httparse::Header<'_>]) -> bool {
    let ends_before = |name: &str| {
        let at = name.as_ptr().addr() - head.as_ptr().addr();
        head[..at].ends_with(b"\r\n")
    };
    let begins_at_once = head.first().is_some_and(|&byte| byte != b'\r' && byte != b'\n');
    begins_at_once
        && head.ends_with(b"\r\n\r\n")
        && parsed.iter().all(|field| ends_before(field.name))
}

/// The bytes of a head that was parsed in place. Its parts are copied in one of two ways: they
/// share one copy of the whole head, or, if only a few are kept, each is copied by itself.
pub(super) struct HeadBytes<'h> {
    head: &'h [u8],
    whole: Option<Bytes>,
}

impl<'h> HeadBytes<'h> {
    pub(super) fn whole(head: &'h [u8]) -> Self {
        HeadBytes { head, whole: Some(Bytes::copy_from_slice(head)) }
    }

    pub(super) fn in_parts(head: &'h [u8]) -> Self {
        HeadBytes { head, whole: None }
    }

    /// A copy of `part`, which is a slice of the head, or empty.
    pub(super) fn part(&self, part: &[u8]) -> Bytes {
        match &self.whole {
            Some(whole) if !part.is_empty() => {
                let at = part.as_ptr().addr() - self.head.as_ptr().addr();
                whole.slice(at..at + part.len())
            }
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// The fields as a map: those in `kept`, or all. `None` if one of them is malformed. The map is
    /// the largest part of a head's cost.
    pub(super) fn fields(
        &self,
        parsed: &[httparse::Header<'_>],
        kept: Option<&Kept>,
    ) -> Option<HeaderMap> {
        let room = kept.map_or(parsed.len(), |kept| kept.names.len().min(parsed.len()));
        let mut headers = HeaderMap::new();
        for field in parsed {
            let name = match kept.map(|kept| kept.find(field.name)) {
                Some(None) => continue, // as most are
                Some(Some(name)) => name.clone(),
                None => HeaderName::from_bytes(field.name.as_bytes()).ok()?,
            };
            let value = HeaderValue::from_maybe_shared(self.part(field.value)).ok()?;
            if headers.is_empty() {
                headers.try_reserve(room).ok()?; // not before there is one
            }
            headers.try_append(name, value).ok()?;
        }
        Some(headers)
    }
}

/// Which fields of a head are kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    names: Vec<HeaderName>,
    /// The lengths of the names, a bit each; long ones share one.
    lengths: u64,
}

impl Kept {
    /// Those of these names, in any case. No field has a name that cannot be one.
    pub(super) fn of(names: &[&str]) -> Self {
        let parsed = names.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        let lengths = names.iter().fold(0, |bits, name| bits | length_bit(name));
        Kept { names: parsed.collect(), lengths }
    }

    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.names.contains(name)
    }

    /// The name that is kept and is this one, in any case.
    fn find(&self, name: &str) -> Option<&HeaderName> {
        let may_be = self.lengths & length_bit(name) != 0;
        may_be
            .then(|| self.names.iter().find(|kept| eq_lowercase(name.as_bytes(), kept.as_str())))?
    }
}

/// Returns true if `word` is `lower` in upper or lower case. `lower` has no capitals. Most other
/// words differ in the first byte. The rest is compared to its end, which for short words costs
/// less than a stop at the first difference.
pub(super) fn eq_lowercase(word: &[u8], lower: &str) -> bool {
    let mut pairs = word.iter().zip(lower.as_bytes());
    let differs = |(byte, lower): (&u8, &u8)| byte.to_ascii_lowercase() ^ lower;
    word.len() == lower.len()
        && pairs.next().is_none_or(|first| differs(first) == 0)
        && pairs.fold(0, |other, pair| other | differs(pair)) == 0
}

fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
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
    fn words_are_the_same_in_any_case() {
        for same in ["host", "HOST", "hosT"] {
            assert!(eq_lowercase(same.as_bytes(), "host"), "{same}");
        }
        for other in ["", "hos", "hosts", "xost", "hosx", "(ost", "hos\u{14}"] {
            assert!(!eq_lowercase(other.as_bytes(), "host"), "{other}");
        }
        assert!(eq_lowercase(b"", ""));
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
}
