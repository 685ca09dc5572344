//! The requests of a feed: which one is next, and what it asks for.

use crate::action::{Action, Channel};
use crate::documents::Document;
use crate::error::FeedError;
use crate::event::FeedMode;
use crate::follower::Follower;
use crate::limits::{ASKED_TIME_MAX, FILTER_BYTES, PAGE_ROWS};
use crate::options::Liveness;
use crate::pages::EndProbe;
use crate::rows::{Rows, ServerUuid};
use crate::state::{State, Step};
use crate::url::{DatabaseUrl, encoded, path_of};
use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use std::fmt;

/// What of a database is followed.
#[derive(Debug)]
pub(crate) enum Subject {
    /// The latest revisions of these documents.
    Documents(Vec<Document>),
    /// Every change.
    Rows(Box<Rows>),
}

impl Subject {
    pub(crate) fn docs(&self) -> &[Document] {
        match self {
            Subject::Documents(docs) => docs,
            Subject::Rows(_) => &[],
        }
    }

    pub(crate) fn docs_mut(&mut self) -> &mut [Document] {
        match self {
            Subject::Documents(docs) => docs,
            Subject::Rows(_) => &mut [],
        }
    }

    /// Returns true if the document with this id is followed.
    pub(crate) fn wants(&self, id: &str) -> bool {
        match self {
            Subject::Documents(docs) => docs.iter().any(|doc| doc.id == id),
            Subject::Rows(_) => true,
        }
    }

    pub(crate) fn rows(&self) -> Option<&Rows> {
        match self {
            Subject::Documents(_) => None,
            Subject::Rows(rows) => Some(rows),
        }
    }

    pub(crate) fn rows_mut(&mut self) -> Option<&mut Rows> {
        match self {
            Subject::Documents(_) => None,
            Subject::Rows(rows) => Some(rows),
        }
    }

    /// Returns true if rows should have their documents.
    pub(crate) fn wants_docs(&self) -> bool {
        self.rows().is_none_or(|rows| rows.query.has_docs())
    }
}

/// How requests are authenticated.
#[derive(Default)]
pub(crate) enum Login {
    /// With the URL's credentials.
    #[default]
    Basic,
    /// A cookie must be asked for first.
    Wanted,
    /// With this cookie.
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

    /// Logs in again after an error, because the cookie may be what was rejected.
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

/// Does not show the cookie.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Basic => "Basic",
            Login::Wanted => "Wanted",
            Login::Cookie(_) => "Cookie",
            Login::NoSessions => "NoSessions",
        })
    }
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
        self.link.set_busy();
        self.send(Channel::Feed, request);
        if step == Step::Feed {
            // Documents that were read are reported now, because the answer may take long. After a
            // loss they are reported when the feed is back, so that a program never hears that a
            // new document is outdated.
            if self.counters.losses == 0 || self.paging.is_announced {
                self.wants_settle = true;
            }
            self.paging.asked = Some((self.now, self.rows_at_most()));
            let is_after_loss = !self.paging.is_announced;
            if let Some(rows) = self.subject.rows_mut() {
                rows.asked(is_after_loss);
            }
        }
        // Some servers send a feed's head with its first heartbeat.
        self.set_timer(self.answer_time(step));
    }

    /// The next request, on this connection if the server keeps it open.
    pub(crate) fn ask_next(&mut self) {
        if self.link.is_idle() {
            self.ask();
        } else {
            self.reconnect();
        }
    }

    fn next_step(&self) -> Step {
        match &self.subject {
            _ if matches!(self.login, Login::Wanted) => Step::Login,
            Subject::Rows(rows) if rows.server.must_ask() => Step::Server,
            _ if !self.place.is_checked => Step::Info,
            Subject::Documents(docs) => {
                docs.iter().position(Document::is_due).map_or(Step::Feed, Step::Document)
            }
            Subject::Rows(rows) if rows.awaiting_doc.is_some() => Step::RowDocument,
            Subject::Rows(_) => Step::Feed,
        }
    }

    /// `None` if the request would be too long.
    fn request(&mut self, step: Step) -> Option<http::Request<Bytes>> {
        if step == Step::Login {
            return self.url.login();
        }
        let body = if step == Step::Feed { self.feed_body() } else { None };
        let target = self.redirect.target.take().unwrap_or_else(|| self.target(step));
        let request = self.url.get(&target, self.login.cookie())?;
        Some(match body {
            Some(body) => DatabaseUrl::with_body(request, body),
            None => request,
        })
    }

    fn target(&self, step: Step) -> String {
        match step {
            Step::Document(index) => {
                let id = path_of(&self.subject.docs()[index].id);
                self.url.path_in_database(&format!("/{id}"))
            }
            Step::RowDocument => self.target_of_row_document(),
            Step::Feed => self.url.path_in_database(&self.feed_tail()),
            Step::Server => self.url.path_on_server(""),
            Step::Info | Step::Login => self.url.path_in_database(""),
        }
    }

    /// The error that says which part of a request is too long.
    fn too_long(&mut self, step: Step) -> FeedError {
        let since = self.place.since.as_ref().map_or(0, |since| encoded(since.as_str()).len());
        match step {
            Step::Feed if 2 * since > self.feed_tail().len() => {
                self.forget_since();
                FeedError::Answer("its sequence is too long to be sent back")
            }
            Step::Feed => FeedError::Request("the query is too long"),
            Step::Document(_) => FeedError::Request("a document's id is too long"),
            _ => FeedError::Request("the database's URL is too long"),
        }
    }

    /// The target of the request for the feed, without the database.
    fn feed_tail(&self) -> String {
        let mut tail = format!(
            "/_changes?feed={}&include_docs={}&{}={}&since={}",
            self.asked_mode().name(),
            self.subject.wants_docs() && !self.omits_documents(),
            if self.is_timed() { "timeout" } else { "heartbeat" },
            self.heartbeat.min(ASKED_TIME_MAX).as_millis(),
            encoded(self.place.since.as_ref().map_or("0", |seq| seq.as_str()))
        );
        match &self.subject {
            Subject::Documents(_) => tail += &self.filter_of_documents(),
            Subject::Rows(rows) => tail += &rows.query.parameters(),
        }
        if let Some(rows) = self.rows_at_most() {
            tail += "&limit=";
            tail += &rows.to_string();
        }
        tail
    }

    /// The body of the request for the feed; without one it is a GET.
    pub(crate) fn feed_body(&self) -> Option<Bytes> {
        match &self.subject {
            Subject::Documents(_) => {
                let ids = self.ids().filter(|ids| !is_short(ids))?;
                Some(format!("{{\"doc_ids\":{ids}}}").into())
            }
            Subject::Rows(rows) => rows.query.body().cloned(),
        }
    }

    fn filter_of_documents(&self) -> String {
        match self.ids() {
            Some(ids) if is_short(&ids) => format!("&filter=_doc_ids&doc_ids={}", encoded(&ids)),
            Some(_) => "&filter=_doc_ids".to_owned(),
            None => String::new(),
        }
    }

    /// The followed documents as JSON, if the server is asked to send only them.
    fn ids(&self) -> Option<String> {
        let ids = self.subject.docs().iter().map(|doc| doc.id.as_str());
        self.is_filtered.then(|| ids.collect::<serde_json::Value>().to_string())
    }

    /// How many rows are asked for. After a row was too long, each is asked for alone.
    fn rows_at_most(&self) -> Option<u64> {
        let left = match &self.subject {
            Subject::Rows(_) if self.omits_documents() => Some(1),
            Subject::Rows(rows) => rows.left,
            Subject::Documents(_) => None,
        };
        let page = Some(PAGE_ROWS).filter(|_| self.lasting_mode().is_paged());
        left.into_iter().chain(page).min()
    }

    /// The sequence is not one of this server. Documents start from the beginning, because that
    /// loses nothing.
    pub(crate) fn forget_since(&mut self) {
        if let Subject::Documents(_) = self.subject {
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

    pub(crate) fn send(&mut self, channel: Channel, request: http::Request<Bytes>) {
        self.actions.push_back(Action::Send(channel, Box::new(request)));
    }
}

/// Returns true if these ids fit into a request's target.
fn is_short(ids: &str) -> bool {
    encoded(ids).len() <= FILTER_BYTES
}

impl ServerUuid {
    fn must_ask(&self) -> bool {
        matches!(self, ServerUuid::Unknown)
    }
}
