//! The feed itself: its lines, its pages, and how far they have come.

use crate::cutter::{Cutter, Lines, Page};
use crate::documents::Document;
use crate::error::FeedError;
use crate::event::{Change, FeedEvent, FeedMode};
use crate::follower::{Action, Follower, State, Step};
use crate::limits::{
    ANSWER_HEARTBEATS, ANSWER_TIME, ANSWER_TIME_MIN, PROOF_TIME, REREAD_PAUSE, RETRY_FIRST,
    SECOND_RESPONSE_TIME, SILENCE_MIN,
};
use crate::requests::Subject;
use crate::row::{Line, Row, Seq, one_line, parse_document, parse_line};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// An answer with the feed.
#[derive(Debug)]
pub(crate) struct Listening {
    cutter: Cutter,
    /// When its head arrived.
    began: Instant,
    /// When the unfinished line began to arrive.
    line_began: Option<Instant>,
    body: Body,
    /// The rows that came, and whether anything in them was new.
    rows: u64,
    pub(crate) has_news: bool,
    /// True if it has shown, later than at its beginning, that it works.
    pub(crate) is_proven: bool,
    /// True while nothing is read, because the program has not acknowledged enough rows.
    pub(crate) is_paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Awaited,
    Arriving,
    /// The server has said that the feed ends here.
    Last,
}

/// What is known of the answers with the feed, beyond one of them.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    /// The sequence from which the last one was asked for.
    pub(crate) since: Option<Seq>,
    /// When it was asked for, and for how many rows at most.
    pub(crate) asked: Option<(Instant, Option<u64>)>,
    /// The last pause after an answer without news.
    pause: Duration,
    pub(crate) probe: EndProbe,
    /// True if something seems to buffer answers until they are complete, with their heartbeats.
    /// The feed is then asked for as answers that end, each after a heartbeat's time.
    pub(crate) is_held_back: bool,
    /// True if it was reported since the last loss that the server answers.
    pub(crate) is_announced: bool,
    /// True if the next request continues the feed after a probe for its end.
    is_resumed: bool,
}

/// Whether the end of the existing changes is asked for, as an answer with an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EndProbe {
    #[default]
    Unneeded,
    /// Wanted when all lines that have arrived are processed.
    Wanted,
    Running,
    /// The server has failed at it, and is not asked again.
    Unsupported,
}

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

    fn next_line(&mut self) -> Option<Result<Bytes, crate::cutter::TooLong>> {
        if self.is_full() {
            return None;
        }
        let State::Following(listening) = self.state_mut() else { return None };
        let line = listening.cutter.next()?;
        listening.line_began = None;
        Some(line)
    }

    pub(crate) fn take_lines(&mut self) {
        while let Some(line) = self.next_line() {
            self.prove_by_time();
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

    /// A row has arrived: is it the last one, or the last one before the end should be probed?
    fn check_end(&mut self) {
        if self.subject.rows().is_none() || self.place.is_caught_up {
            return;
        }
        let is_old = match self.state() {
            State::Following(feed) => self.now - feed.began >= self.heartbeat,
            _ => false,
        };
        if self.is_at_end() {
            self.catch_up();
        } else if !self.asked_mode().is_paged() && is_old {
            self.want_probe();
        }
    }

    /// Reports that nothing is left to report, once after each loss.
    fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.place.is_caught_up, true) {
            self.tell(FeedEvent::CaughtUp);
        }
    }

    /// Asks for the rest of the existing changes as an answer of its own, if it is not known whether
    /// there are more: at the end of that answer all are reported.
    ///
    /// No line of a feed without an end says so. An empty line comes if a server has had nothing to
    /// send for some time, because there is nothing, or because a filter has left everything out;
    /// and while there always is something to send, none comes.
    fn want_probe(&mut self) {
        if self.subject.rows().is_some()
            && !self.place.is_caught_up
            && self.paging.probe == EndProbe::Unneeded
        {
            self.paging.probe = EndProbe::Wanted;
            self.wants_settle = true;
        }
    }

    /// Starts a wanted probe, unless the end has been reached meanwhile.
    pub(crate) fn probe_end(&mut self) {
        if self.paging.probe != EndProbe::Wanted {
            return;
        }
        self.paging.probe = EndProbe::Unneeded;
        let is_last = match self.state() {
            State::Following(listening) => listening.body == Body::Last,
            State::Asking(Step::Feed, _) => false,
            _ => return,
        };
        let is_known = self.place.is_caught_up || is_last || self.is_full();
        let is_asked = self.asked_mode() == FeedMode::Normal || self.omits_documents();
        if !is_known && !is_asked {
            self.paging.probe = EndProbe::Running;
            self.reconnect();
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

    /// An answer with the feed has ended.
    pub(crate) fn feed_ended(&mut self) {
        let State::Following(listening) = self.state() else { return };
        if listening.body != Body::Last {
            self.lose(FeedError::Cut);
        } else if self.has_pages() {
            self.next_page();
        } else {
            let why = self.ended_again();
            self.lose(why);
        }
    }

    /// Asks for the next page, immediately if there is more.
    fn next_page(&mut self) {
        let State::Following(listening) = self.state() else { return };
        let (rows, has_news) = (listening.rows, listening.has_news);
        let has_moved = self.paging.since != self.place.since && rows > 0;
        let (asked, at_most) = self.paging.asked.unwrap_or((self.now, None));
        let is_full = at_most.is_some_and(|most| rows >= most) && has_moved;
        // An answer without rows shows that the server works if it has taken its time, or as much
        // of it as the server's settings allow.
        let has_waited = self.now - asked >= PROOF_TIME.min(self.heartbeat / 2);
        let is_working = has_news || is_full || (has_waited && (has_moved || self.is_timed()));
        if is_working {
            self.paging.pause = Duration::ZERO;
            self.retry.proven();
        }
        if !is_full {
            self.catch_up();
        }
        // Nothing looks at the database between two answers. While there is more, the next look
        // comes soon enough: what is reported of another database is then reported again.
        self.place.is_checked = is_full;
        let mode = self.asked_mode();
        if is_full {
            self.ask_next();
        } else if self.paging.probe == EndProbe::Running {
            self.paging.probe = EndProbe::Unneeded;
            self.paging.is_resumed = true;
            self.ask_next();
        } else if mode == FeedMode::Normal {
            self.retry.losses.reset();
            self.wait(self.heartbeat);
        } else if is_working {
            self.ask_next();
        } else if has_moved {
            // The rows were known or are not followed: this is no loss, but there is no hurry.
            let doubled = self.paging.pause.saturating_mul(2);
            self.paging.pause = doubled.min(self.heartbeat).max(RETRY_FIRST);
            self.wait(self.paging.pause);
        } else {
            let why = self.ended_again();
            self.lose(why);
        }
    }

    /// A line is not one of a feed. If nothing frames the body, as in HTTP/1.0, it may be the status
    /// line of a second response.
    fn malformed(&mut self, line: &[u8]) {
        if line.starts_with(b"HTTP/1.")
            && let State::Following(listening) = self.state_mut()
        {
            let empty = Cutter::Page(Page::new(0));
            if let Some(rest) = std::mem::replace(&mut listening.cutter, empty).into_rest() {
                return self.begin_second_response(&[line, b"\r\n", &rest].concat());
            }
        }
        const SHOWN: usize = 80;
        let excerpt = one_line(&String::from_utf8_lossy(&line[..line.len().min(SHOWN)]));
        self.lose(FeedError::Line(excerpt));
    }

    pub(crate) fn begin_second_response(&mut self, data: &[u8]) {
        self.enter(State::SecondResponse(vec![]));
        self.set_timer(SECOND_RESPONSE_TIME);
        self.take_second_response(data);
    }

    /// The error of an answer that ended in good order but should not have.
    fn ended_again(&self) -> FeedError {
        match self.state() {
            State::Following(feed) => {
                FeedError::Ended { after: self.now - feed.began, rows: feed.rows }
            }
            _ => FeedError::Cut,
        }
    }

    /// How long to wait for the answer to a request.
    pub(crate) fn answer_time(&self, step: Step) -> Duration {
        if step != Step::Feed {
            return ANSWER_TIME;
        }
        let heartbeats = self.heartbeat.saturating_mul(ANSWER_HEARTBEATS);
        match self.asked_mode() {
            _ if self.is_timed() => ANSWER_TIME.max(self.silence()),
            FeedMode::Normal => ANSWER_TIME.max(heartbeats),
            _ => ANSWER_TIME_MIN.max(heartbeats),
        }
    }

    /// A feed from which nothing arrives for this long is dead. Ordinary jitter is well below.
    pub(crate) fn silence(&self) -> Duration {
        (self.heartbeat.saturating_mul(5) / 2).max(SILENCE_MIN)
    }
}
