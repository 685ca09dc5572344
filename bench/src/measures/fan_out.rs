//! One change sent to all browsers, and the memory that waiting takes.

use super::Bench;
use super::visits::{Visit, kib};
use crate::account::Memory;
use crate::load::Round;
use crate::report::{Figure, Report, Table, thousands};
use crate::spread::Spread;
use std::time::Duration;

type Time = fn(&Round) -> Duration;

const TIMES: [(&str, Time); 3] = [
    ("first reply", |round| round.first),
    ("median reply", |round| round.median),
    ("last reply", |round| round.last),
];

type Stage = fn(&Visit) -> Memory;

const STAGES: [(&str, Stage); 5] = [
    ("all, at the start", |visit| visit.memory.start),
    ("all, with all parked", |visit| visit.memory.parked),
    ("all, after the rounds", |visit| visit.memory.after_rounds),
    ("all, after all have left", |visit| visit.memory.after_leaving),
    ("all, after a second crowd has left", |visit| visit.memory.after_second),
];

pub(super) fn fan_out(bench: &mut Bench, report: &mut Report) {
    for browsers in bench.plan.browsers.clone() {
        let visits = bench.visits(browsers, report);
        let title = format!("A change told to {} browsers", thousands(browsers));
        let mut table = Table::new(&title);
        let per_reply = Figure::new("CPU per reply", "µs");
        table.add(per_reply, &visits, |visits| Spread::of(visits.iter().flat_map(Visit::reply_us)));
        for (name, time) in TIMES {
            table.add(Figure::new(name, "ms"), &visits, |visits| {
                let rounds = rounds(visits);
                Spread::of(rounds.map(|round| time(round).as_secs_f64() * 1e3))
            });
        }
        let busy = Figure::new("load's core", "%").plain();
        table.add(busy, &visits, |visits| {
            Spread::of(rounds(visits).map(|round| round.load_busy * 100.0))
        });
        table.mark_where_load_is_limit("last reply", "load's core");
        table.add(Figure::new(LAST_HELD, "ms"), &visits, |visits| {
            Spread::of(held(visits).map(|round| round.last.as_secs_f64() * 1e3))
        });
        let busy = Figure::new("load's core with that", "%").plain();
        table.add(busy, &visits, |visits| {
            Spread::of(held(visits).map(|round| round.load_busy * 100.0))
        });
        table.mark_where_load_is_limit(LAST_HELD, "load's core with that");
        report.add(table);
    }
}

/// With the load out of the way, this is the server's own.
const LAST_HELD: &str = "last reply, polls held back until then";

pub(super) fn memory(bench: &mut Bench, report: &mut Report) {
    let browsers = bench.plan.browsers.last().copied().unwrap_or_default();
    let visits = bench.visits(browsers, report);
    let mut table = Table::new(&format!("Memory with {} browsers", thousands(browsers)));
    let each = Figure::new("per parked browser", "KiB").plain();
    table.add(each, &visits, |visits| Spread::of(visits.iter().map(Visit::parked_kib)));
    let rounds = format!("per browser after {} rounds", bench.plan.rounds);
    table.add(Figure::new(&rounds, "KiB").plain(), &visits, |visits| {
        Spread::of(visits.iter().map(|visit| {
            kib(visit.memory.after_rounds, visit.memory.start) / visit.browsers as f64
        }))
    });
    for (name, memory) in STAGES {
        table.add(Figure::new(name, "KiB").plain(), &visits, |visits| {
            Spread::of(visits.iter().map(|visit| kib(memory(visit), Memory(0))))
        });
    }
    report.add(table);
}

fn rounds(visits: &[Visit]) -> impl Iterator<Item = &Round> {
    visits.iter().flat_map(|visit| visit.rounds.iter().map(|(round, _)| round))
}

fn held(visits: &[Visit]) -> impl Iterator<Item = &Round> {
    visits.iter().flat_map(|visit| &visit.held)
}
