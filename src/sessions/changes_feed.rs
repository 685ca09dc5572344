//! Following a CouchDB database: `couch-feed`'s follower over wheels.

mod checkpoint_file;
mod database;
mod saving;
mod wires;

pub use checkpoint_file::{CheckpointError, CheckpointFile};
pub use couch_feed::{
    Change, Checkpoint, Counters, DatabaseUrlError, EveryChange, FeedEnd, FeedError, FeedEvent,
    FeedMode, Mismatch, NoCheckpoint, OnMismatch, OnRecreated, Query, QueryError, Reason, Row, Seq,
    Start,
};
pub use database::{AuthorityError, Database, DatabaseError};

use crate::filters::Part;
use crate::reactor::{Cx, Event, Handlers, PostError, Postback, Session, Socket};
use crate::wheels::{ConnectError, Ended};
use couch_feed::{Channel, FeedOptions, Follower};
use saving::Saving;
use std::time::{Duration, Instant};
use wires::Wire;

/// Follows a database: [documents](Self::doc) of it, or [every change](Self::every_change), each
/// reported at least once. It is a [`couch_feed::Follower`] as a session. The follower's
/// documentation describes its reports. This session makes the connections and saves the
/// checkpoints.
///
/// It has one connection, and a second one while it checks the database; one timer, and a second
/// one for a checkpoint.
///
/// ```no_run
/// # use masque::reactor::{Cx, Event, Handlers, Session};
/// # use masque::sessions::{ChangesFeed, Database, FeedEvent};
/// struct Watcher { database: Database }
///
/// impl Watcher {
///     const FEED: Event<FeedEvent> = Event::new("watcher.feed");
/// }
///
/// impl Session for Watcher {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::FEED, |_, _, event| println!("{event:?}"));
///     }
///     fn started(&mut self, cx: &mut Cx<'_>) {
///         let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
///         cx.spawn(feed.doc("overview"));
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "spawn it"]
pub struct ChangesFeed {
    database: Database,
    postback: Postback<FeedEvent>,
    state: State,
    feed: Wire,
    look: Wire,
    /// The time to which the kernel's timer is set.
    timer: Option<Instant>,
    is_settle_posted: bool,
    saving: Saving,
}

#[derive(Debug)]
enum State {
    Unstarted(Box<FeedOptions>),
    /// A placeholder while the options become a follower.
    Starting,
    Following(Box<Follower>),
}

impl ChangesFeed {
    /// Returns the feed's counters.
    pub const COUNTERS: Event<(), Counters> = Event::new("changes_feed.counters");
    /// Returns the identity of the database, which distinguishes it from a later one of the same
    /// name. `None` if the server has none, or was not asked yet.
    pub const IDENTITY: Event<(), Option<String>> = Event::new("changes_feed.identity");
    /// Post it with the number of a [`FeedEvent::Row`] when that row has been processed. The order
    /// is free. A number that is not unfinished is ignored.
    pub const HANDLED: Event<u64> = Event::new("changes_feed.handled");
    /// Returns the checkpoint up to which every change has been processed, so that a program can
    /// store it itself. `None` before the database was first reached.
    pub const CHECKPOINT: Event<(), Option<Checkpoint>> = Event::new("changes_feed.checkpoint");
    /// Ends the feed at once, in any state. Its checkpoint file has the latest checkpoint then.
    pub const SHUTDOWN: Event<()> = Event::new("changes_feed.shutdown");

    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("changes_feed.connected");
    const PART: Event<Part> = Event::new("changes_feed.part");
    const ENDED: Event<Ended> = Event::new("changes_feed.ended");
    const LOOK_CONNECTED: Event<Result<Socket, ConnectError>> =
        Event::new("changes_feed.look_connected");
    const LOOK_PART: Event<Part> = Event::new("changes_feed.look_part");
    const LOOK_ENDED: Event<Ended> = Event::new("changes_feed.look_ended");
    const TICK: Event<()> = Event::new("changes_feed.tick");
    const SETTLE: Event<()> = Event::new("changes_feed.settle");
    const SAVE: Event<()> = Event::new("changes_feed.save");

    /// Creates a feed of `database` without documents, which reports to `postback`.
    pub fn new(database: Database, postback: Postback<FeedEvent>) -> Self {
        ChangesFeed {
            state: State::Unstarted(Box::new(FeedOptions::new(database.url.clone()))),
            database,
            postback,
            feed: Wire::Closed,
            look: Wire::Closed,
            timer: None,
            is_settle_posted: false,
            saving: Saving::default(),
        }
    }

    fn set(mut self, set: impl FnOnce(FeedOptions) -> FeedOptions) -> Self {
        if let State::Unstarted(options) = std::mem::replace(&mut self.state, State::Starting) {
            self.state = State::Unstarted(Box::new(set(*options)));
        }
        self
    }

    /// Follows this document too; see [`FeedOptions::doc`].
    ///
    /// # Panics
    /// If every change is followed already.
    #[track_caller]
    pub fn doc(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.set(|options| options.doc(id))
    }

    /// Follows every change, or the selected ones, instead of documents.
    ///
    /// # Panics
    /// If documents are followed already.
    #[track_caller]
    pub fn every_change(self, every: EveryChange) -> Self {
        self.set(|options| options.every_change(every))
    }

    /// Continues after the file's checkpoint, if it has one, and saves checkpoints there. It is for
    /// a feed of [every change](Self::every_change).
    pub fn checkpoint_file(mut self, file: CheckpointFile) -> Self {
        self.saving.file = Some(file);
        self
    }

    /// Asks the server for heartbeats; see [`FeedOptions::heartbeat`].
    ///
    /// The time is measured with the system's monotonic clock, which stops on Linux while the
    /// machine sleeps. If a feed dies meanwhile, that is noticed when the rest of the time has
    /// passed after waking.
    pub fn heartbeat(self, every: Duration) -> Self {
        self.set(|options| options.heartbeat(every))
    }

    /// Asks the server to end answers without changes; see [`FeedOptions::timeout`].
    pub fn timeout(self, after: Duration) -> Self {
        self.set(|options| options.timeout(after))
    }

    /// Sets the limit of lines and documents, in bytes.
    pub fn line_max(self, bytes: usize) -> Self {
        self.set(|options| options.line_max(bytes))
    }

    /// Sets the mode of the feed, for servers and proxies that cannot stream.
    pub fn mode(self, mode: FeedMode) -> Self {
        self.set(|options| options.mode(mode))
    }

    /// Makes the random parts of all pauses repeatable, for tests.
    pub fn seed(self, seed: u64) -> Self {
        self.set(|options| options.seed(seed))
    }

    /// Logs in with a cookie; see [`FeedOptions::cookie_session`].
    pub fn cookie_session(self) -> Self {
        self.set(FeedOptions::cookie_session)
    }

    /// Limits the pauses between tries; see [`FeedOptions::retry_cap`].
    pub fn retry_cap(self, cap: Duration) -> Self {
        self.set(|options| options.retry_cap(cap))
    }

    /// Limits the number of tries; see [`FeedOptions::retry_limit`].
    pub fn retry_limit(self, times: u32) -> Self {
        self.set(|options| options.retry_limit(times))
    }

    /// Tries again only after some errors; see [`FeedOptions::retry_if`].
    pub fn retry_if(self, condition: fn(&FeedError) -> bool) -> Self {
        self.set(|options| options.retry_if(condition))
    }

    fn follower(&self) -> Option<&Follower> {
        match &self.state {
            State::Following(follower) => Some(follower),
            _ => None,
        }
    }

    /// Calls the follower, and then performs the actions that it requests.
    fn drive(&mut self, cx: &mut Cx<'_>, handle: impl FnOnce(&mut Follower, Instant)) {
        let State::Following(follower) = &mut self.state else { return };
        handle(follower, cx.now());
        self.poll(cx);
    }

    fn poll(&mut self, cx: &mut Cx<'_>) {
        loop {
            let State::Following(follower) = &mut self.state else { return };
            if let Some(action) = follower.poll_action() {
                self.act(cx, action);
                continue;
            }
            match follower.offer_event(|event| self.postback.post(cx, event)) {
                Some(Ok(())) => {}
                Some(Err(PostError::NoSession { .. })) => return self.shut_down(cx, ()),
                // The kernel's queue is full, and empties as the kernel turns.
                Some(Err(_)) | None => break,
            }
        }
        // An event that was not accepted may have paused the feed.
        while let State::Following(follower) = &mut self.state
            && let Some(action) = follower.poll_action()
        {
            self.act(cx, action);
        }
        let Some(follower) = self.follower() else { return };
        if follower.is_over() {
            return cx.stop();
        }
        let (timer, wants_settle) = (follower.poll_timeout(), follower.wants_settle());
        if timer != self.timer {
            self.timer = timer;
            match timer {
                Some(at) => cx.alarm(Self::TICK, at, ()),
                None => drop(cx.delay_clear(Self::TICK)),
            }
        }
        if wants_settle && !std::mem::replace(&mut self.is_settle_posted, true) {
            cx.yield_now(Self::SETTLE, ());
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.timer = None;
        let is_paused = self.follower().is_some_and(Follower::is_paused);
        // While the feed is paused, no event is posted that would show that its receiver has
        // stopped.
        if is_paused && !self.postback.is_live(cx) {
            return self.shut_down(cx, ());
        }
        self.drive(cx, Follower::handle_timeout);
    }

    fn settle(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_settle_posted = false;
        self.drive(cx, Follower::settle);
    }

    fn shut_down(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.drive(cx, Follower::shut_down);
        cx.stop();
    }
}

impl Session for ChangesFeed {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, |feed, cx, result| feed.connected(cx, Channel::Feed, result))
            .on(Self::PART, |feed, cx, part| feed.part(cx, Channel::Feed, part))
            .on(Self::ENDED, |feed, cx, ended| feed.ended(cx, Channel::Feed, ended))
            .on(Self::LOOK_CONNECTED, |feed, cx, result| feed.connected(cx, Channel::Look, result))
            .on(Self::LOOK_PART, |feed, cx, part| feed.part(cx, Channel::Look, part))
            .on(Self::LOOK_ENDED, |feed, cx, ended| feed.ended(cx, Channel::Look, ended))
            .on(Self::TICK, Self::tick)
            .on(Self::SETTLE, Self::settle)
            .on(Self::SAVE, Self::save)
            .on(Self::HANDLED, |feed, cx, number| {
                feed.drive(cx, |follower, now| follower.acknowledge(now, number));
            })
            .on(Self::COUNTERS, |feed, _, ()| {
                feed.follower().map(Follower::counters).unwrap_or_default()
            })
            .on(Self::IDENTITY, |feed, _, ()| {
                feed.follower().and_then(Follower::identity).map(str::to_owned)
            })
            .on(Self::CHECKPOINT, |feed, _, ()| feed.follower().and_then(Follower::checkpoint))
            .on(Self::SHUTDOWN, Self::shut_down);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let state = std::mem::replace(&mut self.state, State::Starting);
        let State::Unstarted(mut options) = state else { return };
        let failure = self.open_file(&mut options);
        self.state = State::Following(Box::new(options.follow(cx.now())));
        match failure {
            Some(error) => self.unsaved(cx, error),
            None => self.poll(cx),
        }
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        self.save_at_last();
    }
}
