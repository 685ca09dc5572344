//! What CouchDB sends: the rows of a feed, documents, and the bodies of its other answers.

use crate::event::Change;
use crate::limits::REASON_CHARS;
use bytes::Bytes;
use serde_core::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A sequence as the server sends it. It is opaque: it is never compared, and sent back unchanged.
///
/// `CouchDB` 2 and later send strings, `CouchDB` 1 and `PouchDB` numbers, `BigCouch` arrays. It is
/// kept as raw JSON, a string without its quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct Seq(pub(crate) Box<str>);

impl Seq {
    /// The sequence before the first change of every database.
    pub(crate) fn beginning() -> Self {
        Seq("0".into())
    }

    /// The text for the parameter `since`, before percent-encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its number, on servers whose sequences are numbers.
    pub(crate) fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn of(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            // An empty text cannot be sent as `since`, so it means the same as none.
            "null" | "\"\"" => None,
            text if text.starts_with('"') => text_of(raw).map(|text| Seq(text.into())),
            text => Some(Seq(text.into())),
        }
    }

    /// Parses the JSON of a sequence that [`skim`] found.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        Seq::of(serde_json::from_slice::<&RawValue>(json).ok()?)
    }
}

/// Escapes what a server may have put into it, so that it can be logged.
impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({})", self.0.escape_debug())
    }
}

/// Writes the text unchanged, which may contain any characters.
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of a continuous feed, or what an answer with an end has in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// An empty line: the server is alive.
    Heartbeat,
    Row(Row),
    /// A row of a document that is not followed, with its sequence.
    Skipped(Option<Seq>),
    /// The feed ends here, in good order.
    Last(Option<Seq>),
    /// CouchDB has failed and says why.
    Error(Reason),
    /// Not a JSON object of any of these kinds.
    Malformed,
}

/// A row of a feed: a document has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its sequence; `None` if the server sends none with this row.
    pub seq: Option<Seq>,
    /// The document's id.
    pub id: String,
    /// The revisions that the row names: the winning one, and with
    /// [`all_revs`](crate::Query::all_revs) every other leaf after it.
    pub revs: Vec<String>,
    /// True if the document is deleted.
    pub deleted: bool,
    /// The document as the server wrote it, if the row has it and it is the document of this row.
    /// It may be newer than `revs`, and be deleted although the row is not, because the server adds
    /// the document as it is when the row is sent.
    pub doc: Option<Bytes>,
    /// The whole row as the server wrote it, with the members that have no field here.
    pub json: Bytes,
    /// Why the document in the row is not in `doc`.
    pub(crate) rejected: Option<&'static str>,
}

/// `CouchDB`'s `error` and `reason`, cut to [`REASON_CHARS`](crate::limits::REASON_CHARS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The short name, such as `not_found`.
    pub error: String,
    /// The explanation, such as `missing`.
    pub reason: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.reason)
    }
}

/// What `GET /db` says about a database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) update_seq: Option<Seq>,
    /// `update_seq` as a number, on servers whose sequences are numbers.
    pub(crate) count: Option<u64>,
    /// Differs after the database was deleted and created again. Not every server sends it.
    pub(crate) identity: Option<String>,
    /// The number of purges as the server writes it, to be compared for equality only. Not every
    /// server sends it.
    pub(crate) purges: Option<String>,
}

/// Parses one line. Members may come in any order. Of a row whose id is not wanted, only the
/// sequence is read.
pub(crate) fn parse_line(line: &Bytes, is_wanted: impl FnOnce(&str) -> bool) -> Line {
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
            return Line::Skipped(seq);
        }
        let doc = doc.map(RawValue::get).filter(|doc| *doc != "null");
        let rejected = doc.and_then(|doc| check_document(doc.as_bytes(), &id).err());
        return Line::Row(Row {
            seq,
            id: id.into_owned(),
            revs: changes.and_then(revs).unwrap_or_default(),
            deleted: deleted.is_some_and(|deleted| deleted.get() == "true"),
            doc: doc.filter(|_| rejected.is_none()).map(|doc| line.slice_ref(doc.as_bytes())),
            json: line.clone(),
            rejected,
        });
    }
    if let Some(last) = last_seq {
        // The rows of an answer with an end are cut out before this, so nothing may be left.
        let is_empty = results.is_none_or(|results| results.get() == "[]");
        return if is_empty { Line::Last(Seq::of(last)) } else { Line::Malformed };
    }
    parse_reason(line).map_or(Line::Malformed, Line::Error)
}

/// Finds the id and the sequence of a row by its first members, without reading the rest. `None` if
/// that needs a parser: the row has no id, or its id has escapes.
///
/// Cost: the bytes up to the later of the two members are scanned; nothing is allocated. In
/// `CouchDB`'s rows they come first.
pub(crate) fn skim(line: &[u8]) -> Option<(&str, &[u8])> {
    let mut rest = line.trim_ascii();
    rest = rest.strip_suffix(b"}")?.strip_prefix(b"{")?;
    let (mut id, mut seq) = (None, None);
    loop {
        let name = string_at(rest.trim_ascii_start())?;
        rest = rest.trim_ascii_start()[name.len() + 2..].trim_ascii_start();
        rest = rest.strip_prefix(b":")?.trim_ascii_start();
        let value = &rest[..value_len(rest)?];
        rest = rest[value.len()..].trim_ascii_start();
        match name {
            b"id" => id = Some(string_at(value)?),
            b"seq" => seq = Some(value),
            _ => {}
        }
        if let (Some(id), Some(seq)) = (id, seq) {
            return Some((std::str::from_utf8(id).ok()?, seq));
        }
        rest = rest.strip_prefix(b",")?;
    }
}

/// The text of the JSON string at the start of `json`, if it has no escapes.
fn string_at(json: &[u8]) -> Option<&[u8]> {
    let text = json.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    (text[end] == b'"').then(|| &text[..end])
}

/// The length of the JSON value at the start of `json`, if it ends there and its brackets match.
fn value_len(json: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match json.get(at)? {
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
                    if json[at] == b'"' {
                        break;
                    }
                    at += 2;
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
        if depth == 0 && (at == json.len() || matches!(json[at - 1], b'"' | b'}' | b']')) {
            return Some(at);
        }
    }
}

/// Parses the body of an error.
pub(crate) fn parse_reason(body: &[u8]) -> Option<Reason> {
    let [error, reason] = members(body, ["error", "reason"])?;
    let error = text_of(error?)?;
    let reason = reason.and_then(text_of).unwrap_or_default();
    Some(Reason { error: one_line(&error), reason: one_line(&reason) })
}

/// Parses the body of `GET /db`.
pub(crate) fn parse_info(body: &[u8]) -> Option<Info> {
    let names = ["update_seq", "instance_start_time", "db_uuid", "purge_seq"];
    let [update_seq, created, uuid, purge_seq] = members(body, names)?;
    let count = update_seq.and_then(|seq| seq.get().parse().ok());
    // A server whose sequences are numbers sends here when it opened the database, or when it
    // started itself.
    let created = created.and_then(text_of).filter(|time| count.is_none() && time != "0");
    let identity = created.or_else(|| uuid.and_then(text_of)).map(Cow::into_owned);
    // Of a cluster's sequence only the number is the same whichever nodes have answered.
    let number = |seq: Seq| seq.0.split(['-', ',']).next().unwrap_or_default().to_owned();
    let purges = purge_seq.and_then(Seq::of).map(number);
    Some(Info { update_seq: update_seq.and_then(Seq::of), count, identity, purges })
}

/// Parses the body of `GET /`: the server's uuid, if it sends one.
pub(crate) fn parse_uuid(body: &[u8]) -> Option<String> {
    let [uuid] = members(body, ["uuid"])?;
    text_of(uuid?).map(Cow::into_owned)
}

/// The text of a JSON string; it is copied only if it has escapes.
pub(crate) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
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

/// The members of a document that concern the document itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) rev: String,
    pub(crate) is_deleted: bool,
}

impl Own {
    /// The state of the document of this id, whose text is `doc`.
    pub(crate) fn into_change(self, id: String, doc: Bytes) -> Change {
        Change { id, rev: Some(self.rev), doc: (!self.is_deleted).then_some(doc) }
    }
}

/// Reads the revision of `json`, which should be the document of this id.
///
/// # Errors
/// The reason, if it is not an object, has another id or has no revision.
pub(crate) fn parse_document(json: &[u8], id: &str) -> Result<Own, &'static str> {
    let names = ["_id", "_rev", "_deleted"];
    let [own_id, rev, deleted] = members(json, names).ok_or("it is no document")?;
    if own_id.and_then(text_of).ok_or("it has no _id")? != id {
        return Err("it is another document");
    }
    let rev = rev.and_then(text_of).filter(|rev| !rev.is_empty()).ok_or("it has no _rev")?;
    let is_deleted = deleted.is_some_and(|deleted| deleted.get() == "true");
    Ok(Own { rev: rev.into_owned(), is_deleted })
}

/// Checks that `json`, which is valid JSON, is the document of this id.
///
/// Cost: constant for a document of `CouchDB`, which writes id and revision first; else the whole
/// document is read.
///
/// # Errors
/// The same as [`parse_document`].
pub(crate) fn check_document(json: &[u8], id: &str) -> Result<(), &'static str> {
    let begins_as_expected = || {
        let rest = json.strip_prefix(b"{\"_id\":\"")?.strip_prefix(id.as_bytes())?;
        let rev = rest.strip_prefix(b"\",\"_rev\":\"")?;
        (rev.first() != Some(&b'"') && !id.contains(['"', '\\'])).then_some(())
    };
    begins_as_expected().map_or_else(|| parse_document(json, id).map(drop), Ok)
}

/// The values of the members with these names, the last one if a name comes twice. `None` if `json`
/// is not an object. Cost: the whole text is read once; nothing is allocated.
pub(crate) fn members<'a, const N: usize>(
    json: &'a [u8],
    names: [&str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    // UTF-8 is checked once for the whole text, because a check for each string would cost more.
    let mut json = serde_json::Deserializer::from_str(std::str::from_utf8(json).ok()?);
    let found = json.deserialize_map(Members(names)).ok()?;
    json.end().ok()?;
    Some(found)
}

/// An object of a list, of which one member is read.
struct Revision<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Revision<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Members(["rev"])).map(|[rev]| Revision(rev))
    }
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(index) = map.next_key_seed(Name(&self.0))? {
            let value = map.next_value()?;
            if let Some(index) = index {
                found[index] = Some(value);
            }
        }
        Ok(found)
    }
}

/// The index of a member's name in a list of names.
struct Name<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Returns the beginning of `text` as one line of at most [`REASON_CHARS`] characters: white space
/// is reduced to single spaces, and control characters are escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        if line.len() > 4 * REASON_CHARS {
            break;
        }
        line.push(' ');
        line.push_str(word);
    }
    if let Some((end, _)) = line.char_indices().nth(REASON_CHARS) {
        line.truncate(end);
        line.push_str("...");
    }
    if line.contains(char::is_control) { line.escape_debug().collect() } else { line }
}
