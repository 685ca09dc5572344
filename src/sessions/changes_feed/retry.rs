//! Whether a feed that was lost is tried again, and how it ends when it is not.

use super::error::FeedError;
use super::{ChangesFeed, FeedEvent, Step};
use crate::limits::{FEED_RETRY_CAP_MIN, FEED_RETRY_FIRST};
use crate::reactor::Cx;
use crate::sessions::Backoff;
use std::sync::Arc;
use std::time::Duration;

/// Which losses are followed by another try: all, unless it is told otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    limit: u32,
    condition: fn(&FeedError) -> bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { limit: u32::MAX, condition: |_| true }
    }
}

impl RetryPolicy {
    /// Whether there is another try after `why`, the last of so many losses in a row.
    pub(super) fn allows(&self, why: &FeedError, losses: u32) -> bool {
        losses <= self.limit && (self.condition)(why)
    }
}

impl ChangesFeed {
    /// Waits at most this long between tries, and after a refusal that
    /// [lasts](FeedError::is_lasting) at least
    /// [`FEED_LASTING_RETRY_MIN`](crate::limits::FEED_LASTING_RETRY_MIN), except for a missing
    /// database. The cap is no less than [`FEED_RETRY_CAP_MIN`](crate::limits::FEED_RETRY_CAP_MIN).
    ///
    /// After the server has refused the credentials (401, or a [locked
    /// account](FeedError::is_lockout)) the pause is at least
    /// [`FEED_LOGIN_RETRY_MIN`](crate::limits::FEED_LOGIN_RETRY_MIN) and grows, whatever the cap
    /// is: CouchDB locks an account after five wrong passwords, also for those who know the right
    /// one.
    #[must_use]
    pub fn retry_cap(mut self, cap: Duration) -> Self {
        self.retry_cap = cap.max(FEED_RETRY_CAP_MIN);
        self.backoff = Backoff::new(FEED_RETRY_FIRST.min(self.retry_cap), self.retry_cap);
        self
    }

    /// Tries again at most so many times in a row; a feed that loses more often than that
    /// [gives up](FeedEvent::GaveUp). By default there is no limit.
    ///
    /// What counts is [`Lost`](FeedEvent::Lost)'s `times`: a feed that has proven itself, or has
    /// told a change, starts over.
    #[must_use]
    pub fn retry_limit(mut self, times: u32) -> Self {
        self.retry.limit = times;
        self
    }

    /// Tries again after the errors that `condition` is true for, and [gives up](FeedEvent::GaveUp)
    /// at once after any other, be it at the start or years later. By default a feed tries again
    /// whatever happens, slowly where that [will not help](FeedError::is_lasting) until somebody
    /// has done something about it. A sequence that the server does not take (400) is such an
    /// error, after which it would begin anew.
    ///
    /// ```
    /// # use masque::sessions::{ChangesFeed, FeedError};
    /// # fn three(feed: fn() -> ChangesFeed) {
    /// // Whatever time will not heal is the end.
    /// feed().retry_if(|why| !why.is_lasting());
    /// // So it is, and yet the database may be made, or made again.
    /// feed().retry_if(|why| !why.is_lasting() || matches!(why, FeedError::NoDatabase(_)));
    /// // A feed is over when its database is deleted.
    /// feed().retry_if(|why| !matches!(why, FeedError::NoDatabase(_)));
    /// # }
    /// ```
    #[must_use]
    pub fn retry_if(mut self, condition: fn(&FeedError) -> bool) -> Self {
        self.retry.condition = condition;
        self
    }

    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>, why: Arc<FeedError>, times: u32) {
        let since = self.since.clone();
        self.tell_last(cx, FeedEvent::GaveUp { why, times, since });
    }

    /// Tells the last event. Once it is told nothing can wake the session, and so it ends.
    pub(super) fn tell_last(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        self.hang_up(cx);
        self.step = Step::GivenUp;
        self.tell(cx, event);
    }
}
