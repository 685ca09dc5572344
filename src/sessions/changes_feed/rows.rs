//! Telling every row, and taking down which of them are handled.

use super::checkpoint::{Checkpoint, Mismatch};
use super::checkpoint_file::{CheckpointFile, Writer};
use super::error::FeedError;
use super::event::FeedEvent;
use super::every_change::{EveryChange, FeedEnd, OnMismatch, OnRecreated, Start};
use super::latest::Latest;
use super::ledger::Ledger;
use super::query::Query;
use super::recent::{Kept, Recent};
use super::row::{Info, Row, Seq, parse_uuid};
use super::subject::Subject;
use super::{ChangesFeed, Step};
use crate::limits::FEED_WINDOW_BYTES;
use crate::reactor::Cx;
use http::StatusCode;
use std::sync::Arc;

/// Every change of a database, as far as it was told.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact that the next step depends on")]
pub(super) struct Rows {
    pub(super) query: Query,
    start: Start,
    window: usize,
    on_mismatch: OnMismatch,
    on_recreated: OnRecreated,
    /// Until the feed is started.
    pub(super) file: Option<CheckpointFile>,
    pub(super) writer: Option<Writer>,

    /// Whether the server was asked who it is.
    pub(super) is_met: bool,
    /// Whether it failed at that, and is to be asked again when the feed next is.
    is_to_meet: bool,
    server: Option<String>,
    ledger: Ledger,
    recent: Recent,
    /// A row that waits for its document.
    pub(super) held: Option<Row>,
    /// Where rows that come again are dropped.
    latest: Option<Latest>,
    /// The last row that is before or at the sequence that is to be asked for.
    since_number: u64,
    /// The same of the sequence that was asked for after the last loss.
    asked_number: u64,
    /// The last row that was told before the feed was last asked for.
    asked_last: u64,
    /// Whether what comes now had been told before the feed was asked for.
    is_rewound: bool,
    /// How many rows are still to be told, if not all.
    pub(super) left: Option<u64>,
    pub(super) is_save_due: bool,
    /// Whether it was told that a checkpoint could not be written.
    pub(super) is_failing: bool,
}

impl Rows {
    pub(super) fn new(every: EveryChange) -> Self {
        let EveryChange { start, query, window, drops_repeats, file, on_mismatch, on_recreated } =
            every;
        let kept = file.as_ref().and_then(|file| file.checkpoint().cloned());
        Rows {
            start: kept.map_or(start, Start::Checkpoint),
            window,
            on_mismatch,
            on_recreated,
            file,
            writer: None,
            is_met: false,
            is_to_meet: false,
            server: None,
            ledger: Ledger::default(),
            recent: Recent::default(),
            held: None,
            latest: drops_repeats.then(Latest::default),
            since_number: 0,
            asked_number: 0,
            asked_last: 0,
            is_rewound: false,
            left: query.limit,
            query,
            is_save_due: false,
            is_failing: false,
        }
    }

    pub(super) fn acknowledged(&self) -> Option<&Seq> {
        self.ledger.acknowledged()
    }

    /// Whether no more rows are to be told until some are handled.
    fn is_full(&self) -> bool {
        self.ledger.unfinished() >= self.window
            || self.ledger.unhandled_bytes() >= FEED_WINDOW_BYTES
    }

    /// Whether all is told and handled that was to be.
    fn is_done(&self) -> bool {
        self.left == Some(0) && self.ledger.unfinished() == 0
    }

    /// The feed is asked for from the sequence that it has come to. What comes again because a
    /// server has gone back does so after a loss: a feed that is asked for again without one has
    /// reached the same server as before.
    pub(super) fn asked(&mut self, is_after_loss: bool) {
        if is_after_loss {
            self.asked_number = self.since_number;
        }
        self.asked_last = self.ledger.last();
    }

    /// The feed has begun. Not before that is the server asked again who it is: none that fails at
    /// that alone is asked without a pause.
    pub(super) fn begun(&mut self) {
        self.is_met = !std::mem::take(&mut self.is_to_meet);
    }

    fn begin(&mut self, seq: &Seq, kept: Kept) {
        self.ledger.begin(seq.clone());
        self.recent.begin(kept);
        self.held = None;
        self.latest = self.latest.take().map(|_| Latest::default());
        self.since_number = self.ledger.last();
    }
}

impl ChangesFeed {
    /// The server has said who it is, or what else it has to say there; unless that is to come
    /// again later.
    pub(super) fn meet(&mut self, cx: &mut Cx<'_>) {
        let status = self.answer.status.unwrap_or_default();
        let is_passing = self.answer.is_passing_failure();
        let is_later = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        // A wrong password is refused at every path, and each refusal counts for a lock-out.
        let is_refused = self.answer.is_wrong_password() && self.database.login().is_some();
        if is_passing && is_later || is_refused {
            let refusal = self.answer.refusal();
            return self.lose(cx, refusal);
        }
        if let Some(rows) = self.subject.rows_mut() {
            rows.is_met = true;
            rows.is_to_meet = is_passing;
            rows.server = parse_uuid(&self.answer.body);
        }
        self.go_on(cx);
    }

    /// Finds the place in the database from which every change is to be told; whether the feed goes
    /// on.
    pub(super) fn find_place(&mut self, cx: &mut Cx<'_>, info: &Info, is_other: bool) -> bool {
        let Some(rows) = self.subject.rows() else { return true };
        let place = if is_other {
            let is_end = rows.on_recreated == OnRecreated::Stop;
            self.tell(cx, FeedEvent::Recreated);
            if is_end {
                self.end(cx, FeedEnd::Recreated); // with the checkpoint of the one that is gone
                return false;
            }
            Some((Seq::beginning(), Kept::default()))
        } else if self.since.is_some() {
            None
        } else {
            match rows.start.clone() {
                Start::Beginning => Some((Seq::beginning(), Kept::default())),
                Start::Now => info.update_seq.clone().map(|seq| (seq, Kept::default())),
                Start::Checkpoint(checkpoint) => {
                    let Some(place) = self.place_of(cx, checkpoint, info) else { return false };
                    Some(place)
                }
            }
        };
        self.identity.clone_from(&info.identity);
        if let (Some((seq, kept)), Some(rows)) = (place, self.subject.rows_mut()) {
            rows.begin(&seq, kept);
            self.since = Some(seq);
            self.save(cx, ());
        }
        if self.subject.rows().is_some_and(Rows::is_done) {
            self.end(cx, FeedEnd::Limit);
            return false;
        }
        true
    }

    /// Where a checkpoint says to go on, if it is of what is followed or as good as that; and what
    /// was handled before, as far as that is sure.
    fn place_of(&mut self, cx: &mut Cx<'_>, kept: Checkpoint, info: &Info) -> Option<(Seq, Kept)> {
        let rows = self.subject.rows()?;
        let now = self.checkpoint_at(rows, kept.seq.clone(), info.identity.clone());
        let then = rows.on_mismatch;
        let has_lost = self.has_lost(info, &kept.seq).then_some(Mismatch::Identity);
        let Some(mismatch) = kept.mismatch(&now).or(has_lost) else {
            self.look.purges = kept.purges;
            return Some((kept.seq, kept.recent));
        };
        self.tell(cx, FeedEvent::Mismatch(mismatch));
        match then {
            OnMismatch::Keep => Some((kept.seq, Kept::default())),
            OnMismatch::Restart => Some((Seq::beginning(), Kept::default())),
            OnMismatch::Fail => {
                self.end(cx, FeedEnd::Mismatch(mismatch));
                None
            }
        }
    }

    fn checkpoint_at(&self, rows: &Rows, seq: Seq, identity: Option<String>) -> Checkpoint {
        Checkpoint {
            seq,
            server: rows.server.clone(),
            database: self.database.to_string(),
            identity,
            purges: self.look.purges.clone(),
            query: rows.query.picks(),
            recent: rows.recent.kept(rows.ledger.acknowledged_number()),
        }
    }

    /// Up to where all is handled.
    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        let rows = self.subject.rows()?;
        let seq = rows.acknowledged()?.clone();
        Some(self.checkpoint_at(rows, seq, self.identity.clone()))
    }

    /// Tells a row. It is the last to be told before the next is read, so that none is told that
    /// could not be posted.
    pub(super) fn tell_row(&mut self, cx: &mut Cx<'_>, row: Row) {
        let (is_lean, is_new) = (self.is_lean(), self.is_new(row.seq.as_ref()));
        let is_caught_up = self.is_caught_up;
        let Some(rows) = self.subject.rows_mut() else { return };
        let number = rows.ledger.tell(row.seq.clone(), row.json.len());
        let before = rows.recent.tell(&row, number);
        let is_same = rows.latest.as_mut().is_some_and(|latest| latest.tell(&row));
        let is_repeat = before.is_some();
        let is_dropped = is_repeat && is_same;
        // Once all was told that there was, a row comes again because its document has changed.
        let is_back = before.is_some_and(|before| before <= rows.asked_number);
        let is_back = is_back && !is_new && !is_caught_up;
        // In the answer under way a row comes again when something has happened to its document.
        let is_news = before.is_none_or(|before| is_new || before > rows.asked_last);
        let is_rewound = is_back && !rows.is_rewound;
        rows.is_rewound = is_back || (rows.is_rewound && is_repeat);
        if is_news && !is_dropped {
            rows.left = rows.left.map(|left| left - 1);
            self.paging.has_news = true;
            self.backoff.reset();
        }
        let is_over = rows.left == Some(0);
        if let Some(seq) = &row.seq {
            rows.since_number = number;
            self.since = Some(seq.clone());
        }
        let has_moved = is_dropped && rows.ledger.handle(number);
        if is_rewound {
            self.tell(cx, FeedEvent::Rewound);
        }
        if is_dropped {
            self.counters.repeats += 1;
        } else {
            self.counters.changes += 1;
            if let Some(why) = row.refused {
                let (id, why) = (row.id.clone(), Arc::new(FeedError::Answer(why)));
                self.tell(cx, FeedEvent::Unread { id, why });
            }
            self.tell(cx, FeedEvent::Row { number, row: Arc::new(row), is_repeat });
        }
        if has_moved {
            self.save_soon(cx);
        }
        if is_over {
            self.await_handling(cx);
        } else if is_lean && !self.is_lean() {
            self.go_on(cx); // the next ones are to have documents
        }
    }

    /// The server has told everything up to `seq`.
    pub(super) fn reach(&mut self, cx: &mut Cx<'_>, seq: Seq) {
        if let Some(rows) = self.subject.rows_mut() {
            rows.ledger.reach(seq.clone());
            rows.since_number = rows.ledger.last();
            self.save_soon(cx);
        }
        self.since = Some(seq);
    }

    /// Whether nothing more is to be read for the moment.
    pub(super) fn is_full(&self) -> bool {
        match &self.subject {
            Subject::Documents(_) => false,
            Subject::Rows(rows) => rows.is_full() || !self.outbox.is_empty(),
        }
    }

    /// The watcher has handled the row of this number.
    pub(super) fn handled(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(rows) = self.subject.rows_mut() else { return };
        let has_moved = rows.ledger.handle(number);
        let is_done = rows.is_done() && self.step == Step::Waiting;
        if has_moved {
            self.save_soon(cx);
        }
        if is_done {
            self.end(cx, FeedEnd::Limit);
        } else {
            self.read_on(cx);
        }
    }

    /// All is told that was to be: what is left is to be handled.
    fn await_handling(&mut self, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        self.wait(cx, self.heartbeat);
    }

    /// Whether nothing but acknowledgements is awaited for now.
    pub(super) fn is_held(&self) -> bool {
        let is_told = self.subject.rows().is_some_and(|rows| rows.left == Some(0));
        let is_paused = self.listening.is_some_and(|listening| listening.is_paused);
        is_paused || (is_told && self.step == Step::Waiting)
    }

    fn end(&mut self, cx: &mut Cx<'_>, end: FeedEnd) {
        self.tell_last(cx, FeedEvent::Ended(end));
    }
}
