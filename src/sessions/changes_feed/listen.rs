//! The feed itself: its lines, and what they say.

use super::document::parse_document;
use super::error::FeedError;
use super::mode::Cutter;
use super::row::{Line, Row, parse_line};
use super::subject::Subject;
use super::tell::Followed;
use super::{Change, ChangesFeed, FeedEvent, Step};
use crate::filters::HttpClientError;
use crate::limits::{ANSWER_TIME, FEED_PROOF_TIME, FEED_REREAD_PAUSE, SECOND_RESPONSE_TIME};
use crate::reactor::Cx;
use crate::shown::shown;
use std::time::{Duration, Instant};

/// A feed that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listening {
    began: Instant,
    /// Whether it has shown, longer than at its beginning, that it works.
    pub(super) is_proven: bool,
    /// Whether nothing is read, for the watcher has enough to do.
    pub(super) is_paused: bool,
}

impl Listening {
    pub(super) fn new(began: Instant) -> Self {
        Listening { began, is_proven: false, is_paused: false }
    }
}

impl ChangesFeed {
    pub(super) fn take_lines(&mut self, cx: &mut Cx<'_>) {
        while !self.is_full()
            && let Some(line) = self.answer.lines.as_mut().and_then(Iterator::next)
        {
            self.answer.line_began = None;
            self.prove_by_time(cx);
            let subject = &self.subject;
            match line.map(|line| (parse_line(&line, |id| subject.wants(id)), line)) {
                Ok((Line::Heartbeat, _)) => {
                    self.counters.heartbeats += 1;
                    if !self.is_timed() {
                        self.sound_soon(cx);
                    }
                }
                Ok((Line::Passed(seq), _)) => {
                    self.count_row(cx);
                    self.since = seq.or(self.since.take());
                }
                Ok((Line::Row(row), _)) => {
                    self.count_row(cx);
                    match self.subject {
                        Subject::Documents(_) => self.row(cx, row),
                        Subject::Rows(_) => {
                            if let Some(row) = self.hold(cx, row) {
                                self.tell_row(cx, row);
                            }
                        }
                    }
                    self.see_where_it_is(cx);
                }
                Ok((Line::Last(seq), _)) => {
                    self.answer.is_last = true;
                    if let Some(seq) = seq {
                        self.reach(cx, seq);
                    }
                }
                Ok((Line::Error(reason), _)) => self.lose(cx, FeedError::Server(reason)),
                Ok((Line::Malformed, line)) => self.malformed(cx, &line),
                Err(error) => {
                    self.too_long_after.clone_from(&self.since);
                    self.lose(cx, FeedError::LineTooLong(error));
                }
            }
        }
        self.time_unfinished(cx);
        self.pause_if_full(cx);
    }

    /// Takes down when the line began whose end has yet to come. While nothing is read, its time
    /// does not count.
    fn time_unfinished(&mut self, cx: &mut Cx<'_>) {
        if self.is_full() || self.answer.lines.as_ref().is_none_or(|lines| lines.pending() == 0) {
            self.answer.line_began = None;
        } else if self.answer.line_began.is_none() {
            self.answer.line_began = Some(cx.now());
            // The next look is no later than that anyway, unless heartbeats are rare.
            if self.silence() > ANSWER_TIME && self.read_again.is_none() {
                cx.delay(Self::TICK, ANSWER_TIME, ());
            }
        }
    }

    /// Leaves what comes to the socket, and in the end to the server, while the watcher has enough
    /// to do.
    pub(super) fn pause_if_full(&mut self, cx: &mut Cx<'_>) {
        if self.is_full()
            && let (Some(listening), Some(wire)) = (&mut self.listening, self.wire)
            && !std::mem::replace(&mut listening.is_paused, true)
        {
            wire.pause(cx);
            // Who does not listen cannot say that it is silent, but may see that its watcher is
            // gone.
            cx.delay(Self::TICK, self.heartbeat, ());
        }
    }

    /// Reads on once there is room again: first what has come already.
    pub(super) fn read_on(&mut self, cx: &mut Cx<'_>) {
        if self.is_full() || !self.listening.is_some_and(|listening| listening.is_paused) {
            return;
        }
        self.take_lines(cx);
        if !self.is_full()
            && let (Some(listening), Some(wire)) = (&mut self.listening, self.wire)
            && std::mem::take(&mut listening.is_paused)
        {
            // All of this time must be silent from now on.
            cx.delay(Self::TICK, self.silence(), ());
            wire.resume(cx);
        }
    }

    fn count_row(&mut self, cx: &Cx<'_>) {
        self.counters.rows += 1;
        self.paging.rows += 1;
        self.counters.last_row = Some(cx.now());
    }

    fn row(&mut self, cx: &mut Cx<'_>, row: Row) {
        self.since = row.seq.or(self.since.take());
        let rev = row.revs.into_iter().next();
        let docs = self.subject.docs_mut();
        let Some(followed) = docs.iter_mut().find(|doc| doc.id == row.id) else { return };
        let is_news = match row.doc {
            _ if row.deleted => followed.is_now(Change::gone(&row.id, rev)),
            // It may be newer than the row: the server adds it as it is when the row is sent.
            Some(doc) => match parse_document(&doc, &row.id) {
                Ok(own) if own.is_deleted => followed.is_now(Change::gone(&row.id, Some(own.rev))),
                Ok(own) => {
                    followed.is_now(Change { id: row.id, rev: Some(own.rev), doc: Some(doc) })
                }
                Err(_) => followed.is_stale(rev),
            },
            None => followed.is_stale(rev),
        };
        if is_news {
            self.paging.has_news = true;
            self.backoff.reset();
            self.flush_soon(cx);
        }
    }

    /// A feed has proven itself by a line that comes so long after its beginning; or, less so, by a
    /// change.
    fn prove_by_time(&mut self, cx: &Cx<'_>) {
        let time = self.heartbeat.max(FEED_PROOF_TIME);
        if let Some(listening) = &mut self.listening
            && !listening.is_proven
            && cx.now() - listening.began >= time
        {
            listening.is_proven = true;
            self.is_single = false;
            self.backoff.reset();
        }
    }

    /// A row has come: is it the last, or at least the last for which nobody looks for the end?
    fn see_where_it_is(&mut self, cx: &mut Cx<'_>) {
        if self.subject.rows().is_none() || self.is_caught_up {
            return;
        }
        if self.is_at_end() {
            self.catch_up(cx);
        } else if !self.asked_mode().is_paged()
            && self.listening.is_some_and(|feed| cx.now() - feed.began >= self.heartbeat)
        {
            self.sound_soon(cx);
        }
    }

    /// Tells that nothing is left to be told, once after each loss.
    pub(super) fn catch_up(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.is_caught_up, true) {
            self.tell(cx, FeedEvent::CaughtUp);
        }
    }

    /// Reads the documents of rows that came without them, once all that is there has been taken:
    /// it is not known any more how they stand.
    pub(super) fn reread(&mut self, cx: &mut Cx<'_>) {
        let is_failing = self.answer.second.is_some();
        if self.step != Step::Feed
            || is_failing
            || !self.subject.docs().iter().any(Followed::is_due)
        {
            return;
        }
        self.hang_up(cx);
        self.is_checked = false; // nobody looks after the database between two feeds
        let since = self.reread.map_or(FEED_REREAD_PAUSE, |then| cx.now() - then);
        let pause = FEED_REREAD_PAUSE.saturating_sub(since);
        self.reread = Some(cx.now() + pause);
        if pause.is_zero() {
            self.connect(cx);
        } else {
            self.wait(cx, pause);
        }
    }

    /// A line is none of a feed's. Where nothing frames the body, as in HTTP/1.0, it may be the
    /// first of a second response, whose last says what is the matter.
    fn malformed(&mut self, cx: &mut Cx<'_>, line: &[u8]) {
        if line.starts_with(b"HTTP/1.")
            && let Some(rest) = self.answer.lines.take().and_then(Cutter::into_rest)
        {
            self.answer.second = Some([line, b"\r\n"].concat());
            cx.delay(Self::TICK, SECOND_RESPONSE_TIME, ());
            return self.second(cx, &rest);
        }
        self.lose(cx, FeedError::Line(excerpt(line)));
    }

    /// More of a second response.
    pub(super) fn second(&mut self, cx: &mut Cx<'_>, data: &[u8]) {
        let second = self.answer.second.get_or_insert_default();
        second.extend_from_slice(data);
        if HttpClientError::second(second, false).is_some() {
            self.lose(cx, FeedError::Cut);
        }
    }

    /// Longer than this without a byte is dead: ordinary jitter stays well below.
    pub(super) fn silence(&self) -> Duration {
        (self.heartbeat.saturating_mul(5) / 2).max(crate::limits::SILENCE_FLOOR)
    }
}

fn excerpt(line: &[u8]) -> String {
    const SHOWN: usize = 80;
    shown(&String::from_utf8_lossy(&line[..line.len().min(SHOWN)]))
}
