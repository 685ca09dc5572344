//! Filters: bytes to items and items to bytes, without a socket, a clock or a kernel.
//!
//! A filter is a small machine that a [wheel](crate::wheels) feeds. It reads from the front of what
//! has come and writes to an [`Output`]; what it has not consumed it is shown again, with more
//! behind it. So every filter can be tested with a table of bytes, and exchanged in mid-stream:
//! what the old one left, the new one is shown.
//!
//! | filter | in | out | POE |
//! |---|---|---|---|
//! | [`Stream`] | bytes | bytes | `POE::Filter::Stream` |
//! | [`Line`] | lines of text | lines of text | `POE::Filter::Line` |
//! | [`Httpd`] | HTTP requests | HTTP responses | `POE::Filter::HTTPD` |
//! | [`HttpClient`] | HTTP responses | HTTP requests | |
//!
//! [`Lines`] and [`chunked`] are the machines within, for bodies that come through a filter;
//! [`ServerSentEvent`] is what a body can be made of.

pub mod chunked;
mod date;
mod event_stream;
mod framing;
mod head;
mod http_client;
mod httpd;
mod line;
mod lines;
mod output;
mod patience;
#[cfg(test)]
mod pieces;
mod stream;

pub use date::HttpDate;
pub use event_stream::ServerSentEvent;
pub use http_client::{HttpClient, HttpClientError, Part};
pub use httpd::{Httpd, Mode, Prepared, Reply, Request, RequestPart, Response, Streamed, Whole};
pub use line::{Line, LineError};
pub use lines::{LineTooLong, Lines};
pub use output::Output;
pub use patience::{Patience, Stall};
pub use stream::Stream;

use bytes::Bytes;
use std::time::SystemTime;

/// A codec between a byte stream and items: POE's `POE::Filter`.
pub trait Filter: 'static {
    /// What arrives from the peer.
    type In: 'static;
    /// What is put for the peer.
    type Out: 'static;
    /// Why the stream cannot be understood any further.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes the next item off the front of `input`, or `None` when it needs more bytes.
    ///
    /// Consumed bytes are cut off the front of `input` (also when there is no item yet); the rest
    /// is shown again, with more behind it. After an error the filter is not asked again.
    ///
    /// It may give items without consuming any, such as the end of a body, but not more than
    /// [`ITEMS_WITHOUT_INPUT`](crate::limits::ITEMS_WITHOUT_INPUT) in a row: the wheel takes that
    /// for an endless loop.
    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Self::Error>;

    /// Takes what is left when the peer has sent its last byte; asked until it gives `None`.
    ///
    /// An unterminated last line is an item here; a body that ends too early is an error.
    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<Self::In>, Self::Error> {
        self.decode(input)
    }

    /// Writes one item.
    fn encode(&mut self, item: Self::Out, output: &mut Output);

    /// What the protocol itself has to say after a `decode`, as HTTP's `100 Continue`. Said once.
    fn respond(&mut self) -> Option<Bytes> {
        None
    }

    /// Tells the time of day before an `encode`, for protocols that say it, as HTTP's `Date` does.
    ///
    /// The wheel hands in the time that its turn began: a filter reads no clock.
    fn set_date(&mut self, _now: SystemTime) {}

    /// How many unconsumed bytes may wait in front of this filter before reading pauses.
    ///
    /// It must be more than the longest run that `decode` needs at once: the wheel ends the
    /// connection of a filter that has so many bytes before it and needs more.
    fn input_max(&self) -> usize;

    /// Whether the filter takes no further item because an earlier one has to be answered first.
    ///
    /// `decode` gives `None` meanwhile and is asked again after the next `encode`.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Whether all has been said: the wheel flushes and then closes the connection.
    fn is_finished(&self) -> bool {
        false
    }

    /// What the peer is waited for, and how long; `None` for as long as it takes, which is right
    /// while this side has yet to answer. Asked whenever something has come or was put.
    fn patience(&self) -> Option<Patience> {
        None
    }

    /// The time that [`patience`](Filter::patience) gave is up: writes what there is to say, as
    /// HTTP's
    /// 408. The wheel then ends the connection.
    fn timed_out(&mut self, _output: &mut Output) {}

    /// The session has panicked: writes what there is to say, as HTTP's 500. The wheel sends what
    /// the socket has room for and closes the connection.
    fn orphaned(&mut self, _output: &mut Output) {}

    /// When a peer counts as one that does not read; `None` for a protocol whose peers may send
    /// first and read later.
    fn stall(&self) -> Option<Stall> {
        None
    }
}
