//! How the feed is asked for answer by answer, and how the end of the existing changes is found.

use crate::error::FeedError;
use crate::event::{FeedEvent, FeedMode};
use crate::follower::Follower;
use crate::limits::{ANSWER_HEARTBEATS, ANSWER_TIME, ANSWER_TIME_MIN, PROOF_TIME, RETRY_FIRST};
use crate::listening::Body;
use crate::row::Seq;
use crate::state::{State, Step};
use std::time::{Duration, Instant};

/// What is known of the answers with the feed, beyond one of them.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    /// The sequence from which the last one was asked for.
    pub(crate) since: Option<Seq>,
    /// When it was asked for, and for how many rows at most.
    pub(crate) asked: Option<(Instant, Option<u64>)>,
    /// The last pause after an answer without news.
    pause: Duration,
    pub(crate) probe: EndProbe,
    /// True if something seems to buffer answers until they are complete, with their heartbeats.
    /// The feed is then asked for as answers that end, each after a heartbeat's time.
    pub(crate) is_held_back: bool,
    /// True if it was reported since the last loss that the server answers.
    pub(crate) is_announced: bool,
    /// True if the next request continues the feed after a probe for its end.
    pub(crate) is_resumed: bool,
}

/// Whether the end of the existing changes is asked for, as an answer with an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EndProbe {
    #[default]
    Unneeded,
    /// Wanted when all lines that have arrived are processed.
    Wanted,
    Running,
    /// The server has failed at it, and is not asked again.
    Unsupported,
}

impl Follower {
    /// A row has arrived: is it the last one, or the last one before the end should be probed?
    pub(crate) fn check_end(&mut self) {
        if self.subject.rows().is_none() || self.place.is_caught_up {
            return;
        }
        let is_old = match self.state() {
            State::Following(feed) => self.now - feed.began >= self.heartbeat,
            _ => false,
        };
        if self.is_at_end() {
            self.catch_up();
        } else if !self.asked_mode().is_paged() && is_old {
            self.want_probe();
        }
    }

    /// Reports that nothing is left to report, once after each loss.
    pub(crate) fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.place.is_caught_up, true) {
            self.tell(FeedEvent::CaughtUp);
        }
    }

    /// Asks for the rest of the existing changes as an answer of its own, if it is not known
    /// whether there are more: at the end of that answer all are reported.
    ///
    /// No line of a feed without an end says so. An empty line comes if a server has had nothing to
    /// send for some time, because there is nothing, or because a filter has left everything out;
    /// and while there always is something to send, none comes.
    pub(crate) fn want_probe(&mut self) {
        if self.subject.rows().is_some()
            && !self.place.is_caught_up
            && self.paging.probe == EndProbe::Unneeded
        {
            self.paging.probe = EndProbe::Wanted;
            self.wants_settle = true;
        }
    }

    /// Starts a wanted probe, unless the end has been reached meanwhile.
    pub(crate) fn probe_end(&mut self) {
        if self.paging.probe != EndProbe::Wanted {
            return;
        }
        self.paging.probe = EndProbe::Unneeded;
        let is_last = match self.state() {
            State::Following(listening) => listening.body == Body::Last,
            State::Asking(Step::Feed, _) => false,
            _ => return,
        };
        let is_known = self.place.is_caught_up || is_last || self.is_full();
        let is_asked = self.asked_mode() == FeedMode::Normal || self.omits_documents();
        if !is_known && !is_asked {
            self.paging.probe = EndProbe::Running;
            self.reconnect();
        }
    }

    /// An answer with the feed has ended.
    pub(crate) fn feed_ended(&mut self) {
        let State::Following(listening) = self.state() else { return };
        if listening.body != Body::Last {
            self.lose(FeedError::Cut);
        } else if self.has_pages() {
            self.next_page();
        } else {
            let why = self.ended_again();
            self.lose(why);
        }
    }

    /// Asks for the next page, immediately if there is more.
    fn next_page(&mut self) {
        let State::Following(listening) = self.state() else { return };
        let (rows, has_news) = (listening.rows, listening.has_news);
        let has_moved = self.paging.since != self.place.since && rows > 0;
        let (asked, at_most) = self.paging.asked.unwrap_or((self.now, None));
        let is_full = at_most.is_some_and(|most| rows >= most) && has_moved;
        // An answer without rows shows that the server works if it has taken its time, or as much
        // of it as the server's settings allow.
        let has_waited = self.now - asked >= PROOF_TIME.min(self.heartbeat / 2);
        let is_working = has_news || is_full || (has_waited && (has_moved || self.is_timed()));
        if is_working {
            self.paging.pause = Duration::ZERO;
            self.retry.proven();
        }
        if !is_full {
            self.catch_up();
        }
        // Nothing looks at the database between two answers. While there is more, the next look
        // comes soon enough: what is reported of another database is then reported again.
        self.place.is_checked = is_full;
        let mode = self.asked_mode();
        if is_full {
            self.ask_next();
        } else if self.paging.probe == EndProbe::Running {
            self.paging.probe = EndProbe::Unneeded;
            self.paging.is_resumed = true;
            self.ask_next();
        } else if mode == FeedMode::Normal {
            self.retry.losses.reset();
            self.wait(self.heartbeat);
        } else if is_working {
            self.ask_next();
        } else if has_moved {
            // The rows were known or are not followed: this is no loss, but there is no hurry.
            let doubled = self.paging.pause.saturating_mul(2);
            self.paging.pause = doubled.min(self.heartbeat).max(RETRY_FIRST);
            self.wait(self.paging.pause);
        } else {
            let why = self.ended_again();
            self.lose(why);
        }
    }

    /// The error of an answer that ended in good order but should not have.
    fn ended_again(&self) -> FeedError {
        match self.state() {
            State::Following(feed) => {
                FeedError::Ended { after: self.now - feed.began, rows: feed.rows }
            }
            _ => FeedError::Cut,
        }
    }

    /// How long to wait for the answer to a request.
    pub(crate) fn answer_time(&self, step: Step) -> Duration {
        if step != Step::Feed {
            return ANSWER_TIME;
        }
        let heartbeats = self.heartbeat.saturating_mul(ANSWER_HEARTBEATS);
        match self.asked_mode() {
            _ if self.is_timed() => ANSWER_TIME.max(self.silence()),
            FeedMode::Normal => ANSWER_TIME.max(heartbeats),
            _ => ANSWER_TIME_MIN.max(heartbeats),
        }
    }
}
