//! Revisions (`N-text`) and the ancestors of a leaf.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::fnv::Fnv128;
use crate::limits::{HISTORY_LENGTH_MAX, REVISION_LENGTH_MAX};

/// One revision of a document. The order is that of CouchDB: the longer history wins, then the
/// greater digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    /// The number of edits; 1 for a new document.
    pub(crate) generation: u64,
    /// Distinguishes it from others of the same generation.
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

/// Parses decimal digits. `u64::from_str` would also accept a sign.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The part of a revision after the dash. Only the server that made it knows its meaning.
///
/// CouchDB stores 32 hex digits as 16 bytes and any other text unchanged, and compares the bytes.
/// The order here is the same, because all replicas must select the same winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// 32 hex digits, made by CouchDB, PouchDB and this server.
    Hash([u8; 16]),
    /// Text made by other servers.
    Text(Arc<str>),
}

impl Digest {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Hash(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// Returns the bytes of memory outside of the value itself.
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

/// The revision of a leaf and its ancestors, the newest first, at most [`HISTORY_LENGTH_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    generation: u64,
    digests: Vec<Digest>,
}

impl History {
    /// Makes a history that replication states (`_revisions`). `None` if it is empty or goes below
    /// generation 1.
    pub(crate) fn new(generation: u64, mut digests: Vec<Digest>) -> Option<Self> {
        if digests.is_empty() || generation < digests.len() as u64 {
            return None;
        }
        digests.truncate(HISTORY_LENGTH_MAX);
        Some(Self { generation, digests })
    }

    /// Makes a history of one revision without known ancestors.
    pub(crate) fn of(rev: Revision) -> Self {
        Self { generation: rev.generation, digests: vec![rev.digest] }
    }

    /// Returns this history with one more edit. Its digest depends on the parent and the new
    /// content, so that the same edit on two servers is the same revision. `None` if the generation
    /// would overflow.
    pub(crate) fn edited(&self, deleted: bool, body: &str) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let mut digests = Vec::with_capacity(HISTORY_LENGTH_MAX.min(self.digests.len() + 1));
        digests.push(digest(Some(self), deleted, body));
        digests.extend(self.digests.iter().take(HISTORY_LENGTH_MAX - 1).cloned());
        Some(Self { generation, digests })
    }

    /// Makes the history of the first edit of a document.
    pub(crate) fn begun(deleted: bool, body: &str) -> Self {
        Self { generation: 1, digests: vec![digest(None, deleted, body)] }
    }

    /// Returns the newest revision.
    pub(crate) fn leaf(&self) -> Revision {
        Revision { generation: self.generation, digest: self.digests[0].clone() }
    }

    /// Returns true if `rev` is the leaf or a remembered ancestor. O(1).
    pub(crate) fn contains(&self, rev: &Revision) -> bool {
        let back = self.generation.checked_sub(rev.generation);
        back.and_then(|back| self.digests.get(usize::try_from(back).ok()?)) == Some(&rev.digest)
    }

    /// Returns the remembered digests, the newest first.
    pub(crate) fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// Returns the bytes of memory outside of the value itself.
    pub(super) fn heap_size(&self) -> usize {
        let texts: usize = self.digests.iter().map(Digest::heap_size).sum();
        size_of_val(self.digests()) + texts
    }
}

/// Returns a hash of parent, deletion and content. CouchDB calculates MD5 of Erlang terms, so the
/// same edit has another digest there. The protocol only needs equal digests for equal edits. The
/// hash does not resist attacks and need not: a writer may state any revision (`new_edits=false`).
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
