//! The chunked transfer coding, RFC 9112 section 7.1, strictly.

use super::Output;
use crate::limits::{CHUNK_EXTENSION_BYTES, CHUNK_TRAILER_BYTES};
use bytes::Bytes;
use std::fmt::{self, Write};

/// Writes one chunk; nothing for empty `data`, which would end the body. The data is not copied.
pub fn encode(data: Bytes, output: &mut Output) {
    if !data.is_empty() {
        // Writing to an Output cannot fail.
        let _ = write!(output, "{:x}\r\n", data.len());
        output.shared(data);
        output.text(b"\r\n");
    }
}

/// Writes the last chunk, which ends the body.
pub fn encode_end(output: &mut Output) {
    output.text(b"0\r\n\r\n");
}

/// Decodes a chunked body that arrives in any pieces.
///
/// It is strict, because attackers have used every leniency here to smuggle requests past proxies.
/// A size has 1 to 16 hex digits and nothing else, lines end with CRLF, and extensions and trailers
/// follow the grammar, without optional white space and with a limited length. Extensions and
/// trailers are ignored.
///
/// Its state is a few words, and data is returned as slices of the input.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    state: DecoderState,
    /// The number of bytes that the chunk's data still has; while the size is read, the size so
    /// far.
    left: u64,
    /// The number of digits of the size, or of bytes of the extensions or trailers, so far.
    seen: usize,
}

/// A piece of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Some data: a chunk, or a part of one.
    Data(&'a [u8]),
    /// The end of the body. The bytes after it belong to the next message.
    End,
}

/// Why a body is not a chunked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkError {
    /// A size is not 1 to 16 hex digits and CRLF, or an extension is not of the grammar.
    Size,
    /// The extensions of one chunk are longer than [`CHUNK_EXTENSION_BYTES`].
    ExtensionTooLong,
    /// The data is not followed by CRLF.
    DataEnd,
    /// A trailer is not a field.
    Trailer,
    /// The trailers are longer than [`CHUNK_TRAILER_BYTES`].
    TrailerTooLong,
    /// There is a status line (`HTTP/1.`) in place of a size. It is not consumed. CouchDB writes a
    /// whole second response into the body if it fails in the middle of a feed.
    StatusLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    /// A hex digit of the size, or the byte after the last one.
    Size,
    /// The first byte of an extension's name, after `;`.
    ExtensionStart,
    /// Within an extension's name.
    ExtensionName,
    /// The first byte of its value, after `=`.
    ValueStart,
    /// Within a value that is a token.
    ValueToken,
    /// Within a quoted value.
    ValueQuoted,
    /// After the backslash in a quoted value.
    ValueEscaped,
    /// After a quoted value.
    ValueEnd,
    /// LF after the size line's CR.
    SizeLf,
    Data,
    /// CR, and LF, after the data.
    DataCr,
    DataLf,
    /// The first byte of a trailer, or CR of the empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    /// LF after a trailer's CR.
    TrailerLf,
    /// LF of the empty line.
    EndLf,
    End,
}

const STATUS_LINE: &[u8] = b"HTTP/1.";
const SIZE_DIGITS: usize = 16;

impl Decoder {
    /// A decoder at the start of a body.
    pub const fn new() -> Self {
        Self { state: DecoderState::Size, left: 0, seen: 0 }
    }

    /// Takes the next piece off the front of `input`, or returns `None` if it needs more bytes.
    ///
    /// If there is no piece, all of `input` is consumed, except bytes that may become a
    /// [`StatusLine`](ChunkError::StatusLine).
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, ChunkError> {
        loop {
            match self.state {
                DecoderState::End => return Ok(Some(Piece::End)),
                DecoderState::Data => return Ok(self.data(input).map(Piece::Data)),
                DecoderState::Size if self.seen == 0 && input.first() == Some(&b'H') => {
                    return status_line(input).map(|()| None);
                }
                _ => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    self.state = self.step(byte)?;
                    *input = rest;
                }
            }
        }
    }

    /// The number of bytes that the current chunk still has.
    pub(super) fn left(&self) -> u64 {
        if self.state == DecoderState::Data { self.left } else { 0 }
    }

    fn data<'a>(&mut self, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        let length = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        let (data, rest) = input.split_at(length);
        *input = rest;
        self.left -= length as u64;
        if self.left == 0 {
            self.state = DecoderState::DataCr;
        }
        (!data.is_empty()).then_some(data)
    }

    /// The state after `byte`, outside of data.
    fn step(&mut self, byte: u8) -> Result<DecoderState, ChunkError> {
        use DecoderState::{
            Data, DataCr, DataLf, End, EndLf, ExtensionName, ExtensionStart, Size, SizeLf,
            TrailerLf, TrailerName, TrailerStart, TrailerValue, ValueEnd, ValueEscaped,
            ValueQuoted, ValueStart, ValueToken,
        };
        Ok(match (self.state, byte) {
            (Size, b'\r' | b';') if self.seen > 0 => {
                self.seen = 0;
                if byte == b';' { ExtensionStart } else { SizeLf }
            }
            (Size, _) => return self.digit(byte),
            (ExtensionName | ValueToken | ValueEnd, b'\r') => {
                self.seen = 0;
                SizeLf
            }
            (
                ExtensionStart | ExtensionName | ValueStart | ValueToken | ValueQuoted
                | ValueEscaped | ValueEnd,
                _,
            ) => return self.extension(byte),
            (SizeLf, b'\n') if self.left > 0 => Data,
            (SizeLf, b'\n') => TrailerStart,
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerStart, b'\r') => EndLf,
            (TrailerStart | TrailerName | TrailerValue | TrailerLf, _) => {
                return self.trailer(byte);
            }
            (EndLf, b'\n') => End,
            (EndLf | End, _) => return Err(ChunkError::Trailer),
            (DataCr | DataLf | Data, _) => return Err(ChunkError::DataEnd),
            (SizeLf, _) => return Err(ChunkError::Size),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<DecoderState, ChunkError> {
        let digit = char::from(byte).to_digit(16).ok_or(ChunkError::Size)?;
        self.seen += 1;
        if self.seen > SIZE_DIGITS {
            return Err(ChunkError::Size);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(DecoderState::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<DecoderState, ChunkError> {
        use DecoderState::{
            ExtensionName, ExtensionStart, ValueEnd, ValueEscaped, ValueQuoted, ValueStart,
            ValueToken,
        };
        self.seen += 1;
        if self.seen > CHUNK_EXTENSION_BYTES {
            return Err(ChunkError::ExtensionTooLong);
        }
        Ok(match (self.state, byte) {
            (ExtensionName, b'=') => ValueStart,
            (ExtensionName | ValueToken | ValueEnd, b';') => ExtensionStart,
            (ValueStart, b'"') => ValueQuoted,
            (ValueQuoted, b'"') => ValueEnd,
            (ValueQuoted, b'\\') => ValueEscaped,
            (ValueQuoted | ValueEscaped, _) if is_text(byte) => ValueQuoted,
            (ExtensionStart | ExtensionName, _) if is_token(byte) => ExtensionName,
            (ValueStart | ValueToken, _) if is_token(byte) => ValueToken,
            _ => return Err(ChunkError::Size),
        })
    }

    fn trailer(&mut self, byte: u8) -> Result<DecoderState, ChunkError> {
        use DecoderState::{TrailerLf, TrailerName, TrailerStart, TrailerValue};
        self.seen += 1;
        if self.seen > CHUNK_TRAILER_BYTES {
            return Err(ChunkError::TrailerTooLong);
        }
        Ok(match (self.state, byte) {
            (TrailerName, b':') => TrailerValue,
            (TrailerStart | TrailerName, _) if is_token(byte) => TrailerName,
            (TrailerValue, b'\r') => TrailerLf,
            (TrailerValue, _) if is_text(byte) => TrailerValue,
            (TrailerLf, b'\n') => TrailerStart,
            _ => return Err(ChunkError::Trailer),
        })
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "a chunk size is malformed",
            Self::ExtensionTooLong => "the extensions of a chunk are too long",
            Self::DataEnd => "a chunk is longer than its size",
            Self::Trailer => "a trailer after the last chunk is malformed",
            Self::TrailerTooLong => "the trailers after the last chunk are too long",
            Self::StatusLine => "there is a status line in place of a chunk size",
        })
    }
}

impl std::error::Error for ChunkError {}

/// Checks bytes in place of a size that begin like a status line. Any other text is a malformed
/// size.
fn status_line(input: &[u8]) -> Result<(), ChunkError> {
    let shown = input.len().min(STATUS_LINE.len());
    if input[..shown] != STATUS_LINE[..shown] {
        Err(ChunkError::Size)
    } else if shown == STATUS_LINE.len() {
        Err(ChunkError::StatusLine)
    } else {
        Ok(())
    }
}

/// `tchar`, RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Bytes that a field's value or a quoted string may contain.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests;
