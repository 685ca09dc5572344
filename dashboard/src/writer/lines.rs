//! Writes whole lines to an output that may fail in the middle of a line.

use super::{Output, count_lines};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How long to wait before writing again to an output that is full but does not block. The parent
/// process may have made a pipe nonblocking.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Writes lines so that no line follows an incomplete one. If a line was truncated, by a full disk
/// for example, its rest is written first.
pub(super) struct LineOutput {
    output: Output,
    /// The rest of the truncated line.
    torn: Vec<u8>,
}

impl LineOutput {
    pub(super) fn to(output: Output) -> Self {
        LineOutput { output, torn: vec![] }
    }

    /// Writes these lines. Returns how many of them are lost, and why.
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

    /// Returns true if the last line is incomplete.
    pub(super) fn is_torn(&self) -> bool {
        !self.torn.is_empty()
    }

    fn write_all_of_torn(&mut self) -> Result<(), (usize, io::Error)> {
        write_all(&mut *self.output, &self.torn)
    }
}

/// Writes all bytes. An error contains the number of bytes written before it.
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
