//! Connections that come, ask once and go.

use super::Bench;
use super::stage::Stage;
use crate::report::{Report, runs_table};

pub(super) fn take(bench: &mut Bench, report: &mut Report) {
    let visits = bench.alternate(report, bench.plan.short_visits, 1, |bench, contestant| {
        eprintln!("   {}", contestant.name);
        let mut stage = Stage::set(bench, contestant, bench.plan.document_bytes)?;
        let document = stage.feeder.document();
        stage.load.visits(bench.plan.connections / 10, &document)?; // warm
        let before = stage.account.settled()?;
        let run = stage.load.visits(bench.plan.connections, &document)?;
        Ok((run, stage.account.settled_since(before)?))
    });
    report.add(runs_table("Connections that come, ask once and go", "connection", &visits));
}
