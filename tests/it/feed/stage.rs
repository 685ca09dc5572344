//! A stage for one follower: its server, its watcher, and their timeline.

use super::server::{Act, Asked, Wire, World, info, json, revision};
use masque::reactor::Limits;
use masque::reactor::{Cx, Event, Handlers, Rig, Session, SessionId};
use masque::sessions::{ChangesFeed, Checkpoint, Counters, Database, FeedEvent, TcpServer};
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

pub(super) struct Stage {
    pub(super) rig: Rig,
    pub(super) world: Rc<RefCell<World>>,
    /// All events, as a log or a debugger would show them.
    pub(super) told: Rc<RefCell<Vec<FeedEvent>>>,
    feed: Rc<Cell<Option<SessionId>>>,
    /// True if the watcher leaves rows for the test to acknowledge.
    is_busy: Rc<Cell<bool>>,
    server: SessionId,
    watcher: Option<SessionId>,
}

impl Stage {
    /// A server that answers with what `answers` gives.
    pub(super) fn new(answers: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Self {
        let world = Rc::new(RefCell::new(World::new(answers)));
        let mut rig = Rig::new();
        let server = listen(&mut rig, &world);
        let (told, feed, is_busy) = (Rc::default(), Rc::default(), Rc::default());
        Stage { rig, world, told, feed, is_busy, server, watcher: None }
    }

    /// A server without a `uuid`, with a database `db` at `update_seq`, which is JSON. `answers`
    /// answers the requests for documents and feeds.
    pub(super) fn with_database(
        update_seq: &str,
        mut answers: impl FnMut(&Asked) -> Vec<Act> + 'static,
    ) -> Self {
        let info = info(update_seq, "1");
        Self::new(move |asked| match asked.target.as_str() {
            "/" => vec![json("200 OK", "{}")],
            "/db" => vec![info.clone()],
            _ => answers(asked),
        })
    }

    /// A server with a database `db` at sequence `3-c`. It has a document `x` at revision `3-c`, or
    /// at the latest revision that a feed has sent. `feeds` answers the requests for a feed.
    pub(super) fn with_feeds(mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Self {
        let missing = json("404 Object Not Found", r#"{"error":"not_found","reason":"missing"}"#);
        let mut now = revision("x", "3-c");
        Self::with_database("\"3-c\"", move |asked| match asked.target.as_str() {
            "/db/x" => vec![now.clone()],
            _ if asked.is_feed() => {
                let acts = feeds(asked);
                if let Some(row) = acts.iter().flat_map(|act| act.rows("x")).last() {
                    let rev = &row["changes"][0]["rev"];
                    now = if row["deleted"] == true {
                        missing.clone()
                    } else {
                        json("200 OK", &format!(r#"{{"_id":"x","_rev":{rev}}}"#))
                    };
                }
                acts
            }
            _ => vec![missing.clone()],
        })
    }

    /// The same with other limits.
    pub(super) fn limited(mut self, limits: Limits) -> Self {
        self.rig = Rig::with_limits(limits);
        self.start_server();
        self
    }

    /// Follows `x`.
    pub(super) fn follow(self) -> Self {
        self.follow_with(|feed| feed.doc("x"))
    }

    /// Follows the database `db` with these settings.
    pub(super) fn follow_with(
        self,
        set: impl FnOnce(ChangesFeed) -> ChangesFeed + 'static,
    ) -> Self {
        self.follow_as("http://couch/db", set)
    }

    pub(super) fn follow_as(
        mut self,
        url: &str,
        set: impl FnOnce(ChangesFeed) -> ChangesFeed + 'static,
    ) -> Self {
        self.rig.name("couch", &[[127, 0, 0, 1].into()]);
        let watcher = Watcher {
            world: self.world.clone(),
            told: self.told.clone(),
            feed: self.feed.clone(),
            is_busy: self.is_busy.clone(),
            database: url.parse().unwrap(),
            set: Some(Box::new(set)),
        };
        self.watcher = Some(self.rig.spawn(watcher));
        self
    }

    pub(super) fn run_s(&mut self, seconds: f64) {
        self.rig.run_for(Duration::from_secs_f64(seconds));
    }

    pub(super) fn stop_watcher(&mut self) {
        self.rig.post(self.watcher.unwrap(), Watcher::LEAVE, ()).unwrap();
    }

    /// The server takes no more connections, or does so again.
    pub(super) fn stop_server(&mut self) {
        self.rig.post(self.server, TcpServer::SHUTDOWN, ()).unwrap();
        self.rig.settle();
    }

    pub(super) fn start_server(&mut self) {
        self.server = listen(&mut self.rig, &self.world);
    }

    pub(super) fn counters(&mut self) -> Counters {
        let feed = self.feed.get().unwrap();
        self.rig.call(feed, ChangesFeed::COUNTERS, ()).unwrap()
    }

    pub(super) fn feed(&self) -> SessionId {
        self.feed.get().unwrap()
    }

    /// From now on the watcher does not handle rows.
    pub(super) fn busy(self) -> Self {
        self.is_busy.set(true);
        self
    }

    /// The watcher handles a row after all.
    pub(super) fn handle(&mut self, number: u64) {
        let feed = self.feed();
        self.rig.post(feed, ChangesFeed::HANDLED, number).unwrap();
        self.rig.settle();
    }

    /// The sequence up to which all is handled.
    pub(super) fn handled(&mut self) -> String {
        self.checkpoint().map_or("-".into(), |checkpoint| checkpoint.seq.to_string())
    }

    pub(super) fn checkpoint(&mut self) -> Option<Checkpoint> {
        self.rig.call(self.feed.get().unwrap(), ChangesFeed::CHECKPOINT, ()).unwrap()
    }

    /// Ends the feed.
    pub(super) fn shut_down(&mut self) {
        let feed = self.feed();
        self.rig.post(feed, ChangesFeed::SHUTDOWN, ()).unwrap();
        self.rig.settle();
    }

    /// The timeline, as one text.
    pub(super) fn log(&self) -> String {
        self.world.borrow().log.join("\n")
    }

    /// Clears the timeline.
    pub(super) fn clear(&mut self) {
        self.world.borrow_mut().log.clear();
    }

    pub(super) fn connections(&self) -> usize {
        self.world.borrow().connections
    }

    /// Runs for `seconds` and compares the timeline since the last call.
    #[track_caller]
    pub(super) fn check(&mut self, seconds: f64, expected: &str) {
        self.run_s(seconds);
        let log = std::mem::take(&mut self.world.borrow_mut().log).join("\n");
        let expected: Vec<_> = expected.trim().lines().map(str::trim_start).collect();
        let expected = expected.join("\n");
        assert!(log == expected, "this was done:\n{log}\n\nand this expected:\n{expected}");
        assert!(self.world.borrow().most_open <= 1, "there was more than one connection");
    }

    /// The reported revisions of a document, `-` if it was deleted.
    pub(super) fn revs(&self, id: &str) -> Vec<String> {
        let told = self.told.borrow();
        let changes = told.iter().filter_map(|event| match event {
            FeedEvent::Change(change) if change.id == id => Some(change),
            _ => None,
        });
        let rev = |rev: Option<String>| rev.unwrap_or_default();
        changes.map(|c| c.doc.as_ref().map_or("-".into(), |_| rev(c.rev.clone()))).collect()
    }
}

fn listen(rig: &mut Rig, world: &Rc<RefCell<World>>) -> SessionId {
    let world = world.clone();
    rig.spawn(TcpServer::new(("127.0.0.1", 5984)).serve(move |_| Wire::new(&world)))
}

/// Writes events to the timeline.
struct Watcher {
    world: Rc<RefCell<World>>,
    told: Rc<RefCell<Vec<FeedEvent>>>,
    feed: Rc<Cell<Option<SessionId>>>,
    is_busy: Rc<Cell<bool>>,
    database: Database,
    set: Option<Box<Set>>,
}

type Set = dyn FnOnce(ChangesFeed) -> ChangesFeed;

impl Watcher {
    const FEED: Event<FeedEvent> = Event::new("watcher.feed");
    const LEAVE: Event<()> = Event::new("watcher.leave");

    fn feed(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        let mut shown = String::new();
        match &event {
            FeedEvent::Connected { connection, since } => {
                write!(shown, "connected #{connection} since {since}")
            }
            FeedEvent::CaughtUp => write!(shown, "caught up"),
            FeedEvent::Change(change) => match (&change.rev, &change.doc) {
                (Some(rev), Some(_)) => write!(shown, "{} is {rev}", change.id),
                (Some(rev), None) => write!(shown, "{} is gone at {rev}", change.id),
                (None, _) => write!(shown, "{} is gone", change.id),
            },
            FeedEvent::Lost { why, retry_after, times, .. } => {
                write!(shown, "lost ({times}), again in {:.3}: {why}", retry_after.as_secs_f64())
            }
            FeedEvent::GaveUp { why, times, since } => {
                let since = since.as_ref().map_or("nowhere", |since| since.as_str());
                write!(shown, "gave up ({times}) at {since}: {why}")
            }
            FeedEvent::Recreated => write!(shown, "recreated"),
            FeedEvent::Stuck { times, since, why } => {
                write!(shown, "stuck ({times}) at {since}: {why}")
            }
            FeedEvent::Row { number, row, is_repeat } => {
                let seq = row.seq.as_ref().map_or("-", |seq| seq.as_str());
                let gone = if row.deleted { " gone" } else { "" };
                let again = if *is_repeat { " again" } else { "" };
                write!(
                    shown,
                    "row {number}: {}{gone} {} at {seq}{again}",
                    row.id,
                    row.revs.join("+")
                )
            }
            FeedEvent::Rewound => write!(shown, "rewound"),
            FeedEvent::Mismatch(mismatch) => write!(shown, "{mismatch}"),
            FeedEvent::Unsaved(error) => write!(shown, "not saved: {error}"),
            FeedEvent::Ended(end) => write!(shown, "ended: {end:?}"),
            FeedEvent::TooLong { id, max } => write!(shown, "{id} is longer than {max}"),
            FeedEvent::Unread { id, why } => write!(shown, "{id} cannot be read: {why}"),
            other => write!(shown, "{other:?}"),
        }
        .unwrap();
        self.world.borrow_mut().note(cx, &shown);
        if let FeedEvent::Row { number, .. } = event
            && let Some(feed) = self.feed.get().filter(|_| !self.is_busy.get())
        {
            cx.post(feed, ChangesFeed::HANDLED, number).unwrap();
        }
        self.told.borrow_mut().push(event);
    }
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, Self::feed).on(Self::LEAVE, |_, cx, ()| cx.stop());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED)).seed(1);
        let set = self.set.take().unwrap();
        self.feed.set(Some(cx.spawn(set(feed))));
    }
}
