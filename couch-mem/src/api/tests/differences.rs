//! Where the database answered otherwise than CouchDB 3.5.1 and a client would notice; the whole
//! comparison is in `compared`.

use serde_json::json;

use super::{Client, ids};
use crate::limits::{DATABASE_NAME_LENGTH_MAX, UUIDS_MAX};

/// A database with the documents `a` to `e`.
fn lettered() -> Client {
    let mut client = Client::with_db();
    for id in ["a", "b", "c", "d", "e"] {
        client.put(id, 1);
    }
    client
}

fn bad_request(reason: &str) -> serde_json::Value {
    json!({"error": "bad_request", "reason": reason})
}

#[test]
fn no_uuids_were_given() {
    let mut client = Client::new();
    let mut seen = std::collections::BTreeSet::new();
    for (query, count) in [("", 1), ("?count=0", 0), (&format!("?count={UUIDS_MAX}"), UUIDS_MAX)] {
        let uuids = client.expect(200, &format!("GET /_uuids{query}"), "")["uuids"].clone();
        let uuids = uuids.as_array().unwrap();
        assert_eq!(uuids.len() as u64, count, "{query}");
        assert!(uuids.iter().all(|uuid| uuid.as_str().unwrap().len() == 32));
        assert!(uuids.iter().all(|uuid| seen.insert(uuid.to_string())), "never the same twice");
    }
    let too_large = bad_request("count parameter too large");
    for count in [(UUIDS_MAX + 1).to_string(), "9".repeat(30)] {
        assert_eq!(client.expect(400, &format!("GET /_uuids?count={count}"), ""), too_large);
    }
    let not_positive = bad_request("count must be a positive integer");
    for count in ["-1", "x", "", "1.5", "--1", "-99999999999999999999"] {
        assert_eq!(client.expect(400, &format!("GET /_uuids?count={count}"), ""), not_positive);
    }
    let response = client.response("GET /_uuids", "");
    assert_eq!(response.headers()["cache-control"], "no-cache", "no cache may give them again");
    assert_eq!(client.response("POST /_uuids", "").headers()["allow"], "GET");
}

#[test]
fn a_batch_was_answered_as_a_single_edit() {
    let mut client = Client::with_db();
    let accepted = |id: &str| json!({"ok": true, "id": id});
    assert_eq!(client.expect(202, "PUT /db/x?batch=ok", "{}"), accepted("x"));
    assert_eq!(client.expect(202, "POST /db?batch=ok", r#"{"_id":"y"}"#), accepted("y"));
    client.expect(200, "GET /db/x", "");
    client.expect(409, "PUT /db/x?batch=ok", "{}");
    client.expect(201, "PUT /db/z?batch=no", "{}");
}

#[test]
fn all_or_nothing_was_ignored() {
    let mut client = Client::with_db();
    let docs = r#"{"all_or_nothing":true,"docs":[{"_id":"a"},{"_id":"b","_rev":"1-x"}]}"#;
    let row = |id: &str, rev: &str| {
        json!({"id": id, "rev": rev, "error": "not_implemented",
            "reason": "all_or_nothing is not supported"})
    };
    let rows = json!([row("a", "0-"), row("b", "1-x")]);
    assert_eq!(client.expect(417, "POST /db/_bulk_docs", docs), rows);
    assert_eq!(client.expect(200, "GET /db", "")["doc_count"], 0);
    let docs = r#"{"all_or_nothing":false,"docs":[{"_id":"a"}]}"#;
    client.expect(201, "POST /db/_bulk_docs", docs);
}

#[test]
fn a_malformed_filter_was_reported_as_missing() {
    let mut client = Client::with_db();
    client.expect(201, "PUT /db/_design/app", r#"{"filters":{"f":""},"views":7}"#);
    let form = "`filter` must be of the form `designname/filtername`";
    let view = "`view` must be of the form `designname/viewname`";
    let table = [
        ("filter=nope", 400, form),
        ("filter=a/b/c", 400, form),
        ("filter=_nope", 400, "unknown builtin filter name"),
        ("filter=_view", 400, "`view` filter parameter is not provided."),
        ("filter=_view&view=app", 400, view),
        ("filter=_selector", 400, "Selector must be specified in POST payload"),
        ("filter=_doc_ids", 400, "`doc_ids` filter parameter is not a list of doc ids."),
        ("filter=nope/f", 404, "missing"),
        ("filter=app/g", 404, "missing json key: g"),
        ("filter=_view&view=app/v", 404, "json_mismatch"),
    ];
    for (query, status, reason) in table {
        let refusal = client.expect(status, &format!("GET /db/_changes?{query}"), "");
        assert_eq!(refusal["reason"], reason, "{query}");
    }
    client.expect(501, "GET /db/_changes?filter=app/f", "");
    for query in ["filter=", "filter=/"] {
        client.expect(200, &format!("GET /db/_changes?{query}"), "");
    }
}

#[test]
fn zero_in_quotes_was_treated_as_a_sequence() {
    let mut client = lettered();
    let malformed = bad_request("Malformed sequence supplied in 'since' parameter.");
    for since in ["%220%22", "%22now%22"] {
        let line = format!("GET /db/_changes?since={since}");
        assert_eq!(client.expect(400, &line, ""), malformed, "{since}");
    }
    let last = client.expect(200, "GET /db/_changes", "")["last_seq"].clone();
    let quoted = format!("GET /db/_changes?since=%22{}%22", last.as_str().unwrap());
    assert_eq!(client.expect(200, &quoted, "")["results"], json!([]));
}

/// As in CouchDB, a row has a sequence if the rest of the limit is a multiple of the interval.
#[test]
fn seq_interval_was_ignored() {
    let table = [
        ("", [true, true, true, true, true]),
        ("seq_interval=1", [true, true, true, true, true]),
        ("seq_interval=3", [false, true, false, false, true]),
        ("seq_interval=2&limit=5", [false, true, false, true, false]),
        ("seq_interval=99999999999", [false, false, false, false, false]),
    ];
    let mut client = lettered();
    for (query, expected) in table {
        let answer = client.expect(200, &format!("GET /db/_changes?{query}"), "");
        let rows = answer["results"].as_array().unwrap();
        let has_seq: Vec<_> = rows.iter().map(|row| row["seq"].is_string()).collect();
        assert_eq!(has_seq, expected, "{query}");
        assert!(answer["last_seq"].as_str().unwrap().starts_with("5-"), "{answer}");
    }
    let mut feed = client.follow("GET /db/_changes?feed=continuous&seq_interval=3");
    let (lines, _) = client.rows(&mut feed);
    assert_eq!(ids(&lines).len(), 5);
    client.put("f", 1);
    client.put("g", 1);
    client.put("h", 1);
    let (lines, _) = client.rows(&mut feed);
    let has_seq: Vec<_> = lines.lines().map(|line| !line.contains("\"seq\":null")).collect();
    assert_eq!(has_seq, [false, false, true], "it counts on from row to row");
    for interval in ["0", "-1", "x", ""] {
        let line = format!("GET /db/_changes?seq_interval={interval}");
        assert_eq!(client.expect(400, &line, ""), bad_request("invalid_seq_interval"));
    }
}

#[test]
fn startkey_docid_and_the_options_of_a_body_were_ignored() {
    let mut client = lettered();
    let table = [
        ("GET /db/_all_docs?startkey_docid=d", "", "de", json!(3)),
        ("GET /db/_all_docs?start_key_doc_id=d", "", "de", json!(3)),
        ("GET /db/_all_docs?endkey_docid=b", "", "ab", json!(0)),
        ("GET /db/_all_docs?startkey=%22b%22&startkey_docid=d", "", "bcde", json!(1)),
        ("POST /db/_all_docs", r#"{"limit":2,"skip":1}"#, "bc", json!(1)),
        ("POST /db/_all_docs", r#"{"startkey":"b","endkey_docid":"c"}"#, "bc", json!(1)),
        ("POST /db/_all_docs", r#"{"keys":["e","a"],"descending":true}"#, "ae", json!(null)),
        ("POST /db/_all_docs?limit=1", r#"{"limit":2}"#, "a", json!(0)),
    ];
    for (line, body, expected, offset) in table {
        let answer = client.expect(200, line, body);
        let rows = answer["rows"].as_array().unwrap().iter();
        let ids: String = rows.map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!((ids.as_str(), &answer["offset"]), (expected, &offset), "{line} {body}");
    }
    let doc = client.expect(200, "POST /db/_all_docs", r#"{"key":"a","include_docs":true}"#);
    assert_eq!(doc["rows"][0]["doc"]["n"], 1);
    let seq = client.expect(200, "GET /db/_all_docs?update_seq=true", "")["update_seq"].clone();
    assert_eq!(seq, client.expect(200, "GET /db", "")["update_seq"]);
    let refusal = client.expect(400, "GET /db/_all_docs?include_docs=maybe", "");
    assert_eq!(refusal["reason"], "Invalid boolean parameter: \"maybe\"");
}

#[test]
fn an_error_named_attachments_and_databases_that_do_not_exist() {
    let mut client = Client::with_db();
    client.put("d", 1);
    let table = [
        ("GET /db/_all_docs/queries", 405, "Only POST allowed"),
        ("GET /db/_partition", 400, "invalid_partition_req"),
        ("GET /db/_partition/p", 400, "database is not partitioned"),
        ("GET /db/_local", 400, "Invalid _local document id."),
        ("GET /db/_local/x/y", 400, "_local documents do not accept attachments."),
        ("GET /db/d/x", 404, "Document is missing attachment"),
        ("GET /db/none/x", 404, "missing"),
        ("GET /db/_nothing", 404, "missing"),
        ("PUT /db/_nothing", 400, "Only reserved document ids may start with underscore."),
        ("PUT /db/_design%2F", 400, "Illegal document id `_design/`"),
        ("GET /favicon.ico", 404, "missing"),
        ("GET /_nothing", 404, "Database does not exist."),
        ("POST /db/d", 415, "Content-Type must be multipart/form-data"),
        (
            "PUT /db/d?rev=1-a",
            400,
            "Document rev from request body and query string have \
            different values",
        ),
    ];
    for (line, status, reason) in table {
        let body = if line.starts_with("PUT") { r#"{"_rev":"1-b"}"# } else { "" };
        assert_eq!(client.expect(status, line, body)["reason"], reason, "{line}");
    }
    let queries = client.expect(501, "POST /db/_all_docs/queries", "{}")["reason"].clone();
    assert!(queries.as_str().unwrap().starts_with("_all_docs/queries is not"), "{queries}");
    assert!(client.expect(200, "GET /_node/_local", "")["name"].is_string());
    let long =
        client.expect(400, &format!("PUT /{}", "x".repeat(DATABASE_NAME_LENGTH_MAX + 1)), "");
    assert_eq!(long["error"], "database_name_too_long");
    let illegal = client.expect(400, "PUT /Upper", "")["reason"].clone();
    assert!(illegal.as_str().unwrap().starts_with("Name: 'Upper'. Only lowercase"), "{illegal}");
}

#[test]
fn a_checkpoint_had_no_tag() {
    let mut client = Client::with_db();
    let tag = |response: &http::Response<bytes::Bytes>| response.headers()["etag"].clone();
    let put = client.response("PUT /db/_local/c", r#"{"n":1}"#);
    let got = client.response("GET /db/_local/c", "");
    assert_eq!(tag(&put), tag(&got));
    let known = [("If-None-Match", tag(&got).to_str().unwrap().to_owned())];
    let known = known.each_ref().map(|(name, tag)| (*name, tag.as_str()));
    assert_eq!(client.response_with("GET /db/_local/c", &known, "").status(), 304);
    client.expect(200, "DELETE /db/_local/c", "");
    let again = client.response("PUT /db/_local/c", r#"{"n":2}"#);
    assert_ne!(tag(&again), tag(&got), "of the same revision, but another document");
    assert_eq!(client.response_with("GET /db/_local/c", &known, "").status(), 200);
}

#[test]
fn parameters_of_a_document_were_ignored() {
    let mut client = Client::with_db();
    let (a2, b2, dead) = ("2-a", "2-b", "2-c");
    for (rev, deleted) in [(a2, false), (b2, false), (dead, true)] {
        let revisions = json!({"start": 2, "ids": [&rev[2..], "x"]});
        let doc = json!({"_id": "d", "_deleted": deleted, "_revisions": revisions});
        let docs = json!({"new_edits": false, "docs": [doc]});
        client.expect(201, "POST /db/_bulk_docs", docs.to_string());
    }
    let doc = client.expect(200, "GET /db/d?meta=true&local_seq=true", "");
    let info = json!([{"rev": b2, "status": "available"}, {"rev": "1-x", "status": "missing"}]);
    assert_eq!(doc["_revs_info"], info);
    assert_eq!((&doc["_conflicts"], &doc["_deleted_conflicts"]), (&json!([a2]), &json!([dead])));
    assert_eq!(doc["_local_seq"], 3);
    let info = client.expect(200, &format!("GET /db/d?rev={dead}&revs_info=true"), "");
    assert_eq!(info["_revs_info"][0]["status"], "deleted");
    assert!(!client.response("GET /db/d?meta=true", "").headers().contains_key("etag"));
    assert!(client.response("GET /db/d?revs=true", "").headers().contains_key("etag"));
}

#[test]
fn a_document_could_not_be_copied() {
    let mut client = Client::with_db();
    client.put("d", 7);
    let to = |destination| [("Destination", destination)];
    let copied = client.response_with("COPY /db/d", &to("a%2Fb"), "");
    assert_eq!(copied.status(), 201);
    assert_eq!(copied.headers()["location"], "http://host:5984/db/a%2Fb");
    assert_eq!(client.expect(200, "GET /db/a%2Fb", "")["n"], 7);
    assert_eq!(client.response_with("COPY /db/d", &to("a%2Fb"), "").status(), 409);
    let tag = copied.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
    let over = format!("a%2Fb?rev={tag}");
    assert_eq!(client.response_with("COPY /db/d", &to(&over), "").status(), 201);
    let refusal = bad_request("Destination header is mandatory for COPY.");
    assert_eq!(client.expect(400, "COPY /db/d", ""), refusal);
    for (line, destination, status) in [
        ("COPY /db/none", "x", 404),
        ("COPY /db/d?rev=9-x", "x", 404),
        ("COPY /db/d", "_x", 400),
        ("COPY /db/d", "%zz", 400),
        ("COPY /db/d", "x?rev=y", 400),
    ] {
        let refused = client.response_with(line, &to(destination), "");
        assert_eq!(refused.status(), status, "{line} {destination}");
    }
}
