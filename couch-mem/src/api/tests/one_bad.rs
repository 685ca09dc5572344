//! One document that the database cannot store, among documents that it can: only that one is
//! refused, and a replicator counts a failure and continues.

use serde_json::{Value, json};

use super::Client;

const HASH: &str = "1-000000000000000000000000000000a1";
/// A revision of a server that makes SHA-1 hashes.
const SHA_1: &str = "1-da39a3ee5e6b4b0d3255bfef95601890afd80709";
const MULTIPART: (&str, &str) = ("Content-Type", "multipart/related; boundary=\"--b0\"");

fn bulk(docs: &Value) -> String {
    json!({ "new_edits": false, "docs": docs }).to_string()
}

/// What CouchDB's replicator sends for a document with an attachment.
fn multipart(document: &Value) -> String {
    format!(
        "----b0\r\nContent-Type: application/json\r\n\r\n{document}\r\n----b0\r\n\
         Content-Disposition: attachment; filename=\"a\"\r\nContent-Type: text/plain\r\n\
         Content-Length: 3\r\n\r\nabc\r\n----b0--"
    )
}

#[test]
fn a_document_with_an_attachment_stopped_the_others() {
    for attachment in [
        json!({"content_type": "text/plain", "data": "YWJj"}),
        json!({"content_type": "text/plain", "stub": true, "revpos": 1, "length": 3}),
        json!({"content_type": "text/plain", "follows": true, "length": 3}),
    ] {
        let mut client = Client::with_db();
        let docs = json!([
            {"_id": "a", "_rev": HASH, "_attachments": {"x": attachment}},
            {"_id": "b", "_rev": HASH},
        ]);
        let failures = client.expect(201, "POST /db/_bulk_docs", bulk(&docs));
        let row = json!([{"id": "a", "rev": HASH, "error": "forbidden",
            "reason": "Attachments are not stored"}]);
        assert_eq!(failures, row);
        client.expect(200, "GET /db/b", "");
        client.expect(404, "GET /db/a", "");

        let docs = json!({"docs": [{"_id": "c", "_attachments": {"x": attachment}}, {"_id": "d"}]});
        let rows = client.expect(201, "POST /db/_bulk_docs", docs.to_string());
        assert_eq!((&rows[0]["error"], &rows[1]["ok"]), (&json!("forbidden"), &json!(true)));
    }
}

#[test]
fn a_document_in_parts_was_treated_as_bad_json() {
    let mut client = Client::with_db();
    let line = "PUT /db/a?new_edits=false";
    let mut document = json!({"_id": "a", "_rev": HASH, "_revisions": {"start": 1,
        "ids": [&HASH[2..]]}, "_attachments": {"a": {"content_type": "text/plain", "revpos": 1,
        "length": 3, "follows": true}}});
    let refusal = client.response_with(line, &[MULTIPART], multipart(&document));
    assert_eq!(refusal.status(), 403);
    let body: Value = serde_json::from_slice(refusal.body()).unwrap();
    let reason = "Attachments are not stored";
    assert_eq!(body, json!({"error": "forbidden", "reason": reason}));
    document["_attachments"] = json!({});
    let stored = client.response_with(line, &[MULTIPART], multipart(&document));
    assert_eq!(stored.status(), 201);
    assert_eq!(client.expect(200, "GET /db/a", "")["_rev"], HASH);

    let refused = |client: &mut Client, content_type: &str, body: &str| {
        let headers = [("Content-Type", content_type)];
        let refusal = client.response_with("PUT /db/bad", &headers, body.to_owned());
        assert_eq!(refusal.status(), 400, "{content_type}: {body}");
        serde_json::from_slice::<Value>(refusal.body()).expect("JSON");
    };
    let part = "--b\r\nContent-Type: application/json\r\n\r\n{}";
    for body in ["", "{}", "--b", "--b--", "--b\r\n\r\n", part, "--c\r\n\r\n{}\r\n--c--"] {
        refused(&mut client, "multipart/related; boundary=b", body);
    }
    let whole = format!("{part}\r\n--b--");
    for content_type in ["multipart/related", "multipart/related; boundary=", "multipart/related;"]
    {
        refused(&mut client, content_type, &whole);
    }
    let no_text = [b"--b\r\n\r\n\xff\r\n--b--".as_slice()].concat();
    let headers = [("Content-Type", "multipart/related; boundary=b")];
    assert_eq!(client.response_with("PUT /db/bad", &headers, no_text).status(), 400);
    assert_eq!(client.response_with("PUT /db/good", &headers, whole).status(), 201);
}

#[test]
fn revisions_that_are_no_md5_stopped_a_replication() {
    let mut client = Client::with_db();
    let asked = json!({"a": ["1-abc", SHA_1], "b": [HASH]});
    let missing = client.expect(200, "POST /db/_revs_diff", asked.to_string());
    let all = json!({"a": {"missing": ["1-abc", SHA_1]}, "b": {"missing": [HASH]}});
    assert_eq!(missing, all);
    let docs = json!([
        {"_id": "a", "_rev": "2-zz", "_revisions": {"start": 2, "ids": ["zz", "abc"]}, "n": 1},
        {"_id": "a", "_rev": SHA_1, "n": 2},
        {"_id": "b", "_rev": HASH},
    ]);
    assert_eq!(client.expect(201, "POST /db/_bulk_docs", bulk(&docs)), json!([]));
    assert_eq!(client.expect(200, "POST /db/_revs_diff", asked.to_string()), json!({}));

    let a = client.expect(200, "GET /db/a?revs=true&conflicts=true", "");
    let expected = json!({"_id": "a", "_rev": "2-zz", "n": 1, "_conflicts": [SHA_1],
        "_revisions": {"start": 2, "ids": ["zz", "abc"]}});
    assert_eq!(a, expected);
    assert_eq!(client.response("GET /db/a", "").headers()["etag"], "\"2-zz\"");
    assert_eq!(client.expect(200, &format!("GET /db/a?rev={SHA_1}"), "")["n"], 2);
    client.expect(404, "GET /db/a?rev=9-abc", "");
    let revs = "GET /db/a?open_revs=%5B%229-abc%22%2C%222-zz%22%5D&revs=true";
    let read = client.expect(200, revs, "");
    assert_eq!((&read[0]["missing"], &read[1]["ok"]["n"]), (&json!("9-abc"), &json!(1)));
    let asked = json!({"docs": [{"id": "a", "rev": SHA_1}, {"id": "a", "rev": "9-abc"}]});
    let read = client.expect(200, "POST /db/_bulk_get", asked.to_string());
    assert_eq!(read["results"][0]["docs"][0]["ok"]["n"], 2);
    assert_eq!(read["results"][1]["docs"][0]["error"]["error"], "not_found");
    let row = client.expect(200, "GET /db/_changes?style=all_docs", "")["results"][0].clone();
    assert_eq!(row["changes"], json!([{"rev": "2-zz"}, {"rev": SHA_1}]));

    client.expect(409, "PUT /db/b", r#"{"_rev":"1-abc"}"#);
    client.expect(409, "PUT /db/b?rev=1-abc", "{}");
    client.expect(409, "DELETE /db/b?rev=1-abc", "");
    client.expect(409, "PUT /db/none", r#"{"_rev":"1-abc"}"#);
    let tag = [("If-Match", "\"1-abc\"")];
    assert_eq!(client.response_with("PUT /db/b", &tag, "{}").status(), 409);
    let edited = client.expect(201, "PUT /db/a?rev=2-zz", "{}")["rev"].clone();
    assert!(edited.as_str().unwrap().starts_with("3-"), "{edited}");
    client.expect(200, &format!("DELETE /db/a?rev={SHA_1}"), "");
}

/// CouchDB keeps 32 hex digits as 16 bytes and all else as text, and compares bytes.
#[test]
fn the_winner_is_that_of_couchdb() {
    let table = [
        (["1-abc", "1-abd"], "1-abd"),
        (["1-b", "1-aaaa"], "1-b"),
        (["2-a", "1-z"], "2-a"),
        (["10-a", "9-z"], "10-a"),
        (["1-z", "1-80000000000000000000000000000000"], "1-80000000000000000000000000000000"),
        (["1-z", "1-10000000000000000000000000000000"], "1-z"),
        (["1-AB000000000000000000000000000000", HASH], "1-ab000000000000000000000000000000"),
    ];
    for (revs, winner) in table {
        for revs in [revs, [revs[1], revs[0]]] {
            let mut client = Client::with_db();
            let docs = json!([{"_id": "d", "_rev": revs[0]}, {"_id": "d", "_rev": revs[1]}]);
            assert_eq!(client.expect(201, "POST /db/_bulk_docs", bulk(&docs)), json!([]));
            assert_eq!(client.expect(200, "GET /db/d", "")["_rev"], winner, "{revs:?}");
        }
    }
}

#[test]
fn a_malformed_revision_failed_the_others() {
    let mut client = Client::with_db();
    // The replicator sends the missing revisions; only the bad one is rejected and counted.
    let asked = json!({"d": ["x", HASH, "1-\u{e9}\""]});
    let missing = client.expect(200, "POST /db/_revs_diff", asked.to_string());
    assert_eq!(missing, json!({"d": {"missing": ["x", HASH, "1-\u{e9}\""]}}));
    let docs = json!([
        {"_id": "a", "_rev": "x"},
        {"_id": "b", "_rev": "0-1"},
        {"_id": "c", "_rev": "1-\u{e9}"},
        {"_id": "d", "_rev": HASH},
        {"_id": "e", "_rev": "2-b", "_revisions": {"start": 2, "ids": ["b", "\n"]}},
        {"_id": "f", "_rev": 7},
        {"_id": "g"},
        {"_id": "h", "_rev": HASH, "_unknown": 1},
        {"_id": "_i", "_rev": HASH},
        {"_id": "z".repeat(2_000), "_rev": HASH},
    ]);
    let rows = client.expect(201, "POST /db/_bulk_docs", bulk(&docs));
    let ids: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["id"]).collect();
    let all = docs.as_array().unwrap().iter().map(|doc| &doc["_id"]);
    let bad: Vec<_> = all.filter(|id| *id != "d").collect();
    assert_eq!(ids, bad);
    assert!(rows.as_array().unwrap().iter().all(|row| row["error"] == "forbidden"), "{rows}");
    assert_eq!(client.expect(200, "GET /db", "")["doc_count"], 1);
}

#[test]
fn a_document_with_too_many_conflicts_stopped_a_replication() {
    let mut client = Client::with_db();
    let leaf = |n: usize| json!({"_id": "_design/d", "_rev": format!("1-{n:032x}")});
    let leaves: Vec<_> = (0..crate::limits::LEAVES_MAX).map(leaf).collect();
    assert_eq!(client.expect(201, "POST /db/_bulk_docs", bulk(&json!(leaves))), json!([]));
    let one_more = json!([leaf(999), {"_id": "e", "_rev": HASH}]);
    let rows = client.expect(201, "POST /db/_bulk_docs", bulk(&one_more));
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["error"]), (1, &json!("forbidden")));
    client.expect(200, "GET /db/e", "");
    // A replicator sends a design document in a PUT of its own, and tries again after a 5xx.
    let line = "PUT /db/_design%2Fd?new_edits=false";
    assert_eq!(client.expect(403, line, leaf(999).to_string())["error"], "forbidden");
    let long = format!("PUT /db/_design%2F{}?new_edits=false", "x".repeat(2_000));
    assert_eq!(client.expect(403, &long, json!({"_rev": HASH}).to_string())["error"], "forbidden");
}

/// A full database is not the fault of the document, so the replicator has to send it again.
#[test]
fn a_full_database_was_counted_as_bad_documents() {
    let mut client = Client::with_db();
    let large = "x".repeat(7 << 20);
    for n in 0..9 {
        let doc = json!([{"_id": format!("d{n}"), "_rev": HASH, "v": large}]);
        assert_eq!(client.expect(201, "POST /db/_bulk_docs", bulk(&doc)), json!([]));
    }
    let docs = json!([{"_id": "a", "_rev": HASH}, {"_id": "b", "_rev": HASH, "v": large}]);
    let refusal = client.expect(507, "POST /db/_bulk_docs", bulk(&docs));
    assert_eq!(refusal["error"], "insufficient_storage");
    client.expect(200, "GET /db/a", "");
}

/// CouchDB's replicator states the history of a checkpoint as of any document.
#[test]
fn a_checkpoint_could_be_written_only_once() {
    let mut client = Client::with_db();
    let line = "PUT /db/_local%2Fcheckpoint";
    client.expect(201, line, r#"{"_id":"_local/checkpoint","n":1}"#);
    let again = json!({"_id": "_local/checkpoint", "_rev": "0-1", "n": 2,
        "_revisions": {"start": 0, "ids": ["1"]}});
    assert_eq!(client.expect(201, line, again.to_string())["rev"], "0-2");
    assert_eq!(client.expect(200, "GET /db/_local/checkpoint", "")["n"], 2);
}

#[test]
fn a_lone_surrogate_was_stored_and_could_not_be_read() {
    let mut client = Client::with_db();
    let bad = [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\uDBFF x"}"#,
        r#"{"a":["\udc00"]}"#,
        r#"{"a":"\ud800\ud800\udc00"}"#,
        r#"{"a":"\ud800\\udc00"}"#,
        r#"{"\ud800":1}"#,
    ];
    for body in bad {
        for line in ["PUT /db/d", "POST /db", "PUT /db/_local/x"] {
            let refusal = client.expect(400, line, body);
            let reason = "invalid UTF-8 JSON";
            assert_eq!(refusal, json!({"error": "bad_request", "reason": reason}), "{body}");
        }
        client.expect(400, "POST /db/_bulk_docs", format!("{{\"docs\":[{body},{{}}]}}"));
        assert_eq!(client.expect(200, "GET /db", "")["doc_count"], 0, "{body}");
    }
    let docs = format!(
        r#"{{"new_edits":false,"docs":[{{"_id":"a","_rev":"{HASH}","v":"\ud800"}},
            {{"_id":"b","_rev":"{HASH}"}}]}}"#
    );
    let rows = client.expect(201, "POST /db/_bulk_docs", docs);
    assert_eq!((&rows[0]["id"], &rows[0]["error"]), (&json!("a"), &json!("forbidden")));
    client.expect(200, "GET /db/b", "");
    client.expect(201, "PUT /db/good", r#"{"a":"\ud83d\ude00 \\ud800 \\\\ud800"}"#);
}

#[test]
fn one_bad_item_of_a_bulk_read_failed_the_others() {
    let mut client = Client::with_db();
    let rev = client.put("d", 1);
    let asked = json!({"docs": [{"id": "d", "rev": rev}, {}, 7, {"id": "d", "rev": 7},
        {"id": "d", "rev": "x"}, {"id": 7}, {"id": "_x"}]});
    let results = client.expect(200, "POST /db/_bulk_get", asked.to_string())["results"].clone();
    let error = |id: Value, rev: Value, error: &str, reason: &str| {
        let error = json!({"id": id, "rev": rev, "error": error, "reason": reason});
        json!({"id": id, "docs": [{ "error": error }]})
    };
    assert_eq!(results[0]["docs"][0]["ok"]["n"], 1);
    let bad = "bad_request";
    assert_eq!(results[1], error(json!(null), json!(null), bad, "document must be a JSON object"));
    assert_eq!(results[2], error(json!(null), json!(null), bad, "document must be a JSON object"));
    assert_eq!(results[3], error(json!("d"), json!(7), bad, "Invalid rev format"));
    assert_eq!(results[4], error(json!("d"), json!("x"), bad, "Invalid rev format"));
    let reason = "Document id must be a string";
    assert_eq!(results[5], error(json!(7), json!(null), "illegal_docid", reason));
    let reason = "Only reserved document ids may start with underscore.";
    assert_eq!(results[6], error(json!("_x"), json!(null), "illegal_docid", reason));
    let no_id = json!({"docs": [{"rev": rev}]}).to_string();
    let results = client.expect(200, "POST /db/_bulk_get", no_id)["results"].clone();
    assert_eq!(results[0], error(json!(null), json!(null), bad, "document id missed"));
}

/// CouchDB's replicator asks for each design document, and for each revision that `_bulk_get` did
/// not bring as one document, in this form and no other.
#[test]
fn a_design_document_could_not_be_replicated_out() {
    let mut client = Client::with_db();
    let rev = client.expect(201, "PUT /db/_design/app", r#"{"a":1}"#)["rev"].clone();
    let rev = rev.as_str().unwrap();
    let line = format!(
        "GET /db/_design%2Fapp?revs=true&open_revs=%5B%22{rev}%22%2C%221-abc%22%5D&latest=true"
    );
    let response = client.response_with(&line, &[("Accept", "multipart/mixed")], "");
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=\"").unwrap();
    let boundary = boundary.strip_suffix('"').unwrap();
    let text = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(response.headers()["content-length"], text.len().to_string());
    let expected = format!(
        "--{boundary}\r\nContent-Type: application/json\r\n\r\n{{\"_id\":\"_design/app\",\
         \"_rev\":\"{rev}\",\"a\":1,\"_revisions\":{{\"start\":1,\"ids\":[\"{}\"]}}}}\
         \r\n--{boundary}\r\nContent-Type: application/json; error=\"true\"\r\n\r\n\
         {{\"missing\":\"1-abc\"}}\r\n--{boundary}--",
        &rev[2..]
    );
    assert_eq!(text, expected);
    let json = [("Accept", "application/json, text/plain;q=0.5")];
    let response = client.response_with(&line, &json, "");
    assert_eq!(response.headers()["content-type"], "application/json");
}
