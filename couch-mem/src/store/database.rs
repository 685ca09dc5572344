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
    /// Each document once, at its latest sequence.
    changes: BTreeMap<u64, Arc<str>>,
    locals: BTreeMap<Arc<str>, Local>,
    deleted_count: usize,
    size: usize,
    /// The sequence up to which [`super::Store::take_changed`] has reported of changes.
    pub(super) reported: u64,
}

/// A `_local/` document: a replication checkpoint. It is in no feed, is not replicated and has no
/// conflicts.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// N of its revision `0-N`.
    pub(crate) edits: u64,
    /// As [`Leaf::body`].
    pub(crate) body: Arc<str>,
}

impl Local {
    /// A hash of revision and content. The revision is not enough: a document that was deleted and
    /// made again starts at `0-1` again.
    pub(crate) fn tag(&self) -> u128 {
        let mut hash = Fnv128::default();
        hash.write(&self.edits.to_be_bytes());
        hash.write(self.body.as_bytes());
        hash.value()
    }
}

/// One row of the changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// The document's id.
    pub(crate) id: &'a str,
    /// The document as it is now; its `seq` is the row's.
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

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which life of the name this is: another for a database that was deleted and made again.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// `instance_start_time`, see [`super::Identity::start_time_s`].
    pub(crate) fn start_time_s(&self) -> u64 {
        self.start_time_s
    }

    /// The sequence of the newest change.
    pub(crate) fn update_seq(&self) -> Sequence {
        self.sequence(self.update_seq)
    }

    /// The sequence of this number.
    pub(crate) fn sequence(&self, number: u64) -> Sequence {
        Sequence { number, instance: self.instance }
    }

    /// Live documents.
    pub(crate) fn document_count(&self) -> usize {
        self.documents.len() - self.deleted_count
    }

    /// Tombstones.
    pub(crate) fn deleted_count(&self) -> usize {
        self.deleted_count
    }

    /// About the bytes that it holds in memory.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// One document, tombstones too. O(log n).
    pub(crate) fn document(&self, id: &str) -> Option<&Document> {
        self.documents.get(id)
    }

    /// All documents in the order of their ids' bytes, tombstones too.
    /// Panics as `BTreeMap::range` does when the bounds are in the wrong order.
    pub(crate) fn documents<'a>(
        &'a self,
        ids: (Bound<&str>, Bound<&str>),
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a Document)> + use<'a> {
        self.documents.range::<str, _>(ids).map(|(id, document)| (&**id, document))
    }

    /// What a reader sees: the winner, or the leaf of `rev`. Bodies of older revisions are not
    /// kept, so they are missing. O(log n).
    pub(crate) fn get(&self, id: &str, rev: Option<&Revision>) -> Result<&Leaf, GetError> {
        let document = self.documents.get(id).ok_or(GetError::Missing)?;
        match rev {
            Some(rev) => document.leaf(rev).ok_or(GetError::Missing),
            None if document.winner().deleted => Err(GetError::Deleted),
            None => Ok(document.winner()),
        }
    }

    /// An edit on top of leaf `rev`, or of nothing. A tombstone needs no `rev` to be followed.
    /// O(log n + body).
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

    /// Leaves a tombstone on top of leaf `rev`.
    pub(crate) fn delete(&mut self, id: &str, rev: &Revision) -> Result<Revision, PutError> {
        self.put(id, Some(rev), &Draft::tombstone())
    }

    /// Takes over an edit that was made elsewhere (`new_edits=false`): it becomes a leaf beside the
    /// others, or in place of its ancestor. One that is known already changes nothing.
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

    /// The number behind which the changes of `since` begin. A sequence of another life of the
    /// database begins at the start, without an error, as CouchDB does.
    pub(crate) fn number(&self, since: Since) -> u64 {
        match since {
            Since::Now => self.update_seq,
            Since::Sequence(seq) if seq.instance == self.instance => {
                seq.number.min(self.update_seq)
            }
            Since::Start | Since::Sequence(_) => 0,
        }
    }

    /// The changes behind `since`, the oldest first: each document once, at its latest edit. O(log
    /// n) and then O(1) a row.
    pub(crate) fn changes(&self, since: u64) -> impl DoubleEndedIterator<Item = Change<'_>> {
        let behind = (Bound::Excluded(since), Bound::Unbounded);
        self.changes.range(behind).filter_map(|(_, id)| {
            let document = self.documents.get(id)?;
            Some(Change { id, document })
        })
    }

    /// The changes of some documents behind `since`, the oldest first. O(ids), whatever else
    /// changed.
    pub(crate) fn changes_of(&self, ids: &[String], since: u64) -> Vec<Change<'_>> {
        let known = ids.iter().filter_map(|id| self.documents.get_key_value(id.as_str()));
        let mut rows: Vec<_> = known
            .map(|(id, document)| Change { id, document })
            .filter(|change| change.document.seq > since)
            .collect();
        rows.sort_by_key(|change| change.document.seq);
        rows.dedup_by_key(|change| change.document.seq);
        rows
    }

    /// How many changes are behind `since`. O(that many).
    pub(crate) fn pending(&self, since: u64) -> usize {
        self.changes.range((Bound::Excluded(since), Bound::Unbounded)).count()
    }

    /// A `_local/` document, by its id without `_local/`.
    pub(crate) fn local(&self, id: &str) -> Option<&Local> {
        self.locals.get(id)
    }

    /// Stores a `_local/` document and gives N of its revision `0-N`. The last writer wins, as in
    /// CouchDB: `edits` is N of the revision that the writer saw.
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

    /// Removes a `_local/` document; whether there was one.
    pub(crate) fn delete_local(&mut self, id: &str) -> bool {
        let Some(old) = self.locals.remove(id) else { return false };
        self.size -= old.body.len() + entry_size(id);
        true
    }

    /// The size after one entry went from `old` (`None`: it is new) to `new` bytes, if there is
    /// room.
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

/// About what the maps hold for one entry: the id, shared, and the nodes.
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
