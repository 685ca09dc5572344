//! The body of a request, as it comes.

use super::request::{BODY_TOO_LARGE, Refusal, bad};
use crate::filters::chunked::{Decoder, Piece};
use crate::filters::framing::Framing;
use crate::limits::HTTP_BODY_RESERVED_BYTES;

/// A body of which something is still to come.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    left: Left,
    /// How much has come.
    received: usize,
    /// How much may come.
    max: usize,
}

/// How the end of the body is known.
#[derive(Clone, Debug)]
enum Left {
    Length(usize),
    Chunked(Decoder),
}

impl Incoming {
    /// What a head has announced, if that is within `max` bytes.
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

    /// The next piece off the front of `input`, or its end.
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

    /// How much more is known to come.
    fn announced(&self) -> u64 {
        match &self.left {
            Left::Length(left) => *left as u64,
            Left::Chunked(decoder) => decoder.left(),
        }
    }

    /// Whether all of it stands at the front of `input`, so that it can be taken at once.
    pub(super) fn is_within(&self, input: &[u8]) -> bool {
        matches!(self.left, Left::Length(left) if left <= input.len())
    }

    /// Whether nothing more comes.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.left, Left::Length(0))
    }

    pub(super) fn received(&self) -> usize {
        self.received
    }

    /// Appends a piece that has come to those before it. There is never room for more than may
    /// come, and for what is announced only as it comes.
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
