//! What is followed, and in what that makes a difference on the way.

use super::database::encoded;
use super::every_change::EveryChange;
use super::rows::Rows;
use super::tell::Followed;
use super::{ChangesFeed, Step};
use crate::limits::{FEED_ASKED_TIME_MAX, FEED_FILTER_BYTES, FEED_PAGE_ROWS};
use bytes::Bytes;

/// What of a database is followed.
#[derive(Debug)]
pub(super) enum Subject {
    /// Of these documents the newest.
    Documents(Vec<Followed>),
    /// Every change.
    Rows(Box<Rows>),
}

impl Subject {
    pub(super) fn docs(&self) -> &[Followed] {
        match self {
            Subject::Documents(docs) => docs,
            Subject::Rows(_) => &[],
        }
    }

    pub(super) fn docs_mut(&mut self) -> &mut [Followed] {
        match self {
            Subject::Documents(docs) => docs,
            Subject::Rows(_) => &mut [],
        }
    }

    /// Whether anything is told of the document of this id.
    pub(super) fn wants(&self, id: &str) -> bool {
        match self {
            Subject::Documents(docs) => docs.iter().any(|doc| doc.id == id),
            Subject::Rows(_) => true,
        }
    }

    pub(super) fn rows(&self) -> Option<&Rows> {
        match self {
            Subject::Documents(_) => None,
            Subject::Rows(rows) => Some(rows),
        }
    }

    pub(super) fn rows_mut(&mut self) -> Option<&mut Rows> {
        match self {
            Subject::Documents(_) => None,
            Subject::Rows(rows) => Some(rows),
        }
    }
}

impl ChangesFeed {
    /// Follows one more document.
    ///
    /// Each costs a request at the start, and one whenever all are read anew: after a loss in which
    /// something in the database has changed, or the server cannot tell that it has not become
    /// another. They go over one connection, one after the other, so that hundreds on a slow way
    /// take as many round trips: [every change](Self::every_change) of [a query of their
    /// ids](super::Query::doc_ids) takes one.
    ///
    /// # Panics
    /// When every change is followed already.
    #[must_use]
    #[track_caller]
    pub fn doc(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        let Subject::Documents(docs) = &mut self.subject else {
            panic!("the feed follows every change: {id} cannot be followed besides")
        };
        if docs.iter().all(|doc| doc.id != id) {
            docs.push(Followed::new(id));
        }
        self
    }

    /// Follows every change, or those that are picked, rather than how documents stand.
    ///
    /// # Panics
    /// When documents are followed already.
    #[must_use]
    #[track_caller]
    pub fn every_change(mut self, every: EveryChange) -> Self {
        assert!(self.subject.docs().is_empty(), "the feed follows documents already");
        self.is_filtered = false; // whoever asks for a filter means it
        self.subject = Subject::Rows(Box::new(Rows::new(every)));
        self
    }

    /// The request that is due.
    pub(super) fn next_step(&self) -> Step {
        match &self.subject {
            _ if self.login.is_wanted() => Step::Login,
            Subject::Rows(rows) if !rows.is_met => Step::Server,
            _ if !self.is_checked => Step::Info,
            Subject::Documents(docs) => {
                docs.iter().position(Followed::is_due).map_or(Step::Feed, Step::Document)
            }
            Subject::Rows(rows) if rows.held.is_some() => Step::Held,
            Subject::Rows(_) => Step::Feed,
        }
    }

    /// What the request for the feed is for.
    pub(super) fn feed_tail(&self) -> String {
        let has_docs = self.subject.rows().is_none_or(|rows| rows.query.has_docs());
        let mut tail = format!(
            "/_changes?feed={}&include_docs={}&{}={}&since={}",
            self.asked_mode().name(),
            has_docs && !self.is_lean(),
            if self.is_timed() { "timeout" } else { "heartbeat" },
            self.heartbeat.min(FEED_ASKED_TIME_MAX).as_millis(),
            encoded(self.since.as_ref().map_or("0", |seq| seq.as_str()))
        );
        match &self.subject {
            Subject::Documents(_) => tail += &self.filter_of_documents(),
            Subject::Rows(rows) => tail += &rows.query.parameters(),
        }
        if let Some(rows) = self.rows_at_most() {
            tail += "&limit=";
            tail += &rows.to_string();
        }
        tail
    }

    /// What is posted for the feed; a feed that is asked for without is a GET.
    pub(super) fn feed_body(&self) -> Option<Bytes> {
        match &self.subject {
            Subject::Documents(_) => {
                let ids = self.ids().filter(|ids| !is_short(ids))?;
                Some(format!("{{\"doc_ids\":{ids}}}").into())
            }
            Subject::Rows(rows) => rows.query.body().cloned(),
        }
    }

    fn filter_of_documents(&self) -> String {
        match self.ids() {
            Some(ids) if is_short(&ids) => {
                format!("&filter=_doc_ids&doc_ids={}", encoded(&ids))
            }
            Some(_) => "&filter=_doc_ids".to_owned(),
            None => String::new(),
        }
    }

    /// The documents that are followed, as JSON, where the server is to send them alone.
    fn ids(&self) -> Option<String> {
        let ids = self.subject.docs().iter().map(|doc| doc.id.as_str());
        self.is_filtered.then(|| ids.collect::<serde_json::Value>().to_string())
    }

    /// How many rows are asked for. Where one was too long, each comes alone.
    pub(super) fn rows_at_most(&self) -> Option<u64> {
        let left = match &self.subject {
            Subject::Rows(_) if self.is_lean() => Some(1),
            Subject::Rows(rows) => rows.left,
            Subject::Documents(_) => None,
        };
        let page = Some(FEED_PAGE_ROWS).filter(|_| self.lasting_mode().is_paged());
        left.into_iter().chain(page).min()
    }

    /// Takes a sequence that the server does not understand for one of another server, where
    /// beginning anew loses nothing.
    pub(super) fn forget_since(&mut self) {
        if let Subject::Documents(_) = self.subject {
            self.since = None;
        }
    }
}

/// Whether these ids go into a request's target.
fn is_short(ids: &str) -> bool {
    encoded(ids).len() <= FEED_FILTER_BYTES
}
