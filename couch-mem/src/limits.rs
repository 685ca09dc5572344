//! Every bound of the embedded database, each with its reason.
//!
//! The most that a store can hold is [`DATABASES_MAX`] times [`DATABASE_SIZE_MAX`]: 1 GiB.

/// Databases in a store. A dashboard needs one or two; a client that makes them in a loop must meet
/// a wall.
pub const DATABASES_MAX: usize = 16;

/// Bytes of a database, bodies and the entries' own size together: about what a small process can
/// spare.
pub const DATABASE_SIZE_MAX: usize = 64 << 20;

/// Documents of a database, tombstones and `_local/` documents included, for these hold memory too.
pub const DOCUMENTS_MAX: usize = 100_000;

/// Bytes of a document's JSON, as CouchDB's `max_document_size`.
pub const DOCUMENT_SIZE_MAX: usize = 8_000_000;

/// Bytes of a document's id. CouchDB has no limit by default; proxies have one of 8 KiB for a
/// request line.
pub const ID_LENGTH_MAX: usize = 1_024;

/// Bytes of a database's name, as CouchDB's `max_database_name_length`.
pub const DATABASE_NAME_LENGTH_MAX: usize = 238;

/// Revisions remembered of one leaf. CouchDB keeps 1000; a replica that was away for more edits
/// than this meets a conflict instead of an update.
pub const HISTORY_LENGTH_MAX: usize = 100;

/// Bytes of a revision after its number: the hex digits of SHA-512, the longest hash in common use.
/// CouchDB's have 32.
pub const REVISION_LENGTH_MAX: usize = 128;

/// Leaves (the winner and its conflicts) of one document. Only replication makes them.
pub const LEAVES_MAX: usize = 16;

/// Documents, ids or revisions named by one bulk request.
pub const BULK_ITEMS_MAX: usize = 10_000;

/// Ids that one `_uuids` gives, as CouchDB's `max_count`.
pub const UUIDS_MAX: u64 = 1_000;

/// Ids in a `_doc_ids` filter: a parked feed keeps them, and looks each up when the database
/// changed.
pub const FILTER_IDS_MAX: usize = 1_000;

/// Bytes of one whole answer (`_all_docs`, `_bulk_get`); beyond it the client is told to ask for
/// less.
pub const ANSWER_SIZE_MAX: usize = 64 << 20;

/// Bytes of rows handed out at once to a `_changes` answer. One row larger than this comes alone.
pub const ROWS_SIZE: usize = 64 << 10;

/// The shortest heartbeat in milliseconds; a shorter one is raised to it, so that no client makes
/// the server spin.
pub const HEARTBEAT_MIN_MS: u64 = 50;

/// The longest heartbeat in milliseconds, one day: a sum of clock and heartbeat then never
/// overflows.
pub const HEARTBEAT_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// The heartbeat of `heartbeat=true` in milliseconds, as CouchDB's.
pub const HEARTBEAT_DEFAULT_MS: u64 = 60_000;

/// The `timeout` of a feed that names neither `timeout` nor `heartbeat`, and the longest; CouchDB's
/// `changes_timeout`, in milliseconds.
pub const TIMEOUT_MAX_MS: u64 = 60_000;
