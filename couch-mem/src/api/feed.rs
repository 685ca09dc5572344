//! A `_changes` answer as it goes on: the rows so far unsent, and its end. No timer: the session
//! that serves it has those.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};

use super::Couch;
use crate::limits::ROWS_SIZE;
use crate::store::{Change, Database, Extras, Sequence, push_args, push_string};

/// A `_changes` request being answered.
///
/// The session sends [`head`](Self::head) and [`opening`](Self::opening), then [`rows`](Self::rows)
/// now and whenever the [`database`](Self::database) changed, as long as they say so, and
/// [`end`](Self::end) last. Between rows it keeps the [`pace`](Self::pace). To give up without an
/// end (the client went away) is to drop it.
#[derive(Clone, Debug)]
pub struct Feed {
    pub(super) db: Arc<str>,
    pub(super) instance: u64,
    pub(super) kind: FeedKind,
    pub(super) since: u64,
    pub(super) limit: Option<u64>,
    pub(super) include_docs: bool,
    pub(super) extras: Extras,
    pub(super) all_leaves: bool,
    pub(super) filter: Filter,
    pub(super) pace: Pace,
    /// Which rows have a sequence, if not all: see [`push_row`](Self::push_row).
    pub(super) seq_interval: Option<u64>,
    /// Rows handed out.
    pub(super) sent: u64,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedKind {
    /// What there is, in one JSON object.
    Normal,
    /// The same, but it waits for one row at least.
    LongPoll,
    /// A row a line, for ever.
    Continuous,
}

/// Which documents' changes are shown.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    All,
    Ids(Arc<[String]>),
    Design,
}

/// What to do while nothing changes. The time begins anew whenever something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Send [`Feed::HEARTBEAT`] each time this passed; never end.
    Heartbeat(Duration),
    /// Send the end when this passed.
    Timeout(Duration),
}

/// Rows to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Whole rows, possibly none: about 64 KiB at most, or one larger row.
    pub lines: Bytes,
    /// What follows them.
    pub then: Then,
}

/// What to do after sending rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Ask for rows again as soon as these are on their way.
    More,
    /// Ask again when the database changed.
    Wait,
    /// Send the end.
    End,
}

impl Feed {
    /// The line that proves life.
    pub const HEARTBEAT: &'static [u8] = b"\n";

    /// The name of the database, as [`Couch::take_changed`] gives it.
    pub fn database(&self) -> &str {
        &self.db
    }

    /// What to do while nothing changes.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The head of the response: without a length, so the body is chunked, or ends with the
    /// connection. Send it at once, for clients take its coming for the feed's beginning.
    pub fn head() -> Response<()> {
        let mut response = super::response(StatusCode::OK, String::new());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.map(drop)
    }

    /// What goes before the first row. May be empty.
    pub fn opening(&self) -> &'static [u8] {
        match self.kind {
            FeedKind::Continuous => b"",
            FeedKind::Normal | FeedKind::LongPoll => b"{\"results\":[\n",
        }
    }

    /// The rows that were not handed out yet, oldest first, each document once. The feed is over
    /// when its database is gone, also if there is a new one of that name. O(log n) and then O(1) a
    /// row; O(ids) with a `_doc_ids` filter.
    pub fn rows(&mut self, couch: &Couch) -> Rows {
        let mut lines = String::new();
        let Some(database) = self.find(couch) else {
            return Rows { lines: Bytes::new(), then: Then::End };
        };
        let filter = self.filter.clone();
        let mut then = None;
        for change in filter.changes(database, self.since) {
            if self.is_complete() {
                break;
            }
            if lines.len() >= ROWS_SIZE {
                then = Some(Then::More);
                break;
            }
            self.push_separator(&mut lines);
            self.push_row(&mut lines, database, change);
            self.since = change.document.seq;
        }
        if self.is_complete() {
            then = Some(Then::End);
        }
        let then = then.unwrap_or_else(|| {
            // All was seen: what the filter left out need not be looked at again.
            self.since = database.update_seq().number;
            match self.kind {
                FeedKind::Normal => Then::End,
                FeedKind::LongPoll if self.sent > 0 => Then::End,
                FeedKind::LongPoll | FeedKind::Continuous => Then::Wait,
            }
        });
        Rows { lines: lines.into(), then }
    }

    /// The last line, with the sequence to go on from. O(rows left unsent).
    pub fn end(&self, couch: &Couch) -> Bytes {
        let pending = self.find(couch).map_or(0, |database| database.pending(self.since));
        self.last_line(self.since, pending).into()
    }

    /// The whole body, if it is no more than one portion of rows and its end; so most normal feeds,
    /// and long polls with something to say, need no chunks.
    pub(super) fn body_if_short(&self, couch: &Couch) -> Option<String> {
        let mut feed = self.clone();
        let rows = feed.rows(couch);
        let mut body = String::from_utf8(feed.opening().to_vec()).ok()?;
        body.push_str(std::str::from_utf8(&rows.lines).ok()?);
        body.push_str(std::str::from_utf8(&feed.end(couch)).ok()?);
        (rows.then == Then::End).then_some(body)
    }

    /// The whole body, newest first and wherever it was to begin. It never waits, whichever feed
    /// was asked for. `None` when it is larger than `size_max`.
    pub(super) fn descending(&self, database: &Database, size_max: usize) -> Option<String> {
        let mut feed = self.clone();
        let mut body = String::from_utf8(feed.opening().to_vec()).ok()?;
        let limit = self.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut last = database.update_seq().number;
        let rows: Box<dyn Iterator<Item = Change<'_>>> = match &self.filter {
            Filter::Ids(ids) => Box::new(database.changes_of(ids, 0).into_iter().rev()),
            filter => Box::new(database.changes(0).rev().filter(|change| filter.shows(change))),
        };
        for change in rows.take(limit) {
            feed.push_separator(&mut body);
            feed.push_row(&mut body, database, change);
            last = change.document.seq;
            if body.len() > size_max {
                return None;
            }
        }
        body.push_str(&feed.last_line(last, 0));
        Some(body)
    }

    /// Returns true if there are as many rows as were asked for.
    fn is_complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.sent >= limit)
    }

    fn find<'a>(&self, couch: &'a Couch) -> Option<&'a Database> {
        couch.store.database(&self.db).filter(|database| database.instance() == self.instance)
    }

    fn push_separator(&mut self, out: &mut String) {
        if self.sent > 0 && self.kind != FeedKind::Continuous {
            out.push_str(",\r\n");
        }
    }

    /// Appends a row. With `seq_interval` it has a sequence where what is left of the limit is a
    /// multiple of it: CouchDB counts so, from this limit where none is given.
    fn push_row(&mut self, out: &mut String, database: &Database, change: Change<'_>) {
        const LIMIT_DEFAULT: u64 = 1_000_000_000_000_000;
        let Change { id, document } = change;
        let left = self.limit.unwrap_or(LIMIT_DEFAULT).saturating_sub(self.sent);
        self.sent += 1;
        if self.seq_interval.is_none_or(|interval| left.is_multiple_of(interval)) {
            let seq = database.sequence(document.seq);
            push_args(out, format_args!("{{\"seq\":\"{seq}\",\"id\":"));
        } else {
            out.push_str("{\"seq\":null,\"id\":");
        }
        push_string(out, id);
        let shown = if self.all_leaves { document.leaves().len() } else { 1 };
        let leaves = document.leaves()[..shown].iter();
        let revs: Vec<_> = leaves.map(|leaf| format!("{{\"rev\":\"{}\"}}", leaf.rev())).collect();
        push_args(out, format_args!(",\"changes\":[{}]", revs.join(",")));
        if document.winner().deleted {
            out.push_str(",\"deleted\":true");
        }
        if self.include_docs {
            out.push_str(",\"doc\":");
            document.push_json(out, id, document.winner(), self.extras);
        }
        out.push('}');
        if self.kind == FeedKind::Continuous {
            out.push('\n');
        }
    }

    fn last_line(&self, number: u64, pending: usize) -> String {
        let last_seq = Sequence { number, instance: self.instance };
        let open = if self.kind == FeedKind::Continuous { "{" } else { "\n],\n" };
        format!("{open}\"last_seq\":\"{last_seq}\",\"pending\":{pending}}}\n")
    }
}

impl Filter {
    fn changes<'a>(
        &'a self,
        database: &'a Database,
        since: u64,
    ) -> Box<dyn Iterator<Item = Change<'a>> + 'a> {
        match self {
            Self::Ids(ids) => Box::new(database.changes_of(ids, since).into_iter()),
            _ => Box::new(database.changes(since).filter(|change| self.shows(change))),
        }
    }

    fn shows(&self, change: &Change<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.iter().any(|id| id == change.id),
            Self::Design => change.id.starts_with("_design/"),
        }
    }
}
