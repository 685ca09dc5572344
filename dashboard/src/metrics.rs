//! The counters of the site. Each event adds to a counter where it happens, and nothing is
//! allocated.

use crate::writer::Writer;
use http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// All counters. [`exposition`](crate::exposition) prints them.
///
/// All browser sessions share this value. They run in one thread, so the counters never contend.
/// They are atomic because the buffers of old revisions count their own release, and `Bytes` needs
/// owners that are `Send`.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Open connections of browsers.
    pub(crate) connections: Count,
    pub(crate) accepted: Count,
    /// Open connections that were accepted while the server was full.
    pub(crate) guests: Count,
    /// Requests that were answered that the server is full.
    pub(crate) turned_away: Count,
    /// Connections that could not be served because of a lack of resources.
    pub(crate) unserved: Count,
    /// Bytes of old revisions that are still being sent.
    pub(crate) old_revision_bytes: Count,
    /// Polls waiting for a change.
    pub(crate) parked: Count,
    /// Open streams of events.
    pub(crate) streams: Count,
    /// Events sent to streams, without heartbeats.
    pub(crate) events: Count,
    /// Polls and streams with a newer revision than this dashboard.
    pub(crate) ahead: Count,
    answers: [[Count; CLASSES.len()]; Kind::ALL.len()],
    polls: [Count; PollEnd::ALL.len()],
    refused: [Count; REFUSALS.len() + 1],
    ended: [Count; ConnectionEnd::ALL.len()],
    /// The log files, by name.
    logs: Vec<(&'static str, Writer)>,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A document, immediately.
    Document,
    /// A document, as soon as it has another revision.
    Poll,
    /// A document's events.
    Events,
    File,
    Health,
    Metrics,
    /// Another path, or a path that does not exist.
    Other,
}

/// The cause of the end of a waiting poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollEnd {
    /// The document changed.
    Changed,
    /// The time of a poll was over.
    TimedOut,
    /// The feed was lost or reconnected.
    FeedState,
    /// The server is ending.
    Closing,
    /// The browser sends no more. It may have left.
    Left,
}

/// The cause of the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// Everything was sent.
    Finished,
    /// The peer or the network reset it.
    Failed,
    /// The peer was too slow.
    TimedOut,
    /// The server ended before the connection.
    Cut,
    /// It was still reading an old revision when old revisions used too much memory.
    Outdated,
}

/// The classes of an answer's status.
pub(crate) const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The errors that are counted by status. All others are counted together.
const REFUSALS: [u16; 8] = [400, 408, 413, 414, 417, 431, 501, 505];

impl Metrics {
    /// Makes the counters, with log files whose lost lines are reported.
    pub(crate) fn new(logs: Vec<(&'static str, Writer)>) -> Self {
        Metrics { logs, ..Self::default() }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, kind: Kind, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.answers[kind as usize][class].add(1);
    }

    /// Counts the end of a waiting poll.
    pub(crate) fn poll_ended(&self, how: PollEnd) {
        self.parked.remove(1);
        self.polls[how as usize].add(1);
    }

    /// Counts a malformed request.
    pub(crate) fn refused(&self, status: StatusCode) {
        let known = REFUSALS.iter().position(|refusal| *refusal == status.as_u16());
        self.refused[known.unwrap_or(REFUSALS.len())].add(1);
    }

    /// Counts the end of a connection.
    pub(crate) fn connection_ended(&self, how: ConnectionEnd) {
        self.connections.remove(1);
        self.ended[how as usize].add(1);
    }

    /// Returns the number of answers for each kind and class.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        Kind::ALL.into_iter().zip(&self.answers).flat_map(|(kind, counts)| {
            CLASSES.into_iter().zip(counts).map(move |(class, count)| (kind, class, count.read()))
        })
    }

    /// Returns the number of polls for each cause of their end.
    pub(crate) fn polls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PollEnd::ALL.into_iter().zip(&self.polls).map(|((_, name), count)| (name, count.read()))
    }

    /// Returns the number of malformed requests for each status. The last is for all others.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        let statuses = REFUSALS.into_iter().map(Some).chain([None]);
        statuses.zip(&self.refused).map(|(status, count)| (status, count.read()))
    }

    /// Returns the lines that each log has lost.
    pub(crate) fn unlogged(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.logs.iter().map(|(name, log)| (*name, log.lost()))
    }

    /// Returns the number of connections for each cause of their end.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let ends = ConnectionEnd::ALL.into_iter().zip(&self.ended);
        ends.map(|((_, name), count)| (name, count.read()))
    }
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Document,
        Kind::Poll,
        Kind::Events,
        Kind::File,
        Kind::Health,
        Kind::Metrics,
        Kind::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Document => "document",
            Kind::Poll => "poll",
            Kind::Events => "events",
            Kind::File => "file",
            Kind::Health => "health",
            Kind::Metrics => "metrics",
            Kind::Other => "other",
        }
    }
}

impl PollEnd {
    const ALL: [(PollEnd, &str); 5] = [
        (PollEnd::Changed, "changed"),
        (PollEnd::TimedOut, "timed_out"),
        (PollEnd::FeedState, "feed_state"),
        (PollEnd::Closing, "closing"),
        (PollEnd::Left, "left"),
    ];
}

impl ConnectionEnd {
    const ALL: [(ConnectionEnd, &str); 5] = [
        (ConnectionEnd::Finished, "finished"),
        (ConnectionEnd::Failed, "failed"),
        (ConnectionEnd::TimedOut, "timed_out"),
        (ConnectionEnd::Cut, "cut"),
        (ConnectionEnd::Outdated, "outdated"),
    ];
}

/// A counter. Some counters also go down.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    // Only one thread writes, so this need not be one atomic operation.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.read().wrapping_add(more), Relaxed);
    }

    pub(crate) fn remove(&self, less: u64) {
        self.0.store(self.read().wrapping_sub(less), Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_reported_under_their_names() {
        let metrics = Metrics::default();
        metrics.answered(Kind::Poll, StatusCode::NOT_MODIFIED);
        metrics.answered(Kind::Other, StatusCode::NOT_FOUND);
        metrics.answered(Kind::Other, StatusCode::GONE);
        let answers: Vec<_> = metrics.answers().filter(|(.., count)| *count > 0).collect();
        assert_eq!(answers, [(Kind::Poll, "3xx", 1), (Kind::Other, "4xx", 2)]);

        metrics.parked.add(1);
        metrics.poll_ended(PollEnd::Closing);
        assert_eq!(metrics.parked.read(), 0);
        assert!(metrics.polls().any(|end| end == ("closing", 1)));

        metrics.refused(StatusCode::URI_TOO_LONG);
        metrics.refused(StatusCode::IM_A_TEAPOT);
        let refused: Vec<_> = metrics.refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [(Some(414), 1), (None, 1)]);
    }

    #[test]
    fn names_are_in_the_order_of_their_variants() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
        for (place, (end, _)) in PollEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place);
        }
        for (place, (end, _)) in ConnectionEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place);
        }
    }
}
