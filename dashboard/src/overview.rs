//! The followed documents, and the notices when they change.

use crate::command_line::Options;
use crate::conditional::Tagged;
use crate::console::truncated;
use crate::document::Document;
use crate::feed::{self, FeedState, FeedStatus, FeedTracker};
use crate::metrics::Metrics;
use crate::revisions::{Revision, Revisions};
use crate::winner::is_newer;
use bytes::Bytes;
use masque::reactor::{Cx, Event, Handlers, Session, SessionId, Topic};
use masque::sessions::{Change, ChangesFeed, Database, FeedError, FeedEvent, FeedMode};
use std::sync::Arc;
use std::time::Duration;

/// Sent to every browser with a waiting poll or a stream.
pub(crate) const CHANGED: Topic<News> = Topic::new("overview.changed");

/// The change of which a browser is notified.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// The document at this index has changed.
    Changed(usize),
    /// The document at this index belongs to another database now: earlier revisions do not count.
    Restarted(usize),
    /// A document may have become outdated, or current again.
    FeedState,
}

/// How long the feed must be disconnected before waiting polls are answered. Browsers need not know
/// of a connection that is restored immediately.
const LOSS_NOTICE_DELAY: Duration = Duration::from_secs(2);

/// Sent to slow readers with the serial number of a revision. Connections that still send this
/// revision must end, because old revisions use too much memory.
pub(crate) const RELEASED: Topic<u64> = Topic::new("overview.released");

/// Sent to every stream of events when the feed is lost or reconnects.
pub(crate) const FEED_CHANGED: Topic<()> = Topic::new("overview.feed_changed");

/// Follows CouchDB and holds the latest revision of each document, ready to be sent.
#[derive(Debug)]
pub(crate) struct Overview {
    database: Database,
    mode: FeedMode,
    heartbeat: Duration,
    retry_cap: Duration,
    docs: Vec<Document>,
    revisions: Revisions,
    feed: FeedTracker,
    /// The session of the feed, once started.
    follower: Option<SessionId>,
}

/// The current state of a document, for one request.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// The revision that polls compare. `None` while nothing is known of the document.
    pub(crate) rev: Option<Arc<str>>,
    /// The revision whose bytes the answer shares.
    pub(crate) revision: Revision,
    /// A newer revision that the document rightly had before.
    pub(crate) superseded: Option<Arc<str>>,
    /// The document is up to date, as far as the feed knows.
    pub(crate) is_fresh: bool,
    /// One buffer, shared by all browsers.
    pub(crate) answer: Tagged,
}

impl Current {
    /// Returns true if a browser that has `rev` has been given a newer revision elsewhere.
    pub(crate) fn is_behind(&self, rev: &str) -> bool {
        is_newer(rev, self.rev.as_deref()) && self.superseded.as_deref() != Some(rev)
    }
}

/// The current state of a document and of the feed, for one stream of events.
#[derive(Clone, Debug)]
pub(crate) struct StreamState {
    pub(crate) current: Current,
    /// The document as an event. `None` while nothing is known of it.
    pub(crate) document: Option<Bytes>,
    pub(crate) feed: Bytes,
}

impl Overview {
    /// Call it with the index of a document.
    pub(crate) const CURRENT: Event<usize, Current> = Event::new("overview.current");
    /// Call it with the index of a document.
    pub(crate) const STREAM_STATE: Event<usize, StreamState> = Event::new("overview.stream_state");
    /// Returns the status of the feed.
    pub(crate) const STATUS: Event<(), FeedStatus> = Event::new("overview.status");
    const FEED: Event<FeedEvent> = Event::new("overview.feed");
    /// The feed has been lost for [`LOSS_NOTICE_DELAY`], unless it has reconnected.
    const LOSS: Event<()> = Event::new("overview.loss");

    pub(crate) fn new(
        cx: &mut Cx<'_>,
        database: Database,
        options: &Options,
        metrics: Arc<Metrics>,
    ) -> Self {
        let feed = FeedTracker::new(cx.now());
        let Options { feed: mode, heartbeat, retry_cap, .. } = *options;
        let document = |id: &String| Document::new(id, options.long_poll, &feed);
        let docs = options.docs.iter().map(document).collect();
        let revisions = Revisions::new(metrics);
        Overview { database, mode, heartbeat, retry_cap, docs, revisions, feed, follower: None }
    }

    fn current(&mut self, _: &mut Cx<'_>, index: usize) -> Current {
        let document = &self.docs[index];
        Current {
            rev: document.rev(),
            revision: document.revision(),
            superseded: document.superseded(),
            is_fresh: document.is_fresh(),
            answer: document.answer(),
        }
    }

    fn stream_state(&mut self, cx: &mut Cx<'_>, index: usize) -> StreamState {
        // First, because this may create the first buffer of the revision that counts.
        let event = self.docs[index].event(&self.revisions);
        let feed = match self.docs[index].trouble() {
            Some(why) if self.feed.is_following() => feed::event(FeedState::Lost, Some(why)),
            _ => self.feed.event(),
        };
        StreamState { current: self.current(cx, index), document: event, feed }
    }

    fn status(&mut self, cx: &mut Cx<'_>, (): ()) -> FeedStatus {
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
                let is_news = self.feed.caught_up(cx.now());
                if is_news {
                    log::info!("following {database}");
                }
                self.identify(cx);
                self.mark_all_known(cx);
                if !is_news {
                    return;
                }
            }
            FeedEvent::Lost { why, retry_after, .. } => {
                log::warn!("disconnected from {database}: {why}; retrying in {retry_after:.1?}");
                if matches!(*why, FeedError::HeldBack { mode: FeedMode::Continuous, .. }) {
                    log::warn!("`--feed longpoll` avoids this wait at each start");
                }
                // Failed attempts after that belong to the same loss and must not postpone the
                // notice.
                if self.feed.is_following() {
                    cx.delay(Self::LOSS, LOSS_NOTICE_DELAY, ());
                }
                self.feed.lost(why.to_string(), cx.now());
                return self.prepare(cx);
            }
            FeedEvent::Recreated => {
                log::warn!("database {database} was deleted and created again");
                self.docs.iter_mut().for_each(Document::database_was_recreated);
                return self.identify(cx);
            }
            FeedEvent::Stuck { times, since, why } => {
                let at = truncated(since.as_str());
                log::error!(
                    "the feed of {database} failed {times} times in a row at sequence {at:?}: {why}"
                );
                return;
            }
            FeedEvent::TooLong { id, max } => {
                self.mark_outdated(&id, format!("the document is longer than {max} bytes"));
            }
            FeedEvent::Unread { id, why } => self.mark_outdated(&id, why.to_string()),
            _ => return,
        }
        self.prepare(cx);
        cx.notify(CHANGED, News::FeedState);
    }

    /// Prepares every answer again, because the state of the feed has changed.
    fn prepare(&mut self, cx: &mut Cx<'_>) {
        for document in &mut self.docs {
            document.prepare(&self.feed);
        }
        cx.notify(FEED_CHANGED, ());
    }

    fn loss(&mut self, cx: &mut Cx<'_>, (): ()) {
        if !self.feed.is_following() {
            cx.notify(CHANGED, News::FeedState);
        }
    }

    /// Asks the feed for the identity of the database.
    fn identify(&mut self, cx: &mut Cx<'_>) {
        let identity = self.follower.map(|feed| cx.call(feed, ChangesFeed::IDENTITY, ()));
        self.feed.identify(identity.and_then(Result::ok).flatten().as_deref());
    }

    /// Marks every document as one of the current database.
    fn mark_all_known(&mut self, cx: &mut Cx<'_>) {
        for (index, document) in self.docs.iter_mut().enumerate() {
            if document.caught_up(&self.feed) {
                cx.notify(CHANGED, News::Restarted(index));
            }
        }
    }

    fn mark_outdated(&mut self, id: &str, why: String) {
        log::error!("cannot read document `{id}`: {why}; showing its last known revision");
        if let Some(document) = self.docs.iter_mut().find(|doc| doc.id == id) {
            document.mark_outdated(why, &self.feed);
        }
    }

    fn change(&mut self, cx: &mut Cx<'_>, change: Change) {
        let Some(index) = self.docs.iter().position(|doc| doc.id == change.id) else { return };
        log::debug!(
            "document `{}` is at revision {:?}",
            change.id,
            truncated(change.rev.as_deref().unwrap_or_default())
        );
        self.feed.changed(cx.now());
        if self.feed.database().is_none() {
            self.identify(cx);
        }
        let was_outdated = self.docs[index].trouble().is_some();
        let (document, date) = (&mut self.docs[index], cx.date());
        let changed = document.change(change, date, &self.feed, &mut self.revisions);
        let news = if changed.is_first_of_database { News::Restarted } else { News::Changed };
        cx.notify(CHANGED, news(index));
        for serial in self.revisions.replace(changed.old) {
            cx.notify(RELEASED, serial);
        }
        if was_outdated {
            cx.notify(FEED_CHANGED, ());
        }
    }
}

impl Session for Overview {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CURRENT, Self::current)
            .on(Self::STREAM_STATE, Self::stream_state)
            .on(Self::STATUS, Self::status)
            .on(Self::LOSS, Self::loss)
            .on(Self::FEED, Self::feed);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // An alias keeps the session alive as long as another session can call it.
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
