//! Update sequences in the style of CouchDB 3: a number, a dash and an opaque part.

use std::fmt;

use super::revision::parse_number;

/// A point in the history of one database. The opaque part identifies the database, so that a
/// sequence of a deleted database with the same name is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The number of edits up to this point.
    pub(crate) number: u64,
    /// Identifies the database, see [`super::Database::instance`].
    pub(crate) instance: u64,
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.instance)
    }
}

/// The start of the changes that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Before the first change.
    Start,
    /// After the latest change.
    Now,
    /// After a known change.
    Sequence(Sequence),
}

impl Since {
    /// Parses `0`, `now` or a sequence, which may also be a JSON string. `None` for anything else,
    /// also for bare integers and for `0` and `now` in quotes, as in CouchDB 3.5.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => return Some(Self::Start),
            "now" => return Some(Self::Now),
            _ => {}
        }
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let (number, opaque) = quoted.unwrap_or(text).split_once('-')?;
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if number.is_empty() || opaque.len() != 16 || !opaque.bytes().all(hex) {
            return None;
        }
        let instance = u64::from_str_radix(opaque, 16).ok()?;
        Some(Self::Sequence(Sequence { number: parse_number(number)?, instance }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_accepts_the_same_as_couchdb() {
        let sequence = Sequence { number: 7, instance: 0xabc };
        assert_eq!(sequence.to_string(), "7-0000000000000abc");
        let table = [
            ("0", Some(Since::Start)),
            ("\"0\"", None),
            ("\"now\"", None),
            ("now", Some(Since::Now)),
            ("7-0000000000000abc", Some(Since::Sequence(sequence))),
            ("\"7-0000000000000abc\"", Some(Since::Sequence(sequence))),
            ("", None),
            ("\"", None),
            ("1", None),
            ("-1", None),
            ("banana", None),
            ("7-0000000000000ab", None),
            ("7-0000000000000ABC", None),
            ("+7-0000000000000abc", None),
            ("-0000000000000abc", None),
            ("99999999999999999999-0000000000000abc", None),
            ("5-notbase64!!", None),
        ];
        for (text, expected) in table {
            assert_eq!(Since::parse(text), expected, "{text}");
        }
    }
}
