//! One subscriber's stream of server-sent events.

use crate::filters::Marks;
use crate::filters::{Httpd, Reply, ServerSentEvent};
use crate::limits::{EVENT_STREAM_HIGH, EVENT_STREAM_LOW};
use crate::reactor::{Cx, Event};
use crate::wheels::{Put, ReadWrite};
use bytes::Bytes;

/// A stream of [server-sent events](ServerSentEvent) over one connection, for the session of the
/// connection.
///
/// Every subscriber shares the bytes of an event. The queue of a slow subscriber is limited. Once
/// its buffer has [`EVENT_STREAM_HIGH`] bytes, only the newest event of each kind waits for it, and
/// it does not get the events between. So a subscriber takes at most the bytes of the mark, one
/// more event, and a reference for each kind.
///
/// The session starts a stream when a request asks for it, sends the current events, and calls
/// [`drained`](EventStream::drained) when the buffer has drained. The session decides how often it
/// sends a [heartbeat](EventStream::heartbeat); every 15 seconds is usual.
///
/// ```
/// # use masque::filters::{Httpd, Request, Response, ServerSentEvent};
/// # use masque::reactor::{Cx, Event};
/// # use masque::sessions::EventStream;
/// # use masque::wheels::ReadWrite;
/// struct Subscriber { wire: ReadWrite<Httpd>, stream: Option<EventStream> }
///
/// impl Subscriber {
///     const FULL: Event<()> = Event::new("subscriber.full"); // `send` sees to it
///     const DRAINED: Event<()> = Event::new("subscriber.drained");
///
///     fn request(&mut self, cx: &mut Cx<'_>, _: Result<Request, Response>) {
///         let mut stream = EventStream::start(cx, self.wire, Self::FULL, Self::DRAINED);
///         stream.send(cx, "greeting", &ServerSentEvent::new("hello").encode());
///         self.stream = Some(stream);
///     }
///
///     fn drained(&mut self, cx: &mut Cx<'_>, (): ()) {
///         if let Some(stream) = &mut self.stream {
///             stream.drained(cx);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct EventStream {
    wire: ReadWrite<Httpd>,
    is_full: bool,
    /// The newest event of each kind that waits for the buffer to drain, oldest kind first.
    waiting: Vec<(&'static str, Bytes)>,
    sent_bytes: u64,
}

const MARKS: Marks = Marks { high: EVENT_STREAM_HIGH, low: EVENT_STREAM_LOW };

impl EventStream {
    /// Answers the current request with the beginning of a stream. The stream sets the wire's
    /// marks: call [`EventStream::drained`] in the handler of `drained`. The handler of `full` may
    /// do nothing.
    ///
    /// # Panics
    /// If the session's kind has no handler for one of the events, or if no request waits for its
    /// answer.
    #[track_caller]
    pub fn start(
        cx: &mut Cx<'_>,
        wire: ReadWrite<Httpd>,
        full: Event<()>,
        drained: Event<()>,
    ) -> Self {
        wire.on_marks(cx, MARKS, full, drained);
        wire.put(cx, Reply::Start(ServerSentEvent::head()));
        EventStream { wire, is_full: false, waiting: vec![], sent_bytes: 0 }
    }

    /// Sends an encoded event, or lets it wait in place of an older one of its `kind`.
    pub fn send(&mut self, cx: &mut Cx<'_>, kind: &'static str, event: &Bytes) {
        if self.is_full {
            self.waiting.retain(|(waiting, _)| *waiting != kind);
            self.waiting.push((kind, event.clone()));
        } else {
            self.put(cx, event.clone());
        }
    }

    /// Sends a heartbeat, unless events wait, because then the connection is not idle.
    pub fn heartbeat(&mut self, cx: &mut Cx<'_>) {
        if !self.is_full {
            self.put(cx, ServerSentEvent::HEARTBEAT);
        }
    }

    /// Sends the waiting events, because there is room again.
    pub fn drained(&mut self, cx: &mut Cx<'_>) {
        self.is_full = false;
        for (kind, event) in std::mem::take(&mut self.waiting) {
            self.send(cx, kind, &event);
        }
    }

    /// Ends the answer. Browsers connect again by themselves, with the id of the last event.
    pub fn end(self, cx: &mut Cx<'_>) {
        self.wire.put(cx, Reply::End);
    }

    /// The number of bytes of events that were sent so far.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    fn put(&mut self, cx: &mut Cx<'_>, event: Bytes) {
        self.sent_bytes += event.len() as u64;
        self.is_full = self.wire.put(cx, Reply::Data(event)) == Put::Full;
    }
}
