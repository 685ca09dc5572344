//! In which ways a feed is followed and fails.

use super::server::Asked;
use masque::sessions::{ChangesFeed, EveryChange, FeedMode, OnMismatch, Query, Start};
use std::time::Duration;

const WINDOW: usize = 4;

/// How the feed is followed: by no bits set as a recording is that ends as most do.
#[derive(Clone, Copy)]
pub(super) struct How(pub(super) u8);

impl How {
    pub(super) fn is_every(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn is_paged(self) -> bool {
        matches!(self.0 >> 1 & 3, 1 | 2)
    }

    pub(super) fn set(self, feed: ChangesFeed, from: Start, then: OnMismatch) -> ChangesFeed {
        let feed = match self.0 >> 1 & 3 {
            0 => feed,
            1 => feed.mode(FeedMode::LongPoll),
            2 => feed.mode(FeedMode::Normal),
            _ => feed.timeout(Duration::from_secs(10)),
        };
        if !self.is_every() {
            return feed.doc("x");
        }
        let every = EveryChange::since(from).window(WINDOW).on_mismatch(then);
        if self.0 & 8 == 0 {
            feed.every_change(every.query(Query::new().include_docs()))
        } else {
            feed.every_change(every.drop_repeats())
        }
    }

    /// How many rows wait to be handled before one is.
    pub(super) fn waiting(self) -> usize {
        usize::from(self.0 >> 4 & 3)
    }

    /// Which of so many is handled.
    pub(super) fn pick(self, number: u64, of: usize) -> usize {
        let random = (number + u64::from(self.0 >> 6)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        random as usize % of
    }
}

/// What the input is the answer to, once or again and again, and whether the follower is started
/// anew: by no bits set as a recording is, the first feed of one that is not.
#[derive(Clone, Copy, Default)]
pub(super) struct Place(pub(super) u8);

impl Place {
    pub(super) fn asked(self) -> Asked {
        match self.0 & 7 {
            1 => Asked::Server,
            2 => Asked::Database,
            3 => Asked::Document,
            4 => Asked::Login,
            _ => Asked::Feed,
        }
    }

    /// The first feed breaks off in good order, and the input is the second.
    pub(super) fn is_second_feed(self) -> bool {
        self.0 & 7 == 5
    }

    /// So many feeds are the same.
    pub(super) fn repeats(self) -> usize {
        if self.0 & 7 == 6 { 20 } else { 1 }
    }

    /// At the first loss, from its checkpoint.
    pub(super) fn is_started_anew(self) -> bool {
        self.0 & 8 != 0
    }

    pub(super) fn on_mismatch(self) -> OnMismatch {
        if self.0 & 16 == 0 { OnMismatch::Keep } else { OnMismatch::Restart }
    }
}
