//! The benchmark: the release builds of the dashboard and of its peers, and the program that
//! measures them.

use crate::run::{Failure, cargo, program, target};

/// Runs the benchmark with these arguments of its own.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    cargo("build --release --package dashboard --package bench --bins").run()?;
    let bench = program(&target().join("release/bench"), "");
    arguments.iter().fold(bench, |bench, word| bench.arg(word)).run()
}
