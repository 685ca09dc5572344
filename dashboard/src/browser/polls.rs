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
use std::time::Duration;

/// Waiting polls that are answered in one second when the feed is lost or reconnects. All these
/// browsers poll again, which takes a few percent of a core at this rate.
const FEED_STATE_ANSWERS_PER_S: u64 = 4_000;

/// Further conditions of a waiting poll. Most polls have none.
#[derive(Debug)]
pub(super) struct Asked {
    known: IfNoneMatch,
    held: Option<Held>,
}

/// A request whose browser has a newer revision than this dashboard.
#[derive(Debug)]
struct Held {
    /// The newest revision of the browser.
    newest: Box<str>,
    /// The revision in its path.
    rev: Option<Box<str>>,
}

impl Browser {
    /// Answers with a document: now, or as soon as its revision is not that of the path.
    ///
    /// Only the revision in the path decides whether the request waits. `If-None-Match` decides
    /// whether the answer has a body: a poll that has waited without a change gets a 304 for a
    /// known tag.
    ///
    /// With several dashboards at one address, one may know a change before the others. A browser
    /// that received it there and polls here would go back to an older document. With `--monotonic`
    /// its request waits until this dashboard has caught up, at most the time of a poll.
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

    /// Counts a request that is ahead of this dashboard, and returns it if it has to wait.
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

    /// Answers the poll, unless its browser has this revision or a newer one from another
    /// dashboard.
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
        // This dashboard has caught up, and the poll waits like any other.
        if let Waits::Change { is_fresh, asked: Some(asked), .. } = &mut self.waits {
            asked.held = None;
            *is_fresh = current.is_fresh;
        }
    }

    /// Answers the poll if the document is now up to date and was not before, or the reverse. The
    /// answers are spread over time.
    pub(super) fn feed_state_changed(&mut self, cx: &mut Cx<'_>) {
        if self.has_other_feed_state(cx) {
            let longest = spread(self.site.metrics.parked.read());
            let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
            cx.delay(Self::FEED_STATE, Duration::from_nanos(fastrand::u64(..=nanos)), ());
        }
    }

    /// Answers the poll, unless the state of the feed has changed back.
    pub(super) fn answer_with_feed_state(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.has_other_feed_state(cx) {
            self.respond(cx, PollEnd::FeedState);
        }
    }

    /// Returns false also for a poll that is ahead, because its browser does not show the document
    /// of this dashboard.
    fn has_other_feed_state(&mut self, cx: &mut Cx<'_>) -> bool {
        let Waits::Change { index, is_fresh, ref asked } = self.waits else { return false };
        if asked.as_ref().is_some_and(|asked| asked.held.is_some()) {
            return false;
        }
        self.current(cx, index).is_some_and(|current| current.is_fresh != is_fresh)
    }

    /// Answers a poll with the current document. If the server is ending, a poll that is ahead gets
    /// a 503, so that a proxy or the browser asks another dashboard.
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

    /// Returns true if no request of this connection may wait any more.
    pub(super) fn answers_at_once(&self) -> bool {
        self.is_closing || self.has_ended
    }

    fn current(&mut self, cx: &mut Cx<'_>, index: usize) -> Option<Current> {
        let current = cx.call(self.site.overview, Overview::CURRENT, index);
        // The program is ending: without the overview there is nothing to serve.
        current.inspect_err(|_| cx.stop()).ok()
    }
}

/// Returns the time over which the answers to this many polls are spread.
fn spread(polls: u64) -> Duration {
    Duration::from_millis(polls.saturating_mul(1_000) / FEED_STATE_ANSWERS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_polls_are_answered_over_seconds_and_one_immediately() {
        for (polls, longest_ms) in [(0, 0), (1, 0), (4_000, 1_000), (10_000, 2_500)] {
            assert_eq!(spread(polls), Duration::from_millis(longest_ms), "{polls}");
        }
    }
}
