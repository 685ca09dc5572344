//! Answers of a real CouchDB 3.5.0, and ours to the same requests: same status, same members, same
//! errors.

use serde_json::{Value, json};

use super::Client;

/// A sequence of CouchDB's own, which no database here has given.
const SEQ: &str =
    "1-g1AAAABXeJzLYWBgYMpgTmEQTM4vTc5ISXIwNDLXMwBCwxyQVB4LkGRoAFL_gSArkQGP2kSGpHqIoiwAtOgYRA";

#[test]
fn errors_are_those_of_couchdb() {
    let mut client = Client::with_db();
    client.put("d1", 1);
    let gone = client.put("gone", 1);
    client.expect(200, &format!("DELETE /db/gone?rev={gone}"), "");
    let exists = "The database could not be created, the file already exists.";
    let feeds = "Supported `feed` types: normal, continuous, live, longpoll, eventsource";
    let beat = "Invalid heartbeat value. Expecting a positive integer value (in milliseconds).";
    let no_beat = "The heartbeat value should be a positive integer (in milliseconds).";
    let since = "Malformed sequence supplied in 'since' parameter.";
    let no_db = "Database does not exist.";
    let conflict = "Document update conflict.";
    let bad_json = "invalid UTF-8 JSON";
    let foreign = format!("GET /db/_changes?feed=continuous&since={SEQ}");
    let old_rev = "?rev=1-23202479633c2b380f79507a776743d5";
    let (get_old, delete_old) = (format!("GET /db/d1{old_rev}"), format!("DELETE /db/d1{old_rev}"));
    let table = [
        ("PUT /db", "", 412, "file_exists", exists),
        ("GET /no-such-db", "", 404, "not_found", no_db),
        ("GET /no-such-db/_changes?feed=continuous&since=0", "", 404, "not_found", no_db),
        ("GET /Bad%20Name/_changes?feed=continuous", "", 404, "not_found", no_db),
        ("DELETE /no-such-db", "", 404, "not_found", no_db),
        ("GET /db/nope", "", 404, "not_found", "missing"),
        ("DELETE /db/nope", "", 404, "not_found", "missing"),
        ("GET /db/gone", "", 404, "not_found", "deleted"),
        (&get_old, "", 404, "not_found", "missing"),
        ("PUT /db/d1", r#"{"a": 2}"#, 409, "conflict", conflict),
        ("DELETE /db/d1", "", 409, "conflict", conflict),
        (&delete_old, "", 409, "conflict", conflict),
        ("PUT /db/bj", r#"{"a":"#, 400, "bad_request", bad_json),
        ("POST /db/_changes", r#"{"selector":"#, 400, "bad_request", bad_json),
        ("DELETE /db/_changes", "", 405, "method_not_allowed", "Only GET,POST,HEAD allowed"),
        ("GET /db/_changes?feed=bogus", "", 400, "bad_request", feeds),
        ("GET /db/_changes?feed=continuous&heartbeat=abc", "", 400, "bad_request", beat),
        ("GET /db/_changes?feed=continuous&heartbeat=0", "", 400, "bad_request", no_beat),
        ("GET /db/_changes?since=", "", 400, "bad_request", since),
        ("GET /db/_changes?since=-1", "", 400, "bad_request", since),
        ("GET /db/_changes?since=1", "", 400, "bad_request", since),
        ("GET /db/_changes?since=banana", "", 400, "bad_request", since),
        ("GET /db/_changes?since=5-notbase64!!", "", 400, "bad_request", since),
        (&foreign, "", 400, "bad_request", since),
        ("GET /db/_changes?filter=nope/nope", "", 404, "not_found", "missing"),
    ];
    for (line, body, status, error, reason) in table {
        let expected = json!({ "error": error, "reason": reason });
        assert_eq!(client.expect(status, line, body), expected, "{line}");
    }
}

#[test]
fn a_post_must_be_declared_json_and_the_refusal_ends_the_connection() {
    let mut client = Client::with_db();
    let text = [("Content-Type", "text/plain")];
    for line in ["POST /db/_changes?feed=continuous", "POST /db/_bulk_docs", "POST /db"] {
        let response = client.response_with(line, &text, "{}");
        assert_eq!(response.status(), 415, "{line}");
        assert_eq!(response.headers()["connection"], "close");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let reason = "Content-Type must be application/json";
        assert_eq!(body, json!({ "error": "bad_content_type", "reason": reason }));
    }
    let json = [("Content-Type", "Application/JSON; charset=utf-8")];
    assert_eq!(client.response_with("POST /db", &json, "{}").status(), 201);
    let allow = client.response("DELETE /db/_changes", "");
    assert_eq!(allow.headers()["allow"], "GET,POST,HEAD");
}

#[test]
fn answers_have_the_members_of_couchdb() {
    let mut client = Client::with_db();
    client.expect(201, "PUT /db/ch", r#"{"c":3}"#);
    let info = r#"{"instance_start_time":"1795506176","db_name":"c1",
        "purge_seq":"0-g1AAAABX","update_seq":"5-g1AAAACb",
        "sizes":{"file":41340,"external":16,"active":780},"props":{},"doc_del_count":1,
        "doc_count":2,"disk_format_version":8,"compact_running":false,
        "cluster":{"q":2,"n":1,"w":1,"r":1}}"#;
    let changes = r#"{"results":[{"seq":"3-g1AAAACb","id":"lp",
        "changes":[{"rev":"1-0785e9eb543380151003dc452c3a001a"}],
        "doc":{"_id":"lp","_rev":"1-0785e9eb543380151003dc452c3a001a","c":1}}],
        "last_seq":"3-g1AAAACb","pending":0}"#;
    let all_docs = r#"{"total_rows":2,"offset":0,"rows":[{"id":"ch","key":"ch",
        "value":{"rev":"1-92aef5b0e4a3f4db0aba1320869bc95d"},
        "doc":{"_id":"ch","_rev":"1-92aef5b0e4a3f4db0aba1320869bc95d","c":3}}]}"#;
    // No commit of CouchDB's to name, and a version of our own: the rest is the same.
    let welcome = r#"{"couchdb":"Welcome","version":"3.5.0",
        "uuid":"0c0ffee00c0ffee00c0ffee00c0ffee0","features":["quickjs"],
        "vendor":{"name":"The Apache Software Foundation","version":""}}"#;
    let session = r#"{"ok":true,"userCtx":{"name":null,"roles":[]},
        "info":{"authentication_handlers":["cookie","default"]}}"#;
    let put = r#"{"ok":true,"id":"d1","rev":"1-23202479633c2b380f79507a776743d5"}"#;
    let table = [
        ("GET /", 200, welcome),
        ("GET /_up", 200, r#"{"status":"ok","seeds":{}}"#),
        ("GET /_session", 200, session),
        ("GET /db", 200, info),
        ("GET /db/ch", 200, r#"{"_id":"d1","_rev":"1-23202479633c2b380f79507a776743d5","c":1}"#),
        ("GET /db/_all_docs?include_docs=true", 200, all_docs),
        ("GET /db/_changes?include_docs=true", 200, changes),
        ("GET /db/_changes?feed=longpoll&include_docs=true", 200, changes),
        ("PUT /db/d1", 201, put),
    ];
    for (line, status, captured) in table {
        let ours = client.expect(status, line, if status == 201 { r#"{"a":1}"# } else { "" });
        assert_same_shape(&ours, &serde_json::from_str(captured).unwrap(), line);
    }
    let local = client.expect(201, "PUT /db/_local/checkpoint", r#"{"last_seq": "x"}"#);
    assert_eq!(local, json!({"ok": true, "id": "_local/checkpoint", "rev": "0-1"}));
}

/// The lines of a `_changes` answer are cut where CouchDB cuts them: clients read them so.
#[test]
fn a_changes_answer_has_couchdbs_lines() {
    let mut client = Client::with_db();
    let empty = client.response("GET /db/_changes", "");
    let text = std::str::from_utf8(empty.body()).unwrap();
    assert!(text.starts_with("{\"results\":[\n\n],\n\"last_seq\":\"0-"), "{text:?}");
    assert!(text.ends_with("\",\"pending\":0}\n"), "{text:?}");
    client.put("a", 1);
    client.put("b", 1);
    let two = client.response("GET /db/_changes", "");
    let lines: Vec<_> = std::str::from_utf8(two.body()).unwrap().lines().collect();
    assert_eq!(lines[0], "{\"results\":[");
    assert!(lines[1].starts_with("{\"seq\":\"1-") && lines[1].ends_with("\"}]},"));
    assert!(lines[2].starts_with("{\"seq\":\"2-") && lines[2].ends_with("\"}]}"));
    assert_eq!(lines[3], "],");
    assert!(lines[4].starts_with("\"last_seq\":\"2-"));
}

#[test]
fn every_answer_names_its_server_and_forbids_stale_copies() {
    let mut client = Client::with_db();
    let response = client.response("GET /", "");
    assert!(response.headers()["server"].to_str().unwrap().starts_with("masque-couch/"));
    assert_eq!(response.headers()["cache-control"], "must-revalidate");
}

/// The same members in the same places, of the same kinds; strings and numbers may differ.
fn assert_same_shape(ours: &Value, theirs: &Value, what: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names =
                |object: &serde_json::Map<_, _>| object.keys().cloned().collect::<Vec<String>>();
            assert_eq!(names(ours), names(theirs), "{what}");
            for (name, value) in ours {
                assert_same_shape(value, &theirs[name], &format!("{what}: {name}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_same_shape(ours, theirs, what);
            }
        }
        _ => {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(ours), kind(theirs), "{what}: {ours} {theirs}");
        }
    }
}
