//! Following a CouchDB database through its `_changes` feed: documents of it, or every change.

mod again;
mod alone;
mod answer;
mod checkpoint;
mod checkpoint_file;
mod database;
mod document;
mod encoding;
mod error;
mod event;
mod every_change;
mod follow;
mod identity;
mod latest;
mod ledger;
mod listen;
mod login;
mod look;
mod loss;
mod members;
mod mode;
mod page;
mod query;
mod recent;
mod remembered;
mod retry;
mod row;
mod rows;
mod save;
mod scheme;
mod subject;
mod tell;

pub use checkpoint::{Checkpoint, Mismatch, NoCheckpoint};
pub use checkpoint_file::{CheckpointError, CheckpointFile};
pub use database::{Database, DatabaseUrlError};
pub use error::FeedError;
pub use event::{Change, Counters, FeedEvent};
pub use every_change::{EveryChange, FeedEnd, OnMismatch, OnRecreated, Start};
pub use mode::FeedMode;
pub use query::{Query, QueryError};
pub use row::{Reason, Row, Seq};
pub use scheme::AuthorityError;

use crate::filters::{HttpClient, Part};
use crate::limits::{
    FEED_LINE_BYTES, FEED_LOGIN_RETRY_CAP, FEED_LOGIN_RETRY_MIN, FEED_PROOF_TIME, FEED_RETRY_CAP,
    FEED_RETRY_FIRST, HEARTBEAT,
};
use crate::reactor::{Cx, Event, Handlers, Postback, Session, Socket};
use crate::sessions::Backoff;
use crate::wheels::{ConnectError, Connector, Ended, ReadWrite};
use answer::Answer;
use listen::Listening;
use login::Login;
use look::Look;
use loss::Stuck;
use mode::Paging;
use retry::RetryPolicy;
use row::Info;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use subject::Subject;

/// Follows a database for as long as it runs: [documents](Self::doc) of it, of which it tells how
/// they stand, or [every change](Self::every_change), each of which it tells at least once.
///
/// It reads the documents as they are, then follows the feed from before that, so that nothing
/// between the two is lost. When the feed is lost it comes back from the last sequence, after a
/// growing, jittered, capped delay, for ever unless [`retry_limit`](Self::retry_limit) or
/// [`retry_if`](Self::retry_if) say otherwise; and it reads the documents anew when anything in the
/// database has changed, or when that has become another, or cannot be told from another. A
/// revision that was told is not told again. Of a burst the newest revision is told.
///
/// Of every change, which a replicator or an indexer needs, each row is told with a number, and
/// the feed is told when it is handled; see [`EveryChange`].
///
/// `CouchDB` removes purged documents without a row in the feed. So the feed looks at the database
/// whenever it is asked for, and next to an answer that goes on every
/// [`FEED_LOOK_PAUSE`](crate::limits::FEED_LOOK_PAUSE): if `purge_seq` has changed, documents are
/// read again, and a watcher of every change receives [`FeedEvent::Purged`].
///
/// A feed has one connection, and a second one while it looks at the database; it has two timers,
/// and a third one for a checkpoint. Whatever the server sends, memory is bounded by the longest
/// line. A line or a document that is longer than that is told and passed over.
///
/// A document that is not the one of its row or request is not told: one with another `_id`,
/// without a `_rev`, or no object at all. A row without its document, or with such a one, has the
/// document be read by itself; if that is wrong too, [`FeedEvent::Unread`] says so.
///
/// The credentials of the URL go along with each request, as Basic authentication, and never
/// expire; [`cookie_session`](Self::cookie_session) has them sent once for a cookie instead.
/// Redirects are followed on the same server only.
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
#[expect(clippy::struct_excessive_bools, reason = "each is one fact that the next step depends on")]
pub struct ChangesFeed {
    database: Database,
    subject: Subject,
    heartbeat: Duration,
    retry_cap: Duration,
    retry: RetryPolicy,
    line_max: usize,
    mode: FeedMode,
    /// Whether an answer is to end after `heartbeat` rather than go on with a sign of life.
    has_timeout: bool,
    backoff: Backoff,
    /// The pauses after the credentials were refused.
    login_pauses: Backoff,
    /// When the last of them is over.
    login_due: Option<Instant>,
    /// The pauses after a stream ended at once in good order.
    end_pauses: Backoff,
    postback: Postback<FeedEvent>,
    /// Whether the server is asked to send the followed documents alone.
    is_filtered: bool,

    /// The last sequence that was handled.
    since: Option<Seq>,
    /// What tells the database from its successor.
    identity: Option<String>,

    /// The sequence after which a line was too long.
    too_long_after: Option<Seq>,

    step: Step,
    connector: Option<Connector>,
    wire: Option<ReadWrite<HttpClient>>,
    /// How many requests this connection has served.
    served: u32,
    /// Whether each request has a connection, for the server has closed one that it seemed to keep.
    is_single: bool,
    answer: Answer,
    /// The feed, once it has begun.
    listening: Option<Listening>,
    /// The answer under way, where the feed is asked for answer by answer.
    paging: Paging,
    login: Login,
    /// Where the server said that what is asked for next is.
    detour: Option<String>,
    /// How often it said so in a row.
    redirects: u32,

    /// Whether the database was looked at since the last loss.
    is_checked: bool,
    look: Look,
    /// When documents were last read because their database may have become another.
    read_anew: Option<Instant>,
    /// When some are to be read again, for that was a moment ago, or has failed.
    read_again: Option<Instant>,
    /// Whether the server said, since the database was looked at, that it is not there.
    was_gone: bool,
    /// Whether a login was renewed since the last loss.
    is_renewed: bool,
    /// How far the database was when it was last looked at.
    end: Option<Info>,
    /// Whether it was told since the last loss that nothing is left to tell.
    is_caught_up: bool,
    stuck: Stuck,
    /// When documents were last read because their rows came without them.
    reread: Option<Instant>,

    /// What has yet to be told, besides the news of each document.
    outbox: VecDeque<FeedEvent>,
    is_flush_due: bool,
    counters: Counters,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connecting,
    /// `POST /_session`.
    Login,
    /// `GET /`.
    Server,
    /// `GET /db`.
    Info,
    /// `GET /db/doc`, for the document at this place.
    Document(usize),
    /// `GET /db/doc`, for the row that waits for it.
    Held,
    /// `GET /db/_changes`.
    Feed,
    /// Waiting to try again.
    Waiting,
    /// Nothing any more: only what happened has yet to be told.
    GivenUp,
}

impl ChangesFeed {
    /// Follows documents of `database` and tells `postback`.
    pub fn new(database: Database, postback: Postback<FeedEvent>) -> Self {
        ChangesFeed {
            database,
            subject: Subject::Documents(vec![]),
            heartbeat: HEARTBEAT,
            retry_cap: FEED_RETRY_CAP,
            retry: RetryPolicy::default(),
            line_max: FEED_LINE_BYTES,
            mode: FeedMode::default(),
            has_timeout: false,
            backoff: Backoff::new(FEED_RETRY_FIRST, FEED_RETRY_CAP),
            login_pauses: Backoff::new(2 * FEED_LOGIN_RETRY_MIN, FEED_LOGIN_RETRY_CAP),
            login_due: None,
            end_pauses: Backoff::new(FEED_RETRY_FIRST, FEED_RETRY_CAP),
            postback,
            is_filtered: true,
            since: None,
            identity: None,
            too_long_after: None,
            step: Step::Waiting,
            connector: None,
            wire: None,
            served: 0,
            is_single: false,
            answer: Answer::default(),
            listening: None,
            paging: Paging::default(),
            login: Login::default(),
            detour: None,
            redirects: 0,
            is_checked: false,
            look: Look::default(),
            read_anew: None,
            read_again: None,
            was_gone: false,
            is_renewed: false,
            end: None,
            is_caught_up: false,
            stuck: Stuck::default(),
            reread: None,
            outbox: VecDeque::new(),
            is_flush_due: false,
            counters: Counters::default(),
        }
    }

    /// Asks the server for a sign of life this often. Two and a half times that without one means
    /// that the feed is dead. At least a millisecond.
    ///
    /// The time is that of the system's monotonic clock, which on Linux stands still while the
    /// machine sleeps: a feed that died meanwhile is noticed when what was left of that time has
    /// passed after waking, and not at once.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self.has_timeout = false;
        self
    }

    /// Asks the server to end an answer when nothing has changed for so long (CouchDB's `timeout`),
    /// in [`heartbeat`](Self::heartbeat)'s place; of these two, the last one said counts. The feed
    /// is asked for at once from where that answer ended, which is no loss. At least a second.
    ///
    /// For filters that let little through: an answer's end says how far the server has come, and
    /// so the checkpoint moves past what was left out. With heartbeats it stays at the last row,
    /// and after a loss or a restart the server goes through all of that again.
    ///
    /// Each end costs two requests, on the same connection, and one for each document where the
    /// server does not tell its databases apart. Two and a half times this without a byte means
    /// that the feed is dead; a server may be as silent while it goes through what is left out.
    /// CouchDB has at most its setting `changes_timeout`, a minute, and counts from the last change
    /// of any document: where there always is one, answers do not end so, and [`FeedMode::Normal`]
    /// learns how far they are.
    #[must_use]
    pub fn timeout(mut self, after: Duration) -> Self {
        self.heartbeat = after.max(FEED_PROOF_TIME);
        self.has_timeout = true;
        self
    }

    /// Takes lines and documents of up to so many bytes.
    #[must_use]
    pub fn line_max(mut self, bytes: usize) -> Self {
        self.line_max = bytes;
        self
    }

    /// Asks for the feed in this way, for servers and proxies that cannot stream.
    #[must_use]
    pub fn mode(mut self, mode: FeedMode) -> Self {
        self.mode = mode;
        self
    }

    /// Has the same delays come each time, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.backoff = self.backoff.seed(seed);
        self.login_pauses = self.login_pauses.seed(seed);
        self.end_pauses = self.end_pauses.seed(seed);
        self
    }

    /// Call it to learn what the feed has seen, and when.
    pub const COUNTERS: Event<(), Counters> = Event::new("changes_feed.counters");
    /// Call it to learn what the followed database is known by: another text once the database was
    /// deleted and created again. `None` if the server does not tell, or was not asked yet.
    pub const IDENTITY: Event<(), Option<String>> = Event::new("changes_feed.identity");
    /// Post it with the number of a [`FeedEvent::Row`] when that row is handled. In any order; a
    /// number that is not awaited is passed over.
    pub const HANDLED: Event<u64> = Event::new("changes_feed.handled");
    /// Call it to learn up to where every change is handled, for who keeps that in a place of their
    /// own; `None` before the database was first reached.
    pub const CHECKPOINT: Event<(), Option<Checkpoint>> = Event::new("changes_feed.checkpoint");
    /// Ends the feed at once, in whatever state it is; then its checkpoint file has the newest.
    pub const SHUTDOWN: Event<()> = Event::new("changes_feed.shutdown");

    const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("changes_feed.connected");
    const PART: Event<Part> = Event::new("changes_feed.part");
    const ENDED: Event<Ended> = Event::new("changes_feed.ended");
    const TICK: Event<()> = Event::new("changes_feed.tick");
    const FLUSH: Event<()> = Event::new("changes_feed.flush");
    const SAVE: Event<()> = Event::new("changes_feed.save");
}

impl Session for ChangesFeed {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CONNECTED, Self::connected)
            .on(Self::PART, Self::part)
            .on(Self::ENDED, Self::ended)
            .on(Self::TICK, Self::tick)
            .on(Self::FLUSH, Self::flush)
            .on(Self::SAVE, Self::save)
            .on(Self::HANDLED, Self::handled)
            .on(Self::COUNTERS, |feed, _, ()| feed.counters)
            .on(Self::IDENTITY, |feed, _, ()| feed.identity.clone())
            .on(Self::CHECKPOINT, |feed, _, ()| feed.checkpoint())
            .on(Self::SHUTDOWN, Self::shut_down);
        Self::look_events(on);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        self.start_saving(cx);
        self.connect(cx);
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        self.save_at_last();
    }
}
