//! The feed itself: its lines, its pages, and how far they have come.

use crate::action::Action;
use crate::cutter::{Cutter, Lines, Page, TooLong};
use crate::documents::Document;
use crate::error::FeedError;
use crate::event::{Change, FeedEvent};
use crate::follower::Follower;
use crate::limits::{ANSWER_TIME, PROOF_TIME, REREAD_PAUSE, SECOND_RESPONSE_TIME, SILENCE_MIN};
use crate::requests::Subject;
use crate::row::{Line, Row, Seq, one_line, parse_document, parse_line};
use crate::skim::skim;
use crate::state::{State, Step};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// An answer with the feed.
#[derive(Debug)]
pub(crate) struct Listening {
    cutter: Cutter,
    /// When its head arrived.
    pub(crate) began: Instant,
    /// When the unfinished line began to arrive.
    line_began: Option<Instant>,
    pub(crate) body: Body,
    /// The sequence of the last skipped row, as JSON.
    skipped_seq: Vec<u8>,
    /// The rows that came, and whether anything in them was new.
    pub(crate) rows: u64,
    pub(crate) has_news: bool,
    /// True if it has shown, later than at its beginning, that it works.
    pub(crate) is_proven: bool,
    /// True while nothing is read, because the program has not acknowledged enough rows.
    pub(crate) is_paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Awaited,
    Arriving,
    /// The server has said that the feed ends here.
    Last,
}

/// The part of a malformed line that an error shows.
const EXCERPT_BYTES: usize = 80;

impl Listening {
    pub(crate) fn feed(&mut self, data: &[u8]) {
        if self.body == Body::Awaited {
            self.body = Body::Arriving;
        }
        self.cutter.feed(data);
    }

    /// Since when the unfinished line has been arriving, and how many bytes of it there are.
    pub(crate) fn unfinished(&self) -> Option<(Instant, usize)> {
        self.line_began.map(|began| (began, self.cutter.pending()))
    }

    /// Returns true if nothing of the body has arrived.
    pub(crate) fn is_silent(&self) -> bool {
        self.body == Body::Awaited
    }
}

impl Follower {
    /// The server has begun to answer with the feed.
    pub(crate) fn begin_feed(&mut self) {
        let cutter = if self.asked_mode().is_paged() {
            Cutter::Page(Page::new(self.line_max))
        } else {
            Cutter::Lines(Lines::new(self.line_max))
        };
        self.enter(State::Following(Box::new(Listening {
            cutter,
            began: self.now,
            line_began: None,
            body: Body::Awaited,
            skipped_seq: vec![],
            rows: 0,
            has_news: false,
            is_proven: false,
            is_paused: false,
        })));
        let (connection, since) = (self.counters.connections, self.place.since.clone());
        self.paging.since.clone_from(&since);
        if let Some(rows) = self.subject.rows_mut() {
            rows.server.feed_began();
        }
        let was_announced = std::mem::replace(&mut self.paging.is_announced, true);
        let goes_on = std::mem::take(&mut self.paging.is_resumed) || self.has_pages();
        if let Some(since) = since.filter(|_| !(was_announced && goes_on)) {
            self.tell(FeedEvent::Connected { connection, since });
        }
        // Documents were read if there was a doubt, and are reported with this.
        if self.subject.rows().is_none() || self.is_at_end() {
            self.catch_up();
        }
        let silence = self.silence();
        let left = |due: Instant| silence.min(due.saturating_duration_since(self.now));
        self.set_timer(self.reread.due.map_or(silence, left));
        self.look_later();
        self.pause_if_full();
    }

    /// The next line, except rows of documents that are not followed.
    fn next_line(&mut self) -> Option<Result<Bytes, TooLong>> {
        if self.is_full() {
            return None;
        }
        let State::Following(listening) = &mut self.state else { return None };
        let Listening { cutter, skipped_seq, rows, line_began, .. } = &mut **listening;
        let (subject, mut skipped) = (&self.subject, 0);
        let is_selective = subject.rows().is_none();
        let line = cutter.next(|line| {
            let row = if is_selective { skim(line) } else { None };
            let Some((_, seq)) = row.filter(|(id, _)| !subject.wants(id)) else { return false };
            skipped += 1;
            if seq != b"null" && seq != b"\"\"" {
                skipped_seq.clear();
                skipped_seq.extend_from_slice(seq);
            }
            true
        });
        if skipped > 0 {
            *rows += skipped;
            self.counters.rows += skipped;
            self.counters.last_row = Some(self.now);
            self.place.since = Seq::parse(skipped_seq).or(self.place.since.take());
            skipped_seq.clear();
        }
        if skipped > 0 || line.is_some() {
            *line_began = None;
            self.prove_by_time();
        }
        line
    }

    pub(crate) fn take_lines(&mut self) {
        while let Some(line) = self.next_line() {
            let Ok(line) = line else {
                self.place.too_long_after.clone_from(&self.place.since);
                self.lose(FeedError::LineTooLong { max: self.line_max });
                return;
            };
            let subject = &self.subject;
            match parse_line(&line, |id| subject.wants(id)) {
                Line::Heartbeat => {
                    self.counters.heartbeats += 1;
                    if !self.is_timed() {
                        self.want_probe();
                    }
                }
                Line::Skipped(seq) => {
                    self.count_row();
                    self.place.since = seq.or(self.place.since.take());
                }
                Line::Row(row) => {
                    self.count_row();
                    match self.subject {
                        Subject::Documents(_) => self.document_row(row),
                        Subject::Rows(_) => self.every_row(row),
                    }
                    self.check_end();
                }
                Line::Last(seq) => {
                    if let State::Following(listening) = self.state_mut() {
                        listening.body = Body::Last;
                    }
                    if let Some(seq) = seq {
                        self.reach(seq);
                    }
                }
                Line::Error(reason) => self.lose(FeedError::Server(reason)),
                Line::Malformed => self.malformed(&line),
            }
        }
        self.time_unfinished_line();
        self.pause_if_full();
    }

    /// Records when the unfinished line began. While nothing is read, its time does not count.
    fn time_unfinished_line(&mut self) {
        let (now, is_full, silence) = (self.now, self.is_full(), self.silence());
        let State::Following(listening) = self.state_mut() else { return };
        if is_full || listening.cutter.pending() == 0 {
            listening.line_began = None;
        } else if listening.line_began.is_none() {
            listening.line_began = Some(now);
            // Unless heartbeats are rare, the timer fires before that anyway.
            if silence > ANSWER_TIME && self.reread.due.is_none() {
                self.set_timer(ANSWER_TIME);
            }
        }
    }

    /// Stops reading while the program has enough rows to process, so that the server waits.
    pub(crate) fn pause_if_full(&mut self) {
        if !self.is_full() {
            return;
        }
        let State::Following(listening) = self.state_mut() else { return };
        if !std::mem::replace(&mut listening.is_paused, true) {
            self.actions.push_back(Action::Pause);
            // Silence means nothing now. The timer lets the driver check that the program still
            // wants events.
            self.set_timer(self.heartbeat);
        }
    }

    /// Reads again when the program can take more rows: first what has arrived already.
    pub(crate) fn read_on(&mut self) {
        if self.is_full() || !matches!(self.state(), State::Following(feed) if feed.is_paused) {
            return;
        }
        self.take_lines();
        if self.is_full() {
            return;
        }
        let silence = self.silence();
        if let State::Following(listening) = self.state_mut()
            && std::mem::take(&mut listening.is_paused)
        {
            self.set_timer(silence);
            self.actions.push_back(Action::Resume);
        }
    }

    fn count_row(&mut self) {
        self.counters.rows += 1;
        self.counters.last_row = Some(self.now);
        if let State::Following(listening) = self.state_mut() {
            listening.rows += 1;
        }
    }

    /// A row has something new.
    pub(crate) fn has_news(&mut self) {
        self.retry.losses.reset();
        if let State::Following(listening) = self.state_mut() {
            listening.has_news = true;
        }
    }

    fn document_row(&mut self, row: Row) {
        self.place.since = row.seq.or(self.place.since.take());
        let rev = row.revs.into_iter().next();
        let docs = self.subject.docs_mut();
        let Some(followed) = docs.iter_mut().find(|doc| doc.id == row.id) else { return };
        let is_news = match row.doc {
            _ if row.deleted => followed.record(Change::deleted(&row.id, rev)),
            // It may be newer than the row: the server adds it as it is when the row is sent.
            Some(doc) => match parse_document(&doc, &row.id) {
                Ok(own) if own.is_deleted => {
                    followed.record(Change::deleted(&row.id, Some(own.rev)))
                }
                Ok(own) => {
                    followed.record(Change { id: row.id, rev: Some(own.rev), doc: Some(doc) })
                }
                Err(_) => followed.record_rev(rev),
            },
            None => followed.record_rev(rev),
        };
        if is_news {
            self.has_news();
            self.wants_settle = true;
        }
    }

    /// A feed has shown that it works when a line arrives this long after its beginning. A change
    /// shows it too, but less surely.
    fn prove_by_time(&mut self) {
        let (now, time) = (self.now, self.heartbeat.max(PROOF_TIME));
        if let State::Following(listening) = self.state_mut()
            && !listening.is_proven
            && now - listening.began >= time
        {
            listening.is_proven = true;
            self.link.is_single_use = false;
            self.retry.losses.reset();
        }
    }

    /// Reads the documents of rows that came without them, when all lines that have arrived are
    /// processed.
    pub(crate) fn reread_rows(&mut self) {
        if !matches!(self.state(), State::Following(_) | State::Asking(Step::Feed, _))
            || !self.subject.docs().iter().any(Document::is_due)
        {
            return;
        }
        self.place.is_checked = false; // nothing looks at the database between two feeds
        let since = self.reread.last_of_rows.map_or(REREAD_PAUSE, |then| self.now - then);
        let pause = REREAD_PAUSE.saturating_sub(since);
        self.reread.last_of_rows = Some(self.now + pause);
        if pause.is_zero() {
            self.reconnect();
        } else {
            self.wait(pause);
        }
    }

    /// A line is not one of a feed. If nothing frames the body, as in HTTP/1.0, it may be the
    /// status line of a second response.
    fn malformed(&mut self, line: &[u8]) {
        if line.starts_with(b"HTTP/1.")
            && let State::Following(listening) = self.state_mut()
        {
            let empty = Cutter::Page(Page::new(0));
            if let Some(rest) = std::mem::replace(&mut listening.cutter, empty).into_rest() {
                return self.begin_second_response(&[line, b"\r\n", &rest].concat());
            }
        }
        let excerpt = &line[..line.len().min(EXCERPT_BYTES)];
        let excerpt = one_line(&String::from_utf8_lossy(excerpt));
        self.lose(FeedError::Line(excerpt));
    }

    pub(crate) fn begin_second_response(&mut self, data: &[u8]) {
        self.enter(State::SecondResponse(vec![]));
        self.set_timer(SECOND_RESPONSE_TIME);
        self.take_second_response(data);
    }

    /// A feed from which nothing arrives for this long is dead. Ordinary jitter is well below.
    pub(crate) fn silence(&self) -> Duration {
        (self.heartbeat.saturating_mul(5) / 2).max(SILENCE_MIN)
    }
}
