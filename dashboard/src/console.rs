//! Output of the program: stdout for its addresses, stderr for the log and errors. The server keeps
//! running if nothing reads them.

use crate::writer::{Output, Writer};
use log::LevelFilter;
use masque::couch_feed::limits::REASON_CHARS;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Both streams, each with its own writer thread. Clones write to the same streams.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    stdout: Writer,
    stderr: Writer,
}

impl Console {
    /// Starts the writer threads.
    ///
    /// # Errors
    /// If the system cannot provide a file descriptor or a thread.
    pub(crate) fn open() -> io::Result<Self> {
        let stderr = unbuffered(&io::stderr())?;
        let stdout = unbuffered(&io::stdout())?;
        Ok(Console {
            stderr: Writer::of_log("stderr", stderr)?,
            stdout: Writer::open("stdout", move || Ok(stdout))?,
        })
    }

    /// Sends log records and messages of panics to stderr from now on.
    pub(crate) fn start_log(&self, level: LevelFilter) {
        log::set_boxed_logger(Box::new(Log(self.stderr.clone())))
            .expect("the program sets the logger once");
        log::set_max_level(level);
        let console = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let backtrace = Backtrace::capture();
            let mut text = panic.to_string();
            if backtrace.status() == BacktraceStatus::Captured {
                let _ = write!(text, "\n{backtrace}"); // writing to a String cannot fail
            }
            console.stderr.write(format!("{text}\n").as_bytes());
        }));
    }

    /// Writes a line to stdout.
    pub(crate) fn print(&self, line: impl Display) {
        self.stdout.write(format!("{line}\n").as_bytes());
    }

    /// Writes an error to stderr, as one line.
    pub(crate) fn print_error(&self, why: impl Display) {
        // The message may repeat an argument of the command line, which may contain line ends.
        let why = why.to_string().replace(char::is_control, " ");
        self.stderr.write(format!("dashboard: {why}\n").as_bytes());
    }

    /// Waits until everything is written, at most a second for each stream.
    pub(crate) fn flush(&self) {
        self.stdout.flush();
        self.stderr.flush();
    }

    pub(crate) fn stdout(&self) -> &Writer {
        &self.stdout
    }

    pub(crate) fn stderr(&self) -> &Writer {
        &self.stderr
    }
}

/// Returns a stream of the process without the buffer and the lock of `std`, so that a blocked
/// writer thread holds no lock.
fn unbuffered(stream: &impl AsFd) -> io::Result<Output> {
    Ok(Box::new(File::from(stream.as_fd().try_clone_to_owned()?)))
}

/// Writes each record as a line. The macros of the crate `log` check the level.
struct Log(Writer);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (level, target) = (record.level(), record.target());
        self.0.write(format!("[{level:<5} {target}] {}\n", record.args()).as_bytes());
    }

    fn flush(&self) {}
}

/// Returns the start of a text from a server, short enough for a log. Print it with `{:?}`, which
/// escapes line ends and control sequences.
pub(crate) fn truncated(text: &str) -> &str {
    text.char_indices().nth(REASON_CHARS).map_or(text, |(end, _)| &text[..end])
}
