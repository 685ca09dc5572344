//! One database: documents, the index of their latest changes, and `_local/` documents.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::document::{Document, Leaf};
use super::draft::Draft;
use super::revision::{History, Revision};
use super::sequence::{Sequence, Since};
use super::{GetError, PutError};
use crate::fnv::Fnv128;
use crate::limits::{DATABASE_SIZE_MAX, DOCUMENTS_MAX, ID_LENGTH_MAX};

/// A database.
#[derive(Debug)]
pub(crate) struct Database {
    name: Arc<str>,
    instance: u64,
    start_time_s: u64,
    update_seq: u64,
    documents: BTreeMap<Arc<str>, Document>,
    /// The latest sequence of each document.
    changes: BTreeMap<u64, Arc<str>>,
    locals: BTreeMap<Arc<str>, Local>,
    deleted_count: usize,
    size: usize,
    /// The last sequence that [`super::Store::take_changed`] has reported.
    pub(super) reported: u64,
}

/// A `_local/` document: a replication checkpoint. It is not in any feed, is not replicated and has
/// no conflicts.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// N of its revision `0-N`.
    pub(crate) edits: u64,
    /// The members without braces, see [`Leaf::body`].
    pub(crate) body: Arc<str>,
}

impl Local {
    /// Returns a hash of revision and content. The revision is not enough, because a document that
    /// was deleted and created again restarts at `0-1`.
    pub(crate) fn tag(&self) -> u128 {
        let mut hash = Fnv128::default();
        hash.write(&self.edits.to_be_bytes());
        hash.write(self.body.as_bytes());
        hash.value()
    }
}

/// One row of a changes feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeRow<'a> {
    /// The document's id.
    pub(crate) id: &'a str,
    /// The current document. Its `seq` is that of the row.
    pub(crate) document: &'a Document,
}

impl Database {
    pub(super) fn new(name: Arc<str>, instance: u64, start_time_s: u64) -> Self {
        Self {
            name,
            instance,
            start_time_s,
            update_seq: 0,
            documents: BTreeMap::new(),
            changes: BTreeMap::new(),
            locals: BTreeMap::new(),
            deleted_count: 0,
            size: 0,
            reported: 0,
        }
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns a number that differs for a database that was deleted and created again.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Returns `instance_start_time`, see [`super::Identity::start_time_s`].
    pub(crate) fn start_time_s(&self) -> u64 {
        self.start_time_s
    }

    /// Returns the sequence of the latest change.
    pub(crate) fn update_seq(&self) -> Sequence {
        self.sequence(self.update_seq)
    }

    /// Returns the sequence with this number.
    pub(crate) fn sequence(&self, number: u64) -> Sequence {
        Sequence { number, instance: self.instance }
    }

    /// Returns the number of live documents.
    pub(crate) fn document_count(&self) -> usize {
        self.documents.len() - self.deleted_count
    }

    /// Returns the number of tombstones.
    pub(crate) fn deleted_count(&self) -> usize {
        self.deleted_count
    }

    /// Returns about the bytes of memory in use.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns a document, which may be a tombstone. O(log n).
    pub(crate) fn document(&self, id: &str) -> Option<&Document> {
        self.documents.get(id)
    }

    /// Returns the documents in the order of the bytes of their ids, with tombstones. Panics if the
    /// bounds are in the wrong order, as `BTreeMap::range` does.
    pub(crate) fn documents<'a>(
        &'a self,
        ids: (Bound<&str>, Bound<&str>),
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a Document)> + use<'a> {
        self.documents.range::<str, _>(ids).map(|(id, document)| (&**id, document))
    }

    /// Returns the winner, or the leaf `rev`. Bodies of older revisions are not kept and count as
    /// missing. O(log n).
    pub(crate) fn get(&self, id: &str, rev: Option<&Revision>) -> Result<&Leaf, GetError> {
        let document = self.documents.get(id).ok_or(GetError::Missing)?;
        match rev {
            Some(rev) => document.leaf(rev).ok_or(GetError::Missing),
            None if document.winner().deleted => Err(GetError::Deleted),
            None => Ok(document.winner()),
        }
    }

    /// Edits leaf `rev`, or creates a document. A tombstone can be edited without `rev`. O(log n +
    /// body).
    pub(crate) fn put(
        &mut self,
        id: &str,
        rev: Option<&Revision>,
        draft: &Draft,
    ) -> Result<Revision, PutError> {
        check_id(id)?;
        let history = match (self.documents.get(id), rev) {
            (None, None) => Some(History::begun(draft.deleted, &draft.body)),
            (Some(document), None) if document.winner().deleted && !draft.deleted => {
                document.winner().history.edited(draft.deleted, &draft.body)
            }
            (Some(_), None) | (None, Some(_)) => return Err(PutError::Conflict),
            (Some(document), Some(rev)) => {
                let parent = document.leaf(rev).ok_or(PutError::Conflict)?;
                parent.history.edited(draft.deleted, &draft.body)
            }
        };
        let history = history.ok_or(PutError::Conflict)?;
        let rev = history.leaf();
        self.graft(id, history, draft)?;
        Ok(rev)
    }

    /// Deletes leaf `rev`: adds a tombstone after it.
    pub(crate) fn delete(&mut self, id: &str, rev: &Revision) -> Result<Revision, PutError> {
        self.put(id, Some(rev), &Draft::tombstone())
    }

    /// Stores an edit of another server (`new_edits=false`) as another leaf, or in place of its
    /// ancestor. Has no effect if the revision is known already.
    pub(crate) fn graft(
        &mut self,
        id: &str,
        history: History,
        draft: &Draft,
    ) -> Result<(), PutError> {
        let old = self.documents.get_key_value(id);
        if old.is_some_and(|(_, document)| document.knows(&history.leaf())) {
            return Ok(());
        }
        check_id(id)?;
        let leaf = Leaf { history, deleted: draft.deleted, body: draft.body.as_str().into() };
        let seq = self.update_seq + 1;
        let (key, new) = match old {
            Some((key, document)) => (Arc::clone(key), document.grafted(seq, leaf)?),
            None => (id.into(), Document::new(seq, leaf)),
        };
        let old = old.map(|(_, document)| document);
        let size = self.resized(id, old.map(Document::size), new.size())?;
        let (old_seq, was_deleted) =
            old.map_or((None, false), |old| (Some(old.seq), old.winner().deleted));
        if let Some(old_seq) = old_seq {
            self.changes.remove(&old_seq);
        }
        self.deleted_count -= usize::from(was_deleted);
        self.deleted_count += usize::from(new.winner().deleted);
        self.size = size;
        self.update_seq = seq;
        self.changes.insert(seq, Arc::clone(&key));
        self.documents.insert(key, new);
        Ok(())
    }

    /// Returns the number after which the changes of `since` start. A sequence of a deleted
    /// database starts at the beginning, without an error, as in CouchDB.
    pub(crate) fn number(&self, since: Since) -> u64 {
        match since {
            Since::Now => self.update_seq,
            Since::Sequence(seq) if seq.instance == self.instance => {
                seq.number.min(self.update_seq)
            }
            Since::Start | Since::Sequence(_) => 0,
        }
    }

    /// Returns the changes after `since`, the oldest first: each document once, at its latest edit.
    /// O(log n) and O(1) for each row.
    pub(crate) fn changes(&self, since: u64) -> impl DoubleEndedIterator<Item = ChangeRow<'_>> {
        let behind = (Bound::Excluded(since), Bound::Unbounded);
        self.changes.range(behind).filter_map(|(_, id)| {
            let document = self.documents.get(id)?;
            Some(ChangeRow { id, document })
        })
    }

    /// Returns the changes of some documents after `since`, the oldest first. O(ids), however many
    /// others changed.
    pub(crate) fn changes_of(&self, ids: &[String], since: u64) -> Vec<ChangeRow<'_>> {
        let known = ids.iter().filter_map(|id| self.documents.get_key_value(id.as_str()));
        let mut rows: Vec<_> = known
            .map(|(id, document)| ChangeRow { id, document })
            .filter(|change| change.document.seq > since)
            .collect();
        rows.sort_by_key(|change| change.document.seq);
        rows.dedup_by_key(|change| change.document.seq);
        rows
    }

    /// Returns the number of changes after `since`. O(that number).
    pub(crate) fn pending(&self, since: u64) -> usize {
        self.changes.range((Bound::Excluded(since), Bound::Unbounded)).count()
    }

    /// Returns a `_local/` document by its id without `_local/`.
    pub(crate) fn local(&self, id: &str) -> Option<&Local> {
        self.locals.get(id)
    }

    /// Stores a `_local/` document and returns N of its revision `0-N`. The last writer wins, as in
    /// CouchDB. `edits` is N of the revision that the writer read.
    pub(crate) fn put_local(
        &mut self,
        id: &str,
        edits: u64,
        draft: &Draft,
    ) -> Result<u64, PutError> {
        if id.is_empty() {
            return Err(PutError::IllegalId("Illegal document id `_local/`"));
        }
        if id.len() > ID_LENGTH_MAX {
            return Err(PutError::IllegalId("Document id is too long"));
        }
        let local = Local {
            edits: edits.checked_add(1).ok_or(PutError::Conflict)?,
            body: draft.body.as_str().into(),
        };
        let old = self.locals.get(id).map(|old| old.body.len());
        self.size = self.resized(id, old, local.body.len())?;
        let edits = local.edits;
        self.locals.insert(id.into(), local);
        Ok(edits)
    }

    /// Deletes a `_local/` document. Returns false if it does not exist.
    pub(crate) fn delete_local(&mut self, id: &str) -> bool {
        let Some(old) = self.locals.remove(id) else { return false };
        self.size -= old.body.len() + entry_size(id);
        true
    }

    /// Returns the size of the database after an entry changes from `old` (`None`: it is new) to
    /// `new` bytes, if the limits allow it.
    fn resized(&self, id: &str, old: Option<usize>, new: usize) -> Result<usize, PutError> {
        if old.is_none() && self.documents.len() + self.locals.len() >= DOCUMENTS_MAX {
            return Err(PutError::TooManyDocuments);
        }
        let before = self.size - old.map_or(0, |old| old + entry_size(id));
        let after = before + new + entry_size(id);
        if after > DATABASE_SIZE_MAX && after > self.size {
            return Err(PutError::DatabaseFull);
        }
        Ok(after)
    }
}

/// Returns about the memory of the maps for one entry: the shared id, and the nodes.
fn entry_size(id: &str) -> usize {
    id.len() + 128
}

/// Returns an error if CouchDB would not store a document under this id, or if it is longer than
/// [`ID_LENGTH_MAX`].
pub(crate) fn check_id(id: &str) -> Result<(), PutError> {
    let is_reserved = id.starts_with('_') && !id.starts_with("_design/");
    Err(PutError::IllegalId(match id {
        "" => "Document id must not be empty",
        "_design/" => "Illegal document id `_design/`",
        _ if id.len() > ID_LENGTH_MAX => "Document id is too long",
        _ if is_reserved => "Only reserved document ids may start with underscore.",
        _ => return Ok(()),
    }))
}
