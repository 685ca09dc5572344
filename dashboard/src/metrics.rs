//! What the site counts. Where a thing happens it is counted, by one addition; nothing is
//! allocated.

use crate::writer::Writer;
use http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The figures of the site; who shows them is [`exposition`](crate::exposition).
///
/// All browsers' sessions share it. There is one thread, so the counters never wait for each other;
/// they are atomic to be shared without a lock or a cell.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connections of browsers that are open.
    pub(crate) connections: Count,
    pub(crate) accepted: Count,
    /// Those of them that came when as many were connected as may be.
    pub(crate) guests: Count,
    /// Requests of guests that were told so.
    pub(crate) turned_away: Count,
    /// Connections that could not be served for want of something.
    pub(crate) unserved: Count,
    /// Bytes of old revisions that browsers still read.
    pub(crate) old_revision_bytes: Count,
    /// Polls that wait for a change.
    pub(crate) parked: Count,
    /// Streams of events that are open.
    pub(crate) streams: Count,
    /// Events that were sent over them, heartbeats not counted.
    pub(crate) events: Count,
    /// Polls and streams that came with a newer revision than is known here.
    pub(crate) ahead: Count,
    answers: [[Count; CLASSES.len()]; Kind::ALL.len()],
    polls: [Count; PollEnd::ALL.len()],
    refused: [Count; REFUSALS.len() + 1],
    ended: [Count; ConnectionEnd::ALL.len()],
    /// What is written to, by its name.
    logs: Vec<(&'static str, Writer)>,
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A document as it is.
    Document,
    /// A document once it has another revision.
    Poll,
    /// A document's events.
    Events,
    File,
    Health,
    Metrics,
    /// Something else, or nothing that is there.
    Other,
}

/// How a poll that waited ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollEnd {
    /// The document changed.
    Changed,
    /// It waited long enough.
    TimedOut,
    /// The feed was lost, or came back.
    FeedState,
    /// The server ends.
    Closing,
    /// The browser sends no more; it may have left.
    Left,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// Everything was sent.
    Finished,
    /// The peer reset it, or the network did.
    Failed,
    /// The peer did not do its part in time.
    TimedOut,
    /// The server ended first.
    Cut,
    /// It still read an old revision when too many of those were kept.
    Outdated,
}

/// The classes of an answer's status.
pub(crate) const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The refusals that have a figure of their own; there is one more for all others.
const REFUSALS: [u16; 8] = [400, 408, 413, 414, 417, 431, 501, 505];

impl Metrics {
    /// Figures that include the lines which these have lost.
    pub(crate) fn new(logs: Vec<(&'static str, Writer)>) -> Self {
        Metrics { logs, ..Self::default() }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, kind: Kind, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.answers[kind as usize][class].add(1);
    }

    /// Counts the end of a poll that waited.
    pub(crate) fn poll_ended(&self, how: PollEnd) {
        self.parked.remove(1);
        self.polls[how as usize].add(1);
    }

    /// Counts a request that was refused for its form.
    pub(crate) fn refused(&self, status: StatusCode) {
        let known = REFUSALS.iter().position(|refusal| *refusal == status.as_u16());
        self.refused[known.unwrap_or(REFUSALS.len())].add(1);
    }

    /// Counts the end of a connection.
    pub(crate) fn connection_ended(&self, how: ConnectionEnd) {
        self.connections.remove(1);
        self.ended[how as usize].add(1);
    }

    /// Each kind and class, with the number of answers.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        Kind::ALL.into_iter().zip(&self.answers).flat_map(|(kind, counts)| {
            CLASSES.into_iter().zip(counts).map(move |(class, count)| (kind, class, count.read()))
        })
    }

    /// Each end of polls, with its number.
    pub(crate) fn polls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PollEnd::ALL.into_iter().zip(&self.polls).map(|((_, name), count)| (name, count.read()))
    }

    /// Each status of refusals, with its number; the last is of all others.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        let statuses = REFUSALS.into_iter().map(Some).chain([None]);
        statuses.zip(&self.refused).map(|(status, count)| (status, count.read()))
    }

    /// Each log, with the lines that it has lost.
    pub(crate) fn unlogged(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.logs.iter().map(|(name, log)| (*name, log.lost()))
    }

    /// Each end of connections, with its number.
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

/// A number that goes up, and for some figures down.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    // Nobody else writes, so it need not be one locked step.
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
    fn what_is_counted_is_found_under_its_own_name() {
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
    fn names_stand_in_the_order_of_their_variants() {
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
