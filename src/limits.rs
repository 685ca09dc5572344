//! The limits of the library, each with its reason. Reaching a limit is always an error or an
//! event, never a silent drop.

use std::time::Duration;

/// The number of posts in a kernel's queue. Yields and notices, which have no error to return, may
/// make it twice as long, and panic then. A full queue takes about 40 MiB and is minutes of work:
/// it means that sessions post faster than others handle.
pub const QUEUE_MAX: usize = 1 << 20;

/// Sessions in a kernel. More than a process can have connections.
pub const SESSIONS_MAX: usize = 1 << 20;

/// If a kernel's tables have capacity for more sessions than this, they shrink when three quarters
/// are empty. The memory for fewer, about 100 KiB, is kept.
pub const SESSIONS_KEPT: usize = 256;

/// The pause between two attempts to shrink a kernel's tables, after a burst or while their last
/// slot is in use: an attempt checks every slot, about 0.1 ms for ten thousand.
pub const SHRINK_PAUSE: Duration = Duration::from_secs(1);

/// Timers in a kernel. A few for each session.
pub const TIMERS_MAX: usize = 1 << 22;

/// Wheels in a kernel. More than a process can have descriptors.
pub const WHEELS_MAX: usize = 1 << 20;

/// Handlers on the stack at a time. Calls read the state of another session, so a chain of this
/// length is an endless recursion through spawns.
pub const CALL_DEPTH_MAX: usize = 32;

/// Readiness events that one poll returns. The next poll returns the rest.
pub const POLL_EVENTS_MAX: usize = 1024;

/// Names that are looked up at a time, each in its own thread.
pub const NAME_LOOKUPS_MAX: usize = 16;

// Indexes in these tables are `u32`.
const _: () = assert!(SESSIONS_MAX < u32::MAX as usize);
const _: () = assert!(TIMERS_MAX + WHEELS_MAX < u32::MAX as usize);

/// Connections that one listener accepts in a turn, so that a rush of clients leaves time for
/// connected ones.
pub const ACCEPTS_PER_TURN: usize = 256;

/// The pause after an accept failed because of a lack of descriptors or memory.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The pause between two equal log lines. A listener without descriptors tries again ten times a
/// second, and each try can fail; one line a minute is enough.
pub const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Clients that wait in the system to be accepted: more than any system allows, so that its own
/// limit applies (`net.core.somaxconn`, usually 4096). With a backlog of 128, a storm of clients
/// loses packets and waits for seconds.
pub const LISTEN_BACKLOG: i32 = i32::MAX;

/// The send buffer of an accepted connection (`SO_SNDBUF`; Linux doubles it for its own use).
/// Without it Linux stores up to 4 MiB for each peer that does not read. It is enough for 20 Mbit/s
/// over 100 ms.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes in the send buffer that have not been sent (`TCP_NOTSENT_LOWAT`), if the system has this
/// option. A connection is writable again when half of them have been sent, so that a large buffer
/// does not hide a peer that reads nothing.
pub const SEND_UNSENT_BYTES: u32 = 64 * 1024;

/// The time without a byte after which the system sends a keep-alive probe on an accepted
/// connection. It is less than [`PEER_ACK_TIME`] by a few probes: together they detect a peer that
/// vanished within a minute, with or without bytes on the way.
pub const PEER_KEEPALIVE_IDLE: Duration = Duration::from_secs(20);

/// The pause between two probes. The fourth lost answer ends the connection if [`PEER_ACK_TIME`] is
/// on, otherwise the ninth.
pub const PEER_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// The time within which a peer must acknowledge some of the sent bytes, if the filter limits the
/// time for reading ([`Stall`](crate::filters::Stall)); the filter's time if that is longer. It is
/// off while output waits in the process and shortly after, because then the filter's time counts.
pub const PEER_ACK_TIME: Duration = Duration::from_secs(30);

/// The default limit of a listener's open connections. More wait in the system's backlog.
pub const CONNECTIONS_MAX: usize = 10_000;

/// The default time limit for connecting, with the name lookup and all addresses. It is longer than
/// one or two lost packets take, and shorter than the minutes of the system's limit.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// The shortest pause between two tries of a [`Backoff`](crate::sessions::Backoff): at most a
/// hundred tries a second. No pause at all would be a busy loop.
pub const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// Refusals of a listener that are in progress at a time. Each client gets its answer, and
/// [`LINGER_TIME`] to read it. Further clients are closed without an answer.
pub const REFUSALS_MAX: usize = 256;

/// The buffer into which all connections of a kernel read, one after the other, in bytes.
pub const READ_BUFFER: usize = 64 * 1024;

/// Bytes that one connection reads in a turn.
pub const READ_PER_TURN: usize = 256 * 1024;

/// Items that one connection delivers in a turn: a peer that sends empty lines makes a handler run
/// for each byte.
pub const ITEMS_PER_TURN: u16 = 256;

/// Items that a filter may return in a row without consuming a byte: the number of bytes of one
/// read. A filter that returns more would return items without end.
pub const ITEMS_WITHOUT_INPUT: u32 = READ_BUFFER as u32;

/// Unsent bytes of a connection. If there are more, the connection fails.
pub const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// Bytes that TLS stores before they are written to the socket: four of its largest records.
pub const TLS_HELD_BYTES: usize = 64 * 1024;

/// Slices that one system call writes.
pub const WRITE_SLICES: usize = 16;

/// The time within which a peer must read some of the last bytes of a connection that is ending.
pub const FINISH_TIME: Duration = Duration::from_secs(30);

/// The time for which a peer's input is read after the last byte was sent to it, so that it reads
/// that byte instead of a reset.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// The bytes that are read and dropped in that time.
pub const LINGER_BYTES: usize = 256 * 1024;

// Lines.

/// Unconsumed bytes at which reading pauses, for a filter that does not set another number.
pub const INPUT_BYTES: usize = 64 * 1024;

/// The longest line of a [`Line`](crate::filters::Line), in bytes without its end. It is ten times
/// any line of a text protocol, and small enough that thousands of peers cannot exhaust the memory.
pub const LINE_BYTES: usize = 64 * 1024;

/// Lines of up to this many bytes are copied out of the buffer of [`Lines`](crate::filters::Lines),
/// so that a small line does not keep a whole buffer in memory. Longer lines are split off the
/// buffer.
pub const LINE_COPIED_BYTES: usize = 4 * 1024;

// HTTP.

/// The longest HTTP head (start line and fields), in bytes: Node's limit, and four times what
/// browsers send with all their cookies. Beyond it: 431.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;

/// The longest request target, in bytes: nginx's limit. Beyond it: 414.
pub const HTTP_TARGET_BYTES: usize = 8 * 1024;

/// The number of fields in an HTTP head: hyper's limit; browsers send about 20. Beyond it: 431.
pub const HTTP_HEADERS: usize = 100;

/// The longest request body, in bytes: nginx's limit. Beyond it: 413.
pub const HTTP_BODY_BYTES: usize = 1024 * 1024;

/// The capacity that is reserved at once for an announced request body, in bytes. It grows as the
/// body arrives, so that an announcement by itself costs nothing.
pub const HTTP_BODY_RESERVED_BYTES: usize = 16 * 1024;

/// The time limit of a request's head, from its first byte, or from the beginning of the connection
/// for the first head. A browser sends it in one packet, and ten seconds are longer than three lost
/// packets take. Beyond it: 408 if a byte has arrived, and the connection closes.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(10);

/// The time limit of a request's body, to which each [`HTTP_BODY_BYTES_PER_S`] bytes that arrive
/// add a second. Beyond it: 408, and the connection closes.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(30);

/// The rate of a long body after [`HTTP_BODY_TIME`], in bytes per second: Apache's limit. A modem
/// is ten times as fast; a slower client only wants to occupy the connection.
pub const HTTP_BODY_BYTES_PER_S: u32 = 500;

/// The time limit between two requests of a connection. Then it closes. It is a little less than
/// nginx's 75 s.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(60);

/// The time within which a peer must read some of the unsent bytes: half of nginx's 60 s. Then the
/// connection is reset. Progress is seen in steps of half of [`SEND_UNSENT_BYTES`], as the system
/// sends them.
pub const HTTP_STALL_TIME: Duration = Duration::from_secs(30);

/// Unsent bytes at which an HTTP server stops reading from a client: half of hyper's buffer.
pub const HTTP_OUTPUT_HIGH: usize = 256 * 1024;

/// Unsent bytes at which it reads again: the amount that a socket accepts at once.
pub const HTTP_OUTPUT_LOW: usize = 64 * 1024;

/// The longest run of extensions after one chunk size, in bytes. Real clients send none; Go allows
/// this length for the whole line.
pub const CHUNK_EXTENSION_BYTES: usize = 1024;

/// The longest trailer section after a chunked body, in bytes. Trailers are checked and then
/// ignored.
pub const CHUNK_TRAILER_BYTES: usize = 8 * 1024;

// Streams and output.

/// Unconsumed bytes at which reading pauses for a filter that consumes everything: the bytes of one
/// read.
pub const STREAM_INPUT_BYTES: usize = 64 * 1024;

/// The capacity for text that an [`Output`](crate::filters::Output) keeps after all is written, in
/// bytes: two heads of a response, each with a body that is copied. More is released.
pub const OUTPUT_KEPT_BYTES: usize = 4096;

/// A buffer of up to this many bytes is copied instead of shared, because a second slice in a write
/// costs more than that copy.
pub const OUTPUT_COPIED_BYTES: usize = 1024;

/// Unsent bytes at which a subscriber to server-sent events counts as slow, and events are skipped.
/// A socket of the system holds as much anyway, so a slow subscriber costs no more than a fast one.
pub const EVENT_STREAM_HIGH: usize = 64 * 1024;

/// Unsent bytes at which such a subscriber gets events again.
pub const EVENT_STREAM_LOW: usize = 16 * 1024;

// Following a changes feed.

/// The time limit for connecting to a feed's server.
pub const FEED_CONNECT_TIME: Duration = Duration::from_secs(10);

/// The time without a byte after which the system sends a keep-alive probe to a feed's server. It
/// is longer than the usual heartbeats, so that none is sent while they arrive. It is shorter than
/// the time after which most routers forget an idle connection.
pub const FEED_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// The pause between two probes. The system gives up after about nine without an answer.
pub const FEED_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The shortest time between two writes of a checkpoint, which wait for the disk. After a crash, at
/// most the rows of this time are reported again.
pub const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);

/// The time for which the end of a feed waits until its checkpoint is on the disk. A disk that
/// works is a hundred times as fast.
pub const CHECKPOINT_FLUSH_TIME: Duration = Duration::from_secs(5);

/// The longest checkpoint file, in bytes. The marks of `couch_feed::limits::KEPT_ROWS` rows usually
/// take much less, but sequences grow with the shards of a database. Marks that do not fit are left
/// out.
pub const CHECKPOINT_BYTES: u64 = 64 * 1024;
