//! Every change: a feed of all rows of a database, at least once, over a restart.
//!
//! The dashboard needs only the current state of a document. An indexer or a replicator must see
//! every change, also those during a restart. It acknowledges each row, and a checkpoint file
//! records the sequence before which all rows are acknowledged.
//!
//! Notice:
//! - The next run repeats the rows that were not acknowledged when the feed ended: here the third
//!   row, whose work has only begun when the program ends.
//! - Rows may be acknowledged in any order. The checkpoint stays before the first unacknowledged
//!   row, so the fourth row, which was acknowledged, is repeated too.
//! - A thread writes the checkpoint, at most once a second, and at the feed's end.
//! - The server here is a script. With a `Reactor` and the URL of a CouchDB it is the real one.
//!
//! Run it with `cargo run --example 10_every_change`; it prints
//!
//! ```text
//! the first run begins at 0
//! row 1: apple 1-a, handled
//! row 2: pear 1-b, handled
//! row 3: plum 1-c, begun
//! row 4: apple 2-d, deleted, handled
//! the second run begins at 2
//! row 1: plum 1-c, handled
//! row 2: apple 2-d, deleted, handled
//! it ends at 4
//! ```

use bytes::Bytes;
use masque::filters::{Httpd, Request, Response};
use masque::reactor::{Cx, Event, Handlers, Rig, Session, SessionId};
use masque::sessions::{ChangesFeed, CheckpointFile, Connection, EveryChange, FeedEvent, Start};
use masque::sessions::{Database, TcpServer};
use masque::wheels::ReadWrite;
use std::path::Path;
use std::time::Duration;

/// Handles rows until the program ends.
struct Indexer {
    database: Database,
    file: Option<CheckpointFile>,
    feed: Option<SessionId>,
    /// The program ends during the work on this row.
    ends_at: u64,
}

impl Indexer {
    const FEED: Event<FeedEvent> = Event::new("indexer.feed");

    fn feed(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        let (Some(feed), FeedEvent::Row { number, row, .. }) = (self.feed, event) else { return };
        let gone = if row.deleted { ", deleted" } else { "" };
        let is_last = number == self.ends_at;
        let how = if is_last { "begun" } else { "handled" };
        println!("row {number}: {} {}{gone}, {how}", row.id, row.revs.join(" "));
        // The feed may have stopped: its earlier events still arrive.
        let _ = if is_last {
            cx.post(feed, ChangesFeed::SHUTDOWN, ())
        } else {
            cx.post(feed, ChangesFeed::HANDLED, number)
        };
    }
}

impl Session for Indexer {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, Self::feed);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let every = EveryChange::since(Start::Beginning);
        let file = self.file.take().expect("it starts once");
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
        self.feed = Some(cx.spawn(feed.every_change(every).checkpoint_file(file)));
    }
}

/// A CouchDB that knows its lines.
struct Couch;

const ROWS: [&str; 4] = [
    r#"{"seq":"1","id":"apple","changes":[{"rev":"1-a"}]}"#,
    r#"{"seq":"2","id":"pear","changes":[{"rev":"1-b"}]}"#,
    r#"{"seq":"3","id":"plum","changes":[{"rev":"1-c"}]}"#,
    r#"{"seq":"4","id":"apple","changes":[{"rev":"2-d"}],"deleted":true}"#,
];

impl Connection for Couch {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        Httpd::new()
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, asked: Result<Request, Response>) {
        let Ok(asked) = asked else { return wire.close(cx) };
        let (path, query) = (asked.uri().path(), asked.uri().query().unwrap_or_default());
        let since = query.split("since=").nth(1).and_then(|rest| rest.split('&').next());
        let body = match (path, since.and_then(|since| since.parse::<usize>().ok())) {
            ("/fruit/_changes", Some(since)) => ROWS[since..].join("\n") + "\n",
            ("/fruit", _) => r#"{"update_seq":"4","instance_start_time":"1"}"#.to_owned(),
            _ => r#"{"couchdb":"Welcome","uuid":"c0ffee"}"#.to_owned(),
        };
        wire.put(cx, Response::new(Bytes::from(body)));
    }
}

/// Runs until `ends_at` is worked on, or for some time.
fn run(name: &str, file: &Path, ends_at: u64) {
    let file = CheckpointFile::open(file).expect("it was written whole, or there is none");
    let begins = file.checkpoint().map_or("0".to_owned(), |checkpoint| checkpoint.seq.to_string());
    println!("the {name} run begins at {begins}");
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(("127.0.0.1", 5984)).serve(|_peer| Couch));
    rig.spawn(Indexer {
        database: "http://127.0.0.1/fruit".parse().expect("it names a database"),
        file: Some(file),
        feed: None,
        ends_at,
    });
    rig.run_for(Duration::from_millis(1));
    rig.stop();
    rig.run();
}

fn main() {
    let name = format!("fruit-{}.checkpoint", std::process::id());
    let path = std::env::temp_dir().join(name);
    run("first", &path, 3);
    run("second", &path, 0);
    let file = CheckpointFile::open(&path).expect("it was written whole");
    println!("it ends at {}", file.checkpoint().expect("rows were handled").seq);
    drop(file); // and what locked it
    for path in [&path, &path.with_extension("checkpoint.lock")] {
        std::fs::remove_file(path).expect("it was there");
    }
}
