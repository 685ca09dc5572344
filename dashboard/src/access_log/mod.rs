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

/// Gathers lines and has them written in batches by a thread.
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
    /// What was sent behind the head.
    pub(crate) body_bytes: u64,
}

/// How long a line waits for others: nobody who reads along notices.
const GATHER: Duration = Duration::from_millis(200);
/// A batch that is written at once.
const BATCH_BYTES: usize = 64 * 1024;

impl AccessLog {
    /// Call it with what is to be logged.
    pub(crate) const WRITE: Event<LogLine> = Event::new("access_log.write");
    /// Opens the file anew, as after it was moved away. When that fails, the old one is written on.
    pub(crate) const REOPEN: Event<()> = Event::new("access_log.reopen");
    const FLUSH: Event<()> = Event::new("access_log.flush");

    /// Opens the log. A file that is not open within a second, such as a FIFO without a reader,
    /// is still waited for, by the writing thread only.
    pub(crate) fn open(target: LogTarget, console: &Console) -> io::Result<Self> {
        let writer = target.open(console)?;
        Ok(AccessLog { target, writer, batch: vec![] })
    }

    /// Where the lines go.
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
        // It is there for whoever calls it, for as long as anybody is.
        if let Err(taken) = cx.alias("access_log") {
            log::warn!("{taken}");
        }
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        self.flush();
        self.writer.flush();
    }
}
