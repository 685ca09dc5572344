//! Writing lines where it may block: in a thread.

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
/// Capacity for waiting lines that is kept when they are written. More is released.
const PENDING_BYTES_KEPT: usize = 64 * 1024;
/// How long the start of the program waits until a file is open. A local disk takes a thousandth of
/// it; a FIFO without a reader is not open then, and lines wait for its reader.
const OPEN_TIME: Duration = Duration::from_secs(1);
/// How long the end of the program waits until all is written.
const FLUSH_TIME: Duration = Duration::from_secs(1);
/// Threads that may be opening the same file. Each that is blocked, by a FIFO without a reader for
/// example, is left alone when the file is opened again.
const OPENING_MAX: usize = 4;

/// Writes lines in a thread of its own, so that neither a disk, nor a pipe that is not read, nor
/// opening a file ever blocks the caller. LineOutput that cannot be written are counted; the log gets
/// one message when that begins and one when it is over. A clone writes to the same place.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Handle>);

/// Has the thread end when the last clone is dropped and all is written.
struct Handle(Arc<Shared>);

/// Where lines go.
pub(crate) type Output = Box<dyn Write + Send>;

struct Shared {
    /// Names the place in messages.
    name: String,
    /// True if this is where the log itself goes: messages about it go there directly.
    is_log: bool,
    lost: AtomicU64,
    state: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    /// The number of the thread that writes, and of the latest thread that was started to.
    writer: u64,
    latest: u64,
    /// Threads that are opening the place.
    opening: usize,
    /// LineOutput that are being written, by one thread, or by two for the moment after the place was
    /// opened again.
    in_hand: u64,
    is_ending: bool,
    /// True if the log has been told that lines are lost.
    is_losing: bool,
    /// LineOutput lost since then.
    losing: u64,
}

impl Writer {
    /// Starts to write to what `open` returns. It runs in the thread.
    ///
    /// # Errors
    /// What `open` returns within a second. Later errors are logged.
    pub(crate) fn open(
        name: impl Into<String>,
        open: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self::new(name.into(), false);
        let (tell, told) = sync_channel(1);
        writer.start(open, Some(tell))?;
        match told.recv_timeout(OPEN_TIME) {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) => {}
            Err(_) => log::warn!("{} is not open yet; lines wait for it", writer.shared().name),
        }
        Ok(writer)
    }

    /// Starts to write to what the log goes to.
    ///
    /// # Errors
    /// When the system has no thread for it.
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

    /// Opens the place again, as after a file was moved away. LineOutput go to the old one until the new
    /// one is open, and if it cannot be opened.
    pub(crate) fn reopen(&self, open: impl FnOnce() -> io::Result<Output> + Send + 'static) {
        let name = &self.shared().name;
        if self.shared().state().opening >= OPENING_MAX {
            log::error!("{name} is still being opened; the old file is still written to");
        } else if let Err(error) = self.start(open, None) {
            log::error!("{name}: {error}; the old file is still written to");
        }
    }

    /// Queues whole lines. If too many wait already, they are lost and counted.
    pub(crate) fn write(&self, lines: &[u8]) {
        let shared = self.shared();
        let mut state = shared.state();
        if state.pending.len() + lines.len() > PENDING_BYTES_MAX {
            let why = "it is not written as fast as lines come";
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

    /// Waits until all lines are written, a second at most. This is for the end of the program, so
    /// what is not written then is logged as lost.
    pub(crate) fn flush(&self) {
        let shared = self.shared();
        let lost = self.give_up();
        if *lost.end() == 0 || shared.is_log {
            return;
        }
        let (least, most) = lost.into_inner();
        let lost = if least == most { most.to_string() } else { format!("{least} to {most}") };
        log::error!("{} takes nothing; lost lines: {lost}", shared.name);
    }

    /// Waits as [`flush`](Self::flush) does and drops what is left. Returns how many lines are
    /// lost: of those that are being written the place may have taken any number.
    fn give_up(&self) -> RangeInclusive<u64> {
        let shared = self.shared();
        let is_unwritten = |state: &mut Queue| state.is_unwritten();
        let waited = shared.changed.wait_timeout_while(shared.state(), FLUSH_TIME, is_unwritten);
        let (mut state, _) = waited.expect("no thread panics with it");
        let lost = count_lines(&std::mem::take(&mut state.pending));
        shared.lost.fetch_add(lost, Relaxed);
        lost..=lost + std::mem::take(&mut state.in_hand)
    }

    fn start(
        &self,
        open: impl FnOnce() -> io::Result<Output> + Send + 'static,
        tell: Option<SyncSender<io::Result<()>>>,
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
            let unheard = match tell {
                Some(tell) => tell.send(outcome).err().map(|unheard| unheard.0),
                None => Some(outcome),
            };
            if let Some(Err(error)) = unheard {
                log::error!("{}: {error}; the old file is still written to", shared.name);
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

    /// Writes until all is written at the end, or until a thread that was started later takes over.
    fn run(&self, number: u64, mut lines: LineOutput) {
        let mut chunk = vec![];
        let mut state = self.state();
        if state.writer > number {
            return; // one that was started later was faster
        }
        state.writer = number;
        self.changed.notify_all();
        loop {
            let is_idle = |state: &mut Queue| {
                state.pending.is_empty() && !state.is_ending && state.writer == number
            };
            state = self.changed.wait_while(state, is_idle).expect("no thread panics with it");
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
            // Before this thread counts as done, so that the end of the program waits for it.
            state = match written {
                Ok(()) => self.recover(state, &mut lines),
                Err((lost, error)) => self.lose(state, lost, &error),
            };
            // Less if these were given up meanwhile.
            state.in_hand = state.in_hand.saturating_sub(in_hand);
            self.changed.notify_all();
        }
        let torn = u64::from(lines.is_torn());
        self.lost.fetch_add(torn, Relaxed);
    }

    /// Counts lines as lost, and logs the first ones.
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
        drop(state); // the log may go the same way
        log::error!("{}: {why}; lines are lost", self.name);
        self.state()
    }

    /// Something was written: logs how many lines were lost before, once none waits any more.
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
        let told = format!("{} is written again; lost lines: {lost}", self.name);
        if !self.is_log {
            log::warn!("{told}");
        } else if lines.write(format!("dashboard: {told}\n").as_bytes()).is_err() {
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
