//! Whatever a server sends for a feed, the follower neither panics, nor makes a storm, nor tells
//! what was not there; and it goes on when the server is well again. Of every change, no checkpoint
//! passes a row that is not handled.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use masque::filters::Stream;
use masque::reactor::{Cx, Event, Handlers, Rig, Session, SessionId};
use masque::sessions::{
    ChangesFeed, Checkpoint, Connection, EveryChange, FeedError, FeedEvent, FeedMode, Query, Start,
    TcpServer,
};
use masque::wheels::ReadWrite;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let [bytes @ .., how, step] = input else { return };
    let script = Rc::new(RefCell::new(Script {
        feed: [bytes, &[*how]].concat(),
        step: (*step).max(1).into(),
        ..Script::default()
    }));
    let mut rig = Rig::new();
    let server = script.clone();
    rig.spawn(TcpServer::new(("127.0.0.1", 5984)).serve(move |_| Wire(server.clone())));
    let seen = Rc::new(RefCell::new(Seen::default()));
    let how = How(how ^ b'\r');
    rig.spawn(Watcher {
        seen: seen.clone(),
        how,
        feed: None,
        unhandled: BTreeSet::new(),
        first: None,
    });
    rig.run_for(Duration::from_secs(180));
    let seen = seen.borrow();
    assert!(seen.is_well, "it has not come back: {:?}", seen.events);
    if how.is_every() {
        let last = seen.last.as_ref().map(|checkpoint| checkpoint.seq.as_str());
        assert_eq!(last, Some("9-w"), "all is handled: {:?}", seen.events);
    }
    // The answers of a server that is well have an end, which is seen whatever fills the window.
    let is_silent = |event: &FeedEvent| match event {
        FeedEvent::Lost { why, .. } => matches!(**why, FeedError::Silent(_)),
        _ => false,
    };
    let was_silent = how.is_paged() && seen.events.iter().any(is_silent);
    assert!(!was_silent, "an answer had no end: {:?}", seen.events);
    assert!(script.borrow().requests < 100);
});

const WINDOW: usize = 4;

/// How the feed is followed: by no bits set as a recording is that ends as most do.
#[derive(Clone, Copy)]
struct How(u8);

impl How {
    fn is_every(self) -> bool {
        self.0 & 1 != 0
    }

    fn is_paged(self) -> bool {
        matches!(self.0 >> 1 & 3, 1 | 2)
    }

    fn set(self, feed: ChangesFeed) -> ChangesFeed {
        let feed = match self.0 >> 1 & 3 {
            0 => feed,
            1 => feed.mode(FeedMode::LongPoll),
            2 => feed.mode(FeedMode::Normal),
            _ => feed.timeout(Duration::from_secs(10)),
        };
        if !self.is_every() {
            return feed.doc("x");
        }
        let every = EveryChange::since(Start::Beginning).window(WINDOW);
        if self.0 & 8 == 0 {
            feed.every_change(every.query(Query::new().include_docs()))
        } else {
            feed.every_change(every.drop_repeats())
        }
    }

    /// How many rows wait to be handled before one is.
    fn waiting(self) -> usize {
        usize::from(self.0 >> 4 & 3)
    }

    /// Which of so many is handled.
    fn pick(self, number: u64, of: usize) -> usize {
        let random = (number + u64::from(self.0 >> 6)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        random as usize % of
    }
}

#[derive(Default)]
struct Script {
    feed: Vec<u8>,
    step: usize,
    requests: usize,
    feeds: usize,
}

struct Wire(Rc<RefCell<Script>>);

impl Connection for Wire {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, request: Bytes) {
        let mut script = self.0.borrow_mut();
        script.requests += 1;
        let json =
            |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if request.starts_with(b"GET / ") {
            wire.put(cx, json(r#"{"couchdb":"Welcome","uuid":"u"}"#));
        } else if request.starts_with(b"GET /db ") {
            wire.put(cx, json(r#"{"update_seq":"1-a","instance_start_time":"1"}"#));
        } else if request.starts_with(b"GET /db/x ") {
            wire.put(cx, json(r#"{"_id":"x","_rev":"1-a"}"#));
        } else {
            script.feeds += 1;
            let row = |seq: &str, id: &str| {
                let rev = r#"{"rev":"9-well"}"#;
                let doc = r#"{"_rev":"9-well"}"#;
                format!(r#"{{"seq":"{seq}","id":"{id}","changes":[{rev}],"doc":{doc}}}"#)
            };
            // As many as fill the window.
            let rows = [row("6-w", "a"), row("7-w", "b"), row("8-w", "c"), row("9-w", "x")];
            if script.feeds == 1 {
                for piece in script.feed.chunks(script.step) {
                    wire.put(cx, Bytes::copy_from_slice(piece));
                }
                wire.finish(cx);
            } else if request.starts_with(b"GET /db/_changes?feed=continuous&") {
                let lines = rows.join("\n") + "\n";
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
                wire.put(cx, format!("{head}\r\n\r\n{:x}\r\n{lines}\r\n", lines.len()));
            } else {
                let rows = rows.join(",\n");
                wire.put(cx, json(&format!("{{\"results\":[\n{rows}],\n\"last_seq\":\"9-w\"}}\n")));
            }
        }
    }
}

/// What was told, and how far all is handled.
#[derive(Default)]
struct Seen {
    events: Vec<FeedEvent>,
    is_well: bool,
    last: Option<Checkpoint>,
}

struct Watcher {
    seen: Rc<RefCell<Seen>>,
    how: How,
    feed: Option<SessionId>,
    /// The numbers of the rows that wait to be handled.
    unhandled: BTreeSet<u64>,
    /// The first of them, with the checkpoint that holds as long as it waits.
    first: Option<(u64, Option<Checkpoint>)>,
}

impl Watcher {
    const FEED: Event<FeedEvent> = Event::new("watcher.feed");
    const WORK: Event<()> = Event::new("watcher.work");

    fn told(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        match &event {
            FeedEvent::Change(change) => {
                self.seen.borrow_mut().is_well = change.rev.as_deref() == Some("9-well");
            }
            FeedEvent::Row { number, row, .. } => {
                self.seen.borrow_mut().is_well |= row.revs == ["9-well"];
                let last = self.unhandled.last().copied().unwrap_or_default();
                assert!(*number > last, "row {number} behind row {last}");
                self.unhandled.insert(*number);
                self.look(cx);
                if self.unhandled.len() > self.how.waiting() {
                    self.handle(cx, self.how.pick(*number, self.unhandled.len()));
                }
                cx.delay(Self::WORK, Duration::from_millis(100), ());
            }
            _ => {}
        }
        self.seen.borrow_mut().events.push(event);
    }

    fn work(&mut self, cx: &mut Cx<'_>, (): ()) {
        while !self.unhandled.is_empty() {
            self.handle(cx, 0);
        }
    }

    fn handle(&mut self, cx: &mut Cx<'_>, place: usize) {
        let number = *self.unhandled.iter().nth(place).expect("it is one of them");
        self.unhandled.remove(&number);
        let feed = self.feed.expect("it is started");
        cx.call(feed, ChangesFeed::HANDLED, number).expect("the feed goes on");
        self.look(cx);
    }

    /// As long as a row is not handled the checkpoint stays where it was before that.
    fn look(&mut self, cx: &mut Cx<'_>) {
        let feed = self.feed.expect("it is started");
        let now = cx.call(feed, ChangesFeed::CHECKPOINT, ()).expect("the feed goes on");
        let first = self.unhandled.first().map(|number| (*number, now.clone()));
        if let (Some(first), Some(before)) = (&first, &self.first)
            && first.0 == before.0
        {
            assert_eq!(first.1, before.1, "row {} is not handled", first.0);
        }
        self.first = first;
        self.seen.borrow_mut().last = now;
    }
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, Self::told).on(Self::WORK, Self::work);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let database = "http://127.0.0.1:5984/db".parse().expect("it names a database");
        let feed = ChangesFeed::new(database, cx.postback(Self::FEED)).seed(1).line_max(4096);
        self.feed = Some(cx.spawn(self.how.set(feed)));
    }
}
