//! Deadlines. A time that is too long for the clock, such as `Duration::MAX`, never ends.

use std::time::{Duration, Instant};

/// The end of a time limit, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(now: Instant, time: Duration) -> Self {
        Deadline(now.checked_add(time))
    }

    /// The instant, unless it never comes.
    pub(crate) fn instant(self) -> Option<Instant> {
        self.0
    }

    /// Returns true if it is earlier than `at`.
    pub(crate) fn is_before(self, at: Instant) -> bool {
        self.0.is_some_and(|deadline| deadline < at)
    }

    /// The time from `now` until then: nothing if it is over, [`Duration::MAX`] if it never comes.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.0.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now))
    }
}
