//! A document that a client has sent: parsed and checked, but not stored yet.

use std::fmt;

use serde_json::value::RawValue;

use super::members::Members;
use super::push::{push_compact, push_string};
use super::revision::{Digest, History, Revision};
use crate::limits::DOCUMENT_SIZE_MAX;

/// A document to store: its own members as text, and the values of its `_` members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// `_id`. An id in the URL takes precedence.
    pub(crate) id: Option<String>,
    /// `_rev`, not parsed, because revisions of `_local/` documents have another form.
    pub(crate) rev: Option<String>,
    /// `_deleted`: the edit leaves a tombstone.
    pub(crate) deleted: bool,
    /// `_revisions`: the ancestors, stated by replication.
    pub(crate) revisions: Option<History>,
    /// The other members, without blanks and without the braces: `"a":1,"b":[2]`.
    pub(crate) body: String,
}

/// `_` members that CouchDB stores: its replicator writes its state to documents.
const STORED_MEMBERS: [&str; 6] = [
    "_access",
    "_replication_id",
    "_replication_state",
    "_replication_state_reason",
    "_replication_state_time",
    "_replication_stats",
];

/// The reason why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum DraftError {
    /// Not JSON, or JSON with an unpaired surrogate, which is not a character.
    BadJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A `_` member that CouchDB does not know either, or that has the wrong type.
    UnknownMember(String),
    /// `_id` is not a string.
    BadId,
    /// `_rev` is not a string, or `_revisions` contains a malformed revision.
    BadRev,
    /// `_revisions` is malformed.
    BadRevisions(&'static str),
    /// `_attachments` that are not empty.
    Attachments,
    /// Larger than [`DOCUMENT_SIZE_MAX`].
    TooLarge,
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadJson => f.write_str("invalid UTF-8 JSON"),
            Self::NotAnObject => f.write_str("Document must be a JSON object"),
            Self::UnknownMember(name) => write!(f, "Bad special document member: {name}"),
            Self::BadId => f.write_str("Document id must be a string"),
            Self::BadRev => f.write_str("Invalid rev format"),
            Self::BadRevisions(reason) => f.write_str(reason),
            Self::Attachments => f.write_str("Attachments are not stored"),
            Self::TooLarge => f.write_str("The document is too large"),
        }
    }
}

impl std::error::Error for DraftError {}

impl Draft {
    /// Parses the JSON text of a document. O(length).
    pub(crate) fn from_json(json: &str) -> Result<Self, DraftError> {
        if json.len() > DOCUMENT_SIZE_MAX {
            return Err(DraftError::TooLarge);
        }
        let members = Members::parse(json).map_err(|error| {
            if error.is_data() { DraftError::NotAnObject } else { DraftError::BadJson }
        })?;
        if has_lone_surrogate(json) {
            return Err(DraftError::BadJson);
        }
        let mut draft = Self::default();
        for (name, value) in members.iter() {
            if name.starts_with('_') && !STORED_MEMBERS.contains(&name) {
                draft.special(name, value)?;
                continue;
            }
            if !draft.body.is_empty() {
                draft.body.push(',');
            }
            push_string(&mut draft.body, name);
            draft.body.push(':');
            push_compact(&mut draft.body, value);
        }
        Ok(draft)
    }

    /// Makes a tombstone without other members.
    pub(crate) fn tombstone() -> Self {
        Self { deleted: true, ..Self::default() }
    }

    /// Returns the history that a replicator states: `_revisions`, or only `rev`.
    pub(crate) fn replicated(&self, rev: Option<Revision>) -> Option<History> {
        self.revisions.clone().or_else(|| rev.map(History::of))
    }

    fn special(&mut self, name: &str, value: &str) -> Result<(), DraftError> {
        let unknown = || DraftError::UnknownMember(name.to_owned());
        match name {
            "_id" => self.id = Some(serde_json::from_str(value).map_err(|_| DraftError::BadId)?),
            "_rev" => self.rev = Some(serde_json::from_str(value).map_err(|_| DraftError::BadRev)?),
            "_deleted" => self.deleted = serde_json::from_str(value).map_err(|_| unknown())?,
            "_revisions" => self.revisions = history(value)?,
            "_attachments" => {
                let attachments = Members::parse(value).map_err(|_| unknown())?;
                if attachments.iter().next().is_some() {
                    return Err(DraftError::Attachments);
                }
            }
            // A server adds these to its answers. They have no meaning in a document that is sent
            // back.
            "_conflicts" | "_deleted_conflicts" | "_local_seq" | "_revs_info" => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

/// Parses `{"start":3,"ids":["...","...","..."]}`. `start` is 0 for a `_local/` document, which has
/// no history.
fn history(value: &str) -> Result<Option<History>, DraftError> {
    let members =
        Members::parse(value).map_err(|_| DraftError::UnknownMember("_revisions".to_owned()))?;
    let start = members.value("start").and_then(|start| serde_json::from_str(start).ok());
    let start = start.ok_or(DraftError::BadRevisions("_revisions.start isn't an integer."))?;
    let ids = members.value("ids").and_then(|ids| serde_json::from_str::<Vec<&RawValue>>(ids).ok());
    let ids = ids.ok_or(DraftError::BadRevisions("_revisions.ids isn't a array."))?;
    let digest = |id: &RawValue| {
        let id: String = serde_json::from_str(id.get())
            .map_err(|_| DraftError::BadRevisions("RevId isn't a string"))?;
        id.parse::<Digest>().map_err(|_| DraftError::BadRev)
    };
    let digests = ids.into_iter().map(digest).collect::<Result<_, _>>()?;
    if start == 0 {
        return Ok(None);
    }
    History::new(start, digests).map(Some).ok_or(DraftError::BadRev)
}

/// Returns true if a JSON text has an escaped, unpaired surrogate, which no reader can decode (RFC
/// 8259, section 8.2). O(length).
fn has_lone_surrogate(json: &str) -> bool {
    let (mut rest, mut is_high) = (json, false);
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at + 1..];
        let digits = escape.strip_prefix('u').and_then(|digits| digits.get(..4));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let is_low = (0xdc00..0xe000).contains(&unit);
        if is_low != is_high || is_high && at > 0 {
            return true;
        }
        is_high = (0xd800..0xdc00).contains(&unit);
        rest = escape.get(if digits.is_some() { 5 } else { 1 }..).unwrap_or_default();
    }
    is_high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_keeps_order_and_numbers_and_loses_blanks() {
        let draft = Draft::from_json(
            r#"{ "z": 1.50,
                "_id":"x", "big":1152921504606846976, "e": 1e3, "t": "a b" }"#,
        );
        let draft = draft.unwrap();
        assert_eq!(draft.body, r#""z":1.50,"big":1152921504606846976,"e":1e3,"t":"a b""#);
        assert_eq!(draft.id.as_deref(), Some("x"));
    }

    #[test]
    fn replication_states_the_history() {
        let json = r#"{"_id":"x","_rev":"2-000000000000000000000000000000bb","_deleted":true,
            "_revisions":{"start":2,"ids":["000000000000000000000000000000bb",
            "000000000000000000000000000000aa"]},"_attachments":{},"_conflicts":[]}"#;
        let draft = Draft::from_json(json).unwrap();
        assert!(draft.deleted);
        assert_eq!(draft.revisions, History::new(2, vec![0xbb.into(), 0xaa.into()]));
    }

    #[test]
    fn an_invalid_document_is_an_error_with_a_reason() {
        let start = "_revisions.start isn't an integer.";
        let (ids, id) = ("_revisions.ids isn't a array.", "RevId isn't a string");
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(DOCUMENT_SIZE_MAX));
        let table = [
            ("", DraftError::BadJson),
            ("{\"a\":", DraftError::BadJson),
            ("[]", DraftError::NotAnObject),
            ("null", DraftError::NotAnObject),
            ("{\"_foo\":1}", DraftError::UnknownMember("_foo".into())),
            ("{\"_id\":1}", DraftError::BadId),
            ("{\"_rev\":1}", DraftError::BadRev),
            ("{\"_deleted\":1}", DraftError::UnknownMember("_deleted".into())),
            ("{\"_attachments\":[]}", DraftError::UnknownMember("_attachments".into())),
            ("{\"_revisions\":[]}", DraftError::UnknownMember("_revisions".into())),
            ("{\"_revisions\":{\"start\":1e99,\"ids\":[]}}", DraftError::BadRevisions(start)),
            ("{\"_revisions\":{\"start\":1}}", DraftError::BadRevisions(ids)),
            ("{\"_revisions\":{\"start\":1,\"ids\":[1]}}", DraftError::BadRevisions(id)),
            ("{\"_revisions\":{\"start\":1,\"ids\":[\"b\",\"a\"]}}", DraftError::BadRev),
            ("{\"_revisions\":{\"start\":1,\"ids\":[\"\\u00e9\"]}}", DraftError::BadRev),
            ("{\"_attachments\":{\"a\":{}}}", DraftError::Attachments),
            (&long, DraftError::TooLarge),
        ];
        for (json, expected) in table {
            assert_eq!(Draft::from_json(json), Err(expected));
        }
    }
}
