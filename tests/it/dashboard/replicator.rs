//! The embedded database before CouchDB's replicator: its recorded requests, byte by byte.

use super::program;
use crate::support::PATIENCE;
use crate::support::http::{self, Connection, Reply};
use serde_json::{Value, json};

const TO_EMBEDDED: &[u8] = include_bytes!("../../captures/replicator/to_embedded.requests");
const FROM_EMBEDDED: &[u8] = include_bytes!("../../captures/replicator/from_embedded.requests");

/// The recorded requests, each whole.
fn requests(mut recorded: &'static [u8]) -> Vec<&'static [u8]> {
    let mut requests = Vec::new();
    while !recorded.is_empty() {
        let head = recorded.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let text = std::str::from_utf8(&recorded[..head]).expect("a head is text");
        let field = text.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = field.expect("a length").trim().parse().expect("a number");
        let (request, rest) = recorded.split_at(head + length);
        requests.push(request);
        recorded = rest;
    }
    requests
}

/// Sends the requests on one connection and gives the answers, with the line of each request.
#[track_caller]
fn replay(base: &str, recorded: &'static [u8]) -> Vec<(String, Reply)> {
    let mut connection = Connection::open(&base["http://".len()..]).expect("it listens");
    let replay = |request: &&[u8]| {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).replace(" HTTP/1.1", "");
        connection.send(request).expect("it reads");
        let reply = connection.reply(PATIENCE).unwrap_or_else(|error| panic!("{line}: {error}"));
        (line, reply)
    };
    requests(recorded).iter().map(replay).collect()
}

/// The address of the server of this database.
fn base(database: &str) -> &str {
    database.rsplit_once('/').expect("http://host:port/name").0
}

#[track_caller]
fn ask(method: &str, url: &str, body: &Value) -> Value {
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = http::request(method, url, &headers, body.as_bytes());
    reply.unwrap_or_else(|error| panic!("{method} {url}: {error}")).json()
}

#[test]
fn documents_that_cannot_be_stored_stopped_couchdbs_replicator() {
    let dashboard = program::start(&[]);
    let base = base(dashboard.couch.as_ref().expect("its own"));
    ask("PUT", &format!("{base}/in"), &Value::Null);
    let replies = replay(base, TO_EMBEDDED);
    let mut failures = Vec::new();
    for (line, reply) in &replies {
        // The replicator decodes every answer, and gives up at an error that it does not know.
        let json: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|error| {
            panic!("{line}: {error}: {}", reply.text());
        });
        match (line.split(' ').next(), reply.status) {
            (Some("GET"), 404) if line.contains("/_local/") => {}
            (Some("PUT"), 403) => failures.push(line.clone()),
            (_, 200 | 201) => {}
            (_, status) => panic!("{line}: {status}: {json}"),
        }
        if line == "POST /in/_bulk_docs" {
            let rows = json.as_array().expect("the failures");
            failures.extend(rows.iter().map(|row| row["error"].to_string()));
        }
    }
    let expected =
        ["PUT /in/_design/att?new_edits=false", "PUT /in/att?new_edits=false", "\"forbidden\""];
    assert_eq!(failures, expected);
    let stored = ask("GET", &format!("{base}/in/_all_docs"), &Value::Null);
    let ids: Vec<_> = stored["rows"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["_design/app", "a", "b", "later", "odd"]);
    assert_eq!(ask("GET", &format!("{base}/in/odd"), &Value::Null)["_rev"], "1-abc");
    assert_checkpoint(base, &replies, 3);
}

#[test]
fn a_design_document_ended_the_replication_to_couchdb() {
    let dashboard = program::start(&[]);
    let base = base(dashboard.couch.as_ref().expect("its own"));
    let out = format!("{base}/out");
    ask("PUT", &out, &Value::Null);
    ask("PUT", &format!("{out}/_design/app"), &json!({"views": {}}));
    ask("PUT", &format!("{out}/a"), &json!({"n": 1}));
    ask("PUT", &format!("{out}/later"), &json!({"n": 4}));
    let leaf = |rev: &str| json!({"start": 2, "ids": [rev, "a"]});
    let docs = json!({"new_edits": false, "docs": [{"_id": "odd", "_rev": "1-abc", "n": 3},
        {"_id": "two", "_rev": "2-b", "_revisions": leaf("b")},
        {"_id": "two", "_rev": "2-c", "_revisions": leaf("c")}]});
    assert_eq!(ask("POST", &format!("{out}/_bulk_docs"), &docs), json!([]));

    let replies = replay(base, FROM_EMBEDDED);
    let mut read = Vec::new();
    for (line, reply) in &replies {
        let is_first_look = line.contains("/_local/") && reply.status == 404;
        assert!(is_first_look || [200, 201].contains(&reply.status), "{line}: {}", reply.text());
        if line.contains("open_revs=") {
            let content_type = reply.header("Content-Type").expect("a type");
            let boundary = content_type.strip_prefix("multipart/mixed; boundary=\"").unwrap();
            let parts: Vec<_> = reply.text().split(boundary.trim_end_matches('"')).collect();
            assert_eq!((parts.len(), parts[0], parts[2]), (3, "--", "--"));
            let (head, json) = parts[1].trim_end_matches("\r\n--").split_once("\r\n\r\n").unwrap();
            assert_eq!(head, "\r\nContent-Type: application/json");
            read.push(serde_json::from_str::<Value>(json).expect("a document")["_id"].clone());
            continue;
        }
        let json = reply.json();
        for result in json["results"].as_array().into_iter().flatten() {
            // It ignores an answer that is not one document, and asks for that with `open_revs`.
            if let [doc] = result["docs"].as_array().map_or(&[][..], Vec::as_slice) {
                read.push(doc["ok"]["_id"].clone());
            }
        }
    }
    read.sort_by_key(Value::to_string);
    assert_eq!(read, ["_design/app", "a", "later", "odd", "two", "two"]);
    assert_checkpoint(base, &replies, 0);
}

/// Both checkpoints were written, and the second one is there.
#[track_caller]
fn assert_checkpoint(base: &str, replies: &[(String, Reply)], failures: u64) {
    let is_checkpoint = |line: &str| line.starts_with("PUT /") && line.contains("/_local/");
    let written: Vec<_> = replies.iter().filter(|(line, _)| is_checkpoint(line)).collect();
    let revs: Vec<_> = written.iter().map(|(_, reply)| reply.json()["rev"].clone()).collect();
    assert_eq!(revs, ["0-1", "0-2"]);
    let url = format!("{base}{}", written[1].0.trim_start_matches("PUT "));
    let checkpoint = ask("GET", &url, &Value::Null);
    assert_eq!(checkpoint["history"][0]["doc_write_failures"], failures);
}

/// CouchDB's replicator halves a batch that is too large, and counts a document that is, if it can
/// read the answer.
#[test]
fn a_body_that_is_too_large_was_refused_in_plain_text() {
    let dashboard = program::start(&[]);
    let base = base(dashboard.couch.as_ref().expect("its own"));
    let mut connection = Connection::open(&base["http://".len()..]).expect("it listens");
    let head = "POST /dashboard/_bulk_docs HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                Content-Type: application/json\r\nContent-Length: 20000000\r\n\r\n";
    connection.send(head.as_bytes()).expect("it reads");
    let reply = connection.reply(PATIENCE).expect("it answers before the body");
    let refusal = json!({"error": "too_large", "reason": "the body is too large"});
    assert_eq!((reply.status, reply.json()), (413, refusal));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
}
