//! The state of the feed, for `/health`, `/metrics` and the page.

use bytes::Bytes;
use couch_mem::fnv::fnv_1a;
use masque::filters::ServerSentEvent;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of the feed and its counters.
#[derive(Debug)]
pub(crate) struct FeedTracker {
    state: FeedState,
    /// When this state was entered. Repeated failures are one state.
    since: Instant,
    /// Why the feed is not connected, if it is not.
    trouble: String,
    last_change: Option<Instant>,
    changes: u64,
    losses: u64,
    /// A hash of the identity of the database, as it is sent to browsers.
    database: Option<Arc<str>>,
    /// The state as an event of a stream.
    event: Bytes,
}

/// The connection to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedState {
    /// Not connected yet.
    Connecting,
    /// Up to date: all earlier changes have been delivered, and new ones follow.
    Following,
    /// It was connected; the feed is retrying.
    Lost,
}

/// A snapshot of the feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedStatus {
    pub(crate) state: FeedState,
    /// The time in this state.
    pub(crate) state_age: Duration,
    /// The time since a document last changed.
    pub(crate) data_age: Option<Duration>,
    /// The time since the last byte arrived.
    pub(crate) silence: Option<Duration>,
    pub(crate) changes: u64,
    pub(crate) losses: u64,
    /// The number of documents that are known to be outdated.
    pub(crate) outdated: usize,
}

impl FeedTracker {
    pub(crate) fn new(now: Instant) -> Self {
        let mut feed = FeedTracker {
            state: FeedState::Connecting,
            since: now,
            trouble: "connecting to the database".to_owned(),
            last_change: None,
            changes: 0,
            losses: 0,
            database: None,
            event: Bytes::new(),
        };
        feed.prepare();
        feed
    }

    pub(crate) fn changed(&mut self, now: Instant) {
        self.last_change = Some(now);
        self.changes += 1;
    }

    /// Returns true if the feed was not up to date before.
    pub(crate) fn caught_up(&mut self, now: Instant) -> bool {
        let is_news = self.state != FeedState::Following;
        self.enter(FeedState::Following, now);
        self.prepare();
        is_news
    }

    pub(crate) fn lost(&mut self, why: String, now: Instant) {
        self.losses += 1;
        self.trouble = why;
        // A feed that was never connected cannot be lost.
        if self.state == FeedState::Following {
            self.enter(FeedState::Lost, now);
        }
        self.prepare();
    }

    /// Stores the identity of the database. Browsers get its hash, because a server could send a
    /// long one.
    pub(crate) fn identify(&mut self, identity: Option<&str>) {
        self.database = identity.map(|text| format!("{:032x}", fnv_1a(text.as_bytes())).into());
    }

    /// Returns the hash of the identity. `None` if the server has none or was not asked yet.
    pub(crate) fn database(&self) -> Option<Arc<str>> {
        self.database.clone()
    }

    /// Returns why the feed is not connected.
    pub(crate) fn trouble(&self) -> &str {
        &self.trouble
    }

    pub(crate) fn is_following(&self) -> bool {
        self.state == FeedState::Following
    }

    /// Returns the state as an event named `feed`, the same bytes for all browsers.
    pub(crate) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// Returns the current status. `outdated` is the number of outdated documents, `heard` the time
    /// of the last byte.
    pub(crate) fn status(
        &self,
        outdated: usize,
        heard: Option<Instant>,
        now: Instant,
    ) -> FeedStatus {
        FeedStatus {
            state: self.state,
            state_age: now.saturating_duration_since(self.since),
            data_age: self.last_change.map(|then| now.saturating_duration_since(then)),
            silence: heard.map(|then| now.saturating_duration_since(then)),
            changes: self.changes,
            losses: self.losses,
            outdated,
        }
    }

    fn enter(&mut self, state: FeedState, now: Instant) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    fn prepare(&mut self) {
        let trouble = Some(self.trouble.as_str()).filter(|_| !self.is_following());
        self.event = event(self.state, trouble);
    }
}

/// Returns a state as an event of a stream.
pub(crate) fn event(state: FeedState, trouble: Option<&str>) -> Bytes {
    let state = state.name();
    let data = trouble.map_or_else(
        || format!("{{\"state\":\"{state}\"}}"),
        |why| format!("{{\"state\":\"{state}\",\"reason\":{}}}", serde_json::Value::from(why)),
    );
    ServerSentEvent::new(&data).named("feed").encode()
}

impl FeedState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            FeedState::Connecting => "connecting",
            FeedState::Following => "following",
            FeedState::Lost => "lost",
        }
    }
}

impl FeedStatus {
    /// Returns how long the feed has been disconnected. `None` while it is connected.
    pub(crate) fn lost_for(&self) -> Option<Duration> {
        Some(self.state_age).filter(|_| self.state != FeedState::Following)
    }
}
