//! The project's own commands: `cargo xtask test`, `cargo xtask bench`, `cargo xtask soak`,
//! `cargo xtask picture`, `cargo xtask tidy`, `cargo xtask prose`.
//!
//! All automation is here, in the language of the project, so that it runs wherever the project
//! does: no make, no shell scripts.
#![forbid(unsafe_code)]

mod bench;
mod browser;
mod features;
mod limits;
mod packages;
mod run;
mod soak;
mod steps;
mod tidy;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", names @ ..] => match steps::named(names) {
            Some(steps) => steps::take(&steps),
            None => usage(),
        },
        ["bench", words @ ..] => steps::take_alone("bench", || bench::run(words)),
        ["soak", words @ ..] => match soak::plan(words) {
            Some(plan) => steps::take_alone("soak", || soak::run(plan)),
            None => usage(),
        },
        ["picture"] => steps::take_alone("picture", browser::renew_picture),
        ["tidy"] => steps::take_alone("tidy", tidy::check),
        ["prose", paths @ ..] => steps::take_alone("prose", || tidy::prose(paths)),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask test [STEP...]   run every test, or these steps of it");
    eprintln!(
        "       cargo xtask bench [NAME...]  measure the dashboard beside others, or parts of it"
    );
    eprintln!("       cargo xtask soak [SECONDS] [--release]");
    eprintln!("                                    minutes of every kind of browser, the feed cut");
    eprintln!("       cargo xtask picture          renew the README's picture of the page");
    eprintln!("       cargo xtask tidy             check the house rules that a text search can");
    eprintln!("       cargo xtask prose [PATH...]  print sentences that are not plain English");
    eprintln!("\nsteps of the test:");
    for step in steps::ALL {
        eprintln!("  {:9} {}", step.name, step.about);
    }
    ExitCode::from(2)
}
