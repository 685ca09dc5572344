//! Server-sent events.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};

/// One event of a `text/event-stream`, which a browser's `EventSource` reads (HTML Living Standard,
/// section 9.2).
///
/// It is encoded once for all subscribers, because the bytes are shared. Send them as
/// [`Reply::Data`](super::Reply::Data) of an answer that began with
/// [`head`](ServerSentEvent::head). `sessions::EventStream` does that for one connection.
///
/// ```
/// use masque::filters::ServerSentEvent;
///
/// let event = ServerSentEvent::new("{\n}").named("overview").id("7-abc");
/// assert_eq!(event.encode(), "event: overview\nid: 7-abc\ndata: {\ndata: }\n\n");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "`encode` makes its bytes"]
pub struct ServerSentEvent<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
    data: &'a [u8],
}

impl<'a> ServerSentEvent<'a> {
    /// A line that browsers ignore. Sent regularly, it finds dead connections, and keeps proxies
    /// from cutting idle ones.
    pub const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

    /// An event with this data, which should be UTF-8. Browsers get each line end in it as LF.
    pub fn new(data: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        ServerSentEvent { name: None, id: None, data: data.as_ref() }
    }

    /// Sets the event's name, for which a page listens. Without one it is `message`.
    ///
    /// # Panics
    /// If the name has a line end, because the text after it would be another field.
    #[track_caller]
    pub fn named(mut self, name: &'a str) -> Self {
        assert!(!name.contains(['\r', '\n']), "an event is named {name:?}");
        self.name = Some(name);
        self
    }

    /// Sets the event's id, which a browser sends as `Last-Event-ID` when it connects again. An id
    /// with a line end or a NUL cannot be sent, and is left out.
    pub fn id(mut self, id: &'a str) -> Self {
        self.id = Some(id).filter(|id| !id.contains(['\r', '\n', '\0']));
        self
    }

    /// Encodes the event. O(data), one allocation.
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.data.len() + 64);
        if let Some(name) = self.name {
            field("event", name.as_bytes(), &mut bytes);
        }
        if let Some(id) = self.id {
            field("id", id.as_bytes(), &mut bytes);
        }
        for line in lines(self.data) {
            field("data", line, &mut bytes);
        }
        bytes.push(b'\n');
        bytes.into()
    }

    /// The head of an answer that is a stream of events. Its `X-Accel-Buffering` stops nginx from
    /// buffering it.
    pub fn head() -> Response<()> {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        head
    }
}

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

fn field(name: &str, value: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
}

/// The lines of `text`, whichever of the three line ends it has; at least one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', text) else { return rest.take() };
        let next = &text[end + 1..];
        let is_pair = text[end] == b'\r' && next.first() == Some(&b'\n');
        rest = Some(if is_pair { &next[1..] } else { next });
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_any_line_ends_is_told_line_by_line() {
        for (data, expected) in [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            (" a", "data:  a\n\n"), // a browser removes one space
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"),
            ("a\n\r\nid: 7", "data: a\ndata: \ndata: id: 7\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\n", "data: \ndata: \n\n"),
        ] {
            assert_eq!(ServerSentEvent::new(data).encode(), expected, "{data:?}");
        }
    }

    #[test]
    fn an_id_that_would_be_more_than_an_id_is_left_out() {
        for id in ["7\nevent: x", "7\r", "7\0"] {
            assert_eq!(ServerSentEvent::new("a").id(id).encode(), "data: a\n\n", "{id:?}");
        }
    }

    #[test]
    #[should_panic(expected = "an event is named")]
    fn a_name_of_two_lines_is_a_mistake() {
        let _ = ServerSentEvent::new("a").named("x\ndata: y");
    }
}
