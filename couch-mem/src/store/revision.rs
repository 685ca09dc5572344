//! Revisions (`N-text`) and the line of them that leads to a leaf.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::fnv::Fnv128;
use crate::limits::{HISTORY_LENGTH_MAX, REVISION_LENGTH_MAX};

/// One revision of a document. The order is CouchDB's: the longer history wins, then the greater
/// digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    /// How many edits led here; 1 for a new document.
    pub(crate) generation: u64,
    /// What distinguishes it from others of the same generation.
    pub(crate) digest: Digest,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.digest)
    }
}

/// The text is not `N-text` with N at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseRevisionError;

impl fmt::Display for ParseRevisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid rev format")
    }
}

impl std::error::Error for ParseRevisionError {}

impl FromStr for Revision {
    type Err = ParseRevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (generation, digest) = text.split_once('-').ok_or(ParseRevisionError)?;
        let generation = parse_number(generation).filter(|&n| n > 0).ok_or(ParseRevisionError)?;
        Ok(Self { generation, digest: digest.parse()? })
    }
}

/// Decimal digits and nothing else: `u64::from_str` would take a sign.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The part of a revision after the dash. Its meaning is known only to the server that made it.
///
/// CouchDB stores 32 hex digits as 16 bytes and any other text as it is, and compares the bytes.
/// The order here is the same, because all replicas must choose the same winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// 32 hex digits, which CouchDB, PouchDB and this server make.
    Hash([u8; 16]),
    /// What other servers of the protocol make.
    Text(Arc<str>),
}

impl Digest {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Hash(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// Bytes of memory beyond the value itself.
    fn heap_size(&self) -> usize {
        match self {
            Self::Hash(_) => 0,
            Self::Text(text) => text.len(),
        }
    }
}

impl From<u128> for Digest {
    fn from(hash: u128) -> Self {
        Self::Hash(hash.to_be_bytes())
    }
}

impl FromStr for Digest {
    type Err = ParseRevisionError;

    /// Accepts visible ASCII without quotes and backslashes, at most [`REVISION_LENGTH_MAX`] bytes:
    /// text that a JSON string and an entity tag can contain unchanged.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return u128::from_str_radix(text, 16).map(Self::from).map_err(|_| ParseRevisionError);
        }
        let is_plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if text.len() > REVISION_LENGTH_MAX || !text.bytes().all(is_plain) {
            return Err(ParseRevisionError);
        }
        Ok(Self::Text(text.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(bytes) => write!(f, "{:032x}", u128::from_be_bytes(*bytes)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Ord for Digest {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_text = |digest: &Self| matches!(digest, Self::Text(_));
        self.bytes().cmp(other.bytes()).then(is_text(self).cmp(&is_text(other)))
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A leaf's revision and its ancestors, the newest first, at most [`HISTORY_LENGTH_MAX`] of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    generation: u64,
    digests: Vec<Digest>,
}

impl History {
    /// A history as replication states it (`_revisions`). `None` when it is empty or goes below
    /// generation 1.
    pub(crate) fn new(generation: u64, mut digests: Vec<Digest>) -> Option<Self> {
        if digests.is_empty() || generation < digests.len() as u64 {
            return None;
        }
        digests.truncate(HISTORY_LENGTH_MAX);
        Some(Self { generation, digests })
    }

    /// A history of one revision, whose ancestors are not known.
    pub(crate) fn of(rev: Revision) -> Self {
        Self { generation: rev.generation, digests: vec![rev.digest] }
    }

    /// This history with one more edit, whose digest follows from the parent and the new content:
    /// the same edit made in two places is the same revision. `None` when the generations are used
    /// up.
    pub(crate) fn edited(&self, deleted: bool, body: &str) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let mut digests = Vec::with_capacity(HISTORY_LENGTH_MAX.min(self.digests.len() + 1));
        digests.push(digest(Some(self), deleted, body));
        digests.extend(self.digests.iter().take(HISTORY_LENGTH_MAX - 1).cloned());
        Some(Self { generation, digests })
    }

    /// The history of a document's first edit.
    pub(crate) fn begun(deleted: bool, body: &str) -> Self {
        Self { generation: 1, digests: vec![digest(None, deleted, body)] }
    }

    /// The newest revision.
    pub(crate) fn leaf(&self) -> Revision {
        Revision { generation: self.generation, digest: self.digests[0].clone() }
    }

    /// Whether `rev` is the leaf or a remembered ancestor. O(1).
    pub(crate) fn contains(&self, rev: &Revision) -> bool {
        let back = self.generation.checked_sub(rev.generation);
        back.and_then(|back| self.digests.get(usize::try_from(back).ok()?)) == Some(&rev.digest)
    }

    /// The remembered digests, the newest first.
    pub(crate) fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// Bytes of memory beyond the value itself.
    pub(super) fn heap_size(&self) -> usize {
        let texts: usize = self.digests.iter().map(Digest::heap_size).sum();
        size_of_val(self.digests()) + texts
    }
}

/// 128 bits of FNV-1a over parent, deletion and content. CouchDB takes MD5 over Erlang terms, so
/// the same edit has another digest there; all that the protocol asks is that equal edits give
/// equal digests. It is no defence against a writer who seeks collisions, and need not be: such a
/// writer may state any revision (`new_edits=false`).
fn digest(parent: Option<&History>, deleted: bool, body: &str) -> Digest {
    let mut hash = Fnv128::default();
    if let Some(parent) = parent {
        hash.write(&parent.generation.to_be_bytes());
        hash.write(parent.digests[0].bytes());
    }
    hash.write(&[u8::from(deleted)]);
    hash.write(body.as_bytes());
    Digest::from(hash.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_as_it_is_written() {
        let longest = format!("1-{}", "x".repeat(REVISION_LENGTH_MAX));
        for text in [
            "12-23202479633c2b380f79507a776743d5",
            "1-",
            "1-a",
            "1-da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "1-23202479633c2b380f79507a776743dg",
            "3-a-b",
            &longest,
        ] {
            assert_eq!(text.parse::<Revision>().unwrap().to_string(), text);
        }
        let upper = "1-23202479633C2B380F79507A776743D5";
        assert_eq!(upper.parse::<Revision>().unwrap().to_string(), upper.to_lowercase());
        for bad in [
            "",
            "1",
            "-1",
            "0-23202479633c2b380f79507a776743d5",
            "+1-23202479633c2b380f79507a776743d5",
            "99999999999999999999-23202479633c2b380f79507a776743d5",
            "1-\u{e9}",
            "1-a b",
            "1-a\n",
            "1-a\"",
            "1-a\\",
            &format!("{longest}x"),
        ] {
            assert_eq!(bad.parse::<Revision>(), Err(ParseRevisionError), "{bad}");
        }
    }

    #[test]
    fn equal_edits_are_equal_revisions_and_others_are_not() {
        let first = History::begun(false, "\"a\":1");
        assert_eq!(first, History::begun(false, "\"a\":1"));
        assert_ne!(first.leaf(), History::begun(false, "\"a\":2").leaf());
        assert_ne!(first.leaf(), History::begun(true, "\"a\":1").leaf());
        let second = first.edited(false, "\"a\":1").unwrap();
        assert_eq!(second.leaf().generation, 2);
        assert_ne!(second.leaf().digest, first.leaf().digest);
        assert!(second.contains(&first.leaf()) && !first.contains(&second.leaf()));
    }

    #[test]
    fn a_history_is_bounded_and_forgets_the_oldest() {
        let first = History::begun(false, "");
        let mut history = first.clone();
        for _ in 0..HISTORY_LENGTH_MAX {
            history = history.edited(false, "").unwrap();
        }
        assert_eq!(history.digests().len(), HISTORY_LENGTH_MAX);
        assert!(!history.contains(&first.leaf()));
        assert_eq!(
            History::of(Revision { generation: u64::MAX, digest: 1.into() }).edited(false, ""),
            None
        );
        assert_eq!(History::new(1, vec![1.into(), 2.into()]), None);
    }
}
