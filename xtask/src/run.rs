//! Other programs: started in the repository's root, heard or left to speak for themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fmt, io};

/// Why a step ended, in one line.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// The folder of the running profile's siblings: `target`, wherever it has been put.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows the running program");
    program.ancestors().nth(2).expect("it is target/PROFILE/xtask").to_owned()
}

/// A program with its arguments, to be run in the root.
#[derive(Debug)]
pub(crate) struct Run {
    line: String,
    command: Command,
}

/// `cargo`, the one that runs us, with arguments that are separated by blanks.
pub(crate) fn cargo(arguments: &str) -> Run {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = program(Path::new(&cargo), arguments);
    run.line = format!("cargo {arguments}");
    run
}

/// A program with arguments that are separated by blanks.
pub(crate) fn program(path: &Path, arguments: &str) -> Run {
    let mut command = Command::new(path);
    command.args(arguments.split_ascii_whitespace()).current_dir(root());
    Run { line: format!("{} {arguments}", path.display()), command }
}

impl Run {
    /// Adds an argument, blanks and all.
    pub(crate) fn arg(mut self, word: &str) -> Run {
        self.line = format!("{} {word}", self.line);
        self.command.arg(word);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Runs it in this folder rather than in the root.
    pub(crate) fn within(mut self, folder: &Path) -> Run {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end with our own output; any status but 0 is a failure.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let status = self.command.stdin(Stdio::null()).status().map_err(|e| self.start(&e))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure(format!("`{}` ended with {status}", self.line)))
        }
    }

    /// Runs it to its end and gives what it wrote to stdout; any status but 0 is a failure.
    pub(crate) fn read(mut self) -> Result<String, Failure> {
        let output = self.command.stdin(Stdio::null()).output().map_err(|e| self.start(&e))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(Failure(format!("`{}` ended with {}", self.line, output.status)))
        }
    }

    fn start(&self, error: &io::Error) -> Failure {
        Failure(format!("`{}` cannot be started: {error}", self.line))
    }
}
