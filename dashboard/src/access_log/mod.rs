//! The access log: a line for each answer, in the combined format of Apache and nginx.

mod entry;
mod target;

pub(crate) use entry::LoggedRequest;
pub(crate) use target::LogTarget;

use crate::console::Console;
use crate::writer::Writer;
use masque::reactor::{Cx, Event, Handlers, Session};
use std::io;
use std::time::Duration;

/// Collects lines and gives them to the writer thread in batches.
#[derive(Debug)]
pub(crate) struct AccessLog {
    target: LogTarget,
    writer: Writer,
    batch: Vec<u8>,
}

/// An answer to be logged.
#[derive(Debug)]
pub(crate) struct LogLine {
    pub(crate) entry: LoggedRequest,
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) body_bytes: u64,
}

/// How long a line waits for others. This delay is too short to notice.
const GATHER: Duration = Duration::from_millis(200);
/// Bytes of a batch that is written immediately.
const BATCH_BYTES: usize = 64 * 1024;

impl AccessLog {
    /// Call it with an answer.
    pub(crate) const WRITE: Event<LogLine> = Event::new("access_log.write");
    /// Opens the file again, after it was moved away. If that fails, the old file is still written
    /// to.
    pub(crate) const REOPEN: Event<()> = Event::new("access_log.reopen");
    const FLUSH: Event<()> = Event::new("access_log.flush");

    /// Opens the log. If a file is not open within a second, such as a FIFO without a reader, only
    /// the writer thread waits for it.
    pub(crate) fn open(target: LogTarget, console: &Console) -> io::Result<Self> {
        let writer = target.open(console)?;
        Ok(AccessLog { target, writer, batch: vec![] })
    }

    /// Returns the writer of the lines.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    fn write(&mut self, cx: &mut Cx<'_>, line: LogLine) {
        if self.batch.is_empty() {
            cx.delay(Self::FLUSH, GATHER, ());
        }
        line.entry.write(line.status, line.body_bytes, &mut self.batch);
        if self.batch.len() >= BATCH_BYTES {
            cx.delay_clear(Self::FLUSH);
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.writer.write(&self.batch);
            self.batch.clear();
        }
    }

    fn reopen(&mut self, _: &mut Cx<'_>, (): ()) {
        self.flush();
        self.target.reopen(&self.writer);
    }
}

impl Session for AccessLog {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::WRITE, Self::write)
            .on(Self::REOPEN, Self::reopen)
            .on(Self::FLUSH, |log, _, ()| log.flush());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // An alias keeps the session alive as long as another session can call it.
        if let Err(taken) = cx.alias("access_log") {
            log::warn!("{taken}");
        }
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        self.flush();
        self.writer.flush();
    }
}
