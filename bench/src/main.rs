//! `bench [MEASURE...] [--quick] [--only CONTESTANT]... [--under COMMAND] [--out DIR]`

use bench::contestants;
use bench::machine::Machine;
use bench::measures::{self, Bench, Measure};
use bench::plan::Plan;
use bench::report::Report;
use bench::{Failure, sys};
use std::path::PathBuf;
use std::process::ExitCode;

struct Options {
    measures: Vec<Measure>,
    plan: Plan,
    only: Vec<String>,
    under: Vec<String>,
    out: PathBuf,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else { return usage() };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Failure> {
    let Options { measures, plan, only, under, out } = options;
    let mut report = Report::new(Machine::here());
    sys::end_after(plan.time);
    let descriptors = sys::raise_descriptors()? as usize;
    let most = plan.browsers.iter().chain(&plan.growth).max().copied().unwrap_or_default();
    if descriptors < most + 200 {
        return Err(Failure(format!("{most} browsers need more than {descriptors} descriptors")));
    }
    let core = if let [server, .., load] = sys::cores()[..] {
        sys::pin(load)?;
        Some(server)
    } else {
        report.note("There is one core for both server and load: no figure means much");
        None
    };
    let mut bench = Bench::new(plan, &only, core, &mut report);
    bench.under = under;
    for measure in &measures {
        bench.take(measure, &mut report);
        // The results until now are worth keeping, whatever happens next.
        report.write(&out)?;
    }
    println!("written to {}", out.display());
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        measures: vec![],
        plan: Plan::full(),
        only: vec![],
        under: vec![],
        out: PathBuf::from("target/bench"),
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.plan = Plan::quick(),
            "--out" => options.out = arguments.next()?.into(),
            "--under" => {
                options.under = arguments.next()?.split_whitespace().map(str::to_owned).collect();
            }
            "--only" => {
                let name = arguments.next()?;
                contestants::ALL.iter().find(|own| own.name == name)?;
                options.only.push(name);
            }
            name => {
                let measure = measures::ALL.iter().find(|measure| measure.name == name)?;
                options.measures.push(*measure);
            }
        }
    }
    if options.measures.is_empty() {
        options.measures = measures::ALL.to_vec();
    }
    Some(options)
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: bench [MEASURE...] [--quick] [--only CONTESTANT]... [--under COMMAND] [--out DIR]"
    );
    eprintln!("  --quick           a smoke run of two minutes: its figures mean little");
    eprintln!("  --only CONTESTANT leave all others out");
    eprintln!("  --under COMMAND   start servers under this: a profiler");
    eprintln!("  --out DIR         write the report there rather than to target/bench");
    eprintln!("\nmeasures (all, unless some are named):");
    for measure in measures::ALL {
        eprintln!("  {:12} {}", measure.name, measure.about);
    }
    eprintln!("\ncontestants (all that are installed):");
    for contestant in contestants::ALL {
        eprintln!("  {:12} {}", contestant.name, contestant.about);
    }
    ExitCode::from(2)
}
