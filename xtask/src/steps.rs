//! The steps of `cargo xtask test`, in the order in which they run: the quick and the common
//! failures first.

use crate::run::{Failure, cargo};
use crate::{browser, features, limits, packages, tidy, tools};
use std::process::ExitCode;
use std::time::Instant;

/// A part of the tests that can be run by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    work: fn() -> Result<(), Failure>,
}

/// Every step, in order.
pub(crate) const ALL: &[Step] = &[
    Step {
        name: "tools",
        about: "Node, npm packages and Chromium are there",
        work: tools::prepare,
    },
    Step { name: "fmt", about: "the code is formatted", work: fmt },
    Step { name: "tidy", about: "the house rules hold", work: tidy::check },
    Step { name: "clippy", about: "the lints are silent", work: clippy },
    Step {
        name: "features",
        about: "the library builds without a warning with each feature, none and all",
        work: features::check,
    },
    Step { name: "doc", about: "the documentation builds, every link resolves", work: doc },
    Step { name: "unit", about: "the tests beside the code", work: unit },
    Step { name: "examples", about: "the examples build", work: examples },
    Step {
        name: "scenario",
        about: "the integration tests, the examples' transcripts too",
        work: scenario,
    },
    Step { name: "tls", about: "lints and tests with the feature `tls`", work: tls },
    Step { name: "doctest", about: "the programs in the documentation", work: doctest },
    Step { name: "servers", about: "servers and clients that others wrote", work: servers },
    Step { name: "peers", about: "tools that break, measure and proxy servers", work: peers },
    Step { name: "limits", about: "few dependencies, a small binary", work: limits::check },
    Step {
        name: "packages",
        about: "the packages are small, and their own tests pass",
        work: packages::check,
    },
    Step { name: "browser", about: "the page in headless Chromium", work: browser::test },
];

/// The steps of these names, or all for no names; `None` when a name is unknown.
pub(crate) fn named(names: &[&str]) -> Option<Vec<Step>> {
    if names.is_empty() {
        return Some(ALL.to_vec());
    }
    names.iter().map(|name| ALL.iter().find(|step| step.name == *name).copied()).collect()
}

/// Takes the steps one after the other; the first that fails is the last.
pub(crate) fn take(steps: &[Step]) -> ExitCode {
    let start = Instant::now();
    for step in steps {
        println!("== {}: {}", step.name, step.about);
        let began = Instant::now();
        if let Err(failure) = (step.work)() {
            let name = step.name;
            eprintln!("xtask: {name} failed: {failure}; alone: cargo xtask test {name}");
            return ExitCode::FAILURE;
        }
        println!("   {} took {:.1} s", step.name, began.elapsed().as_secs_f64());
    }
    println!("xtask: {} steps passed in {} s", steps.len(), start.elapsed().as_secs());
    ExitCode::SUCCESS
}

/// Runs one piece of work that is a command of its own.
pub(crate) fn take_alone(name: &str, work: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {name} failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn fmt() -> Result<(), Failure> {
    cargo("fmt --all --check").run()
}

fn clippy() -> Result<(), Failure> {
    cargo("clippy --workspace --all-targets -- -D warnings").run()
}

fn doc() -> Result<(), Failure> {
    for features in ["--workspace", "--all-features", "--package masque --no-default-features"] {
        cargo(&format!("doc --no-deps {features}")).env("RUSTDOCFLAGS", "-D warnings").run()?;
    }
    Ok(())
}

fn unit() -> Result<(), Failure> {
    cargo("test --workspace --lib --bins").run()
}

fn examples() -> Result<(), Failure> {
    cargo("build --workspace --examples").run()
}

fn scenario() -> Result<(), Failure> {
    build_what_tests_start()?;
    cargo("test --workspace --test *").run()
}

/// What the feature `tls` adds; what it leaves as it was has been tested without it.
fn tls() -> Result<(), Failure> {
    cargo("clippy --workspace --all-targets --features dashboard/tls -- -D warnings").run()?;
    cargo("test --package masque --features tls --lib changes_feed").run()?;
    cargo("test --package dashboard --features tls --bins command_line").run()?;
    cargo("test --package masque --features tls --test it tls").run()
}

fn doctest() -> Result<(), Failure> {
    cargo("test --workspace --doc").run()
}

fn servers() -> Result<(), Failure> {
    build_what_tests_start()?;
    cargo("test --workspace --test * -- --ignored --skip dashboard::tools").run()
}

/// All at once, as most of them wait for a limit of the server to be reached.
fn peers() -> Result<(), Failure> {
    tools::prepare_peers()?;
    build_what_tests_start()?;
    cargo("test --package masque --test it dashboard::tools -- --ignored --test-threads=16").run()
}

/// The integration tests start the examples and the dashboard as programs; Cargo builds neither for
/// a test of another package.
fn build_what_tests_start() -> Result<(), Failure> {
    cargo("build --workspace --bins --examples").run()
}

#[cfg(test)]
mod tests {
    use super::{ALL, named};

    #[test]
    fn names_select_steps() {
        let names = |wanted: &[&str]| {
            named(wanted).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["unit", "fmt"]), Some(vec!["unit", "fmt"]), "in the order asked for");
        assert_eq!(names(&[]).map(|all| all.len()), Some(ALL.len()), "no name means all");
        assert_eq!(names(&["unit", "unti"]), None, "a wrong name is not passed over");
    }
}
