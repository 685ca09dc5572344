//! A feed that brings many documents, of which one is followed.

use super::Bench;
use super::stage::Stage;
use crate::Failure;
use crate::feeder::{self, Document, PER_FOLLOWED};
use crate::report::{Figure, Report, Table, thousands};
use crate::spread::Spread;
use std::time::{Duration, Instant};

pub(super) fn take(bench: &mut Bench, report: &mut Report) {
    for (lines, bytes) in bench.plan.feed.clone() {
        let visits = bench.alternate(report, bench.plan.visits, 1, |bench, contestant| {
            eprintln!("   {} with documents of {bytes} bytes", contestant.name);
            let mut stage = Stage::set(bench, contestant, bytes)?;
            stage.open(1)?;
            stage.park(0)?;
            let before = stage.account.settled()?;
            let time = pour(&mut stage, lines / PER_FOLLOWED, bytes)?;
            Ok((time, stage.account.settled_since(before)?))
        });
        let title = format!(
            "A feed of {} lines with documents of {} bytes, one in {} followed",
            thousands(lines),
            thousands(bytes),
            thousands(PER_FOLLOWED)
        );
        let mut table = Table::new(&title);
        table.add(Figure::new("lines a second", "").more_is_better(), &visits, |visits| {
            Spread::of(visits.iter().map(|(time, _)| lines as f64 / time.as_secs_f64()))
        });
        table.add(Figure::new("CPU per line", "µs"), &visits, |visits| {
            Spread::of(visits.iter().map(|(_, cpu)| cpu.as_secs_f64() * 1e6 / lines as f64))
        });
        report.add(table);
    }
}

/// The time from the first line until a browser has the last document.
fn pour(stage: &mut Stage, thousands: usize, bytes: usize) -> Result<Duration, Failure> {
    let last = Document::new(1 + thousands as u64, bytes);
    let others = feeder::others(bytes);
    let feeder = stage.feeder.clone();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let pouring = scope.spawn(move || feeder.pour(thousands, &others));
        let watched = stage.load.watch(&last, bytes);
        let time = begin.elapsed();
        pouring.join().map_err(|_| Failure("the feeder failed".into()))??;
        watched.map(|()| time)
    })
}
