//! A server whose answers and times a test determines exactly.

use bytes::Bytes;
use masque::filters::Stream;
use masque::reactor::{Cx, Event, Handlers};
use masque::sessions::{Connection, Peer};
use masque::wheels::{Ended, ReadWrite};
use percent_encoding::percent_decode_str;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// What a server does next. Each `Send` is a turn of its own, so that it is read by itself.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Send(Bytes),
    Wait(Duration),
    /// Ends in good order, once everything is sent.
    Finish,
    /// Goes away at once.
    Kill,
    /// Sends as much of this as the network takes, and resets the connection if that is not all.
    Reset(Bytes),
}

impl Act {
    pub(super) fn send(bytes: impl Into<Vec<u8>>) -> Self {
        Act::Send(bytes.into().into())
    }

    /// The rows of a document that are sent whole.
    pub(super) fn rows(&self, id: &str) -> Vec<serde_json::Value> {
        let Act::Send(bytes) = self else { return vec![] };
        let lines = bytes.split(|byte| *byte == b'\n');
        let rows = lines.filter_map(|line| {
            let line = line.trim_ascii();
            serde_json::from_slice(line.strip_suffix(b",").unwrap_or(line)).ok()
        });
        rows.filter(|row: &serde_json::Value| row["id"] == id).collect()
    }

    pub(super) fn wait_s(seconds: f64) -> Self {
        Act::Wait(Duration::from_secs_f64(seconds))
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// How many requests for a feed there were, this one included.
    pub(super) feeds: usize,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn is_feed(&self) -> bool {
        self.target.contains("_changes?")
    }

    /// Returns true if it asks where the existing changes end.
    pub(super) fn is_sounding(&self) -> bool {
        self.target.contains("feed=normal")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The decoded `since`.
    pub(super) fn since(&self) -> String {
        let since = self.target.split("since=").nth(1).unwrap_or_default();
        let since = since.split('&').next().unwrap_or_default();
        percent_decode_str(since).decode_utf8().unwrap().into_owned()
    }

    /// The request in short: what every feed asks for is left out.
    fn shown(&self) -> String {
        let usual = "/db/_changes?feed=continuous&include_docs=true&heartbeat=10000&since=";
        let filter = "&filter=_doc_ids&doc_ids=%5B%22x%22%5D";
        let bare = "/db/_changes?feed=continuous&include_docs=false&heartbeat=10000&since=";
        let is_filtered = self.target.contains("filter=_doc_ids");
        if let Some(rest) = self.target.strip_prefix(bare).filter(|_| !is_filtered) {
            return format!("{} rows since {rest}", self.method);
        }
        match self.target.strip_prefix(usual).and_then(|rest| rest.strip_suffix(filter)) {
            Some(since) => format!("feed since {since}"),
            None => format!("{} {}", self.method, self.target),
        }
    }
}

type Answers = dyn FnMut(&Asked) -> Vec<Act>;

/// The script of the server, and the timeline of the test.
pub(super) struct World {
    answers: Box<Answers>,
    pub(super) asked: Vec<Asked>,
    pub(super) log: Vec<String>,
    pub(super) connections: usize,
    feeds: usize,
    streams: usize,
    pub(super) open: usize,
    pub(super) most_open: usize,
}

impl World {
    pub(super) fn new(answers: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Self {
        World {
            answers: Box::new(answers),
            asked: vec![],
            log: vec![],
            connections: 0,
            feeds: 0,
            streams: 0,
            open: 0,
            most_open: 0,
        }
    }

    pub(super) fn note(&mut self, cx: &Cx<'_>, what: &str) {
        let time = cx.date().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.log.push(format!("{:.3} {what}", time.as_secs_f64()));
    }
}

/// The server's side of one connection.
pub(super) struct Wire {
    world: Rc<RefCell<World>>,
    number: usize,
    input: Vec<u8>,
    acts: VecDeque<Act>,
    is_acting: bool,
}

impl Wire {
    const NEXT: Event<()> = Event::new("wire.next");

    pub(super) fn new(world: &Rc<RefCell<World>>) -> Self {
        Wire {
            world: world.clone(),
            number: 0,
            input: vec![],
            acts: VecDeque::new(),
            is_acting: false,
        }
    }

    fn act(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        self.is_acting = true;
        match self.acts.pop_front() {
            Some(Act::Send(bytes)) if bytes.is_empty() => cx.yield_now(Self::NEXT, ()),
            Some(Act::Send(bytes)) => drop(wire.put(cx, bytes)),
            Some(Act::Wait(time)) => cx.delay(Self::NEXT, time, ()),
            Some(Act::Finish) => wire.finish(cx),
            Some(Act::Kill) => wire.close(cx),
            Some(Act::Reset(bytes)) => {
                wire.put(cx, bytes);
                wire.close(cx);
            }
            None => self.is_acting = false,
        }
    }

    /// Takes the requests that are complete.
    fn take_requests(&mut self, cx: &mut Cx<'_>) {
        while let Some(end) = find(&self.input, b"\r\n\r\n") {
            let head = String::from_utf8(self.input[..end].to_vec()).unwrap();
            let mut words = head.split(' ');
            let mut world = self.world.borrow_mut();
            let mut asked = Asked {
                feeds: 0,
                method: words.next().unwrap().into(),
                target: words.next().unwrap().into(),
                head: head.clone(),
                body: String::new(),
            };
            let length = asked.header("content-length").map_or(0, |value| value.parse().unwrap());
            let Some(body) = self.input.get(end + 4..end + 4 + length) else { return };
            asked.body = String::from_utf8(body.to_vec()).unwrap();
            self.input.drain(..end + 4 + length);
            // Not the one between, by which a feed that goes on is asked for its end.
            let is_between = asked.is_sounding() && world.feeds > 0 && world.streams > 0;
            world.feeds += usize::from(asked.is_feed() && !is_between);
            world.streams += usize::from(asked.is_feed() && !asked.is_sounding());
            asked.feeds = world.feeds;
            let shown = format!("#{} {}", self.number, asked.shown());
            world.note(cx, &shown);
            world.asked.push(asked.clone());
            self.acts.extend((world.answers)(&asked));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

impl Connection for Wire {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::NEXT, |peer, cx, ()| {
            if let Some(wire) = peer.wire() {
                peer.connection.act(cx, wire);
            }
        });
    }

    fn connected(&mut self, _: &mut Cx<'_>, _: ReadWrite<Stream>) {
        let mut world = self.world.borrow_mut();
        world.connections += 1;
        world.open += 1;
        world.most_open = world.most_open.max(world.open);
        self.number = world.connections;
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, bytes: Bytes) {
        self.input.extend_from_slice(&bytes);
        self.take_requests(cx);
        if !self.is_acting {
            self.act(cx, wire);
        }
    }

    fn flushed(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        self.act(cx, wire);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, _: &Ended) {
        wire.close(cx); // as CouchDB does, it does not answer who has left
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, _: &Ended) {
        self.world.borrow_mut().open -= 1;
    }
}

/// A whole answer.
pub(super) fn json(status: &str, body: &str) -> Act {
    let length = body.len();
    Act::send(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"))
}

/// The answer to a request for a document that has only its revision.
pub(super) fn revision(id: &str, rev: &str) -> Act {
    json("200 OK", &format!(r#"{{"_id":"{id}","_rev":"{rev}"}}"#))
}

/// The same whose length is not known before its end.
pub(super) fn unannounced(body: &str) -> Act {
    let length = body.len();
    Act::send(format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    ))
}

/// What `GET /db` is answered.
pub(super) fn info(update_seq: &str, identity: &str) -> Act {
    let identity = format!(r#""instance_start_time":"{identity}""#);
    json("200 OK", &format!(r#"{{"db_name":"db","update_seq":{update_seq},{identity}}}"#))
}

/// The head of a feed.
pub(super) fn begin() -> Act {
    Act::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// One chunk of a feed.
pub(super) fn chunk(text: &str) -> Act {
    Act::send(format!("{:x}\r\n{text}\r\n", text.len()))
}

/// A heartbeat each ten seconds.
pub(super) fn beats(times: usize) -> impl Iterator<Item = Act> {
    std::iter::repeat_n([Act::wait_s(10.0), chunk("\n")], times).flatten()
}

/// The answer with the end of a feed, for a client that has all changes.
pub(super) fn nothing_more(asked: &Asked) -> Act {
    let since = asked.since();
    let is_json = serde_json::from_str::<serde_json::Value>(&since).is_ok();
    let last = if is_json { since } else { format!("\"{since}\"") };
    json("200 OK", &format!("{{\"results\":[\n\n],\n\"last_seq\":{last},\"pending\":0}}\n"))
}

/// The last chunk.
pub(super) fn end() -> Act {
    Act::send("0\r\n\r\n")
}

/// The line of a row with its document; `seq` is JSON.
pub(super) fn row(seq: &str, id: &str, rev: &str) -> String {
    let doc = format!(r#"{{"_id":"{id}","_rev":"{rev}"}}"#);
    format!(r#"{{"seq":{seq},"id":"{id}","changes":[{{"rev":"{rev}"}}],"doc":{doc}}}"#) + "\n"
}
