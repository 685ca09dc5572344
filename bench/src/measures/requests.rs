//! Requests that are answered at once, on connections that stay.

use super::Bench;
use super::stage::Stage;
use crate::report::{Report, runs_table};

pub(super) fn take(bench: &mut Bench, report: &mut Report) {
    let askers = bench.plan.askers;
    let visits = bench.alternate(report, bench.plan.short_visits, askers, |bench, contestant| {
        eprintln!("   {}", contestant.name);
        let mut stage = Stage::set(bench, contestant, bench.plan.document_bytes)?;
        stage.open(askers)?;
        stage.run(0, bench.plan.requests / 10)?; // warm
        stage.run(0, bench.plan.requests)
    });
    let title = format!("Requests answered at once, on {askers} connections that stay");
    report.add(runs_table(&title, "request", &visits));
}
