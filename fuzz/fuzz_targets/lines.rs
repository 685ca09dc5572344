//! Lines are cut in the same places however their bytes come, and never longer than they may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque::filters::{LineTooLong, Lines};

/// Small, so that the limit is met.
const MAX: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_last() else { return };
    let whole = cut(bytes, bytes.len().max(1));
    assert_eq!(cut(bytes, usize::from(step).max(1)), whole);
    assert_eq!(cut(bytes, 1), whole);
    assert_eq!(whole, plainly(bytes));
});

fn cut(bytes: &[u8], step: usize) -> Vec<Result<Vec<u8>, LineTooLong>> {
    let mut lines = Lines::new(MAX);
    let mut found = vec![];
    for piece in bytes.chunks(step) {
        lines.feed(piece);
        found.extend(lines.by_ref());
        assert!(lines.pending() <= MAX + 1);
    }
    found.extend(lines.finish());
    found.into_iter().map(|line| line.map(|line| line.to_vec())).collect()
}

/// The same by other means.
fn plainly(bytes: &[u8]) -> Vec<Result<Vec<u8>, LineTooLong>> {
    let mut lines = vec![];
    let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let line = if is_last { part } else { part.strip_suffix(b"\r").unwrap_or(part) };
        if line.len() > MAX {
            lines.push(Err(LineTooLong { max: MAX }));
            break;
        }
        if !is_last || !line.is_empty() {
            lines.push(Ok(line.to_vec()));
        }
    }
    lines
}
