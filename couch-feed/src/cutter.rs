//! Splitting the body of a feed into lines or rows, as the pieces of the body arrive.

use crate::limits::ANSWER_BYTES;
use bytes::{Buf, Bytes, BytesMut};

/// A line is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Splits a feed's answer into lines while it arrives.
#[derive(Debug)]
pub(crate) enum Cutter {
    /// Of a continuous feed.
    Lines(Lines),
    /// Of an answer with an end.
    Page(Page),
}

impl Cutter {
    /// Appends a piece. Take all lines before the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        match self {
            Cutter::Lines(lines) => lines.feed(piece),
            Cutter::Page(page) => page.feed(piece),
        }
    }

    /// The number of bytes that wait for the end of their line or row.
    pub(crate) fn pending(&self) -> usize {
        match self {
            Cutter::Lines(lines) => lines.buffer.len(),
            Cutter::Page(page) => page.pending(),
        }
    }

    /// The bytes after the last line that was taken; `None` for a page, which does not keep them as
    /// they came.
    pub(crate) fn into_rest(self) -> Option<BytesMut> {
        match self {
            Cutter::Lines(lines) => Some(lines.buffer),
            Cutter::Page(_) => None,
        }
    }
}

impl Cutter {
    /// The next complete line; consecutive empty lines count as one. Lines that `skip` returns true
    /// for are skipped without a copy. After a line that is too long there are no more, and nothing
    /// is kept.
    pub(crate) fn next(
        &mut self,
        mut skip: impl FnMut(&[u8]) -> bool,
    ) -> Option<Result<Bytes, TooLong>> {
        let item = match self {
            Cutter::Lines(lines) => lines.next(skip),
            Cutter::Page(page) => loop {
                match page.next() {
                    Some(Ok(row)) if skip(&row) => {}
                    item => break item,
                }
            },
        };
        if matches!(&item, Some(Ok(line)) if line.is_empty()) {
            match self {
                Cutter::Lines(lines) => skip_empty(&mut lines.buffer),
                Cutter::Page(page) => skip_empty(&mut page.input),
            }
        }
        item
    }
}

/// Splits at LF; a CR before it is part of the line's end. Each byte is searched once.
#[derive(Debug)]
pub(crate) struct Lines {
    max: usize,
    buffer: BytesMut,
    /// The length of the buffer's start in which no LF is.
    scanned: usize,
    has_failed: bool,
}

impl Lines {
    /// Lines of up to `max` bytes. Allocates nothing yet.
    pub(crate) fn new(max: usize) -> Self {
        Lines { max, buffer: BytesMut::new(), scanned: 0, has_failed: false }
    }

    fn feed(&mut self, piece: &[u8]) {
        if !self.has_failed {
            self.buffer.extend_from_slice(piece);
        }
    }

    fn next(&mut self, mut skip: impl FnMut(&[u8]) -> bool) -> Option<Result<Bytes, TooLong>> {
        let mut start = 0;
        let item = loop {
            let rest = &self.buffer[start..];
            let found = memchr::memchr(b'\n', &rest[self.scanned..]);
            let lf = found.map_or(rest.len(), |found| self.scanned + found);
            // A CR at the very end may belong to the line's end.
            let line = without_cr(&rest[..lf]);
            self.scanned = if found.is_some() { 0 } else { lf };
            if line.len() > self.max {
                *self = Lines { has_failed: true, ..Lines::new(self.max) };
                return Some(Err(TooLong));
            }
            if found.is_none() {
                break None;
            }
            if !skip(line) {
                break Some((line.len(), lf + 1));
            }
            start += lf + 1;
        };
        self.buffer.advance(start);
        let (line, end) = item?;
        let mut cut = self.buffer.split_to(end);
        if line <= COPIED_BYTES {
            // A short line must not keep the buffer of all its neighbours in memory.
            return Some(Ok(Bytes::copy_from_slice(&cut[..line])));
        }
        cut.truncate(line);
        if self.buffer.is_empty() {
            // Otherwise a buffer that has grown with the longest line would stay forever.
            self.buffer = BytesMut::new();
        }
        Some(Ok(cut.freeze()))
    }
}

/// Lines of up to so many bytes are copied. A longer line shares the buffer.
const COPIED_BYTES: usize = 4 * 1024;

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Discards the empty lines at the start of `input`.
pub(crate) fn skip_empty(input: &mut BytesMut) {
    let mut rest = &input[..];
    while let Some(next) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
        rest = next;
    }
    let empty = input.len() - rest.len();
    input.advance(empty);
}

/// Splits an answer `{"results":[ROW,...],"last_seq":...}` into what the lines of a continuous feed
/// would be: each row, then the rest, `{"results":[],"last_seq":...}`, and an empty line for each
/// heartbeat, which is an empty line between rows.
///
/// So an answer may have any length, and the reader of lines reads this too. It does not depend on
/// where a server ends its lines. Each byte is looked at once.
#[derive(Debug)]
pub(crate) struct Page {
    max: usize,
    /// The bytes that have arrived and were not looked at.
    input: BytesMut,
    /// The row in progress; empty between rows.
    row: BytesMut,
    /// Everything except the rows, and without the white space between.
    rest: Vec<u8>,
    depth: usize,
    /// What the second level is.
    second_level: Level,
    /// The length of `rest` where the list of rows begins.
    before_list: usize,
    text: Text,
    /// The last byte that was neither in a row nor white space, and whether its line has ended.
    last: (u8, LineEnd),
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// A list; its objects are the rows.
    List,
    Other,
}

/// The position within JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    InString,
    /// After a backslash in a string.
    Escaped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Awaited,
    Seen,
}

impl Page {
    /// Rows of up to `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Page {
            max,
            input: BytesMut::new(),
            row: BytesMut::new(),
            rest: vec![],
            depth: 0,
            second_level: Level::Other,
            before_list: 0,
            text: Text::Outside,
            last: (0, LineEnd::Awaited),
            is_over: false,
        }
    }

    pub(crate) fn feed(&mut self, piece: &[u8]) {
        if !self.is_over {
            self.input.extend_from_slice(piece);
        }
    }

    /// Bytes that wait for the end of their row, or of what is not a row. The start of an answer is
    /// not counted, because the first row may be hours away.
    pub(crate) fn pending(&self) -> usize {
        // After the end of an answer, `rest` is empty.
        let start = if self.is_between_rows() { self.before_list } else { 0 };
        self.input.len() + self.row.len() + self.rest.len().saturating_sub(start)
    }

    /// Looks at one byte and returns what it completes.
    fn take(&mut self, byte: u8) -> Option<Bytes> {
        let is_row = !self.row.is_empty();
        if self.text != Text::Outside {
            self.text = match (self.text, byte) {
                (Text::Escaped, _) => Text::InString,
                (_, b'\\') => Text::Escaped,
                (_, b'"') => Text::Outside,
                (text, _) => text,
            };
            self.keep(byte);
            return None;
        }
        match byte {
            b'"' => self.text = Text::InString,
            b'{' | b'[' => {
                self.depth += 1;
                if byte == b'{' && self.depth == 3 && !is_row && self.second_level == Level::List {
                    self.row.extend_from_slice(b"{");
                    return None;
                }
                if self.depth == 2 {
                    self.second_level = if byte == b'[' { Level::List } else { Level::Other };
                    self.before_list = self.rest.len() + 1;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
                if is_row && self.depth == 2 {
                    self.last = (byte, LineEnd::Awaited);
                    return Some(std::mem::take(&mut self.row).freeze());
                }
                self.is_over = self.depth == 0;
                return self.is_over.then(|| std::mem::take(&mut self.rest).into());
            }
            // The comma between rows is dropped with them. A heartbeat may come before it.
            b',' if self.is_between_rows() && self.last.0 == b'}' => {
                self.last = (byte, LineEnd::Awaited);
                return None;
            }
            b'\n' if !is_row => {
                let is_heartbeat = self.last.1 == LineEnd::Seen;
                self.last.1 = LineEnd::Seen;
                let is_not_json = self.depth == 0 && !self.rest.is_empty();
                self.is_over |= is_not_json;
                let rest = is_not_json.then(|| std::mem::take(&mut self.rest).into());
                return rest.or(is_heartbeat.then(Bytes::new));
            }
            b' ' | b'\t' | b'\r' if !is_row => return None,
            _ => {}
        }
        self.keep(byte);
        None
    }

    fn is_between_rows(&self) -> bool {
        self.depth == 2 && self.second_level == Level::List && self.row.is_empty()
    }

    fn keep(&mut self, byte: u8) {
        if self.row.is_empty() {
            self.last = (byte, LineEnd::Awaited);
            self.rest.push(byte);
        } else {
            self.row.extend_from_slice(&[byte]);
        }
    }

    pub(crate) fn next(&mut self) -> Option<Result<Bytes, TooLong>> {
        let input = std::mem::take(&mut self.input);
        for (at, byte) in input.iter().enumerate() {
            if self.is_over {
                return None; // bytes after the end of the answer
            }
            let item = self.take(*byte);
            let row = item.as_ref().filter(|_| !self.is_over).map_or(self.row.len(), Bytes::len);
            if row > self.max {
                *self = Page { is_over: true, ..Page::new(self.max) };
                return Some(Err(TooLong));
            }
            if let Some(item) = item {
                self.input = input;
                self.input.advance(at + 1);
                return Some(Ok(item));
            }
            if self.rest.len() > ANSWER_BYTES {
                self.is_over = true;
                return Some(Ok(std::mem::take(&mut self.rest).into()));
            }
        }
        None
    }
}
