//! Looking at the database while the feed goes on, because no row reports a purge.
//!
//! `CouchDB` removes purged documents without a trace: a feed has no row for them. Only the
//! `purge_seq` of `GET /db` changes. Whenever the feed is asked for, the database is looked at
//! first, which notices it. While an answer goes on, the database is looked at on another
//! connection, because the answer may go on for days, and asking for it again would make the server
//! search everything that its filter leaves out.
//!
//! A look that fails does not harm the feed, and is repeated after the next pause. It follows no
//! redirect; if `GET /db` is redirected, a purge is noticed when the feed is next asked for. A look
//! whose credentials are rejected counts as a rejected login: a feed that is lost then waits for
//! the pause after such a login.

use crate::action::{Action, Channel};
use crate::answers::{Answer, is_plain};
use crate::event::FeedEvent;
use crate::follower::Follower;
use crate::limits::{ANSWER_BYTES, ANSWER_TIME, LOOK_PAUSE};
use crate::row::{Info, parse_info};
use crate::state::State;
use bytes::Bytes;
use http::{Response, StatusCode};
use std::time::{Instant, SystemTime};

/// The current look at the database.
#[derive(Debug, Default)]
pub(crate) struct Look {
    is_open: bool,
    answer: Answer,
    /// When the next look begins, or the current one has taken too long.
    pub(crate) timer: Option<Instant>,
}

impl Follower {
    /// Schedules the next look, unless the server does not count purges or has rejected the last
    /// one: the feed needs no login while it goes on.
    pub(crate) fn look_later(&mut self) {
        let rejections = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let status = self.look.answer.status;
        let is_rejected = status.is_some_and(|status| rejections.contains(&status));
        self.end_look();
        if self.place.purges.is_some() && !is_rejected {
            let pause = LOOK_PAUSE.max(self.retry.login_pause(self.now));
            self.look.timer = self.now.checked_add(pause);
        }
    }

    /// Ends the current look. There is none until the feed is asked for again.
    pub(crate) fn end_look(&mut self) {
        let look = std::mem::take(&mut self.look);
        if look.answer.rejects_credentials(false) {
            self.retry.login_rejected(self.now);
        }
        if look.is_open {
            self.actions.push_back(Action::Close(Channel::Look));
        }
    }

    /// A look is due, or has taken too long.
    pub(crate) fn look_due(&mut self) {
        if self.look.is_open {
            return self.look_later();
        }
        self.look.is_open = true;
        self.look.timer = self.now.checked_add(ANSWER_TIME);
        self.actions.push_back(Action::Connect(Channel::Look));
    }

    pub(crate) fn look_connected(&mut self) {
        let request = self.url.get(&self.url.path_in_database(""), self.login.cookie());
        match request {
            Some(request) if self.look.is_open => self.send(Channel::Look, request),
            _ => self.look_later(),
        }
    }

    pub(crate) fn look_head(&mut self, head: &Response<()>, date: SystemTime) {
        self.login.keep_cookie(head.headers());
        self.look.answer = Answer::of(head, date, self.now);
        if !is_plain(head.headers()) {
            self.look_later();
        }
    }

    pub(crate) fn look_data(&mut self, data: &Bytes) {
        let body = &mut self.look.answer.body;
        if body.len() + data.len() > ANSWER_BYTES {
            return self.look_later();
        }
        body.extend_from_slice(data);
    }

    /// The answer is complete.
    pub(crate) fn looked(&mut self) {
        let answer = &self.look.answer;
        let info = parse_info(&answer.body).filter(|_| answer.is_ok());
        self.look_later();
        let Some(info) = info else { return };
        let is_recreated = info.identity.is_some() && info.identity != self.place.identity;
        let must_read = self.is_purged(&info) && self.subject.rows().is_none();
        if !is_recreated && !must_read {
            self.report_purges(&info);
        } else if let State::Following(_) = self.state() {
            self.look_again();
        }
    }

    /// Returns true if documents were purged since they were last read, or purges last reported.
    pub(crate) fn is_purged(&self, info: &Info) -> bool {
        let purges = self.place.purges.as_ref().zip(info.purges.as_ref());
        purges.is_some_and(|(before, now)| before != now)
    }

    /// Records the number of purges, and reports new ones if every change is followed.
    pub(crate) fn report_purges(&mut self, info: &Info) {
        let is_purged = self.is_purged(info);
        if info.purges.is_some() {
            self.place.purges.clone_from(&info.purges);
        }
        if is_purged && self.subject.rows().is_some() {
            self.tell(FeedEvent::Purged);
            self.save_soon();
        }
    }
}
