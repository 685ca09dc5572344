//! How a feed is asked for: as one answer without end, or answer by answer.

use super::error::FeedError;
use super::loss::Stuck;
use super::page::Page;
use super::row::Seq;
use super::{ChangesFeed, Step};
use crate::filters::{LineTooLong, Lines};
use crate::limits::{
    ANSWER_TIME, FEED_ANSWER_HEARTBEATS, FEED_ANSWER_TIME_MIN, FEED_PROOF_TIME, FEED_RETRY_FIRST,
};
use crate::reactor::Cx;
use bytes::{Bytes, BytesMut};
use std::time::{Duration, Instant};

/// How the server is asked for its feed. What is told is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedMode {
    /// One answer that has no end (`feed=continuous`): a change comes the moment that it is made.
    ///
    /// Where something holds that answer back, as nginx does unless it is told `proxy_buffering
    /// off`, and CouchDB with its setting `buffer_response`, nothing comes, not even a head. When
    /// nothing has come for [three heartbeats](crate::limits::FEED_ANSWER_HEARTBEATS), although the
    /// database answered, the feed is lost as [`HeldBack`](FeedError::HeldBack) and then followed
    /// as [`LongPoll`](Self::LongPoll) is, for as long as that is answered; if it is not, as one
    /// answer again.
    #[default]
    Continuous,
    /// An answer for each time that something changes (`feed=longpoll`), for proxies that hold an
    /// answer back until it is complete. A change comes as soon; each costs a request or two. Where
    /// not even a heartbeat comes through, an answer is asked to be complete after that time. One
    /// that comes at once and tells nothing new is followed by a pause, which grows to a heartbeat.
    LongPoll,
    /// An answer with what has changed (`feed=normal`), for servers and proxies that let nobody
    /// wait. A change comes within a [`heartbeat`](ChangesFeed::heartbeat), which is the pause
    /// between two requests when there is nothing new.
    Normal,
}

impl FeedMode {
    /// All there are.
    pub const ALL: [FeedMode; 3] = [FeedMode::Continuous, FeedMode::LongPoll, FeedMode::Normal];

    /// `CouchDB`'s name for it: the value of the parameter `feed`.
    pub fn name(self) -> &'static str {
        match self {
            FeedMode::Continuous => "continuous",
            FeedMode::LongPoll => "longpoll",
            FeedMode::Normal => "normal",
        }
    }

    /// Whether an answer has an end, after which there is more to be asked for.
    pub(super) fn is_paged(self) -> bool {
        self != FeedMode::Continuous
    }

    pub(super) fn cutter(self, line_max: usize) -> Cutter {
        if self.is_paged() {
            Cutter::Page(Page::new(line_max))
        } else {
            Cutter::Lines(Lines::new(line_max))
        }
    }
}

/// Takes a feed's answer apart while it comes.
#[derive(Debug)]
pub(super) enum Cutter {
    Lines(Lines),
    Page(Page),
}

impl Cutter {
    pub(super) fn feed(&mut self, piece: &[u8]) {
        match self {
            Cutter::Lines(lines) => lines.feed(piece),
            Cutter::Page(page) => page.feed(piece),
        }
    }

    /// Bytes that wait for the end of their line, or row.
    pub(super) fn pending(&self) -> usize {
        match self {
            Cutter::Lines(lines) => lines.pending(),
            Cutter::Page(page) => page.pending(),
        }
    }

    /// What has come and was not cut; of a page nobody can say so.
    pub(super) fn into_rest(self) -> Option<BytesMut> {
        match self {
            Cutter::Lines(lines) => Some(lines.into_rest()),
            Cutter::Page(_) => None,
        }
    }
}

impl Iterator for Cutter {
    type Item = Result<Bytes, LineTooLong>;

    /// Empty lines that follow each other are one item.
    fn next(&mut self) -> Option<Self::Item> {
        let item = match self {
            Cutter::Lines(lines) => lines.next(),
            Cutter::Page(page) => page.next(),
        };
        if matches!(&item, Some(Ok(line)) if line.is_empty()) {
            match self {
                Cutter::Lines(lines) => lines.skip_empty(),
                Cutter::Page(page) => page.skip_empty(),
            }
        }
        item
    }
}

/// How far an answer that has an end has brought a feed.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact that the next step depends on")]
pub(super) struct Paging {
    /// From where it was asked for.
    pub(super) since: Option<Seq>,
    /// When it was asked for, and for how many rows at most.
    pub(super) asked: (Option<Instant>, Option<u64>),
    /// How many rows came with it, and whether anything in them was new.
    pub(super) rows: u64,
    pub(super) has_news: bool,
    /// How long it was last waited after one in which nothing was.
    pause: Duration,
    /// Whether something seems to hold an answer back until it is complete, its heartbeats too. A
    /// feed is then asked for answer by answer, and each answer to be complete after that time.
    pub(super) is_held_back: bool,
    /// Whether it was told since the last loss that the server answers.
    pub(super) is_announced: bool,
    /// Whether what is asked for next is the feed that was asked for its end.
    pub(super) is_resumed: bool,
    /// Whether it is to be learnt where that ends which there is.
    is_end_wanted: bool,
    /// Whether the rest of what there is is asked for, to learn where it ends.
    pub(super) is_sounding: bool,
    /// Whether the server has failed at that, and is not asked for it again.
    pub(super) is_unsounded: bool,
}

impl ChangesFeed {
    /// How the server is asked just now.
    pub(super) fn asked_mode(&self) -> FeedMode {
        if self.paging.is_sounding { FeedMode::Normal } else { self.lasting_mode() }
    }

    /// How the server is asked for all that is still to come.
    pub(super) fn lasting_mode(&self) -> FeedMode {
        match self.mode {
            FeedMode::Continuous if self.paging.is_held_back => FeedMode::LongPoll,
            mode => mode,
        }
    }

    /// How long the answer to the request that is under way is waited for.
    pub(super) fn answer_time(&self) -> Duration {
        if self.step != Step::Feed {
            return ANSWER_TIME;
        }
        let heartbeats = self.heartbeat.saturating_mul(FEED_ANSWER_HEARTBEATS);
        match self.asked_mode() {
            _ if self.is_timed() => ANSWER_TIME.max(self.silence()),
            FeedMode::Normal => ANSWER_TIME.max(heartbeats),
            _ => FEED_ANSWER_TIME_MIN.max(heartbeats),
        }
    }

    /// Nothing of the feed has come for `time`: why it is lost. Something may hold it back that
    /// let the look at the database through. Then it is asked for in another way from now on,
    /// and in the first way again when nothing comes of that one either.
    pub(super) fn unheard(&mut self, time: Duration) -> FeedError {
        let has_begun = self.answer.status.is_some();
        let mode = self.asked_mode();
        let was_held_back = self.paging.is_held_back;
        if !self.answer.has_body && mode != FeedMode::Normal {
            self.paging.is_held_back = !was_held_back;
            let has_another_way = self.mode == FeedMode::Continuous || !self.has_timeout;
            if !was_held_back && has_another_way {
                return FeedError::HeldBack { mode, time };
            }
        }
        if has_begun { FeedError::Silent(time) } else { FeedError::NoAnswer(time) }
    }

    /// Why a feed is lost that ended in good order.
    pub(super) fn ended_again(&self, cx: &Cx<'_>) -> FeedError {
        let began = self.answer.began.unwrap_or_else(|| cx.now());
        FeedError::Ended { after: cx.now() - began, rows: self.paging.rows }
    }

    /// Whether an answer that is complete is followed by the next.
    pub(super) fn has_turns(&self) -> bool {
        self.asked_mode().is_paged() || self.has_timeout
    }

    /// Asks for the rest of what there is as an answer of its own, if it is not known whether there
    /// is more: where that answer ends, all is told.
    ///
    /// Nothing in a feed that goes on says so. An empty line comes when a server has had nothing to
    /// send for a while, be it that there is nothing or that a filter has let nothing through; and
    /// where there always is something, none comes.
    pub(super) fn sound_soon(&mut self, cx: &mut Cx<'_>) {
        if self.subject.rows().is_some() && !self.is_caught_up && !self.paging.is_unsounded {
            self.paging.is_end_wanted = true;
            self.flush_soon(cx);
        }
    }

    /// Does so once all that is there has been taken, if that was not the end.
    pub(super) fn sound(&mut self, cx: &mut Cx<'_>) {
        let is_wanted = std::mem::take(&mut self.paging.is_end_wanted);
        let is_known = self.is_caught_up || self.answer.is_last || self.is_full();
        let is_asked = self.asked_mode() == FeedMode::Normal || self.is_lean();
        if is_wanted && self.step == Step::Feed && !is_known && !is_asked {
            self.hang_up(cx);
            self.paging.is_sounding = true;
            self.connect(cx);
        }
    }

    /// Whether the server is asked to end an answer in which nothing comes, rather than to show by
    /// heartbeats that it lives.
    pub(super) fn is_timed(&self) -> bool {
        match self.asked_mode() {
            FeedMode::Continuous => self.has_timeout,
            FeedMode::LongPoll => self.has_timeout || self.paging.is_held_back,
            FeedMode::Normal => false, // nothing is waited for
        }
    }

    /// An answer with rows is complete: asks for the next, at once while there is more.
    pub(super) fn turn_page(&mut self, cx: &mut Cx<'_>) {
        if !self.answer.is_last {
            return self.lose(cx, FeedError::Cut);
        }
        let has_moved = self.paging.since != self.since && self.paging.rows > 0;
        let (asked, at_most) = self.paging.asked;
        let is_full = at_most.is_some_and(|most| self.paging.rows >= most);
        // One without rows shows that the server lives when it has taken the time that it was to;
        // or the most that its settings allow.
        let time = FEED_PROOF_TIME.min(self.heartbeat / 2);
        let has_waited = asked.is_some_and(|asked| cx.now() - asked >= time);
        let is_full = is_full && has_moved;
        let shows_life =
            self.paging.has_news || is_full || (has_waited && (has_moved || self.is_timed()));
        if shows_life {
            self.paging.pause = Duration::ZERO;
            self.backoff.reset();
            self.stuck = Stuck::default();
            self.is_renewed = false;
        }
        if !is_full {
            self.catch_up(cx);
        }
        if self.step != Step::Feed {
            return; // the watcher is gone
        }
        // Nobody looks after the database between two answers. While there is more the next look
        // comes soon enough: what is told of another database is then told anew.
        self.is_checked = is_full;
        match self.asked_mode() {
            _ if is_full => self.ask_on(cx),
            _ if std::mem::take(&mut self.paging.is_sounding) => {
                self.paging.is_resumed = true;
                self.ask_on(cx);
            }
            FeedMode::Normal => {
                self.backoff.reset();
                self.hang_up(cx);
                self.wait(cx, self.heartbeat);
            }
            _ if shows_life => self.ask_on(cx),
            // It goes on, with what was told already or is not followed: no loss, and no hurry.
            _ if has_moved => {
                let doubled = self.paging.pause.saturating_mul(2);
                let pause = doubled.min(self.heartbeat).max(FEED_RETRY_FIRST);
                self.paging.pause = pause;
                self.hang_up(cx);
                self.wait(cx, pause);
            }
            _ => {
                let why = self.ended_again(cx);
                self.lose(cx, why);
            }
        }
    }

    fn ask_on(&mut self, cx: &mut Cx<'_>) {
        self.listening = None;
        self.go_on(cx);
    }
}
