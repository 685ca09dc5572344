//! A server that sends the input once, or again and again, and is well before and after.

use super::ways::Place;
use bytes::Bytes;
use masque::filters::Stream;
use masque::reactor::Cx;
use masque::sessions::Connection;
use masque::wheels::ReadWrite;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Login,
    Server,
    Database,
    Document,
    Feed,
}

impl Asked {
    fn of(request: &[u8]) -> Self {
        if request.starts_with(b"POST /_session ") {
            Asked::Login
        } else if request.starts_with(b"GET / ") {
            Asked::Server
        } else if request.starts_with(b"GET /db ") {
            Asked::Database
        } else if request.starts_with(b"GET /db/_changes?") {
            Asked::Feed
        } else {
            Asked::Document
        }
    }
}

#[derive(Default)]
pub(super) struct Script {
    input: Vec<u8>,
    step: usize,
    place: Place,
    pub(super) requests: usize,
    feeds: usize,
    pub(super) inputs: usize,
    /// When the input was sent first, and last.
    pub(super) sent: Option<(Instant, Instant)>,
    is_well_sent: bool,
}

impl Script {
    /// Sends `input` in pieces of `step` bytes.
    pub(super) fn new(input: &[u8], step: usize, place: Place) -> Self {
        Script { input: input.to_vec(), step, place, ..Script::default() }
    }

    /// What is new to who asks, with what is asked for. Where a document's answer is the input,
    /// that of `x` is too long for a row, so that there is one.
    fn rows(&mut self, request: &str) -> Vec<String> {
        let is_long = self.place.asked() == Asked::Document;
        let since = request.split_once("since=").map_or("", |(_, rest)| rest);
        let since = since.split(['&', ' ']).next().unwrap_or_default();
        let row = |(seq, id): (&str, &str)| {
            let rest = if is_long && id == "x" { "y".repeat(5000) } else { String::new() };
            let doc = match request.contains("include_docs=true") {
                true => format!(r#","doc":{{"_rev":"9-well","rest":"{rest}"}}"#),
                false => String::new(),
            };
            format!(r#"{{"seq":"{seq}","id":"{id}","changes":[{{"rev":"9-well"}}]{doc}}}"#)
        };
        // As many as fill the window.
        let all = [("6-w", "a"), ("7-w", "b"), ("8-w", "c"), ("9-w", "x")];
        let known = all.iter().position(|(seq, _)| is_long && *seq == since);
        let most = if request.contains("&limit=1 ") { 1 } else { all.len() };
        self.is_well_sent = true;
        all.into_iter().skip(known.map_or(0, |known| known + 1)).take(most).map(row).collect()
    }

    fn feed(&mut self, request: &str) -> String {
        let rows = self.rows(request);
        if request.starts_with("GET /db/_changes?feed=continuous&") {
            let lines = rows.join("\n") + "\n";
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
            format!("{head}\r\n\r\n{:x}\r\n{lines}\r\n", lines.len())
        } else {
            json(&format!("{{\"results\":[\n{}],\n\"last_seq\":\"9-w\"}}\n", rows.join(",\n")))
        }
    }
}

fn json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) struct Wire(pub(super) Rc<RefCell<Script>>);

impl Connection for Wire {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, request: Bytes) {
        let mut script = self.0.borrow_mut();
        let (asked, request) = (Asked::of(&request), String::from_utf8_lossy(&request));
        script.requests += 1;
        if script.requests > 2000 {
            return wire.close(cx); // it is seen in the end
        }
        script.feeds += usize::from(asked == Asked::Feed);
        let is_broken_off = script.place.is_second_feed() && script.feeds == 1;
        if asked == script.place.asked() && !is_broken_off && script.inputs < script.place.repeats()
        {
            script.inputs += 1;
            script.sent = Some((script.sent.map_or(cx.now(), |(first, _)| first), cx.now()));
            for piece in script.input.chunks(script.step) {
                wire.put(cx, Bytes::copy_from_slice(piece));
            }
            return wire.finish(cx);
        }
        let rev = if script.is_well_sent { "9-well" } else { "1-a" };
        let answer = match asked {
            Asked::Login => {
                let cookie = "Set-Cookie: AuthSession=YQ; Version=1; Path=/; HttpOnly";
                format!("HTTP/1.1 200 OK\r\n{cookie}\r\nContent-Length: 11\r\n\r\n{{\"ok\":true}}")
            }
            Asked::Server => json(r#"{"couchdb":"Welcome","uuid":"u"}"#),
            Asked::Database => json(r#"{"update_seq":"1-a","instance_start_time":"1"}"#),
            Asked::Document => json(&format!(r#"{{"_rev":"{rev}"}}"#)),
            Asked::Feed => script.feed(&request),
        };
        wire.put(cx, answer);
        if is_broken_off && asked == Asked::Feed {
            wire.finish(cx);
        }
    }
}
