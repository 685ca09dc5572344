//! The visit of this many browsers to one program; several measures use it.

use super::Bench;
use super::stage::Stage;
use crate::Failure;
use crate::account::Memory;
use crate::contestants::Contestant;
use crate::load::{Again, Round, Run};
use crate::report::Report;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All of one turn with one number of browsers.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) browsers: usize,
    /// Every browser polls again at once; the server's time is with each.
    pub(super) rounds: Vec<(Round, Duration)>,
    /// They poll again when all have been answered.
    pub(super) held: Vec<Round>,
    /// Requests answered at once while the browsers are parked.
    pub(super) run: (Run, Duration),
    pub(super) memory: Stages,
}

/// Memory as it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stages {
    /// Before any browser connected, with one warm connection.
    pub(super) start: Memory,
    pub(super) parked: Memory,
    pub(super) after_rounds: Memory,
    pub(super) after_leaving: Memory,
    /// After the same number have connected, parked and left again: memory that grows here is
    /// leaked.
    pub(super) after_second: Memory,
}

/// The turns so far, by contestant, for each number of browsers.
#[derive(Debug, Default)]
pub(super) struct Visits {
    taken: BTreeMap<usize, Vec<(&'static str, Vec<Visit>)>>,
}

impl Bench {
    /// Every contestant's turns with so many browsers, taken now unless they have been.
    pub(super) fn visits(
        &mut self,
        browsers: usize,
        report: &mut Report,
    ) -> Vec<(&'static str, Vec<Visit>)> {
        if let Some(taken) = self.visits.taken.get(&browsers) {
            return taken.clone();
        }
        let taken = self.alternate(report, self.plan.visits, browsers, |bench, contestant| {
            eprintln!("   {} with {browsers} browsers", contestant.name);
            visit(bench, contestant, browsers)
        });
        self.visits.taken.insert(browsers, taken.clone());
        taken
    }
}

fn visit(bench: &Bench, contestant: &Contestant, browsers: usize) -> Result<Visit, Failure> {
    let plan = &bench.plan;
    let mut stage = Stage::set(bench, contestant, plan.document_bytes)?;
    stage.open(1)?;
    stage.run(0, 100)?; // what is allocated for the first of its kind is not a browser's
    let start = stage.account.memory()?;
    stage.open(browsers - 1)?;
    stage.park(0)?;
    let parked = stage.account.memory()?;
    stage.round(Again::AtOnce)?; // warm
    let at_once = rounds(plan.rounds, || stage.round(Again::AtOnce))?;
    let after_rounds = stage.account.memory()?;
    let held = rounds(plan.rounds, || Ok(stage.round(Again::AfterAll)?.0))?;
    stage.open(plan.askers)?;
    let run = stage.run(browsers, plan.requests)?;
    let after_leaving = leave(&mut stage)?;
    stage.open(browsers)?;
    stage.park(0)?;
    let after_second = leave(&mut stage)?;
    let memory = Stages { start, parked, after_rounds, after_leaving, after_second };
    Ok(Visit { browsers, rounds: at_once, held, run, memory })
}

/// Has all leave; the memory that there is then.
fn leave(stage: &mut Stage) -> Result<Memory, Failure> {
    stage.load.close();
    stage.account.settled()?;
    stage.account.memory()
}

/// So many rounds, or fewer of a server that is slow.
fn rounds<T>(
    count: usize,
    mut round: impl FnMut() -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    const TIME: Duration = Duration::from_secs(15);
    let begin = Instant::now();
    (0..count).take_while(|_| begin.elapsed() < TIME).map(|_| round()).collect()
}

impl Visit {
    /// Microseconds of the server's time for each reply, by round.
    pub(super) fn reply_us(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().map(|(_, time)| time.as_secs_f64() * 1e6 / self.browsers as f64)
    }

    /// Microseconds of the server's time for each request answered at once.
    pub(super) fn request_us(&self) -> f64 {
        let (run, time) = self.run;
        time.as_secs_f64() * 1e6 / run.count as f64
    }

    /// Kibibytes for each parked browser.
    pub(super) fn parked_kib(&self) -> f64 {
        kib(self.memory.parked, self.memory.start) / self.browsers as f64
    }
}

/// From `less` to `more`; it may have shrunk.
pub(super) fn kib(more: Memory, less: Memory) -> f64 {
    (more.0 as f64 - less.0 as f64) / 1024.0
}
