//! Filters: bytes to items and items to bytes, without a socket, a clock or a kernel.
//!
//! A filter is a small machine that a [wheel](crate::wheels) feeds. It reads from the front of the
//! bytes that have arrived, and writes to an [`Output`]. It gets the bytes that it has not consumed
//! again, with more after them. So every filter can be tested with a table of bytes, and can be
//! replaced while a connection is open: the new filter gets the bytes that the old one left.
//!
//! | filter | in | out | POE |
//! |---|---|---|---|
//! | [`Stream`] | bytes | bytes | `POE::Filter::Stream` |
//! | [`Line`] | lines of text | lines of text | `POE::Filter::Line` |
#![cfg_attr(
    feature = "http",
    doc = "| [`Httpd`] | HTTP requests | HTTP responses | `POE::Filter::HTTPD` |"
)]
#![cfg_attr(feature = "http", doc = "| [`HttpClient`] | HTTP responses | HTTP requests | |")]
//!
//! [`Lines`] splits a text into lines, also inside a body that another filter delivers.
#![cfg_attr(
    feature = "http",
    doc = "[`chunked`] decodes bodies. [`ServerSentEvent`] encodes events for a body."
)]

#[cfg(feature = "http")]
pub mod chunked;
#[cfg(feature = "http")]
mod date;
#[cfg(feature = "http")]
mod event_stream;
#[cfg(feature = "http")]
mod framing;
#[cfg(feature = "http")]
mod head;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "http")]
mod httpd;
mod line;
mod lines;
mod output;
mod patience;
mod stream;

#[cfg(feature = "http")]
pub use date::HttpDate;
#[cfg(feature = "http")]
pub use event_stream::ServerSentEvent;
#[cfg(feature = "http")]
pub use http_client::{HttpClient, HttpClientError, Part};
#[cfg(feature = "http")]
pub use httpd::{Httpd, Mode, Prepared, Reply, Request, RequestPart, Response, Streamed, Whole};
pub use line::{Line, LineError};
pub use lines::{LineTooLong, Lines};
pub use output::Output;
pub use patience::{Marks, Patience, Stall};
pub use stream::Stream;

use crate::limits::INPUT_BYTES;
use bytes::Bytes;
use std::error::Error;
use std::time::SystemTime;

/// A codec between a byte stream and items: POE's `POE::Filter`.
///
/// Two methods and the types are a filter. A protocol with turns or time limits also implements
/// [`Protocol`].
///
/// ```
/// use bytes::Bytes;
/// use masque::filters::{Filter, Output};
/// use std::io::{Error, ErrorKind};
///
/// /// Frames of up to 100 bytes, each after a byte with its length.
/// struct Frames;
///
/// impl Filter for Frames {
///     type In = Bytes;
///     type Out = Bytes;
///     type Error = Error;
///
///     fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Error> {
///         let [length, rest @ ..] = *input else { return Ok(None) };
///         let length = usize::from(*length);
///         if length > 100 {
///             return Err(Error::new(ErrorKind::InvalidData, "a frame is too long"));
///         }
///         let Some((frame, rest)) = rest.split_at_checked(length) else { return Ok(None) };
///         *input = rest;
///         Ok(Some(Bytes::copy_from_slice(frame)))
///     }
///
///     fn encode(&mut self, frame: Bytes, output: &mut Output) {
///         output.text(&[frame.len() as u8]);
///         output.shared(frame);
///     }
/// }
///
/// let mut input = &b"\x02hi\x05you"[..];
/// assert_eq!(Frames.decode(&mut input).unwrap().unwrap(), "hi");
/// assert_eq!(Frames.decode(&mut input).unwrap(), None, "the rest has not arrived");
/// ```
pub trait Filter: 'static {
    /// The items that arrive from the peer.
    type In: 'static;
    /// The items that are sent to the peer.
    type Out: 'static;
    /// Why the stream cannot be decoded any further.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// Takes the next item off the front of `input`, or `None` if it needs more bytes.
    ///
    /// The filter removes the bytes that it has consumed from the front of `input`, also if there
    /// is no item yet. It is given the rest again, with more bytes after it. After an error it is
    /// not called again.
    ///
    /// It may return items without consuming bytes, such as the end of a body, but at most
    /// [`ITEMS_WITHOUT_INPUT`](crate::limits::ITEMS_WITHOUT_INPUT) in a row. The wheel treats more
    /// as an endless loop.
    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Self::Error>;

    /// Takes the items that are left when the peer has sent its last byte; called until it returns
    /// `None`.
    ///
    /// An unterminated last line is an item here; a body that ends too early is an error.
    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Self::Error> {
        self.decode(input)
    }

    /// Writes one item.
    fn encode(&mut self, item: Self::Out, output: &mut Output);

    /// The number of unconsumed bytes at which reading pauses.
    ///
    /// It must be more than the longest run of bytes that `decode` needs at once: the wheel ends
    /// the connection of a filter that has so many bytes and needs more.
    fn input_max(&self) -> usize {
        INPUT_BYTES
    }

    /// The filter as a protocol, if it is one.
    fn protocol(&self) -> Option<&dyn Protocol> {
        None
    }

    /// The same for changes. It must be a protocol if and only if [`protocol`](Self::protocol) is.
    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        None
    }
}

/// The methods of a protocol with turns and time limits, such as HTTP's server side. Each method
/// has a default that does nothing.
pub trait Protocol {
    /// What the protocol itself must send after a `decode`, such as HTTP's `100 Continue`. Returned
    /// once.
    fn respond(&mut self) -> Option<Bytes> {
        None
    }

    /// Sets the time of day before an `encode`, for protocols that send it, as HTTP's `Date` does.
    ///
    /// It is the time at which the wheel's turn began, because a filter reads no clock.
    fn set_date(&mut self, _now: SystemTime) {}

    /// Returns true while the filter takes no further item, because an earlier one must be answered
    /// first.
    ///
    /// `decode` returns `None` during that time, and is called again after the next `encode`.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Returns true when the conversation is over: the wheel flushes and then closes the
    /// connection.
    fn is_finished(&self) -> bool {
        false
    }

    /// What the filter waits for the peer to send, and how long; `None` for no limit, which is
    /// right while this side must answer. Called whenever bytes have arrived or an item was put.
    fn patience(&self) -> Option<Patience> {
        None
    }

    /// The time that [`patience`](Self::patience) returned is over: writes a last answer, such as
    /// HTTP's 408. The wheel then ends the connection.
    fn timed_out(&mut self, _output: &mut Output) {}

    /// The session has panicked: writes a last answer, such as HTTP's 500. The wheel sends as much
    /// as the socket takes and closes the connection.
    fn orphaned(&mut self, _output: &mut Output) {}

    /// When a peer counts as one that does not read; `None` for a protocol whose peers may send
    /// first and read later.
    fn stall(&self) -> Option<Stall> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter that sets no limit of its own.
    struct Plain;

    impl Filter for Plain {
        type In = ();
        type Out = ();
        type Error = std::io::Error;

        fn decode(&mut self, _: &mut &[u8]) -> Result<Option<()>, Self::Error> {
            Ok(None)
        }

        fn encode(&mut self, (): (), _: &mut Output) {}
    }

    #[test]
    fn reading_pauses_at_the_input_that_a_filter_allows() {
        assert_eq!(Plain.input_max(), 64 * 1024);
        assert_eq!(Stream.input_max(), 64 * 1024);
        assert_eq!(Line::new().input_max(), 64 * 1024 + 3);
    }
}
