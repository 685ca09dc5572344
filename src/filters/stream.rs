//! Bytes as they arrive.

use super::{Filter, Output};
use crate::limits::STREAM_INPUT_BYTES;
use bytes::Bytes;
use std::convert::Infallible;

/// Passes bytes through in both fields: POE's `POE::Filter::Stream`.
///
/// An item is the bytes of one read; the boundaries between items have no meaning. Items that are
/// put are shared, not copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream;

impl Filter for Stream {
    type In = Bytes;
    type Out = Bytes;
    type Error = Infallible;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, Infallible> {
        let bytes = std::mem::take(input);
        Ok((!bytes.is_empty()).then(|| Bytes::copy_from_slice(bytes)))
    }

    fn encode(&mut self, item: Bytes, output: &mut Output) {
        output.shared(item);
    }

    fn input_max(&self) -> usize {
        STREAM_INPUT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::each_way;

    #[test]
    fn all_passes_through() {
        for input in [&b""[..], b"x", b"\0\xff\r\nany bytes"] {
            each_way(input, |splits| {
                let seen = splits.feed(&mut Stream);
                assert_eq!(seen.error, None);
                assert_eq!(seen.items.concat(), input);
            });
        }
        let mut output = Output::new();
        Stream.encode(Bytes::from_static(b"out"), &mut output);
        assert_eq!(output.to_vec(), b"out");
    }
}
