//! Pauses between tries.

use crate::limits::BACKOFF_MIN;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses between tries, which double up to a cap. Half of each pause is fixed, and of the other
/// half a random part is added (equal jitter).
///
/// The random part is drawn once for each series of failures. So a pause is never shorter than the
/// one before it, and the distance between two clients that lost the same server grows with each
/// try. The fixed half prevents an immediate second try; the cap limits the delay of the last
/// client.
///
/// No pause is shorter than [`BACKOFF_MIN`].
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
    random: u64,
}

impl Backoff {
    /// The pause before the first retry is between half of `first` and all of it, and no pause is
    /// longer than `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        let seed = RandomState::new().hash_one(0_u8);
        let (first, cap) = (first.max(BACKOFF_MIN), cap.max(BACKOFF_MIN));
        Backoff { first, cap, tries: 0, random: seed }.seed(seed)
    }

    /// Makes the pauses the same each time, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        // Similar seeds must give different pauses, and xorshift needs a seed other than zero.
        self.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self.draw();
        self
    }

    /// Draws the random part of the pauses to come.
    fn draw(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
    }

    /// The next pause.
    pub fn next_delay(&mut self) -> Duration {
        let half = self.ceiling() / 2;
        self.tries = self.tries.saturating_add(1);
        // The upper 53 bits as a fraction of one, which is what a double holds.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        half.saturating_add(half.mul_f64(fraction)).max(BACKOFF_MIN)
    }

    /// The most that the next pause can be: its step.
    pub fn ceiling(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.tries).map(|factor| self.first.saturating_mul(factor));
        doubled.map_or(self.cap, |doubled| doubled.min(self.cap))
    }

    /// How many pauses there were since the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Starts with the first delay again, because an attempt has succeeded.
    pub fn reset(&mut self) {
        if self.tries > 0 {
            self.tries = 0;
            self.draw();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn pauses_stay_below_a_step_that_doubles_to_the_cap_and_starts_over() {
        let first = Duration::from_millis(500);
        let mut backoff = Backoff::new(first, CAP).seed(1);
        for step_ms in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert_eq!(backoff.ceiling(), Duration::from_millis(step_ms));
            assert!(backoff.next_delay() <= Duration::from_millis(step_ms));
        }
        for _ in 0..100 {
            assert!(backoff.next_delay() <= CAP);
        }
        backoff.reset();
        assert_eq!(backoff.ceiling(), first);
    }

    #[test]
    fn a_second_try_came_at_once_and_later_pauses_were_shorter_than_earlier_ones() {
        for seed in 0..1000 {
            let mut backoff = Backoff::new(Duration::from_millis(500), CAP).seed(seed);
            for _ in 0..3 {
                let mut before = Duration::ZERO;
                for _ in 0..20 {
                    let (step, pause) = (backoff.ceiling(), backoff.next_delay());
                    assert!(step / 2 <= pause && pause <= step, "{seed}: {pause:?} of {step:?}");
                    assert!(before <= pause, "{seed}: {pause:?} after {before:?}");
                    before = pause;
                }
                backoff.reset();
            }
        }
    }

    #[test]
    fn pauses_are_spread_over_half_of_the_step_among_clients_and_series_of_failures() {
        let one_s = Duration::from_secs(1);
        let is_spread = |pauses: Vec<u128>| {
            assert!((700..800).contains(&(pauses.iter().sum::<u128>() / 1000)), "{pauses:?}");
            assert!(pauses.iter().any(|&ms| ms < 525) && pauses.iter().any(|&ms| ms > 975));
        };
        let pause = |backoff: &mut Backoff| backoff.next_delay().as_millis();
        let clients = (0..1000).map(|seed| pause(&mut Backoff::new(one_s, one_s).seed(seed)));
        is_spread(clients.collect());
        let mut one = Backoff::new(one_s, one_s).seed(7);
        is_spread(
            (0..1000)
                .map(|_| {
                    one.reset();
                    pause(&mut one)
                })
                .collect(),
        );
    }

    #[test]
    fn a_backoff_of_nothing_had_no_pause_at_all() {
        let ever = Duration::MAX;
        for (first, cap, second) in
            [(Duration::ZERO, Duration::ZERO, BACKOFF_MIN), (Duration::ZERO, CAP, BACKOFF_MIN)]
        {
            let mut backoff = Backoff::new(first, cap);
            assert_eq!(backoff.next_delay(), BACKOFF_MIN);
            assert!(backoff.next_delay() >= second);
        }
        assert!(Backoff::new(ever, ever).next_delay() >= ever / 2);
    }
}
