//! What a feed tells, and how it stands.

use super::checkpoint::Mismatch;
use super::error::FeedError;
use super::every_change::FeedEnd;
use super::row::{Row, Seq};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a [`ChangesFeed`](super::ChangesFeed) tells. None of these shows a credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedEvent {
    /// The server has begun to answer with the feed. Where it is asked for answer by answer, once
    /// after each loss; and not again when the feed goes on behind the question where it ends.
    Connected {
        /// The number of the connection, the first one being 1.
        connection: u64,
        /// From where the feed was asked for.
        since: Seq,
    },
    /// A document stands thus now.
    Change(Change),
    /// All that there was when the feed came back has been told, and what comes will be. Once after
    /// each loss.
    ///
    /// No line of a feed says so: `CouchDB` sends empty ones also while it goes through what a
    /// filter leaves out, and none where there always is something to send. So of documents it is
    /// told with the feed's return, for they were read before that, unless nothing had changed. Of
    /// every change it is told where the sequence is that of the database, or where sequences are
    /// numbers, has come as far; where an answer ends that is not full; and else the rest is asked
    /// for as such an answer (`feed=normal`) once, at the first empty line, or after a
    /// [`heartbeat`](super::ChangesFeed::heartbeat) of rows. A server that refuses that is followed
    /// all the same, and this is not told.
    CaughtUp,
    /// The feed is lost; it is tried again after `retry_after`. What was told stays the last that
    /// is known.
    Lost {
        /// Why.
        why: Arc<FeedError>,
        /// When it is tried again.
        retry_after: Duration,
        /// How many losses there were in a row, this one included.
        times: u32,
        /// From where it goes on, if it ever came so far: a line that is too long, or none of a
        /// feed's, stands behind this.
        since: Option<Seq>,
    },
    /// The feed is lost and not tried again, as [`retry_limit`](super::ChangesFeed::retry_limit) or
    /// [`retry_if`](super::ChangesFeed::retry_if) will have it. This is the last event; then the
    /// feed's session ends.
    GaveUp {
        /// Why.
        why: Arc<FeedError>,
        /// How many losses there were in a row, this one included.
        times: u32,
        /// From where it would have gone on, if it ever came so far.
        since: Option<Seq>,
    },
    /// The database is another than before, by the same name, or has lost its last changes; it is
    /// told anew. `CouchDB` 3 says so; `CouchDB` 2 does not, and this is never told there:
    /// documents are read anew after each loss, and a sequence of the database before is answered
    /// with all of the new one's rows. Of servers whose sequences are numbers (`CouchDB` 1,
    /// `PouchDB`) it is known when the database has fewer changes than were told, or was not there
    /// for a time. One that was made again unseen and has come as far is not recognised there, and
    /// rows of it are missed; documents are read anew whenever that may be. `CouchDB` 3 says it in
    /// whole seconds: a database that was made, deleted and made again within one second is not
    /// recognised, but what it has is told, because its sequences are of other files.
    /// [`CaughtUp`](Self::CaughtUp) follows once the new database has been told.
    Recreated,
    /// A row of a feed of [every change](super::EveryChange). Say that it is handled by
    /// [`HANDLED`](super::ChangesFeed::HANDLED).
    Row {
        /// Its number in this run, one more than that of the row before, be that one told or
        /// [dropped](super::EveryChange::drop_repeats).
        number: u64,
        /// What the server tells.
        row: Arc<Row>,
        /// Whether a row of the same document at the same revisions was told of late, or
        /// handled of late in an earlier run.
        is_repeat: bool,
    },
    /// The server tells again what was told before the feed was asked for, as a cluster does that
    /// has lost a node. It is the same database, and nothing is missed. It is known by the first
    /// row that comes again of those that are remembered, be they of this run or of one before.
    ///
    /// Without [`Query::all_revs`](super::Query::all_revs) a row names the winning revision alone,
    /// and one that comes because another leaf has changed looks as if it came again. Between a
    /// loss and the [`CaughtUp`](Self::CaughtUp) after it the first of its kind is told as this, in
    /// error, unless sequences are numbers.
    Rewound,
    /// Documents, or revisions of them, were purged since the database was last looked at. The
    /// server removes them without a row and does not say which: what was told of them is out of
    /// date. An index that must not show them has to be compared with the database, or built again.
    ///
    /// Sent only to a watcher of every change; followed documents are read again instead. It comes
    /// with the next look at the database, while a feed goes on at the latest
    /// [`FEED_LOOK_PAUSE`](crate::limits::FEED_LOOK_PAUSE) after the purge, and not in the order of
    /// the rows. A checkpoint keeps `purge_seq`, so that a purge between two runs is noticed too. A
    /// cluster that has lost or moved a shard may count its purges differently, and then this is
    /// sent in error.
    Purged,
    /// The checkpoint is of something else than what is followed.
    Mismatch(Mismatch),
    /// The checkpoint could not be written; it is tried again. Told once until it could be. Where
    /// the thread that writes could not be started, this is told at the start and none is written
    /// in this run.
    Unsaved(Arc<io::Error>),
    /// The feed of every change is at its end. This is the last event; then the feed's session
    /// ends.
    Ended(FeedEnd),
    /// The feed was lost so many times at the same sequence for the same reason: somebody should
    /// look. Told at [`FEED_STUCK_TIMES`](crate::limits::FEED_STUCK_TIMES), and each time that
    /// doubles.
    Stuck {
        /// How many times in a row.
        times: u32,
        /// Where.
        since: Seq,
        /// Why.
        why: Arc<FeedError>,
    },
    /// A document is longer than the feed's [`line_max`](super::ChangesFeed::line_max) and was
    /// passed over: what was told of it before is out of date, until it is told again. Of every
    /// change its row follows, without the document.
    TooLong {
        /// Its id.
        id: String,
        /// The limit, in bytes.
        max: usize,
    },
    /// A document cannot be read, or what the server sends is not this document: it has another
    /// `_id`, no `_rev`, or is no object. It is tried again after a pause that grows, and the feed
    /// goes on. What was told of it before is out of date, until it is told again. Told once until
    /// then. Where a single document is followed and the server refuses it, the feed is
    /// [lost](Self::Lost) instead.
    ///
    /// Of every change its row follows, without the document.
    Unread {
        /// Its id.
        id: String,
        /// Why.
        why: Arc<FeedError>,
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

impl Change {
    pub(super) fn gone(id: &str, rev: Option<String>) -> Self {
        Change { id: id.to_owned(), rev, doc: None }
    }
}

/// What a feed has seen since it was started:
/// [`ChangesFeed::COUNTERS`](super::ChangesFeed::COUNTERS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were begun, without those for a look at the database while a feed goes on.
    pub connections: u64,
    /// Times the feed was lost.
    pub losses: u64,
    /// Bytes of bodies, without the transfer's framing.
    pub bytes: u64,
    /// Rows of the feed, also those that were told before or are of no followed document.
    pub rows: u64,
    /// Empty lines of the feed, by which the server shows that it is alive. Those that come at once
    /// count as one.
    pub heartbeats: u64,
    /// Changes that were told.
    pub changes: u64,
    /// Rows that were dropped because they came again, as
    /// [`EveryChange::drop_repeats`](super::EveryChange::drop_repeats) asks for.
    pub repeats: u64,
    /// When the last byte came.
    pub heard: Option<Instant>,
    /// When the last row came.
    pub last_row: Option<Instant>,
}
