//! Whatever a server sends in one of its answers, the follower neither panics nor makes a storm,
//! and it recovers when the server answers properly again. Of every change, no checkpoint passes a
//! row that is not acknowledged, and each checkpoint is read as it was written.
#![no_main]

use bytes::Bytes;
use couch_feed::{
    Action, Channel, Checkpoint, EveryChange, FeedEvent, FeedMode, FeedOptions, Follower, Lost,
    Query, Start,
};
use http::{Request, Response};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

const ROWS: [(&str, &str); 4] = [("6-w", "a"), ("7-w", "b"), ("8-w", "c"), ("9-w", "x")];

/// A piece of an answer that has not arrived.
enum Piece {
    Data(Bytes),
    End,
    Cut,
}

struct World<'a> {
    follower: Follower,
    now: Instant,
    /// The bad body, the length of its pieces, and which request it answers.
    input: &'a [u8],
    step: usize,
    place: u8,
    is_sent: bool,
    is_paused: bool,
    pieces: VecDeque<Piece>,
    requests: u32,
    is_well: bool,
    open: BTreeSet<u64>,
}

fuzz_target!(|input: &[u8]| {
    let [body @ .., place, how, step] = input else { return };
    let is_every = how & 1 != 0;
    let options = FeedOptions::new("http://u:p@h/db".parse().expect("it is a URL")).seed(1);
    let options = options.line_max(4096);
    let options = match how >> 1 & 3 {
        0 => options,
        1 => options.mode(FeedMode::LongPoll),
        2 => options.mode(FeedMode::Normal),
        _ => options.timeout(Duration::from_secs(10)),
    };
    let options = if place & 8 == 0 { options } else { options.cookie_session() };
    let options = if is_every {
        let every = EveryChange::since(Start::Beginning).window(4);
        options.every_change(if how & 8 == 0 {
            every.query(Query::new().include_docs())
        } else {
            every.drop_repeats()
        })
    } else {
        options.doc("x")
    };
    let now = Instant::now();
    let mut world = World {
        follower: options.follow(now),
        now,
        input: body,
        step: usize::from(*step).max(1),
        place: place & 7,
        is_sent: false,
        is_paused: false,
        pieces: VecDeque::new(),
        requests: 0,
        is_well: false,
        open: BTreeSet::new(),
    };
    world.run_until(now + Duration::from_secs(180));
    assert!(world.requests < 300, "a storm of {} requests", world.requests);
    if !world.is_well {
        // The body may have asked for a long pause.
        world.run_until(world.now + 2 * couch_feed::limits::RETRY_AFTER_MAX);
    }
    assert!(world.is_well, "it has not recovered");
    if is_every {
        world.acknowledge_all();
        let checkpoint = world.follower.checkpoint().expect("the database was reached");
        assert!(world.open.is_empty() && checkpoint.seq.as_str() == "9-w", "{checkpoint}");
    }
});

impl World<'_> {
    fn run_until(&mut self, end: Instant) {
        for _ in 0..200_000 {
            if let Some(action) = self.follower.poll_action() {
                self.act(action);
            } else if let Some(event) = self.follower.poll_event() {
                self.event(event);
            } else if self.follower.wants_settle() {
                self.follower.settle(self.now);
            } else if !self.is_paused
                && let Some(piece) = self.pieces.pop_front()
            {
                match piece {
                    Piece::Data(data) => self.follower.handle_data(self.now, Channel::Feed, &data),
                    Piece::End => self.follower.handle_end(self.now, Channel::Feed, true),
                    Piece::Cut => self.follower.handle_lost(self.now, Channel::Feed, Lost::Cut),
                }
            } else if !self.open.is_empty() {
                self.acknowledge_all();
            } else {
                let Some(due) = self.follower.poll_timeout().filter(|due| *due < end) else {
                    self.now = end;
                    return;
                };
                self.now = due.max(self.now);
                self.follower.handle_timeout(self.now);
            }
        }
        panic!("it does not come to rest");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect(Channel::Feed) => {
                self.pieces.clear();
                self.is_paused = false;
                self.follower.handle_connected(self.now, Channel::Feed);
            }
            Action::Connect(channel) => {
                let lost = Lost::Connect("there is one connection".into());
                self.follower.handle_lost(self.now, channel, lost);
            }
            Action::Send(_, request) => self.answer(&request),
            Action::Close(_) => self.pieces.clear(),
            Action::Pause => self.is_paused = true,
            Action::Resume => self.is_paused = false,
            _ => {}
        }
    }

    fn answer(&mut self, request: &Request<Bytes>) {
        self.requests += 1;
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let (asked, body) = match path {
            "/_session" => (4, r#"{"ok":true}"#.to_owned()),
            "/" => (1, r#"{"uuid":"u"}"#.to_owned()),
            "/db" => (2, r#"{"update_seq":"1-a","instance_start_time":"1"}"#.to_owned()),
            "/db/_changes" => (0, self.feed(query)),
            path => {
                let id = path.rsplit('/').next().unwrap_or_default();
                (3, format!(r#"{{"_id":"{id}","_rev":"9-well"}}"#))
            }
        };
        let is_bad = !self.is_sent && asked == self.place % 5;
        self.is_sent |= is_bad;
        if asked == 0 {
            self.is_well = !is_bad;
        }
        let head = Response::new(());
        self.follower.handle_head(self.now, SystemTime::UNIX_EPOCH, Channel::Feed, &head);
        let body = if is_bad { Bytes::copy_from_slice(self.input) } else { body.into() };
        let step = if is_bad { self.step } else { body.len().max(1) };
        let pieces = body.chunks(step).map(|piece| Piece::Data(Bytes::copy_from_slice(piece)));
        self.pieces = pieces.collect();
        let has_no_end = asked == 0 && !is_bad && query.contains("feed=continuous");
        if !has_no_end {
            self.pieces.push_back(if is_bad && self.place >= 5 { Piece::Cut } else { Piece::End });
        }
    }

    /// The rows after the requested sequence.
    fn feed(&self, query: &str) -> String {
        let since = query.split("since=").nth(1).and_then(|rest| rest.split('&').next());
        let known = ROWS.iter().position(|(seq, _)| Some(*seq) == since);
        let rows = ROWS.iter().skip(known.map_or(0, |known| known + 1)).map(|(seq, id)| {
            let doc = format!(r#","doc":{{"_id":"{id}","_rev":"9-well"}}"#);
            let doc = if query.contains("include_docs=true") { doc } else { String::new() };
            format!(r#"{{"seq":"{seq}","id":"{id}","changes":[{{"rev":"9-well"}}]{doc}}}"#)
        });
        let most = if query.contains("limit=1&") || query.ends_with("limit=1") { 1 } else { 4 };
        let rows: Vec<_> = rows.take(most).collect();
        if query.contains("feed=continuous") {
            rows.join("\n") + "\n"
        } else {
            format!("{{\"results\":[\n{}],\n\"last_seq\":\"9-w\"}}\n", rows.join(",\n"))
        }
    }

    fn event(&mut self, event: FeedEvent) {
        if let FeedEvent::Row { number, .. } = event {
            assert!(self.open.last().is_none_or(|last| *last < number), "row {number}");
            assert!(self.open.len() < 4, "more rows than the window has");
            self.open.insert(number);
        }
    }

    /// Acknowledges the latest row first: until the first one is, the checkpoint must not move.
    fn acknowledge_all(&mut self) {
        let before = self.follower.checkpoint().map(|checkpoint| checkpoint.seq);
        while let Some(number) = self.open.pop_last() {
            self.follower.acknowledge(self.now, number);
            let checkpoint = self.follower.checkpoint().expect("a row was reported");
            let read: Checkpoint = checkpoint.to_string().parse().expect("it is a checkpoint");
            assert_eq!(read, checkpoint);
            assert!(self.open.is_empty() || Some(checkpoint.seq) == before, "{number}");
        }
    }
}
