//! Programs that a test starts, listens to, and never leaves behind.

use super::wait::wait_until;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A running program. Dropping it kills it, by its own handle.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: Vec<String>,
    log: Arc<Mutex<String>>,
    /// Ended when the program has closed its stdout, and its stderr.
    readers: [JoinHandle<()>; 2],
}

impl Program {
    /// Starts `command`; its stdin stays open until it is killed or [`Program::close_stdin`].
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Program {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");

        // Both pipes are always read, or else a program that says much would stand still.
        let (said, lines) = channel();
        let listener = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The receiver is gone, but the pipe must still be read.
                let _ = said.send(line);
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        let keeper = thread::spawn(move || keep(stderr, &kept));
        let readers = [listener, keeper];
        Program { name, child, stdin, lines, heard: Vec::new(), log, readers }
    }

    /// The next line of stdout that begins with `prefix`; earlier lines are skipped.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, prefix: &str, within: Duration) -> String {
        let end = Instant::now() + within;
        loop {
            let why = match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(prefix) => return line,
                Ok(line) => {
                    self.heard.push(line);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => format!("said no {prefix:?} within {within:?}"),
                Err(RecvTimeoutError::Disconnected) => format!("ended without {prefix:?}"),
            };
            let heard = self.heard.join("\n");
            panic!("{} {why}\nstdout:\n{heard}\nstderr:\n{}", self.name, self.log());
        }
    }

    /// What it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    /// The lines of stdout that were skipped before a later one.
    pub(crate) fn heard(&self) -> &[String] {
        &self.heard
    }

    /// The lines of stdout that have arrived and that no call has waited for.
    pub(crate) fn unheard(&mut self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// What the system calls it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").expect("the program reads its stdin");
    }

    /// Ends its stdin, which many programs take for the word to end.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal by its name without `SIG`, as `INT`.
    #[track_caller]
    pub(crate) fn signal(&mut self, name: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &process]).status();
        assert!(status.is_ok_and(|status| status.success()), "{} has ended already", self.name);
    }

    /// Returns true if it has ended by itself and its whole output can be read.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.status().is_some()
    }

    /// Waits until it has ended by itself and its whole output can be read.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self, within: Duration) -> ExitStatus {
        wait_until(within, || self.has_ended());
        self.status().expect("it has ended")
    }

    fn status(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("it is our own program");
        status.filter(|_| self.readers.iter().all(JoinHandle::is_finished))
    }

    /// Kills it immediately, without a signal that it could handle.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn keep(mut stderr: impl Read, log: &Mutex<String>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..count]);
        log.lock().expect("a test only reads it").push_str(&text);
    }
}
