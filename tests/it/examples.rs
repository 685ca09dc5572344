//! The examples are the course: each prints what its header says it prints.

use crate::support::{PATIENCE, wait_until};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[test]
fn every_example_prints_its_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)
        .expect("there are examples")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    sources.sort();
    assert!(sources.len() >= 11, "{sources:?}");
    for source in sources {
        let name = source.file_stem().and_then(|stem| stem.to_str()).expect("it is a file");
        let text = fs::read_to_string(&source).expect("it is text");
        let expected = transcript(&text).unwrap_or_else(|| panic!("{name} has no transcript"));
        assert!(
            text.contains(&format!("cargo run --example {name}`")),
            "{name} says how to run it"
        );
        assert_eq!(run(name), expected, "{name}");
    }
}

/// The fenced text in an example's header.
fn transcript(source: &str) -> Option<String> {
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let fenced = header.skip_while(|line| *line != " ```text").skip(1);
    let lines: Vec<_> = fenced.take_while(|line| *line != " ```").collect();
    (!lines.is_empty())
        .then(|| lines.iter().fold(String::new(), |text, line| text + &line[1..] + "\n"))
}

/// What an example prints. `cargo test` builds them next to this test.
#[track_caller]
fn run(name: &str) -> String {
    let test = std::env::current_exe().expect("it runs");
    let folder = test.ancestors().nth(2).expect("it is in target/debug/deps");
    let example = folder.join("examples").join(name);
    let mut command = Command::new(&example);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| {
        panic!("{} cannot be run: {error} (`cargo build --examples` makes it)", example.display())
    });
    let mut running = Running(child);
    let mut status = None;
    wait_until(PATIENCE, || {
        status = running.0.try_wait().expect("it is our own program");
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}");
    let mut printed = String::new();
    let stdout = running.0.stdout.as_mut().expect("it is a pipe");
    stdout.read_to_string(&mut printed).expect("it prints text");
    printed
}

/// A program that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself when all is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
