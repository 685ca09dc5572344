//! The limits of a feed, each with its reason.

use std::time::Duration;

// What the server is asked for, and how long it may take.

/// Time between two heartbeats that the server is asked for: well below the minute after which
/// proxies close connections on which nothing happens.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// Longest time that a server is asked for, as a heartbeat or a timeout: about 24 days, the longest
/// time of a timer in JavaScript. PouchDB's server would treat a longer one as a millisecond.
pub const ASKED_TIME_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Shortest silence after which a feed is considered dead, whatever the heartbeat.
pub const SILENCE_MIN: Duration = Duration::from_millis(500);

/// Time in which a server must have answered a request. For a feed with heartbeats,
/// [`ANSWER_HEARTBEATS`] count instead.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Heartbeats within which the first answer of a feed must arrive. Some servers send its head with
/// the first heartbeat; two may be late, and after the third something buffers them.
pub const ANSWER_HEARTBEATS: u32 = 3;

/// Shortest time to wait for the first answer of a feed, however short the heartbeat is: a busy
/// server needs some seconds to begin.
pub const ANSWER_TIME_MIN: Duration = Duration::from_secs(10);

/// Lowest rate of an unfinished line of a feed, or of the body of any other answer, after its first
/// [`ANSWER_TIME`], in bytes per second. What arrives more slowly would occupy the feed for days.
pub const BYTES_PER_S: u32 = 500;

/// How long a feed must have lasted to be considered working, unless the heartbeat is longer. If
/// answers are asked to end when nothing changes, an answer that ends after this time is no loss.
pub const PROOF_TIME: Duration = Duration::from_secs(1);

/// Time in which a second response in the body of a feed must be complete, from its first line on.
/// CouchDB writes it at once, and the feed is lost already.
pub const SECOND_RESPONSE_TIME: Duration = Duration::from_secs(5);

/// Time between two looks at a database while an answer of its feed goes on, by which a purge is
/// noticed. A look is about a kilobyte on its own connection. `CouchDB` renews a session's cookie
/// with a request in the last tenth of its life, by default a minute: shorter pauses keep it valid.
pub const LOOK_PAUSE: Duration = Duration::from_secs(50);

// Memory.

/// Longest line of a feed and longest document, in bytes. A row contains a whole document, by
/// default up to 8 MB, and with `attachments=true` its attachments in base64.
pub const LINE_BYTES: usize = 64 * 1024 * 1024;

/// Longest answer that is neither a document nor a feed, in bytes: what `CouchDB` says of a
/// database or an error is about a kilobyte.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Longest second response in the body of a feed, in bytes. CouchDB's are about a kilobyte.
pub const SECOND_RESPONSE_BYTES: usize = 64 * 1024;

/// Most header fields of such a response.
pub(crate) const SECOND_RESPONSE_FIELDS: usize = 64;

/// Longest `error` and `reason` of a server that are kept, in characters: a reason may be a stack
/// trace.
pub const REASON_CHARS: usize = 200;

/// Events that wait to be polled, in addition to the latest change of each document.
pub const EVENTS_MAX: usize = 64;

/// Rows that may be reported beyond the last one before which all are acknowledged, by default:
/// enough for a program with many workers, few enough to be repeated after a loss.
pub const WINDOW_ROWS: usize = 1000;

/// Bytes of rows that are reported and not acknowledged, at which nothing more is read, however few
/// rows they are: with their documents, rows may be as long as [`LINE_BYTES`].
pub const WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// Rows that are remembered to mark or to drop repeated ones: some hundred kilobytes. A cluster
/// that has lost a node may repeat any number.
pub const RECENT_ROWS: usize = 4096;

/// Rows of which a checkpoint keeps marks, by which a later run recognises repeated ones: sixteen
/// bytes each, written with every checkpoint. One repeated row is enough to recognise a rewind.
pub const KEPT_ROWS: usize = 1024;

// Requests.

/// Longest list of ids, percent-encoded, in the target of a request that has the server filter by
/// them: its line may have 8 KiB in the strictest proxies. A longer list is posted.
pub const FILTER_BYTES: usize = 4 * 1024;

/// Redirects that one request follows.
pub const REDIRECTS_MAX: u32 = 5;

/// Rows that one answer of `feed=longpoll` or `feed=normal` is asked to have, because a proxy that
/// buffers holds all of it. nano asks for as many.
pub const PAGE_ROWS: u64 = 100;

// Retries.

/// Longest pause before the first retry; the shortest is half of it.
pub const RETRY_FIRST: Duration = Duration::from_millis(500);

/// Longest pause before any retry, unless the server asks for a longer one.
pub const RETRY_CAP: Duration = Duration::from_secs(30);

/// Shortest `retry_cap`: ten to twenty tries a second. More would overload a server that is about
/// to come back.
pub const RETRY_CAP_MIN: Duration = Duration::from_millis(100);

/// Shortest pause after an error that needs an operator, such as a missing permission, however
/// short the cap is: the cap is meant for a server that comes back by itself.
pub const PERMANENT_RETRY_MIN: Duration = Duration::from_secs(1);

/// Shortest pause after a server has rejected the credentials. CouchDB locks an account at the
/// fifth wrong password within 300 s, for every client of that account at the same address; five
/// tries with these pauses take 320 s.
pub const LOGIN_RETRY_MIN: Duration = Duration::from_secs(80);

/// Longest pause after a server has rejected the credentials, unless the server or `retry_cap` asks
/// for more: a little longer than CouchDB's lock.
pub const LOGIN_RETRY_CAP: Duration = Duration::from_secs(320);

/// Longest `Retry-After` of a server that is respected: a mistaken one must not end a feed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Losses at the same sequence for the same reason after which a feed is reported as stuck.
pub const STUCK_TIMES: u32 = 5;

/// Shortest time between two readings of documents whose rows came without them, or whose database
/// may have been created again.
pub const REREAD_PAUSE: Duration = Duration::from_secs(1);

/// How often a document is read again whose revision is older than the one in its row, because a
/// node of a cluster may lag. The pause between doubles, to half a minute in all.
pub const REREAD_TIMES: u32 = 5;
