//! Databases and documents, one by one and by id.

use serde_json::json;

use super::Client;

#[test]
fn a_database_is_created_and_deleted() {
    let mut client = Client::new();
    assert_eq!(client.expect(200, "GET /_all_dbs", ""), json!([]));
    let made = client.response("PUT /a%2Fb/", "");
    assert_eq!(
        (made.status().as_u16(), &made.headers()["location"]),
        (201, &"http://host:5984/a%2Fb".parse().unwrap())
    );
    client.expect(201, "PUT /db", "");
    assert_eq!(client.expect(200, "GET /_all_dbs", ""), json!(["a/b", "db"]));
    client.put("d", 1);
    let info = client.expect(200, "GET /db", "");
    assert_eq!((&info["doc_count"], &info["db_name"]), (&json!(1), &json!("db")));
    client.expect(200, "DELETE /db", "");
    assert_eq!(client.response("HEAD /db", "").status(), 404);
    client.expect(201, "PUT /db", "");
    let again = client.expect(200, "GET /db", "");
    assert_eq!(again["doc_count"], json!(0));
    assert_ne!(again["instance_start_time"], info["instance_start_time"]);
}

#[test]
fn a_weak_tag_and_a_tag_of_a_second_header_are_known() {
    let mut client = Client::with_db();
    let tag = format!("\"{}\"", client.put("d", 1));
    let weak = format!("W/{tag}");
    for known in [&[weak.as_str()][..], &["\"1-x\"", tag.as_str()]] {
        let headers: Vec<_> = known.iter().map(|tag| ("If-None-Match", *tag)).collect();
        assert_eq!(client.response_with("GET /db/d", &headers, "").status(), 304, "{known:?}");
    }
}

#[test]
fn a_document_comes_back_as_it_went_in() {
    let mut client = Client::with_db();
    let sent =
        r#"{"z": 1.50, "big": 1152921504606846976123, "e": 1e3, "a": {"é": [ "\u2028", null ]}}"#;
    let stored = client.expect(201, "PUT /db/d", sent);
    let rev = stored["rev"].as_str().unwrap();
    let response = client.response("GET /db/d", "");
    let members = r#""z":1.50,"big":1152921504606846976123,"e":1e3,"a":{"é":["\u2028",null]}"#;
    let expected = format!("{{\"_id\":\"d\",\"_rev\":\"{rev}\",{members}}}\n");
    assert_eq!(response.body(), &expected);
    assert_eq!(response.headers()["etag"], format!("\"{rev}\""));
}

#[test]
fn a_head_has_the_length_and_no_body() {
    let mut client = Client::with_db();
    client.put("d", 1);
    for path in ["/", "/db", "/db/d", "/db/nope", "/db/_all_docs", "/db/_local/x"] {
        let get = client.response(&format!("GET {path}"), "");
        let head = client.response(&format!("HEAD {path}"), "");
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()), "{path}");
        assert!(head.body().is_empty() && !get.body().is_empty());
    }
    let changes = client.response("HEAD /db/_changes?feed=continuous&heartbeat=500", "");
    assert_eq!((changes.status().as_u16(), &changes.headers()["content-length"]), (200, &0.into()));
}

#[test]
fn the_revision_of_an_edit_may_be_in_three_places() {
    let mut client = Client::with_db();
    let rev = client.put("d", 1);
    let rev = client.expect(201, &format!("PUT /db/d?rev={rev}"), "{}")["rev"].clone();
    let rev = client.expect(201, "PUT /db/d", json!({ "_rev": rev }).to_string())["rev"].clone();
    let rev = rev.as_str().unwrap();
    for tag in [rev.to_owned(), format!("\"{rev}\"")] {
        let other = [("If-Match", tag.as_str())];
        let response = client.response_with("PUT /db/d?rev=1-0", &other, "{}");
        assert_eq!(response.status(), 400, "two different revisions");
    }
    let tag = [("If-Match", rev)];
    assert_eq!(client.response_with("PUT /db/d", &tag, "{}").status(), 201);
    assert_eq!(client.response_with("DELETE /db/d", &tag, "").status(), 409);
    let rev = client.response("HEAD /db/d", "").headers()["etag"].clone();
    let tag = [("If-Match", rev.to_str().unwrap())];
    let gone = client.response_with("DELETE /db/d", &tag, "");
    assert_eq!(gone.status(), 200);
    assert!(gone.headers()["etag"].to_str().unwrap().starts_with("\"5-"));
}

#[test]
fn content_that_the_client_has_is_not_sent_again() {
    let mut client = Client::with_db();
    let rev = client.put("d", 1);
    let tag = format!("\"{rev}\"");
    let known = [("If-None-Match", tag.as_str())];
    let response = client.response_with("GET /db/d", &known, "");
    assert_eq!((response.status().as_u16(), response.body().len()), (304, 0));
    assert_eq!(response.headers()["etag"], tag);
    client.put("d", 2);
    assert_eq!(client.response_with("GET /db/d", &known, "").status(), 200);
}

#[test]
fn a_posted_document_gets_an_id() {
    let mut client = Client::with_db();
    let first = client.expect(201, "POST /db", "{}")["id"].clone();
    let second = client.expect(201, "POST /db", "{}")["id"].clone();
    assert_ne!(first, second);
    let named = client.expect(201, "POST /db", r#"{"_id":"x"}"#);
    assert_eq!(named["id"], "x");
    client.expect(409, "POST /db", r#"{"_id":"x"}"#);
}

#[test]
fn local_documents_are_in_no_list_and_no_feed() {
    let mut client = Client::with_db();
    client.expect(404, "GET /db/_local/cp", "");
    client.expect(201, "PUT /db/_local/cp", r#"{"seq":"1"}"#);
    let again = client.expect(201, "PUT /db/_local%2Fcp", r#"{"_rev":"0-1","seq":"2"}"#);
    assert_eq!(again["rev"], "0-2");
    let cp = client.expect(200, "GET /db/_local/cp", "");
    assert_eq!(cp, json!({"_id": "_local/cp", "_rev": "0-2", "seq": "2"}));
    assert_eq!(client.expect(200, "GET /db", "")["doc_count"], 0);
    assert_eq!(client.expect(200, "GET /db/_changes", "")["results"], json!([]));
    client.expect(200, "DELETE /db/_local/cp", "");
    client.expect(404, "DELETE /db/_local/cp", "");
}

#[test]
fn all_docs_by_range_and_key() {
    let mut client = Client::with_db();
    for id in ["a", "b", "c", "d", "e"] {
        client.put(id, 1);
    }
    let rev = client.put("c", 2);
    client.expect(200, &format!("DELETE /db/c?rev={rev}"), "");
    let table = [
        ("", "abde", 0),
        ("limit=2", "ab", 0),
        ("skip=1&limit=2", "bd", 1),
        ("descending=true", "edba", 0),
        ("descending=true&skip=1", "dba", 1),
        ("startkey=%22b%22", "bde", 1),
        ("startkey=%22b%22&descending=true", "ba", 2),
        ("startkey=%22b%22&endkey=%22d%22", "bd", 1),
        ("start_key=%22b%22&end_key=%22d%22&inclusive_end=false", "b", 1),
        ("startkey=%22d%22&endkey=%22b%22&descending=true", "db", 1),
        ("startkey=%22d%22&endkey=%22b%22", "", 2),
        ("startkey=%22d%22&endkey=%22d%22&inclusive_end=false", "", 2),
        ("key=%22d%22", "d", 2),
        ("key=%22c%22", "", 2),
        ("skip=99999999999999", "", 4),
    ];
    for (query, expected, offset) in table {
        let answer = client.expect(200, &format!("GET /db/_all_docs?{query}"), "");
        let rows = answer["rows"].as_array().unwrap().iter();
        let ids: String = rows.map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!((ids.as_str(), &answer["offset"]), (expected, &json!(offset)), "{query}");
    }
    let by_keys = client.expect(
        200,
        "POST /db/_all_docs?include_docs=true",
        r#"{"keys":["d","c","none",7]}"#,
    );
    assert_eq!(by_keys["rows"][0]["doc"]["n"], 1);
    assert_eq!(by_keys["rows"][1]["value"]["deleted"], true);
    assert_eq!(by_keys["rows"][1]["doc"], json!(null));
    assert_eq!(by_keys["rows"][2], json!({"key": "none", "error": "not_found"}));
    assert_eq!(by_keys["rows"][3], json!({"key": 7, "error": "not_found"}));
    let keys = client.expect(200, "GET /db/_all_docs?keys=%5B%22b%22%5D", "");
    assert_eq!(keys["rows"][0]["id"], "b");
}
