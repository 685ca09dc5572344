//! The access log: a line for each answer, in the combined format of Apache and nginx.

mod entry;
mod writer;

pub(crate) use entry::Entry;
pub(crate) use writer::Target;

use crate::metrics::Metrics;
use masque::reactor::{Cx, Event, Handlers, Session};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// Gathers lines and has them written in batches by a thread, so that a slow disk, or a pipe that
/// nobody reads, never holds up the loop. When it does not keep up, lines are dropped and counted.
#[derive(Debug)]
pub(crate) struct AccessLog {
    target: Target,
    writer: Writer,
    batch: Vec<u8>,
    lines: u64,
    metrics: Arc<Metrics>,
}

/// An answer to be logged.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) entry: Box<Entry>,
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
    pub(crate) const WRITE: Event<Line> = Event::new("access_log.write");
    /// Opens the file anew, as after it was moved away. When that fails, the old one is written on.
    pub(crate) const REOPEN: Event<()> = Event::new("access_log.reopen");
    const FLUSH: Event<()> = Event::new("access_log.flush");

    pub(crate) fn open(target: Target, metrics: Arc<Metrics>) -> io::Result<Self> {
        let writer = Writer::open(&target)?;
        Ok(AccessLog { target, writer, batch: vec![], lines: 0, metrics })
    }

    fn write(&mut self, cx: &mut Cx<'_>, line: Line) {
        if self.lines == 0 {
            cx.delay(Self::FLUSH, GATHER, ());
        }
        line.entry.write(line.status, line.body_bytes, &mut self.batch);
        self.lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            cx.delay_clear(Self::FLUSH);
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (batch, lines) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.lines));
        if lines > 0 && !self.writer.write(batch) {
            self.metrics.unlogged.add(lines);
        }
    }

    fn reopen(&mut self, _: &mut Cx<'_>, (): ()) {
        self.flush();
        match Writer::open(&self.target) {
            Ok(writer) => self.writer = writer,
            Err(error) => log::error!("{}: {error}; the old file is written on", self.target),
        }
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
        self.writer.finish();
    }
}
