//! The requests of a feed, and what follows the end of an answer with it.

use crate::documents::Document;
use crate::error::FeedError;
use crate::event::{Action, Channel, FeedEvent, FeedMode};
use crate::follower::Follower;
use crate::limits::{
    ANSWER_HEARTBEATS, ANSWER_TIME, ANSWER_TIME_MIN, ASKED_TIME_MAX, FILTER_BYTES, PAGE_ROWS,
    PROOF_TIME, RETRY_FIRST,
};
use crate::listening::Body;
use crate::options::Liveness;
use crate::row::Seq;
use crate::rows::ServerUuid;
use crate::state::{LinkState, State, Step};
use crate::url::{encoded, path_of};
use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Request};
use std::time::{Duration, Instant};

/// How requests are authenticated. `Debug` does not show the cookie, which is marked as sensitive.
#[derive(Debug, Default)]
pub(crate) enum Login {
    /// With the URL's credentials.
    #[default]
    Basic,
    /// A cookie must be asked for first.
    Wanted,
    Cookie(HeaderValue),
    /// The server has no sessions: with the credentials, until it rejects a request permanently.
    NoSessions,
}

impl Login {
    pub(crate) fn cookie(&self) -> Option<&HeaderValue> {
        match self {
            Login::Cookie(cookie) => Some(cookie),
            _ => None,
        }
    }

    /// Logs in again after an error, because the server may have rejected the cookie.
    pub(crate) fn renew(&mut self) {
        if !matches!(self, Login::Basic) {
            *self = Login::Wanted;
        }
    }

    /// Keeps the cookie of a login, and the newer one that CouchDB sends before that one expires.
    pub(crate) fn keep_cookie(&mut self, headers: &HeaderMap) {
        if matches!(self, Login::Basic) {
            return;
        }
        for value in headers.get_all(SET_COOKIE) {
            let pair = value.to_str().ok().and_then(|value| value.split(';').next());
            let pair = pair.filter(|pair| pair.trim().starts_with("AuthSession="));
            let cookie = pair.and_then(|pair| HeaderValue::from_str(pair.trim()).ok());
            if let Some(mut cookie) = cookie.filter(|cookie| cookie.len() > "AuthSession=".len()) {
                cookie.set_sensitive(true);
                *self = Login::Cookie(cookie);
            }
        }
    }
}

/// The answers with the feed, beyond one of them.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    /// The sequence from which the last one was asked for.
    pub(crate) since: Option<Seq>,
    /// When it was asked for, and for how many rows at most.
    asked: Option<(Instant, Option<u64>)>,
    /// The last pause after an answer without news.
    pause: Duration,
    pub(crate) probe: EndProbe,
    /// True if something seems to buffer answers until they are complete, with their heartbeats.
    /// The feed is then asked for as answers that end, each after a heartbeat's time.
    pub(crate) is_held_back: bool,
    /// True if it was reported since the last loss that the server answers.
    pub(crate) is_announced: bool,
    /// True if the next request continues the feed after a probe for its end.
    pub(crate) is_resumed: bool,
}

/// A request for the rest of the existing changes as an answer with an end.
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

impl Follower {
    /// Sends the next request, on the open connection.
    pub(crate) fn ask(&mut self) {
        let step = self.next_step();
        self.enter(State::Asking(step, Box::default()));
        self.end_look();
        let Some(request) = self.request(step) else {
            let why = self.too_long(step);
            return self.lose(why);
        };
        self.link.state = LinkState::Busy;
        self.send(Channel::Feed, request);
        if step == Step::Feed {
            // Documents that were read are reported now, because the answer may take long. After a
            // loss they are reported when the feed is back, so that a program never hears that a
            // new document is outdated.
            self.wants_settle |= self.counters.losses == 0 || self.paging.is_announced;
            self.paging.asked = Some((self.now, self.rows_at_most()));
            if let Some(rows) = &mut self.rows {
                rows.asked(!self.paging.is_announced);
            }
        }
        // Some servers send a feed's head with its first heartbeat.
        self.set_timer(self.answer_time(step));
    }

    /// The next request, on this connection if the server keeps it open.
    pub(crate) fn ask_next(&mut self) {
        if self.link.state == LinkState::Idle && !self.link.is_single_use {
            self.ask();
        } else {
            self.reconnect();
        }
    }

    fn next_step(&self) -> Step {
        match &self.rows {
            _ if matches!(self.login, Login::Wanted) => Step::Login,
            Some(rows) if matches!(rows.server, ServerUuid::Unknown) => Step::Server,
            _ if !self.place.is_checked => Step::Info,
            Some(rows) if rows.awaiting_doc.is_some() => Step::RowDocument,
            _ => self.docs.iter().position(Document::is_due).map_or(Step::Feed, Step::Document),
        }
    }

    /// `None` if the request would be too long.
    fn request(&mut self, step: Step) -> Option<Request<Bytes>> {
        if step == Step::Login {
            return self.url.login();
        }
        let body = if step == Step::Feed { self.feed_body() } else { None };
        let target = self.redirect.target.take().unwrap_or_else(|| self.target(step));
        self.url.request(&target, self.login.cookie(), body)
    }

    fn target(&self, step: Step) -> String {
        let tail = match step {
            Step::Document(index) => format!("/{}", path_of(&self.docs[index].id)),
            Step::RowDocument => self.tail_of_row_document(),
            Step::Feed => self.feed_tail(),
            Step::Server => return self.url.path_on_server(""),
            Step::Info | Step::Login => String::new(),
        };
        self.url.path_in_database(&tail)
    }

    /// The error that says which part of a request is too long.
    fn too_long(&mut self, step: Step) -> FeedError {
        let since = self.place.since.as_ref().map_or(0, |since| encoded(since.as_str()).len());
        FeedError::Request(match step {
            Step::Feed if 2 * since > self.feed_tail().len() => {
                self.forget_since();
                return FeedError::Answer("its sequence is too long to be sent back");
            }
            Step::Feed => "the query is too long",
            Step::Document(_) => "a document's id is too long",
            _ => "the database's URL is too long",
        })
    }

    /// The target of the request for the feed, without the database.
    fn feed_tail(&self) -> String {
        let mut tail = format!(
            "/_changes?feed={}&include_docs={}&{}={}&since={}",
            self.asked_mode().name(),
            self.wants_docs() && !self.omits_documents(),
            if self.is_timed() { "timeout" } else { "heartbeat" },
            self.heartbeat.min(ASKED_TIME_MAX).as_millis(),
            encoded(self.place.since.as_ref().map_or("0", |seq| seq.as_str()))
        );
        match (&self.rows, self.ids()) {
            (Some(rows), _) => tail += &rows.every.query.parameters(),
            (None, Some(ids)) if is_short(&ids) => {
                tail.extend(["&filter=_doc_ids&doc_ids=", &encoded(&ids)]);
            }
            (None, Some(_)) => tail += "&filter=_doc_ids",
            (None, None) => {}
        }
        if let Some(rows) = self.rows_at_most() {
            tail.extend(["&limit=", &rows.to_string()]);
        }
        tail
    }

    /// The body of the request for the feed; without one it is a GET.
    pub(crate) fn feed_body(&self) -> Option<Bytes> {
        if let Some(rows) = &self.rows {
            return rows.every.query.body().cloned();
        }
        let ids = self.ids().filter(|ids| !is_short(ids))?;
        Some(format!("{{\"doc_ids\":{ids}}}").into())
    }

    /// The followed documents as JSON, if the server is asked to send only them.
    fn ids(&self) -> Option<String> {
        let ids = self.docs.iter().map(|doc| doc.id.as_str());
        self.is_filtered.then(|| ids.collect::<serde_json::Value>().to_string())
    }

    /// Returns true if rows should have their documents.
    pub(crate) fn wants_docs(&self) -> bool {
        self.rows.as_ref().is_none_or(|rows| rows.every.query.has_docs)
    }

    /// How many rows are asked for. After a row was too long, one row is asked for at a time.
    fn rows_at_most(&self) -> Option<u64> {
        let left = match &self.rows {
            Some(_) if self.omits_documents() => Some(1),
            Some(rows) => rows.left,
            None => None,
        };
        let page = Some(PAGE_ROWS).filter(|_| self.lasting_mode().is_paged());
        left.into_iter().chain(page).min()
    }

    /// The sequence is not one of this server. Documents start from the beginning, because that
    /// loses nothing.
    pub(crate) fn forget_since(&mut self) {
        if self.rows.is_none() {
            self.place.since = None;
        }
    }

    /// How the server is asked now.
    pub(crate) fn asked_mode(&self) -> FeedMode {
        match self.paging.probe {
            EndProbe::Running => FeedMode::Normal,
            _ => self.lasting_mode(),
        }
    }

    /// How the server is asked when no probe for the end is running.
    pub(crate) fn lasting_mode(&self) -> FeedMode {
        match self.mode {
            FeedMode::Continuous if self.paging.is_held_back => FeedMode::LongPoll,
            mode => mode,
        }
    }

    /// Returns true if the server is asked to end an answer without changes, instead of sending
    /// heartbeats.
    pub(crate) fn is_timed(&self) -> bool {
        match self.asked_mode() {
            FeedMode::Continuous => self.has_timeout(),
            FeedMode::LongPoll => self.has_timeout() || self.paging.is_held_back,
            FeedMode::Normal => false, // such an answer does not wait for changes
        }
    }

    /// Returns true if a complete answer is followed by the next request.
    pub(crate) fn has_pages(&self) -> bool {
        self.asked_mode().is_paged() || self.has_timeout()
    }

    pub(crate) fn has_timeout(&self) -> bool {
        self.liveness == Liveness::Timeout
    }

    pub(crate) fn send(&mut self, channel: Channel, request: Request<Bytes>) {
        self.actions.push_back(Action::Send(channel, Box::new(request)));
    }

    /// A row has arrived: is it the last one, or the last one before the end should be probed?
    pub(crate) fn check_end(&mut self) {
        let is_old = match &self.state {
            State::Following(feed) => self.now - feed.began >= self.heartbeat,
            _ => false,
        };
        if self.rows.is_some() && self.place.is_at_end() {
            self.catch_up();
        } else if is_old && !self.asked_mode().is_paged() {
            self.want_probe();
        }
    }

    /// Reports that nothing is left to report, once after each loss.
    pub(crate) fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.place.is_caught_up, true) {
            self.tell(FeedEvent::CaughtUp);
        }
    }

    /// Asks for the rest of the existing changes as an answer of its own, if it is not known
    /// whether there are more: at the end of that answer all are reported.
    ///
    /// No line of a feed without an end says so. An empty line comes if a server has had nothing to
    /// send for some time, perhaps because a filter has left everything out. While there always is
    /// something to send, none comes.
    pub(crate) fn want_probe(&mut self) {
        if self.rows.is_some()
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
        let is_last = match &self.state {
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

    /// An answer with the feed has ended. More is asked for immediately if there is more.
    pub(crate) fn feed_ended(&mut self) {
        let State::Following(feed) = &self.state else { return };
        let (rows, has_news) = (feed.rows, feed.has_news);
        let ended = FeedError::Ended { after: self.now - feed.began, rows };
        if feed.body != Body::Last {
            return self.lose(FeedError::Cut);
        } else if !self.has_pages() {
            return self.lose(ended);
        }
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
        // comes soon enough: the rows of another database are then reported again.
        self.place.is_checked = is_full;
        let is_probe = !is_full && self.paging.probe == EndProbe::Running;
        if is_probe {
            self.paging.probe = EndProbe::Unneeded;
            self.paging.is_resumed = true;
        }
        if is_full || is_probe {
            self.ask_next();
        } else if self.asked_mode() == FeedMode::Normal {
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
            self.lose(ended);
        }
    }

    /// How long to wait for the answer to a request.
    pub(crate) fn answer_time(&self, step: Step) -> Duration {
        let heartbeats = self.heartbeat.saturating_mul(ANSWER_HEARTBEATS);
        match self.asked_mode() {
            _ if step != Step::Feed => ANSWER_TIME,
            _ if self.is_timed() => ANSWER_TIME.max(self.silence()),
            FeedMode::Normal => ANSWER_TIME.max(heartbeats),
            _ => ANSWER_TIME_MIN.max(heartbeats),
        }
    }
}

/// Returns true if these ids fit into a request's target.
fn is_short(ids: &str) -> bool {
    encoded(ids).len() <= FILTER_BYTES
}
