//! The long poll: a request that waits for its document to change.

use super::{Browser, Waits};
use crate::conditional::newest;
use crate::metrics::PollEnd;
use crate::overview::{CHANGED, Current, Overview};
use crate::site::unavailable;
use couch_mem::if_none_match::IfNoneMatch;
use http::Method;
use masque::filters::Request;
use masque::reactor::Cx;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How many of the polls that wait are answered in a second when the feed is lost or comes back:
/// all of them come again, which takes a few percent of a core at this rate.
const FEED_STATE_ANSWERS_PER_S: u64 = 4_000;

/// What a request said beyond the revision that it waits by. Most polls say nothing more.
#[derive(Debug)]
pub(super) struct Asked {
    known: IfNoneMatch,
    held: Option<Held>,
}

/// A request that is ahead of this dashboard.
#[derive(Debug)]
struct Held {
    /// The newest revision that the browser has.
    newest: Box<str>,
    /// The revision in its path.
    rev: Option<Box<str>>,
}

impl Browser {
    /// Answers with a document: now, or when it is another than the browser has.
    ///
    /// The revision in the path says what to wait for; `If-None-Match` says what need not be sent,
    /// and goes by the answer in the end: a poll that has waited in vain gets a 304 for it.
    ///
    /// Of several dashboards behind one name one may know a change before the others do. A browser
    /// that was given it there and asks here would go back to an older document: with
    /// `--monotonic` its request is held until this dashboard has caught up, at most as long as a
    /// poll waits.
    pub(super) fn document(
        &mut self,
        cx: &mut Cx<'_>,
        request: &Request,
        index: usize,
        rev: Option<&str>,
    ) {
        let Some(current) = self.current(cx, index) else { return };
        let known = IfNoneMatch::of(request.headers());
        if request.method() != Method::GET {
            return self.answer_document(cx, current, &known);
        }
        let held = self.held(&current, newest(&known, rev), rev);
        if held.is_some() && self.is_closing {
            self.answer(cx, unavailable());
        } else if self.answers_at_once() {
            self.answer_document(cx, current, &known);
        } else if held.is_some() || (rev.is_some() && rev == current.rev.as_deref()) {
            let says_more = held.is_some() || !known.is_empty();
            let asked = says_more.then(|| Box::new(Asked { known, held }));
            self.waits = Waits::Change { index, is_fresh: current.is_fresh, asked };
            self.park(cx);
        } else {
            self.answer_document(cx, current, &known);
        }
    }

    /// Counts a request that is ahead of this dashboard, and has it held if that is asked for.
    fn held(&self, current: &Current, newest: Option<&str>, rev: Option<&str>) -> Option<Held> {
        let newest = newest.filter(|newest| current.is_behind(newest))?;
        self.site.metrics.ahead.add(1);
        let held = || Held { newest: newest.into(), rev: rev.map(Box::from) };
        self.site.monotonic.then(held)
    }

    fn park(&mut self, cx: &mut Cx<'_>) {
        self.site.metrics.parked.add(1);
        cx.watch(CHANGED, Self::CHANGED);
        cx.delay(Self::TIMED_OUT, self.site.long_poll, ());
    }

    pub(super) fn timed_out(&mut self, cx: &mut Cx<'_>, (): ()) {
        match self.waits {
            Waits::Events { .. } => self.send_current_document(cx),
            _ => self.respond(cx, PollEnd::TimedOut),
        }
    }

    /// The document has changed: the poll is answered, unless the browser has this revision or a
    /// newer one from elsewhere.
    pub(super) fn document_changed(&mut self, cx: &mut Cx<'_>) {
        let Waits::Change { index, asked: Some(asked), .. } = &self.waits else {
            return self.respond(cx, PollEnd::Changed);
        };
        let (Some(held), index) = (&asked.held, *index) else {
            return self.respond(cx, PollEnd::Changed);
        };
        let (newest, rev) = (held.newest.clone(), held.rev.clone());
        let Some(current) = self.current(cx, index) else { return };
        if current.is_behind(&newest) {
            return;
        }
        if rev.as_deref() != current.rev.as_deref() {
            return self.respond(cx, PollEnd::Changed);
        }
        // This dashboard has caught up, and the poll waits on like any other.
        if let Waits::Change { is_fresh, asked: Some(asked), .. } = &mut self.waits {
            asked.held = None;
            *is_fresh = current.is_fresh;
        }
    }

    /// Whether the document is up to date may be otherwise than the browser was told. Then its
    /// poll is answered, but not all polls at the same time.
    pub(super) fn feed_state_changed(&mut self, cx: &mut Cx<'_>) {
        if self.has_other_feed_state(cx) {
            let longest = spread(self.site.metrics.parked.read());
            let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
            let part = RandomState::new().hash_one(0) % nanos.saturating_add(1);
            cx.delay(Self::FEED_STATE, Duration::from_nanos(part), ());
        }
    }

    /// Its turn has come; it may be as it was again.
    pub(super) fn answer_with_feed_state(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.has_other_feed_state(cx) {
            self.respond(cx, PollEnd::FeedState);
        }
    }

    /// Returns false also for a poll that is ahead: what is known here is not for its browser.
    fn has_other_feed_state(&mut self, cx: &mut Cx<'_>) -> bool {
        let Waits::Change { index, is_fresh, ref asked } = self.waits else { return false };
        if asked.as_ref().is_some_and(|asked| asked.held.is_some()) {
            return false;
        }
        self.current(cx, index).is_some_and(|current| current.is_fresh != is_fresh)
    }

    /// Ends a poll with what there is now. If the server ends, a poll that is ahead is told so: a
    /// proxy, or its browser, asks another dashboard then.
    pub(super) fn respond(&mut self, cx: &mut Cx<'_>, how: PollEnd) {
        let waits = std::mem::replace(&mut self.waits, Waits::Nothing { answered: None });
        let Waits::Change { index, asked, .. } = waits else { return };
        cx.unwatch(CHANGED);
        cx.delay_clear(Self::TIMED_OUT);
        cx.delay_clear(Self::FEED_STATE);
        self.site.metrics.poll_ended(how);
        if how == PollEnd::Closing && asked.as_ref().is_some_and(|asked| asked.held.is_some()) {
            return self.answer(cx, unavailable());
        }
        if let Some(current) = self.current(cx, index) {
            let known = asked.map(|asked| asked.known).unwrap_or_default();
            self.answer_document(cx, current, &known);
        }
    }

    /// Whether nobody should wait any more.
    pub(super) fn answers_at_once(&self) -> bool {
        self.is_closing || self.has_ended
    }

    fn current(&mut self, cx: &mut Cx<'_>, index: usize) -> Option<Current> {
        let current = cx.call(self.site.overview, Overview::CURRENT, index);
        // Without it there is nothing to serve any more: the program is ending.
        current.inspect_err(|_| cx.stop()).ok()
    }
}

/// The time over which the answers to so many polls are spread when the feed is lost or comes back.
fn spread(polls: u64) -> Duration {
    Duration::from_millis(polls.saturating_mul(1_000) / FEED_STATE_ANSWERS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_answered_over_seconds_and_one_browser_at_once() {
        for (polls, longest_ms) in [(0, 0), (1, 0), (4_000, 1_000), (10_000, 2_500)] {
            assert_eq!(spread(polls), Duration::from_millis(longest_ms), "{polls}");
        }
    }
}
