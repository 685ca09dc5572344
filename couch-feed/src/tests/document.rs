//! Recognising the document of a row or a request.

use crate::row::{check_document, parse_document};

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
