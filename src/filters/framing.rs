//! What the fields of a head say about the message itself: where its body ends, and whether the
//! connection goes on behind it.

use super::head::is_in_any_case;
use httparse::Header;

/// The fields that the protocol itself looks at, found in one pass over a head.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is said by a field of its own, or not")]
pub(super) struct Directions<'h> {
    all: &'h [Header<'h>],
    pub(super) host: Single<'h>,
    length: Single<'h>,
    has_coding: bool,
    pub(super) has_expectation: bool,
    says_close: bool,
    says_keep_alive: bool,
}

/// A field that may stand once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Single<'h> {
    #[default]
    Absent,
    Once(&'h [u8]),
    Repeated,
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

impl<'h> Directions<'h> {
    pub(super) fn of(all: &'h [Header<'h>]) -> Self {
        let mut found = Directions {
            all,
            host: Single::Absent,
            length: Single::Absent,
            has_coding: false,
            has_expectation: false,
            says_close: false,
            says_keep_alive: false,
        };
        for field in all {
            let is = |lower: &str| is_in_any_case(field.name.as_bytes(), lower);
            match field.name.len() {
                4 if is("host") => found.host.add(field.value),
                6 if is("expect") => found.has_expectation = true,
                10 if is("connection") => {
                    for item in items(field.value) {
                        found.says_close |= is_in_any_case(item, "close");
                        found.says_keep_alive |= is_in_any_case(item, "keep-alive");
                    }
                }
                14 if is("content-length") => found.length.add(field.value),
                17 if is("transfer-encoding") => found.has_coding = true,
                _ => {}
            }
        }
        found
    }

    /// Reads `Content-Length` and `Transfer-Encoding`, leaving nothing to be understood in two
    /// ways.
    pub(super) fn framing(&self, http10: bool) -> Result<Framing, FramingError> {
        if self.has_coding {
            if self.length != Single::Absent || http10 {
                return Err(FramingError::Coding);
            }
            return chunked_alone(self.values("transfer-encoding"));
        }
        match self.length {
            Single::Absent => Ok(Framing::None),
            Single::Once(digits) => number(digits).map(Framing::Length).ok_or(FramingError::Length),
            Single::Repeated => Err(FramingError::Length),
        }
    }

    /// Whether the sender means to go on with the connection, RFC 9112 section 9.3.
    pub(super) fn keeps_alive(&self, http10: bool) -> bool {
        if http10 { self.says_keep_alive } else { !self.says_close }
    }

    /// The values of `Expect`.
    pub(super) fn expectations(&self) -> impl Iterator<Item = &'h [u8]> {
        self.values("expect")
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        let of_name = self.all.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        of_name.map(|field| field.value)
    }
}

impl<'h> Single<'h> {
    fn add(&mut self, value: &'h [u8]) {
        *self = if *self == Single::Absent { Single::Once(value) } else { Single::Repeated };
    }
}

/// Whether a list has `token`, in any case.
pub(super) fn has_token(list: &[u8], token: &str) -> bool {
    items(list).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}

fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn chunked_alone<'h>(values: impl Iterator<Item = &'h [u8]>) -> Result<Framing, FramingError> {
    let (mut chunked, mut unknown) = (false, false);
    for coding in values.flat_map(items) {
        if chunked || coding.is_empty() {
            return Err(FramingError::Coding); // not the last one, or twice
        }
        chunked = coding.eq_ignore_ascii_case(b"chunked");
        unknown |= !chunked;
    }
    if unknown { Err(FramingError::UnknownCoding) } else { Ok(Framing::Chunked) }
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

    fn fields<'h>(fields: &[(&'h str, &'h str)]) -> Vec<Header<'h>> {
        fields.iter().map(|&(name, value)| Header { name, value: value.as_bytes() }).collect()
    }

    #[track_caller]
    fn length(said: &[(&'static str, &'static str)], expected: Result<Framing, FramingError>) {
        assert_eq!(Directions::of(&fields(said)).framing(false), expected, "{said:?}");
    }

    #[test]
    fn the_length_of_a_body_is_never_ambiguous() {
        const CL: &str = "Content-Length";
        const TE: &str = "transfer-Encoding";
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
        let coded = fields(&[(TE, "chunked")]);
        assert_eq!(Directions::of(&coded).framing(true), Err(FramingError::Coding));
    }

    #[test]
    fn a_connection_goes_on_as_its_version_has_it_unless_it_is_said() {
        for (said, in_1_0, in_1_1) in [
            (&[][..], false, true),
            (&[("Connection", "close")], false, false),
            (&[("connection", "Keep-Alive")], true, true),
            (&[("CONNECTION", "x"), ("Connection", "y , CLOSE")], false, false),
            (&[("Connection", "enclosed")], false, true),
        ] {
            let said = fields(said);
            let directions = Directions::of(&said);
            assert_eq!(directions.keeps_alive(true), in_1_0, "{said:?}");
            assert_eq!(directions.keeps_alive(false), in_1_1, "{said:?}");
        }
    }

    #[test]
    fn a_field_that_may_stand_once_is_told_from_one_that_stands_twice() {
        let host = |said: &[(&'static str, &'static str)]| match Directions::of(&fields(said)).host
        {
            Single::Absent => "absent",
            Single::Once(_) => "once",
            Single::Repeated => "repeated",
        };
        assert_eq!(host(&[("Hosts", "a"), ("Hose", "b")]), "absent");
        assert_eq!(host(&[("HOST", "")]), "once");
        assert_eq!(host(&[("host", "a"), ("Host", "a")]), "repeated");
    }
}
