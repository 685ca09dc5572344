//! `_changes` as it goes on.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, ids};
use crate::api::{Feed, Pace, Then};
use crate::limits::ROWS_SIZE;

#[test]
fn a_continuous_feed_shows_what_there_is_and_then_what_comes() {
    let mut client = Client::with_db();
    client.put("a", 1);
    let mut feed = client.follow("GET /db/_changes?feed=continuous&include_docs=true");
    assert_eq!(feed.database(), "db");
    let (lines, then) = client.rows(&mut feed);
    assert_eq!((ids(&lines), then), (vec!["a".into()], Then::Wait));
    assert!(lines.contains("\"doc\":{\"_id\":\"a\",\"_rev\":\"1-") && lines.ends_with("}\n"));
    assert_eq!(client.rows(&mut feed), (String::new(), Then::Wait));
    client.put("b", 1);
    let rev = client.put("a", 2);
    client.expect(200, &format!("DELETE /db/a?rev={rev}"), "");
    assert_eq!(client.couch.take_changed(), ["db".into()]);
    let (lines, _) = client.rows(&mut feed);
    assert_eq!(ids(&lines), ["b", "a"], "the three edits of a are one row");
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["deleted"], &last["doc"]["_deleted"]), (&json!(true), &json!(true)));
    let end: Value = serde_json::from_str(&client.end(&feed)).unwrap();
    assert_eq!((&end["last_seq"], &end["pending"]), (&last["seq"], &json!(0)));
}

#[test]
fn a_long_poll_waits_for_one_row() {
    let mut client = Client::with_db();
    client.put("a", 1);
    let mut poll = client.follow("GET /db/_changes?feed=longpoll&since=now");
    assert_eq!(client.rows(&mut poll), (String::new(), Then::Wait));
    client.put("b", 1);
    client.put("c", 1);
    let (lines, then) = client.rows(&mut poll);
    assert_eq!(then, Then::End);
    let body = String::from_utf8(poll.opening().to_vec()).unwrap() + &lines + &client.end(&poll);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["results"].as_array().unwrap().len(), 2);
    assert!(body["last_seq"].as_str().unwrap().starts_with("3-"));

    let silent = client.follow("GET /db/_changes?feed=longpoll&since=now&timeout=2000");
    let body = String::from_utf8(silent.opening().to_vec()).unwrap() + &client.end(&silent);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["results"], &body["pending"]), (&json!([]), &json!(0)));
}

#[test]
fn the_pace_is_the_requested_one() {
    let heartbeat = |ms| Pace::Heartbeat(Duration::from_millis(ms));
    let timeout = |ms| Pace::Timeout(Duration::from_millis(ms));
    let table = [
        ("", timeout(60_000)),
        ("&timeout=2000", timeout(2_000)),
        ("&timeout=0", timeout(0)),
        ("&timeout=99999999999999999999999", timeout(60_000)),
        ("&heartbeat=500", heartbeat(500)),
        ("&heartbeat=true", heartbeat(60_000)),
        ("&heartbeat=500&timeout=1", heartbeat(500)),
        ("&heartbeat=1", heartbeat(50)),
        ("&heartbeat=99999999999999999999999", heartbeat(86_400_000)),
    ];
    let mut client = Client::with_db();
    for (query, expected) in table {
        let feed = client.follow(&format!("GET /db/_changes?feed=live{query}"));
        assert_eq!(feed.pace(), expected, "{query}");
    }
}

#[test]
fn limits_count_rows_and_pending_counts_the_rest() {
    let mut client = Client::with_db();
    for id in ["a", "b", "c", "d"] {
        client.put(id, 1);
    }
    for (limit, rows, last, pending) in [(0, 0, "0-", 4), (2, 2, "2-", 2), (9, 4, "4-", 0)] {
        let answer = client.expect(200, &format!("GET /db/_changes?limit={limit}"), "");
        assert_eq!(answer["results"].as_array().unwrap().len(), rows);
        assert!(answer["last_seq"].as_str().unwrap().starts_with(last), "{answer}");
        assert_eq!(answer["pending"], pending);
    }
    let now = client.expect(200, "GET /db/_changes?since=now&limit=0", "")["last_seq"].clone();
    let mut feed =
        client.follow("GET /db/_changes?feed=continuous&limit=1&since=now&heartbeat=500");
    assert_eq!(client.rows(&mut feed).1, Then::Wait);
    client.put("e", 1);
    client.put("f", 1);
    let (lines, then) = client.rows(&mut feed);
    assert_eq!((ids(&lines), then), (vec!["e".into()], Then::End));
    assert!(client.end(&feed).ends_with(",\"pending\":1}\n"));
    for since in [now.as_str().unwrap().to_owned(), now.to_string().replace('"', "%22")] {
        let behind = client.expect(200, &format!("GET /db/_changes?since={since}"), "");
        assert_eq!(behind["results"][0]["id"], "e", "{since}");
    }
}

#[test]
fn a_feed_of_some_documents_skips_the_others() {
    let mut client = Client::with_db();
    for id in ["a", "b", "c"] {
        client.put(id, 1);
    }
    client.expect(201, "PUT /db/_design/app", "{}");
    let by_query = "/db/_changes?filter=_doc_ids&doc_ids=%5B%22c%22%2C%22a%22%5D";
    let answer = client.expect(200, &format!("GET {by_query}"), "");
    assert_eq!(answer["results"][1]["id"], "c");
    assert!(
        answer["last_seq"].as_str().unwrap().starts_with("4-"),
        "it moves past what was left out"
    );
    let by_body = client.expect(200, "POST /db/_changes?filter=_doc_ids", r#"{"doc_ids":["b"]}"#);
    assert_eq!(by_body["results"].as_array().unwrap().len(), 1);
    let design = client.expect(200, "GET /db/_changes?filter=_design", "");
    assert_eq!(design["results"][0]["id"], "_design/app");

    let mut feed = client.follow(&format!("GET {by_query}&feed=continuous&since=now"));
    client.put("b", 2);
    assert_eq!(client.rows(&mut feed), (String::new(), Then::Wait));
    assert!(client.end(&feed).contains("\"5-"), "{}", client.end(&feed));
    client.put("a", 2);
    assert_eq!(ids(&client.rows(&mut feed).0), ["a"]);
}

#[test]
fn a_feed_ends_with_its_database_also_when_there_is_a_new_one() {
    for again in [false, true] {
        let mut client = Client::with_db();
        client.put("a", 1);
        let mut feed = client.follow("GET /db/_changes?feed=continuous&heartbeat=1000");
        client.rows(&mut feed);
        client.expect(200, "DELETE /db", "");
        if again {
            client.expect(201, "PUT /db", "");
            client.put("b", 1);
        }
        assert!(client.couch.take_changed().contains(&"db".into()));
        assert_eq!(client.rows(&mut feed), (String::new(), Then::End));
        let end: Value = serde_json::from_str(&client.end(&feed)).unwrap();
        assert_eq!(end["pending"], 0);
        let since = end["last_seq"].as_str().unwrap();
        if again {
            let replay = client.expect(200, &format!("GET /db/_changes?since={since}"), "");
            assert_eq!(replay["results"][0]["id"], "b", "the new database from its start");
        } else {
            client.expect(404, &format!("GET /db/_changes?since={since}"), "");
        }
    }
}

#[test]
fn a_backlog_comes_in_portions() {
    let mut client = Client::with_db();
    let value = "x".repeat(10_000);
    for n in 0..50 {
        client.expect(201, &format!("PUT /db/d{n}"), format!("{{\"v\":\"{value}\"}}"));
    }
    for feed in ["normal", "longpoll", "continuous"] {
        let line = format!("GET /db/_changes?feed={feed}&include_docs=true");
        let mut follow = client.follow(&line);
        let mut body = String::from_utf8(follow.opening().to_vec()).unwrap();
        let then = loop {
            let (lines, then) = client.rows(&mut follow);
            assert!(lines.len() < ROWS_SIZE + 11_000);
            body.push_str(&lines);
            if then != Then::More {
                break then;
            }
        };
        assert_eq!(then, if feed == "continuous" { Then::Wait } else { Then::End });
        body.push_str(&client.end(&follow));
        assert_eq!(ids(&body).len(), 50, "{feed}");
        if feed != "continuous" {
            serde_json::from_str::<Value>(&body).expect("one JSON object");
        }
    }
}

#[test]
fn descending_is_newest_first_and_ends() {
    let mut client = Client::with_db();
    for id in ["a", "b", "c"] {
        client.put(id, 1);
    }
    let answer = client.expect(200, "GET /db/_changes?descending=true&limit=2", "");
    assert_eq!(
        (&answer["results"][0]["id"], &answer["results"][1]["id"]),
        (&json!("c"), &json!("b"))
    );
    let line = "GET /db/_changes?feed=continuous&descending=true&heartbeat=500&since=0";
    let body = client.response(line, "").into_body();
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(ids(text), ["c", "b", "a"]);
    assert!(text.lines().last().unwrap().starts_with("{\"last_seq\":\"1-"));
}

#[test]
fn a_feeds_head_has_no_length() {
    let mut client = Client::with_db();
    client.follow("GET /db/_changes?feed=continuous");
    let head = Feed::head();
    assert_eq!(head.status(), 200);
    assert!(!head.headers().contains_key("content-length"));
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(Feed::HEARTBEAT, b"\n");
}
