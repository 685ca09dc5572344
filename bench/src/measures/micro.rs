//! The cost of the kernel's verbs, compared with the same by hand and in other libraries: timed by
//! a separate program, on the server's core, and counted in instructions if valgrind is installed.

use super::Bench;
use crate::micro::CASES;
use crate::report::{Figure, Report, Table};
use crate::spread::Spread;
use crate::{Failure, sys};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(super) fn take(bench: &mut Bench, report: &mut Report) {
    if let Err(failure) = try_take(bench, report) {
        report.leave_out("micro", &failure.0);
    }
}

fn try_take(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let found = timed(bench)?;
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind {
        report.note("no instructions are counted: valgrind is not installed");
    }
    let mut times = Table::new("The kernel's verbs: time of one");
    let mut instructions = Table::new("The kernel's verbs: instructions of one");
    for case in CASES {
        let own = found.iter().filter(|(name, ..)| name == case.name);
        let cells = own.map(|(_, column, spread)| (column.clone(), *spread)).collect();
        times.add_cells(Figure::new(case.name, "ns"), cells);
        if has_valgrind {
            eprintln!("   instructions of {}", case.name);
            let mut cells = vec![];
            for (column, _) in case.columns {
                let count = count(case.name, column, case.batch)?;
                cells.extend(Spread::of([count]).map(|spread| ((*column).to_owned(), spread)));
            }
            instructions.add_cells(Figure::new(case.name, ""), cells);
        }
    }
    report.add(times);
    if has_valgrind {
        report.add(instructions);
    }
    Ok(())
}

/// Case, column and nanoseconds.
fn timed(bench: &Bench) -> Result<Vec<(String, String, Spread)>, Failure> {
    let core = bench.core;
    let mut command = Command::new(program()?);
    command.arg(bench.plan.samples.to_string()).stderr(Stdio::inherit());
    // SAFETY: only system calls are made between fork and exec.
    unsafe {
        command.pre_exec(move || {
            sys::die_with_parent()?;
            core.map_or(Ok(()), sys::pin)
        });
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(Failure(format!("micro ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| read(line).ok_or_else(|| Failure(format!("micro: {line}")))).collect()
}

fn read(line: &str) -> Option<(String, String, Spread)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| value[name].as_f64();
    let (median, min, max) = (number("median")?, number("min")?, number("max")?);
    let spread =
        Spread { median, min, max, count: usize::try_from(value["count"].as_u64()?).ok()? };
    Some((value["case"].as_str()?.into(), value["column"].as_str()?.into(), spread))
}

/// Instructions of one: of a longer run less those of a shorter, so that only batches are counted.
fn count(case: &str, column: &str, batch: usize) -> Result<f64, Failure> {
    const SHORT: usize = 30;
    const LONG: usize = 60;
    let short = instructions(case, column, SHORT)?;
    let long = instructions(case, column, LONG)?;
    Ok((long - short) / ((LONG - SHORT) * batch) as f64)
}

fn instructions(case: &str, column: &str, batches: usize) -> Result<f64, Failure> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program()?);
    command.args([case, column, &batches.to_string()]);
    // SAFETY: only system calls are made between fork and exec.
    unsafe { command.pre_exec(sys::die_with_parent) };
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| Failure(format!("callgrind counts nothing of {case} by {column}")))
}

fn program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("micro"))
}
