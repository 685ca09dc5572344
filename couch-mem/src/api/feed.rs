//! A `_changes` answer while it is being sent: unsent rows, and its end. The caller sets the
//! timers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};

use super::Couch;
use crate::limits::ROWS_SIZE;
use crate::store::{ChangeRow, Database, Extras, Sequence, push_args, push_string};

/// A `_changes` request that is being answered.
///
/// The caller sends [`head`](Self::head) and [`opening`](Self::opening), then [`rows`](Self::rows)
/// now and each time the [`database`](Self::database) has changed, until [`Rows::then`] is
/// [`Then::End`]. It then sends [`end`](Self::end). While there are no rows it keeps the
/// [`pace`](Self::pace). If the client disconnects, drop the feed.
///
/// ```
/// use bytes::Bytes;
/// use couch_mem::{Answer, Couch, Feed, Identity, Pace, Then};
/// use http::Request;
/// use std::time::Duration;
///
/// let mut couch = Couch::new(Identity { uuid: 1, start_time_s: 1_800_000_000 });
/// couch.create_database("db").unwrap();
/// let poll = Request::get("/db/_changes?feed=longpoll&heartbeat=10000").body(Bytes::new());
/// let Answer::Feed(mut feed) = couch.answer(&poll.unwrap()) else { unreachable!() };
///
/// assert_eq!(Feed::head().status(), 200);
/// assert_eq!(feed.opening(), b"{\"results\":[\n");
/// assert_eq!(feed.rows(&couch).then, Then::Wait);
/// assert_eq!(feed.pace(), Pace::Heartbeat(Duration::from_secs(10)));
///
/// let put = Request::put("/db/a").body(Bytes::from("{}")).unwrap();
/// couch.answer(&put);
/// assert!(couch.take_changed().iter().any(|name| **name == *feed.database()));
/// assert_eq!(feed.rows(&couch).then, Then::End);
/// assert!(feed.end(&couch).starts_with(b"\n],\n\"last_seq\":\"1-"));
/// ```
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
    /// Which rows have a sequence, if not all: see `push_row`.
    pub(super) seq_interval: Option<u64>,
    /// The number of rows returned by `rows`.
    pub(super) sent: u64,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedKind {
    /// All current changes, in one JSON object.
    Normal,
    /// The same, but waits for at least one row.
    LongPoll,
    /// One row per line, without end.
    Continuous,
}

/// The documents whose changes are shown.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    All,
    Ids(Arc<[String]>),
    Design,
}

/// The timer while nothing changes. It restarts after anything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Send [`Feed::HEARTBEAT`] each time this time has passed. The feed does not end.
    Heartbeat(Duration),
    /// Send the end after this time.
    Timeout(Duration),
}

/// Rows to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Complete rows, possibly none: about 64 KiB at most, or one larger row.
    pub lines: Bytes,
    /// The next step after sending them.
    pub then: Then,
}

/// The next step after sending rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Ask for more rows as soon as these are sent.
    More,
    /// Ask for rows again when the database has changed.
    Wait,
    /// Send [`Feed::end`].
    End,
}

impl Feed {
    /// The empty line that is a heartbeat.
    pub const HEARTBEAT: &'static [u8] = b"\n";

    /// Returns the name of the database, as [`Couch::take_changed`] returns it.
    pub fn database(&self) -> &str {
        &self.db
    }

    /// Returns the timer while nothing changes.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the head of the response. It has no length, so the body is chunked or ends with the
    /// connection. Send it immediately, because clients treat the feed as started when it arrives.
    pub fn head() -> Response<()> {
        let mut response = super::response(StatusCode::OK, String::new());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.map(drop)
    }

    /// Returns the text before the first row. It may be empty.
    pub fn opening(&self) -> &'static [u8] {
        match self.kind {
            FeedKind::Continuous => b"",
            FeedKind::Normal | FeedKind::LongPoll => b"{\"results\":[\n",
        }
    }

    /// Returns the rows that were not returned before, the oldest first, each document once. The
    /// feed ends when its database is deleted, even if a new one has the same name.
    ///
    /// Cost: O(log n) and O(1) for each row; O(ids) with a `_doc_ids` filter.
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
            // Changes that the filter excludes were examined too, and need no second look.
            self.since = database.update_seq().number;
            match self.kind {
                FeedKind::Normal => Then::End,
                FeedKind::LongPoll if self.sent > 0 => Then::End,
                FeedKind::LongPoll | FeedKind::Continuous => Then::Wait,
            }
        });
        Rows { lines: lines.into(), then }
    }

    /// Returns the last line, with the sequence to continue from. Cost: O(unsent rows).
    pub fn end(&self, couch: &Couch) -> Bytes {
        let pending = self.find(couch).map_or(0, |database| database.pending(self.since));
        self.last_line(self.since, pending).into()
    }

    /// Returns the whole body, if all rows fit into one portion. So most normal feeds, and long
    /// polls with rows, need no chunks.
    pub(super) fn body_if_short(&self, couch: &Couch) -> Option<String> {
        let mut feed = self.clone();
        let rows = feed.rows(couch);
        let mut body = String::from_utf8(feed.opening().to_vec()).ok()?;
        body.push_str(std::str::from_utf8(&rows.lines).ok()?);
        body.push_str(std::str::from_utf8(&feed.end(couch)).ok()?);
        (rows.then == Then::End).then_some(body)
    }

    /// Returns the whole body of a feed in descending order, the newest change first. It never
    /// waits, whatever the kind of feed. `None` if it is larger than `size_max`.
    pub(super) fn descending(&self, database: &Database, size_max: usize) -> Option<String> {
        let mut feed = self.clone();
        let mut body = String::from_utf8(feed.opening().to_vec()).ok()?;
        let limit = self.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut last = database.update_seq().number;
        let rows: Box<dyn Iterator<Item = ChangeRow<'_>>> = match &self.filter {
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

    /// Returns true if the requested number of rows is reached.
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

    /// Appends a row. With `seq_interval` only some rows have a sequence: those for which the rest
    /// of the limit is a multiple of the interval. CouchDB counts so, from `LIMIT_DEFAULT` without
    /// a limit.
    fn push_row(&mut self, out: &mut String, database: &Database, change: ChangeRow<'_>) {
        const LIMIT_DEFAULT: u64 = 1_000_000_000_000_000;
        let ChangeRow { id, document } = change;
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
    ) -> Box<dyn Iterator<Item = ChangeRow<'a>> + 'a> {
        match self {
            Self::Ids(ids) => Box::new(database.changes_of(ids, since).into_iter()),
            _ => Box::new(database.changes(since).filter(|change| self.shows(change))),
        }
    }

    fn shows(&self, change: &ChangeRow<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.iter().any(|id| id == change.id),
            Self::Design => change.id.starts_with("_design/"),
        }
    }
}
