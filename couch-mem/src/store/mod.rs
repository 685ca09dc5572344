//! Databases in memory: documents, revisions, sequences and their rules. It knows no HTTP.

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

pub(crate) use database::{ChangeRow, Database, Local, check_id};
pub(crate) use document::{Document, Extra, Extras, Leaf};
pub(crate) use draft::{Draft, DraftError};
pub(crate) use members::Members;
pub(crate) use push::{push_args, push_string};
pub(crate) use revision::{ParseRevisionError, Revision, parse_number};
pub(crate) use sequence::{Sequence, Since};

use crate::fnv::Fnv128;
use crate::limits::{DATABASE_NAME_LENGTH_MAX, DATABASES_MAX};

/// Identifies one run of the server. The store has no clock and no random numbers, so the caller
/// provides both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The `uuid` of the server. Use another one for each run, because the data of earlier runs is
    /// lost.
    pub uuid: u128,
    /// The start of the run, in seconds since 1970.
    ///
    /// The first database has it as its `instance_start_time`, each later one a second more. It is
    /// not the time when a database was created, but it differs for each database, and followers
    /// use it only for that.
    pub start_time_s: u64,
}

/// All databases.
#[derive(Debug)]
pub(crate) struct Store {
    identity: Identity,
    databases: BTreeMap<Arc<str>, Database>,
    made: u64,
    ids: u64,
    gone: Vec<Arc<str>>,
}

impl Store {
    /// Makes a store without databases.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, databases: BTreeMap::new(), made: 0, ids: 0, gone: Vec::new() }
    }

    /// Returns the identity of this run.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Creates a database.
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

    /// Deletes a database. Returns false if it does not exist.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let Some((name, _)) = self.databases.remove_entry(name) else { return false };
        self.gone.push(name);
        true
    }

    /// Returns a database.
    pub(crate) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    /// Returns a database for writing.
    pub(crate) fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(name)
    }

    /// Returns the names of all databases, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(|name| &**name)
    }

    /// Returns the names of the databases that were changed or deleted since the last call: their
    /// feeds have new rows or have ended. O(databases).
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

    /// Returns an id for a document without one: 32 hex digits, unique in this store. It is not a
    /// secret.
    pub(crate) fn fresh_id(&mut self) -> String {
        let mut hash = Fnv128::default();
        hash.write(&self.ids.to_be_bytes());
        hash.write(&self.identity.uuid.to_be_bytes());
        self.ids += 1;
        format!("{:032x}", hash.value())
    }
}

/// The rule of CouchDB: a lowercase letter, then lowercase letters, digits and some marks. Reserved
/// names, which start with `_`, are not supported.
fn is_legal_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_$()+-/".contains(&b))
}

/// The reason why a database was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// A database with this name exists.
    Exists,
    /// The name contains characters that CouchDB does not allow.
    IllegalName,
    /// The name is longer than [`DATABASE_NAME_LENGTH_MAX`].
    NameTooLong,
    /// There are [`DATABASES_MAX`] databases.
    TooMany,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "The database could not be created, the file already exists.",
            Self::IllegalName => "The name of the database is not legal",
            Self::NameTooLong => "The name of the database is too long",
            Self::TooMany => "This server has the maximum number of databases",
        })
    }
}

impl std::error::Error for CreateError {}

/// The reason why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum GetError {
    /// It does not exist, or the requested revision is not kept.
    Missing,
    /// It was deleted.
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

/// The reason why a document was not stored. The database is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum PutError {
    /// The given revision is not a leaf, or none was given for an existing document.
    Conflict,
    /// The id is empty, too long or reserved. The text is that of CouchDB.
    IllegalId(&'static str),
    /// There are [`DOCUMENTS_MAX`](crate::limits::DOCUMENTS_MAX) documents.
    TooManyDocuments,
    /// There are [`LEAVES_MAX`](crate::limits::LEAVES_MAX) leaves.
    TooManyConflicts,
    /// The size is [`DATABASE_SIZE_MAX`](crate::limits::DATABASE_SIZE_MAX).
    DatabaseFull,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "Document update conflict.",
            Self::IllegalId(reason) => reason,
            Self::TooManyDocuments => "The database has the maximum number of documents",
            Self::TooManyConflicts => "The document has the maximum number of conflicts",
            Self::DatabaseFull => "The database is full",
        })
    }
}

impl std::error::Error for PutError {}
