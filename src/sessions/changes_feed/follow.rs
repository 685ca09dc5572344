//! The way to a feed: connect, look at the database, read the documents, ask for what follows.

use super::answer::{Answer, is_plain};
use super::database::encoded;
use super::document::parse_document;
use super::encoding::path_of;
use super::error::FeedError;
use super::listen::Listening;
use super::row::parse_info;
use super::subject::Subject;
use super::{Change, ChangesFeed, FeedEvent, Step};
use crate::filters::{HttpClient, Part};
use crate::limits::{
    ANSWER_TIME, FEED_ANSWER_BYTES, FEED_CONNECT_TIME, FEED_KEEPALIVE_IDLE,
    FEED_KEEPALIVE_INTERVAL, FEED_REDIRECTS_MAX, FEED_REREAD_PAUSE,
};
use crate::reactor::{Cx, Socket};
use crate::wheels::{ConnectError, Connector, ReadWrite};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::time::Instant;

impl ChangesFeed {
    pub(super) fn connect(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Connecting;
        self.served = 0;
        self.counters.connections += 1;
        let target = self.database.target();
        self.connector = Some(Connector::new(cx, target, FEED_CONNECT_TIME, Self::CONNECTED));
    }

    pub(super) fn connected(&mut self, cx: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        self.connector = None;
        let socket = match result {
            Ok(socket) => socket,
            Err(error) => return self.lose(cx, FeedError::Connect(error)),
        };
        let is_kept = socket.set_keepalive(FEED_KEEPALIVE_IDLE, FEED_KEEPALIVE_INTERVAL);
        if let Err(error) = is_kept {
            log::debug!("the way to {} is not watched: {error}", self.database);
        }
        let socket = match self.database.dress(socket, cx.date()) {
            Ok(socket) => socket,
            Err(error) => return self.lose(cx, FeedError::Tls(error)),
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
        self.step = self.next_step();
        self.answer = Answer::default();
        self.end_look(cx);
        let is_feed = self.step == Step::Feed;
        let request = if self.step == Step::Login {
            self.database.login()
        } else {
            let body = if is_feed { self.feed_body() } else { None };
            let target = self.detour.take().unwrap_or_else(|| self.target());
            let request = self.database.get(&target, self.login.cookie());
            match body {
                Some(body) => request.map(|request| posting(request, body)),
                None => request,
            }
        };
        let (Some(request), Some(wire)) = (request, self.wire) else {
            let why = self.too_long();
            return self.lose(cx, why);
        };
        wire.put(cx, request);
        if is_feed {
            // Documents that were read are told now, for the answer may be long in coming; after a
            // loss with the feed's return, for nobody is to hear that what is new is out of date.
            let is_lost = self.counters.losses > 0 && !self.paging.is_announced;
            if !is_lost {
                self.flush_soon(cx);
            }
            self.paging.asked = (Some(cx.now()), self.rows_at_most());
            let is_after_loss = !self.paging.is_announced;
            if let Some(rows) = self.subject.rows_mut() {
                rows.asked(is_after_loss);
            }
        }
        // Some servers send a feed's head with its first heartbeat.
        cx.delay(Self::TICK, self.answer_time(), ());
    }

    /// What the request of this step is for.
    fn target(&self) -> String {
        match self.step {
            Step::Document(place) => {
                self.database.under(&format!("/{}", path_of(&self.subject.docs()[place].id)))
            }
            Step::Held => self.target_of_held(),
            Step::Feed => self.database.under(&self.feed_tail()),
            Step::Server => self.database.beside(""),
            _ => self.database.under(""),
        }
    }

    /// What in the request of this step is longer than any may be.
    fn too_long(&mut self) -> FeedError {
        let since = self.since.as_ref().map_or(0, |since| encoded(since.as_str()).len());
        match self.step {
            Step::Feed if 2 * since > self.feed_tail().len() => {
                self.forget_since();
                FeedError::Answer("its sequence is too long to be sent back")
            }
            Step::Feed => FeedError::Request("the query is too long"),
            Step::Document(_) => FeedError::Request("a document's id is too long"),
            _ => FeedError::Request("the database's URL is too long"),
        }
    }

    pub(super) fn part(&mut self, cx: &mut Cx<'_>, part: Part) {
        self.counters.heard = Some(cx.now());
        match part {
            Part::Head(head) => self.head(cx, &head),
            Part::Data(data) => {
                self.counters.bytes += data.len() as u64;
                self.answer.has_body = true;
                match &mut self.answer.lines {
                    Some(lines) => {
                        lines.feed(&data);
                        self.take_lines(cx);
                    }
                    None if self.answer.second.is_some() => self.second(cx, &data),
                    None => self.body(cx, &data),
                }
            }
            Part::End => self.answered(cx),
        }
    }

    fn head(&mut self, cx: &mut Cx<'_>, head: &Response<()>) {
        self.answer = Answer::of(head, cx.date());
        self.answer.began = Some(cx.now());
        self.login.keep(head.headers());
        if !is_plain(head.headers()) {
            return self.lose(cx, FeedError::Answer("it is compressed, which was not asked for"));
        }
        if self.step == Step::Feed && self.answer.is_ok() {
            self.answer.lines = Some(self.asked_mode().cutter(self.line_max));
            self.listening = Some(Listening::new(cx.now()));
            let (connection, since) = (self.counters.connections, self.since.clone());
            self.paging.since.clone_from(&since);
            (self.paging.rows, self.paging.has_news) = (0, false);
            if let Some(rows) = self.subject.rows_mut() {
                rows.begun();
            }
            let was_announced = std::mem::replace(&mut self.paging.is_announced, true);
            let goes_on = std::mem::take(&mut self.paging.is_resumed) || self.has_turns();
            if let Some(since) = since.filter(|_| !(was_announced && goes_on)) {
                self.tell(cx, FeedEvent::Connected { connection, since });
            }
            // Documents were read if there was a doubt, and are told with this.
            if self.subject.rows().is_none() || self.is_at_end() {
                self.catch_up(cx);
            }
            let silence = self.silence();
            let left = |due| silence.min(Instant::saturating_duration_since(&due, cx.now()));
            cx.delay(Self::TICK, self.read_again.map_or(silence, left), ());
            self.look_later(cx);
            self.pause_if_full(cx);
        } else if self.is_document() && length(head).is_some_and(|length| length > self.line_max) {
            self.outgrow(cx); // and none of it is read
        } else if self.step == Step::Feed {
            cx.delay(Self::TICK, ANSWER_TIME, ()); // a refusal waits for no heartbeats
        }
    }

    /// Whether the answer is a document.
    fn is_document(&self) -> bool {
        matches!(self.step, Step::Document(_) | Step::Held) && self.answer.is_ok()
    }

    /// The document is longer than any may be.
    fn outgrow(&mut self, cx: &mut Cx<'_>) {
        match self.step {
            Step::Document(place) => self.pass_over(cx, place),
            _ => self.outgrow_held(cx),
        }
    }

    /// Some of a body that is no feed.
    fn body(&mut self, cx: &mut Cx<'_>, data: &Bytes) {
        let max = if self.is_document() { self.line_max } else { FEED_ANSWER_BYTES };
        if self.answer.body.len() + data.len() <= max {
            self.answer.body.extend_from_slice(data);
        } else if self.is_document() {
            self.outgrow(cx);
        } else if self.step == Step::Server {
            self.meet(cx); // with whatever stands before it
        } else if self.answer.is_ok() {
            self.lose(cx, FeedError::Answer("it is too long"));
        } else {
            let refusal = self.answer.refusal();
            self.lose(cx, refusal);
        }
    }

    /// An answer is complete.
    fn answered(&mut self, cx: &mut Cx<'_>) {
        self.served += 1;
        let (step, is_ok) = (self.step, self.answer.is_ok());
        let is_unauthorized = self.answer.status == Some(StatusCode::UNAUTHORIZED);
        if !matches!(step, Step::Login | Step::Server) && self.answer.is_redirect() {
            return self.redirected(cx);
        }
        self.redirects = 0;
        match step {
            Step::Login => self.logged_in(cx),
            // Who guards the server's root alone lets the database be followed all the same.
            _ if is_unauthorized && (step != Step::Server || self.can_log_in_again()) => {
                self.log_in_again(cx);
            }
            Step::Server => self.meet(cx),
            Step::Info if is_ok => self.look(cx),
            Step::Document(place) if is_ok => self.read(cx, place),
            Step::Document(place) if self.answer.is_not_found() => {
                let gone = Change::gone(&self.subject.docs()[place].id, None);
                self.stands(cx, place, gone);
            }
            Step::Held if is_ok => self.read_held(cx),
            Step::Held => self.refused_held(cx),
            Step::Feed if is_ok && self.has_turns() => self.turn_page(cx),
            Step::Feed if is_ok => {
                let is_last = self.answer.is_last;
                let why = if is_last { self.ended_again(cx) } else { FeedError::Cut };
                self.lose(cx, why);
            }
            Step::Feed => self.refused(cx),
            _ => {
                let refusal = self.answer.refusal();
                self.lose(cx, refusal);
            }
        }
    }

    /// Goes where the server says that it is, on the same server and so many times.
    fn redirected(&mut self, cx: &mut Cx<'_>) {
        self.redirects += 1;
        let location = self.answer.location.take().unwrap_or_default();
        let target = match self.database.redirected(&location) {
            Ok(_) if self.redirects > FEED_REDIRECTS_MAX => Err("again and again"),
            target => target,
        };
        match target {
            Ok(target) => {
                self.detour = Some(target);
                self.go_on(cx);
            }
            Err(why) => self.lose(cx, FeedError::Redirect(why)),
        }
    }

    /// The server does not give the feed.
    fn refused(&mut self, cx: &mut Cx<'_>) {
        let refusal = self.answer.refusal_of_feed();
        if self.is_filtered && refusal.may_be_of_filter(self.feed_body().is_some()) {
            self.is_filtered = false; // an old server, or a proxy that takes no such requests
            return self.go_on(cx);
        }
        if self.answer.status == Some(StatusCode::BAD_REQUEST) {
            self.forget_since(); // one of another server: begin anew rather than ask for ever
        }
        self.lose(cx, refusal);
    }

    /// Looks whether the database is still the one that was followed; if not, or if nobody can
    /// tell, its documents are read anew, from a sequence that was before that. So they are after a
    /// loss, unless nothing has changed: how long a server may be in coming to what was missed, and
    /// when it has come there, a feed does not tell. Where one look follows another, as between the
    /// answers of a long poll, they are read anew a moment later: each change of one would have all
    /// be read. Where documents were purged, which no row tells, they are read anew too.
    fn look(&mut self, cx: &mut Cx<'_>) {
        self.login_is_accepted(cx);
        let Some(info) = parse_info(&self.answer.body) else {
            return self.lose(cx, FeedError::Answer("it does not describe a database"));
        };
        if info.update_seq.is_none() {
            return self.lose(cx, FeedError::Answer("it tells no update_seq"));
        }
        let is_same = info.identity.is_some() && info.identity == self.identity;
        let is_other = self.is_another(&info);
        let was_read = self.read_anew.is_some_and(|then| cx.now() - then < FEED_REREAD_PAUSE);
        if is_other {
            self.is_caught_up = false; // what the new one has is still to come
            self.look.purges = None;
        }
        let is_purged = self.is_purged(&info);
        let is_too_soon = was_read && (!is_same || is_purged) && self.is_caught_up;
        match &mut self.subject {
            Subject::Documents(_) if is_too_soon => self.read_after(cx, FEED_REREAD_PAUSE),
            Subject::Documents(docs) if !is_same || self.since.is_none() => {
                self.read_anew = Some(cx.now());
                self.since.clone_from(&info.update_seq);
                for doc in docs {
                    doc.is_stale = true;
                }
                self.nothing_is_put_off();
            }
            Subject::Documents(docs) if is_purged => {
                self.read_anew = Some(cx.now());
                for doc in docs {
                    doc.is_stale = true; // the feed goes on from where it is
                }
                self.nothing_is_put_off();
            }
            Subject::Documents(docs) if !self.is_caught_up && self.since != info.update_seq => {
                for doc in docs {
                    doc.is_stale = true; // and what the feed has to tell besides is not missed
                }
            }
            Subject::Documents(_) => {}
            Subject::Rows(_) => {
                if !self.find_place(cx, &info, is_other) {
                    return;
                }
            }
        }
        if !is_too_soon {
            self.tell_purges(cx, &info);
        }
        self.identity.clone_from(&info.identity);
        self.end = Some(info);
        self.was_gone = false;
        self.is_checked = true;
        if is_other && let Subject::Documents(_) = self.subject {
            self.tell(cx, FeedEvent::Recreated);
        }
        self.go_on(cx);
    }

    fn read(&mut self, cx: &mut Cx<'_>, place: usize) {
        let id = self.subject.docs()[place].id.clone();
        let own = match parse_document(&self.answer.body, &id) {
            Ok(own) => own,
            Err(why) => return self.refuse_document(cx, place, FeedError::Answer(why)),
        };
        if own.is_deleted {
            return self.stands(cx, place, Change::gone(&id, Some(own.rev)));
        }
        let body = std::mem::take(&mut self.answer.body);
        let doc = Bytes::from(body.trim_ascii().to_vec());
        self.stands(cx, place, Change { id, rev: Some(own.rev), doc: Some(doc) });
    }

    /// The document at `place` was read, and stands thus; told together with the others that are.
    fn stands(&mut self, cx: &mut Cx<'_>, place: usize, change: Change) {
        if self.subject.docs_mut()[place].was_read(change) {
            self.put_off(cx, place);
        } else {
            self.go_on(cx);
        }
    }

    /// The document at `place` is not to be had; told once until it is.
    fn pass_over(&mut self, cx: &mut Cx<'_>, place: usize) {
        let (followed, max) = (&mut self.subject.docs_mut()[place], self.line_max);
        if followed.pass_over() {
            let id = followed.id.clone();
            self.tell(cx, FeedEvent::TooLong { id, max });
        }
        self.hang_up(cx);
        self.connect(cx);
    }

    /// The next request, on this connection if the server keeps it.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>) {
        let is_idle = self.wire.and_then(|wire| wire.filter(cx)).is_some_and(HttpClient::is_idle);
        if is_idle && !self.is_single {
            self.ask(cx);
        } else {
            self.hang_up(cx);
            self.connect(cx);
        }
    }
}

/// How long a body is, where the head says so.
fn length(head: &Response<()>) -> Option<usize> {
    head.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The same request with something to be read: JSON.
fn posting(mut request: Request<Bytes>, body: Bytes) -> Request<Bytes> {
    *request.method_mut() = Method::POST;
    *request.body_mut() = body;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}
