//! Who is told, handles rows in some order, and looks at the checkpoint at each step.

use super::server::Asked;
use super::ways::{How, Place};
use masque::reactor::{Cx, Event, Handlers, Session, SessionId};
use masque::sessions::{ChangesFeed, Checkpoint, FeedEvent, Start};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// How long the rows that are left wait to be handled.
pub(super) const WORK_TIME: Duration = Duration::from_millis(100);
const DATABASE: &str = "http://127.0.0.1:5984/db";

/// What was told, and how far all is handled.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) events: Vec<FeedEvent>,
    pub(super) is_well: bool,
    pub(super) last: Option<Checkpoint>,
    pub(super) unhandled: usize,
}

pub(super) struct Watcher {
    seen: Rc<RefCell<Seen>>,
    how: How,
    place: Place,
    feed: Option<SessionId>,
    /// Whether it is the one that was started from the checkpoint of the one before.
    is_second: bool,
    /// The numbers of the rows that wait to be handled.
    unhandled: BTreeSet<u64>,
    /// The first of them, with the checkpoint that holds as long as it waits.
    first: Option<(u64, Option<Checkpoint>)>,
}

impl Watcher {
    pub(super) fn new(seen: &Rc<RefCell<Seen>>, how: How, place: Place) -> Self {
        Watcher {
            seen: seen.clone(),
            how,
            place,
            feed: None,
            is_second: false,
            unhandled: BTreeSet::new(),
            first: None,
        }
    }

    const FEED: Event<FeedEvent> = Event::new("watcher.feed");
    const SECOND: Event<FeedEvent> = Event::new("watcher.second");
    const WORK: Event<()> = Event::new("watcher.work");

    fn told_first(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        if self.is_second {
            return; // it was under way
        }
        let is_lost = matches!(event, FeedEvent::Lost { .. });
        self.told(cx, event);
        if is_lost && self.place.is_started_anew() {
            self.start_anew(cx);
        }
    }

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
                cx.delay(Self::WORK, WORK_TIME, ());
            }
            _ => {}
        }
        self.seen.borrow_mut().events.push(event);
    }

    /// From the checkpoint, if there is one, as from a file.
    fn start_anew(&mut self, cx: &mut Cx<'_>) {
        let feed = self.feed.expect("it is started");
        let kept = cx.call(feed, ChangesFeed::CHECKPOINT, ()).expect("the feed goes on");
        let text = kept.as_ref().map(Checkpoint::to_string);
        let read = text.map(|text| text.parse().unwrap_or_else(|why| panic!("{why}: {text}")));
        assert_eq!(read, kept);
        cx.post(feed, ChangesFeed::SHUTDOWN, ()).expect("the feed goes on");
        self.is_second = true;
        self.unhandled.clear();
        self.first = None;
        self.start(cx, kept.map_or(Start::Beginning, Start::Checkpoint));
    }

    fn start(&mut self, cx: &mut Cx<'_>, from: Start) {
        let is_login = self.place.asked() == Asked::Login;
        let database = if is_login { "http://u:p@127.0.0.1:5984/db" } else { DATABASE };
        let database = database.parse().expect("it names a database");
        let postback = cx.postback(if self.is_second { Self::SECOND } else { Self::FEED });
        let feed = ChangesFeed::new(database, postback).seed(1).line_max(4096);
        let feed = if is_login { feed.cookie_session() } else { feed };
        self.feed = Some(cx.spawn(self.how.set(feed, from, self.place.on_mismatch())));
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
        let mut seen = self.seen.borrow_mut();
        (seen.last, seen.unhandled) = (now, self.unhandled.len());
    }
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, Self::told_first).on(Self::SECOND, Self::told).on(Self::WORK, Self::work);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        self.start(cx, Start::Beginning);
    }
}
