//! Which rows were reported and acknowledged, and the checkpoint that keeps this for a later run.

use crate::limits::{KEPT_ROWS, RECENT_ROWS};
use crate::row::{Row, Seq, members, text_of};
use http::Uri;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::str::FromStr;

/// The sequence up to which the rows of a database are acknowledged, and what it belongs to: a
/// sequence means nothing to another server, to another database, or with another filter.
///
/// It also has marks of the last [`KEPT_ROWS`](crate::limits::KEPT_ROWS) rows that were
/// acknowledged, by which a later run recognises repeated rows. They are hashes of the standard
/// library. Another release of Rust may compute others; then repeated rows are not marked.
///
/// Its `Display` writes JSON, one line for each member, and [`FromStr`] reads it. It contains no
/// credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// All rows up to this sequence are acknowledged.
    pub seq: Seq,
    /// The server's `uuid`, if it sends one.
    pub server: Option<String>,
    /// The database's URL, without credentials.
    pub database: String,
    /// Distinguishes the database from a later one of the same name, if the server says so.
    pub identity: Option<String>,
    /// Which rows were selected; empty for all.
    pub query: String,
    /// The number of purges.
    pub(crate) purges: Option<String>,
    pub(crate) recent: Marks,
}

/// The first difference between a checkpoint and the feed that it is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another server.
    Server,
    /// Another database.
    Database,
    /// An earlier database of the same name.
    Identity,
    /// Rows that were selected differently.
    Query,
}

/// A text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoCheckpoint;

impl Checkpoint {
    /// The same checkpoint without marks, for a store that cannot hold all of it. Repeated rows are
    /// then reported without a mark.
    #[must_use]
    pub fn without_marks(self) -> Self {
        Checkpoint { recent: Marks::default(), ..self }
    }

    /// The first difference between this and a checkpoint of the feed.
    pub(crate) fn mismatch(&self, now: &Checkpoint) -> Option<Mismatch> {
        let differ =
            |one: &Option<String>, other: &Option<String>| Some(one.as_ref()? != other.as_ref()?);
        // A server that is recognised by its uuid may have moved.
        let is_other_server = differ(&self.server, &now.server)
            .unwrap_or_else(|| origin(&self.database) != origin(&now.database));
        if is_other_server {
            Some(Mismatch::Server)
        } else if path(&self.database) != path(&now.database) {
            Some(Mismatch::Database)
        } else if differ(&self.identity, &now.identity).unwrap_or(false) {
            Some(Mismatch::Identity)
        } else {
            (self.query != now.query).then_some(Mismatch::Query)
        }
    }
}

fn origin(url: &str) -> &str {
    url.strip_suffix(&path(url)).unwrap_or(url)
}

fn path(url: &str) -> String {
    url.parse::<Uri>().map_or(String::new(), |uri| uri.path().to_owned())
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recent = (!self.recent.hashes.is_empty()).then(|| self.recent.to_string());
        let mut separator = '{';
        for (name, value) in [
            ("seq", Some(self.seq.as_str())),
            ("database", Some(&self.database)),
            ("identity", self.identity.as_deref()),
            ("purge_seq", self.purges.as_deref()),
            ("server", self.server.as_deref()),
            ("query", Some(&self.query)),
            ("recent", recent.as_deref()),
        ] {
            if let Some(value) = value {
                write!(f, "{separator}\n  \"{name}\": {}", serde_json::Value::from(value))?;
                separator = ',';
            }
        }
        f.write_str("\n}\n")
    }
}

impl FromStr for Checkpoint {
    type Err = NoCheckpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = ["seq", "server", "database", "identity", "query", "purge_seq", "recent"];
        let members = members(text.as_bytes(), names).ok_or(NoCheckpoint)?;
        let [seq, server, database, identity, query, purges, recent] =
            members.map(|value| value.and_then(text_of).map(Cow::into_owned));
        let seq = seq.filter(|seq| !seq.is_empty()).ok_or(NoCheckpoint)?;
        Ok(Checkpoint {
            seq: Seq(seq.into()),
            server,
            database: database.ok_or(NoCheckpoint)?,
            identity,
            query: query.ok_or(NoCheckpoint)?,
            purges,
            recent: recent.map_or_else(Marks::default, |text| Marks::parse(&text)),
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the checkpoint is of another server",
            Self::Database => "the checkpoint is of another database",
            Self::Identity => "the checkpoint is of an earlier database of this name",
            Self::Query => "the checkpoint is of rows that were selected differently",
        })
    }
}

impl fmt::Display for NoCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not a checkpoint")
    }
}

impl std::error::Error for NoCheckpoint {}

/// Marks of rows that an earlier run has acknowledged: hashes of their ids and revisions, the
/// latest last.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// A part of each hash, so that no client can write documents whose rows share one.
    pub(crate) salt: u64,
    pub(crate) hashes: Vec<u64>,
}

impl Marks {
    /// Reads what `Display` writes. Any other text, as another version may write, gives no marks:
    /// without them repeated rows are reported without a mark.
    pub(crate) fn parse(text: &str) -> Self {
        let digits = text.as_bytes().chunks(16);
        let number = |digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match digits.map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some([salt, hashes @ ..]) if hashes.len() <= KEPT_ROWS => {
                let mut seen = HashSet::new();
                let hashes = hashes.iter().copied().filter(|hash| seen.insert(*hash)).collect();
                Marks { salt: *salt, hashes }
            }
            _ => Marks::default(),
        }
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.salt)?;
        self.hashes.iter().try_for_each(|hash| write!(f, "{hash:016x}"))
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.hashes.len())
    }
}

/// The rows that were reported after the acknowledged sequence.
///
/// The acknowledged sequence is that of the last row before which all are acknowledged, itself
/// included: the lowest unfinished row holds back all later ones. Sequences are never compared;
/// their order is the order of reporting.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    reported: VecDeque<Reported>,
    /// The number of the last row that was reported; 0 before the first.
    pub(crate) last: u64,
    /// The sequence up to which all rows are acknowledged.
    pub(crate) acknowledged: Option<Seq>,
    /// The number of the last row that the server does not send after that sequence.
    pub(crate) acknowledged_number: u64,
    /// The bytes of the rows that are not acknowledged.
    pub(crate) open_bytes: usize,
}

#[derive(Debug)]
struct Reported {
    /// The sequence that is acknowledged with this row.
    seq: Option<Seq>,
    bytes: usize,
    is_acknowledged: bool,
}

impl Ledger {
    /// Starts again at `seq`: rows that were reported before do not count any more.
    pub(crate) fn restart(&mut self, seq: Seq) {
        self.reported.clear();
        self.open_bytes = 0;
        self.acknowledged = Some(seq);
        self.acknowledged_number = self.last;
    }

    /// Records a row and returns its number, the first one being 1.
    pub(crate) fn report(&mut self, seq: Option<Seq>, bytes: usize) -> u64 {
        self.reported.push_back(Reported { seq, bytes, is_acknowledged: false });
        self.open_bytes += bytes;
        self.last += 1;
        self.last
    }

    /// The server says that everything up to `seq` was sent.
    pub(crate) fn reach(&mut self, seq: Seq) {
        match self.reported.back_mut() {
            Some(last) => last.seq = Some(seq),
            None => self.restart(seq),
        }
    }

    /// Acknowledges the row with this number. Returns true if the acknowledged sequence has moved.
    /// A number that is not unfinished changes nothing. Cost: O(1), amortized.
    pub(crate) fn acknowledge(&mut self, number: u64) -> bool {
        let first = self.last + 1 - self.reported.len() as u64;
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        let Some(row) = index.and_then(|index| self.reported.get_mut(index)) else { return false };
        self.open_bytes -= if row.is_acknowledged { 0 } else { row.bytes };
        row.is_acknowledged = true;
        let mut has_moved = false;
        while self.reported.front().is_some_and(|row| row.is_acknowledged)
            && let Some(row) = self.reported.pop_front()
        {
            if row.seq.is_some() {
                self.acknowledged = row.seq;
                self.acknowledged_number = self.last - self.reported.len() as u64;
                has_moved = true;
            }
        }
        has_moved
    }

    /// The number of rows that were reported after the last one before which all are acknowledged.
    pub(crate) fn unfinished(&self) -> usize {
        self.reported.len()
    }
}

/// A value for each of the last [`RECENT_ROWS`] different keys, so that the memory is bounded. Keys
/// are hashes.
#[derive(Debug, Default)]
struct Remembered<V> {
    values: HashMap<u64, V>,
    /// The keys, the oldest first.
    order: VecDeque<u64>,
}

impl<V> Remembered<V> {
    /// If there is a value for `key`, returns what `again` does with it. Otherwise stores `value`,
    /// and if there are too many keys then, removes the oldest. O(1).
    fn recall<R>(&mut self, key: u64, value: V, again: impl FnOnce(&mut V) -> R) -> Option<R> {
        match self.values.entry(key) {
            Entry::Occupied(mut entry) => Some(again(entry.get_mut())),
            Entry::Vacant(entry) => {
                entry.insert(value);
                self.order.push_back(key);
                if self.order.len() > RECENT_ROWS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.values.remove(&oldest);
                }
                None
            }
        }
    }
}

/// The last rows that were reported, by id and revisions.
///
/// Rows are kept as hashes of 64 bits: that two rows share one is less likely than a bit error in
/// memory, and the only consequence is a wrong mark.
#[derive(Debug)]
pub(crate) struct Recent {
    /// See [`Marks::salt`].
    salt: u64,
    numbers: Remembered<Numbers>,
}

/// The numbers with which a row was reported.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    first: u64,
    last: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { salt: RandomState::new().hash_one(()), numbers: Remembered::default() }
    }
}

impl Recent {
    /// Records that `row` is reported with `number`. Returns the number with which it was reported
    /// last, if it is one of the last [`RECENT_ROWS`] different rows.
    pub(crate) fn record(&mut self, row: &Row, number: u64) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (self.salt, &row.id, &row.revs, row.deleted).hash(&mut hasher);
        let numbers = Numbers { first: number, last: number };
        let key = hasher.finish();
        self.numbers.recall(key, numbers, |known| std::mem::replace(&mut known.last, number))
    }

    /// Forgets all rows and starts with those of an earlier run, which have the number 0.
    pub(crate) fn restart(&mut self, marks: Marks) {
        *self = Recent::default();
        if !marks.hashes.is_empty() {
            self.salt = marks.salt;
        }
        for hash in marks.hashes {
            self.numbers.recall(hash, Numbers { first: 0, last: 0 }, |_| {});
        }
    }

    /// Marks of the latest acknowledged rows: all rows up to `number` are. A row that was reported
    /// again since remains acknowledged.
    pub(crate) fn marks(&self, number: u64) -> Marks {
        let first = |hash: &u64| self.numbers.values.get(hash).map(|known| known.first);
        let latest = self.numbers.order.iter().rev().copied();
        let acknowledged = latest.filter(|hash| first(hash).is_some_and(|first| first <= number));
        let mut hashes: Vec<_> = acknowledged.take(KEPT_ROWS).collect();
        hashes.reverse();
        // A salt without hashes is not written.
        let salt = if hashes.is_empty() { 0 } else { self.salt };
        Marks { salt, hashes }
    }

    #[cfg(test)]
    pub(crate) fn lens(&self) -> (usize, usize) {
        (self.numbers.values.len(), self.numbers.order.len())
    }
}

/// What the last row of each of the last documents said, so that a row that says the same can be
/// dropped.
///
/// Only the last row of a document counts, because after a conflict an older revision may be the
/// winner again. Keys and values are hashes of 64 bits: a row is dropped in error only if two
/// hashes are equal by chance.
#[derive(Debug, Default)]
pub(crate) struct LatestRows {
    hasher: RandomState,
    contents: Remembered<u64>,
}

impl LatestRows {
    /// Records what `row` says. Returns true if the last row of its document said the same: the
    /// revisions, `deleted`, and the document, byte by byte.
    pub(crate) fn record(&mut self, row: &Row) -> bool {
        let id = self.hasher.hash_one(&row.id);
        let content = self.hasher.hash_one((&row.revs, row.deleted, &row.doc));
        let last = self.contents.recall(id, content, |last| std::mem::replace(last, content));
        last == Some(content)
    }

    #[cfg(test)]
    pub(crate) fn lens(&self) -> (usize, usize) {
        (self.contents.values.len(), self.contents.order.len())
    }
}
