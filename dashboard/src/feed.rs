//! How the feed stands, for those who show it.

use bytes::Bytes;
use couch_mem::fnv::fnv_1a;
use masque::filters::ServerSentEvent;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of the feed.
#[derive(Debug)]
pub(crate) struct FeedTracker {
    state: FeedState,
    /// Since when it is in this state, a loss after a loss included.
    since: Instant,
    /// Why there is no feed, while there is none.
    trouble: String,
    last_change: Option<Instant>,
    changes: u64,
    losses: u64,
    /// What the database is known by, in the form in which browsers are told.
    database: Option<Arc<str>>,
    /// The state as an event of the stream.
    event: Bytes,
}

/// Whether what is shown is up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedState {
    /// There was no feed yet.
    Connecting,
    /// All that there was has been told, and what comes will be.
    Following,
    /// There was one, and it is tried again.
    Lost,
}

/// The feed at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedStatus {
    pub(crate) state: FeedState,
    /// For how long it has been in this state.
    pub(crate) state_age: Duration,
    /// Since a document last changed.
    pub(crate) data_age: Option<Duration>,
    /// Since the last byte came.
    pub(crate) silence: Option<Duration>,
    pub(crate) changes: u64,
    pub(crate) losses: u64,
    /// Documents that stand otherwise than they are shown.
    pub(crate) outdated: usize,
}

impl FeedTracker {
    pub(crate) fn new(now: Instant) -> Self {
        let mut feed = FeedTracker {
            state: FeedState::Connecting,
            since: now,
            trouble: "the database is being connected to".to_owned(),
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

    /// Whether that is news.
    pub(crate) fn caught_up(&mut self, now: Instant) -> bool {
        let is_news = self.state != FeedState::Following;
        self.enter(FeedState::Following, now);
        self.prepare();
        is_news
    }

    pub(crate) fn lost(&mut self, why: String, now: Instant) {
        self.losses += 1;
        self.trouble = why;
        // What never was cannot be lost.
        if self.state == FeedState::Following {
            self.enter(FeedState::Lost, now);
        }
        self.prepare();
    }

    /// The database has this identity. A server could send a long one: browsers get its hash.
    pub(crate) fn identify(&mut self, identity: Option<&str>) {
        self.database = identity.map(|text| format!("{:032x}", fnv_1a(text.as_bytes())).into());
    }

    /// What the database is known by; `None` if the server does not tell or was not asked yet.
    pub(crate) fn database(&self) -> Option<Arc<str>> {
        self.database.clone()
    }

    /// Why there is no feed.
    pub(crate) fn trouble(&self) -> &str {
        &self.trouble
    }

    pub(crate) fn is_following(&self) -> bool {
        self.state == FeedState::Following
    }

    /// The state as an event named `feed`, the same bytes for everyone.
    pub(crate) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// How it stands now, so many documents being out of date; `heard` is when its last byte came.
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

/// A state as an event of the stream.
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
    /// For how long there has been no feed; `None` while there is one.
    pub(crate) fn lost_for(&self) -> Option<Duration> {
        Some(self.state_age).filter(|_| self.state != FeedState::Following)
    }
}
