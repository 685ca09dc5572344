//! A checkpoint in a file.

use super::Checkpoint;
use crate::limits::{CHECKPOINT_BYTES, CHECKPOINT_FLUSH_TIME};
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};

/// The file in which a feed stores its checkpoint.
///
/// A checkpoint is written to a temporary file, synced to the disk and then renamed, so that there
/// is always a complete one: the newest or the one before. A thread does that, because a disk may
/// block.
///
/// A file belongs to one feed. A second, empty file with the suffix `.lock` is locked until this
/// value is dropped, or its feed has ended and has written its last checkpoint. The system releases
/// a lock when its process ends, so a crash leaves none. The empty file stays; do not remove it
/// while a feed may run. If the file system has no locks, that is logged, and nothing prevents two
/// feeds from using one file.
#[derive(Debug)]
#[must_use = "the file is locked only until this is dropped"]
pub struct CheckpointFile {
    path: PathBuf,
    checkpoint: Option<Checkpoint>,
    lock: File,
}

/// Why a checkpoint file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It cannot be read, or its lock file cannot be created, as in a folder that does not exist.
    Io(PathBuf, io::Error),
    /// Another feed, of this process or another, uses it.
    InUse(PathBuf),
    /// The file has no complete checkpoint.
    Broken(PathBuf),
}

impl CheckpointFile {
    /// Locks this file and reads its checkpoint, if the file exists. It blocks, so call it before
    /// the loop runs.
    ///
    /// # Errors
    /// If the file is in use or cannot be read, or if it is empty or broken: a silent new start
    /// would hide that rows are missed or reported again.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CheckpointError> {
        let path = path.into();
        let lock = lock(&path)?;
        // A FIFO would be waited for without end, and a folder has no checkpoint in it.
        if path.metadata().is_ok_and(|data| !data.is_file()) {
            return Err(CheckpointError::Broken(path));
        }
        let mut text = String::new();
        let read = File::open(&path)
            .and_then(|file| file.take(CHECKPOINT_BYTES).read_to_string(&mut text));
        let checkpoint = match read {
            Ok(_) => match text.parse() {
                Ok(checkpoint) => Some(checkpoint),
                Err(_) => return Err(CheckpointError::Broken(path)),
            },
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(CheckpointError::Broken(path));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(CheckpointError::Io(path, error)),
        };
        Ok(CheckpointFile { path, checkpoint, lock })
    }

    /// The checkpoint that was read when the file was opened.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "the checkpoint {}: {error}", path.display()),
            Self::InUse(path) => write!(
                f,
                "the checkpoint {} is in use by another feed: end that one, or give each a file of \
                 its own",
                path.display()
            ),
            Self::Broken(path) => write!(
                f,
                "the checkpoint {} is empty or broken: put a whole one in its place, or remove it \
                 to begin anew",
                path.display()
            ),
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::InUse(_) | Self::Broken(_) => None,
        }
    }
}

/// Locks a separate file next to `path`, because each write replaces the file itself.
fn lock(path: &Path) -> Result<File, CheckpointError> {
    let lock_at = PathBuf::from(with_suffix(path, ".lock"));
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_at);
    let lock = opened.map_err(|error| CheckpointError::Io(lock_at.clone(), error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(CheckpointError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => {
            log::warn!("{} cannot be locked, let no other feed use it: {error}", lock_at.display());
        }
    }
    Ok(lock)
}

/// The channel to the thread that writes. The thread ends when this is dropped and the newest
/// checkpoint is written.
#[derive(Debug)]
pub(super) struct Writer {
    to_write: Option<SyncSender<Checkpoint>>,
    /// The last checkpoint that was given to the thread; `None` once writing has failed.
    last: Option<Checkpoint>,
    /// The results of writing; disconnected when the thread has ended.
    written: Receiver<io::Result<()>>,
    /// True if the thread has a checkpoint whose result has not arrived.
    is_busy: bool,
}

impl Writer {
    pub(super) fn start(file: CheckpointFile) -> io::Result<Self> {
        // Room for the one under way and for a last one, so that only the end is ever waited for.
        let (to_write, checkpoints) = sync_channel::<Checkpoint>(2);
        let (tell, written) = sync_channel(2);
        let CheckpointFile { path, lock, .. } = file;
        std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            for checkpoint in checkpoints {
                if tell.send(write(&path, &fitting(checkpoint))).is_err() {
                    break;
                }
            }
            drop(lock); // before whoever waits for the end sees it
        })?;
        Ok(Writer { to_write: Some(to_write), last: None, written, is_busy: false })
    }

    /// Writes a checkpoint after the one before, if it differs from that.
    pub(super) fn write(&mut self, checkpoint: Checkpoint) {
        if self.last.as_ref() == Some(&checkpoint) {
            return;
        }
        self.last = Some(checkpoint.clone());
        let is_taken = self.to_write.as_ref().is_some_and(|to| to.send(checkpoint).is_ok());
        self.is_busy |= is_taken;
    }

    /// The result of the last checkpoint, once it is known; `None` while it is being written, or if
    /// there was none.
    pub(super) fn outcome(&mut self) -> Option<io::Result<()>> {
        let outcome = match self.written.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Disconnected) if self.is_busy => Err(gone()),
            Err(_) => return None,
        };
        self.is_busy = false;
        if outcome.is_err() {
            self.last = None;
        }
        Some(outcome)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Waits for a limited time until all is written. Returns the last result.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.to_write = None;
        let mut last = Ok(());
        loop {
            // There are two at most.
            match self.written.recv_timeout(CHECKPOINT_FLUSH_TIME / 2) {
                Ok(outcome) => last = outcome,
                Err(RecvTimeoutError::Disconnected) => return last,
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::TimedOut.into()),
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes it is gone")
}

fn is_too_long(text: &str) -> bool {
    text.len() as u64 > CHECKPOINT_BYTES
}

/// The checkpoint's text. If the file would be longer than its limit, the marks are left out:
/// sequences may be long. Some rows are then reported again without a mark.
fn fitting(checkpoint: Checkpoint) -> String {
    let text = checkpoint.to_string();
    if !is_too_long(&text) {
        return text;
    }
    checkpoint.without_marks().to_string()
}

/// Writes `text` to a temporary file and renames it. After a crash there is the old file or the new
/// one, complete.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if is_too_long(text) {
        return Err(io::Error::other("its sequence is too long to be kept"));
    }
    let aside = with_suffix(path, ".new");
    let mut file = File::create(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&aside, path)?;
    // Its new name is not on the disk before its folder is. Only Unix lets a folder be opened.
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

fn with_suffix(path: &Path, suffix: &str) -> OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder, which is removed when this is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("masque-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("feed.checkpoint")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn checkpoint(seq: &str) -> Checkpoint {
        let text = format!(r#"{{"seq":"{seq}","database":"http://h:1/db","query":""}}"#);
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_is_found_again_and_nothing_but_the_lock_is_left_beside_it() {
        let folder = Folder::new("newest");
        let file = CheckpointFile::open(folder.file()).unwrap();
        assert_eq!(file.checkpoint(), None);
        let mut writer = Writer::start(file).unwrap();
        for seq in 1..=20 {
            writer.write(checkpoint(&seq.to_string()));
            if seq < 19 {
                writer.written.recv().unwrap().unwrap();
            }
        }
        writer.finish().unwrap();
        let file = CheckpointFile::open(folder.file()).unwrap();
        assert_eq!(file.checkpoint(), Some(&checkpoint("20")));
        let mut names: Vec<_> =
            std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["feed.checkpoint", "feed.checkpoint.lock"]);
    }

    #[test]
    fn a_long_sequence_made_a_file_that_was_refused_at_the_next_start() {
        let folder = Folder::new("long");
        let most = CHECKPOINT_BYTES as usize;
        // With its marks, without them, and not at all.
        for (length, is_marked, is_kept) in
            [(100, true, true), (most - 1000, false, true), (most, false, false)]
        {
            let marks = (0..100).fold(String::new(), |text, n| text + &format!("{n:016x}"));
            let text = checkpoint(&"9".repeat(length)).to_string();
            let text = text.replace("\n}", &format!(",\n  \"recent\": \"{marks}\"\n}}"));
            let with_marks: Checkpoint = text.parse().unwrap();
            let without = with_marks.clone().without_marks();
            assert_ne!(with_marks, without);
            let file = CheckpointFile::open(folder.file()).unwrap();
            let before = file.checkpoint().cloned();
            let mut writer = Writer::start(file).unwrap();
            writer.write(with_marks.clone());
            assert_eq!(writer.finish().is_ok(), is_kept);
            let now = if is_marked { with_marks } else { without };
            let file = CheckpointFile::open(folder.file()).unwrap();
            assert_eq!(file.checkpoint(), if is_kept { Some(&now) } else { before.as_ref() });
        }
    }

    #[test]
    fn what_is_written_is_not_written_again() {
        let folder = Folder::new("twice");
        let mut writer = Writer::start(CheckpointFile::open(folder.file()).unwrap()).unwrap();
        writer.write(checkpoint("1"));
        writer.written.recv().unwrap().unwrap();
        writer.write(checkpoint("1"));
        writer.to_write = None;
        assert!(writer.written.recv().is_err(), "it was written twice");
    }

    #[test]
    fn a_file_is_of_one_feed_at_a_time() {
        let folder = Folder::new("one");
        let one = CheckpointFile::open(folder.file()).unwrap();
        let refused = || {
            let error = CheckpointFile::open(folder.file()).unwrap_err();
            assert!(matches!(&error, CheckpointError::InUse(path) if *path == folder.file()));
            let advice = "is in use by another feed: end that one, or give each a file of its own";
            assert!(error.to_string().contains(advice), "{error}");
        };
        refused();
        refused();
        drop(CheckpointFile::open(folder.0.join("other.checkpoint")).unwrap());
        drop(one);
        // Once it writes, it is in use until all is written.
        let file = CheckpointFile::open(folder.file()).unwrap();
        let mut writer = Writer::start(file).unwrap();
        refused();
        writer.write(checkpoint("1"));
        writer.written.recv().unwrap().unwrap();
        refused();
        writer.write(checkpoint("2"));
        writer.finish().unwrap();
        let file = CheckpointFile::open(folder.file()).unwrap();
        assert_eq!(file.checkpoint(), Some(&checkpoint("2")));
    }

    #[test]
    fn a_broken_file_is_an_error_that_says_what_to_do() {
        let folder = Folder::new("broken");
        let long = " ".repeat(CHECKPOINT_BYTES as usize) + &checkpoint("1").to_string();
        for text in ["", "{\"seq\":\"1\"", "\0\0\0", "0", &long] {
            std::fs::write(folder.file(), text).unwrap();
            let error = CheckpointFile::open(folder.file()).unwrap_err().to_string();
            let advice = "is empty or broken: put a whole one in its place, or remove it";
            assert!(error.contains(advice) && error.contains("feed.checkpoint"), "{error}");
        }
        std::fs::write(folder.file(), b"\xff").unwrap();
        let error = CheckpointFile::open(folder.file()).unwrap_err();
        assert!(matches!(error, CheckpointError::Broken(_)), "{error}");
    }

    #[test]
    fn a_fifo_that_nothing_writes_to_was_waited_for_without_end() {
        let folder = Folder::new("fifo");
        let made = std::process::Command::new("mkfifo").arg(folder.file()).status();
        assert!(made.unwrap().success());
        let error = CheckpointFile::open(folder.file()).unwrap_err();
        assert!(matches!(error, CheckpointError::Broken(_)), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_found_at_once() {
        let folder = Folder::new("nowhere");
        let error = CheckpointFile::open(folder.0.join("no/such.checkpoint")).unwrap_err();
        assert!(matches!(error, CheckpointError::Io(..)), "{error}");
    }

    #[test]
    fn a_failure_to_write_is_known_and_the_old_one_stays() {
        let folder = Folder::new("failure");
        let file = CheckpointFile::open(folder.file()).unwrap();
        std::fs::write(folder.file(), checkpoint("1").to_string()).unwrap();
        std::fs::create_dir(folder.0.join("feed.checkpoint.new")).unwrap();
        let mut writer = Writer::start(file).unwrap();
        writer.write(checkpoint("2"));
        writer.finish().unwrap_err();
        let file = CheckpointFile::open(folder.file()).unwrap();
        assert_eq!(file.checkpoint(), Some(&checkpoint("1")));
    }
}
