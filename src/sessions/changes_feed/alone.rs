//! A row that is too long with its document: rows are asked for one by one without documents, and
//! each document by itself.
//!
//! Which row was too long is not known. The one that comes first without documents need not be it,
//! for a database of several shards sends its rows in another order each time; and so none is
//! blamed whose document fits.

use super::ChangesFeed;
use super::database::encoded;
use super::document::parse_document;
use super::encoding::path_of;
use super::error::FeedError;
use super::event::FeedEvent;
use super::members::members;
use super::row::Row;
use crate::reactor::Cx;
use bytes::BytesMut;
use std::sync::Arc;

impl ChangesFeed {
    /// Whether the documents are to stay out of the rows, for with its document one was too long.
    pub(super) fn is_lean(&self) -> bool {
        let has_docs = self.subject.rows().is_none_or(|rows| rows.query.has_docs());
        has_docs && self.too_long_after.is_some() && self.too_long_after == self.since
    }

    /// Asks for the document of a row that came without it for that reason. A row without a
    /// sequence, or with the one that was asked for, is told as it is: nothing would lead past it.
    pub(super) fn hold(&mut self, cx: &mut Cx<'_>, row: Row) -> Option<Row> {
        let is_lean =
            self.is_lean() && row.doc.is_none() && row.seq.is_some() && row.seq != self.since;
        match self.subject.rows_mut() {
            Some(rows) if is_lean => rows.held = Some(row),
            _ => return Some(row),
        }
        self.hang_up(cx);
        self.connect(cx);
        None
    }

    /// Where the document is of the row that waits for it.
    pub(super) fn target_of_held(&self) -> String {
        let held = self.subject.rows().and_then(|rows| Some((rows.held.as_ref()?, &rows.query)));
        let Some((row, query)) = held else { return self.database.under("") };
        let rev = row.revs.first().map_or("", String::as_str);
        let tail = format!("/{}?rev={}{}", path_of(&row.id), encoded(rev), query.of_documents());
        self.database.under(&tail)
    }

    /// The document has come.
    pub(super) fn read_held(&mut self, cx: &mut Cx<'_>) {
        let body = std::mem::take(&mut self.answer.body);
        let Some(id) = self.held_id() else { return };
        match parse_document(&body, &id) {
            Ok(_) => self.release(cx, Some(body.trim_ascii()), None),
            // A page that is no object at all is a proxy's, and may be gone the next time.
            Err(why) if members(&body, ["_id"]).is_none() => self.lose(cx, FeedError::Answer(why)),
            Err(why) => {
                let why = Arc::new(FeedError::Answer(why));
                self.release(cx, None, Some(FeedEvent::Unread { id, why }));
            }
        }
    }

    /// The document is longer than any may be.
    pub(super) fn outgrow_held(&mut self, cx: &mut Cx<'_>) {
        let (id, max) = (self.held_id(), self.line_max);
        self.release(cx, None, id.map(|id| FeedEvent::TooLong { id, max }));
    }

    fn held_id(&self) -> Option<String> {
        Some(self.subject.rows()?.held.as_ref()?.id.clone())
    }

    /// The document is not to be had: it is gone since, or nobody may have it.
    pub(super) fn refused_held(&mut self, cx: &mut Cx<'_>) {
        match self.answer.refusal() {
            FeedError::NoDatabase(reason) => self.lose(cx, FeedError::NoDatabase(reason)),
            refusal if refusal.is_lasting() => self.release(cx, None, None),
            refusal => self.lose(cx, refusal),
        }
    }

    /// Tells the row that has waited, with its document or after why there is none.
    fn release(&mut self, cx: &mut Cx<'_>, doc: Option<&[u8]>, why: Option<FeedEvent>) {
        let Some(mut row) = self.subject.rows_mut().and_then(|rows| rows.held.take()) else {
            return;
        };
        if let Some(doc) = doc {
            put_in(&mut row, doc);
        }
        if let Some(why) = why {
            self.tell(cx, why);
        }
        let step = self.step;
        self.tell_row(cx, row);
        if self.step == step {
            self.go_on(cx);
        }
    }
}

/// The row as it would have come with its document.
fn put_in(row: &mut Row, doc: &[u8]) {
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
