//! The feed itself: its lines, and how far they have come.

use crate::cutter::{Cutter, TooLong};
use crate::documents::Document;
use crate::error::FeedError;
use crate::event::{Action, Change, FeedEvent};
use crate::follower::Follower;
use crate::limits::{
    ANSWER_TIME, PROOF_TIME, REREAD_PAUSE, SECOND_RESPONSE_BYTES, SECOND_RESPONSE_FIELDS,
    SECOND_RESPONSE_TIME, SILENCE_MIN,
};
use crate::row::{Line, Row, Seq, one_line, parse_document, parse_line, parse_reason, skim};
use crate::state::{State, Step};
use bytes::Bytes;
use http::StatusCode;
use std::time::{Duration, Instant};

/// An answer with the feed.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) cutter: Cutter,
    /// When its head arrived.
    pub(crate) began: Instant,
    /// When the unfinished line began to arrive.
    pub(crate) line_began: Option<Instant>,
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
}

impl Follower {
    /// The server has begun to answer with the feed.
    pub(crate) fn begin_feed(&mut self) {
        let is_page = self.asked_mode().is_paged();
        self.enter(State::Following(Box::new(Listening {
            cutter: if is_page {
                Cutter::page(self.line_max)
            } else {
                Cutter::lines(self.line_max)
            },
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
        if let Some(rows) = &mut self.rows {
            rows.server.feed_began();
        }
        let was_announced = std::mem::replace(&mut self.paging.is_announced, true);
        let goes_on = std::mem::take(&mut self.paging.is_resumed) || self.has_pages();
        if let Some(since) = since.filter(|_| !(was_announced && goes_on)) {
            self.tell(FeedEvent::Connected { connection, since });
        }
        // Documents were read if there was a doubt, and are reported with this.
        if self.rows.is_none() || self.place.is_at_end() {
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
        let (docs, is_selective, mut skipped) = (&self.docs, self.rows.is_none(), 0);
        let line = cutter.next(|line| {
            let row = if is_selective { skim(line) } else { None };
            let row = row.filter(|(id, _)| docs.iter().all(|doc| doc.id != *id));
            let Some((_, seq)) = row else { return false };
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
                return self.lose(FeedError::LineTooLong { max: self.line_max });
            };
            let (docs, is_every) = (&self.docs, self.rows.is_some());
            match parse_line(&line, |id| is_every || docs.iter().any(|doc| doc.id == id)) {
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
                    if is_every {
                        self.every_row(row);
                    } else {
                        self.document_row(row);
                    }
                    self.check_end();
                }
                Line::Last(seq) => {
                    if let State::Following(listening) = &mut self.state {
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
        let (is_full, silence) = (self.is_full(), self.silence());
        let State::Following(listening) = &mut self.state else { return };
        if is_full || listening.cutter.pending() == 0 {
            listening.line_began = None;
        } else if listening.line_began.is_none() {
            listening.line_began = Some(self.now);
            // Unless heartbeats are rare, the timer fires before that anyway.
            if silence > ANSWER_TIME && self.reread.due.is_none() {
                self.set_timer(ANSWER_TIME);
            }
        }
    }

    /// Stops reading while the program has enough rows to process, so that the server waits.
    pub(crate) fn pause_if_full(&mut self) {
        if self.is_full()
            && let State::Following(listening) = &mut self.state
            && !std::mem::replace(&mut listening.is_paused, true)
        {
            self.actions.push_back(Action::Pause);
            // Silence means nothing now. The timer lets the driver check that the program still
            // wants events.
            self.set_timer(self.heartbeat);
        }
    }

    /// Reads again when the program can take more rows, the bytes that have arrived already first.
    pub(crate) fn read_on(&mut self) {
        if self.is_full() || !matches!(&self.state, State::Following(feed) if feed.is_paused) {
            return;
        }
        self.take_lines();
        if !self.is_full()
            && let State::Following(listening) = &mut self.state
            && std::mem::take(&mut listening.is_paused)
        {
            self.set_timer(self.silence());
            self.actions.push_back(Action::Resume);
        }
    }

    fn count_row(&mut self) {
        self.counters.rows += 1;
        self.counters.last_row = Some(self.now);
        if let State::Following(listening) = &mut self.state {
            listening.rows += 1;
        }
    }

    /// A row has something new.
    pub(crate) fn record_news(&mut self) {
        self.retry.losses.reset();
        if let State::Following(listening) = &mut self.state {
            listening.has_news = true;
        }
    }

    fn document_row(&mut self, row: Row) {
        self.place.since = row.seq.or(self.place.since.take());
        let Some(followed) = self.docs.iter_mut().find(|doc| doc.id == row.id) else { return };
        let rev = row.revs.into_iter().next();
        // The document may be newer than the row: the server adds it as it is when the row is sent.
        let own = row.doc.and_then(|doc| Some((parse_document(&doc, &row.id).ok()?, doc)));
        let is_news = match own {
            _ if row.deleted => followed.record(Change::deleted(&row.id, rev)),
            Some((own, doc)) => followed.record(own.into_change(row.id, doc)),
            None => followed.record_rev(rev),
        };
        if is_news {
            self.record_news();
            self.wants_settle = true;
        }
    }

    /// A feed has shown that it works when a line arrives this long after its beginning. A change
    /// shows it too, but less surely.
    fn prove_by_time(&mut self) {
        if let State::Following(listening) = &mut self.state
            && !listening.is_proven
            && self.now - listening.began >= self.heartbeat.max(PROOF_TIME)
        {
            listening.is_proven = true;
            self.link.is_single_use = false;
            self.retry.losses.reset();
        }
    }

    /// Reads the documents of rows that came without them, when all lines that have arrived are
    /// processed.
    pub(crate) fn reread_rows(&mut self) {
        if !matches!(self.state, State::Following(_) | State::Asking(Step::Feed, _))
            || !self.docs.iter().any(Document::is_due)
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
            && let State::Following(listening) = &mut self.state
            && let Some(rest) = listening.cutter.take_rest()
        {
            return self.begin_second_response(&[line, b"\r\n", &rest].concat());
        }
        let excerpt = &line[..line.len().min(EXCERPT_BYTES)];
        self.lose(FeedError::Line(one_line(&String::from_utf8_lossy(excerpt))));
    }

    pub(crate) fn begin_second_response(&mut self, data: &[u8]) {
        self.enter(State::SecondResponse(vec![]));
        self.set_timer(SECOND_RESPONSE_TIME);
        self.take_second_response(data);
    }

    /// More of a second response has arrived.
    pub(crate) fn take_second_response(&mut self, data: &[u8]) {
        let State::SecondResponse(bytes) = &mut self.state else { return };
        bytes.extend_from_slice(data);
        if second_response(bytes, false).is_some() {
            self.lose(FeedError::Cut); // which says what the second response says
        }
    }

    /// A feed from which nothing arrives for this long is dead. Ordinary jitter is well below.
    pub(crate) fn silence(&self) -> Duration {
        (self.heartbeat.saturating_mul(5) / 2).max(SILENCE_MIN)
    }
}

/// The second response at the start of `input` as an error. `None` if it is not complete, and more
/// of it may arrive (`is_over` is false) and is not too long.
pub(crate) fn second_response(input: &[u8], is_over: bool) -> Option<FeedError> {
    let is_over = is_over || input.len() >= SECOND_RESPONSE_BYTES;
    let mut fields = [httparse::EMPTY_HEADER; SECOND_RESPONSE_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let parsed = head.parse(input);
    if matches!(parsed, Ok(httparse::Status::Partial)) && !is_over {
        return None;
    }
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Ok(httparse::Status::Complete(length)), Some(status)) = (parsed, status) else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Some(FeedError::SecondResponse { status, reason: parse_reason(input) });
    };
    let body = &input[length..];
    // The body's framing does not matter: CouchDB's is one JSON object, and of any other body the
    // status says enough.
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Object>();
    let reason = match values.next() {
        Some(Ok(_)) => parse_reason(&body[..values.byte_offset()]),
        Some(Err(error)) if error.is_eof() && !is_over => return None,
        None if !is_over => return None,
        _ => None,
    };
    Some(FeedError::SecondResponse { status, reason })
}

type Object = serde_json::Map<String, serde_json::Value>;
