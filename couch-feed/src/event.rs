//! What a follower reports, and what it asks its driver to do.

use crate::checkpoint::Mismatch;
use crate::error::{BoxError, FeedError};
use crate::row::{Row, Seq};
use bytes::Bytes;
use http::Request;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a [`Follower`](crate::Follower) reports. None of these shows a credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedEvent {
    /// The server has begun to answer with the feed. In the modes in which an answer has an end
    /// this is sent once after each loss. It is not sent again when the feed goes on after a probe
    /// for its end.
    Connected {
        /// The number of the connection, the first one being 1.
        connection: u64,
        /// From where the feed was asked for.
        since: Seq,
    },
    /// The current state of a document.
    Change(Change),
    /// All changes that existed when the feed came back have been reported; new ones follow. Sent
    /// once after each loss.
    ///
    /// No line of a feed says so: `CouchDB` also sends empty lines while it skips what a filter
    /// leaves out, and sends none while there is always something to send. So for documents it is
    /// sent when the feed begins, because they were read before that, unless nothing had changed.
    /// For every change it is sent when the sequence is that of the database, or, if sequences are
    /// numbers, is as high; and when an answer with an end is not full. Otherwise the rest is asked
    /// for once as such an answer (`feed=normal`), at the first empty line, or after rows have come
    /// for a [`heartbeat`](crate::FeedOptions::heartbeat). A server that refuses that request is
    /// followed all the same, and then this is not sent.
    CaughtUp,
    /// The feed is lost. It is tried again after `retry_after`. The reported state remains the last
    /// known one.
    Lost {
        /// Why.
        why: Arc<FeedError>,
        /// The time until the next try.
        retry_after: Duration,
        /// The number of losses in a row, this one included.
        times: u32,
        /// From where it will go on; `None` if it was never that far. A line that is too long or
        /// malformed comes after this sequence.
        since: Option<Seq>,
    },
    /// The feed is lost and not tried again, because of
    /// [`retry_limit`](crate::FeedOptions::retry_limit) or
    /// [`retry_if`](crate::FeedOptions::retry_if). This is the last event.
    GaveUp {
        /// Why.
        why: Arc<FeedError>,
        /// The number of losses in a row, this one included.
        times: u32,
        /// From where it would have gone on; `None` if it was never that far.
        since: Option<Seq>,
    },
    /// The database was deleted and created again, or has lost its last changes. It is reported
    /// from its beginning.
    ///
    /// `CouchDB` 3 says so. `CouchDB` 2 does not, and this is never sent there: documents are
    /// read again after each loss, and a sequence of the old database is answered with all rows of
    /// the new one. On servers whose sequences are numbers (`CouchDB` 1, `PouchDB`) it is
    /// recognised if the database has fewer changes than were reported, or was missing for a time.
    /// One that was created again unseen and has as many changes is not recognised there, and rows
    /// of it are missed; documents are read again whenever that is possible. `CouchDB` 3 counts in
    /// whole seconds: a database that was created, deleted and created again within one second is
    /// not recognised, but its contents are reported, because its sequences belong to other files.
    /// [`CaughtUp`](Self::CaughtUp) follows when the new database has been reported.
    Recreated,
    /// A row of a feed of [every change](crate::EveryChange). Acknowledge it with
    /// [`acknowledge`](crate::Follower::acknowledge).
    Row {
        /// Its number in this run, one more than the number of the row before, whether that one was
        /// reported or [dropped](crate::EveryChange::drop_repeats).
        number: u64,
        /// What the server sent.
        row: Arc<Row>,
        /// True if a row of the same document with the same revisions was reported recently, or
        /// acknowledged recently in an earlier run.
        is_repeat: bool,
    },
    /// The server repeats rows that were reported before the feed was asked for: a cluster that has
    /// lost a node does so. It is the same database, and nothing is missed. The first repeated row
    /// among the remembered ones, of this run or the one before, causes this event.
    ///
    /// Without [`Query::all_revs`](crate::Query::all_revs) a row names only the winning revision,
    /// and a row that comes because another leaf has changed looks like a repeated one. The first
    /// such row between a loss and the next [`CaughtUp`](Self::CaughtUp) causes this event in
    /// error, unless sequences are numbers.
    Rewound,
    /// Documents, or revisions of them, were purged since the database was last looked at. The
    /// server removes them without a row and does not name them, so earlier reports of them are
    /// outdated. An index that must not show them has to be compared with the database, or built
    /// again.
    ///
    /// Sent only if every change is followed; followed documents are read again instead. It comes
    /// with the next look at the database, which is at the latest
    /// [`LOOK_PAUSE`](crate::limits::LOOK_PAUSE) after the purge, and not in the order of
    /// the rows. A checkpoint keeps `purge_seq`, so that a purge between two runs is noticed too. A
    /// cluster that has lost or moved a shard may count its purges differently, and then this is
    /// sent in error.
    Purged,
    /// The checkpoint belongs to another server, database or query.
    Mismatch(Mismatch),
    /// The checkpoint could not be written; it will be tried again. Sent once until it succeeds.
    Unsaved(Arc<io::Error>),
    /// The feed of every change is at its end. This is the last event.
    Ended(FeedEnd),
    /// The feed was lost repeatedly at the same sequence for the same reason: an operator should
    /// look. Sent at [`STUCK_TIMES`](crate::limits::STUCK_TIMES) losses, and each time that this
    /// number doubles.
    Stuck {
        /// The number of losses in a row.
        times: u32,
        /// Where.
        since: Seq,
        /// Why.
        why: Arc<FeedError>,
    },
    /// A document is longer than [`line_max`](crate::FeedOptions::line_max) and was skipped.
    /// Earlier reports of it are outdated, until it is reported again. For every change its row
    /// follows, without the document.
    TooLong {
        /// Its id.
        id: String,
        /// The limit, in bytes.
        max: usize,
    },
    /// A document cannot be read, or the server sends something else in its place: it has another
    /// `_id`, no `_rev`, or is not an object. It is tried again after a pause that grows, and the
    /// feed goes on. Earlier reports of it are outdated, until it is reported again. Sent once
    /// until then. If only one document is followed and the server rejects the request for it, the
    /// feed is [lost](Self::Lost) instead.
    ///
    /// For every change its row follows, without the document.
    Unread {
        /// Its id.
        id: String,
        /// Why.
        why: Arc<FeedError>,
    },
}

/// The state of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// Its winning revision; `None` if the server does not know the document.
    pub rev: Option<String>,
    /// The document as the server wrote it; `None` if it is deleted or never existed.
    pub doc: Option<Bytes>,
}

impl Change {
    pub(crate) fn deleted(id: &str, rev: Option<String>) -> Self {
        Change { id: id.to_owned(), rev, doc: None }
    }
}

/// Why a feed of every change has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEnd {
    /// As many rows as [`Query::limit`](crate::Query::limit) allows were reported and acknowledged.
    Limit,
    /// The database was created again, and [`OnRecreated::Stop`](crate::OnRecreated::Stop) was
    /// asked for.
    Recreated,
    /// The checkpoint does not match, and [`OnMismatch::Fail`](crate::OnMismatch::Fail) holds.
    Mismatch(Mismatch),
}

/// What a feed has counted since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were started, without those for a look at the database while a feed goes
    /// on.
    pub connections: u64,
    /// Losses of the feed.
    pub losses: u64,
    /// Bytes of bodies, without the framing of the transfer.
    pub bytes: u64,
    /// Rows of the feed, including repeated ones and those of documents that are not followed.
    pub rows: u64,
    /// Empty lines of the feed, by which the server shows that it is alive. Consecutive empty lines
    /// that arrive together count as one.
    pub heartbeats: u64,
    /// Changes that were reported.
    pub changes: u64,
    /// Rows that were dropped because they were repeated; see
    /// [`EveryChange::drop_repeats`](crate::EveryChange::drop_repeats).
    pub repeats: u64,
    /// When the last byte arrived.
    pub heard: Option<Instant>,
    /// When the last row arrived.
    pub last_row: Option<Instant>,
}

/// How the server is asked for its feed. The reports are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedMode {
    /// One answer without an end (`feed=continuous`): a change arrives as soon as it is made.
    ///
    /// If something buffers that answer, as nginx does without `proxy_buffering off` and CouchDB
    /// with its setting `buffer_response`, nothing arrives, not even a head. After [three
    /// heartbeats](crate::limits::ANSWER_HEARTBEATS) without a byte, although the database
    /// answered, the feed is lost as [`HeldBack`](FeedError::HeldBack). It is then followed as in
    /// [`LongPoll`](Self::LongPoll), until that is not answered either.
    #[default]
    Continuous,
    /// An answer for each time that something changes (`feed=longpoll`), for proxies that buffer
    /// an answer until it is complete. A change arrives as soon; each costs one or two requests. If
    /// not even a heartbeat arrives, the server is asked to complete each answer after that time.
    /// An answer that comes immediately and has nothing new is followed by a pause, which grows to
    /// a heartbeat.
    LongPoll,
    /// An answer with all new changes (`feed=normal`), for servers and proxies that do not let a
    /// request wait. A change arrives within a [`heartbeat`](crate::FeedOptions::heartbeat), which
    /// is the pause between two requests if there is nothing new.
    Normal,
}

impl FeedMode {
    /// All modes.
    pub const ALL: [FeedMode; 3] = [FeedMode::Continuous, FeedMode::LongPoll, FeedMode::Normal];

    /// `CouchDB`'s name for it: the value of the parameter `feed`.
    pub fn name(self) -> &'static str {
        match self {
            FeedMode::Continuous => "continuous",
            FeedMode::LongPoll => "longpoll",
            FeedMode::Normal => "normal",
        }
    }

    /// Returns true if an answer has an end, after which more must be asked for.
    pub(crate) fn is_paged(self) -> bool {
        self != FeedMode::Continuous
    }
}

/// One of the two connections that a follower may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The connection of the feed.
    Feed,
    /// The connection for looks at the database while an answer of the feed goes on.
    Look,
}

/// What the driver must do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a new connection, then call
    /// [`Follower::handle_connected`](crate::Follower::handle_connected), or
    /// [`Follower::handle_lost`](crate::Follower::handle_lost) if that fails. A client that manages
    /// its connections itself can call the former at once.
    Connect(Channel),
    /// Send a request on the open connection.
    Send(Channel, Box<Request<Bytes>>),
    /// Close the connection, or stop opening it, and report nothing more of it.
    Close(Channel),
    /// Read nothing more from the feed's connection until [`Resume`](Self::Resume), so that the
    /// server waits: the program has not acknowledged enough rows.
    Pause,
    /// Read again.
    Resume,
    /// The [checkpoint](crate::Follower::checkpoint) has moved.
    Save(Urgency),
}

/// When a checkpoint should be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once: the feed has just begun at this place.
    Now,
    /// Within about a second, with other moves until then.
    Soon,
}

/// Why a connection was lost, or not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lost {
    /// The connection was not made.
    Connect(BoxError),
    /// The connection could not be secured.
    Tls {
        /// What failed.
        error: BoxError,
        /// True if it will fail again until an operator has fixed it, as with a certificate.
        is_permanent: bool,
    },
    /// Reading or writing failed.
    Io(io::Error),
    /// The answer is not valid HTTP.
    Http(BoxError),
    /// The connection ended before the first byte of an answer.
    Unanswered,
    /// The connection ended within an answer, or between two.
    Cut,
}
