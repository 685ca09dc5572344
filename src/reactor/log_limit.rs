//! A limit on log messages that repeat: one line a minute.

use crate::limits::LOG_PAUSE;
use std::fmt;
use std::time::Instant;

/// Limits a message that may repeat thousands of times a second to one line in each [`LOG_PAUSE`].
///
/// ```
/// use masque::reactor::LogLimit;
/// use std::time::{Duration, Instant};
///
/// let (mut limit, start) = (LogLimit::default(), Instant::now());
/// assert_eq!(limit.pass(start).map(|more| more.to_string()), Some(String::new()));
/// assert!(limit.pass(start).is_none());
/// let more = limit.pass(start + Duration::from_secs(60)).map(|more| more.to_string());
/// assert_eq!(more, Some(" (1 more time since it was logged last)".to_owned()));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLimit {
    last: Option<Instant>,
    left_out: u64,
}

/// The number of times that a message was left out since it was last logged. `Display` writes
/// nothing for zero, and otherwise the number, as the end of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(u64);

impl LogLimit {
    /// Returns `Some` if the message may be logged at `now`, with the number of times that it was
    /// left out.
    pub fn pass(&mut self, now: Instant) -> Option<LeftOut> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < LOG_PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (1 more time since it was logged last)"),
            count => write!(f, " ({count} more times since it was logged last)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_message_passes_once_in_the_pause_and_counts_what_was_left_out() {
        let (mut limit, start) = (LogLimit::default(), Instant::now());
        let moment = Duration::from_nanos(1);
        for (at, passes) in [
            (Duration::ZERO, Some(0)),
            (moment, None),
            (LOG_PAUSE.saturating_sub(moment), None),
            (LOG_PAUSE, Some(2)),
            (LOG_PAUSE + moment, None),
            (3 * LOG_PAUSE, Some(1)),
            (4 * LOG_PAUSE, Some(0)),
        ] {
            assert_eq!(limit.pass(start + at), passes.map(LeftOut), "after {at:?}");
        }
        assert_eq!(LeftOut(0).to_string(), "");
        assert_eq!(LeftOut(2).to_string(), " (2 more times since it was logged last)");
    }
}
