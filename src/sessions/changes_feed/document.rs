//! Whether what a server sends as a document is the document that was asked for.

use super::members::members;
use super::row::text_of;

/// What a document says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) rev: String,
    pub(super) is_deleted: bool,
}

/// Reads what `json` says of itself as the document of this id.
///
/// # Errors
/// What is wrong, if it is no object, has another id or has no revision.
pub(super) fn parse_document(json: &[u8], id: &str) -> Result<Document, &'static str> {
    let names = ["_id", "_rev", "_deleted"];
    let [own_id, rev, deleted] = members(json, names).ok_or("it is no document")?;
    if own_id.and_then(text_of).ok_or("it has no _id")? != id {
        return Err("it is another document");
    }
    let rev = rev.and_then(text_of).filter(|rev| !rev.is_empty()).ok_or("it has no _rev")?;
    let is_deleted = deleted.is_some_and(|deleted| deleted.get() == "true");
    Ok(Document { rev: rev.into_owned(), is_deleted })
}

/// Checks that `json`, which is valid JSON, is the document of this id.
///
/// `CouchDB` writes id and revision first, so a document of any length costs the same there. Where
/// they come later, the whole document is read.
///
/// # Errors
/// The same as [`parse_document`].
pub(super) fn check_document(json: &[u8], id: &str) -> Result<(), &'static str> {
    let begins_as_expected = || {
        let rest = json.strip_prefix(b"{\"_id\":\"")?.strip_prefix(id.as_bytes())?;
        let rev = rest.strip_prefix(b"\",\"_rev\":\"")?;
        (rev.first() != Some(&b'"') && !id.contains(['"', '\\'])).then_some(())
    };
    begins_as_expected().map_or_else(|| parse_document(json, id).map(drop), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, id: &str, expected: Result<(&str, bool), &'static str>) {
        let found = parse_document(json.as_bytes(), id);
        let found = found.as_ref().map(|doc| (doc.rev.as_str(), doc.is_deleted));
        assert_eq!(found, expected.as_ref().map(|found| *found), "{json}");
        assert_eq!(check_document(json.as_bytes(), id), expected.map(drop), "{json}");
    }

    #[test]
    fn a_document_has_its_id_and_a_revision() {
        let (none, other, no_id, no_rev) =
            ("it is no document", "it is another document", "it has no _id", "it has no _rev");
        check(r#"{"_id":"x","_rev":"1-a"}"#, "x", Ok(("1-a", false)));
        check(r#"{"_rev":"1-a","_id":"x","n":[{"_rev":1}]}"#, "x", Ok(("1-a", false)));
        check(r#"{"_id":"x","_rev":"1-a","n":1,"_deleted":true}"#, "x", Ok(("1-a", true)));
        check(r#"{"_id":"x","_rev":"1-a","_deleted":false}"#, "x", Ok(("1-a", false)));
        // Ids are compared as text, not as they are written.
        check(r#"{"_id":"\u0078\/\"","_rev":"1-a"}"#, "x/\"", Ok(("1-a", false)));
        check(r#"{"_id":"é","_rev":"1-a"}"#, "e\u{301}", Err(other));
        check(r#"{"_id":"xy","_rev":"1-a"}"#, "x", Err(other));
        check(r#"{"_id":"x","_rev":"1-a"}"#, "xy", Err(other));
        check(r#"{"_id":"a","_rev":"b","_rev":"c"}"#, r#"a","_rev":"b"#, Err(other));
        for json in [r#"{"_rev":"1-a"}"#, r#"{"_id":null,"_rev":"1-a"}"#, "{}"] {
            check(json, "x", Err(no_id));
        }
        for rev in ["\"\"", "7", "null", "[\"1-a\"]"] {
            check(&format!(r#"{{"_id":"x","_rev":{rev}}}"#), "x", Err(no_rev));
        }
        for json in ["[]", "7", "null", "\"x\""] {
            check(json, "x", Err(none));
        }
    }
}
