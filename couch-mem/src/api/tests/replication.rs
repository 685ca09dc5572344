//! The requests that a replicator makes, as target and as source.

use serde_json::json;

use super::Client;

const A1: &str = "1-000000000000000000000000000000a1";
const A2: &str = "2-000000000000000000000000000000a2";
const B2: &str = "2-000000000000000000000000000000b2";

/// A database that a replicator wrote two branches of `d` to.
fn replicated() -> Client {
    let mut client = Client::with_db();
    let docs = json!({"new_edits": false, "docs": [
        {"_id": "d", "_rev": A2, "n": 1, "_revisions": {"start": 2, "ids": [&A2[2..], &A1[2..]]}},
        {"_id": "d", "_rev": B2, "n": 2, "_revisions": {"start": 2, "ids": [&B2[2..], &A1[2..]]}},
    ]});
    assert_eq!(client.expect(201, "POST /db/_bulk_docs", docs.to_string()), json!([]));
    client
}

#[test]
fn revs_diff_names_what_is_missing() {
    let mut client = replicated();
    let c3 = "3-000000000000000000000000000000c3";
    let asked = json!({"d": [A1, A2, B2, c3], "known": [], "new": [A1]});
    let diff = client.expect(200, "POST /db/_revs_diff", asked.to_string());
    let expected = json!({
        "d": {"missing": [c3], "possible_ancestors": [B2, A2]},
        "new": {"missing": [A1]},
    });
    assert_eq!(diff, expected);
}

#[test]
fn both_branches_are_kept_and_one_wins() {
    let mut client = replicated();
    let doc = client.expect(200, "GET /db/d?conflicts=true&revs=true", "");
    assert_eq!((&doc["n"], &doc["_conflicts"]), (&json!(2), &json!([A2])));
    assert_eq!(doc["_revisions"], json!({"start": 2, "ids": [&B2[2..], &A1[2..]]}));
    let row = client.expect(200, "GET /db/_changes?style=all_docs", "")["results"][0].clone();
    assert_eq!(row["changes"], json!([{"rev": B2}, {"rev": A2}]));
    let row = client.expect(200, "GET /db/_changes", "")["results"][0].clone();
    assert_eq!(row["changes"], json!([{"rev": B2}]));
    client.expect(200, &format!("DELETE /db/d?rev={B2}"), "");
    assert_eq!(client.expect(200, "GET /db/d", "")["n"], 1, "the other branch wins now");
}

#[test]
fn revisions_are_read_one_by_one_and_in_bulk() {
    let mut client = replicated();
    let all = client.expect(200, "GET /db/d?open_revs=all&revs=true", "");
    assert_eq!((&all[0]["ok"]["_rev"], &all[1]["ok"]["_rev"]), (&json!(A2), &json!(B2)));
    let encoded = format!("%5B%22{A2}%22%2C%22{A1}%22%5D");
    let some = client.expect(200, &format!("GET /db/d?open_revs={encoded}"), "");
    assert_eq!((&some[0]["ok"]["n"], &some[1]), (&json!(1), &json!({"missing": A1})));
    let latest =
        client.expect(200, &format!("GET /db/d?open_revs=%5B%22{A1}%22%5D&latest=true"), "");
    assert_eq!(latest.as_array().unwrap().len(), 2, "both branches come from it");
    let newest = client.expect(200, &format!("GET /db/d?rev={A2}&latest=true"), "");
    assert_eq!(newest["_rev"], B2);
    client.expect(404, "GET /db/none?open_revs=all", "");

    let asked = json!({"docs": [
        {"id": "d", "rev": A2}, {"id": "d", "rev": A1}, {"id": "none"}, {"id": "none", "rev": A1},
        {"id": "d", "rev": "banana"},
    ]});
    let got =
        client.expect(200, "POST /db/_bulk_get?revs=true&attachments=true", asked.to_string());
    let missing = |id, rev| {
        let error = json!({"id": id, "rev": rev, "error": "not_found", "reason": "missing"});
        json!([{ "error": error }])
    };
    assert_eq!(got["results"][0]["docs"][0]["ok"]["n"], 1);
    assert_eq!(got["results"][1], json!({"id": "d", "docs": missing("d", A1)}));
    assert_eq!(got["results"][2]["docs"], missing("none", "undefined"));
    assert_eq!(got["results"][3]["docs"], missing("none", A1));
    assert_eq!(got["results"][4]["docs"][0]["error"]["error"], "bad_request");
}

#[test]
fn bulk_docs_answers_each_document() {
    let mut client = Client::with_db();
    let rev = client.put("a", 1);
    let docs = json!({"docs": [
        {"_id": "a", "n": 2}, {"_id": "b"}, {}, {"_id": "_x"}, {"_id": "_local/cp"},
        {"_id": "a", "_rev": rev, "_deleted": true},
    ]});
    let rows = client.expect(201, "POST /db/_bulk_docs", docs.to_string());
    let conflict = json!({"id": "a", "error": "conflict", "reason": "Document update conflict."});
    assert_eq!(rows[0], conflict);
    assert_eq!((&rows[1]["ok"], &rows[1]["id"]), (&json!(true), &json!("b")));
    assert_eq!(rows[2]["id"].as_str().unwrap().len(), 32);
    assert_eq!(rows[3]["error"], "illegal_docid");
    assert_eq!(rows[4]["rev"], "0-1");
    client.expect(404, "GET /db/a", "");
    client.expect(201, "POST /db/_ensure_full_commit", "");

    let unstated = json!({"new_edits": false, "docs": [{"_id": "q"}]});
    let rows = client.expect(201, "POST /db/_bulk_docs", unstated.to_string());
    let reason = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified";
    assert_eq!((&rows[0]["error"], &rows[0]["reason"]), (&json!("forbidden"), &json!(reason)));
    let half = r#"{"docs":[{"_id":"ok"},{"_bad":1}]}"#;
    client.expect(400, "POST /db/_bulk_docs", half);
    client.expect(404, "GET /db/ok", "");
}

#[test]
fn one_database_can_be_copied_to_another() {
    let mut client = replicated();
    client.put("e", 1);
    client.expect(201, "PUT /copy", "");
    let changes = client.expect(200, "GET /db/_changes?style=all_docs", "");
    for row in changes["results"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let all = client.expect(200, &format!("GET /db/{id}?open_revs=all&revs=true"), "");
        let docs: Vec<_> = all.as_array().unwrap().iter().map(|row| row["ok"].clone()).collect();
        let body = json!({"new_edits": false, "docs": docs}).to_string();
        assert_eq!(client.expect(201, "POST /copy/_bulk_docs", body), json!([]));
    }
    let source = client.expect(200, "GET /db/_all_docs?include_docs=true&conflicts=true", "");
    let copy = client.expect(200, "GET /copy/_all_docs?include_docs=true&conflicts=true", "");
    assert_eq!(source, copy);
}
