//! Splitting the body of a feed into lines or rows, as the pieces of the body arrive.

use crate::limits::ANSWER_BYTES;
use bytes::{Buf, Bytes, BytesMut};

/// A line is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Splits a feed's answer into lines while it arrives. Each byte is looked at once.
#[derive(Debug)]
pub(crate) struct Cutter {
    max: usize,
    /// The bytes that have arrived and were not taken.
    input: BytesMut,
    /// True after a line that is too long, or the end of a page. Nothing is kept then.
    is_over: bool,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A continuous feed: the length of the input's start in which no LF is.
    Lines(usize),
    /// An answer with an end.
    Page(Box<Page>),
}

/// Lines of up to so many bytes are copied. A longer line shares the buffer.
const COPIED_BYTES: usize = 4 * 1024;

impl Cutter {
    /// Splits a continuous feed at LF; a CR before it is part of the line's end.
    pub(crate) fn lines(max: usize) -> Self {
        Cutter { max, input: BytesMut::new(), is_over: false, form: Form::Lines(0) }
    }

    /// Splits an answer `{"results":[ROW,...],"last_seq":...}` into lines like those of a
    /// continuous feed: each row, then the rest, `{"results":[],"last_seq":...}`, and an empty line
    /// for each heartbeat, which is an empty line between rows.
    ///
    /// So an answer may have any length, and the reader of lines reads this too. It does not depend
    /// on where a server ends its lines.
    pub(crate) fn page(max: usize) -> Self {
        Cutter { form: Form::Page(Box::default()), ..Cutter::lines(max) }
    }

    /// Appends a piece. Take all lines before the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        if !self.is_over {
            self.input.extend_from_slice(piece);
        }
    }

    /// The number of bytes that wait for the end of their line or row.
    pub(crate) fn pending(&self) -> usize {
        match &self.form {
            Form::Lines(_) => self.input.len(),
            Form::Page(page) => self.input.len() + page.pending(),
        }
    }

    /// Takes the bytes after the last line that was taken; `None` for a page, which does not keep
    /// them as they came.
    pub(crate) fn take_rest(&mut self) -> Option<BytesMut> {
        matches!(self.form, Form::Lines(_)).then(|| std::mem::take(&mut self.input))
    }

    /// The next complete line; consecutive empty lines count as one. Lines that `skip` returns true
    /// for are skipped without a copy. After a line that is too long there are no more, and nothing
    /// is kept.
    pub(crate) fn next(
        &mut self,
        mut skip: impl FnMut(&[u8]) -> bool,
    ) -> Option<Result<Bytes, TooLong>> {
        let item = match self.form {
            Form::Lines(_) => self.next_line(skip),
            Form::Page(_) => loop {
                match self.next_of_page() {
                    Some(Ok(row)) if skip(&row) => {}
                    item => break item,
                }
            },
        };
        if matches!(&item, Some(Ok(line)) if line.is_empty()) {
            skip_empty(&mut self.input);
        }
        item
    }

    fn fail(&mut self) -> Result<Bytes, TooLong> {
        *self = Cutter { is_over: true, ..Cutter::lines(self.max) };
        Err(TooLong)
    }

    fn next_line(&mut self, mut skip: impl FnMut(&[u8]) -> bool) -> Option<Result<Bytes, TooLong>> {
        let Form::Lines(scanned) = &mut self.form else { return None };
        let mut start = 0;
        let item = loop {
            let rest = &self.input[start..];
            let found = memchr::memchr(b'\n', &rest[*scanned..]);
            let lf = found.map_or(rest.len(), |found| *scanned + found);
            // A CR at the very end may belong to the line's end.
            let line = rest[..lf].strip_suffix(b"\r").unwrap_or(&rest[..lf]);
            *scanned = if found.is_some() { 0 } else { lf };
            if line.len() > self.max {
                return Some(self.fail());
            }
            if found.is_none() {
                break None;
            }
            if !skip(line) {
                break Some((line.len(), lf + 1));
            }
            start += lf + 1;
        };
        self.input.advance(start);
        let (line, end) = item?;
        let mut cut = self.input.split_to(end);
        if line <= COPIED_BYTES {
            // A short line must not keep the buffer of all its neighbours in memory.
            return Some(Ok(Bytes::copy_from_slice(&cut[..line])));
        }
        cut.truncate(line);
        if self.input.is_empty() {
            // Otherwise a buffer that has grown with the longest line would stay forever.
            self.input = BytesMut::new();
        }
        Some(Ok(cut.freeze()))
    }

    pub(crate) fn next_of_page(&mut self) -> Option<Result<Bytes, TooLong>> {
        let Form::Page(page) = &mut self.form else { return None };
        let input = std::mem::take(&mut self.input);
        for (at, byte) in input.iter().enumerate() {
            if self.is_over {
                return None; // bytes after the end of the answer
            }
            let item = page.take(*byte);
            self.is_over = matches!(item, Some(Item::Rest(_)));
            let row = match &item {
                Some(Item::Row(row)) => row.len(),
                _ => page.row.len(),
            };
            if row > self.max {
                return Some(self.fail());
            }
            if let Some(Item::Row(item) | Item::Rest(item)) = item {
                self.input = input;
                self.input.advance(at + 1);
                return Some(Ok(item));
            }
        }
        None
    }
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

/// The text of an answer with an end, as far as it was looked at.
#[derive(Debug, Default)]
struct Page {
    /// The row in progress; empty between rows.
    row: BytesMut,
    /// Everything except the rows, and without the white space between.
    rest: Vec<u8>,
    depth: usize,
    /// The start of the list of rows in `rest`, if the second level is a list.
    list: Option<usize>,
    text: Text,
    /// The last byte that was neither in a row nor white space.
    last: u8,
    /// True if a line has ended after that byte.
    has_line_end: bool,
}

/// What a byte of a page completes.
enum Item {
    /// A row, or an empty line.
    Row(Bytes),
    /// The text around the rows.
    Rest(Bytes),
}

/// The position within JSON text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    InString,
    /// After a backslash in a string.
    Escaped,
}

impl Page {
    /// Bytes that wait for the end of their row, or of the text around the rows. The start of an
    /// answer is not counted, because the first row may be hours away.
    fn pending(&self) -> usize {
        let start = self.list.filter(|_| self.is_between_rows()).unwrap_or(0);
        // After the end of an answer, `rest` is empty.
        self.row.len() + self.rest.len().saturating_sub(start)
    }

    fn is_between_rows(&self) -> bool {
        self.depth == 2 && self.list.is_some() && self.row.is_empty()
    }

    /// Looks at one byte and returns what it completes.
    fn take(&mut self, byte: u8) -> Option<Item> {
        let is_row = !self.row.is_empty();
        match (self.text, byte) {
            (Text::InString, b'\\') => self.text = Text::Escaped,
            (Text::InString, b'"') => self.text = Text::Outside,
            (Text::InString, _) => {}
            (Text::Escaped, _) | (_, b'"') => self.text = Text::InString,
            (_, b'{' | b'[') => {
                self.depth += 1;
                if byte == b'{' && self.depth == 3 && !is_row && self.list.is_some() {
                    self.row.extend_from_slice(b"{");
                    return None;
                }
                if self.depth == 2 {
                    self.list = (byte == b'[').then_some(self.rest.len() + 1);
                }
            }
            (_, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
                if is_row && self.depth == 2 {
                    (self.last, self.has_line_end) = (byte, false);
                    return Some(Item::Row(std::mem::take(&mut self.row).freeze()));
                }
                return self.end_if(self.depth == 0 || self.rest.len() > ANSWER_BYTES);
            }
            // The comma between rows is dropped with them. A heartbeat may come before it.
            (_, b',') if self.is_between_rows() && self.last == b'}' => {
                (self.last, self.has_line_end) = (byte, false);
                return None;
            }
            (_, b'\n') if !is_row => {
                let is_heartbeat = std::mem::replace(&mut self.has_line_end, true);
                let is_not_json = self.depth == 0 && !self.rest.is_empty();
                let heartbeat = is_heartbeat.then(|| Item::Row(Bytes::new()));
                return self.end_if(is_not_json).or(heartbeat);
            }
            (_, b' ' | b'\t' | b'\r') if !is_row => return None,
            _ => {}
        }
        self.keep(byte);
        self.end_if(self.rest.len() > ANSWER_BYTES)
    }

    fn keep(&mut self, byte: u8) {
        if self.row.is_empty() {
            (self.last, self.has_line_end) = (byte, false);
            self.rest.push(byte);
        } else {
            self.row.extend_from_slice(&[byte]);
        }
    }

    /// The text around the rows, if nothing after it is read.
    fn end_if(&mut self, is_over: bool) -> Option<Item> {
        is_over.then(|| Item::Rest(std::mem::take(&mut self.rest).into()))
    }
}
