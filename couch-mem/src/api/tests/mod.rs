//! Requests and what a client would notice of their answers.

mod captures;
mod compared;
mod differences;
mod documents;
mod feeds;
mod hostile;
mod one_bad;
mod replication;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::{Answer, Couch, Feed, Then};
use crate::Identity;

/// A client of one embedded server.
struct Client {
    couch: Couch,
}

impl Client {
    /// A client of an empty server.
    fn new() -> Self {
        Self { couch: Couch::new(Identity { uuid: 0x00c0_ffee, start_time_s: 1_795_506_176 }) }
    }

    /// A client of a server with the database `db`.
    fn with_db() -> Self {
        let mut client = Self::new();
        client.expect(201, "PUT /db", "");
        client
    }

    /// Sends `METHOD /path`, with a body as JSON if there is one.
    fn answer(&mut self, line: &str, body: impl Into<Bytes>) -> Answer {
        self.answer_with(line, &[], body)
    }

    fn answer_with(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (method, path) = line.split_once(' ').expect("METHOD /path");
        let mut request = Request::builder().method(method).uri(path).header("Host", "host:5984");
        if !headers.iter().any(|(name, _)| *name == "Content-Type") {
            request = request.header("Content-Type", "application/json");
        }
        if !headers.iter().any(|(name, _)| *name == "Accept") {
            request = request.header("Accept", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.couch.answer(&request.body(body.into()).expect("a request"))
    }

    /// Sends a request that is answered at once.
    fn response(&mut self, line: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        self.response_with(line, &[], body)
    }

    fn response_with(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        match self.answer_with(line, headers, body) {
            Answer::Complete(response) => response,
            Answer::Feed(_) => panic!("{line}: a feed"),
        }
    }

    /// Sends a request, checks the status and the frame, and gives the JSON.
    fn expect(&mut self, status: u16, line: &str, body: impl Into<Bytes>) -> Value {
        let response = self.response(line, body);
        let text = std::str::from_utf8(response.body()).expect("UTF-8");
        assert_eq!(response.status(), status, "{line}: {text}");
        assert!(text.ends_with('\n'), "{line}: {text:?}");
        let length = response.headers()["content-length"].to_str().unwrap();
        assert_eq!(length, text.len().to_string(), "{line}");
        assert_eq!(response.headers()["content-type"], "application/json");
        serde_json::from_str(text).expect("JSON")
    }

    /// Sends a request that begins a feed.
    fn follow(&mut self, line: &str) -> Feed {
        match self.answer(line, "") {
            Answer::Feed(follow) => follow,
            Answer::Complete(response) => panic!("{line}: {response:?}"),
        }
    }

    /// What the feed has to say now, as text.
    fn rows(&self, follow: &mut Feed) -> (String, Then) {
        let rows = follow.rows(&self.couch);
        (String::from_utf8(rows.lines.to_vec()).unwrap(), rows.then)
    }

    fn end(&self, follow: &Feed) -> String {
        String::from_utf8(follow.end(&self.couch).to_vec()).unwrap()
    }

    /// Stores `{"n":n}` under an id that may exist, and gives the revision.
    fn put(&mut self, id: &str, n: u32) -> String {
        let old = self.response(&format!("HEAD /db/{id}"), "");
        let rev = old.headers().get("etag").map_or("", |tag| tag.to_str().unwrap());
        let query = if rev.is_empty() { "" } else { "?rev=" };
        let line = format!("PUT /db/{id}{query}{}", rev.trim_matches('"'));
        let stored = self.expect(201, &line, format!("{{\"n\":{n}}}"));
        stored["rev"].as_str().unwrap().to_owned()
    }
}

/// The ids of the rows in some lines of a feed.
fn ids(lines: &str) -> Vec<String> {
    let lines = lines.lines().filter(|line| line.starts_with("{\"seq\""));
    let rows = lines.map(|line| serde_json::from_str(line.trim_end_matches(',')).unwrap());
    rows.map(|row: Value| row["id"].as_str().unwrap().to_owned()).collect()
}
