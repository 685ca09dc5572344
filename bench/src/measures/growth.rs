//! What a reply, a parked browser and a request cost as browsers become more.

use super::Bench;
use super::visits::Visit;
use crate::plot::{Line, Panel};
use crate::report::{Figure, Report, Table, thousands};
use crate::spread::Spread;

/// What grows, or does not: a name, a unit, and the samples of a turn.
type Quantity = (&'static str, &'static str, fn(&Visit) -> Vec<f64>);

const QUANTITIES: [Quantity; 3] = [
    ("CPU per reply", "µs", |visit| visit.reply_us().collect()),
    ("memory per parked browser", "KiB", |visit| vec![visit.parked_kib()]),
    ("CPU per request answered at once", "µs", |visit| vec![visit.request_us()]),
];

/// They have their place in the tables; in the plot, they would press all others to the ground.
const OFF_THE_SCALE: [&str; 2] = ["node", "perl-poe"];

pub(super) fn take(bench: &mut Bench, report: &mut Report) {
    let counts = bench.plan.growth.clone();
    let all: Vec<_> = counts.iter().map(|count| (*count, bench.visits(*count, report))).collect();
    for (name, unit, samples) in QUANTITIES {
        let mut table = Table::new(&format!("Growth: {name}"));
        let mut lines: Vec<Line> = vec![];
        for (count, visits) in &all {
            let figure = Figure::new(&format!("{} browsers", thousands(*count)), unit);
            let figure = if unit == "KiB" { figure.plain() } else { figure };
            table.add(figure, visits, |visits| Spread::of(visits.iter().flat_map(samples)));
            for (who, visits) in visits.iter().filter(|(who, _)| !OFF_THE_SCALE.contains(who)) {
                let Some(spread) = Spread::of(visits.iter().flat_map(samples)) else { continue };
                let point = (*count as f64, spread.median);
                match lines.iter_mut().find(|line| line.name == *who) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line { name: who, points: vec![point] }),
                }
            }
        }
        report.add(table);
        report.plot(Panel { title: format!("{name}, {unit}"), lines });
    }
}
