//! How the followed documents stand, and who is told when they change.

use crate::command_line::Options;
use crate::conditional::Tagged;
use crate::console::said;
use crate::document::Document;
use crate::feed::{self, Feed, State, Status};
use bytes::Bytes;
use masque::reactor::{Cx, Event, Handlers, Session, SessionId, Topic};
use masque::sessions::{Change, ChangesFeed, Database, FeedEvent, FeedMode};
use std::sync::Arc;
use std::time::Duration;

/// Told to every browser that waits when a document has changed: its place.
pub(crate) const CHANGED: Topic<usize> = Topic::new("overview.changed");

/// Told to every stream of events when the feed is lost, or back.
pub(crate) const FEED_CHANGED: Topic<()> = Topic::new("overview.feed_changed");

/// Follows CouchDB and holds the newest of each document, ready to be sent.
#[derive(Debug)]
pub(crate) struct Overview {
    database: Database,
    mode: FeedMode,
    heartbeat: Duration,
    retry_cap: Duration,
    docs: Vec<Document>,
    feed: Feed,
    /// Who follows, once started.
    follower: Option<SessionId>,
}

/// How a document stands, for one request.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// Its revision; `None` when there is no document to have one.
    pub(crate) rev: Option<Arc<str>>,
    /// One buffer for everyone.
    pub(crate) answer: Tagged,
}

/// How a document and the feed stand, for one stream of events.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) rev: Option<Arc<str>>,
    /// Nothing while nothing is known of the document.
    pub(crate) document: Option<Bytes>,
    pub(crate) feed: Bytes,
}

impl Overview {
    /// Call it with a document's place.
    pub(crate) const CURRENT: Event<usize, Current> = Event::new("overview.current");
    /// Call it with a document's place.
    pub(crate) const TOLD: Event<usize, Told> = Event::new("overview.told");
    /// Call it to learn how the feed stands.
    pub(crate) const STATUS: Event<(), Status> = Event::new("overview.status");
    const FEED: Event<FeedEvent> = Event::new("overview.feed");

    pub(crate) fn new(cx: &mut Cx<'_>, database: Database, options: &Options) -> Self {
        let feed = Feed::new(cx.now());
        let Options { feed: mode, heartbeat, retry_cap, .. } = *options;
        let docs = options.docs.iter().map(|id| Document::new(id, &feed)).collect();
        Overview { database, mode, heartbeat, retry_cap, docs, feed, follower: None }
    }

    fn current(&mut self, _: &mut Cx<'_>, place: usize) -> Current {
        let document = &self.docs[place];
        Current { rev: document.rev(), answer: document.answer() }
    }

    fn told(&mut self, _: &mut Cx<'_>, place: usize) -> Told {
        let document = &mut self.docs[place];
        let feed = match document.trouble() {
            Some(why) if self.feed.is_following() => feed::event(State::Lost, Some(why)),
            _ => self.feed.event(),
        };
        Told { rev: document.rev(), document: document.event(), feed }
    }

    fn status(&mut self, cx: &mut Cx<'_>, (): ()) -> Status {
        let counters = self.follower.map(|feed| cx.call(feed, ChangesFeed::COUNTERS, ()));
        let heard = counters.and_then(Result::ok).and_then(|counters| counters.heard);
        let outdated = self.docs.iter().filter(|doc| doc.trouble().is_some()).count();
        self.feed.status(outdated, heard, cx.now())
    }

    fn feed(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        let database = &self.database;
        match event {
            FeedEvent::Change(change) => return self.change(cx, change),
            FeedEvent::CaughtUp => {
                if !self.feed.caught_up(cx.now()) {
                    return;
                }
                log::info!("following {database}");
            }
            FeedEvent::Lost { why, retry_after, .. } => {
                log::warn!("lost {database}: {why}; trying again in {retry_after:.1?}");
                self.feed.lost(why.to_string(), cx.now());
            }
            FeedEvent::Recreated => return log::warn!("{database} is another than before"),
            FeedEvent::Stuck { times, since, why } => {
                let at = said(since.as_str());
                log::error!("{database} fails at {at:?} in the same way for {times} times: {why}");
                return;
            }
            FeedEvent::TooLong { id, max } => {
                self.outdate(&id, format!("the document is longer than {max} bytes"));
            }
            FeedEvent::Unread { id, why } => self.outdate(&id, why.to_string()),
            _ => return,
        }
        for document in &mut self.docs {
            document.prepare(&self.feed);
        }
        cx.notify(FEED_CHANGED, ());
    }

    fn outdate(&mut self, id: &str, why: String) {
        log::error!("{id} is not to be had: {why}");
        if let Some(document) = self.docs.iter_mut().find(|doc| doc.id == id) {
            document.outdate(why, &self.feed);
        }
    }

    fn change(&mut self, cx: &mut Cx<'_>, change: Change) {
        let Some(place) = self.docs.iter().position(|doc| doc.id == change.id) else { return };
        log::debug!("{} is at {:?}", change.id, said(change.rev.as_deref().unwrap_or_default()));
        self.feed.changed(cx.now());
        let was_outdated = self.docs[place].trouble().is_some();
        self.docs[place].change(change, cx.date(), &self.feed);
        cx.notify(CHANGED, place);
        if was_outdated {
            cx.notify(FEED_CHANGED, ());
        }
    }
}

impl Session for Overview {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CURRENT, Self::current)
            .on(Self::TOLD, Self::told)
            .on(Self::STATUS, Self::status)
            .on(Self::FEED, Self::feed);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // It is there for whatever calls it, as long as anything does.
        if let Err(taken) = cx.alias("overview") {
            log::warn!("{taken}");
        }
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
        let feed = feed.mode(self.mode).heartbeat(self.heartbeat).retry_cap(self.retry_cap);
        let feed = self.docs.iter().fold(feed, |feed, doc| feed.doc(&doc.id));
        let follower = cx.spawn(feed);
        cx.mark_essential(follower);
        self.follower = Some(follower);
    }
}
