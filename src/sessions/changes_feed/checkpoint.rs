//! How far a feed has come for good, and of what.

use super::members::members;
use super::recent::Kept;
use super::row::{Seq, text_of};
use http::Uri;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Up to where the rows of a database are handled, and whose sequence that is: a sequence means
/// nothing to another server, another database, or by another filter.
///
/// It also has marks of the last [`FEED_KEPT_ROWS`](crate::limits::FEED_KEPT_ROWS) rows that were
/// handled, by which a later run knows what comes again. They are hashes of the standard library's:
/// to a build with another version of it they may say nothing, and then nothing is marked.
///
/// Its `Display` is JSON, one line for each member, and [`FromStr`] reads that. No credential is in
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Everything up to here is handled.
    pub seq: Seq,
    /// The server's `uuid`, where it tells one.
    pub server: Option<String>,
    /// The database's URL, without credentials.
    pub database: String,
    /// What tells the database from a later one of the same name, where the server says so.
    pub identity: Option<String>,
    /// Which rows were asked for; empty for all.
    pub query: String,
    /// How many purges there were.
    pub(super) purges: Option<String>,
    pub(super) recent: Kept,
}

/// What a checkpoint is of, where that is not what is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another server.
    Server,
    /// Another database.
    Database,
    /// An earlier database of the same name.
    Identity,
    /// Rows that were picked otherwise.
    Query,
}

/// A text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoCheckpoint;

impl Checkpoint {
    /// The first way in which this is not of what `now` is of.
    pub(super) fn mismatch(&self, now: &Checkpoint) -> Option<Mismatch> {
        let differ =
            |one: &Option<String>, other: &Option<String>| Some(one.as_ref()? != other.as_ref()?);
        // A server that is known by its uuid may have moved.
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
            seq: Seq::kept(&seq),
            server,
            database: database.ok_or(NoCheckpoint)?,
            identity,
            query: query.ok_or(NoCheckpoint)?,
            purges,
            recent: recent.map_or_else(Kept::default, |text| Kept::of(&text)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            seq: Seq::kept(r#"[4,"g1"]"#),
            server: Some("u1".into()),
            database: "http://h:5984/a/db".into(),
            identity: Some("17".into()),
            query: "filter=_selector {\"selector\":{}}".into(),
            purges: Some("3".into()),
            recent: Kept::of("00000000000000010000000000000002"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let whole = checkpoint();
        let bare =
            Checkpoint { server: None, identity: None, query: String::new(), ..checkpoint() };
        let bare = Checkpoint { recent: Kept::default(), purges: None, ..bare };
        for checkpoint in [whole, bare] {
            assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }
        let one = "{\"seq\":\"1\",\"database\":\"http://h:1/d\",\"query\":\"\",\"new\":[]}";
        assert!(one.parse::<Checkpoint>().is_ok());
        let recent = one.replace("\"new\":[]", "\"recent\":\"of another version\"");
        assert_eq!(recent.parse::<Checkpoint>(), one.parse());
        let whole = checkpoint().to_string();
        for end in 0..whole.trim_end().len() {
            assert_eq!(whole[..end].parse::<Checkpoint>(), Err(NoCheckpoint), "{end}");
        }
        for text in ["0", "{\"seq\":\"\",\"database\":\"\",\"query\":\"\"}", "\0\0\0\0"] {
            assert_eq!(text.parse::<Checkpoint>(), Err(NoCheckpoint), "{text}");
        }
    }

    #[test]
    fn what_it_is_of_is_compared_as_far_as_it_is_known() {
        let check = |now: Checkpoint, expected: Option<Mismatch>| {
            assert_eq!(checkpoint().mismatch(&now), expected, "{now}");
        };
        check(checkpoint(), None);
        check(Checkpoint { seq: Seq::beginning(), ..checkpoint() }, None);
        check(Checkpoint { recent: Kept::default(), ..checkpoint() }, None);
        check(Checkpoint { identity: None, ..checkpoint() }, None);
        check(Checkpoint { server: None, ..checkpoint() }, None);
        let moved = || Checkpoint { database: "http://new:80/a/db".into(), ..checkpoint() };
        check(moved(), None);
        check(Checkpoint { server: None, ..moved() }, Some(Mismatch::Server));
        check(Checkpoint { server: Some("u2".into()), ..checkpoint() }, Some(Mismatch::Server));
        let other = Checkpoint { database: "http://h:5984/a/other".into(), ..checkpoint() };
        check(other, Some(Mismatch::Database));
        check(Checkpoint { identity: Some("18".into()), ..checkpoint() }, Some(Mismatch::Identity));
        check(Checkpoint { query: String::new(), ..checkpoint() }, Some(Mismatch::Query));
    }
}
