//! The destination of the access log.

use crate::console::Console;
use crate::writer::{Output, Writer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The destination of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTarget {
    Stdout,
    File(PathBuf),
}

impl LogTarget {
    /// Opens the destination.
    pub(super) fn open(&self, console: &Console) -> io::Result<Writer> {
        match self {
            LogTarget::Stdout => Ok(console.stdout().clone()),
            LogTarget::File(path) => {
                let (name, path) = (format!("access log {}", path.display()), path.clone());
                Writer::open(name, move || append(&path))
            }
        }
    }

    /// Opens a file again and writes to the new one from then on.
    pub(super) fn reopen(&self, writer: &Writer) {
        if let LogTarget::File(path) = self {
            let path = path.clone();
            writer.reopen(move || append(&path));
        }
    }
}

/// Opens a file to append lines to it.
fn append(path: &Path) -> io::Result<Output> {
    let mut file = File::options().append(true).create(true).open(path)?;
    if ends_within_a_line(path) {
        file.write_all(b"\n")?;
    }
    Ok(Box::new(file))
}

/// Returns true if the last line of a file is incomplete, after a crash for example. The next line
/// must not be appended to it.
fn ends_within_a_line(path: &Path) -> bool {
    if !path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0) {
        return false;
    }
    let mut last = [b'\n'];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)
    });
    read.is_ok() && last != *b"\n" // a file may be writable but not readable
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::Stdout => f.write_str("-"),
            LogTarget::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_was_appended_to_half_a_line_of_an_earlier_run() {
        let path = std::env::temp_dir().join(format!("dashboard-log-{}", std::process::id()));
        for (before, after) in [("", "new\n"), ("whole\n", "whole\nnew\n"), ("ha", "ha\nnew\n")] {
            std::fs::write(&path, before).expect("it can be written to");
            append(&path).and_then(|mut file| file.write_all(b"new\n")).expect("there is room");
            assert_eq!(std::fs::read_to_string(&path).expect("it is text"), after);
        }
        std::fs::remove_file(&path).expect("it is there");
    }
}
