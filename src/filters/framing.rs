//! The fields of a head that describe the message itself: where its body ends, and if the
//! connection persists after it.

use super::head::eq_lowercase;
use httparse::Header;

/// The fields that the protocol itself reads, found in one pass over a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageFields<'h> {
    all: &'h [Header<'h>],
    pub(super) host: Single<'h>,
    length: Single<'h>,
    has_coding: bool,
    pub(super) has_expectation: bool,
    persistence: Persistence,
}

/// What `Connection` requests. If a head has both options, `close` wins (RFC 9112, section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Persistence {
    /// The default of the version applies.
    Unspecified,
    KeepAlive,
    Close,
}

/// A field that may occur once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Single<'h> {
    #[default]
    Absent,
    Once(&'h [u8]),
    Repeated,
}

/// The length of the body as the fields give it (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The fields give no length: a request has no body, and a response has one up to the end of
    /// the connection.
    None,
    Length(u64),
    Chunked,
}

/// Why the body's length is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FramingError {
    /// `Content-Length` is not one number, or occurs twice.
    Length,
    /// `Transfer-Encoding` with a `Content-Length`, in HTTP/1.0, or not ending in one `chunked`.
    Coding,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
}

impl<'h> MessageFields<'h> {
    pub(super) fn of(all: &'h [Header<'h>]) -> Self {
        let mut found = MessageFields {
            all,
            host: Single::Absent,
            length: Single::Absent,
            has_coding: false,
            has_expectation: false,
            persistence: Persistence::Unspecified,
        };
        for field in all {
            let is = |lower: &str| eq_lowercase(field.name.as_bytes(), lower);
            match field.name.len() {
                4 if is("host") => found.host.add(field.value),
                6 if is("expect") => found.has_expectation = true,
                10 if is("connection") => {
                    for item in items(field.value) {
                        let option = match item.len() {
                            5 if eq_lowercase(item, "close") => Persistence::Close,
                            10 if eq_lowercase(item, "keep-alive") => Persistence::KeepAlive,
                            _ => continue,
                        };
                        found.persistence = found.persistence.max(option);
                    }
                }
                14 if is("content-length") => found.length.add(field.value),
                17 if is("transfer-encoding") => found.has_coding = true,
                _ => {}
            }
        }
        found
    }

    /// Reads `Content-Length` and `Transfer-Encoding`. Anything ambiguous is an error.
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

    /// Returns true if the sender keeps the connection open after this message (RFC 9112, section
    /// 9.3).
    pub(super) fn keeps_alive(&self, http10: bool) -> bool {
        match self.persistence {
            Persistence::Unspecified => !http10,
            Persistence::KeepAlive => true,
            Persistence::Close => false,
        }
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

/// Returns true if a list has `token`, in upper or lower case.
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

/// A number that consists of digits and fits into `u64`.
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
        assert_eq!(MessageFields::of(&fields(said)).framing(false), expected, "{said:?}");
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
        assert_eq!(MessageFields::of(&coded).framing(true), Err(FramingError::Coding));
    }

    #[test]
    fn a_connection_goes_on_as_its_version_has_it_unless_it_is_said() {
        for (said, in_1_0, in_1_1) in [
            (&[][..], false, true),
            (&[("Connection", "close")], false, false),
            (&[("connection", "Keep-Alive")], true, true),
            (&[("CONNECTION", "x"), ("Connection", "y , CLOSE")], false, false),
            (&[("Connection", "enclosed")], false, true),
            (&[("Connection", "close, keep-alive")], false, false),
            (&[("Connection", "keep-alive"), ("Connection", "close")], false, false),
        ] {
            let said = fields(said);
            let fields = MessageFields::of(&said);
            assert_eq!(fields.keeps_alive(true), in_1_0, "{said:?}");
            assert_eq!(fields.keeps_alive(false), in_1_1, "{said:?}");
        }
    }

    #[test]
    fn a_field_that_may_stand_once_is_told_from_one_that_stands_twice() {
        let host =
            |said: &[(&'static str, &'static str)]| match MessageFields::of(&fields(said)).host {
                Single::Absent => "absent",
                Single::Once(_) => "once",
                Single::Repeated => "repeated",
            };
        assert_eq!(host(&[("Hosts", "a"), ("Hose", "b")]), "absent");
        assert_eq!(host(&[("HOST", "")]), "once");
        assert_eq!(host(&[("host", "a"), ("Host", "a")]), "repeated");
    }
}
