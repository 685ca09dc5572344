//! Which changes are followed, from where, and with which members of rows.

use crate::checkpoint::Checkpoint;
use crate::limits::WINDOW_ROWS;
use crate::row::members;
use crate::url::encoded;
use bytes::Bytes;
use std::fmt;

/// The parameters of a request for `_changes`: which rows to send, with or without documents.
///
/// The follower itself sets `feed`, `since`, `heartbeat` and `timeout`. There is no `descending`,
/// because a feed cannot be followed backwards. Of the three ways to select rows,
/// [`filter`](Self::filter), [`doc_ids`](Self::doc_ids) and [`selector`](Self::selector), the last
/// one that was called counts.
///
/// ```
/// # use couch_feed::Query;
/// let query = Query::new().include_docs().filter("app/by_owner", [("owner", "ann")])?;
/// # Ok::<(), couch_feed::QueryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// True if rows have their documents.
    pub(crate) has_docs: bool,
    /// Parameters for further members of rows and documents.
    extras: Vec<&'static str>,
    selection: Selection,
    pub(crate) limit: Option<u64>,
}

/// Which rows are selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Selection {
    #[default]
    All,
    /// By a filter of the server: `&filter=...` with its parameters.
    Filter(String),
    /// By a request's body: the filter's name and the body.
    Body(&'static str, Bytes),
}

/// Why a query is not possible.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A filter's parameter has the name of a parameter of `_changes` itself.
    Parameter(String),
    /// A selector is not a JSON object.
    Selector,
}

/// The parameters of `_changes` itself (CouchDB's reference, `/{db}/_changes`).
const OWN: &str = "att_encoding_info attachments conflicts descending doc_ids feed filter \
                   heartbeat include_docs last-event-id limit seq_interval since style timeout";

impl Query {
    /// Every row, without documents.
    pub fn new() -> Self {
        Query::default()
    }

    /// Asks for each row with its document. A row comes without it if the server has none to add
    /// (`"doc":null`, as when that revision has been removed by then), or if the document is
    /// [too long](crate::FeedEvent::TooLong); it is reported as it came.
    #[must_use]
    pub fn include_docs(self) -> Self {
        Query { has_docs: true, ..self }
    }

    /// Asks for documents with their conflicts. Implies [`include_docs`](Self::include_docs).
    #[must_use]
    pub fn conflicts(self) -> Self {
        self.include_docs().extra("&conflicts=true")
    }

    /// Asks for documents with their attachments, in base64. Implies
    /// [`include_docs`](Self::include_docs); see [`line_max`](crate::FeedOptions::line_max).
    #[must_use]
    pub fn attachments(self) -> Self {
        self.include_docs().extra("&attachments=true")
    }

    /// Asks for rows that name every leaf revision (`style=all_docs`), which a replicator needs,
    /// instead of the winning one only.
    #[must_use]
    pub fn all_revs(self) -> Self {
        self.extra("&style=all_docs")
    }

    fn extra(mut self, parameter: &'static str) -> Self {
        if !self.extras.contains(&parameter) {
            self.extras.push(parameter);
        }
        self
    }

    /// Selects rows by a filter function, `design/name`, or by a built-in one such as `_view` with
    /// its parameter `view`.
    ///
    /// # Errors
    /// If a parameter has the name of one of `_changes` itself.
    pub fn filter<K: AsRef<str>, V: AsRef<str>>(
        self,
        name: &str,
        parameters: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, QueryError> {
        let mut text = "&filter=".to_owned() + &encoded(name);
        for (key, value) in parameters {
            let (key, value) = (key.as_ref(), value.as_ref());
            if OWN.split(' ').any(|own| own == key) {
                return Err(QueryError::Parameter(key.to_owned()));
            }
            text.extend(["&", &encoded(key), "=", &encoded(value)]);
        }
        Ok(Query { selection: Selection::Filter(text), ..self })
    }

    /// Selects the rows of these documents, however many.
    #[must_use]
    pub fn doc_ids<I: Into<String>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let body = serde_json::json!({ "doc_ids": ids }).to_string();
        Query { selection: Selection::Body("_doc_ids", body.into()), ..self }
    }

    /// Selects the rows of documents that match a Mango selector: a JSON object.
    ///
    /// # Errors
    /// If it is not a JSON object.
    pub fn selector(self, selector: &str) -> Result<Self, QueryError> {
        if members(selector.as_bytes(), []).is_none() {
            return Err(QueryError::Selector);
        }
        let body = format!("{{\"selector\":{}}}", selector.trim());
        Ok(Query { selection: Selection::Body("_selector", body.into()), ..self })
    }

    /// Ends the feed after so many rows in all, however often it is lost. Rows that are repeated
    /// after a loss do not count, nor rows that are [dropped](super::EveryChange::drop_repeats).
    #[must_use]
    pub fn limit(self, rows: u64) -> Self {
        Query { limit: Some(rows), ..self }
    }

    /// The part of a request's target that only this query has.
    pub(crate) fn parameters(&self) -> String {
        let extras = self.extras.concat();
        match &self.selection {
            Selection::All => extras,
            Selection::Filter(filter) => extras + filter,
            Selection::Body(name, _) => extras + "&filter=" + name,
        }
    }

    /// The part of it that a request for a document has too.
    pub(crate) fn of_documents(&self) -> String {
        self.extras.iter().copied().filter(|extra| !extra.starts_with("&style")).collect()
    }

    /// The body, if the query is too long for a target. The whole body is sent with each request.
    pub(crate) fn body(&self) -> Option<&Bytes> {
        match &self.selection {
            Selection::Body(_, body) => Some(body),
            _ => None,
        }
    }

    /// Identifies the selected rows. Queries that select the same rows have the same text, whatever
    /// each row has.
    pub(crate) fn selected(&self) -> String {
        match &self.selection {
            Selection::All => String::new(),
            // Parameters may be confidential.
            Selection::Filter(filter) => match filter[1..].split_once('&') {
                Some((name, parameters)) => format!("{name} {}", fingerprint(parameters)),
                None => short(&filter[1..]),
            },
            Selection::Body(name, body) => {
                short(&format!("filter={name} {}", String::from_utf8_lossy(body)))
            }
        }
    }
}

/// The text itself, or its fingerprint if it is long.
fn short(text: &str) -> String {
    const SHOWN: usize = 1024;
    if text.len() <= SHOWN { text.to_owned() } else { fingerprint(text) }
}

/// The length and the hash of a text. FNV-1a with 64 bits, unlike the standard library's hash, is
/// the same in every release, and checkpoints contain it.
fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} bytes, fnv1a {hash:016x}", text.len())
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => {
                write!(f, "{name} is a parameter of _changes and cannot be one of a filter")
            }
            Self::Selector => f.write_str("the selector is not a JSON object"),
        }
    }
}

impl std::error::Error for QueryError {}

/// How to follow every change of a database, or of the documents that a [`Query`] selects.
///
/// Each row is reported as [`FeedEvent::Row`](crate::FeedEvent::Row), at least once and in the
/// server's order. The program [acknowledges](crate::Follower::acknowledge) the rows in any order;
/// until then a row is unfinished. The sequence of the last row before which all are acknowledged
/// is the [checkpoint](crate::Follower::checkpoint): a later run continues after it.
///
/// A cluster may send rows again, and so may a reconnection. So processing a row twice must do no
/// harm. Of the repeated rows, those among the last [`RECENT_ROWS`](crate::limits::RECENT_ROWS) of
/// this run are marked, and those among the last [`KEPT_ROWS`](crate::limits::KEPT_ROWS) that an
/// earlier run has acknowledged. Those of this run are [dropped](Self::drop_repeats) on request.
///
/// ```
/// use couch_feed::{EveryChange, OnRecreated, Query, Start};
/// let every = EveryChange::since(Start::Beginning)
///     .query(Query::new().include_docs())
///     .window(100)
///     .on_recreated(OnRecreated::Stop);
/// # let _ = every;
/// ```
#[derive(Clone, Debug)]
pub struct EveryChange {
    pub(crate) start: Start,
    pub(crate) query: Query,
    pub(crate) window: usize,
    pub(crate) drops_repeats: bool,
    pub(crate) on_mismatch: OnMismatch,
    pub(crate) on_recreated: OnRecreated,
}

/// Where a feed of every change begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With all documents that exist.
    Beginning,
    /// With the next change: after the sequence that the database has when it is first reached.
    Now,
    /// After the rows that were acknowledged before.
    Checkpoint(Checkpoint),
}

/// What to do if a checkpoint belongs to another server, database or query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMismatch {
    /// End the feed: an operator must decide.
    #[default]
    Fail,
    /// Begin at the database's beginning.
    Restart,
    /// Continue after the checkpoint all the same, as after a server has moved.
    Keep,
}

/// What to do if the database was deleted and created again while it was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRecreated {
    /// Report the new one from its beginning.
    #[default]
    Restart,
    /// End the feed.
    Stop,
}

impl EveryChange {
    /// Every change from `start` on, without documents.
    #[must_use]
    pub fn since(start: Start) -> Self {
        EveryChange {
            start,
            query: Query::new(),
            window: WINDOW_ROWS,
            drops_repeats: false,
            on_mismatch: OnMismatch::default(),
            on_recreated: OnRecreated::default(),
        }
    }

    /// Asks for the rows of this query instead of all rows without documents.
    #[must_use]
    pub fn query(self, query: Query) -> Self {
        EveryChange { query, ..self }
    }

    /// Reports at most so many rows beyond the last one before which all are acknowledged; at least
    /// one. Then nothing more is read from the connection, and the server waits.
    #[must_use]
    pub fn window(self, rows: usize) -> Self {
        EveryChange { window: rows.max(1), ..self }
    }

    /// Drops a row that says the same as the last row of its document, instead of reporting it with
    /// a mark. Rows say the same if they have the same revisions, the same `deleted`, and the same
    /// document, byte by byte, if there is one. [`Counters::repeats`](crate::Counters::repeats)
    /// counts them. A dropped row has a number, which is missing among the reported ones, and
    /// counts as acknowledged: its sequence is acknowledged together with the rows before it.
    ///
    /// Cost: two hashes of each row and its document, and some hundred kilobytes of memory. It does
    /// not guarantee that a row is reported once only. The following rows are reported again, with
    /// the mark if they are known:
    /// - rows after which [`RECENT_ROWS`](crate::limits::RECENT_ROWS) others have come,
    /// - rows of an earlier run,
    /// - an older revision of a document after a newer one: after a conflict it may be the winner
    ///   again.
    ///
    /// Without [`Query::all_revs`] a row names the winning revision only: one that comes because
    /// another leaf has changed says nothing new, and is dropped.
    #[must_use]
    pub fn drop_repeats(self) -> Self {
        EveryChange { drops_repeats: true, ..self }
    }

    /// What to do if the checkpoint belongs to something else.
    #[must_use]
    pub fn on_mismatch(self, on_mismatch: OnMismatch) -> Self {
        EveryChange { on_mismatch, ..self }
    }

    /// What to do if the database was created again.
    #[must_use]
    pub fn on_recreated(self, on_recreated: OnRecreated) -> Self {
        EveryChange { on_recreated, ..self }
    }
}
