//! Shares the file descriptors of the process between its tasks.
//!
//! Browsers must not use so many descriptors that none is left for the work of the program itself.

use masque::limits::ACCEPTS_PER_TURN;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::ops::RangeInclusive;

/// Descriptors for temporary use:
///
/// - the feed's connection, and connections that read documents
/// - files and sockets of the resolver
/// - the page's files and the next access log after SIGHUP
/// - a connection that is accepted only to be closed
const RESERVE: u64 = 32;

/// Descriptors that are always open:
///
/// - three streams, two of them twice
/// - the poll twice, and its waker
/// - pipe and socket for signals
/// - the access log
/// - two listeners, for browsers and for the embedded database
/// - a few more for libraries
const OWN: u64 = 16;

/// The smallest number of browsers with which the program starts.
const BROWSERS_MIN: u64 = 4;

/// The largest number of browsers at the same time, if there are enough descriptors. A change
/// answers all of them in one turn, at about 7 microseconds each: during this 0.7 s no other
/// request is answered. Use several processes for more browsers.
const BROWSERS_MAX: u64 = 100_000;

/// The largest number of guests, and of connections that only get an answer that the server is
/// full: see [`Capacity`].
const GUESTS_MAX: u64 = 64;

/// Range of the number of clients of the embedded database: the feed, and programs that change
/// documents.
const EMBEDDED_CLIENTS: RangeInclusive<u64> = 4..=1000;

/// The number of connections that each listener accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Browsers that are served at the same time.
    pub(crate) browsers: usize,
    /// Connections in addition to browsers, for `/health` and `/metrics`. The same number of
    /// further connections gets an answer that the server is full.
    pub(crate) guests: usize,
    /// Clients of the embedded database.
    pub(crate) embedded: usize,
    /// The limit of open files of the process.
    limit: Option<u64>,
}

/// Raises the soft limit of open files to the hard limit and returns it. `None` if there is no
/// limit. Shells and supervisors set a low soft limit for programs that use `select`.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            log::warn!("cannot raise the limit of open files: {error}");
            limit.current
        }
    }
}

/// Divides the descriptors.
///
/// # Errors
/// If there are too few to serve any browser.
pub(crate) fn share(limit: Option<u64>, has_embedded: bool) -> Result<Capacity, String> {
    let left = limit.unwrap_or(u64::MAX).saturating_sub(OWN + RESERVE);
    let clients = (left / 4).clamp(*EMBEDDED_CLIENTS.start(), *EMBEDDED_CLIENTS.end());
    let embedded = if has_embedded { clients } else { 0 };
    let guests = (left / 8).clamp(1, GUESTS_MAX);
    let needed = embedded + 2 * guests;
    let browsers = left.saturating_sub(needed).min(BROWSERS_MAX);
    if browsers < BROWSERS_MIN {
        let least = OWN + RESERVE + needed + BROWSERS_MIN;
        let limit = limit.unwrap_or_default();
        return Err(format!(
            "at most {limit} files may be open, which is too few to serve browsers: raise the \
             limit (ulimit -n, LimitNOFILE) to {least} or more"
        ));
    }
    let [browsers, guests, embedded] = [browsers, guests, embedded].map(|count| count as usize);
    Ok(Capacity { browsers, guests, embedded, limit })
}

// All guests and rejected connections of a burst fit into one turn.
const _: () = assert!(2 * GUESTS_MAX as usize <= ACCEPTS_PER_TURN);

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {} browsers are served at a time", self.browsers)?;
        match self.limit {
            Some(limit) if (self.browsers as u64) < BROWSERS_MAX => {
                write!(f, ", because at most {limit} files may be open")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_had_every_descriptor_and_none_was_left_for_the_feed() {
        for (limit, has_embedded, browsers, guests, embedded) in [
            (Some(54), false, 4, 1, 0),
            (Some(58), true, 4, 1, 4),
            (Some(64), false, 12, 2, 0),
            (Some(64), true, 8, 2, 4),
            (Some(1024), false, 848, 64, 0),
            (Some(20_000), false, 19_824, 64, 0),
            (Some(20_000), true, 18_824, 64, 1000),
            (Some(1 << 30), false, 100_000, 64, 0),
            (None, true, 100_000, 64, 1000),
        ] {
            let capacity = share(limit, has_embedded);
            let expected = Capacity { browsers, guests, embedded, limit };
            assert_eq!(capacity.as_ref(), Ok(&expected), "{limit:?}");
            let all = (browsers + 2 * guests + embedded) as u64 + OWN + RESERVE;
            assert!(all <= limit.unwrap_or(u64::MAX));
        }
    }

    #[test]
    fn too_few_descriptors_are_an_error_with_the_needed_number() {
        for (limit, has_embedded, least) in [(53, false, "54"), (0, false, "54"), (57, true, "58")]
        {
            let error = share(Some(limit), has_embedded).expect_err("there are too few");
            assert!(error.starts_with(&format!("at most {limit} files may be open")), "{error}");
            assert!(error.ends_with(&format!("to {least} or more")), "{error}");
            let enough = least.parse().expect("a number");
            assert!(share(Some(enough), has_embedded).is_ok());
        }
    }

    #[test]
    fn the_limit_of_open_files_was_blamed_for_another_limit() {
        let because = ", because at most 20000 files may be open";
        for (limit, browsers, because) in
            [(Some(20_000), "19824", because), (Some(1 << 30), "100000", ""), (None, "100000", "")]
        {
            let capacity = share(limit, false).expect("there are enough").to_string();
            let served = format!("up to {browsers} browsers are served at a time");
            assert_eq!(capacity, served + because);
        }
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        let allowed = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise(), allowed);
        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
    }
}
