//! Whatever a server sends for a feed, the follower neither panics, nor makes a storm, nor tells
//! what was not there; and it goes on when the server is well again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use masque::filters::Stream;
use masque::reactor::{Cx, Event, Handlers, Rig, Session};
use masque::sessions::{ChangesFeed, Connection, FeedEvent, TcpServer};
use masque::wheels::ReadWrite;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_last() else { return };
    let script = Rc::new(RefCell::new(Script {
        feed: bytes.to_vec(),
        step: step.max(1).into(),
        ..Script::default()
    }));
    let mut rig = Rig::new();
    let server = script.clone();
    rig.spawn(TcpServer::new(("127.0.0.1", 5984)).serve(move |_| Wire(server.clone())));
    let events = Rc::new(RefCell::new(vec![]));
    rig.spawn(Watcher(events.clone()));
    rig.run_for(Duration::from_secs(180));
    let last = events.borrow().iter().rev().find_map(|event| match event {
        FeedEvent::Change(change) => Some(change.rev.clone()),
        _ => None,
    });
    assert_eq!(
        last.flatten().as_deref(),
        Some("9-well"),
        "it has not come back: {:?}",
        events.borrow()
    );
    assert!(script.borrow().requests < 100);
});

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
        if request.starts_with(b"GET /db ") {
            wire.put(cx, json(r#"{"update_seq":"1-a","instance_start_time":"1"}"#));
        } else if request.starts_with(b"GET /db/x ") {
            wire.put(cx, json(r#"{"_id":"x","_rev":"1-a"}"#));
        } else {
            script.feeds += 1;
            if script.feeds == 1 {
                for piece in script.feed.chunks(script.step) {
                    wire.put(cx, Bytes::copy_from_slice(piece));
                }
                wire.finish(cx);
            } else {
                let row = concat!(
                    r#"{"seq":"9-w","id":"x","changes":[{"rev":"9-well"}],"#,
                    r#""doc":{"_rev":"9-well"}}"#
                );
                let size = row.len() + 1;
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";
                wire.put(cx, format!("{head}\r\n\r\n{size:x}\r\n{row}\n\r\n"));
            }
        }
    }
}

struct Watcher(Rc<RefCell<Vec<FeedEvent>>>);

impl Watcher {
    const FEED: Event<FeedEvent> = Event::new("watcher.feed");
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, |watcher, _, event| watcher.0.borrow_mut().push(event));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let database = "http://127.0.0.1:5984/db".parse().expect("it names a database");
        let feed = ChangesFeed::new(database, cx.postback(Self::FEED)).seed(1).line_max(4096);
        cx.spawn(feed.doc("x"));
    }
}
