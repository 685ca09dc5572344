//! All limits of the database, with their reasons.
//!
//! A store can hold at most [`DATABASES_MAX`] times [`DATABASE_SIZE_MAX`]: 1 GiB.

/// Databases in a store. A dashboard needs one or two. The limit stops a client that creates
/// databases in a loop.
pub const DATABASES_MAX: usize = 16;

/// Bytes of a database, with an estimate for its tables: about what a small process can spare.
pub const DATABASE_SIZE_MAX: usize = 64 << 20;

/// Documents of a database, including tombstones and `_local/` documents, because these use memory
/// too.
pub const DOCUMENTS_MAX: usize = 100_000;

/// Bytes of the JSON of a document, as `max_document_size` of CouchDB.
pub const DOCUMENT_SIZE_MAX: usize = 8_000_000;

/// Bytes of the id of a document. CouchDB has no limit by default, but proxies limit a request line
/// to 8 KiB.
pub const ID_LENGTH_MAX: usize = 1_024;

/// Bytes of the name of a database, as `max_database_name_length` of CouchDB.
pub const DATABASE_NAME_LENGTH_MAX: usize = 238;

/// Ancestors that are remembered of one leaf. CouchDB keeps 1000. A replica that was away for more
/// edits than this gets a conflict instead of an update.
pub const HISTORY_LENGTH_MAX: usize = 100;

/// Bytes of a revision after its number: the hex digits of SHA-512, the longest hash in common use.
/// Revisions of CouchDB have 32.
pub const REVISION_LENGTH_MAX: usize = 128;

/// Leaves (the winner and its conflicts) of one document. Only replication creates conflicts.
pub const LEAVES_MAX: usize = 16;

/// Documents, ids or revisions in one bulk request.
pub const BULK_ITEMS_MAX: usize = 10_000;

/// Ids that one `_uuids` returns, as `max_count` of CouchDB.
pub const UUIDS_MAX: u64 = 1_000;

/// Ids in a `_doc_ids` filter. A waiting feed keeps them, and looks up each one when the database
/// changes.
pub const FILTER_IDS_MAX: usize = 1_000;

/// Bytes of one whole answer (`_all_docs`, `_bulk_get`). A larger answer is an error, and the
/// client has to ask for less.
pub const ANSWER_SIZE_MAX: usize = 64 << 20;

/// Bytes of rows that [`Feed::rows`](crate::Feed::rows) returns at a time. One row may be larger.
pub const ROWS_SIZE: usize = 64 << 10;

/// The shortest heartbeat in milliseconds. A shorter one is raised to it, so that no client makes
/// the server spin.
pub const HEARTBEAT_MIN_MS: u64 = 50;

/// The longest heartbeat in milliseconds, one day, so that adding it to a clock never overflows.
pub const HEARTBEAT_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// The heartbeat of `heartbeat=true` in milliseconds, as in CouchDB.
pub const HEARTBEAT_DEFAULT_MS: u64 = 60_000;

/// The longest `timeout` in milliseconds, and the default if a request has neither `timeout` nor
/// `heartbeat`: `changes_timeout` of CouchDB.
pub const TIMEOUT_MAX_MS: u64 = 60_000;
