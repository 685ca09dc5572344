//! Cutting rows out of an answer of `feed=longpoll` or `feed=normal`, while it comes.

use crate::filters::{LineTooLong, skip_empty};
use crate::limits::FEED_ANSWER_BYTES;
use bytes::{Buf, Bytes, BytesMut};

/// Cuts an answer `{"results":[ROW,...],"last_seq":...}` into what the lines of a continuous feed
/// would be: each row, then the rest, `{"results":[],"last_seq":...}`; and an empty line for each
/// sign of life, which is an empty line between rows.
///
/// So an answer may be as long as it likes, and what reads lines reads this. No use is made of how
/// a server breaks lines; each byte is looked at once.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is where the cutter stands")]
pub(super) struct Page {
    max: usize,
    /// What has come and was not looked at.
    input: BytesMut,
    /// The row under way; empty between rows.
    row: BytesMut,
    /// All but the rows, and without the space between.
    rest: Vec<u8>,
    depth: usize,
    /// Whether the second level is a list, whose objects are the rows.
    is_list: bool,
    /// How much of the rest stands before that list.
    before_list: usize,
    is_string: bool,
    is_escaped: bool,
    /// The last byte that was neither in a row nor space.
    last: u8,
    /// Whether a line has ended behind it.
    is_line_over: bool,
    /// Whether all has been told, or nothing more can be.
    is_over: bool,
}

impl Page {
    /// Rows of up to `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Page {
            max,
            input: BytesMut::new(),
            row: BytesMut::new(),
            rest: vec![],
            depth: 0,
            is_list: false,
            before_list: 0,
            is_string: false,
            is_escaped: false,
            last: 0,
            is_line_over: false,
            is_over: false,
        }
    }

    /// Appends a piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        if !self.is_over {
            self.input.extend_from_slice(piece);
        }
    }

    /// Bytes that wait for the end of their row, or for the end of what is no row. The beginning of
    /// an answer is none of these: the first row may be hours away.
    pub(super) fn pending(&self) -> usize {
        // Of an answer that is over, the rest was taken.
        let started = if self.is_between_rows() { self.before_list } else { 0 };
        self.input.len() + self.row.len() + self.rest.len().saturating_sub(started)
    }

    /// Discards the empty lines that come next, behind an empty line.
    pub(super) fn skip_empty(&mut self) {
        skip_empty(&mut self.input);
    }

    /// Looks at one byte; what is complete with it.
    fn take(&mut self, byte: u8) -> Option<Bytes> {
        let is_row = !self.row.is_empty();
        if self.is_string {
            self.is_string = byte != b'"' || self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.keep(byte);
            return None;
        }
        match byte {
            b'"' => self.is_string = true,
            b'{' | b'[' => {
                if byte == b'{' && self.is_between_rows() {
                    self.row.extend_from_slice(b"{");
                    self.depth += 1;
                    return None;
                }
                self.depth += 1;
                if self.depth == 2 {
                    self.is_list = byte == b'[';
                    self.before_list = self.rest.len() + 1;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
                if is_row && self.depth == 2 {
                    (self.last, self.is_line_over) = (byte, false);
                    return Some(std::mem::take(&mut self.row).freeze());
                }
                self.is_over = self.depth == 0;
                return self.is_over.then(|| std::mem::take(&mut self.rest).into());
            }
            // What separates rows goes with them; a sign of life may stand before it.
            b',' if self.is_between_rows() && self.last == b'}' => {
                (self.last, self.is_line_over) = (byte, false);
                return None;
            }
            b'\n' if !is_row => {
                let is_beat = std::mem::replace(&mut self.is_line_over, true);
                let is_nonsense = self.depth == 0 && !self.rest.is_empty();
                self.is_over |= is_nonsense;
                let rest = is_nonsense.then(|| std::mem::take(&mut self.rest).into());
                return rest.or(is_beat.then(Bytes::new));
            }
            b' ' | b'\t' | b'\r' if !is_row => return None,
            _ => {}
        }
        self.keep(byte);
        None
    }

    fn is_between_rows(&self) -> bool {
        self.depth == 2 && self.is_list && self.row.is_empty()
    }

    fn keep(&mut self, byte: u8) {
        if self.row.is_empty() {
            (self.last, self.is_line_over) = (byte, false);
            self.rest.push(byte);
        } else {
            self.row.extend_from_slice(&[byte]);
        }
    }
}

/// What is complete. After a row that is too long there is no more, and nothing is kept.
impl Iterator for Page {
    type Item = Result<Bytes, LineTooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        let input = std::mem::take(&mut self.input);
        for (at, byte) in input.iter().enumerate() {
            if self.is_over {
                return None; // what may follow is none of the answer's
            }
            let item = self.take(*byte);
            let row = item.as_ref().filter(|_| !self.is_over).map_or(self.row.len(), Bytes::len);
            if row > self.max {
                *self = Page { is_over: true, ..Page::new(self.max) };
                return Some(Err(LineTooLong { max: self.max }));
            }
            if let Some(item) = item {
                self.input = input;
                self.input.advance(at + 1);
                return Some(Ok(item));
            }
            if self.rest.len() > FEED_ANSWER_BYTES {
                self.is_over = true;
                return Some(Ok(std::mem::take(&mut self.rest).into()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: &str, step: usize) -> Vec<String> {
        let mut page = Page::new(60);
        let mut items = vec![];
        for piece in input.as_bytes().chunks(step) {
            page.feed(piece);
            items.extend(page.by_ref().map(|item| match item {
                Ok(item) => String::from_utf8_lossy(&item).into_owned(),
                Err(error) => format!("! {error}"),
            }));
        }
        items
    }

    #[test]
    fn the_beginning_of_an_answer_waits_for_no_end_and_all_that_is_unfinished_does() {
        let long = format!("{{\"results\":[{}", ",".repeat(FEED_ANSWER_BYTES));
        for (input, pending) in [
            ("", 0),
            ("{\"res", 5),
            ("{\"results\":[", 0),
            ("{\"results\":[\n\n", 0),
            ("{\"results\":[{\"a\":1},\n", 0),
            ("{\"results\":[x", 1),
            ("{\"results\":[],\"last_seq\":[7,\"x\"]}", 0),
            (&long, 0),
        ] {
            let mut page = Page::new(60);
            page.feed(input.as_bytes());
            page.by_ref().for_each(drop);
            assert_eq!(page.pending(), pending, "{}", &input[..input.len().min(40)]);
        }
        let mut page = Page::new(60);
        page.feed(b"{\"results\":[{\"a\":1},{\"b");
        page.by_ref().for_each(drop);
        assert!(page.pending() >= 3 && page.pending() < 20, "{}", page.pending());
    }

    #[track_caller]
    fn check(input: &str, expected: &[&str]) {
        for step in 1..=input.len() {
            assert_eq!(items(input, step), expected, "{input} by {step}");
        }
    }

    #[test]
    fn rows_and_the_rest_are_cut_out_however_they_are_written() {
        // CouchDB.
        check(
            "{\"results\":[\n{\"seq\":1,\"id\":\"a\"},\r\n{\"id\":\"b\"}\n],\n\
             \"last_seq\":\"2-b\",\"pending\":0}\n",
            &[
                "{\"seq\":1,\"id\":\"a\"}",
                "{\"id\":\"b\"}",
                "{\"results\":[],\"last_seq\":\"2-b\",\"pending\":0}",
            ],
        );
        // PouchDB.
        check(
            "{\"results\":[{\"id\":\"a\",\"seq\":1},{\"id\":\"b\"}],\"last_seq\":2}",
            &["{\"id\":\"a\",\"seq\":1}", "{\"id\":\"b\"}", "{\"results\":[],\"last_seq\":2}"],
        );
        // Nothing new, the keys in another order, a sequence that is a list.
        check("{\"results\":[\n\n],\n\"last_seq\":0}", &["", "{\"results\":[],\"last_seq\":0}"]);
        check(
            "{ \"last_seq\" : [4, \"g {1\"] , \"results\" : [ {\"id\":\"a\"} ] }",
            &["{\"id\":\"a\"}", "{\"last_seq\":[4,\"g {1\"],\"results\":[]}"],
        );
        // Whatever stands in a row.
        let row = r#"{"id":"]}\"\\","x":[[{}],{"y":", {"}], "n" : 1.50}"#;
        check(&format!("{{\"results\":[{row},\n{row}"), &[row, row]);
    }

    #[test]
    fn each_empty_line_is_a_sign_of_life() {
        let input = "{\"results\":[\n\n\n{\"id\":\"a\n\n\"}\n\n],\n\"last_seq\":1}\n\n";
        check(input, &["", "", "{\"id\":\"a\n\n\"}", "", "{\"results\":[],\"last_seq\":1}"]);
    }

    #[test]
    fn a_sign_of_life_between_two_rows_made_their_comma_a_part_of_the_rest() {
        for between in [",", ",\n", "\n,\n", "\n,", " , ", "\r\n,\r\n", ",\n\n", "\n\n,"] {
            let rows = format!("{{\"id\":1}}{between}{{\"id\":2}}");
            let input = format!("{{\"results\":[\n{rows}\n],\n\"last_seq\":1}}\n");
            for step in 1..=input.len() {
                let mut found = items(&input, step);
                found.retain(|item| !item.is_empty());
                let rest = "{\"results\":[],\"last_seq\":1}";
                assert_eq!(found, ["{\"id\":1}", "{\"id\":2}", rest], "{between:?} by {step}");
            }
        }
    }

    #[test]
    fn what_is_no_such_answer_is_shown_as_it_is() {
        check("<html>\n<body>\n", &["<html>"]);
        check("{\"error\":\"x\",\"reason\":\"y\"}\n", &["{\"error\":\"x\",\"reason\":\"y\"}"]);
        // A second answer in the first: what it says is found.
        check(
            "{\"results\":[\nHTTP/1.1 500 Oh\r\nA: b\r\n\r\n{\"error\":\"x\"}\n",
            &["", "{\"error\":\"x\"}"],
        );
        check("]]]]\n", &["]"]);
        let long = "x".repeat(FEED_ANSWER_BYTES + 1);
        assert_eq!(items(&format!("{{\"{long}{long}"), 1000)[0].len(), FEED_ANSWER_BYTES + 1);
    }

    #[test]
    fn a_row_may_be_as_long_as_the_limit_and_no_longer() {
        let row = |length: usize| format!("{{\"id\":\"{}\"}}", "x".repeat(length - 9));
        let page = |row: &str| format!("{{\"results\":[{row},{{\"id\":1}}],\"last_seq\":1}}");
        check(&page(&row(60)), &[&row(60), "{\"id\":1}", "{\"results\":[],\"last_seq\":1}"]);
        check(&page(&row(61)), &["! a line is longer than 60 bytes"]);
    }
}
