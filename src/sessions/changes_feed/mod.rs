//! Following documents of a CouchDB database through its continuous `_changes` feed.

mod answer;
mod database;
mod error;
mod follow;
mod row;

pub use database::{Database, DatabaseUrlError};
pub use error::FeedError;
pub use row::{Reason, Seq};

use crate::filters::{HttpClient, Part};
use crate::limits::{FEED_LINE_BYTES, FEED_RETRY_CAP, FEED_RETRY_FIRST, HEARTBEAT};
use crate::reactor::{Cx, Event, Handlers, Postback, Session, Socket};
use crate::sessions::Backoff;
use crate::wheels::{ConnectError, Connector, Ended, ReadWrite};
use answer::Answer;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Follows documents of a database and tells how they stand, for as long as it runs.
///
/// It reads the documents as they are, then follows the feed from before that, so that nothing between
/// the two is lost. When the feed is lost it comes back from the last sequence, after a growing, jittered,
/// capped delay; when the database has become another, or cannot be told from another, it reads the
/// documents anew. A revision that was told is not told again. Of a burst the newest revision is told.
///
/// There is one connection and one timer at any time, and whatever the server sends, memory is bounded by
/// the longest line.
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
pub struct ChangesFeed {
    database: Database,
    docs: Vec<Followed>,
    heartbeat: Duration,
    retry_cap: Duration,
    line_max: usize,
    backoff: Backoff,
    postback: Postback<FeedEvent>,
    /// Whether the server is asked to send the followed documents alone.
    is_filtered: bool,

    /// The last sequence that was handled.
    since: Option<Seq>,
    /// What tells the database from its successor.
    identity: Option<String>,

    step: Step,
    connector: Option<Connector>,
    wire: Option<ReadWrite<HttpClient>>,
    /// Whether the database was looked at since the last loss.
    is_checked: bool,
    answer: Answer,
    /// When the last byte came.
    heard: Option<Instant>,
    /// Where this feed began, and when.
    began: (Option<Seq>, Option<Instant>),
    /// How often the same error came at the same sequence.
    stuck: (String, u32),
}

/// What a [`ChangesFeed`] tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum FeedEvent {
    /// A document stands thus now.
    Change(Change),
    /// All that there was has been told, and what comes will be.
    CaughtUp,
    /// The feed is lost; it is tried again after `retry_after`. What was told stays the last that is known.
    Lost {
        /// Why.
        why: FeedError,
        /// When it is tried again.
        retry_after: Duration,
        /// How many losses there were in a row, this one included.
        times: u32,
    },
    /// The database is another than before, by the same name; its documents are told anew.
    Recreated,
    /// The feed was lost so many times at the same sequence for the same reason: somebody should look.
    Stuck {
        /// How many times in a row.
        times: u32,
    },
}

/// How a document stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// Its winning revision; `None` when the server does not know the document.
    pub rev: Option<String>,
    /// The document as the server wrote it; `None` when it is deleted or was never there.
    pub doc: Option<Bytes>,
}

/// A document that is followed.
#[derive(Debug)]
struct Followed {
    id: String,
    /// Whether it must be read by a request of its own.
    is_stale: bool,
    /// What has come and was not told yet.
    news: Option<Change>,
    /// The revision that was told last, and whether it was there.
    told: Option<(Option<String>, bool)>,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connecting,
    /// `GET /db`.
    Info,
    /// `GET /db/doc`, for the document at this place.
    Document(usize),
    /// `GET /db/_changes`.
    Feed,
    /// Waiting to try again.
    Waiting,
}

impl ChangesFeed {
    /// Follows documents of `database` and tells `postback`.
    pub fn new(database: Database, postback: Postback<FeedEvent>) -> Self {
        ChangesFeed {
            database,
            docs: vec![],
            heartbeat: HEARTBEAT,
            retry_cap: FEED_RETRY_CAP,
            line_max: FEED_LINE_BYTES,
            backoff: Backoff::new(FEED_RETRY_FIRST, FEED_RETRY_CAP),
            postback,
            is_filtered: true,
            since: None,
            identity: None,
            step: Step::Waiting,
            connector: None,
            wire: None,
            is_checked: false,
            answer: Answer::default(),
            heard: None,
            began: (None, None),
            stuck: (String::new(), 0),
        }
    }

    /// Follows one more document.
    #[must_use]
    pub fn doc(mut self, id: impl Into<String>) -> Self {
        self.docs.push(Followed { id: id.into(), is_stale: true, news: None, told: None });
        self
    }

    /// Asks the server for a sign of life this often. Two and a half times that without one means that
    /// the feed is dead. At least a millisecond.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// Waits at most this long between tries.
    #[must_use]
    pub fn retry_cap(mut self, cap: Duration) -> Self {
        self.retry_cap = cap;
        self.backoff = Backoff::new(FEED_RETRY_FIRST.min(cap), cap);
        self
    }

    /// Takes lines and documents of up to so many bytes.
    #[must_use]
    pub fn line_max(mut self, bytes: usize) -> Self {
        self.line_max = bytes;
        self
    }

    /// Has the same delays come each time, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.backoff = self.backoff.seed(seed);
        self
    }

    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("changes_feed.connected");
    const PART: Event<Part> = Event::new("changes_feed.part");
    const ENDED: Event<Ended> = Event::new("changes_feed.ended");
    const TICK: Event<()> = Event::new("changes_feed.tick");
    const FLUSH: Event<()> = Event::new("changes_feed.flush");
}

impl Session for ChangesFeed {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, Self::connected)
            .on(Self::PART, Self::part)
            .on(Self::ENDED, Self::ended)
            .on(Self::TICK, Self::tick)
            .on(Self::FLUSH, |feed, cx, ()| feed.flush(cx));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        self.connect(cx);
    }
}
