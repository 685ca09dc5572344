//! Databases in memory: documents, revisions, sequences, and what may be done with them. No HTTP.

mod database;
mod document;
mod draft;
mod members;
mod push;
mod revision;
mod sequence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use database::{Change, Database, Local, check_id};
pub(crate) use document::{Document, Extras, Leaf};
pub(crate) use draft::{Draft, DraftError};
pub(crate) use members::Members;
pub(crate) use push::{push_args, push_string};
pub(crate) use revision::{ParseRevisionError, Revision, parse_number};
pub(crate) use sequence::{Sequence, Since};

use crate::fnv::Fnv128;
use crate::limits::{DATABASE_NAME_LENGTH_MAX, DATABASES_MAX};

/// What tells one run of the program from another. The store reads no clock and no random source,
/// so it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server's `uuid`. Should differ in each run, for what was stored is gone with the last
    /// one.
    pub uuid: u128,
    /// When the run began, in seconds since 1970. The first database has it as its
    /// `instance_start_time`, each later one a second more: not when it was made, but another for
    /// each, which is what followers read it for.
    pub start_time_s: u64,
}

/// The databases.
#[derive(Debug)]
pub(crate) struct Store {
    identity: Identity,
    databases: BTreeMap<Arc<str>, Database>,
    made: u64,
    ids: u64,
    gone: Vec<Arc<str>>,
}

impl Store {
    /// A store without databases.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, databases: BTreeMap::new(), made: 0, ids: 0, gone: Vec::new() }
    }

    /// What it was made with.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Makes a database.
    pub(crate) fn create(&mut self, name: &str) -> Result<&mut Database, CreateError> {
        if !is_legal_name(name) {
            return Err(CreateError::IllegalName);
        }
        if name.len() > DATABASE_NAME_LENGTH_MAX {
            return Err(CreateError::NameTooLong);
        }
        if self.databases.contains_key(name) {
            return Err(CreateError::Exists);
        }
        if self.databases.len() >= DATABASES_MAX {
            return Err(CreateError::TooMany);
        }
        let mut hash = Fnv128::default();
        hash.write(&self.identity.uuid.to_be_bytes());
        hash.write(&self.made.to_be_bytes());
        hash.write(name.as_bytes());
        let start_time_s = self.identity.start_time_s.saturating_add(self.made);
        self.made += 1;
        let name: Arc<str> = name.into();
        let database = Database::new(Arc::clone(&name), hash.value() as u64, start_time_s);
        Ok(self.databases.entry(name).or_insert(database))
    }

    /// Deletes a database; whether there was one.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let Some((name, _)) = self.databases.remove_entry(name) else { return false };
        self.gone.push(name);
        true
    }

    /// A database.
    pub(crate) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    /// A database, to be written.
    pub(crate) fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(name)
    }

    /// The names of all databases, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(|name| &**name)
    }

    /// The names of the databases with changes since the last call, and of those that were deleted:
    /// whose followers now have something to read. Ask after each request and each write of one's
    /// own. O(databases).
    pub(crate) fn take_changed(&mut self) -> Vec<Arc<str>> {
        let mut changed = std::mem::take(&mut self.gone);
        for database in self.databases.values_mut() {
            let newest = database.update_seq().number;
            if database.reported < newest {
                database.reported = newest;
                changed.push(Arc::clone(database.name()));
            }
        }
        changed
    }

    /// An id for a document that came without one: 32 hex digits, never the same twice in a store.
    /// Not a secret.
    pub(crate) fn fresh_id(&mut self) -> String {
        let mut hash = Fnv128::default();
        hash.write(&self.ids.to_be_bytes());
        hash.write(&self.identity.uuid.to_be_bytes());
        self.ids += 1;
        format!("{:032x}", hash.value())
    }
}

/// CouchDB's rule: a lowercase letter, then lowercase letters, digits and some marks. The reserved
/// names that begin with `_` are not offered here.
fn is_legal_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_$()+-/".contains(&b))
}

/// Why a database was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one of this name.
    Exists,
    /// The name breaks CouchDB's rule.
    IllegalName,
    /// The name is longer than [`DATABASE_NAME_LENGTH_MAX`].
    NameTooLong,
    /// There are [`DATABASES_MAX`] already.
    TooMany,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "The database could not be created, the file already exists.",
            Self::IllegalName => "The name of the database is not legal",
            Self::NameTooLong => "The name of the database is too long",
            Self::TooMany => "There are as many databases as this server holds",
        })
    }
}

impl std::error::Error for CreateError {}

/// Why there is no document to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum GetError {
    /// It never was, or the revision asked for is not kept.
    Missing,
    /// There is a tombstone.
    Deleted,
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Deleted => "deleted",
        })
    }
}

impl std::error::Error for GetError {}

/// Why a document was not stored. The database is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum PutError {
    /// The revision given is not that of a leaf, or none was given where there is a document.
    Conflict,
    /// The id is empty, too long or reserved: the reason in CouchDB's words.
    IllegalId(&'static str),
    /// There are [`crate::limits::DOCUMENTS_MAX`] already.
    TooManyDocuments,
    /// There are [`crate::limits::LEAVES_MAX`] leaves already.
    TooManyConflicts,
    /// There is no room within [`crate::limits::DATABASE_SIZE_MAX`].
    DatabaseFull,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "Document update conflict.",
            Self::IllegalId(reason) => reason,
            Self::TooManyDocuments => "The database has as many documents as this server holds",
            Self::TooManyConflicts => "The document has as many conflicts as this server holds",
            Self::DatabaseFull => "The database is full",
        })
    }
}

impl std::error::Error for PutError {}
