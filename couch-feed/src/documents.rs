//! The followed documents and their known states, and the looks at the database that find purges.
//!
//! Only the `purge_seq` of `GET /db` shows a purge. While an answer goes on, which may last for
//! days, the database is looked at on another connection: asking for the feed again would make the
//! server search everything that its filter leaves out.
//!
//! A look that fails does not harm the feed, and is repeated after the next pause. It follows no
//! redirect; if `GET /db` is redirected, a purge is noticed when the feed is next asked for. A look
//! whose credentials are rejected counts as a rejected login: a feed that is lost then waits for
//! the pause after such a login.

use crate::answers::{Answer, is_plain};
use crate::error::FeedError;
use crate::event::{Action, Change, Channel, FeedEvent};
use crate::follower::Follower;
use crate::limits::{ANSWER_BYTES, ANSWER_TIME, LOOK_PAUSE, REREAD_PAUSE, REREAD_TIMES};
use crate::row::{Info, parse_info};
use crate::state::{Redirect, State, Step};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A followed document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) reading: Reading,
    /// The revision to be read, from a row without a document.
    wanted: Option<String>,
    /// The revision that was too long to be read.
    skipped: Option<String>,
    /// How often in a row it could not be read.
    pub(crate) tries: u32,
    /// True if it was reported that it cannot be read.
    is_unread: bool,
    /// A change that has not been reported yet.
    news: Option<Change>,
    /// The revision that was reported last, and whether there was a document.
    reported: Option<(Option<String>, bool)>,
}

/// When a document must be read with its own request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Not at all: the known state is current.
    Current,
    /// Before the feed is asked for.
    #[default]
    Due,
    /// After a pause, because the last try failed. The feed goes on until then.
    Postponed,
}

impl Document {
    pub(crate) fn new(id: String) -> Self {
        Document { id, ..Document::default() }
    }

    /// Records the current state. Returns true if that is news.
    pub(crate) fn record(&mut self, change: Change) -> bool {
        self.reading = Reading::Current;
        (self.wanted, self.is_unread, self.tries) = (None, false, 0);
        let is_news = match &self.news {
            Some(news) => *news != change,
            None => !self.is_reported(&change),
        };
        if is_news {
            self.news = Some(change);
        }
        is_news
    }

    /// Records a document that was read. Returns true if it must be read again, because the node
    /// that answered lags: it sent a revision that was known before the row with the wanted one.
    pub(crate) fn record_read(&mut self, change: Change) -> bool {
        let wanted = self.wanted.take().filter(|wanted| change.rev.as_ref() != Some(wanted));
        let tries = self.tries;
        let lags = !self.record(change) && wanted.is_some() && tries < REREAD_TIMES;
        if lags {
            self.reading = Reading::Due;
            (self.wanted, self.tries) = (wanted, tries);
        }
        lags
    }

    /// Records that a row names this revision and has no document. Returns true if that is news.
    pub(crate) fn record_rev(&mut self, rev: Option<String>) -> bool {
        let is_known = match &self.news {
            Some(news) => news.rev == rev && news.doc.is_some(),
            None => self.reported.as_ref().is_some_and(|last| last.0 == rev && last.1),
        };
        if rev.is_some() && (is_known || self.skipped == rev) {
            return false;
        }
        (self.reading, self.tries) = (Reading::Due, 0);
        self.wanted = rev;
        true
    }

    pub(crate) fn is_due(&self) -> bool {
        self.reading == Reading::Due
    }

    /// Records that this revision is too long to be read. Returns true if that was not reported.
    pub(crate) fn record_too_long(&mut self) -> bool {
        self.reading = Reading::Current;
        self.skipped = self.wanted.take();
        self.record_unread()
    }

    /// Records that the document cannot be read. Returns true if that was not reported.
    pub(crate) fn record_unread(&mut self) -> bool {
        self.reported = None; // any state that follows is news
        !std::mem::replace(&mut self.is_unread, true)
    }

    /// The change to be reported, if there is one.
    pub(crate) fn news(&mut self) -> Option<&Change> {
        if self.news.as_ref().is_some_and(|news| self.is_reported(news)) {
            self.news = None;
        }
        self.news.as_ref()
    }

    /// The news were reported.
    pub(crate) fn record_reported(&mut self) {
        if let Some(news) = self.news.take() {
            self.reported = Some((news.rev, news.doc.is_some()));
        }
    }

    /// A document that was deleted and is deleted is no news, whichever revision deletes it.
    fn is_reported(&self, change: &Change) -> bool {
        let exists = change.doc.is_some();
        self.reported
            .as_ref()
            .is_some_and(|(rev, existed)| *existed == exists && (!exists || *rev == change.rev))
    }
}

/// The current look at the database.
#[derive(Debug, Default)]
pub(crate) struct Look {
    is_open: bool,
    answer: Answer,
    /// When the next look begins, or the current one has taken too long.
    pub(crate) timer: Option<Instant>,
}

impl Follower {
    /// Reads documents again after `pause`, or earlier if that is due already.
    pub(crate) fn reread_after(&mut self, pause: Duration) {
        let due = self.now + pause;
        self.reread.due = Some(self.reread.due.map_or(due, |then| then.min(due)));
    }

    /// Reads postponed documents before the feed is asked for.
    pub(crate) fn resume_postponed(&mut self) {
        self.reread.due = None;
        for doc in self.docs.iter_mut().filter(|doc| doc.reading == Reading::Postponed) {
            doc.reading = Reading::Due;
        }
    }

    /// Looks at the database and reads what could not be read a moment ago.
    pub(crate) fn look_again(&mut self) {
        self.resume_postponed();
        self.place.is_checked = false;
        self.reconnect();
    }

    /// Continues without this document, and reads it later: after a pause that doubles each time,
    /// up to the cap.
    pub(crate) fn postpone(&mut self, index: usize) {
        let doc = &mut self.docs[index];
        let factor = 1 << doc.tries.min(16);
        doc.tries += 1;
        doc.reading = Reading::Postponed;
        let pause = (REREAD_PAUSE * factor).min(self.retry.cap).max(REREAD_PAUSE);
        self.reread_after(pause);
        self.ask_next();
    }

    /// Continues without the document that is being read, if there are others and `why` may concern
    /// this one only.
    ///
    /// # Errors
    /// `why`, if it concerns the whole feed.
    pub(crate) fn skip_document(&mut self, why: FeedError) -> Result<(), FeedError> {
        let State::Asking(Step::Document(index), _) = self.state else { return Err(why) };
        let has_others = self.docs.len() > 1;
        if !has_others || !why.is_per_document() || !self.retry.allows(&why, 1) {
            return Err(why);
        }
        self.redirect = Redirect::default();
        self.report_unread(index, why);
        Ok(())
    }

    pub(crate) fn report_unread(&mut self, index: usize, why: FeedError) {
        let doc = &mut self.docs[index];
        if doc.record_unread() {
            let id = doc.id.clone();
            self.tell(FeedEvent::Unread { id, why: Arc::new(why) });
        }
        self.postpone(index);
    }

    /// Schedules the next look, unless the server does not count purges or has rejected the last
    /// one: the feed needs no login while it goes on.
    pub(crate) fn look_later(&mut self) {
        let rejections = [Some(StatusCode::UNAUTHORIZED), Some(StatusCode::FORBIDDEN)];
        let is_rejected = rejections.contains(&self.look.answer.status);
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
        let database = self.url.path_in_database("");
        let request = self.url.request(&database, self.login.cookie(), None);
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
        let must_read = self.place.is_purged(&info) && self.rows.is_none();
        if !is_recreated && !must_read {
            self.report_purges(&info);
        } else if let State::Following(_) = &self.state {
            self.look_again();
        }
    }

    /// Records the number of purges, and reports new ones if every change is followed.
    pub(crate) fn report_purges(&mut self, info: &Info) {
        let is_purged = self.place.is_purged(info);
        if info.purges.is_some() {
            self.place.purges.clone_from(&info.purges);
        }
        if is_purged && self.rows.is_some() {
            self.tell(FeedEvent::Purged);
            self.save_soon();
        }
    }
}
