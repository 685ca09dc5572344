//! Documents that are to be read again a while later, the feed going on meanwhile.

use super::error::FeedError;
use super::event::FeedEvent;
use super::{ChangesFeed, Step};
use crate::limits::FEED_REREAD_PAUSE;
use crate::reactor::Cx;
use std::sync::Arc;
use std::time::Duration;

impl ChangesFeed {
    /// Has documents be read again after `pause`, or before if that is due already.
    pub(super) fn read_after(&mut self, cx: &Cx<'_>, pause: Duration) {
        let due = cx.now() + pause;
        self.read_again = Some(self.read_again.map_or(due, |then| then.min(due)));
    }

    /// All documents that are to be read are so before the feed is asked for.
    pub(super) fn nothing_is_put_off(&mut self) {
        self.read_again = None;
        for doc in self.subject.docs_mut() {
            doc.is_put_off = false;
        }
    }

    /// Looks at the database once more, and reads what was not read a moment ago.
    pub(super) fn look_again(&mut self, cx: &mut Cx<'_>) {
        self.nothing_is_put_off();
        self.hang_up(cx);
        self.is_checked = false;
        self.connect(cx);
    }

    /// Goes on without the document at `place`, and reads it later: after a pause that doubles each
    /// time, to the cap or to the silence after which a feed is looked after anyway.
    pub(super) fn put_off(&mut self, cx: &mut Cx<'_>, place: usize) {
        let followed = &mut self.subject.docs_mut()[place];
        let factor = 1 << followed.tries.min(16);
        followed.tries += 1;
        followed.is_put_off = true;
        self.read_after(
            cx,
            (FEED_REREAD_PAUSE * factor).min(self.retry_cap).max(FEED_REREAD_PAUSE),
        );
        self.go_on(cx);
    }

    /// Whether `why` is one document's alone, which then holds up no other.
    pub(super) fn is_of_one(&mut self, cx: &mut Cx<'_>, why: FeedError) -> Result<(), FeedError> {
        let Step::Document(place) = self.step else { return Err(why) };
        if self.subject.docs().len() < 2 || !why.may_be_of_one() || !self.retry.allows(&why, 1) {
            return Err(why);
        }
        (self.detour, self.redirects) = (None, 0);
        self.miss(cx, place, why);
        Ok(())
    }

    /// What came as the document at `place` is not it: what was told before stays the last that is
    /// known.
    pub(super) fn refuse_document(&mut self, cx: &mut Cx<'_>, place: usize, why: FeedError) {
        if self.retry.allows(&why, 1) {
            self.miss(cx, place, why);
        } else {
            self.lose(cx, why);
        }
    }

    /// Goes on without the document at `place`; told once until it can be read.
    fn miss(&mut self, cx: &mut Cx<'_>, place: usize, why: FeedError) {
        let followed = &mut self.subject.docs_mut()[place];
        if followed.is_missed() {
            let id = followed.id.clone();
            self.tell(cx, FeedEvent::Unread { id, why: Arc::new(why) });
        }
        if self.step == Step::Document(place) {
            self.put_off(cx, place);
        }
    }
}
