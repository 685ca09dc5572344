//! Writing batches where it may block: in a thread.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

/// Batches that may wait for the disk, each of 64 KiB: more than a second of any load.
const BATCHES_MAX: usize = 64;

/// How long the end of the program waits for the last batch.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to a thread that writes. It ends when this is dropped and all has been written.
#[derive(Debug)]
pub(super) struct Writer {
    batches: Option<SyncSender<Vec<u8>>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Writer {
    /// Opens the target to be appended to.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let mut output: Box<dyn Write + Send> = match target {
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(File::options().append(true).create(true).open(path)?),
        };
        let (batches, to_write) = sync_channel::<Vec<u8>>(BATCHES_MAX);
        let (end, ended) = sync_channel::<()>(0);
        let shown = target.to_string();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            let _end = end;
            let mut is_failing = false;
            for batch in to_write {
                let written = output.write_all(&batch).and_then(|()| output.flush());
                if let Err(error) = &written
                    && !is_failing
                {
                    log::error!("{shown}: {error}; lines are lost"); // once, not for each batch
                }
                is_failing = written.is_err();
            }
        })?;
        Ok(Writer { batches: Some(batches), ended })
    }

    /// Has a batch written; whether there was room for it.
    pub(super) fn write(&self, batch: Vec<u8>) -> bool {
        self.batches.as_ref().is_some_and(|batches| batches.try_send(batch).is_ok())
    }

    /// Waits, but not for ever, until all has been written.
    pub(super) fn finish(&mut self) {
        self.batches = None;
        let _ = self.ended.recv_timeout(PATIENCE); // it only ever ends, or does not
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("stdout"),
            Target::File(path) => path.display().fmt(f),
        }
    }
}
