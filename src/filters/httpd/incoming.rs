//! The body of a request, as it arrives.

use super::request::{BODY_TOO_LARGE, Refusal, bad};
use crate::filters::chunked::{Decoder, Piece};
use crate::filters::framing::Framing;
use crate::limits::HTTP_BODY_RESERVED_BYTES;

/// A body that has not arrived completely.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    left: Left,
    /// The number of bytes that have arrived.
    received: usize,
    /// The limit of the body, in bytes.
    max: usize,
}

/// How the end of the body is found.
#[derive(Clone, Debug)]
enum Left {
    Length(usize),
    Chunked(Decoder),
}

impl Incoming {
    /// The body that a head has announced, if it is within `max` bytes.
    pub(super) fn new(framing: Framing, max: usize) -> Result<Self, Refusal> {
        let left = match framing {
            Framing::None => Left::Length(0),
            Framing::Chunked => Left::Chunked(Decoder::new()),
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= max => Left::Length(length),
                _ => return Err(BODY_TOO_LARGE),
            },
        };
        Ok(Self { left, received: 0, max })
    }

    /// Takes the next piece off the front of `input`, or the body's end.
    pub(super) fn piece<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Refusal> {
        let piece = match &mut self.left {
            Left::Length(0) => Some(Piece::End),
            Left::Length(_) if input.is_empty() => None,
            Left::Length(left) => {
                let (data, rest) = input.split_at(input.len().min(*left));
                *input = rest;
                *left -= data.len();
                Some(Piece::Data(data))
            }
            Left::Chunked(decoder) => {
                decoder.decode(input).map_err(|_| bad("a chunk is malformed"))?
            }
        };
        if let Some(Piece::Data(data)) = piece {
            self.received = self.received.saturating_add(data.len());
        }
        let in_all = (self.received as u64).saturating_add(self.announced());
        if in_all > self.max as u64 {
            return Err(BODY_TOO_LARGE);
        }
        Ok(piece)
    }

    /// The number of further bytes that the client has announced.
    fn announced(&self) -> u64 {
        match &self.left {
            Left::Length(left) => *left as u64,
            Left::Chunked(decoder) => decoder.left(),
        }
    }

    /// Returns true if the whole body is at the front of `input`, so that it can be taken at once.
    pub(super) fn is_within(&self, input: &[u8]) -> bool {
        matches!(self.left, Left::Length(left) if left <= input.len())
    }

    /// Returns true if the body has arrived completely.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.left, Left::Length(0))
    }

    pub(super) fn received(&self) -> usize {
        self.received
    }

    /// Appends a piece to the body. The capacity never exceeds the limit, and grows with the bytes
    /// that arrive, not with the announced length.
    pub(super) fn append(&self, data: &[u8], body: &mut Vec<u8>) {
        let needed = body.len() + data.len();
        if needed > body.capacity() {
            let announced = match self.left {
                Left::Length(left) => needed + left,
                Left::Chunked(_) => self.max,
            };
            let room = needed.max(body.capacity() * 2).max(HTTP_BODY_RESERVED_BYTES);
            body.reserve_exact(room.min(announced).max(needed) - body.len());
        }
        body.extend_from_slice(data);
    }
}
