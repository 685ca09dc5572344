//! The cost of the kernel's verbs, compared with the same by hand, in calloop and in actix, if they
//! have it.

mod actors;
mod messages;
mod sessions;
mod timers;

use crate::spread::Spread;
use std::time::{Duration, Instant};

/// A verb, and the code that does it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The verb.
    pub name: &'static str,
    /// How often a batch does it.
    pub batch: usize,
    /// The library that does it, and how its batch is prepared.
    pub columns: &'static [(&'static str, MakeBatch)],
}

/// Makes a batch ready.
pub type MakeBatch = fn() -> Batch;

/// Does the verb as often as the case says.
pub type Batch = Box<dyn FnMut()>;

/// Every case.
pub const CASES: &[Case] = &[
    messages::POST,
    messages::CALL,
    messages::NOTIFY,
    timers::SET_AMONG_10,
    timers::SET_AMONG_10_000,
    timers::REARM_AMONG_10,
    timers::REARM_AMONG_10_000,
    timers::REARM_AT_RANDOM,
    sessions::START_AND_STOP,
];

/// Batches before the first that counts: slabs and caches are warm then.
const WARM: usize = 20;

/// A sample lasts at least so long, so that the clock does not show in it.
const SAMPLE: Duration = Duration::from_millis(2);

impl Case {
    /// Nanoseconds of one.
    pub fn time(&self, mut batch: Batch, samples: usize) -> Option<Spread> {
        let begin = Instant::now();
        (0..WARM).for_each(|_| batch());
        let each = begin.elapsed() / WARM as u32;
        let times = (SAMPLE.as_nanos() / each.as_nanos().max(1)) as usize + 1;
        Spread::of((0..samples).map(|_| {
            let begin = Instant::now();
            (0..times).for_each(|_| batch());
            begin.elapsed().as_secs_f64() * 1e9 / (times * self.batch) as f64
        }))
    }
}

/// Numbers without order, the same every time (xorshift).
#[derive(Debug, Clone, Copy)]
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn every_batch_runs() {
        for case in CASES {
            for (_, make) in case.columns {
                let mut batch = make();
                batch();
                batch();
            }
        }
    }
}
