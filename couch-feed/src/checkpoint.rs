//! Checkpoints: up to where the rows of a feed are acknowledged.

use crate::limits::KEPT_ROWS;
use crate::row::{Seq, members, text_of};
use http::Uri;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
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

/// What a checkpoint belongs to, if that is not what is followed.
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

    /// The first difference between what this and what `now` belong to.
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
        let text = |text: &str| serde_json::Value::from(text);
        write!(f, "{{\n  \"seq\": {}", text(self.seq.as_str()))?;
        write!(f, ",\n  \"database\": {}", text(&self.database))?;
        let known =
            [("identity", &self.identity), ("purge_seq", &self.purges), ("server", &self.server)];
        for (name, value) in known {
            if let Some(value) = value {
                write!(f, ",\n  \"{name}\": {}", text(value))?;
            }
        }
        write!(f, ",\n  \"query\": {}", text(&self.query))?;
        if !self.recent.is_empty() {
            write!(f, ",\n  \"recent\": \"{}\"", self.recent)?;
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
            seq: Seq::from_text(&seq),
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
            Self::Query => "the checkpoint is of rows that were picked otherwise",
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
    /// Goes into each hash, so that a client who writes documents cannot make two rows share one.
    pub(crate) salt: u64,
    pub(crate) hashes: Vec<u64>,
}

impl Marks {
    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

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
