//! The way of a feed: connect, look at the database, read the documents, follow, and come back.

use super::answer::Answer;
use super::database::encoded;
use super::error::FeedError;
use super::row::{Line, Row, parse_info, parse_line, parse_rev};
use super::{Change, ChangesFeed, FeedEvent, Step};
use crate::filters::{HttpClient, HttpClientError, Lines, Part};
use crate::limits::{
    ANSWER_TIME, FEED_CONNECT_TIME, FEED_FILTER_BYTES, FEED_STUCK_TIMES, SILENCE_FLOOR,
};
use crate::reactor::{Cx, PostError, Socket};
use crate::wheels::{ConnectError, Connector, Ended, ReadWrite};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::time::{Duration, Instant};

/// How long to wait before the flush is tried again when the queue was full.
const FLUSH_AGAIN: Duration = Duration::from_millis(10);

impl ChangesFeed {
    pub(super) fn connect(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Connecting;
        let target = self.database.target();
        self.connector = Some(Connector::new(cx, target, FEED_CONNECT_TIME, Self::CONNECTED));
    }

    pub(super) fn connected(&mut self, cx: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        self.connector = None;
        let socket = match result {
            Ok(socket) => socket,
            Err(error) => return self.lose(cx, FeedError::Connect(error)),
        };
        match ReadWrite::new(cx, socket, HttpClient::new(), Self::PART, Self::ENDED) {
            Ok(wire) => {
                self.wire = Some(wire);
                self.ask(cx);
            }
            Err(error) => self.lose(cx, FeedError::Io(error)),
        }
    }

    /// Sends the next request that is due, on the same connection as those before it.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let stale = self.docs.iter().position(|doc| doc.is_stale);
        let (step, tail, time) = match stale {
            _ if !self.is_checked => (Step::Info, String::new(), ANSWER_TIME),
            Some(place) => {
                let tail = format!("/{}", encoded(&self.docs[place].id));
                (Step::Document(place), tail, ANSWER_TIME)
            }
            // Some servers send a feed's head with its first heartbeat.
            None => (Step::Feed, self.feed_tail(), ANSWER_TIME.max(self.silence())),
        };
        self.step = step;
        self.answer = Answer::default();
        let Some(wire) = self.wire else { return };
        wire.put(cx, self.database.get(&tail));
        cx.delay(Self::TICK, time, ());
    }

    fn feed_tail(&self) -> String {
        let since = self.since.as_ref().map_or("0", |seq| seq.as_str());
        let mut tail = format!(
            "/_changes?feed=continuous&include_docs=true&heartbeat={}&since={}",
            self.heartbeat.as_millis(),
            encoded(since)
        );
        let ids: Vec<_> = self.docs.iter().map(|doc| doc.id.as_str()).collect();
        let ids = encoded(&serde_json::to_string(&ids).expect("text is JSON"));
        if self.is_filtered && ids.len() <= FEED_FILTER_BYTES {
            tail.push_str("&filter=_doc_ids&doc_ids=");
            tail.push_str(&ids);
        }
        tail
    }

    /// Longer than this without a byte is dead: ordinary jitter stays well below.
    fn silence(&self) -> Duration {
        self.heartbeat.mul_f64(2.5).max(SILENCE_FLOOR)
    }

    pub(super) fn part(&mut self, cx: &mut Cx<'_>, part: Part) {
        self.heard = Some(cx.now());
        match part {
            Part::Head(head) => self.head(cx, &head),
            Part::Data(data) => match &mut self.answer.lines {
                Some(lines) => {
                    lines.feed(&data);
                    self.take_lines(cx);
                }
                None if self.answer.body.len() + data.len() > self.line_max => {
                    self.lose(cx, FeedError::Answer("it is longer than a document may be"));
                }
                None => self.answer.body.extend_from_slice(&data),
            },
            Part::End => self.answered(cx),
        }
    }

    fn head(&mut self, cx: &mut Cx<'_>, head: &Response<()>) {
        self.answer = Answer::of(head, cx.date());
        if let Some(coding) = head.headers().get(http::header::CONTENT_ENCODING)
            && coding != "identity"
        {
            return self.lose(cx, FeedError::Answer("it is compressed, which was not asked for"));
        }
        if self.step == Step::Feed && head.status() == StatusCode::OK {
            self.answer.lines = Some(Lines::new(self.line_max));
            self.began = (self.since.clone(), Some(cx.now()));
            self.tell(cx, FeedEvent::CaughtUp);
            cx.delay(Self::TICK, self.silence(), ());
        }
    }

    /// An answer is complete.
    fn answered(&mut self, cx: &mut Cx<'_>) {
        let ok = self.answer.status == Some(StatusCode::OK);
        match self.step {
            Step::Info if ok => self.look(cx),
            Step::Document(place) if ok => self.read(cx, place),
            Step::Document(place) if self.answer.status == Some(StatusCode::NOT_FOUND) => {
                self.docs[place].is_stale = false;
                self.docs[place].news = Some(Change::gone(&self.docs[place].id, None));
                self.go_on(cx);
            }
            Step::Feed if ok && self.answer.is_last => self.lose(cx, FeedError::Ended),
            Step::Feed if ok => self.lose(cx, FeedError::Cut),
            Step::Feed if self.is_filtered && self.answer.refusal().is_lasting() => {
                self.is_filtered = false; // an old server, or a proxy that knows better
                self.go_on(cx);
            }
            _ => {
                let refusal = self.answer.refusal();
                self.lose(cx, refusal);
            }
        }
    }

    /// Looks whether the database is still the one that was followed; if not, or if nobody can tell,
    /// its documents are read anew, from a sequence that was before that.
    fn look(&mut self, cx: &mut Cx<'_>) {
        let Some(info) = parse_info(&self.answer.body) else {
            return self.lose(cx, FeedError::Answer("it does not describe a database"));
        };
        let is_same = info.identity.is_some() && info.identity == self.identity;
        let is_other = self.identity.is_some() && !is_same;
        if !is_same || self.since.is_none() {
            if info.update_seq.is_none() {
                return self.lose(cx, FeedError::Answer("it tells no update_seq"));
            }
            self.since = info.update_seq;
            self.docs.iter_mut().for_each(|doc| doc.is_stale = true);
        }
        self.identity = info.identity;
        self.is_checked = true;
        if is_other {
            self.tell(cx, FeedEvent::Recreated);
        }
        self.go_on(cx);
    }

    fn read(&mut self, cx: &mut Cx<'_>, place: usize) {
        let Some(rev) = parse_rev(&self.answer.body) else {
            return self.lose(cx, FeedError::Answer("it is no document"));
        };
        let body = std::mem::take(&mut self.answer.body);
        let doc = Bytes::from(body.trim_ascii().to_vec());
        let followed = &mut self.docs[place];
        followed.is_stale = false;
        followed.news = Some(Change { id: followed.id.clone(), rev: Some(rev), doc: Some(doc) });
        self.go_on(cx);
    }

    /// The next request, on this connection if the server keeps it.
    fn go_on(&mut self, cx: &mut Cx<'_>) {
        let is_kept = self.wire.and_then(|wire| wire.filter(cx)).is_some_and(|f| f.is_idle());
        if is_kept {
            self.ask(cx);
        } else {
            self.hang_up(cx);
            self.connect(cx);
        }
    }

    fn take_lines(&mut self, cx: &mut Cx<'_>) {
        while let Some(line) = self.answer.lines.as_mut().and_then(Iterator::next) {
            match line.map(|line| (parse_line(&line), line)) {
                Ok((Line::Heartbeat, _)) => {
                    if ago(cx, self.began.1) >= self.heartbeat {
                        self.prove();
                    }
                }
                Ok((Line::Row(row), _)) => self.row(cx, row),
                Ok((Line::Last(seq), _)) => {
                    self.answer.is_last = true;
                    self.since = seq.or(self.since.take());
                }
                Ok((Line::Error(reason), _)) => self.lose(cx, FeedError::Server(reason)),
                Ok((Line::Malformed, line)) => self.lose(cx, FeedError::Line(excerpt(&line))),
                Err(error) => self.lose(cx, FeedError::LineTooLong(error)),
            }
        }
    }

    fn row(&mut self, cx: &mut Cx<'_>, row: Row) {
        self.prove();
        self.since = row.seq.or(self.since.take());
        let Some(followed) = self.docs.iter_mut().find(|doc| doc.id == row.id) else { return };
        match row.doc {
            _ if row.deleted => followed.news = Some(Change::gone(&row.id, row.rev)),
            Some(doc) => {
                let rev = row.rev.or_else(|| parse_rev(&doc));
                followed.news = Some(Change { id: row.id, rev, doc: Some(doc) });
            }
            None => {
                // It is not known any more how the document stands: read it, then follow on.
                followed.is_stale = true;
                self.hang_up(cx);
                return self.connect(cx);
            }
        }
        cx.delay_clear(Self::FLUSH);
        cx.yield_now(Self::FLUSH, ());
    }

    /// The feed has shown that it works.
    fn prove(&mut self) {
        self.backoff.reset();
        self.stuck = (String::new(), 0);
    }

    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        match self.step {
            Step::Waiting => self.connect(cx),
            Step::Connecting => {}
            Step::Feed if self.answer.lines.is_some() => {
                let (silence, heard) = (self.silence(), ago(cx, self.heard));
                match silence.checked_sub(heard) {
                    Some(left) if !left.is_zero() => cx.delay(Self::TICK, left, ()),
                    _ => self.lose(cx, FeedError::Silent(silence)),
                }
            }
            Step::Feed => self.lose(cx, FeedError::NoAnswer(ANSWER_TIME.max(self.silence()))),
            Step::Info | Step::Document(_) => self.lose(cx, FeedError::NoAnswer(ANSWER_TIME)),
        }
    }

    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let why = match ended {
            Ended::Eof | Ended::Finished | Ended::TimedOut | Ended::Closed => FeedError::Cut,
            Ended::Failed(error) => FeedError::Io(error),
            Ended::Malformed(error) => match error.downcast::<HttpClientError>() {
                Ok(error) => match *error {
                    HttpClientError::Cut | HttpClientError::Closed => FeedError::Cut,
                    error => FeedError::Http(error),
                },
                Err(_) => FeedError::Answer("it is not HTTP"),
            },
        };
        self.lose(cx, why);
    }

    /// Ends what is under way and waits for the next try.
    fn lose(&mut self, cx: &mut Cx<'_>, why: FeedError) {
        self.hang_up(cx);
        self.is_checked = false;
        self.step = Step::Waiting;
        let is_good_end = matches!(why, FeedError::Ended) && self.has_moved(cx);
        if is_good_end {
            self.backoff.reset();
            return cx.delay(Self::TICK, Duration::ZERO, ());
        }
        let stuck = self.count_stuck(&why);
        let mut retry_after = self.backoff.next_delay();
        if why.is_lasting() {
            retry_after = self.retry_cap / 2 + retry_after / 2; // slow, and still not all at once
        }
        retry_after = retry_after.max(why.retry_after().unwrap_or_default());
        let times = self.backoff.tries();
        self.tell(cx, FeedEvent::Lost { why, retry_after, times });
        if let Some(times) = stuck {
            self.tell(cx, FeedEvent::Stuck { times });
        }
        cx.delay(Self::TICK, retry_after, ());
    }

    /// Whether this feed has brought anything, or at least lasted.
    fn has_moved(&self, cx: &Cx<'_>) -> bool {
        self.since != self.began.0 || ago(cx, self.began.1) >= self.heartbeat
    }

    /// Counts the same error at the same sequence.
    fn count_stuck(&mut self, why: &FeedError) -> Option<u32> {
        let what = format!("{why} at {:?}", self.since);
        if self.stuck.0 == what {
            self.stuck.1 += 1;
        } else {
            self.stuck = (what, 1);
        }
        let is_at_sequence = self.since.is_some() && !matches!(why, FeedError::Connect(_));
        (is_at_sequence && self.stuck.1 == FEED_STUCK_TIMES).then_some(self.stuck.1)
    }

    /// From now on nothing of this attempt is heard any more.
    fn hang_up(&mut self, cx: &mut Cx<'_>) {
        cx.delay_clear(Self::TICK);
        self.answer = Answer::default();
        if let Some(connector) = self.connector.take() {
            connector.close(cx);
        }
        if let Some(wire) = self.wire.take() {
            wire.close(cx);
        }
    }

    /// Tells what is new, in the order in which it came for each document.
    pub(super) fn flush(&mut self, cx: &mut Cx<'_>) {
        for followed in &mut self.docs {
            let Some(news) = followed.news.take() else { continue };
            let stand = (news.rev.clone(), news.doc.is_some());
            if followed.told.as_ref().is_some_and(|told| is_known(told, &stand)) {
                continue;
            }
            match self.postback.post(cx, FeedEvent::Change(news.clone())) {
                Ok(()) => followed.told = Some(stand),
                Err(PostError::NoSession { .. }) => return cx.stop(), // nobody listens
                Err(_) => {
                    followed.news = Some(news);
                    return cx.delay(Self::FLUSH, FLUSH_AGAIN, ());
                }
            }
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        self.flush(cx);
        if let Err(error) = self.postback.post(cx, event) {
            log::warn!("the changes feed of {} could not tell: {error}", self.database);
        }
    }
}

impl Change {
    fn gone(id: &str, rev: Option<String>) -> Self {
        Change { id: id.to_owned(), rev, doc: None }
    }
}

/// How long ago something was.
fn ago(cx: &Cx<'_>, then: Option<Instant>) -> Duration {
    then.map_or(Duration::ZERO, |then| cx.now() - then)
}

/// A document that was gone and is gone is no news, whatever its tombstone is called.
fn is_known(told: &(Option<String>, bool), stand: &(Option<String>, bool)) -> bool {
    told == stand || (!told.1 && !stand.1)
}

fn excerpt(line: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    shown.escape_debug().collect()
}
