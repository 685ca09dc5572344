//! Cuts bytes that arrive in any pieces into lines.

use crate::limits::LINE_COPIED_BYTES;
use bytes::{Bytes, BytesMut};
use std::fmt;

/// Cuts a body that arrives in pieces into lines of raw bytes, such as those of a CouchDB changes
/// feed.
///
/// A line ends with LF; one CR before it belongs to the end. Each byte is read once, in whatever
/// pieces a line arrives. It is an iterator over the complete lines: [`feed`] a piece, take lines
/// until `None`, then feed the next. At the end of the body, take the last line with [`finish`].
///
/// ```
/// # use masque::filters::Lines;
/// let mut lines = Lines::new(100);
/// lines.feed(b"{\"seq\":1}\n{\"se");
/// assert_eq!(lines.next().unwrap().unwrap(), &b"{\"seq\":1}"[..]);
/// assert!(lines.next().is_none());
/// lines.feed(b"q\":2}\n");
/// assert_eq!(lines.next().unwrap().unwrap(), &b"{\"seq\":2}"[..]);
/// assert!(lines.finish().is_none());
/// ```
///
/// [`feed`]: Lines::feed
/// [`finish`]: Lines::finish
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    cutter: Cutter,
    failed: bool,
}

impl Lines {
    /// Creates a cutter for lines of up to `max` bytes, without their ends. It allocates nothing
    /// yet.
    pub fn new(max: usize) -> Self {
        Self { buffer: BytesMut::new(), cutter: Cutter::new(max), failed: false }
    }

    /// Appends a piece. O(`piece`). Take the lines before the next piece, because the limit is for
    /// a line, not for the number of lines that wait here.
    pub fn feed(&mut self, piece: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Takes the last line, if it has no end. `None` if the last line had one.
    pub fn finish(&mut self) -> Option<Result<Bytes, LineTooLong>> {
        let left = std::mem::take(&mut self.buffer).freeze();
        match self.cutter.rest(&left) {
            Ok(line) => line.map(|line| Ok(left.slice_ref(line))),
            Err(too_long) => Some(Err(too_long)),
        }
    }

    /// Bytes that wait for the end of their line.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }
}

/// The complete lines. After a line that is too long there are no more lines, and nothing is
/// stored.
impl Iterator for Lines {
    type Item = Result<Bytes, LineTooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.cutter.cut(&self.buffer) {
            Ok(None) => None,
            Ok(Some(Cut { line, end })) if line <= LINE_COPIED_BYTES => {
                let copy = Bytes::copy_from_slice(&self.buffer[..line]);
                let _ = self.buffer.split_to(end);
                Some(Ok(copy))
            }
            Ok(Some(Cut { line, end })) => {
                let mut long = self.buffer.split_to(end);
                long.truncate(line);
                if self.buffer.is_empty() {
                    // Drop a buffer that grew with the line, or it would keep the size of the
                    // longest one.
                    self.buffer = BytesMut::new();
                }
                Some(Ok(long.freeze()))
            }
            Err(too_long) => {
                self.failed = true;
                self.cutter = Cutter::new(too_long.max);
                self.buffer = BytesMut::new();
                Some(Err(too_long))
            }
        }
    }
}

/// A line is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong {
    /// The limit, in bytes without the line's end.
    pub max: usize,
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.max)
    }
}

impl std::error::Error for LineTooLong {}

/// Finds the ends of lines. The bytes are passed again each time with more after them, and it
/// remembers how far it has searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutter {
    max: usize,
    scanned: usize,
}

/// The end of the first line, and the start of the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) line: usize,
    pub(super) end: usize,
}

impl Cutter {
    pub(super) fn new(max: usize) -> Self {
        Self { max, scanned: 0 }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The first line of `pending`, which the caller then removes.
    pub(super) fn cut(&mut self, pending: &[u8]) -> Result<Option<Cut>, LineTooLong> {
        let Some(found) = memchr::memchr(b'\n', &pending[self.scanned..]) else {
            self.scanned = pending.len();
            // A CR at the end may be a part of the line's end.
            return self.checked(without_cr(pending)).map(|_| None);
        };
        let lf = self.scanned + found;
        self.scanned = 0;
        let line = self.checked(without_cr(&pending[..lf]))?;
        Ok(Some(Cut { line: line.len(), end: lf + 1 }))
    }

    /// The last line without an end, after `cut` has found no more.
    pub(super) fn rest<'a>(&mut self, pending: &'a [u8]) -> Result<Option<&'a [u8]>, LineTooLong> {
        self.scanned = 0;
        Ok(Some(self.checked(pending)?).filter(|line| !line.is_empty()))
    }

    fn checked<'a>(&self, line: &'a [u8]) -> Result<&'a [u8], LineTooLong> {
        if line.len() > self.max { Err(LineTooLong { max: self.max }) } else { Ok(line) }
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input` fed in pieces of `step` bytes, escaped, or the error's text.
    fn lines(input: &[u8], step: usize, max: usize) -> Vec<String> {
        let mut lines = Lines::new(max);
        let mut found = Vec::new();
        for piece in input.chunks(step) {
            lines.feed(piece);
            found.extend(lines.by_ref());
        }
        found.extend(lines.finish());
        let text = |line: Result<Bytes, LineTooLong>| match line {
            Ok(line) => line.escape_ascii().to_string(),
            Err(error) => format!("! {error}"),
        };
        found.into_iter().map(text).collect()
    }

    #[track_caller]
    fn check(input: &[u8], expected: &[&str]) {
        for step in 1..=input.len().max(1) {
            assert_eq!(lines(input, step, 5), expected, "{} by {step}", input.escape_ascii());
        }
    }

    #[test]
    fn lines_are_cut_at_lf_alone() {
        check(b"", &[]);
        check(b"\n", &[""]);
        check(b"a\nb\n", &["a", "b"]);
        check(b"a\r\nb\r\n", &["a", "b"]);
        check(b"a\rb\n", &["a\\rb"]);
        check(b"a\r\r\n", &["a\\r"]);
        check(b"\n\n\r\n", &["", "", ""]);
        check(b"\xff\0\n", &["\\xff\\x00"]);
        check("é\u{2028}\n".as_bytes(), &["\\xc3\\xa9\\xe2\\x80\\xa8"]);
        check(b"a\nlast", &["a", "last"]);
        check(b"a\nlast\r", &["a", "last\\r"]);
    }

    #[test]
    fn the_limit_is_met_exactly_and_passed_by_one() {
        check(b"12345\n12345\r\n12345", &["12345", "12345", "12345"]);
        check(b"ok\n123456\nnever", &["ok", "! a line is longer than 5 bytes"]);
        check(b"123456", &["! a line is longer than 5 bytes"]);
        check(b"12345\r6\n", &["! a line is longer than 5 bytes"]);
    }

    #[test]
    fn nothing_is_kept_of_a_line_that_is_too_long() {
        let mut lines = Lines::new(5);
        lines.feed(b"1234567");
        assert_eq!(lines.next(), Some(Err(LineTooLong { max: 5 })));
        lines.feed(b"more\n");
        assert_eq!(lines.next(), None);
        assert_eq!(lines.pending(), 0);
    }

    #[test]
    fn a_long_line_comes_without_a_copy() {
        let mut lines = Lines::new(1 << 20);
        lines.feed(&vec![b'x'; LINE_COPIED_BYTES + 1]);
        lines.feed(b"\r\n");
        let at = lines.buffer.as_ptr();
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.len(), line.as_ptr()), (LINE_COPIED_BYTES + 1, at));
        assert_eq!(lines.buffer.capacity(), 0);
    }
}
