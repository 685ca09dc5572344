//! What CouchDB says: the lines of a feed, and the bodies of its answers.

use super::document::check_document;
use super::members::{Revision, members};
use crate::shown::shown;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A sequence as the server tells it: opaque, never compared, sent back as it came.
///
/// `CouchDB` 2 and later send strings, 1 and `PouchDB` numbers, `BigCouch` arrays: it is kept as
/// raw JSON, a string without its quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct Seq(Box<str>);

impl Seq {
    /// Where every database begins.
    pub(super) fn beginning() -> Self {
        Seq("0".into())
    }

    /// A sequence whose text is known, from a checkpoint.
    pub(super) fn kept(text: &str) -> Self {
        Seq(text.into())
    }

    /// The text that goes into `since`, before percent-encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that it is on servers which count, and only there.
    pub(super) fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn of(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            // An empty text cannot be asked for, and says as little.
            "null" | "\"\"" => None,
            text if text.starts_with('"') => text_of(raw).map(|text| Seq(text.into())),
            text => Some(Seq(text.into())),
        }
    }
}

/// Fit for a log, whatever the server has put into it.
impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({})", self.0.escape_debug())
    }
}

/// The text as it came, which may be anything.
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of a continuous feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// An empty line: the server is alive.
    Heartbeat,
    Row(Row),
    /// A row of a document that nobody wants, with its sequence.
    Passed(Option<Seq>),
    /// The feed ends here, in good order.
    Last(Option<Seq>),
    /// CouchDB has failed and says why.
    Error(Reason),
    /// No JSON object of any of these kinds.
    Malformed,
}

/// A row of a feed: a document has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its sequence; `None` where the server sends none with this row.
    pub seq: Option<Seq>,
    /// The document's id.
    pub id: String,
    /// The revisions that the row names: the winning one, and with
    /// [`all_revs`](super::Query::all_revs) every other leaf behind it.
    pub revs: Vec<String>,
    /// Whether the document is deleted.
    pub deleted: bool,
    /// The document as the server wrote it, if it came along and is that of the row. It may be
    /// newer than `revs`, and be deleted though the row is not: the server adds it as it is when
    /// the row is sent.
    pub doc: Option<Bytes>,
    /// The whole row as the server wrote it, with what has no field here.
    pub json: Bytes,
    /// Why the document that came along is not `doc`.
    pub(super) refused: Option<&'static str>,
}

/// `CouchDB`'s `error` and `reason`, cut to
/// [`FEED_REASON_CHARS`](crate::limits::FEED_REASON_CHARS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The short name, such as `not_found`.
    pub error: String,
    /// The sentence.
    pub reason: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.reason)
    }
}

/// What `GET /db` tells of a database.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) update_seq: Option<Seq>,
    /// The same as a number, where the server counts.
    pub(super) count: Option<u64>,
    /// What is another when the database was deleted and made again; not every server has it.
    pub(super) identity: Option<String>,
    /// How many purges there were, as the server writes it; not every server says so. Only for
    /// comparing whether it is the same.
    pub(super) purges: Option<String>,
}

/// Understands one line. Keys may come in any order. Of a row whose id is not wanted, nothing but
/// the sequence is taken.
pub(super) fn parse_line(line: &Bytes, is_wanted: impl FnOnce(&str) -> bool) -> Line {
    if line.trim_ascii().is_empty() {
        return Line::Heartbeat;
    }
    let names = ["seq", "id", "changes", "doc", "deleted", "last_seq", "results"];
    let Some([seq, id, changes, doc, deleted, last_seq, results]) = members(line, names) else {
        return Line::Malformed;
    };
    if let Some(id) = id.and_then(text_of) {
        let seq = seq.and_then(Seq::of);
        if !is_wanted(&id) {
            return Line::Passed(seq);
        }
        let doc = doc.map(RawValue::get).filter(|doc| *doc != "null");
        let refused = doc.and_then(|doc| check_document(doc.as_bytes(), &id).err());
        return Line::Row(Row {
            seq,
            id: id.into_owned(),
            revs: changes.and_then(revs).unwrap_or_default(),
            deleted: deleted.is_some_and(|deleted| deleted.get() == "true"),
            doc: doc.filter(|_| refused.is_none()).map(|doc| line.slice_ref(doc.as_bytes())),
            json: line.clone(),
            refused,
        });
    }
    if let Some(last) = last_seq {
        // Of an answer that has an end, the rows are cut out before this: what is left is none.
        let is_empty = results.is_none_or(|results| results.get() == "[]");
        return if is_empty { Line::Last(Seq::of(last)) } else { Line::Malformed };
    }
    parse_reason(line).map_or(Line::Malformed, Line::Error)
}

/// Understands the body of an error.
pub(super) fn parse_reason(body: &[u8]) -> Option<Reason> {
    let [error, reason] = members(body, ["error", "reason"])?;
    let error = text_of(error?)?;
    let reason = reason.and_then(text_of).unwrap_or_default();
    Some(Reason { error: shown(&error), reason: shown(&reason) })
}

/// Understands the body of `GET /db`.
pub(super) fn parse_info(body: &[u8]) -> Option<Info> {
    let names = ["update_seq", "instance_start_time", "db_uuid", "purge_seq"];
    let [update_seq, made, uuid, purge_seq] = members(body, names)?;
    let count = update_seq.and_then(|seq| seq.get().parse().ok());
    // A server that counts says there when it opened the database, or when it started.
    let made = made.and_then(text_of).filter(|time| count.is_none() && time != "0");
    let identity = made.or_else(|| uuid.and_then(text_of)).map(Cow::into_owned);
    // Of a cluster's sequence only the number is the same whichever nodes have answered.
    let number = |seq: Seq| seq.0.split(['-', ',']).next().unwrap_or_default().to_owned();
    let purges = purge_seq.and_then(Seq::of).map(number);
    Some(Info { update_seq: update_seq.and_then(Seq::of), count, identity, purges })
}

/// Understands the body of `GET /`: what tells a server from others, if it says so.
pub(super) fn parse_uuid(body: &[u8]) -> Option<String> {
    let [uuid] = members(body, ["uuid"])?;
    text_of(uuid?).map(Cow::into_owned)
}

/// What a JSON string says; it is copied only to be unescaped.
pub(super) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Some(text.into());
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

fn revs(changes: &RawValue) -> Option<Vec<String>> {
    let changes: Vec<Revision<'_>> = serde_json::from_str(changes.get()).ok()?;
    changes.iter().map(|change| text_of(change.0?).map(Cow::into_owned)).collect()
}

/// A row of no more than an id and a revision.
#[cfg(test)]
pub(super) fn bare(id: &str, rev: &str) -> Row {
    let (id, revs) = (id.to_owned(), vec![rev.to_owned()]);
    Row { seq: None, id, revs, deleted: false, doc: None, json: Bytes::new(), refused: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: Option<&str>, revs: &str, deleted: bool, doc: Option<&'static str>) -> Line {
        Line::Row(Row {
            seq: seq.map(|seq| Seq(seq.into())),
            id: "x".into(),
            revs: revs.split(' ').map(str::to_owned).collect(),
            deleted,
            doc: doc.map(|doc| Bytes::from_static(doc.as_bytes())),
            json: Bytes::new(),
            refused: None,
        })
    }

    /// Without the row's text, which is the line.
    fn parsed(line: &str) -> Line {
        match parse_line(&Bytes::from(line.to_owned()), |_| true) {
            Line::Row(row) => {
                assert_eq!(row.json, line);
                Line::Row(Row { json: Bytes::new(), ..row })
            }
            other => other,
        }
    }

    #[test]
    fn lines_of_every_server_are_understood() {
        let last = |seq: &str| Line::Last(Some(Seq(seq.into())));
        for (line, expected) in [
            ("", Line::Heartbeat),
            (" \r", Line::Heartbeat),
            (
                r#"{"seq":"4-g1A_A","id":"x","changes":[{"rev":"2-b"},{"rev":"2-a"}]}"#,
                row(Some("4-g1A_A"), "2-b 2-a", false, None),
            ),
            // PouchDB: numbers, and the keys in another order.
            (
                concat!(
                    r#"{"id":"x","doc":{"n":1.50,"_rev":"1-a","_id":"x"},"#,
                    r#""changes":[{"rev":"1-a"}],"seq":7}"#
                ),
                row(Some("7"), "1-a", false, Some(r#"{"n":1.50,"_rev":"1-a","_id":"x"}"#)),
            ),
            // BigCouch: an array.
            (
                r#"{"seq":[4,"g1,A"],"id":"x","changes":[{"rev":"1-a"}],"deleted":true}"#,
                row(Some(r#"[4,"g1,A"]"#), "1-a", true, None),
            ),
            // seq_interval: null between.
            (
                r#"{"seq":null,"id":"x","changes":[{"rev":"1-a"}],"doc":null}"#,
                row(None, "1-a", false, None),
            ),
            (r#"{"last_seq":"9-x","pending":0}"#, last("9-x")),
            (r#"{"last_seq":9}"#, last("9")),
            (r#"{"results":[],"last_seq":9}"#, last("9")),
            (r#"{"results":[7],"last_seq":9}"#, Line::Malformed),
            (r#"{"last_seq":null}"#, Line::Last(None)),
            (
                r#"{"error":"not_found","reason":"no"}"#,
                Line::Error(Reason { error: "not_found".into(), reason: "no".into() }),
            ),
            ("HTTP/1.1 500 Internal Server Error", Line::Malformed),
            (r#"{"seq":1,"id":"x""#, Line::Malformed),
            ("{}", Line::Malformed),
            ("[]", Line::Malformed),
            ("7", Line::Malformed),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
        let line = Bytes::from_static(b"{\"id\":\"\xff\"}");
        assert_eq!(parse_line(&line, |_| true), Line::Malformed);
    }

    #[test]
    fn a_sequence_that_could_not_be_told_went_to_the_log_with_its_control_characters() {
        let Line::Last(Some(seq)) = parsed(r#"{"last_seq":"4-\u001b[2J\n"}"#) else { panic!() };
        assert_eq!(format!("{seq:?}"), "Seq(4-\\u{1b}[2J\\n)");
        assert_eq!(seq.as_str(), "4-\u{1b}[2J\n");
    }

    #[test]
    fn of_a_row_that_nobody_wants_the_sequence_is_taken() {
        let passed = |line: &'static str| parse_line(&Bytes::from(line), |id| id == "x");
        let at = |seq: &str| Line::Passed(Some(Seq(seq.into())));
        assert_eq!(passed(r#"{"seq":"4-g","id":"y","changes":[],"doc":{"_id":"x"}}"#), at("4-g"));
        assert_eq!(passed(r#"{"seq":[4,"g"],"id":"\u0079"}"#), at(r#"[4,"g"]"#));
        assert_eq!(passed(r#"{"seq":null,"id":"y"}"#), Line::Passed(None));
        assert_eq!(passed(r#"{"seq":1,"id":"y","doc":{"a":}}"#), Line::Malformed);
        assert!(matches!(passed(r#"{"seq":1,"id":"\u0078"}"#), Line::Row(row) if row.id == "x"));
    }

    #[test]
    fn an_empty_sequence_went_into_a_checkpoint_that_could_not_be_read() {
        assert_eq!(
            parsed(r#"{"seq":"","id":"x","changes":[{"rev":"1-a"}]}"#),
            row(None, "1-a", false, None)
        );
        assert_eq!(parsed(r#"{"last_seq":""}"#), Line::Last(None));
    }

    #[test]
    fn a_database_is_told_from_its_successor_where_the_server_says_so() {
        let identity = |body: &str| parse_info(body.as_bytes()).unwrap().identity;
        assert_eq!(identity(r#"{"instance_start_time":"1795506176"}"#), Some("1795506176".into()));
        assert_eq!(identity(r#"{"instance_start_time":"0","db_uuid":"u"}"#), Some("u".into()));
        assert_eq!(identity(r#"{"instance_start_time":"0","update_seq":4}"#), None);
        let time = r#""instance_start_time":"1795506176""#;
        let of = |rest: &str| identity(&format!("{{{time},{rest}}}"));
        assert_eq!(of(r#""update_seq":"4-g1AAAA""#), Some("1795506176".into()));
        assert_eq!(of(r#""update_seq":4"#), None);
        assert_eq!(of(r#""update_seq":4,"db_uuid":"u""#), Some("u".into()));
        assert_eq!(parse_info(b"<html>"), None);
    }

    #[test]
    fn purges_are_counted_alike_by_all_nodes_of_a_cluster() {
        let purges = |seq: &str| {
            let body = format!("{{\"update_seq\":1,\"purge_seq\":{seq}}}");
            parse_info(body.as_bytes()).unwrap().purges
        };
        assert_eq!(purges("\"12-g1AAA-B_\""), Some("12".into()));
        assert_eq!(purges("\"12-g1BBB\""), Some("12".into()));
        assert_eq!(purges("12"), Some("12".into()));
        assert_eq!(purges("[12,\"g1A-B\"]"), Some("[12".into()));
        assert_eq!(purges("null"), None);
        assert_eq!(parse_info(b"{}").unwrap().purges, None);
    }
}
