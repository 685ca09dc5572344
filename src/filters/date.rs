//! Dates as HTTP writes them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: HTTP's dates have four digits for the year.
const LAST_SECOND: u64 = 253_402_300_799;

/// A date that HTTP can write (RFC 9110, section 5.6.7), to the second.
///
/// It is made of any [`SystemTime`]. A clock may be set to any time, so a time before 1970 becomes
/// the first second that HTTP's date formatter can write, and a time after the year 9999 the last
/// one. `Display` writes `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// ```
/// use masque::filters::HttpDate;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(784_111_777));
/// assert_eq!(date.to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
/// assert_eq!(HttpDate::from(UNIX_EPOCH - Duration::from_secs(1)).unix_seconds(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpDate(u64);

impl HttpDate {
    /// Returns the seconds since the Unix epoch.
    pub fn unix_seconds(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for HttpDate {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        HttpDate(since.as_secs().min(LAST_SECOND))
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_or_after_9999_panicked_where_a_date_was_written() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let day = 86_400;
        for (time, written) in [
            (UNIX_EPOCH - Duration::from_secs(70 * 365 * day), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (UNIX_EPOCH - Duration::from_nanos(1), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (UNIX_EPOCH, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (after(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (after(LAST_SECOND), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (after(LAST_SECOND + 1), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (after(i64::MAX as u64), "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate::from(time).to_string(), written, "{time:?}");
        }
    }
}
