//! How every change of a database is to be followed.

use super::checkpoint::{Checkpoint, Mismatch};
use super::checkpoint_file::CheckpointFile;
use super::query::Query;
use crate::limits::FEED_WINDOW_ROWS;

/// What a [`ChangesFeed`](super::ChangesFeed) does that follows every change of a database, or of
/// those documents that a [`Query`] picks.
///
/// Each row is told as [`FeedEvent::Row`](super::FeedEvent::Row), at least once and in the server's
/// order. Who has handled it says so by [`ChangesFeed::HANDLED`](super::ChangesFeed::HANDLED), in
/// any order; until then it is unfinished. The sequence of the last row before which all are
/// handled is the checkpoint: where a later run goes on.
///
/// Server clusters may send rows again, and so may a reconnection: handle a row so that doing it
/// twice does no harm. Of what comes again, the last
/// [`FEED_RECENT_ROWS`](crate::limits::FEED_RECENT_ROWS) of this run are marked, and of an earlier
/// run the last [`FEED_KEPT_ROWS`](crate::limits::FEED_KEPT_ROWS) that were handled. Those of this
/// run are [dropped](Self::drop_repeats) where that is asked for.
#[derive(Debug)]
pub struct EveryChange {
    pub(super) start: Start,
    pub(super) query: Query,
    pub(super) window: usize,
    pub(super) drops_repeats: bool,
    pub(super) file: Option<CheckpointFile>,
    pub(super) on_mismatch: OnMismatch,
    pub(super) on_recreated: OnRecreated,
}

/// Where a feed of every change begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With every document that there is.
    Beginning,
    /// With what changes from now on: from the sequence that the database has when it is first
    /// reached.
    Now,
    /// Behind what was handled before.
    Checkpoint(Checkpoint),
}

/// What to do when a checkpoint is of something else than what is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMismatch {
    /// End the feed: somebody must decide.
    #[default]
    Fail,
    /// Begin at the database's beginning.
    Restart,
    /// Go on from the checkpoint all the same, as after a server has moved.
    Keep,
}

/// What to do when the database was deleted and made again while it was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRecreated {
    /// Tell what the new one has, from its beginning.
    #[default]
    Restart,
    /// End the feed.
    Stop,
}

/// Why a feed of every change has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEnd {
    /// As many rows as [`Query::limit`] allows were told and are handled.
    Limit,
    /// The database is another, and [`OnRecreated::Stop`] was asked for.
    Recreated,
    /// The checkpoint does not fit, and nobody asked for anything but [`OnMismatch::Fail`].
    Mismatch(Mismatch),
}

impl EveryChange {
    /// Every change from `start` on; where there is a checkpoint file with a checkpoint, from
    /// there.
    pub fn since(start: Start) -> Self {
        EveryChange {
            start,
            query: Query::new(),
            window: FEED_WINDOW_ROWS,
            drops_repeats: false,
            file: None,
            on_mismatch: OnMismatch::default(),
            on_recreated: OnRecreated::default(),
        }
    }

    /// Asks for the rows of this query rather than for all, without documents.
    #[must_use]
    pub fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    /// Tells at most so many rows beyond the last before which all are handled; at least one. Then
    /// the feed reads nothing more from its socket, and the server waits.
    #[must_use]
    pub fn window(mut self, rows: usize) -> Self {
        self.window = rows.max(1);
        self
    }

    /// Drops a row that says what the last row of the same document said, rather than tell it with
    /// a mark: the same revisions, deleted or not, and where it has the document, the same one to
    /// the byte. [`Counters::repeats`](super::Counters::repeats) counts what is dropped, each has
    /// its number, which is missing among those that are told, and it is as good as handled: its
    /// sequence is acknowledged with the rows before it.
    ///
    /// It costs two hashes of each row and its document, and some hundred kilobytes more. It is no
    /// promise that a row comes but once. Told again, with the mark where they are known, are
    /// - rows behind which [`FEED_RECENT_ROWS`](crate::limits::FEED_RECENT_ROWS) others have come,
    /// - rows of an earlier run,
    /// - an older revision of a document that comes behind a newer one: after a conflict it may be
    ///   the winner once more.
    ///
    /// And without [`Query::all_revs`] a row names the winning revision alone: one that comes only
    /// because another leaf has changed says nothing new, and is dropped.
    #[must_use]
    pub fn drop_repeats(mut self) -> Self {
        self.drops_repeats = true;
        self
    }

    /// Goes on from the file's checkpoint, if it has one, and keeps the newest there.
    #[must_use]
    pub fn checkpoint_file(mut self, file: CheckpointFile) -> Self {
        self.file = Some(file);
        self
    }

    /// What to do when the checkpoint is of something else.
    #[must_use]
    pub fn on_mismatch(mut self, then: OnMismatch) -> Self {
        self.on_mismatch = then;
        self
    }

    /// What to do when the database becomes another.
    #[must_use]
    pub fn on_recreated(mut self, then: OnRecreated) -> Self {
        self.on_recreated = then;
        self
    }
}
