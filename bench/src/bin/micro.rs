//! `micro SAMPLES` times every verb, a line of JSON each; `micro CASE COLUMN BATCHES` runs one, so
//! that its instructions can be counted.

use bench::micro::CASES;
use serde_json::json;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [samples] => samples.parse().map_or(ExitCode::from(2), time_all),
        [case, column, batches] => do_one(case, column, batches).unwrap_or(ExitCode::from(2)),
        _ => ExitCode::from(2),
    }
}

fn time_all(samples: usize) -> ExitCode {
    for case in CASES {
        for (column, make) in case.columns {
            let Some(spread) = case.time(make(), samples) else { return ExitCode::from(2) };
            let line = json!({
                "case": case.name,
                "column": column,
                "median": spread.median,
                "min": spread.min,
                "max": spread.max,
                "count": spread.count,
            });
            println!("{line}");
        }
    }
    ExitCode::SUCCESS
}

fn do_one(case: &str, column: &str, batches: &str) -> Option<ExitCode> {
    let case = CASES.iter().find(|own| own.name == case)?;
    let (_, make) = case.columns.iter().find(|(own, _)| *own == column)?;
    let mut batch = make();
    (0..batches.parse::<usize>().ok()?).for_each(|_| batch());
    Some(ExitCode::SUCCESS)
}
