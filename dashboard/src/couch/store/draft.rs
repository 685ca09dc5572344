//! A document as a client sends it, read and checked but not stored yet.

use std::fmt;

use super::members::Members;
use super::push::{push_compact, push_string};
use super::revision::{History, Revision, parse_digest};
use crate::couch::limits::DOCUMENT_SIZE_MAX;

/// A document to be stored: its own members as text, and what its `_` members said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// `_id`; the URL's id, where there is one, goes before it.
    pub(crate) id: Option<String>,
    /// `_rev`, not parsed: that of a `_local/` document has another form.
    pub(crate) rev: Option<String>,
    /// `_deleted`: the edit leaves a tombstone.
    pub(crate) deleted: bool,
    /// `_revisions`: the line of ancestors, stated by replication.
    pub(crate) revisions: Option<History>,
    /// The other members, without blanks and without the braces: `"a":1,"b":[2]`.
    pub(crate) body: String,
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum DraftError {
    /// Not JSON.
    BadJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A `_` member that CouchDB does not know either.
    UnknownMember(String),
    /// A `_` member with a value of the wrong kind.
    BadMember(&'static str),
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
            Self::BadMember(name) => write!(f, "Bad value of the document member {name}"),
            Self::Attachments => f.write_str("Attachments are not kept here"),
            Self::TooLarge => f.write_str("The document is too large"),
        }
    }
}

impl std::error::Error for DraftError {}

impl Draft {
    /// Reads the JSON text of a document. O(length).
    pub(crate) fn from_json(json: &str) -> Result<Self, DraftError> {
        if json.len() > DOCUMENT_SIZE_MAX {
            return Err(DraftError::TooLarge);
        }
        let members = Members::parse(json).map_err(|error| {
            if error.is_data() { DraftError::NotAnObject } else { DraftError::BadJson }
        })?;
        let mut draft = Self::default();
        for (name, value) in members.iter() {
            if name.starts_with('_') {
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

    /// A tombstone without fields.
    pub(crate) fn tombstone() -> Self {
        Self { deleted: true, ..Self::default() }
    }

    /// The history that a replicator states: `_revisions`, or `rev` alone.
    pub(crate) fn replicated(&self, rev: Option<Revision>) -> Option<History> {
        self.revisions.clone().or_else(|| rev.map(History::of))
    }

    fn special(&mut self, name: &str, value: &str) -> Result<(), DraftError> {
        match name {
            "_id" => self.id = Some(string("_id", value)?),
            "_rev" => self.rev = Some(string("_rev", value)?),
            "_deleted" => {
                self.deleted =
                    serde_json::from_str(value).map_err(|_| DraftError::BadMember("_deleted"))?;
            }
            "_revisions" => {
                let history = history(value).ok_or(DraftError::BadMember("_revisions"))?;
                self.revisions = Some(history);
            }
            "_attachments" => {
                let none = Members::parse(value).is_ok_and(|them| them.iter().next().is_none());
                return if none { Ok(()) } else { Err(DraftError::Attachments) };
            }
            // What a server adds to an answer comes back with the document, and means nothing then.
            "_conflicts" | "_deleted_conflicts" | "_local_seq" | "_revs_info" => {}
            _ => return Err(DraftError::UnknownMember(name.to_owned())),
        }
        Ok(())
    }
}

fn string(name: &'static str, value: &str) -> Result<String, DraftError> {
    serde_json::from_str(value).map_err(|_| DraftError::BadMember(name))
}

/// Reads `{"start":3,"ids":["...","...","..."]}`.
fn history(value: &str) -> Option<History> {
    let members = Members::parse(value).ok()?;
    let start = serde_json::from_str(members.value("start")?).ok()?;
    let ids: Vec<String> = serde_json::from_str(members.value("ids")?).ok()?;
    let digests = ids.iter().map(|id| parse_digest(id).ok()).collect::<Option<_>>()?;
    History::new(start, digests)
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
        assert_eq!(draft.revisions, History::new(2, vec![0xbb, 0xaa]));
    }

    #[test]
    fn what_is_no_document_is_named() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(DOCUMENT_SIZE_MAX));
        let table = [
            ("", DraftError::BadJson),
            ("{\"a\":", DraftError::BadJson),
            ("[]", DraftError::NotAnObject),
            ("null", DraftError::NotAnObject),
            ("{\"_foo\":1}", DraftError::UnknownMember("_foo".into())),
            ("{\"_rev\":1}", DraftError::BadMember("_rev")),
            ("{\"_deleted\":1}", DraftError::BadMember("_deleted")),
            ("{\"_revisions\":{\"start\":1e99,\"ids\":[]}}", DraftError::BadMember("_revisions")),
            ("{\"_attachments\":{\"a\":{}}}", DraftError::Attachments),
            (&long, DraftError::TooLarge),
        ];
        for (json, expected) in table {
            assert_eq!(Draft::from_json(json), Err(expected));
        }
    }
}
