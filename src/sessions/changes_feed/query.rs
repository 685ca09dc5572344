//! Which rows a feed is asked for, and what they are to carry.

use super::encoding::encoded;
use super::members::members;
use crate::fnv::fnv_1a;
use bytes::Bytes;
use std::fmt;

/// What is asked of `_changes`: which rows, and what comes along with each.
///
/// How the feed is asked for (`feed`, `since`, `heartbeat`, `timeout`) is the follower's own, and
/// `descending` cannot be said, for a feed cannot be followed backwards. Of the three ways to pick
/// rows, [`filter`](Self::filter), [`doc_ids`](Self::doc_ids) and [`selector`](Self::selector), the
/// last one said counts.
///
/// ```
/// # use masque::sessions::Query;
/// let query = Query::new().include_docs().filter("app/by_owner", [("owner", "ann")])?;
/// # Ok::<(), masque::sessions::QueryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    has_docs: bool,
    /// What else rows are to carry, as parameters.
    extras: Vec<&'static str>,
    pick: Pick,
    pub(super) limit: Option<u64>,
}

/// Which rows are picked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pick {
    #[default]
    All,
    /// By a filter of the server: `&filter=...` with its parameters.
    Filter(String),
    /// By what a body says: the filter's name and the body.
    Body(&'static str, Bytes),
}

/// Why a query cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A filter's parameter has a name that `_changes` itself understands.
    Parameter(String),
    /// A selector is no JSON object.
    Selector,
}

/// What `_changes` itself understands (CouchDB's reference, `/{db}/_changes`).
const OWN: [&str; 15] = [
    "att_encoding_info",
    "attachments",
    "conflicts",
    "descending",
    "doc_ids",
    "feed",
    "filter",
    "heartbeat",
    "include_docs",
    "last-event-id",
    "limit",
    "seq_interval",
    "since",
    "style",
    "timeout",
];

impl Query {
    /// Every row, without documents.
    pub fn new() -> Self {
        Query::default()
    }

    /// Has each row carry its document. A row comes without it all the same where the server has
    /// none to send along (`"doc":null`, as when that revision is gone by then), or where it is
    /// [too long](super::FeedEvent::TooLong); it is told as it came.
    pub fn include_docs(self) -> Self {
        Query { has_docs: true, ..self }
    }

    /// Has documents tell of their conflicts. Implies [`include_docs`](Self::include_docs).
    pub fn conflicts(self) -> Self {
        self.include_docs().extra("&conflicts=true")
    }

    /// Has documents carry their attachments, in base64. Implies
    /// [`include_docs`](Self::include_docs); mind [`line_max`](super::ChangesFeed::line_max).
    pub fn attachments(self) -> Self {
        self.include_docs().extra("&attachments=true")
    }

    /// Has each row name every leaf revision (`style=all_docs`), which a replicator needs, rather
    /// than the winning one alone.
    pub fn all_revs(self) -> Self {
        self.extra("&style=all_docs")
    }

    fn extra(mut self, parameter: &'static str) -> Self {
        if !self.extras.contains(&parameter) {
            self.extras.push(parameter);
        }
        self
    }

    /// Picks rows by a filter function, `design/name`, or by a built-in one such as `_view` with
    /// its parameter `view`.
    ///
    /// # Errors
    /// When a parameter would be taken for one of `_changes` itself.
    pub fn filter<K: AsRef<str>, V: AsRef<str>>(
        self,
        name: &str,
        parameters: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, QueryError> {
        let mut text = "&filter=".to_owned() + &encoded(name);
        for (key, value) in parameters {
            let (key, value) = (key.as_ref(), value.as_ref());
            if OWN.contains(&key) {
                return Err(QueryError::Parameter(key.to_owned()));
            }
            text.extend(["&", &encoded(key), "=", &encoded(value)]);
        }
        Ok(Query { pick: Pick::Filter(text), ..self })
    }

    /// Picks the rows of these documents, however many.
    pub fn doc_ids<I: Into<String>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let body = serde_json::json!({ "doc_ids": ids }).to_string();
        Query { pick: Pick::Body("_doc_ids", body.into()), ..self }
    }

    /// Picks the rows of documents that match a Mango selector: a JSON object.
    ///
    /// # Errors
    /// When it is none.
    pub fn selector(self, selector: &str) -> Result<Self, QueryError> {
        if members(selector.as_bytes(), []).is_none() {
            return Err(QueryError::Selector);
        }
        let body = format!("{{\"selector\":{}}}", selector.trim());
        Ok(Query { pick: Pick::Body("_selector", body.into()), ..self })
    }

    /// Ends the feed after so many rows in all, however often it is lost. Rows that come again
    /// after a loss do not count, nor rows that are
    /// [dropped](super::EveryChange::drop_repeats).
    pub fn limit(self, rows: u64) -> Self {
        Query { limit: Some(rows), ..self }
    }

    pub(super) fn has_docs(&self) -> bool {
        self.has_docs
    }

    /// What stands in a request's target behind what every feed has.
    pub(super) fn parameters(&self) -> String {
        let extras = self.extras.concat();
        match &self.pick {
            Pick::All => extras,
            Pick::Filter(filter) => extras + filter,
            Pick::Body(name, _) => extras + "&filter=" + name,
        }
    }

    /// What of that stands in the target of a document.
    pub(super) fn of_documents(&self) -> String {
        self.extras.iter().copied().filter(|extra| !extra.starts_with("&style")).collect()
    }

    /// What is posted, where the query is too long for a target. It goes out whole with each
    /// request.
    pub(super) fn body(&self) -> Option<&Bytes> {
        match &self.pick {
            Pick::Body(_, body) => Some(body),
            _ => None,
        }
    }

    /// What tells the rows that this picks from those that another query does. What rows carry
    /// makes no difference.
    pub(super) fn picks(&self) -> String {
        match &self.pick {
            Pick::All => String::new(),
            // Parameters may be nobody else's business.
            Pick::Filter(filter) => match filter[1..].split_once('&') {
                Some((name, parameters)) => format!("{name} {}", print(parameters)),
                None => short(&filter[1..]),
            },
            Pick::Body(name, body) => {
                short(&format!("filter={name} {}", String::from_utf8_lossy(body)))
            }
        }
    }
}

/// A text as it is, or its print where it is long.
fn short(text: &str) -> String {
    const SHOWN: usize = 1024;
    if text.len() <= SHOWN { text.to_owned() } else { print(text) }
}

/// What tells a text from others, in every build.
fn print(text: &str) -> String {
    format!("{} bytes, fnv1a {:016x}", text.len(), fnv_1a(text.as_bytes()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_couchdb_reads_it() {
        let check = |query: Query, parameters: &str, body: Option<&str>| {
            assert_eq!(query.parameters(), parameters);
            assert_eq!(query.body().map(|body| &body[..]), body.map(str::as_bytes));
        };
        check(Query::new().include_docs().limit(7), "", None);
        let all = Query::new().conflicts().attachments().all_revs();
        assert!(all.has_docs());
        check(all, "&conflicts=true&attachments=true&style=all_docs", None);
        let filtered = Query::new().filter("app/mine", [("who", "a&b"), ("é", "1")]);
        check(filtered.unwrap(), "&filter=app%2Fmine&who=a%26b&%C3%A9=1", None);
        let none: [(&str, &str); 0] = [];
        check(Query::new().filter("_design", none).unwrap(), "&filter=_design", None);
        let ids = Query::new().doc_ids(["a", "b\"c"]);
        check(ids, "&filter=_doc_ids", Some(r#"{"doc_ids":["a","b\"c"]}"#));
        let selected = Query::new().selector(" {\"n\":{\"$gt\":12345678901234567890}}\n").unwrap();
        let body = r#"{"selector":{"n":{"$gt":12345678901234567890}}}"#;
        check(selected.clone(), "&filter=_selector", Some(body));
        check(selected.doc_ids(["x"]), "&filter=_doc_ids", Some(r#"{"doc_ids":["x"]}"#));
    }

    #[test]
    fn what_would_change_how_a_feed_is_followed_is_refused() {
        for name in ["descending", "since", "feed", "limit", "heartbeat"] {
            let error = Query::new().filter("app/x", [(name, "true")]).unwrap_err();
            assert_eq!(error, QueryError::Parameter(name.into()));
        }
        for selector in ["", "[]", "7", "{", "{} {}"] {
            assert_eq!(Query::new().selector(selector), Err(QueryError::Selector), "{selector}");
        }
    }

    #[test]
    fn queries_are_told_apart_by_what_they_pick() {
        let many = |last: &str| {
            Query::new().doc_ids((0..1000).map(|n| n.to_string()).chain([last.into()]))
        };
        assert_eq!(Query::new().include_docs().all_revs().limit(3).picks(), "");
        let filter = Query::new().filter("a/b", [("k", "v")]).unwrap();
        assert_eq!(filter.picks(), "filter=a%2Fb 3 bytes, fnv1a 3d0a411935b82599");
        assert_ne!(many("a").picks(), many("b").picks());
        assert!(many("a").picks().len() < 100);
    }
}
