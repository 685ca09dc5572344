//! Telling the watcher: of each document the newest, and everything else in order.

use super::event::{Change, FeedEvent};
use super::{ChangesFeed, Step};
use crate::limits::{FEED_EVENTS_MAX, FEED_REREAD_TIMES};
use crate::reactor::{Cx, PostError};

/// A document that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) id: String,
    /// Whether it must be read by a request of its own.
    pub(super) is_stale: bool,
    /// The revision that is to be read.
    wanted: Option<String>,
    /// The revision that was too long to be read.
    passed: Option<String>,
    /// Whether it was not to be had last time, and the feed goes on without it for a while.
    pub(super) is_put_off: bool,
    /// How often that was so in a row.
    pub(super) tries: u32,
    /// Whether it was told that it is not to be had.
    is_unread: bool,
    /// What has come and was not told yet.
    news: Option<Change>,
    /// The revision that was told last, and whether it was there.
    told: Option<(Option<String>, bool)>,
}

impl Followed {
    pub(super) fn new(id: String) -> Self {
        Followed {
            id,
            is_stale: true,
            wanted: None,
            passed: None,
            is_put_off: false,
            tries: 0,
            is_unread: false,
            news: None,
            told: None,
        }
    }

    /// The document stands thus; whether that is news.
    pub(super) fn is_now(&mut self, change: Change) -> bool {
        (self.is_stale, self.wanted, self.is_unread, self.tries) = (false, None, false, 0);
        let is_news = match &self.news {
            Some(news) => *news != change,
            None => !self.is_told(&change),
        };
        if is_news {
            self.news = Some(change);
        }
        is_news
    }

    /// The document was read, and stands thus; unless that is what was known before it came to the
    /// revision that is to be read, for then the node that was asked may lag. Whether it is to be
    /// read once more.
    pub(super) fn was_read(&mut self, change: Change) -> bool {
        let wanted = self.wanted.take().filter(|wanted| change.rev.as_ref() != Some(wanted));
        let tries = self.tries;
        let lags = !self.is_now(change) && wanted.is_some() && tries < FEED_REREAD_TIMES;
        if lags {
            (self.is_stale, self.wanted, self.tries) = (true, wanted, tries);
        }
        lags
    }

    /// The document is at this revision now and has not come along; whether that is news.
    pub(super) fn is_stale(&mut self, rev: Option<String>) -> bool {
        let is_there = match &self.news {
            Some(news) => news.rev == rev && news.doc.is_some(),
            None => self.told.as_ref().is_some_and(|told| told.0 == rev && told.1),
        };
        if rev.is_some() && (is_there || self.passed == rev) {
            return false;
        }
        (self.is_stale, self.is_put_off, self.tries) = (true, false, 0);
        self.wanted = rev;
        true
    }

    /// Whether it is to be read before the feed is asked for.
    pub(super) fn is_due(&self) -> bool {
        self.is_stale && !self.is_put_off
    }

    /// The document is not read at this revision; whether that is news.
    pub(super) fn pass_over(&mut self) -> bool {
        self.is_stale = false;
        self.passed = self.wanted.take();
        self.is_missed()
    }

    /// The document is not to be had; whether that is news.
    pub(super) fn is_missed(&mut self) -> bool {
        self.told = None; // whatever it is next, that is news
        !std::mem::replace(&mut self.is_unread, true)
    }

    /// A document that was gone and is gone is no news, whatever its tombstone is called.
    fn is_told(&self, change: &Change) -> bool {
        let is_there = change.doc.is_some();
        self.told.as_ref().is_some_and(|(rev, was_there)| {
            *was_there == is_there && (!is_there || *rev == change.rev)
        })
    }
}

impl ChangesFeed {
    /// Tells `event`, after the changes that came before it.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        let is_row = |event: &FeedEvent| matches!(event, FeedEvent::Row { .. });
        if self.outbox.len() >= FEED_EVENTS_MAX
            && let Some(oldest) = self.outbox.iter().position(|event| !is_row(event))
        {
            self.outbox.remove(oldest);
            log::warn!("nobody takes what the feed of {} tells: some of it is lost", self.database);
        }
        self.outbox.push_back(event);
        self.post_all(cx);
    }

    /// Tells what is new once all that is there has been taken: of a burst, the newest.
    pub(super) fn flush_soon(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.is_flush_due, true) {
            cx.yield_now(Self::FLUSH, ());
        }
    }

    pub(super) fn flush(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_flush_due = false;
        self.post_all(cx);
        self.reread(cx);
        self.sound(cx);
        self.read_on(cx);
    }

    /// Posts what can be posted. A queue that is full empties as the kernel turns; a watcher that
    /// is gone does not come back.
    fn post_all(&mut self, cx: &mut Cx<'_>) {
        match self.post_news(cx).and_then(|()| self.post_events(cx)) {
            Ok(()) if self.step == Step::GivenUp => cx.stop(),
            Ok(()) => {}
            Err(PostError::NoSession { .. }) => self.shut_down(cx, ()),
            Err(_) => self.flush_soon(cx),
        }
    }

    fn post_events(&mut self, cx: &mut Cx<'_>) -> Result<(), PostError> {
        while let Some(event) = self.outbox.front() {
            self.postback.post(cx, event.clone())?;
            self.outbox.pop_front();
        }
        Ok(())
    }

    fn post_news(&mut self, cx: &mut Cx<'_>) -> Result<(), PostError> {
        for followed in self.subject.docs_mut() {
            let Some(news) = followed.news.take() else { continue };
            if followed.is_told(&news) {
                continue;
            }
            if let Err(error) = self.postback.post(cx, FeedEvent::Change(news.clone())) {
                followed.news = Some(news);
                return Err(error);
            }
            followed.told = Some((news.rev, news.doc.is_some()));
            self.counters.changes += 1;
        }
        Ok(())
    }

    pub(super) fn shut_down(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.hang_up(cx);
        self.step = Step::GivenUp; // for what is still under way in this event
        cx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_was_to_be_read_was_taken_for_one_that_was_too_long() {
        let rev = |rev: &str| Some(rev.to_owned());
        let mut x = Followed::new("x".into());
        assert!(x.is_stale(rev("4-d")));
        assert!(x.is_now(Change { id: "x".into(), rev: rev("5-e"), doc: Some("{}".into()) }));
        x.is_stale = true; // and too long, at whatever revision it is
        x.pass_over();
        assert!(x.is_stale(rev("4-d")), "it has come back, and may be read");
    }
}
