//! Bytes that wait to be written: small text, which is copied, and large shared buffers, which are
//! not.

#[cfg(feature = "http")]
use super::HttpDate;
use crate::limits::{OUTPUT_COPIED_BYTES, OUTPUT_KEPT_BYTES};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
#[cfg(feature = "http")]
use std::time::SystemTime;

/// The bytes that have not been written, in order: copied text and shared buffers.
///
/// All text is in one reused buffer, and a shared buffer has a position in it. So a head and a
/// large body are two slices of one gathered write, and a head and a small body are one slice. An
/// `Output` that has been written completely allocates nothing for the next item.
#[derive(Debug, Default)]
pub struct Output {
    text: Vec<u8>,
    /// The number of bytes of `text` that have been written.
    written: usize,
    shared: VecDeque<Shared>,
    len: usize,
    /// The last date that was appended, and its text.
    #[cfg(feature = "http")]
    date: Option<(HttpDate, [u8; DATE_BYTES])>,
}

/// The length of a date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`.
#[cfg(feature = "http")]
const DATE_BYTES: usize = 29;

/// A shared buffer, which is written after the text before `at`.
#[derive(Debug)]
struct Shared {
    at: usize,
    bytes: Bytes,
}

impl Output {
    /// Creates an empty output. It allocates nothing.
    pub const fn new() -> Self {
        Self {
            text: Vec::new(),
            written: 0,
            shared: VecDeque::new(),
            len: 0,
            #[cfg(feature = "http")]
            date: None,
        }
    }

    /// Appends a copy of `text`. O(`text`).
    pub fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.len += text.len();
    }

    /// Appends `bytes`. Up to [`OUTPUT_COPIED_BYTES`] they are copied, because that costs less;
    /// more are shared. O(1).
    pub fn shared(&mut self, bytes: Bytes) {
        if bytes.len() <= OUTPUT_COPIED_BYTES {
            self.text(&bytes);
        } else {
            self.len += bytes.len();
            self.shared.push_back(Shared { at: self.text.len(), bytes });
        }
    }

    #[cfg(feature = "http")]
    /// Appends a date as HTTP writes it (RFC 9110, section 5.6.7). It is formatted once a second
    /// and then copied. A time that HTTP cannot write becomes the closest one: see [`HttpDate`].
    pub fn date(&mut self, date: SystemTime) {
        let date = HttpDate::from(date);
        let text = match self.date {
            Some((of, text)) if of == date => text,
            _ => {
                let mut text = [0; DATE_BYTES];
                text.copy_from_slice(date.to_string().as_bytes());
                self.date = Some((date, text));
                text
            }
        };
        self.text(&text);
    }

    /// The number of bytes that have not been written. O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of bytes of memory that it owns or shares. O(shared buffers).
    pub fn room(&self) -> usize {
        let marks = self.shared.capacity() * size_of::<Shared>();
        let shared: usize = self.shared.iter().map(|shared| shared.bytes.len()).sum();
        self.text.capacity() + marks + shared
    }

    /// Returns true if all has been written. O(1).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `slices` with the next bytes, for one gathered write. Returns the number of slices
    /// that were filled. O(`slices`).
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        if let (true, Some(slice)) = (self.shared.is_empty() && self.len > 0, slices.first_mut()) {
            *slice = IoSlice::new(&self.text[self.written..]);
            return 1;
        }
        let mut free = slices.iter_mut();
        let room = free.len();
        for part in self.parts() {
            match free.next() {
                Some(slice) => *slice = IoSlice::new(part),
                None => return room,
            }
        }
        room - free.len()
    }

    /// Marks the first `written` bytes as written, and releases their buffers.
    ///
    /// # Panics
    /// If `written` is more than [`len`](Self::len).
    pub fn advance(&mut self, written: usize) {
        assert!(written <= self.len, "{written} of {} bytes marked as written", self.len);
        if written == self.len {
            return self.clear();
        }
        self.len -= written;
        let mut left = written;
        while left > 0 {
            let text_end = self.shared.front().map_or(self.text.len(), |shared| shared.at);
            let text = left.min(text_end - self.written);
            self.written += text;
            left -= text;
            if let Some(front) = self.shared.front_mut() {
                let part = left.min(front.bytes.len());
                front.bytes.advance(part);
                left -= part;
                if !front.bytes.is_empty() {
                    break;
                }
                self.shared.pop_front();
            }
        }
        if self.written > self.text.len() / 2 && self.written > OUTPUT_KEPT_BYTES {
            self.close_up();
        }
    }

    /// Drops all bytes that have not been written. Keeps a little capacity for the next item.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(OUTPUT_KEPT_BYTES);
        self.shared.clear();
        self.written = 0;
        self.len = 0;
    }

    /// A copy of all bytes that have not been written, for tests and logs. O(`len`).
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().flatten().copied().collect()
    }

    /// The runs of bytes in order. None is empty.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.written;
        self.shared
            .iter()
            .map(|shared| (shared.at, Some(&shared.bytes[..])))
            .chain([(self.text.len(), None)])
            .flat_map(move |(at, bytes)| {
                let text = &self.text[from..at];
                from = at;
                [text, bytes.unwrap_or_default()]
            })
            .filter(|part| !part.is_empty())
    }

    /// Releases the part of the text that has been written, for a peer that reads slowly without a
    /// pause. The copy is not longer than the bytes written since the last one, so the cost is
    /// amortized.
    fn close_up(&mut self) {
        self.text.drain(..self.written);
        for shared in &mut self.shared {
            shared.at -= self.written;
        }
        self.written = 0;
    }
}

/// `write!(output, ...)` appends text; it never fails.
impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text.as_bytes());
        Ok(())
    }
}

/// For encoders that write to [`io::Write`], such as `serde_json`'s. It never fails.
impl io::Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn filled() -> Output {
        let mut output = Output::new();
        output.text(b"head ");
        output.text(b"one|");
        output.shared(Bytes::from_static(&BODIES[0]));
        output.shared(Bytes::from_static(&BODIES[1]));
        output.text(b"head two|");
        output.shared(Bytes::new());
        output.shared(Bytes::from_static(b"small|"));
        output.shared(Bytes::from_static(&BODIES[2]));
        output.text(b"tail");
        output
    }

    const SHARED_BYTES: usize = OUTPUT_COPIED_BYTES + 1;
    static BODIES: [[u8; SHARED_BYTES]; 3] =
        [[b'1'; SHARED_BYTES], [b'2'; SHARED_BYTES], [b'3'; SHARED_BYTES]];

    fn all() -> Vec<u8> {
        let [one, two, three] = &BODIES;
        [b"head one|", &one[..], two, b"head two|small|", three, b"tail"].concat()
    }

    #[test]
    fn is_written_in_order_in_writes_of_any_length() {
        let all = all();
        for step in (1..=100).chain((101..=all.len()).step_by(101)) {
            let mut output = filled();
            let mut written = Vec::new();
            while !output.is_empty() {
                assert_eq!(output.len(), all.len() - written.len());
                let mut slices = [IoSlice::new(&[]); 3];
                let count = output.gather(&mut slices);
                let front: Vec<u8> =
                    slices[..count].iter().flat_map(|s| s.iter().copied()).collect();
                let step = step.min(front.len());
                written.extend_from_slice(&front[..step]);
                output.advance(step);
            }
            assert_eq!(written.escape_ascii().to_string(), all.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_head_and_a_body_are_two_slices() {
        let output = filled();
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(output.gather(&mut slices), 6);
        assert_eq!(&*slices[0], b"head one|");
        assert_eq!(&*slices[1], BODIES[0]);
        assert_eq!(output.gather(&mut slices[..2]), 2);
        assert_eq!(Output::new().gather(&mut slices), 0);
    }

    #[test]
    fn a_shared_buffer_is_not_copied() {
        let body = Bytes::from(vec![b'x'; OUTPUT_COPIED_BYTES + 1]);
        let mut output = Output::new();
        output.shared(body.clone());
        let mut slices = [IoSlice::new(&[]); 1];
        output.gather(&mut slices);
        assert_eq!(slices[0].as_ptr(), body.as_ptr());
    }

    #[test]
    fn a_small_buffer_goes_in_one_slice_with_what_is_before_it() {
        let mut output = Output::new();
        output.text(b"head ");
        output.shared(Bytes::from(vec![b'x'; OUTPUT_COPIED_BYTES]));
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(output.gather(&mut slices), 1);
        assert_eq!(slices[0].len(), 5 + OUTPUT_COPIED_BYTES);
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_date_is_that_of_its_second() {
        let mut output = Output::new();
        for millis in [784_111_777_000, 784_111_777_999, 784_111_778_000, 784_111_777_000] {
            output.date(UNIX_EPOCH + Duration::from_millis(millis));
            output.text(b"\n");
        }
        let written = String::from_utf8(output.to_vec()).unwrap();
        let seconds: Vec<_> = written.lines().map(|date| &date[23..25]).collect();
        assert_eq!(seconds, ["37", "37", "38", "37"]);
        assert!(written.starts_with("Sun, 06 Nov 1994 08:49:37 GMT\n"), "{written}");
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_clock_that_no_date_of_http_can_show_panicked() {
        let mut output = Output::new();
        output.date(UNIX_EPOCH - Duration::from_secs(1));
        output.date(UNIX_EPOCH + Duration::from_secs(253_402_300_800));
        let written = String::from_utf8(output.to_vec()).unwrap();
        assert_eq!(written, "Thu, 01 Jan 1970 00:00:00 GMTFri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn the_room_for_text_is_kept_when_small_and_given_back_when_large() {
        let mut output = Output::new();
        output.text(&[b'x'; 200]);
        let room = output.text.as_ptr();
        output.advance(200);
        output.text(&[b'y'; 200]);
        assert_eq!(output.text.as_ptr(), room);
        output.text(&vec![b'z'; 10 * OUTPUT_KEPT_BYTES]);
        output.advance(output.len());
        assert!(output.text.capacity() <= OUTPUT_KEPT_BYTES);
    }

    #[test]
    fn a_peer_that_is_always_a_little_behind_costs_no_more_memory() {
        let mut output = Output::new();
        output.text(b"behind");
        for _ in 0..10_000 {
            output.text(&[b'x'; 100]);
            output.shared(Bytes::from_static(&BODIES[0]));
            output.advance(100 + SHARED_BYTES);
        }
        assert_eq!(output.len(), 6);
        assert!(output.text.capacity() < 8 * OUTPUT_KEPT_BYTES, "{}", output.text.capacity());
    }

    #[test]
    #[should_panic(expected = "5 of 4 bytes marked as written")]
    fn no_more_can_be_written_than_there_is() {
        let mut output = Output::new();
        output.text(b"four");
        output.advance(5);
    }

    #[test]
    fn clear_drops_all() {
        let mut output = filled();
        output.advance(3);
        output.clear();
        assert!(output.is_empty());
        output.text(b"new");
        assert_eq!(output.to_vec(), b"new");
    }
}
