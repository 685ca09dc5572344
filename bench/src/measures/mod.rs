//! The measures.

mod connections;
mod fan_out;
mod feed;
mod growth;
mod micro;
mod requests;
mod stage;
mod visits;

use crate::Failure;
use crate::contestants::{self, Contestant};
use crate::plan::Plan;
use crate::report::Report;
use visits::Visits;

/// One run of the benchmark.
#[derive(Debug)]
pub struct Bench {
    /// How much is done.
    pub plan: Plan,
    /// The programs to compare.
    pub who: Vec<Contestant>,
    /// The server's core; `None` when there is one core for all.
    pub core: Option<usize>,
    /// What servers are run under: a profiler and its options, or nothing.
    pub under: Vec<String>,
    visits: Visits,
}

/// A measure that can be taken by itself.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    take: fn(&mut Bench, &mut Report),
}

/// Every measure, in the order in which they are taken.
pub const ALL: &[Measure] = &[
    Measure { name: "micro", about: "what the kernel's verbs cost", take: micro::take },
    Measure { name: "fanout", about: "one change, told to all", take: fan_out::fan_out },
    Measure { name: "memory", about: "what a parked browser takes", take: fan_out::memory },
    Measure { name: "growth", about: "the same for more and more browsers", take: growth::take },
    Measure { name: "requests", about: "requests answered at once", take: requests::take },
    Measure { name: "connections", about: "come, ask once, go", take: connections::take },
    Measure { name: "feed", about: "lines of the feed", take: feed::take },
];

impl Bench {
    /// A run with those of `names` that are installed, or with all for no names.
    pub fn new(plan: Plan, names: &[String], core: Option<usize>, report: &mut Report) -> Self {
        let mut who = vec![];
        for contestant in contestants::ALL {
            if !names.is_empty() && !names.iter().any(|name| name == contestant.name) {
                continue;
            }
            match contestant.missing() {
                None => who.push(*contestant),
                Some(missing) => {
                    report.leave_out(contestant.name, &format!("not installed: {missing}"));
                }
            }
        }
        Bench { plan, who, core, under: vec![], visits: Visits::default() }
    }

    /// Takes a measure and writes it into the report.
    pub fn take(&mut self, measure: &Measure, report: &mut Report) {
        eprintln!("== {}: {}", measure.name, measure.about);
        (measure.take)(self, report);
    }

    /// Has all programs do the same in turn, this many times. A program that fails is reported and
    /// left out of this measure.
    fn alternate<T>(
        &self,
        report: &mut Report,
        turns: usize,
        browsers: usize,
        visit: impl Fn(&Bench, &Contestant) -> Result<T, Failure>,
    ) -> Vec<(&'static str, Vec<T>)> {
        let who: Vec<_> = self.who.iter().filter(|who| who.browsers_max >= browsers).collect();
        let mut taken: Vec<_> = who.iter().map(|who| (who.name, Ok(vec![]))).collect();
        for _ in 0..turns {
            for (contestant, (_, samples)) in who.iter().zip(&mut taken) {
                let Ok(so_far) = samples else { continue };
                match visit(self, contestant) {
                    Ok(sample) => so_far.push(sample),
                    Err(failure) => *samples = Err(failure),
                }
            }
        }
        let mut whole = vec![];
        for (name, samples) in taken {
            match samples {
                Ok(samples) => whole.push((name, samples)),
                Err(failure) => report.leave_out(name, &failure.0),
            }
        }
        whole
    }
}
