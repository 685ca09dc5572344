//! Requests of hostile clients: always an error with a reason, never a panic.

use super::Client;
use crate::api::Answer;
use crate::limits::{
    ANSWER_SIZE_MAX, BULK_ITEMS_MAX, DOCUMENT_SIZE_MAX, FILTER_IDS_MAX, ID_LENGTH_MAX,
};

#[test]
fn bad_queries_are_refused_with_a_reason() {
    let mut client = Client::with_db();
    client.put("d", 1);
    let huge = "9".repeat(400);
    let list = |items: usize| vec!["\"1\""; items].join(",");
    let ids = format!("{{\"doc_ids\":[{}]}}", list(FILTER_IDS_MAX + 1));
    let limit = format!("GET /db/_changes?limit={huge}");
    let since = format!("GET /db/_changes?since={huge}-0000000000000000");
    let rev = format!("GET /db/d?rev={huge}-23202479633c2b380f79507a776743d5");
    let table: &[(&str, &str, u16)] = &[
        ("GET /db/_changes?limit=abc", "", 400),
        ("GET /db/_changes?limit=-1", "", 400),
        (&limit, "", 400),
        ("GET /db/_changes?timeout=abc", "", 400),
        ("GET /db/_changes?heartbeat=-5", "", 400),
        ("GET /db/_changes?heartbeat=1e3", "", 400),
        (&since, "", 400),
        ("GET /db/_changes?since=%22", "", 400),
        ("GET /db/_changes?since=%00", "", 400),
        ("GET /db/_changes?since=%FF", "", 400),
        ("GET /db/_changes?filter=_doc_ids", "", 400),
        ("GET /db/_changes?filter=_doc_ids&doc_ids=a,b", "", 400),
        ("GET /db/_changes?filter=_doc_ids&doc_ids=%5B1%5D", "", 400),
        ("POST /db/_changes?filter=_doc_ids", "[]", 400),
        ("POST /db/_changes?filter=_doc_ids", &ids, 413),
        ("GET /db/_changes?filter=_view&view=a/b", "", 404),
        ("POST /db/_changes?filter=_selector", "{}", 501),
        ("GET /db/_changes?feed=eventsource", "", 501),
        (&rev, "", 400),
        ("GET /db/d?rev=banana", "", 400),
        ("GET /db/d?open_revs=banana", "", 400),
        ("GET /db/d?open_revs=%5B%22banana%22%5D", "", 400),
    ];
    refuse_all(&mut client, table);
}

#[test]
fn bad_paths_and_bodies_are_refused_with_a_reason() {
    let mut client = Client::with_db();
    client.put("d", 1);
    let deep = "[".repeat(100_000);
    let nested = format!("{{\"keys\":{deep}");
    let long_id = "x".repeat(2_000);
    let list = |items: usize| vec!["\"1\""; items].join(",");
    let many = format!("{{\"docs\":[{}]}}", list(BULK_ITEMS_MAX + 1));
    let keys = format!("{{\"keys\":[{}]}}", list(BULK_ITEMS_MAX + 1));
    let revs = format!("{{\"d\":[{}]}}", list(BULK_ITEMS_MAX + 1));
    let put_long = format!("PUT /db/{long_id}");
    let table: &[(&str, &str, u16)] = &[
        ("GET /db/%", "", 400),
        ("GET /db/%C3%28", "", 400),
        ("GET /..%2F..%2Fetc%2Fpasswd", "", 404),
        ("PUT /..%2F..%2Fetc%2Fpasswd", "", 400),
        ("PUT /../../etc/passwd", "", 404),
        ("PUT /_users", "", 501),
        ("GET /_node/_local/_config", "", 501),
        ("GET /_config", "", 404),
        ("POST /_replicate", "{}", 501),
        ("GET /db/_security", "", 501),
        ("POST /db/_find", "{}", 501),
        ("GET /db/_design/a/_view/v", "", 501),
        ("PUT /db/d/attachment", "x", 501),
        ("GET /db/d/attachment", "", 404),
        ("PUT /Upper", "", 400),
        ("PUT /1a", "", 400),
        ("PATCH /db", "", 405),
        ("POST /", "", 405),
        ("PATCH /db/d", "", 405),
        ("DELETE /db?rev=1-a", "", 400),
        ("DELETE /db/_all_docs", "", 405),
        ("GET /db/_bulk_docs", "", 405),
        ("GET /db/_bulk_get", "", 405),
        ("PUT /db/_revs_diff", "", 405),
        ("PUT /db/x", "", 400),
        ("PUT /db/x", "[]", 400),
        ("PUT /db/x", "null", 400),
        ("PUT /db/x", "{\"a\":1}x", 400),
        ("PUT /db/x", &deep, 400),
        ("PUT /db/x", "{\"a\":NaN}", 400),
        ("PUT /db/x", "{\"_what\":1}", 400),
        ("PUT /db/x", "{\"_rev\":\"x\"}", 400),
        ("PUT /db/x", "{\"_rev\":{}}", 400),
        ("PUT /db/x", "{\"_attachments\":{\"a\":{}}}", 403),
        ("PUT /db/_local/x", "{\"_rev\":\"1-x\"}", 400),
        ("PUT /db/_local/x", "{\"_rev\":\"0-18446744073709551615\"}", 409),
        ("PUT /db/_foo", "{}", 400),
        (&put_long, "{}", 400),
        ("POST /db", "{\"_id\":\"\"}", 400),
        ("POST /db", "{\"_id\":\"_x\"}", 400),
        ("POST /db/_bulk_docs", "{}", 400),
        ("POST /db/_bulk_docs", "{\"docs\":1}", 400),
        ("POST /db/_bulk_docs", "{\"docs\":[1]}", 400),
        ("POST /db/_bulk_docs", &many, 413),
        ("POST /db/_revs_diff", "{\"d\":7}", 400),
        ("POST /db/_revs_diff", &revs, 413),
        ("POST /db/_all_docs", &nested, 400),
        ("POST /db/_all_docs", &keys, 413),
        ("POST /db/_all_docs", "{\"keys\":1}", 400),
        ("GET /db/_all_docs?startkey=b", "", 400),
        ("GET /db/_all_docs?startkey=1", "", 400),
        ("GET /db/_all_docs?skip=x", "", 400),
    ];
    refuse_all(&mut client, table);
    assert_eq!(client.expect(200, "GET /db", "")["doc_count"], 1, "nothing was stored");
}

/// Sends each request and expects its status and an error.
fn refuse_all(client: &mut Client, table: &[(&str, &str, u16)]) {
    for (line, body, status) in table {
        let refusal = client.expect(*status, line, (*body).to_owned());
        let said = |name: &str| refusal[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(said("error") && said("reason"), "{line}: {refusal}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_rejected() {
    let mut client = Client::with_db();
    for line in ["PUT /db/x", "POST /db", "POST /db/_bulk_docs", "POST /db/_changes"] {
        client.expect(400, line, &b"{\"a\":\"\xff\xfe\"}"[..]);
        client.expect(400, line, &b"\x00"[..]);
    }
    let name = [("If-Match", "\u{e9}")];
    assert_eq!(client.response_with("PUT /db/x", &name, "{}").status(), 201, "not text: not there");
}

#[test]
fn a_document_has_a_largest_size() {
    let mut client = Client::with_db();
    let json = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    client.expect(201, "PUT /db/fits", json(DOCUMENT_SIZE_MAX));
    let refusal = client.expect(413, "PUT /db/large", json(DOCUMENT_SIZE_MAX + 1));
    assert_eq!(refusal["error"], "document_too_large");
    let full = (0..9).map(|n| client.response(&format!("PUT /db/d{n}"), json(DOCUMENT_SIZE_MAX)));
    assert_eq!(full.last().unwrap().status(), 507);
}

#[test]
fn an_id_has_a_largest_length() {
    let mut client = Client::with_db();
    assert_eq!(ID_LENGTH_MAX, 1_024, "as DIFFERENCES.md says");
    for prefix in ["", "_local/"] {
        let id = |length| format!("PUT /db/{prefix}{}", "x".repeat(length));
        client.expect(201, &id(1_024), "{}");
        let refused = client.expect(400, &id(1_025), "{}");
        assert_eq!(refused["reason"], "Document id is too long");
    }
}

#[test]
fn an_answer_has_a_largest_size() {
    const TAIL: &str = "\r\n]}\n";
    let mut client = Client::with_db();
    assert_eq!(ANSWER_SIZE_MAX, 64 << 20);
    let json = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    client.expect(201, "PUT /db/long", json(7_000_000));
    let mut query = String::new();
    let mut read = |length: usize| {
        let stored = client.expect(201, &format!("PUT /db/fill{query}"), json(length));
        query = format!("?rev={}", stored["rev"].as_str().unwrap());
        let keys = format!("{{\"keys\":[{}\"fill\"]}}", "\"long\",".repeat(9));
        client.response("POST /db/_all_docs?include_docs=true", keys)
    };
    let rest = ANSWER_SIZE_MAX + TAIL.len() - read(0).body().len();
    let longest = read(rest);
    assert_eq!((longest.status().as_u16(), longest.body().len()), (200, ANSWER_SIZE_MAX + 5));
    assert_eq!(read(rest + 1).status(), 413);
}

#[test]
fn a_deep_document_is_kept_as_text() {
    let mut client = Client::with_db();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    client.expect(201, "PUT /db/deep", deep.clone());
    let got = client.response("GET /db/deep", "").into_body();
    assert!(std::str::from_utf8(&got).unwrap().contains(&deep[1..]));
}

/// Random bytes in all places, seeded: whatever comes, there is an answer.
#[test]
fn random_requests_are_answered() {
    let mut client = Client::with_db();
    client.put("d", 1);
    let words = [
        "/",
        "db",
        "d",
        "_changes",
        "_local",
        "_design",
        "_all_docs",
        "_bulk_docs",
        "_bulk_get",
        "?",
        "&",
        "since=",
        "limit=",
        "feed=longpoll",
        "feed=continuous",
        "keys=",
        "rev=",
        "open_revs=",
        "all",
        "%",
        "%22",
        "%5B",
        "%5D",
        "%00",
        "-",
        "0",
        "1",
        "now",
        "true",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"docs\"",
        "\"_id\"",
        "\"_rev\"",
    ];
    let methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"];
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for _ in 0..5_000 {
        let mut text = |from: usize, length: usize| -> String {
            (0..next(length)).map(|_| words[from + next(words.len() - from)]).collect()
        };
        let (path, body) = (text(0, 9), text(29, 9));
        let line = format!("{} /db/{path}", methods[next(methods.len())]);
        if format!("/db/{path}").parse::<http::Uri>().is_err() {
            continue;
        }
        match client.answer(&line, body) {
            Answer::Complete(response) => assert!(response.status().as_u16() != 500, "{line}"),
            Answer::Feed(mut follow) => {
                follow.rows(&client.couch);
                follow.end(&client.couch);
            }
        }
        if client.couch.store.database("db").is_none() {
            client.expect(201, "PUT /db", "");
        }
    }
}
