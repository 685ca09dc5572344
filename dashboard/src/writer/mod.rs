//! Writes lines in a thread, because writing may block.

mod lines;
#[cfg(test)]
mod tests;

use lines::LineOutput;
use std::fmt;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Bytes of lines that may wait to be written: more than a second of any load.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Capacity of the buffer that is kept after writing. More is released.
const PENDING_BYTES_KEPT: usize = 64 * 1024;
/// How long the start of the program waits for a file to open. A local disk takes a thousandth of
/// it. A FIFO without a reader stays closed, and lines wait for its reader.
const OPEN_TIME: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the last lines.
const FLUSH_TIME: Duration = Duration::from_secs(1);
/// Threads that may be opening the same file. A thread that is blocked, by a FIFO without a reader
/// for example, stays when the file is opened again.
const OPENING_MAX: usize = 4;

/// Writes lines in a separate thread, so that a disk, a pipe that is not read, or opening a file
/// never blocks the caller. Lines that cannot be written are counted, and the log gets one message
/// at the first lost line and one after recovery. Clones write to the same output.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Handle>);

/// Ends the thread after the last clone is dropped and everything is written.
struct Handle(Arc<Shared>);

/// The output of the lines.
pub(crate) type Output = Box<dyn Write + Send>;

struct Shared {
    /// The name of the output in messages.
    name: String,
    /// The output is the log itself, so that messages about it are written to it directly.
    is_log: bool,
    lost: AtomicU64,
    state: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    /// The number of the thread that writes, and of the thread that was started last.
    writer: u64,
    latest: u64,
    /// Threads that are opening the output.
    opening: usize,
    /// Lines that are being written, by one thread, or briefly by two after the output was opened
    /// again.
    in_hand: u64,
    is_ending: bool,
    /// The log has a message that lines are lost.
    is_losing: bool,
    /// Lines lost since that message.
    losing: u64,
}

impl Writer {
    /// Starts a thread that writes to the result of `open`, which is called in the thread.
    ///
    /// # Errors
    /// The error of `open`, if it fails within a second. Later errors are logged.
    pub(crate) fn open(
        name: impl Into<String>,
        open: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self::new(name.into(), false);
        let (opened, is_open) = sync_channel(1);
        writer.start(open, Some(opened))?;
        match is_open.recv_timeout(OPEN_TIME) {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) => {}
            Err(_) => log::warn!("{} is not open yet; its lines wait", writer.shared().name),
        }
        Ok(writer)
    }

    /// Starts a thread that writes the log.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(crate) fn of_log(name: &str, output: Output) -> io::Result<Self> {
        let writer = Self::new(name.into(), true);
        writer.start(move || Ok(output), None)?;
        Ok(writer)
    }

    fn new(name: String, is_log: bool) -> Self {
        let (lost, state, changed) = (AtomicU64::new(0), Mutex::default(), Condvar::new());
        Writer(Arc::new(Handle(Arc::new(Shared { name, is_log, lost, state, changed }))))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Opens the output again, after a file was moved away. Lines go to the old one until the new
    /// one is open, and if it cannot be opened.
    pub(crate) fn reopen(&self, open: impl FnOnce() -> io::Result<Output> + Send + 'static) {
        let name = &self.shared().name;
        if self.shared().state().opening >= OPENING_MAX {
            log::error!("{name} is still being opened; still writing to the old file");
        } else if let Err(error) = self.start(open, None) {
            log::error!("cannot reopen {name}: {error}; still writing to the old file");
        }
    }

    /// Queues whole lines. They are dropped and counted if the queue is full.
    pub(crate) fn write(&self, lines: &[u8]) {
        let shared = self.shared();
        let mut state = shared.state();
        if state.pending.len() + lines.len() > PENDING_BYTES_MAX {
            let why = "it is slower than its lines arrive";
            drop(shared.lose(state, count_lines(lines), &why));
        } else {
            state.pending.extend_from_slice(lines);
            drop(state);
            shared.changed.notify_all();
        }
    }

    /// Returns the number of lines that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared().lost.load(Relaxed)
    }

    /// Waits until all lines are written, at most a second. For the end of the program: lines that
    /// are still not written are logged as lost.
    pub(crate) fn flush(&self) {
        let shared = self.shared();
        let lost = self.give_up();
        if *lost.end() == 0 || shared.is_log {
            return;
        }
        let (least, most) = lost.into_inner();
        let lost = if least == most { most.to_string() } else { format!("{least} to {most}") };
        log::error!("cannot write to {} before the exit; lost lines: {lost}", shared.name);
    }

    /// Waits as [`flush`](Self::flush) does and drops the remaining lines. Returns the range of
    /// lost lines, because the output may have received some of the lines that are being written.
    fn give_up(&self) -> RangeInclusive<u64> {
        let shared = self.shared();
        let is_unwritten = |state: &mut Queue| state.is_unwritten();
        let waited = shared.changed.wait_timeout_while(shared.state(), FLUSH_TIME, is_unwritten);
        let (mut state, _) = waited.expect("no thread panics while it holds this lock");
        let lost = count_lines(&std::mem::take(&mut state.pending));
        shared.lost.fetch_add(lost, Relaxed);
        lost..=lost + std::mem::take(&mut state.in_hand)
    }

    fn start(
        &self,
        open: impl FnOnce() -> io::Result<Output> + Send + 'static,
        report: Option<SyncSender<io::Result<()>>>,
    ) -> io::Result<()> {
        let shared = Arc::clone(self.shared());
        let mut state = shared.state();
        state.opening += 1;
        state.latest += 1;
        let number = state.latest;
        drop(state);
        let thread = std::thread::Builder::new().name("writer".into());
        let spawned = thread.spawn(move || {
            let opened = open();
            shared.state().opening -= 1;
            let (outcome, output) = match opened {
                Ok(output) => (Ok(()), Some(output)),
                Err(error) => (Err(error), None),
            };
            let unheard = match report {
                Some(report) => report.send(outcome).err().map(|unheard| unheard.0),
                None => Some(outcome),
            };
            if let Some(Err(error)) = unheard {
                log::error!(
                    "cannot reopen {}: {error}; still writing to the old file",
                    shared.name
                );
            }
            if let Some(output) = output {
                shared.run(number, LineOutput::to(output));
            }
        });
        if spawned.is_err() {
            self.shared().state().opening -= 1;
        }
        spawned.map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state().is_ending = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn is_unwritten(&self) -> bool {
        !self.pending.is_empty() || self.in_hand > 0
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().expect("no thread panics while it holds this lock")
    }

    /// Writes until the program ends and everything is written, or until a newer thread takes over.
    fn run(&self, number: u64, mut lines: LineOutput) {
        let mut chunk = vec![];
        let mut state = self.state();
        if state.writer > number {
            return; // a newer thread is already writing
        }
        state.writer = number;
        self.changed.notify_all();
        loop {
            let is_idle = |state: &mut Queue| {
                state.pending.is_empty() && !state.is_ending && state.writer == number
            };
            state = self
                .changed
                .wait_while(state, is_idle)
                .expect("no thread panics while it holds this lock");
            if state.writer != number || state.pending.is_empty() {
                break;
            }
            std::mem::swap(&mut state.pending, &mut chunk);
            let in_hand = count_lines(&chunk);
            state.in_hand += in_hand;
            drop(state);
            let written = lines.write(&chunk);
            chunk.clear();
            chunk.shrink_to(PENDING_BYTES_KEPT);
            state = self.state();
            // Before this thread counts as finished, so that the end of the program waits for the
            // message.
            state = match written {
                Ok(()) => self.recover(state, &mut lines),
                Err((lost, error)) => self.lose(state, lost, &error),
            };
            // `give_up` may have counted these already.
            state.in_hand = state.in_hand.saturating_sub(in_hand);
            self.changed.notify_all();
        }
        let torn = u64::from(lines.is_torn());
        self.lost.fetch_add(torn, Relaxed);
    }

    /// Counts lines as lost, and logs the first time.
    fn lose<'a>(
        &'a self,
        mut state: MutexGuard<'a, Queue>,
        lines: u64,
        why: &dyn fmt::Display,
    ) -> MutexGuard<'a, Queue> {
        self.lost.fetch_add(lines, Relaxed);
        state.losing += lines;
        if std::mem::replace(&mut state.is_losing, true) || self.is_log {
            return state;
        }
        drop(state); // the log may use the same writer
        log::error!("cannot write to {}: {why}; dropping lines", self.name);
        self.state()
    }

    /// After a successful write: logs how many lines were lost, once the queue is empty.
    fn recover<'a>(
        &'a self,
        mut state: MutexGuard<'a, Queue>,
        lines: &mut LineOutput,
    ) -> MutexGuard<'a, Queue> {
        if !state.is_losing || !state.pending.is_empty() {
            return state;
        }
        state.is_losing = false;
        let lost = std::mem::take(&mut state.losing);
        drop(state);
        let message = format!("writing to {} again; lost lines: {lost}", self.name);
        if !self.is_log {
            log::warn!("{message}");
        } else if lines.write(format!("dashboard: {message}\n").as_bytes()).is_err() {
            let mut state = self.state();
            state.is_losing = true;
            state.losing += lost;
            return state;
        }
        self.state()
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.split_inclusive(|byte| *byte == b'\n').count() as u64
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({})", self.shared().name)
    }
}
