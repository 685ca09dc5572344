//! Writing whole lines to what may fail between two bytes.

use super::{Output, count_lines};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How often a place that takes nothing, but does not block, is asked again. Whoever started the
/// program may have set its pipes so.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Writes lines so that no half line is ever followed by another line: the rest of a line that was
/// cut off, by a full disk for example, is written first when there is room again.
pub(super) struct LineOutput {
    output: Output,
    /// The rest of the line that was cut off.
    torn: Vec<u8>,
}

impl LineOutput {
    pub(super) fn to(output: Output) -> Self {
        LineOutput { output, torn: vec![] }
    }

    /// Writes these lines, or returns how many of them are lost, and why.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        if let Err((written, error)) = self.write_all_of_torn() {
            self.torn.drain(..written);
            return Err((count_lines(lines), error));
        }
        self.torn.clear();
        let Err((written, error)) = write_all(&mut *self.output, lines) else { return Ok(()) };
        let (done, rest) = lines.split_at(written);
        let is_torn = done.last().is_some_and(|last| *last != b'\n');
        let end = rest.iter().position(|byte| *byte == b'\n').filter(|_| is_torn);
        let (torn, lost) = rest.split_at(end.map_or(0, |end| end + 1));
        self.torn.extend_from_slice(torn);
        Err((count_lines(lost), error))
    }

    /// True if the last line was cut off.
    pub(super) fn is_torn(&self) -> bool {
        !self.torn.is_empty()
    }

    fn write_all_of_torn(&mut self) -> Result<(), (usize, io::Error)> {
        write_all(&mut *self.output, &self.torn)
    }
}

/// Writes all, or returns how many bytes were written before the error.
fn write_all(output: &mut dyn io::Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::park_timeout(RETRY_PAUSE);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}
