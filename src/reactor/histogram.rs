//! Counting durations, for figures that a program shows.

use std::time::Duration;

/// How many durations fell into which range, and their sum: what Prometheus calls a histogram.
///
/// A value of a hundred bytes that is copied as it stands; recording allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many were recorded up to each bound and above the one before it; the last counts those
    /// above every bound.
    counts: [u64; Histogram::BOUNDS.len() + 1],
    sum_ns: u64,
}

impl Histogram {
    /// The upper bounds of the ranges, each inclusive: from a turn that did one thing to one that
    /// everybody has noticed.
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

    /// Counts one. O(bounds below it): short ones cost least.
    pub(super) fn record(&mut self, nanos: u64) {
        let range = BOUNDS_NS.iter().take_while(|bound| nanos > **bound).count();
        self.counts[range] += 1;
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// For each bound, how many were not above it.
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
