//! Every bound in one place, each with its reason. What is reached is always an error or an event,
//! never a silent drop.

// Lines.

/// Longest line that [`Line`](crate::filters::Line) takes, in bytes without its end. Ten times any
/// line of a text protocol, small enough that thousands of peers cannot exhaust memory with it.
pub const LINE_BYTES: usize = 64 * 1024;

/// Longest line of a CouchDB changes feed, in bytes. A row carries a whole document, by default up
/// to 8 MB, and with `attachments=true` its attachments in base64.
pub const FEED_LINE_BYTES: usize = 64 * 1024 * 1024;

/// Lines up to this many bytes are copied out of [`Lines`](crate::filters::Lines)' buffer, so that
/// a small line that is kept does not keep a whole buffer; longer ones are split off it instead.
pub const LINE_COPIED_BYTES: usize = 4 * 1024;

// HTTP.

/// Longest HTTP head (start line and fields), in bytes: what Node allows, four times what browsers
/// send with a full cookie jar. Beyond it: 431.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;

/// Longest request target, in bytes: nginx's figure. Beyond it: 414.
pub const HTTP_TARGET_BYTES: usize = 8 * 1024;

/// Most fields in an HTTP head: hyper's figure; browsers send about 20. Beyond it: 431.
pub const HTTP_HEADERS: usize = 100;

/// Longest request body, in bytes: nginx's figure. Beyond it: 413.
pub const HTTP_BODY_BYTES: usize = 1024 * 1024;

/// Room taken at once for an announced request body, in bytes. More is taken as the body comes, so
/// that an announcement alone costs nothing.
pub const HTTP_BODY_RESERVED_BYTES: usize = 16 * 1024;

/// Longest run of extensions after one chunk size, in bytes. Nobody sends any; Go allows as much in
/// the whole line.
pub const CHUNK_EXTENSION_BYTES: usize = 1024;

/// Longest trailer section after a chunked body, in bytes; it is checked and then ignored.
pub const CHUNK_TRAILER_BYTES: usize = 8 * 1024;

/// Longest part of a response inside another response's body that is kept to be shown, in bytes.
/// CouchDB's are about a kilobyte.
pub const SECOND_RESPONSE_BYTES: usize = 64 * 1024;

// Streams and output.

/// Unconsumed bytes in front of a filter that consumes all it is shown, before reading pauses: one
/// read's worth.
pub const STREAM_INPUT_BYTES: usize = 64 * 1024;

/// Room for text that an [`Output`](crate::filters::Output) keeps for the next item once all is
/// written, in bytes: two heads of a response. More is given back, since most connections only wait.
pub const OUTPUT_KEPT_BYTES: usize = 1024;
