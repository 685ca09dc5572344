//! The answers to the requests of a feed.

use crate::documents::Reading;
use crate::error::FeedError;
use crate::event::{Change, FeedEvent};
use crate::follower::Follower;
use crate::limits::{ANSWER_BYTES, ANSWER_TIME, REDIRECTS_MAX, REREAD_PAUSE, RETRY_AFTER_MAX};
use crate::requests::Login;
use crate::row::{Reason, parse_document, parse_info, parse_reason};
use crate::state::{State, Step};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use std::time::{Duration, Instant, SystemTime};

/// An answer that is not the feed, as far as it has arrived.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<StatusCode>,
    /// When its head arrived.
    pub(crate) began: Option<Instant>,
    retry_after: Option<Duration>,
    location: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(head: &Response<()>, date: SystemTime, now: Instant) -> Self {
        Answer {
            status: Some(head.status()),
            began: Some(now),
            retry_after: retry_after(head.headers(), date),
            location: text(head.headers(), &LOCATION).map(str::to_owned),
            body: vec![],
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == Some(StatusCode::OK)
    }

    /// CouchDB's own explanation, if it is one.
    fn reason(&self) -> Option<Reason> {
        parse_reason(&self.body)
    }

    /// Returns true for a redirect. 303 is meant for answers to a POST, but means the same for a
    /// GET.
    fn is_redirect(&self) -> bool {
        self.status.is_some_and(|status| [301, 302, 303, 307, 308].contains(&status.as_u16()))
    }

    /// Returns true for an error that ends without an operator.
    fn is_temporary_error(&self) -> bool {
        let is_error = self.status.is_some_and(|s| s.is_client_error() || s.is_server_error());
        is_error && !self.error().is_permanent()
    }

    /// Returns true if the credentials were rejected, or may have been: a 403 whose reason has not
    /// arrived may mean a locked account.
    pub(crate) fn rejects_credentials(&self, is_login: bool) -> bool {
        match self.status {
            Some(StatusCode::UNAUTHORIZED) => true,
            Some(StatusCode::FORBIDDEN) => {
                is_login || self.reason().is_none() || self.error().is_lockout()
            }
            _ => false,
        }
    }

    /// Returns true if a document does not exist, but its database does.
    fn is_not_found(&self) -> bool {
        matches!(self.error_of_feed(), FeedError::NoFilter(_))
    }

    /// This answer as an error. A 404 names the database only if CouchDB itself says so, because a
    /// proxy's does not count.
    pub(crate) fn error(&self) -> FeedError {
        match self.error_of_feed() {
            FeedError::NoFilter(reason) => self.refused(Some(reason)),
            error => error,
        }
    }

    /// This answer to the request for the feed as an error. If the database exists, a 404 means
    /// that its filter does not.
    fn error_of_feed(&self) -> FeedError {
        // CouchDB since 2.0; before that, and PouchDB. A design document is `missing` or `deleted`,
        // and for a missing filter the reason is `missing json key`.
        let of_database = ["Database does not exist.", "no_db_file"];
        match self.reason() {
            Some(reason)
                if self.status == Some(StatusCode::NOT_FOUND) && reason.error == "not_found" =>
            {
                if of_database.contains(&reason.reason.as_str()) {
                    FeedError::NoDatabase(reason)
                } else {
                    FeedError::NoFilter(reason)
                }
            }
            reason => self.refused(reason),
        }
    }

    fn refused(&self, reason: Option<Reason>) -> FeedError {
        let status = self.status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        FeedError::Refused { status, reason, retry_after: self.retry_after }
    }
}

/// Returns true if a body is not compressed. A compressed feed is a buffered feed.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// RFC 9110, section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?.trim();
    let asked = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(date).ok()?,
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

impl Follower {
    pub(crate) fn head(&mut self, head: &Response<()>, date: SystemTime) {
        self.login.keep_cookie(head.headers());
        let State::Asking(step, answer) = &mut self.state else { return };
        **answer = Answer::of(head, date, self.now);
        let (step, is_ok) = (*step, answer.is_ok());
        if !is_plain(head.headers()) {
            return self.lose(FeedError::Answer("it is compressed, which was not asked for"));
        }
        let length = text(head.headers(), &CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if step == Step::Feed && is_ok {
            self.begin_feed();
        } else if step.is_document()
            && is_ok
            && length.is_some_and(|length: usize| length > self.line_max)
        {
            self.document_too_long(step); // and none of it is read
        } else if step == Step::Feed {
            self.set_timer(ANSWER_TIME); // an error does not wait for heartbeats
        }
    }

    /// A piece of a body that is not the feed.
    pub(crate) fn body(&mut self, data: &Bytes) {
        let State::Asking(step, answer) = &mut self.state else { return };
        let (step, is_ok) = (*step, answer.is_ok());
        let is_document = step.is_document() && is_ok;
        let max = if is_document { self.line_max } else { ANSWER_BYTES };
        if answer.body.len() + data.len() <= max {
            answer.body.extend_from_slice(data);
        } else if is_document {
            self.document_too_long(step);
        } else if step == Step::Server {
            let answer = std::mem::take(answer);
            self.server_answered(&answer); // such as a page of a proxy in front of it
        } else {
            let error = answer.error();
            self.lose(if is_ok { FeedError::Answer("it is too long") } else { error });
        }
    }

    /// An answer is complete.
    pub(crate) fn answered(&mut self) {
        let (step, answer) = match &mut self.state {
            State::Asking(step, answer) => (*step, std::mem::take(&mut **answer)),
            State::Following(_) => return self.feed_ended(),
            _ => return,
        };
        if !matches!(step, Step::Login | Step::Server) && answer.is_redirect() {
            return self.redirected(&answer);
        }
        self.redirect.count = 0;
        // A server that requires a login only for its root can be followed all the same.
        let renews_login = answer.status == Some(StatusCode::UNAUTHORIZED)
            && (step != Step::Server || self.can_renew_login())
            && step != Step::Login;
        match step {
            _ if renews_login => self.renew_login(&answer),
            Step::Login => self.logged_in(&answer),
            Step::Server => self.server_answered(&answer),
            Step::Info if answer.is_ok() => self.info_answered(&answer),
            Step::Document(index) if answer.is_ok() => self.document_read(index, &answer.body),
            Step::Document(index) if answer.is_not_found() => {
                self.document_is(index, Change::deleted(&self.docs[index].id, None));
            }
            Step::RowDocument if answer.is_ok() => self.row_document_read(&answer.body),
            Step::RowDocument => self.row_document_refused(&answer),
            Step::Feed => self.feed_refused(&answer),
            Step::Info | Step::Document(_) => self.fail(&answer, answer.error()),
        }
    }

    /// Loses the feed because of a complete answer.
    pub(crate) fn fail(&mut self, answer: &Answer, why: FeedError) {
        let is_login = matches!(self.state, State::Asking(Step::Login, _));
        self.lose_after(why, answer.rejects_credentials(is_login));
    }

    /// Follows a redirect, on the same server and a limited number of times.
    fn redirected(&mut self, answer: &Answer) {
        self.redirect.count += 1;
        let location = answer.location.as_deref().unwrap_or_default();
        let target = match self.url.redirected(location) {
            Ok(_) if self.redirect.count > REDIRECTS_MAX => Err("again and again"),
            target => target,
        };
        match target {
            Ok(target) => {
                self.redirect.target = Some(target);
                self.ask_next();
            }
            Err(why) => self.lose(FeedError::Redirect(why)),
        }
    }

    /// The server does not send the feed.
    fn feed_refused(&mut self, answer: &Answer) {
        let error = answer.error_of_feed();
        if self.is_filtered && error.may_be_of_filter(self.feed_body().is_some()) {
            self.is_filtered = false; // an old server, or a proxy that rejects such requests
            return self.ask_next();
        }
        if answer.status == Some(StatusCode::BAD_REQUEST) {
            self.forget_since(); // a sequence of another server would be rejected forever
        }
        self.fail(answer, error);
    }

    /// The answer to a login; its cookie is kept already.
    fn logged_in(&mut self, answer: &Answer) {
        // Rejected credentials would be rejected in every other request too.
        if answer.rejects_credentials(true) || answer.is_temporary_error() {
            return self.fail(answer, answer.error());
        }
        if let Login::Wanted = self.login {
            self.login = Login::NoSessions;
        }
        self.ask_next();
    }

    fn can_renew_login(&self) -> bool {
        self.login.cookie().is_some() && !self.retry.is_login_renewed
    }

    /// The server no longer accepts the cookie: asks for a new one, once for each loss, because
    /// five wrong logins lock an account.
    fn renew_login(&mut self, answer: &Answer) {
        if self.can_renew_login() {
            self.retry.is_login_renewed = true;
            self.login = Login::Wanted;
            self.ask_next();
        } else {
            self.fail(answer, answer.error());
        }
    }

    /// The answer to the request for the server's uuid. Any answer will do, unless a better one
    /// may come later.
    fn server_answered(&mut self, answer: &Answer) {
        let status = answer.status.unwrap_or_default();
        let is_temporary = answer.is_temporary_error();
        let must_wait = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        // CouchDB itself rejects a wrong password for every path, and each rejection counts towards
        // a lock-out.
        let is_rejected = status == StatusCode::UNAUTHORIZED
            && answer.reason().is_some_and(|reason| reason.error == "unauthorized")
            && self.url.has_credentials();
        if is_temporary && must_wait || is_rejected {
            return self.fail(answer, answer.error());
        }
        if let Some(rows) = &mut self.rows {
            rows.server.answered(&answer.body, is_temporary);
        }
        self.ask_next();
    }

    /// The answer to `GET /db`: is the database still the one that was followed? If not, or if that
    /// cannot be known, its documents are read again, from a sequence before that. They are also
    /// read after a loss, because a feed does not say when it has caught up; unless nothing has
    /// changed. If one look follows another, as between the answers of a long poll, they are read a
    /// moment later, because otherwise each change of one document would cause the reading of all.
    fn info_answered(&mut self, answer: &Answer) {
        self.retry.login_accepted(self.now);
        let Some(info) = parse_info(&answer.body) else {
            return self.lose(FeedError::Answer("it does not describe a database"));
        };
        if info.update_seq.is_none() {
            return self.lose(FeedError::Answer("it tells no update_seq"));
        }
        let is_same = info.identity.is_some() && info.identity == self.place.identity;
        let is_recreated = self.place.is_recreated(&info);
        let was_read = self.reread.last_full.is_some_and(|then| self.now - then < REREAD_PAUSE);
        if is_recreated {
            self.place.is_caught_up = false; // the new one must be reported first
            self.place.purges = None;
        }
        let is_purged = self.place.is_purged(&info);
        let is_too_soon = was_read && (!is_same || is_purged) && self.place.is_caught_up;
        let must_restart = !is_same || self.place.since.is_none();
        let may_have_missed = !self.place.is_caught_up && self.place.since != info.update_seq;
        if self.rows.is_some() {
            if !self.find_place(&info, is_recreated) {
                return;
            }
        } else if is_too_soon {
            self.reread_after(REREAD_PAUSE);
        } else if must_restart || is_purged || may_have_missed {
            self.docs.iter_mut().for_each(|doc| doc.reading = Reading::Due);
            if must_restart || is_purged {
                self.reread.last_full = Some(self.now);
                self.reread.due = None;
            }
            if must_restart {
                self.place.since.clone_from(&info.update_seq);
            }
        }
        if !is_too_soon {
            self.report_purges(&info);
        }
        self.place.identity.clone_from(&info.identity);
        self.place.end = Some(info);
        self.place.was_missing = false;
        self.place.is_checked = true;
        if is_recreated && self.rows.is_none() {
            self.tell(FeedEvent::Recreated);
        }
        self.ask_next();
    }

    fn document_read(&mut self, index: usize, body: &[u8]) {
        let id = self.docs[index].id.clone();
        match parse_document(body, &id) {
            Ok(own) => {
                let doc = Bytes::copy_from_slice(body.trim_ascii());
                self.document_is(index, own.into_change(id, doc));
            }
            // The reported state remains the last known one.
            Err(why) => {
                let why = FeedError::Answer(why);
                if self.retry.allows(&why, 1) {
                    self.report_unread(index, why);
                } else {
                    self.lose(why);
                }
            }
        }
    }

    /// A document was read; it is reported together with the others that are.
    fn document_is(&mut self, index: usize, change: Change) {
        if self.docs[index].record_read(change) {
            self.postpone(index);
        } else {
            self.ask_next();
        }
    }

    /// A document is longer than the limit.
    fn document_too_long(&mut self, step: Step) {
        let Step::Document(index) = step else { return self.row_document_too_long() };
        let (doc, max) = (&mut self.docs[index], self.line_max);
        if doc.record_too_long() {
            let id = doc.id.clone();
            self.tell(FeedEvent::TooLong { id, max });
        }
        self.reconnect();
    }
}
