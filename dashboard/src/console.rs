//! What the program says: on stdout what it offers, on stderr its log and why it ends. It may be
//! that nothing reads either, and that is no reason to stop serving.

use crate::writer::{Output, Writer};
use log::LevelFilter;
use masque::limits::FEED_REASON_CHARS;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Both streams, each written to by a thread. A clone writes to the same.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    stdout: Writer,
    stderr: Writer,
}

impl Console {
    /// Takes the streams over.
    ///
    /// # Errors
    /// When the system has no descriptor or no thread for them.
    pub(crate) fn open() -> io::Result<Self> {
        let stderr = unbuffered(&io::stderr())?;
        let stdout = unbuffered(&io::stdout())?;
        Ok(Console {
            stderr: Writer::of_log("stderr", stderr)?,
            stdout: Writer::open("stdout", move || Ok(stdout))?,
        })
    }

    /// Sends what is logged from now on to stderr, and what a panic says.
    pub(crate) fn start_log(&self, level: LevelFilter) {
        log::set_boxed_logger(Box::new(Log(self.stderr.clone()))).expect("it is set once");
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

    /// Says a line on stdout.
    pub(crate) fn print(&self, line: impl Display) {
        self.stdout.write(format!("{line}\n").as_bytes());
    }

    /// Says on stderr, in one line, why the program ends or has not begun.
    pub(crate) fn print_error(&self, why: impl Display) {
        // What the operator wrote may be repeated in it, with line ends and all.
        let why = why.to_string().replace(char::is_control, " ");
        self.stderr.write(format!("dashboard: {why}\n").as_bytes());
    }

    /// Waits until all is written, a second for each stream at most.
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

/// A stream of the process without the buffer and the lock that std has for it: a thread that is
/// blocked holds neither.
fn unbuffered(stream: &impl AsFd) -> io::Result<Output> {
    Ok(Box::new(File::from(stream.as_fd().try_clone_to_owned()?)))
}

/// Writes each record as a line. The level is checked by the macros of the crate `log`.
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

/// As much of what a server says as a log may have; to be shown as `{:?}`, so that nothing in it
/// breaks the line or moves a terminal's cursor.
pub(crate) fn truncated(text: &str) -> &str {
    text.char_indices().nth(FEED_REASON_CHARS).map_or(text, |(end, _)| &text[..end])
}
