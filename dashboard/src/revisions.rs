//! The memory of old revisions, and its limit.
//!
//! An answer shares the bytes of its document. So a slow reader keeps the revision with which it
//! started in memory, and many slow readers may keep many revisions. Beyond [`OLD_BYTES_MAX`] the
//! connections that still send the oldest revisions are reset. Their browsers ask again and get the
//! latest revision.

use crate::metrics::Metrics;
use bytes::Bytes;
use masque::limits::OUTPUT_COPIED_BYTES;
use memmap2::{Mmap, MmapMut};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// Bytes of old revisions in memory: eight of the longest documents that CouchDB accepts by
/// default, or thousands of usual ones.
pub(crate) const OLD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Buffers of at least this size are memory mappings, which return to the system when they are
/// dropped.
///
/// glibc allocates such buffers from its heap once it has freed one. A live small block in the heap
/// then retains all memory below it.
const MAPPED_BYTES_MIN: usize = 128 * 1024;

/// Tracks the old revisions that are still in memory.
#[derive(Debug)]
pub(crate) struct Revisions {
    bytes_max: usize,
    serial: u64,
    /// Replaced revisions whose bytes an answer still shares, the oldest first.
    old: VecDeque<Weak<Usage>>,
    metrics: Arc<Metrics>,
}

/// A handle of a revision. It does not keep the bytes in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revision {
    serial: u64,
    kept: Weak<Usage>,
}

/// The memory of a revision, shared by the owners of its buffers.
#[derive(Debug)]
struct Usage {
    serial: u64,
    bytes: AtomicUsize,
    is_old: AtomicBool,
    metrics: Arc<Metrics>,
}

/// One buffer of a revision. It is dropped with the last answer that shares it.
struct Owner {
    buffer: Buffer,
    kept: Arc<Usage>,
}

enum Buffer {
    Shared(Bytes),
    Mapped(Mmap),
}

impl Revisions {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self::with_max(metrics, OLD_BYTES_MAX)
    }

    fn with_max(metrics: Arc<Metrics>, bytes_max: usize) -> Self {
        Revisions { bytes_max, serial: 0, old: VecDeque::new(), metrics }
    }

    /// Starts a revision without buffers.
    pub(crate) fn begin(&mut self) -> Revision {
        self.serial += 1;
        Revision { serial: self.serial, kept: Weak::new() }
    }

    /// Adds a buffer to a revision. A large buffer is copied. A buffer that is small enough for
    /// answers to copy is not counted.
    pub(crate) fn keep(&self, revision: &mut Revision, bytes: Bytes) -> Bytes {
        if bytes.len() <= OUTPUT_COPIED_BYTES {
            return bytes;
        }
        let kept = revision.kept.upgrade().unwrap_or_else(|| {
            Arc::new(Usage {
                serial: revision.serial,
                bytes: AtomicUsize::new(0),
                is_old: AtomicBool::new(false),
                metrics: Arc::clone(&self.metrics),
            })
        });
        revision.kept = Arc::downgrade(&kept);
        kept.bytes.fetch_add(bytes.len(), Relaxed);
        Bytes::from_owner(Owner { buffer: Buffer::of(bytes), kept })
    }

    /// Marks a revision as old. Returns the serial numbers of the revisions whose readers must be
    /// reset, because the limit is exceeded.
    ///
    /// Cost: O(old revisions in memory).
    pub(crate) fn replace(&mut self, old: Revision) -> Vec<u64> {
        if let Some(kept) = old.kept.upgrade() {
            kept.is_old.store(true, Relaxed);
            self.metrics.old_revision_bytes.add(kept.bytes.load(Relaxed) as u64);
            self.old.push_back(old.kept);
        }
        let mut total = 0;
        self.old.retain(|kept| {
            let kept = kept.upgrade().map(|kept| kept.bytes.load(Relaxed));
            total += kept.unwrap_or(0);
            kept.is_some()
        });
        let mut released = vec![];
        while total > self.bytes_max
            && let Some(oldest) = self.old.pop_front().and_then(|kept| kept.upgrade())
        {
            total -= oldest.bytes.load(Relaxed);
            released.push(oldest.serial);
        }
        released
    }
}

impl Revision {
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns true if its bytes are still in memory.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.strong_count() > 0
    }
}

impl Buffer {
    /// Copies a large buffer to a memory mapping, if the system can provide one.
    fn of(bytes: Bytes) -> Self {
        if bytes.len() < MAPPED_BYTES_MIN {
            return Buffer::Shared(bytes);
        }
        let mapped = MmapMut::map_anon(bytes.len()).and_then(|mut mapped| {
            mapped.copy_from_slice(&bytes);
            mapped.make_read_only()
        });
        mapped.map_or(Buffer::Shared(bytes), Buffer::Mapped)
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        match &self.buffer {
            Buffer::Shared(bytes) => bytes,
            Buffer::Mapped(mapped) => mapped,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let bytes = self.as_ref().len();
        self.kept.bytes.fetch_sub(bytes, Relaxed);
        if self.kept.is_old.load(Relaxed) {
            self.kept.metrics.old_revision_bytes.remove(bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 10_000;

    fn revisions(count: usize) -> (Revisions, Arc<Metrics>) {
        let metrics = Arc::<Metrics>::default();
        (Revisions::with_max(Arc::clone(&metrics), count * LEN), metrics)
    }

    /// A revision and an answer that shares its bytes.
    fn revision(all: &mut Revisions, len: usize) -> (Revision, Bytes) {
        let mut revision = all.begin();
        let bytes = all.keep(&mut revision, vec![b'x'; len].into());
        (revision, bytes)
    }

    #[test]
    fn slow_readers_kept_any_number_of_old_revisions() {
        let (mut all, metrics) = revisions(3);
        let mut readers = vec![];
        for expected in [vec![], vec![], vec![], vec![1], vec![2]] {
            let (revision, bytes) = revision(&mut all, LEN);
            readers.push(bytes);
            assert_eq!(all.replace(revision), expected);
        }
        assert_eq!(metrics.old_revision_bytes.read(), 5 * LEN as u64, "none has been reset yet");
        readers.drain(..2);
        assert_eq!(metrics.old_revision_bytes.read(), 3 * LEN as u64);
        let (nothing, bytes) = revision(&mut all, LEN);
        drop(bytes);
        assert_eq!(all.replace(nothing), [0; 0], "the limit itself is allowed");
        drop(readers);
        assert_eq!(metrics.old_revision_bytes.read(), 0);
    }

    #[test]
    fn one_byte_beyond_the_limit_releases_the_oldest() {
        let (mut all, _) = revisions(2);
        let (one, _reads_one) = revision(&mut all, LEN);
        let (two, _reads_two) = revision(&mut all, LEN + 1);
        assert_eq!(all.replace(one), [0; 0]);
        assert_eq!(all.replace(two), [1]);
    }

    #[test]
    fn a_revision_counts_with_all_its_buffers_and_small_ones_do_not_count() {
        let (mut all, metrics) = revisions(1);
        let (mut one, body) = revision(&mut all, LEN);
        let event = all.keep(&mut one, vec![b'e'; LEN].into());
        let small = all.keep(&mut one, vec![b's'; OUTPUT_COPIED_BYTES].into());
        assert!(one.is_kept());
        assert_eq!(all.replace(one.clone()), [one.serial()], "both buffers are too much");
        drop(body);
        assert_eq!(metrics.old_revision_bytes.read(), LEN as u64);
        drop(event);
        assert_eq!((metrics.old_revision_bytes.read(), one.is_kept()), (0, false));
        drop(small);
    }

    #[test]
    fn a_buffer_is_the_same_whether_it_is_mapped_or_not() {
        let (all, _) = revisions(1);
        for len in [0, 1, LEN, MAPPED_BYTES_MIN - 1, MAPPED_BYTES_MIN, 3 * MAPPED_BYTES_MIN + 1] {
            let bytes: Bytes = (0..len).map(|at| at as u8).collect();
            let kept = all.keep(&mut Revision::default(), bytes.clone());
            assert_eq!(kept, bytes, "of {len} bytes");
        }
    }
}
