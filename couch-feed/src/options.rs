//! What to follow, and how.

use crate::documents::Document;
use crate::error::FeedError;
use crate::event::FeedMode;
use crate::follower::Follower;
use crate::limits::{HEARTBEAT, LINE_BYTES, PROOF_TIME};
use crate::loss::Retry;
use crate::query::{EveryChange, Start};
use crate::rows::Rows;
use crate::url::DatabaseUrl;
use std::time::{Duration, Instant};

/// What to follow, and how: [documents](Self::doc) of a database, or
/// [every change](Self::every_change).
///
/// ```
/// # use couch_feed::FeedOptions;
/// # use std::time::Instant;
/// let options = FeedOptions::new("http://couch.example/shop".parse()?).doc("prices").doc("stock");
/// let follower = options.follow(Instant::now());
/// # drop(follower);
/// # Ok::<(), couch_feed::DatabaseUrlError>(())
/// ```
#[derive(Debug)]
pub struct FeedOptions {
    pub(crate) url: DatabaseUrl,
    pub(crate) docs: Vec<Document>,
    pub(crate) rows: Option<Box<Rows>>,
    pub(crate) heartbeat: Duration,
    pub(crate) liveness: Liveness,
    pub(crate) line_max: usize,
    pub(crate) mode: FeedMode,
    pub(crate) retry: Retry,
    pub(crate) has_cookie_session: bool,
}

/// How a server shows that a feed without changes is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It sends empty lines.
    Heartbeat,
    /// It ends the answer, and the feed is asked for again.
    Timeout,
}

impl FeedOptions {
    /// Follows documents of this database, none yet.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        FeedOptions {
            url,
            docs: vec![],
            rows: None,
            heartbeat: HEARTBEAT,
            liveness: Liveness::Heartbeat,
            line_max: LINE_BYTES,
            mode: FeedMode::default(),
            retry: Retry::default(),
            has_cookie_session: false,
        }
    }

    /// Starts the feed at `now`.
    #[must_use]
    pub fn follow(self, now: Instant) -> Follower {
        Follower::new(self, now)
    }

    /// Follows this document, too: its latest revision is reported, and each one that comes after.
    ///
    /// At the start, and when the changes since the last reading are not known, documents are read
    /// over one connection, one after the other. So hundreds of documents over a slow network take
    /// as many round trips, while [every change](Self::every_change) of [a query of their
    /// ids](crate::Query::doc_ids) takes one.
    ///
    /// # Panics
    /// If every change is followed already.
    #[must_use]
    #[track_caller]
    pub fn doc(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        assert!(
            self.rows.is_none(),
            "the feed follows every change, so it cannot follow the document {id} too"
        );
        if self.docs.iter().all(|doc| doc.id != id) {
            self.docs.push(Document::new(id));
        }
        self
    }

    /// Follows every change, or the selected ones, instead of documents.
    ///
    /// # Panics
    /// If documents are followed already.
    #[must_use]
    #[track_caller]
    pub fn every_change(mut self, every: EveryChange) -> Self {
        assert!(self.docs.is_empty(), "the feed follows documents already");
        self.rows = Some(Box::new(Rows::new(every)));
        self
    }

    /// Starts a feed of every change somewhere else than its [`EveryChange`] says.
    ///
    /// # Panics
    /// If documents are followed.
    #[track_caller]
    pub fn start_at(&mut self, start: Start) {
        self.rows.as_mut().expect("only a feed of every change has a start").every.start = start;
    }

    /// Asks the server for a heartbeat this often. If nothing arrives for two and a half times this
    /// time, the feed is dead. At least a millisecond.
    #[must_use]
    pub fn heartbeat(self, every: Duration) -> Self {
        let heartbeat = every.max(Duration::from_millis(1));
        FeedOptions { heartbeat, liveness: Liveness::Heartbeat, ..self }
    }

    /// Asks the server to end an answer if nothing has changed for this time (CouchDB's `timeout`),
    /// instead of sending [heartbeats](Self::heartbeat); the last call of the two counts. The feed
    /// is then asked for again immediately, which is not a loss. At least a second.
    ///
    /// Use it for filters that leave out most changes: the end of an answer says how far the server
    /// has come, so the checkpoint moves past changes that were left out. With heartbeats it stays
    /// at the last row, and after a loss or a restart the server searches all of that again.
    ///
    /// Each end costs two requests on the same connection, and one for each document if the server
    /// does not identify its databases. If nothing arrives for two and a half times this time, the
    /// feed is dead; a server may be silent that long while it skips changes. CouchDB reduces the
    /// time to its setting `changes_timeout`, a minute by default, and counts from the last change
    /// of any document. So in a database that always changes, answers do not end in this way. There
    /// [`FeedMode::Normal`] shows how far they are.
    #[must_use]
    pub fn timeout(self, after: Duration) -> Self {
        FeedOptions { heartbeat: after.max(PROOF_TIME), liveness: Liveness::Timeout, ..self }
    }

    /// Accepts lines and documents of up to so many bytes.
    #[must_use]
    pub fn line_max(self, bytes: usize) -> Self {
        FeedOptions { line_max: bytes, ..self }
    }

    /// Asks for the feed in this way, for servers and proxies that cannot stream.
    #[must_use]
    pub fn mode(self, mode: FeedMode) -> Self {
        FeedOptions { mode, ..self }
    }

    /// Makes the random parts of all pauses repeatable, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.retry.seed(seed);
        self
    }

    /// Logs in with the URL's credentials and then sends the session's cookie instead of them; logs
    /// in again when the server no longer accepts the cookie. For servers on which checking a
    /// password is expensive, or possible in `_session` only.
    ///
    /// A server without sessions gets the credentials as Basic authentication after all. Without
    /// credentials in the URL this does nothing.
    #[must_use]
    pub fn cookie_session(self) -> Self {
        FeedOptions { has_cookie_session: self.url.has_credentials(), ..self }
    }

    /// Waits at most this long between tries, and after a [permanent](FeedError::is_permanent)
    /// error at least [`PERMANENT_RETRY_MIN`](crate::limits::PERMANENT_RETRY_MIN), except for a
    /// missing database. The cap is at least [`RETRY_CAP_MIN`](crate::limits::RETRY_CAP_MIN).
    ///
    /// After the server has rejected the credentials (401, or a [locked
    /// account](FeedError::is_lockout)) the pause is at least
    /// [`LOGIN_RETRY_MIN`](crate::limits::LOGIN_RETRY_MIN) and grows, whatever the cap is. The
    /// reason: CouchDB locks an account after five wrong passwords, also for clients with the right
    /// one.
    #[must_use]
    pub fn retry_cap(mut self, cap: Duration) -> Self {
        self.retry.set_cap(cap);
        self
    }

    /// Tries again at most so many times in a row; a feed that loses more often
    /// [gives up](crate::FeedEvent::GaveUp). By default there is no limit.
    ///
    /// [`Lost`](crate::FeedEvent::Lost)'s `times` counts: it starts again at 1 after a feed has
    /// worked for some time, or has reported a change.
    #[must_use]
    pub fn retry_limit(mut self, times: u32) -> Self {
        self.retry.limit = times;
        self
    }

    /// Tries again after the errors for which `condition` is true, and
    /// [gives up](crate::FeedEvent::GaveUp) immediately after any other, at the start or years
    /// later. By default a feed always tries again, slowly after a
    /// [permanent](FeedError::is_permanent) error. A sequence that the server rejects (400) is such
    /// an error, after which the feed would start from the beginning.
    ///
    /// ```
    /// # use couch_feed::FeedOptions;
    /// use couch_feed::FeedError::NoDatabase;
    /// # fn three(feed: fn() -> FeedOptions) {
    /// // Ends at whatever needs an operator.
    /// let _ = feed().retry_if(|why| !why.is_permanent());
    /// // The same, but the database may be created later, or created again.
    /// let _ = feed().retry_if(|why| !why.is_permanent() || matches!(why, NoDatabase(_)));
    /// // Ends when the database is deleted.
    /// let _ = feed().retry_if(|why| !matches!(why, NoDatabase(_)));
    /// # }
    /// ```
    #[must_use]
    pub fn retry_if(mut self, condition: fn(&FeedError) -> bool) -> Self {
        self.retry.condition = condition;
        self
    }
}
