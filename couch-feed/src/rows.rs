//! Following every change: where to begin, which rows to report, and which are acknowledged.

use crate::answers::Answer;
use crate::checkpoint::{Checkpoint, LatestRows, Ledger, Marks, Mismatch, Recent};
use crate::error::FeedError;
use crate::event::{Action, FeedEnd, FeedEvent, Urgency};
use crate::follower::{Follower, Outlet};
use crate::limits::WINDOW_BYTES;
use crate::query::{EveryChange, OnMismatch, OnRecreated, Start};
use crate::row::{Info, Row, Seq, members, parse_document};
use crate::state::State;
use crate::url::{encoded, path_of};
use bytes::BytesMut;
use std::sync::Arc;

/// Every change of a database, as far as it was reported.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) every: EveryChange,
    pub(crate) server: ServerUuid,
    pub(crate) ledger: Ledger,
    recent: Recent,
    /// What repeated rows are compared with, if they should be dropped.
    latest: Option<LatestRows>,
    /// A row that came without its document, which is asked for.
    pub(crate) awaiting_doc: Option<Row>,
    /// The last row before or at the sequence to be asked for next.
    since_number: u64,
    /// The same of the sequence that was asked for after the last loss.
    asked_number: u64,
    /// The last row that was reported before the feed was last asked for.
    asked_last: u64,
    /// True while the rows that come were reported before the feed was asked for.
    is_rewound: bool,
    /// The number of rows that will still be reported, if there is a limit.
    pub(crate) left: Option<u64>,
}

/// The uuid that the server sends at its root.
#[derive(Debug)]
pub(crate) enum ServerUuid {
    Unknown,
    /// The server failed to send it; it is asked again after the next feed has begun, so that a
    /// server that fails at nothing else is not asked in a tight loop.
    AskAgain,
    /// `None` if the server does not send one.
    Known(Option<String>),
}

impl Rows {
    pub(crate) fn new(every: EveryChange) -> Self {
        Rows {
            server: ServerUuid::Unknown,
            ledger: Ledger::default(),
            recent: Recent::default(),
            latest: every.drops_repeats.then(LatestRows::default),
            awaiting_doc: None,
            since_number: 0,
            asked_number: 0,
            asked_last: 0,
            is_rewound: false,
            left: every.query.limit,
            every,
        }
    }

    /// Returns true if no more rows may be reported until some are acknowledged.
    fn is_full(&self) -> bool {
        self.ledger.unfinished() >= self.every.window || self.ledger.open_bytes >= WINDOW_BYTES
    }

    /// Returns true if the limit is reached and all rows are acknowledged.
    fn is_done(&self) -> bool {
        self.left == Some(0) && self.ledger.unfinished() == 0
    }

    /// The feed is asked for. Only after a loss can rows be repeated because the server has gone
    /// back: without one, the same server answers.
    pub(crate) fn asked(&mut self, is_after_loss: bool) {
        if is_after_loss {
            self.asked_number = self.since_number;
        }
        self.asked_last = self.ledger.last;
    }

    fn restart(&mut self, seq: &Seq, marks: Marks) {
        self.ledger.restart(seq.clone());
        self.recent.restart(marks);
        self.awaiting_doc = None;
        self.latest = self.latest.take().map(|_| LatestRows::default());
        self.since_number = self.ledger.last;
    }
}

impl Follower {
    /// Finds the sequence from which every change is reported. `None` if the feed has ended.
    pub(crate) fn find_place(&mut self, info: &Info, is_recreated: bool) -> Option<()> {
        let every = &self.rows.as_ref()?.every;
        let from = |seq| Some((seq, Marks::default()));
        let place = match &every.start {
            _ if is_recreated => {
                let then = every.on_recreated;
                self.tell(FeedEvent::Recreated);
                if then == OnRecreated::Stop {
                    // The checkpoint remains that of the old database.
                    self.end(FeedEvent::Ended(FeedEnd::Recreated));
                    return None;
                }
                from(Seq::beginning())
            }
            _ if self.place.since.is_some() => None,
            Start::Beginning => from(Seq::beginning()),
            Start::Now => info.update_seq.clone().and_then(from),
            Start::Checkpoint(checkpoint) => {
                let checkpoint = checkpoint.clone();
                Some(self.place_of(checkpoint, info)?)
            }
        };
        self.place.identity.clone_from(&info.identity);
        let rows = self.rows.as_mut()?;
        if let Some((seq, marks)) = place {
            rows.restart(&seq, marks);
            self.place.since = Some(seq);
            self.actions.push_back(Action::Save(Urgency::Now));
        }
        if rows.is_done() {
            self.end(FeedEvent::Ended(FeedEnd::Limit));
            return None;
        }
        Some(())
    }

    /// The sequence after which a checkpoint continues, and the marks of the rows before, if it
    /// belongs to the followed rows. `None` if the feed has ended because it does not.
    fn place_of(&mut self, kept: Checkpoint, info: &Info) -> Option<(Seq, Marks)> {
        let rows = self.rows.as_ref()?;
        let now = self.checkpoint_at(rows, kept.seq.clone(), info.identity.clone());
        let then = rows.every.on_mismatch;
        let is_lost = self.place.has_lost(info, &kept.seq).then_some(Mismatch::Identity);
        let Some(mismatch) = kept.mismatch(&now).or(is_lost) else {
            self.place.purges = kept.purges;
            return Some((kept.seq, kept.recent));
        };
        self.tell(FeedEvent::Mismatch(mismatch));
        match then {
            OnMismatch::Keep => Some((kept.seq, Marks::default())),
            OnMismatch::Restart => Some((Seq::beginning(), Marks::default())),
            OnMismatch::Fail => {
                self.end(FeedEvent::Ended(FeedEnd::Mismatch(mismatch)));
                None
            }
        }
    }

    pub(crate) fn checkpoint_at(
        &self,
        rows: &Rows,
        seq: Seq,
        identity: Option<String>,
    ) -> Checkpoint {
        Checkpoint {
            seq,
            server: match &rows.server {
                ServerUuid::Known(uuid) => uuid.clone(),
                ServerUuid::Unknown | ServerUuid::AskAgain => None,
            },
            database: self.url.to_string(),
            identity,
            purges: self.place.purges.clone(),
            query: rows.every.query.selected(),
            recent: rows.recent.marks(rows.ledger.acknowledged_number),
        }
    }

    /// A row has arrived. If documents are omitted because one was too long, its document is asked
    /// for first. A row without a sequence of its own is reported as it is, because asking again
    /// would never lead past it.
    pub(crate) fn every_row(&mut self, row: Row) {
        let has_own_seq = row.seq.is_some() && row.seq != self.place.since;
        let must_wait = self.omits_documents() && row.doc.is_none() && has_own_seq;
        match &mut self.rows {
            Some(rows) if must_wait => {
                rows.awaiting_doc = Some(row);
                self.reconnect();
            }
            _ => self.report_row(row),
        }
    }

    /// Returns true if `seq` is certainly after the sequence that the feed was asked from.
    fn is_new(&self, seq: Option<&Seq>) -> bool {
        let is_counted = self.place.end.as_ref().is_some_and(|end| end.count.is_some());
        let asked = self.paging.since.as_ref().and_then(Seq::number);
        is_counted && seq.and_then(Seq::number).zip(asked).is_some_and(|(seq, asked)| seq > asked)
    }

    /// Reports a row, unless it is a repeated one that should be dropped.
    fn report_row(&mut self, row: Row) {
        let (omitted, is_new) = (self.omits_documents(), self.is_new(row.seq.as_ref()));
        let is_caught_up = self.place.is_caught_up;
        let Some(rows) = &mut self.rows else { return };
        let number = rows.ledger.report(row.seq.clone(), row.json.len());
        let before = rows.recent.record(&row, number);
        let is_same = rows.latest.as_mut().is_some_and(|latest| latest.record(&row));
        let is_repeat = before.is_some();
        let is_dropped = is_repeat && is_same;
        // After all existing changes were reported, a row is repeated because its document changed.
        let is_back = before.is_some_and(|before| before <= rows.asked_number);
        let is_back = is_back && !is_new && !is_caught_up;
        // Within one answer a row is repeated because something has happened to its document.
        let is_news = before.is_none_or(|before| is_new || before > rows.asked_last);
        let begins_rewind = is_back && !rows.is_rewound;
        rows.is_rewound = is_back || (rows.is_rewound && is_repeat);
        let counts = is_news && !is_dropped;
        if counts {
            rows.left = rows.left.map(|left| left - 1);
        }
        let is_complete = rows.left == Some(0);
        if let Some(seq) = &row.seq {
            rows.since_number = number;
            self.place.since = Some(seq.clone());
        }
        let has_moved = is_dropped && rows.ledger.acknowledge(number);
        if counts {
            self.record_news();
        }
        if begins_rewind {
            self.tell(FeedEvent::Rewound);
        }
        if is_dropped {
            self.counters.repeats += 1;
        } else {
            self.counters.changes += 1;
            if let Some(why) = row.rejected {
                let (id, why) = (row.id.clone(), Arc::new(FeedError::Answer(why)));
                self.tell(FeedEvent::Unread { id, why });
            }
            self.tell(FeedEvent::Row { number, row: Arc::new(row), is_repeat });
        }
        if has_moved {
            self.save_soon();
        }
        if is_complete {
            self.wait(self.heartbeat); // for the rest to be acknowledged
        } else if omitted && !self.omits_documents() {
            self.ask_next(); // for rows with documents
        }
    }

    /// The server has sent everything up to `seq`.
    pub(crate) fn reach(&mut self, seq: Seq) {
        if let Some(rows) = &mut self.rows {
            rows.ledger.reach(seq.clone());
            rows.since_number = rows.ledger.last;
            self.save_soon();
        }
        self.place.since = Some(seq);
    }

    /// Returns true if nothing more should be read at the moment.
    pub(crate) fn is_full(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.is_full() || self.outlet == Outlet::Blocked)
    }

    pub(crate) fn acknowledged(&mut self, number: u64) {
        let Some(rows) = &mut self.rows else { return };
        let has_moved = rows.ledger.acknowledge(number);
        let is_done = rows.is_done() && matches!(&self.state, State::Waiting);
        if has_moved {
            self.save_soon();
        }
        if is_done {
            self.end(FeedEvent::Ended(FeedEnd::Limit));
        } else {
            self.read_on();
        }
    }

    pub(crate) fn save_soon(&mut self) {
        if self.rows.is_some() {
            self.actions.push_back(Action::Save(Urgency::Soon));
        }
    }

    /// Returns true if rows are asked for without documents, one by one, because a row was too long
    /// with its document. Each document is then asked for by itself.
    ///
    /// It is not known which row was too long: a database of several shards sends its rows in
    /// another order each time, so the next row need not be the same one.
    pub(crate) fn omits_documents(&self) -> bool {
        self.wants_docs()
            && self.place.too_long_after.is_some()
            && self.place.too_long_after == self.place.since
    }

    /// The target of the request for the document of the row that waits for it, without the
    /// database.
    pub(crate) fn tail_of_row_document(&self) -> String {
        let rows = self.rows.as_ref();
        let waiting = rows.and_then(|rows| Some((rows.awaiting_doc.as_ref()?, &rows.every.query)));
        let Some((row, query)) = waiting else { return String::new() };
        let rev = row.revs.first().map_or("", String::as_str);
        format!("/{}?rev={}{}", path_of(&row.id), encoded(rev), query.of_documents())
    }

    pub(crate) fn row_document_read(&mut self, body: &[u8]) {
        let Some(id) = self.awaiting_id() else { return };
        match parse_document(body, &id) {
            Ok(_) => self.report_awaiting(Some(body.trim_ascii()), None),
            // A page that is not an object is a proxy's, and may be gone the next time.
            Err(why) if members(body, ["_id"]).is_none() => self.lose(FeedError::Answer(why)),
            Err(why) => {
                let why = Arc::new(FeedError::Answer(why));
                self.report_awaiting(None, Some(FeedEvent::Unread { id, why }));
            }
        }
    }

    pub(crate) fn row_document_too_long(&mut self) {
        let (id, max) = (self.awaiting_id(), self.line_max);
        self.report_awaiting(None, id.map(|id| FeedEvent::TooLong { id, max }));
    }

    /// The document was removed since, or must not be read.
    pub(crate) fn row_document_refused(&mut self, answer: &Answer) {
        match answer.error() {
            FeedError::NoDatabase(reason) => self.fail(answer, FeedError::NoDatabase(reason)),
            error if error.is_permanent() => self.report_awaiting(None, None),
            error => self.fail(answer, error),
        }
    }

    fn awaiting_id(&self) -> Option<String> {
        Some(self.rows.as_ref()?.awaiting_doc.as_ref()?.id.clone())
    }

    /// Reports the row that has waited, with its document or after the reason why there is none.
    fn report_awaiting(&mut self, doc: Option<&[u8]>, why: Option<FeedEvent>) {
        let Some(mut row) = self.rows.as_mut().and_then(|rows| rows.awaiting_doc.take()) else {
            return;
        };
        if let Some(doc) = doc {
            insert_document(&mut row, doc);
        }
        if let Some(why) = why {
            self.tell(why);
        }
        let omitted = self.omits_documents();
        self.report_row(row);
        let is_waiting = matches!(&self.state, State::Waiting);
        if !is_waiting && omitted == self.omits_documents() {
            self.ask_next();
        }
    }
}

/// Makes the row as it would have come with its document.
fn insert_document(row: &mut Row, doc: &[u8]) {
    let Some(open) = row.json.trim_ascii().strip_suffix(b"}") else { return };
    let mut json = BytesMut::with_capacity(open.len() + doc.len() + 8);
    json.extend_from_slice(open);
    json.extend_from_slice(b",\"doc\":");
    let start = json.len();
    json.extend_from_slice(doc);
    json.extend_from_slice(b"}");
    row.json = json.freeze();
    row.doc = Some(row.json.slice(start..start + doc.len()));
}
