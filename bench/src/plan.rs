//! How much a run does: all of it bounded in count, and by a time after which it ends.

use std::time::Duration;

/// The counts of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often each contestant has its turn.
    pub visits: usize,
    /// How often where a turn takes moments only.
    pub short_visits: usize,
    /// Browsers of the fan-out.
    pub browsers: Vec<usize>,
    /// Browsers of the growth.
    pub growth: Vec<usize>,
    /// Changes sent to all browsers in a turn.
    pub rounds: usize,
    /// Bytes of the document.
    pub document_bytes: usize,
    /// Connections that ask one request after the other.
    pub askers: usize,
    /// Requests of theirs in a turn.
    pub requests: usize,
    /// Connections that come, ask once and go.
    pub connections: usize,
    /// Lines of the feed, with the bytes of the document in each.
    pub feed: Vec<(usize, usize)>,
    /// Samples of each of the kernel's verbs.
    pub samples: usize,
    /// After this, the run is ended.
    pub time: Duration,
}

impl Plan {
    /// The run whose figures are published.
    pub fn full() -> Self {
        Plan {
            visits: 5,
            short_visits: 15,
            browsers: vec![1000, 8000],
            growth: vec![1000, 2000, 4000, 8000],
            rounds: 20,
            document_bytes: 600,
            askers: 64,
            requests: 40_000,
            connections: 4000,
            feed: vec![(100_000, 200), (10_000, 20_000)],
            samples: 51,
            time: Duration::from_secs(3600),
        }
    }

    /// A run of about a minute, which shows that everything works and no more.
    pub fn quick() -> Self {
        Plan {
            visits: 1,
            short_visits: 3,
            browsers: vec![1000],
            growth: vec![250, 500, 1000],
            rounds: 5,
            requests: 5000,
            connections: 500,
            feed: vec![(10_000, 200), (1000, 20_000)],
            samples: 11,
            time: Duration::from_secs(300),
            ..Plan::full()
        }
    }
}
