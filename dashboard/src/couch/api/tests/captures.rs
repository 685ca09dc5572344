//! Answers of a real CouchDB 3.5.0, and ours to the same requests: same status, same members, same errors.

use serde_json::Value;

use super::Client;

const SEQ: &str =
    "1-g1AAAABXeJzLYWBgYMpgTmEQTM4vTc5ISXIwNDLXMwBCwxyQVB4LkGRoAFL_gSArkQGP2kSGpHqIoiwAtOgYRA";

#[test]
fn errors_are_those_of_couchdb() {
    let mut client = Client::with_db();
    let d1 = client.put("d1", 1);
    let gone = client.put("gone", 1);
    client.expect(200, &format!("DELETE /db/gone?rev={gone}"), "");
    let since =
        r#"{"error":"bad_request","reason":"Malformed sequence supplied in 'since' parameter."}"#;
    let no_db = r#"{"error":"not_found","reason":"Database does not exist."}"#;
    let missing = r#"{"error":"not_found","reason":"missing"}"#;
    let bad_json = r#"{"error":"bad_request","reason":"invalid UTF-8 JSON"}"#;
    let conflict = r#"{"error":"conflict","reason":"Document update conflict."}"#;
    let foreign = format!("GET /db/_changes?feed=continuous&since={SEQ}");
    let table = [
        (
            "PUT /db",
            "",
            412,
            r#"{"error":"file_exists","reason":"The database could not be created, the file already exists."}"#,
        ),
        ("GET /no-such-db", "", 404, no_db),
        ("GET /no-such-db/_changes?feed=continuous&since=0", "", 404, no_db),
        ("GET /Bad%20Name/_changes?feed=continuous", "", 404, no_db),
        ("DELETE /no-such-db", "", 404, no_db),
        ("GET /db/nope", "", 404, missing),
        ("DELETE /db/nope", "", 404, missing),
        ("GET /db/gone", "", 404, r#"{"error":"not_found","reason":"deleted"}"#),
        ("GET /db/d1?rev=1-23202479633c2b380f79507a776743d5", "", 404, missing),
        ("PUT /db/d1", r#"{"a": 2}"#, 409, conflict),
        ("DELETE /db/d1", "", 409, conflict),
        ("DELETE /db/d1?rev=1-23202479633c2b380f79507a776743d5", "", 409, conflict),
        ("PUT /db/bj", r#"{"a":"#, 400, bad_json),
        ("POST /db/_changes?feed=continuous", r#"{"selector":"#, 400, bad_json),
        (
            "DELETE /db/_changes",
            "",
            405,
            r#"{"error":"method_not_allowed","reason":"Only GET,POST,HEAD allowed"}"#,
        ),
        (
            "GET /db/_changes?feed=bogus",
            "",
            400,
            r#"{"error":"bad_request","reason":"Supported `feed` types: normal, continuous, live, longpoll, eventsource"}"#,
        ),
        (
            "GET /db/_changes?feed=continuous&heartbeat=abc",
            "",
            400,
            r#"{"error":"bad_request","reason":"Invalid heartbeat value. Expecting a positive integer value (in milliseconds)."}"#,
        ),
        (
            "GET /db/_changes?feed=continuous&heartbeat=0",
            "",
            400,
            r#"{"error":"bad_request","reason":"The heartbeat value should be a positive integer (in milliseconds)."}"#,
        ),
        ("GET /db/_changes?since=", "", 400, since),
        ("GET /db/_changes?since=-1", "", 400, since),
        ("GET /db/_changes?since=1", "", 400, since),
        ("GET /db/_changes?since=banana", "", 400, since),
        ("GET /db/_changes?since=5-notbase64!!", "", 400, since),
        (&foreign, "", 400, since),
        ("GET /db/_changes?filter=nope/nope", "", 404, missing),
    ];
    for (line, body, status, expected) in table {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(client.expect(status, line, body), expected, "{line}");
    }
    assert_eq!(client.put("d1", 2).split_once('-').unwrap().0, "2", "{d1}");
}

#[test]
fn a_post_must_be_declared_json_and_the_refusal_ends_the_connection() {
    let mut client = Client::with_db();
    let text = [("Content-Type", "text/plain")];
    for line in ["POST /db/_changes?feed=continuous", "POST /db/_bulk_docs", "POST /db"] {
        let response = client.response_with(line, &text, "{}");
        assert_eq!(response.status(), 415, "{line}");
        assert_eq!(response.headers()["connection"], "close");
        let expected = "{\"error\":\"bad_content_type\",\"reason\":\"Content-Type must be application/json\"}\n";
        assert_eq!(response.body(), expected);
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
    let info = format!(
        r#"{{"instance_start_time":"1795506176","db_name":"c1","purge_seq":"{SEQ}","update_seq":"{SEQ}","sizes":{{"file":41340,"external":16,"active":780}},"props":{{}},"doc_del_count":1,"doc_count":2,"disk_format_version":8,"compact_running":false,"cluster":{{"q":2,"n":1,"w":1,"r":1}}}}"#
    );
    let changes = format!(
        r#"{{"results":[{{"seq":"{SEQ}","id":"lp","changes":[{{"rev":"1-0785e9eb543380151003dc452c3a001a"}}],"doc":{{"_id":"lp","_rev":"1-0785e9eb543380151003dc452c3a001a","c":1}}}}],"last_seq":"{SEQ}","pending":0}}"#
    );
    let table = [
        (
            "GET /",
            r#"{"couchdb":"Welcome","version":"3.5.0","uuid":"0c0ffee00c0ffee00c0ffee00c0ffee0","features":[],"vendor":{"name":"The Apache Software Foundation","version":""}}"#,
        ),
        ("GET /_up", r#"{"status":"ok","seeds":{}}"#),
        (
            "GET /_session",
            r#"{"ok":true,"userCtx":{"name":null,"roles":[]},"info":{"authentication_handlers":[]}}"#,
        ),
        ("GET /db", &info),
        ("GET /db/ch", r#"{"_id":"d1","_rev":"1-23202479633c2b380f79507a776743d5","c":1}"#),
        (
            "GET /db/_all_docs?include_docs=true",
            r#"{"total_rows":2,"offset":0,"rows":[{"id":"ch","key":"ch","value":{"rev":"1-92aef5b0e4a3f4db0aba1320869bc95d"},"doc":{"_id":"ch","_rev":"1-92aef5b0e4a3f4db0aba1320869bc95d","c":3}}]}"#,
        ),
        ("GET /db/_changes?include_docs=true", &changes),
        ("GET /db/_changes?feed=longpoll&include_docs=true", &changes),
    ];
    for (line, captured) in table {
        let ours = client.expect(200, line, "");
        assert_same_shape(&ours, &serde_json::from_str(captured).unwrap(), line);
    }
    let put = client.expect(201, "PUT /db/d1", r#"{"a": 1}"#);
    let captured = r#"{"ok":true,"id":"d1","rev":"1-23202479633c2b380f79507a776743d5"}"#;
    assert_same_shape(&put, &serde_json::from_str(captured).unwrap(), "PUT");
    let local = client.expect(201, "PUT /db/_local/checkpoint", r#"{"last_seq": "x"}"#);
    let captured = r#"{"ok":true,"id":"_local/checkpoint","rev":"0-1"}"#;
    assert_eq!(local, serde_json::from_str::<Value>(captured).unwrap());
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
