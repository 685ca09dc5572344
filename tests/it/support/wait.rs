//! Waiting for a condition of the world outside, in the one place where a test may sleep.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what takes milliseconds on an idle machine. Only a failure takes this
/// long, so it is generous towards busy ones.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks: short enough not to be felt, long enough to leave the machine to others.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at `condition` until it holds; panics when that is not within the time given.
///
/// It checks again after the deadline, so that a test that was itself delayed does not fail.
#[track_caller]
pub(crate) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    loop {
        let is_last = Instant::now() >= end;
        if condition() {
            return;
        }
        assert!(!is_last, "the condition does not hold within {within:?}");
        thread::sleep(PAUSE);
    }
}
