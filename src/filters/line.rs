//! Lines of text.

use super::lines::{Cut, Cutter};
use super::{Filter, LineTooLong, Output};
use crate::limits::LINE_BYTES;
use bytes::Bytes;
use std::fmt;

/// Lines of UTF-8 text, without their ends: POE's `POE::Filter::Line`.
///
/// A line ends with LF; one CR before it belongs to the end, also if they arrive in two reads. When
/// the peer ends, a last line without an end is a line too. A line that is put gets LF, or CRLF
/// with [`with_crlf`](Line::with_crlf). Line ends inside it are not searched, as in POE.
///
/// A line that is not UTF-8 is an error, which has its bytes. [`Lines`](super::Lines) cuts lines of
/// any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    cutter: Cutter,
    end: &'static [u8],
}

impl Line {
    /// Creates a filter for lines of up to [`LINE_BYTES`], which ends lines with LF.
    pub fn new() -> Self {
        Self { cutter: Cutter::new(LINE_BYTES), end: b"\n" }
    }

    /// Sets the limit of a line in bytes, without its end.
    pub fn with_max(self, max: usize) -> Self {
        Self { cutter: Cutter::new(max), ..self }
    }

    /// Ends lines with CRLF, as SMTP, FTP and IRC require.
    pub fn with_crlf(self) -> Self {
        Self { end: b"\r\n", ..self }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter for Line {
    type In = String;
    type Out = String;
    type Error = LineError;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<String>, LineError> {
        let Some(Cut { line, end }) = self.cutter.cut(input)? else { return Ok(None) };
        let line = text(&input[..line]);
        *input = &input[end..];
        line.map(Some)
    }

    fn decode_end(&mut self, input: &mut &[u8]) -> Result<Option<String>, LineError> {
        if let Some(line) = self.decode(input)? {
            return Ok(Some(line));
        }
        self.cutter.rest(std::mem::take(input))?.map(text).transpose()
    }

    fn encode(&mut self, line: String, output: &mut Output) {
        output.text(line.as_bytes());
        output.text(self.end);
    }

    /// The longest line and its end.
    fn input_max(&self) -> usize {
        self.cutter.max() + b"\r\n".len() + 1
    }
}

/// Why no more lines can be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// A line is longer than the limit.
    TooLong(LineTooLong),
    /// A line is not UTF-8. These are its bytes.
    NotUtf8(Bytes),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The largest part of a line that is logged.
        const SHOWN: usize = 80;
        match self {
            Self::TooLong(too_long) => too_long.fmt(f),
            Self::NotUtf8(line) => {
                let shown = &line[..line.len().min(SHOWN)];
                write!(f, "a line is not UTF-8: \"{}\"", shown.escape_ascii())
            }
        }
    }
}

impl std::error::Error for LineError {}

impl From<LineTooLong> for LineError {
    fn from(too_long: LineTooLong) -> Self {
        Self::TooLong(too_long)
    }
}

fn text(line: &[u8]) -> Result<String, LineError> {
    match std::str::from_utf8(line) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(LineError::NotUtf8(Bytes::copy_from_slice(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::each_way;

    #[track_caller]
    fn check(input: &[u8], lines: &[&str], error: &str) {
        each_way(input, |pieces| {
            let seen = pieces.feed(&mut Line::new().with_max(6));
            assert_eq!(seen.items, lines, "{pieces:?}");
            assert_eq!(seen.error.map(|e| e.to_string()).unwrap_or_default(), error, "{pieces:?}");
        });
    }

    #[test]
    fn lines_come_without_their_ends() {
        check(b"", &[], "");
        check(b"one\ntwo\r\n\nlast", &["one", "two", "", "last"], "");
        check(b"a\rb\nc\r", &["a\rb", "c\r"], "");
    }

    #[test]
    fn utf8_is_checked_a_line_at_a_time() {
        check("é\nüü\n".as_bytes(), &["é", "üü"], "");
        check(b"ok\n\xc3\nno", &["ok"], "a line is not UTF-8: \"\\xc3\"");
        check(b"ok\n\xc3", &["ok"], "a line is not UTF-8: \"\\xc3\"");
    }

    #[test]
    fn the_limit_is_met_exactly_and_passed_by_one() {
        check(b"123456\r\n123456\n123456", &["123456", "123456", "123456"], "");
        check(b"1\n1234567\n", &["1"], "a line is longer than 6 bytes");
        check(b"1234567", &[], "a line is longer than 6 bytes");
    }

    #[test]
    fn what_is_put_gets_its_end() {
        let mut output = Output::new();
        Line::new().encode("lf".into(), &mut output);
        Line::new().with_crlf().encode("crlf".into(), &mut output);
        assert_eq!(output.to_vec(), b"lf\ncrlf\r\n");
    }
}
