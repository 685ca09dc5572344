//! A histogram of durations, for the figures of a program.

use std::time::Duration;

/// The number of durations in each range, and their sum: a histogram as Prometheus has it.
///
/// A value of about a hundred bytes, `Copy`. Recording allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// For each bound, the number of durations up to it and above the one before; the last number
    /// counts those above all bounds.
    counts: [u64; Histogram::BOUNDS.len() + 1],
    sum_ns: u64,
}

impl Histogram {
    /// The upper bounds of the ranges, inclusive: from a turn with a single event to a pause that
    /// users notice.
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_micros(10),
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_secs(1),
    ];

    /// Counts a duration. O(bounds below it), so short durations cost least.
    pub(super) fn record(&mut self, nanos: u64) {
        let range = BOUNDS_NS.iter().take_while(|bound| nanos > **bound).count();
        self.counts[range] += 1;
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    /// The number of recorded durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all recorded durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// For each bound, the number of durations that are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut total = 0;
        Self::BOUNDS.into_iter().zip(self.counts).map(move |(bound, count)| {
            total += count;
            (bound, total)
        })
    }
}

const BOUNDS_NS: [u64; Histogram::BOUNDS.len()] = {
    let mut bounds = [0; Histogram::BOUNDS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = Histogram::BOUNDS[at].as_nanos() as u64;
        at += 1;
    }
    bounds
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_range_that_ends_at_or_above_it() {
        let mut histogram = Histogram::default();
        for nanos in [0, 10_000, 10_001, 1_000_000_000, 1_000_000_001] {
            histogram.record(nanos);
        }
        let totals: Vec<_> = histogram.cumulative().map(|(_, total)| total).collect();
        assert_eq!(totals, [2, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(histogram.count(), 5, "one is above every bound");
        assert_eq!(histogram.sum(), Duration::from_nanos(2_000_020_002));
    }

    #[test]
    fn a_sum_that_is_too_large_stays_at_the_largest() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 2);
        assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX));
    }
}
