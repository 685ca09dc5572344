//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Delays that double up to a cap, each with full jitter: anything between nothing and the whole.
///
/// Full jitter spreads the clients of a server that comes back over the whole delay, which keeps
/// them from coming all at once; the cap bounds how late the last one is.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
    random: u64,
}

impl Backoff {
    /// The delay before the first retry is at most `first`, and none is more than `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        let seed = RandomState::new().hash_one(0_u8);
        Backoff { first, cap, tries: 0, random: seed }.seed(seed)
    }

    /// Has the same delays come each time, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        // Seeds that are near each other must not begin alike, and xorshift stands still at zero.
        self.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let whole = self.ceiling();
        self.tries = self.tries.saturating_add(1);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // The upper 53 bits as a fraction of one, which is what a double holds.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        whole.mul_f64(fraction)
    }

    /// The most that the next delay can be.
    pub fn ceiling(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.tries).map(|factor| self.first.saturating_mul(factor));
        doubled.map_or(self.cap, |doubled| doubled.min(self.cap))
    }

    /// How many delays there were since the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Starts over: what was tried has proven itself.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_below_a_ceiling_that_doubles_to_the_cap_and_starts_over() {
        let (first, cap) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, cap).seed(1);
        for ceiling_ms in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert_eq!(backoff.ceiling(), Duration::from_millis(ceiling_ms));
            assert!(backoff.next_delay() <= Duration::from_millis(ceiling_ms));
        }
        for _ in 0..100 {
            assert!(backoff.next_delay() <= cap);
        }
        backoff.reset();
        assert_eq!(backoff.ceiling(), first);
    }

    #[test]
    fn delays_are_spread_over_the_whole_and_differ_between_clients() {
        let one_s = Duration::from_secs(1);
        let delays = |seed| {
            let mut backoff = Backoff::new(one_s, one_s).seed(seed);
            (0..1000).map(|_| backoff.next_delay().as_millis()).collect::<Vec<_>>()
        };
        let one = delays(7);
        assert!((400..600).contains(&(one.iter().sum::<u128>() / 1000)));
        assert!(one.iter().any(|&ms| ms < 50) && one.iter().any(|&ms| ms > 950));
        assert_ne!(one, delays(8));
    }
}
