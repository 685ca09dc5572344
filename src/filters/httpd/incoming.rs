//! A request whose body is coming.

use super::Request;
use super::request::{BODY_TOO_LARGE, Refusal, bad};
use crate::filters::chunked::{Decoder, Piece};
use crate::filters::head::Framing;
use crate::limits::HTTP_BODY_RESERVED_BYTES;
use bytes::Bytes;

/// A request and what has come of its body.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    request: http::Request<()>,
    body: Vec<u8>,
    coming: Coming,
}

/// How the end of the body is known.
#[derive(Clone, Debug)]
pub(super) enum Coming {
    Length(usize),
    Chunked(Decoder),
}

impl Coming {
    /// What a head has announced, if that is within `max` bytes.
    pub(super) fn new(framing: Framing, max: usize) -> Result<Self, Refusal> {
        match framing {
            Framing::None => Ok(Self::Length(0)),
            Framing::Chunked => Ok(Self::Chunked(Decoder::new())),
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= max => Ok(Self::Length(length)),
                _ => Err(BODY_TOO_LARGE),
            },
        }
    }
}

impl Incoming {
    /// A request of whose body nothing has come.
    pub(super) fn new(request: http::Request<()>, coming: Coming) -> Self {
        Self { request, body: Vec::new(), coming }
    }

    /// Takes what has come of the body; whether that is all of it.
    pub(super) fn fill(&mut self, input: &mut &[u8], max: usize) -> Result<bool, Refusal> {
        match &mut self.coming {
            Coming::Length(length) => {
                if self.body.capacity() == 0 {
                    self.body.reserve_exact((*length).min(HTTP_BODY_RESERVED_BYTES));
                }
                let missing = *length - self.body.len();
                let (part, rest) = input.split_at(missing.min(input.len()));
                self.body.extend_from_slice(part);
                *input = rest;
                Ok(self.body.len() == *length)
            }
            Coming::Chunked(decoder) => loop {
                match decoder.decode(input).map_err(|_| bad("a chunk is malformed"))? {
                    None => return Ok(false),
                    Some(Piece::End) => return Ok(true),
                    Some(Piece::Data(data)) if data.len() > max - self.body.len() => {
                        return Err(BODY_TOO_LARGE);
                    }
                    Some(Piece::Data(data)) => self.body.extend_from_slice(data),
                }
            },
        }
    }

    /// The request with its body.
    pub(super) fn finish(self) -> Request {
        self.request.map(|()| Bytes::from(self.body))
    }
}
