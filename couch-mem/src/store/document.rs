//! One document: its leaves. Readers see the first one.

use std::sync::Arc;

use super::PutError;
use super::push::{push_args, push_string};
use super::revision::{History, Revision};
use crate::limits::LEAVES_MAX;

/// The latest revision of one branch.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The revision and its ancestors.
    pub(crate) history: History,
    /// The leaf is a tombstone.
    pub(crate) deleted: bool,
    /// The members except those with `_`, without braces. Shared, so that an answer can keep it
    /// without a copy.
    pub(crate) body: Arc<str>,
}

impl Leaf {
    /// Returns its revision.
    pub(crate) fn rev(&self) -> Revision {
        self.history.leaf()
    }

    /// Returns about the bytes of memory in use.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.history.heap_size() + self.body.len()
    }
}

/// An optional member of a document's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// `revs=true`: the ancestors, as `_revisions`.
    Revs,
    /// `conflicts=true`: the other live leaves, as `_conflicts`.
    Conflicts,
    /// `deleted_conflicts=true`: the other tombstones, as `_deleted_conflicts`.
    DeletedConflicts,
    /// `revs_info=true`: the ancestors and whether they can be read, as `_revs_info`.
    RevsInfo,
    /// `local_seq=true`: the number of the latest change, as `_local_seq`.
    LocalSeq,
}

/// The optional members that a reader asks for, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras(u8);

impl Extras {
    /// Returns these and, if `is_wanted`, one more.
    pub(crate) fn with(self, extra: Extra, is_wanted: bool) -> Self {
        Self(self.0 | u8::from(is_wanted) << extra as u8)
    }

    fn has(self, extra: Extra) -> bool {
        self.0 & 1 << extra as u8 != 0
    }
}

/// A document. Edits on this server produce one leaf; only replication adds more.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The sequence number of its latest edit.
    pub(crate) seq: u64,
    /// Never empty. The winner is first, then the other leaves, the greater revision first.
    leaves: Vec<Leaf>,
}

impl Document {
    /// Makes a document with one leaf.
    pub(super) fn new(seq: u64, leaf: Leaf) -> Self {
        Self { seq, leaves: vec![leaf] }
    }

    /// Returns the leaf that readers see: live before deleted, then the greater revision. Every
    /// replica selects the same.
    pub(crate) fn winner(&self) -> &Leaf {
        &self.leaves[0]
    }

    /// Returns all leaves, the winner first.
    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Returns the leaf with this revision. Bodies of older revisions are not kept.
    pub(crate) fn leaf(&self, rev: &Revision) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.rev() == *rev)
    }

    /// Returns true if the revision is a leaf or an ancestor of one.
    pub(crate) fn knows(&self, rev: &Revision) -> bool {
        self.leaves.iter().any(|leaf| leaf.history.contains(rev))
    }

    /// Returns about the bytes of memory in use.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.leaves.iter().map(Leaf::size).sum::<usize>()
    }

    /// Returns this document with one more leaf, without the leaves that are its ancestors. Fails
    /// if that makes more than [`LEAVES_MAX`].
    pub(super) fn grafted(&self, seq: u64, leaf: Leaf) -> Result<Self, PutError> {
        let mut leaves: Vec<Leaf> = self.leaves.clone();
        leaves.retain(|old| !leaf.history.contains(&old.rev()));
        if leaves.len() == LEAVES_MAX {
            return Err(PutError::TooManyConflicts);
        }
        leaves.push(leaf);
        leaves.sort_by_key(|leaf| std::cmp::Reverse((!leaf.deleted, leaf.rev())));
        Ok(Self { seq, leaves })
    }

    /// Appends the JSON of one leaf, with the members in the order of CouchDB.
    pub(crate) fn push_json(&self, out: &mut String, id: &str, leaf: &Leaf, extras: Extras) {
        out.push_str("{\"_id\":");
        push_string(out, id);
        out.push_str(",\"_rev\":\"");
        out.push_str(&leaf.rev().to_string());
        out.push('"');
        if leaf.deleted {
            out.push_str(",\"_deleted\":true");
        }
        if !leaf.body.is_empty() {
            out.push(',');
            out.push_str(&leaf.body);
        }
        if extras.has(Extra::Revs) {
            push_revisions(out, &leaf.history);
        }
        if extras.has(Extra::RevsInfo) {
            push_revs_info(out, leaf);
        }
        if extras.has(Extra::Conflicts) {
            self.push_others(out, leaf, "_conflicts", false);
        }
        if extras.has(Extra::DeletedConflicts) {
            self.push_others(out, leaf, "_deleted_conflicts", true);
        }
        if extras.has(Extra::LocalSeq) {
            push_args(out, format_args!(",\"_local_seq\":{}", self.seq));
        }
        out.push('}');
    }

    /// Returns true if the JSON with these extras depends on more than the revision. Such an answer
    /// has no tag, as in CouchDB.
    pub(crate) fn has_more(&self, leaf: &Leaf, extras: Extras) -> bool {
        let has_others = |deleted| self.others(leaf, deleted).next().is_some();
        extras.has(Extra::RevsInfo)
            || extras.has(Extra::LocalSeq)
            || extras.has(Extra::Conflicts) && has_others(false)
            || extras.has(Extra::DeletedConflicts) && has_others(true)
    }

    /// Returns the other leaves, live or deleted.
    fn others(&self, shown: &Leaf, deleted: bool) -> impl Iterator<Item = &Leaf> {
        let rev = shown.rev();
        self.leaves.iter().filter(move |leaf| leaf.deleted == deleted && leaf.rev() != rev)
    }

    fn push_others(&self, out: &mut String, shown: &Leaf, name: &str, deleted: bool) {
        let others = self.others(shown, deleted);
        let others: Vec<String> = others.map(|leaf| format!("\"{}\"", leaf.rev())).collect();
        if !others.is_empty() {
            push_args(out, format_args!(",\"{name}\":[{}]", others.join(",")));
        }
    }
}

/// Only the revisions of ancestors are kept, so the bodies of all of them are missing.
fn push_revs_info(out: &mut String, leaf: &Leaf) {
    let generations = (1..=leaf.history.leaf().generation).rev();
    let mut status = if leaf.deleted { "deleted" } else { "available" };
    out.push_str(",\"_revs_info\":[");
    for (generation, digest) in generations.zip(leaf.history.digests()) {
        let separator = if status == "missing" { "," } else { "" };
        let rev = format_args!("{generation}-{digest}");
        push_args(out, format_args!("{separator}{{\"rev\":\"{rev}\",\"status\":\"{status}\"}}"));
        status = "missing";
    }
    out.push(']');
}

fn push_revisions(out: &mut String, history: &History) {
    let ids: Vec<String> = history.digests().iter().map(|id| format!("\"{id}\"")).collect();
    let start = history.leaf().generation;
    push_args(
        out,
        format_args!(",\"_revisions\":{{\"start\":{start},\"ids\":[{}]}}", ids.join(",")),
    );
}
