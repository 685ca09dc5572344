//! Every bound in one place, each with its reason. What is reached is always an error or an event,
//! never a silent drop.

use std::time::Duration;

/// Posts that may wait in a kernel's queue. Yields and notices, which cannot be refused, may make
/// it twice as long, and panic then. Some 40 MiB when full; a queue that long is minutes of work
/// and means that somebody posts faster than anybody handles.
pub const QUEUE_MAX: usize = 1 << 20;

/// Sessions in a kernel. More than there can be connections in a process.
pub const SESSIONS_MAX: usize = 1 << 20;

/// A kernel whose tables have places for more sessions than this makes them smaller when three
/// quarters are empty. What fewer take, some 100 KiB, is kept for those who come.
pub const SESSIONS_KEPT: usize = 256;

/// Pause between tries to make a kernel's tables smaller, after a burst or while a place at their
/// end is taken: a try looks at every place, some 0.1 ms for ten thousand.
pub const SHRINK_PAUSE: Duration = Duration::from_secs(1);

/// Timers in a kernel. A few for each session.
pub const TIMERS_MAX: usize = 1 << 22;

/// Wheels in a kernel. More than there can be descriptors in a process.
pub const WHEELS_MAX: usize = 1 << 20;

/// Handlers on the stack at a time. A call is a read of somebody who knows more; a chain of them
/// this long is a circle that goes through spawns.
pub const CALL_DEPTH_MAX: usize = 32;

/// Readiness events that one poll brings. The rest comes with the next poll.
pub const POLL_EVENTS_MAX: usize = 1024;

/// Names that are looked up at a time, each in a thread of its own.
pub const NAME_LOOKUPS_MAX: usize = 16;

// Places in these tables are `u32`.
const _: () = assert!(SESSIONS_MAX < u32::MAX as usize);
const _: () = assert!(TIMERS_MAX + WHEELS_MAX < u32::MAX as usize);

/// Connections that one listener accepts in a turn. A rush of clients leaves time for those that
/// are there.
pub const ACCEPTS_PER_TURN: usize = 256;

/// The pause after the system refused to accept for want of descriptors or memory.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Pause between two log lines that say the same. A listener without descriptors tries again ten
/// times a second, and each try can fail; a line a minute is enough to be found.
pub const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Clients that may wait in the system to be accepted: more than any system allows, so that its
/// own limit counts (`net.core.somaxconn`, usually 4096). With a backlog of 128, a storm of clients
/// loses packets and waits for seconds.
pub const LISTEN_BACKLOG: i32 = i32::MAX;

/// Bytes that the system is asked to keep at most for the peer of a connection that was accepted
/// (`SO_SNDBUF`; Linux doubles it for its own use). Without it Linux goes up to 4 MiB for each peer
/// that does not read. Enough for 20 Mbit/s over 100 ms.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes of these that may not have been sent yet (`TCP_NOTSENT_LOWAT`), where the system has that.
/// A connection is writable again when half of them have gone, so that the time for which a peer
/// takes nothing is measured by what the peer takes and not by a large buffer.
pub const SEND_UNSENT_BYTES: u32 = 64 * 1024;

/// How long nothing must have come from the peer of a connection that was accepted before the
/// system asks whether it is still there. Less than [`PEER_ACK_TIME`] by a few questions: with
/// both, a peer that vanished is noticed within a minute, whatever was on its way.
pub const PEER_KEEPALIVE_IDLE: Duration = Duration::from_secs(20);

/// How often it is asked again. The fourth lost answer ends the connection where [`PEER_ACK_TIME`]
/// is on, the ninth elsewhere.
pub const PEER_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// The time in which a peer must have acknowledged something of what was sent to it, where the
/// filter has a time in which the peer must read ([`Stall`](crate::filters::Stall)); that time if
/// it is longer. Off while and shortly after more waits for the peer than the system takes, because
/// then the filter's time counts.
pub const PEER_ACK_TIME: Duration = Duration::from_secs(30);

/// Connections of a listener that are open at a time, unless it is told otherwise. More wait in the
/// system's backlog.
pub const CONNECTIONS_MAX: usize = 10_000;

/// The time in which a connection must be made, names and all addresses included, unless a client
/// is told otherwise. Longer than a lost packet or two, shorter than the minutes that a system
/// gives it.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// The shortest pause between two tries of a [`Backoff`](crate::sessions::Backoff): a hundred tries
/// a second at most, where no pause at all would be a loop that leaves no time for anything else.
pub const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// Connections of a listener that are being refused at a time: each is given its answer and
/// [`LINGER_TIME`] to read it. More than that are closed without a word.
pub const REFUSALS_MAX: usize = 256;

/// The buffer that all connections of a kernel read into, one after the other.
pub const READ_BUFFER: usize = 64 * 1024;

/// Bytes that one connection reads in a turn before the others have theirs.
pub const READ_PER_TURN: usize = 256 * 1024;

/// Items that one connection delivers in a turn before the others have theirs: a peer that sends
/// empty lines makes a handler run for each byte.
pub const ITEMS_PER_TURN: u16 = 256;

/// Items that a filter may give in a row without taking a byte of its input: as many as a read has
/// bytes. A filter that gives more would give them without end.
pub const ITEMS_WITHOUT_INPUT: u32 = READ_BUFFER as u32;

/// Bytes that may wait for a peer that does not read. It is then given up.
pub const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// Bytes that TLS takes before it asks its socket for room again: four of its largest records.
pub const TLS_HELD_BYTES: usize = 64 * 1024;

/// Pieces that one system call writes.
pub const WRITE_SLICES: usize = 16;

/// The time in which a peer must have taken some of the last bytes of a connection that is ending.
pub const FINISH_TIME: Duration = Duration::from_secs(30);

/// The time for which what a peer still sends is read after the last byte went to it, so that it
/// can read that instead of a reset.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// The bytes that are read and thrown away in that time.
pub const LINGER_BYTES: usize = 256 * 1024;

// Lines.

/// Unconsumed bytes at which reading pauses, for a filter that does not say another number.
pub const INPUT_BYTES: usize = 64 * 1024;

/// Longest line that [`Line`](crate::filters::Line) takes, in bytes without its end. Ten times any
/// line of a text protocol, small enough that thousands of peers cannot exhaust memory with it.
pub const LINE_BYTES: usize = 64 * 1024;

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

/// The time in which a request's head must have come, from its first byte, or from the beginning of
/// the connection for the first one. A browser sends it in one packet; ten seconds outlast a lost
/// packet or three. Beyond it: 408 if a byte came, and the connection closes.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(10);

/// The time in which a request's body must have come, and a second more for each
/// [`HTTP_BODY_BYTES_PER_S`] that did. Beyond it: 408, and the connection closes.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(30);

/// The rate at which a long body must come once its first time is up, in bytes per second: Apache's
/// figure. A modem is ten times as fast; who is slower holds a connection for its own sake.
pub const HTTP_BODY_BYTES_PER_S: u32 = 500;

/// The time for which a connection is kept for the next request: a little less than nginx's 75 s,
/// so that a proxy in front closes it rather than this side. Then it closes.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(60);

/// The time in which a peer must have taken some of what waits for it: nginx's 60 s, halved. Then
/// the connection is reset. It is measured by what leaves for the peer, in steps of half of
/// [`SEND_UNSENT_BYTES`].
pub const HTTP_STALL_TIME: Duration = Duration::from_secs(30);

/// Unsent bytes at which an HTTP server reads nothing more from a client: half of what hyper
/// buffers.
pub const HTTP_OUTPUT_HIGH: usize = 256 * 1024;

/// Unsent bytes at which it reads again: what a socket takes at once.
pub const HTTP_OUTPUT_LOW: usize = 64 * 1024;

/// Longest run of extensions after one chunk size, in bytes. Nobody sends any; Go allows as much in
/// the whole line.
pub const CHUNK_EXTENSION_BYTES: usize = 1024;

/// Longest trailer section after a chunked body, in bytes; it is checked and then ignored.
pub const CHUNK_TRAILER_BYTES: usize = 8 * 1024;

// Streams and output.

/// Unconsumed bytes in front of a filter that consumes all it is shown, before reading pauses: one
/// read's worth.
pub const STREAM_INPUT_BYTES: usize = 64 * 1024;

/// Room for text that an [`Output`](crate::filters::Output) keeps for the next item once all is
/// written, in bytes: two heads of a response, each with a body that is copied. More is given back.
pub const OUTPUT_KEPT_BYTES: usize = 4096;

/// A buffer of so many bytes or less is copied behind the text rather than shared: a second slice
/// makes a write dearer than that copy.
pub const OUTPUT_COPIED_BYTES: usize = 1024;

/// Unsent bytes at which a subscriber to server-sent events counts as one that does not read: then
/// events are skipped. A socket of the system holds as much anyway, so a slow subscriber costs no
/// more than a fast one.
pub const EVENT_STREAM_HIGH: usize = 64 * 1024;

/// Unsent bytes at which such a subscriber is sent events again.
pub const EVENT_STREAM_LOW: usize = 16 * 1024;

// Following a changes feed.

/// The time in which a feed's server must be connected to.
pub const FEED_CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long nothing must have come of a feed's server before the system asks whether it is there:
/// longer than the usual heartbeats, so that nothing is asked while they come, and shorter than
/// most ways between remember a connection on which nothing happens.
pub const FEED_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How often it is asked again; the system gives up after some nine times without an answer.
pub const FEED_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The least time between two writings of a checkpoint, each of which waits for the disk: what is
/// told again after a crash is no more than this.
pub const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);

/// How long the end of a feed waits for its checkpoint to be on the disk: any disk that works is a
/// hundred times as fast.
pub const CHECKPOINT_FLUSH_TIME: Duration = Duration::from_secs(5);

/// Longest checkpoint file, in bytes: the marks of `couch_feed::limits::KEPT_ROWS` rows and a few
/// hundred more are usual, and sequences grow with the shards of a database: then marks that would
/// not fit are left out.
pub const CHECKPOINT_BYTES: u64 = 64 * 1024;
