//! How a feed is lost: errors, silence, and a second response in the middle of it; and when it is
//! tried again.

use crate::error::FeedError;
use crate::event::{FeedEvent, FeedMode, Lost};
use crate::follower::Follower;
use crate::limits::{
    ANSWER_TIME, BYTES_PER_S, LOGIN_RETRY_CAP, LOGIN_RETRY_MIN, PERMANENT_RETRY_MIN, RETRY_CAP,
    RETRY_CAP_MIN, RETRY_FIRST, STUCK_TIMES,
};
use crate::listening::Body;
use crate::listening::second_response;
use crate::requests::EndProbe;
use crate::row::Seq;
use crate::state::{Redirect, State, Step};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Follower {
    /// The timer of the feed has fired.
    pub(crate) fn tick(&mut self) {
        if self.is_paused() {
            return self.set_timer(self.heartbeat);
        }
        let (has_begun, step) = match &self.state {
            State::Waiting => return self.connect(),
            State::SecondResponse(_) => return self.lose(FeedError::Cut),
            State::Connecting | State::Ended => return,
            State::Following(_) if self.reread.due.is_some() => return self.look_again(),
            State::Following(_) => return self.check_progress(self.silence()),
            State::Asking(step, answer) => (answer.began.is_some(), *step),
        };
        if has_begun {
            self.check_progress(ANSWER_TIME);
        } else {
            self.fall_silent(self.answer_time(step));
        }
    }

    /// Waits until nothing has arrived for `silence`, or an unfinished line or answer has arrived
    /// too slowly. A long document may take long, as long as it keeps arriving.
    fn check_progress(&mut self, silence: Duration) {
        let heard = self.counters.heard.map_or(Duration::ZERO, |then| self.now - then);
        let left = silence.saturating_sub(heard);
        if left.is_zero() {
            return self.fall_silent(silence);
        }
        let unfinished = match &self.state {
            // Since when the unfinished line has been arriving, and its bytes.
            State::Following(feed) => feed.line_began.map(|began| (began, feed.cutter.pending())),
            State::Asking(_, answer) => answer.began.map(|began| (began, answer.body.len())),
            _ => None,
        };
        let Some((began, bytes)) = unfinished else { return self.set_timer(left) };
        let time = self.now - began;
        let left_of_rate = time_for(bytes).saturating_sub(time);
        if left_of_rate.is_zero() {
            return self.lose(FeedError::TooSlow { bytes, time });
        }
        self.set_timer(left.min(left_of_rate));
    }

    /// Nothing has arrived for `time`.
    fn fall_silent(&mut self, time: Duration) {
        let (has_head, has_nothing_of_feed) = match &self.state {
            State::Following(feed) => (true, feed.body == Body::Awaited),
            State::Asking(step, answer) => {
                (answer.began.is_some(), *step == Step::Feed && answer.began.is_none())
            }
            _ => (false, false),
        };
        let held_back = if has_nothing_of_feed { self.held_back(time) } else { None };
        let silent = if has_head { FeedError::Silent } else { FeedError::NoAnswer };
        self.lose(held_back.unwrap_or(silent(time)));
    }

    /// Nothing of the feed's body has arrived for `time`. Something may buffer it that let the look
    /// at the database through. Then the feed is asked for in another way from now on, and in the
    /// first way again when that brings nothing either.
    fn held_back(&mut self, time: Duration) -> Option<FeedError> {
        let mode = self.asked_mode();
        if mode == FeedMode::Normal {
            return None;
        }
        self.paging.is_held_back = !self.paging.is_held_back;
        let has_another_way = self.mode == FeedMode::Continuous || !self.has_timeout();
        (self.paging.is_held_back && has_another_way).then_some(FeedError::HeldBack { mode, time })
    }

    /// The connection was lost, or not made.
    pub(crate) fn lost(&mut self, lost: Lost) {
        let has_head = match &self.state {
            State::Asking(_, answer) => answer.began.is_some(),
            State::Following(_) | State::SecondResponse(_) => true,
            State::Connecting => false,
            State::Waiting | State::Ended => return, // it was closed before
        };
        let is_unanswered = match lost {
            Lost::Unanswered => true,
            Lost::Io(_) | Lost::Tls { .. } => !has_head,
            Lost::Connect(_) | Lost::Http(_) | Lost::Cut => false,
        };
        if is_unanswered && self.link.answers > 0 {
            // A server may close an idle connection at the moment at which the next request is
            // sent (RFC 9112, section 9.3.1). With a connection for each request that cannot happen
            // again.
            self.link.is_single_use = true;
            // The server may have restarted with another database.
            if let State::Asking(Step::Feed, _) = &self.state {
                self.place.is_checked = false;
            }
            return self.reconnect();
        }
        self.lose(match lost {
            Lost::Connect(error) => FeedError::Connect(error),
            Lost::Tls { error, is_permanent } => FeedError::Tls { error, is_permanent },
            Lost::Io(error) => FeedError::Io(error),
            Lost::Http(error) => FeedError::Http(error),
            Lost::Unanswered | Lost::Cut => FeedError::Cut,
        });
    }

    /// Ends the current connection and waits for the next try.
    pub(crate) fn lose(&mut self, why: FeedError) {
        // Known from the head, so that a connection that breaks after it allows no further try.
        let is_rejected = matches!(&self.state, State::Asking(step, answer) if
            answer.rejects_credentials(*step == Step::Login));
        self.lose_after(why, is_rejected);
    }

    /// The same after a complete answer, which may have rejected the credentials.
    pub(crate) fn lose_after(&mut self, why: FeedError, is_login_rejected: bool) {
        // A second response says more than the way in which it ended.
        let why = match &self.state {
            State::SecondResponse(bytes) => second_response(bytes, true).unwrap_or(why),
            _ => why,
        };
        let Err(why) = self.skip_document(why) else { return };
        let was_proven = matches!(&self.state, State::Following(feed) if feed.is_proven);
        self.hang_up();
        self.place.is_checked = false;
        self.retry.is_login_renewed = false;
        self.redirect = Redirect::default();
        self.resume_postponed();
        if was_proven {
            self.retry.ends.reset();
        }
        if matches!(why, FeedError::Ended { .. }) && was_proven {
            return self.wait(Duration::ZERO); // in good order, after some time: no loss
        }
        if why.is_permanent() {
            self.login.renew();
        }
        self.place.was_missing |= matches!(why, FeedError::NoDatabase(_));
        self.place.is_caught_up = false;
        self.paging.is_announced = false;
        self.counters.losses += 1;
        let since = self.place.since.clone();
        let stuck = self.retry.count_stuck(&why, since.as_ref(), was_proven);
        if self.paging.probe == EndProbe::Running {
            let has_failed = stuck.is_some() || !why.is_connection();
            self.paging.probe = if has_failed { EndProbe::Unsupported } else { EndProbe::Unneeded };
        }
        if is_login_rejected {
            self.retry.login_rejected(self.now);
        }
        let retry_after = self.retry.pause(&why, self.heartbeat, self.now);
        let (why, times) = (Arc::new(why), self.retry.losses.tries);
        if !self.retry.allows(&why, times) {
            return self.end(FeedEvent::GaveUp { why, times, since });
        }
        let lost = FeedEvent::Lost { why: why.clone(), retry_after, times, since: since.clone() };
        self.tell(lost);
        if let (Some(times), Some(since)) = (stuck, since) {
            self.tell(FeedEvent::Stuck { times, since, why });
        }
        self.wait(retry_after);
    }
}

/// How long so many bytes of an unfinished line or answer may take.
fn time_for(bytes: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a second")]
    let more = Duration::from_secs_f64(bytes as f64 / f64::from(BYTES_PER_S));
    ANSWER_TIME + more
}

/// The pauses of a feed, and the conditions for another try.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The most losses in a row that are followed by another try.
    pub(crate) limit: u32,
    pub(crate) condition: fn(&FeedError) -> bool,
    pub(crate) cap: Duration,
    /// After a loss.
    pub(crate) losses: Pauses,
    /// After a feed ended at once in good order.
    pub(crate) ends: Pauses,
    /// After the credentials were rejected.
    logins: Pauses,
    /// The end of the last pause of these.
    login_due: Option<Instant>,
    /// True if a login was renewed since the last loss.
    pub(crate) is_login_renewed: bool,
    stuck: Stuck,
}

/// The last failure, and how often it happened at the same sequence.
#[derive(Debug, Default)]
struct Stuck {
    what: String,
    times: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            limit: u32::MAX,
            condition: |_| true,
            cap: RETRY_CAP,
            losses: Pauses::new(RETRY_FIRST, RETRY_CAP),
            ends: Pauses::new(RETRY_FIRST, RETRY_CAP),
            logins: Pauses::new(2 * LOGIN_RETRY_MIN, LOGIN_RETRY_CAP),
            login_due: None,
            is_login_renewed: false,
            stuck: Stuck::default(),
        }
    }
}

impl Retry {
    pub(crate) fn seed(&mut self, seed: u64) {
        for pauses in [&mut self.losses, &mut self.ends, &mut self.logins] {
            pauses.seed(seed);
        }
    }

    /// Limits the pauses after a loss.
    pub(crate) fn set_cap(&mut self, cap: Duration) {
        self.cap = cap.max(RETRY_CAP_MIN);
        (self.losses.first, self.losses.cap) = (RETRY_FIRST.min(self.cap), self.cap);
    }

    /// Returns true if there is another try after `why`, the last of so many losses in a row.
    pub(crate) fn allows(&self, why: &FeedError, losses: u32) -> bool {
        losses <= self.limit && (self.condition)(why)
    }

    /// The pause after a loss. An end in good order has pauses of its own, of at most `heartbeat`:
    /// a node in maintenance mode may send new rows each time, and these restart the other pauses.
    pub(crate) fn pause(&mut self, why: &FeedError, heartbeat: Duration, now: Instant) -> Duration {
        let mut pause = self.losses.next_pause();
        // A missing database may be created at any moment, and asking for it is no failed login.
        if why.is_permanent() && !matches!(why, FeedError::NoDatabase(_)) {
            // Slow, but not the same for all clients.
            pause = (self.cap / 2 + pause / 2).max(PERMANENT_RETRY_MIN);
        }
        if let FeedError::Ended { .. } = why {
            pause = pause.max(self.ends.next_pause().min(heartbeat).min(self.cap));
        }
        pause.max(self.login_pause(now)).max(why.retry_after().unwrap_or_default())
    }

    /// The server has rejected the credentials. They are not sent again for some time, because each
    /// rejection counts towards a lock-out.
    pub(crate) fn login_rejected(&mut self, now: Instant) {
        self.login_due = Some(now + self.logins.next_pause());
    }

    /// The server has accepted the credentials. Soon after a rejection that proves little, because
    /// other nodes of a cluster may not agree.
    pub(crate) fn login_accepted(&mut self, now: Instant) {
        if self.login_pause(now).is_zero() {
            self.logins.reset();
        }
    }

    /// How long the credentials should not be sent.
    pub(crate) fn login_pause(&self, now: Instant) -> Duration {
        self.login_due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// The feed works: the next loss is the first of a series.
    pub(crate) fn proven(&mut self) {
        self.losses.reset();
        self.stuck = Stuck::default();
        self.is_login_renewed = false;
    }

    /// Counts the same failure at the same sequence. Returns the count if it should be reported.
    pub(crate) fn count_stuck(
        &mut self,
        why: &FeedError,
        since: Option<&Seq>,
        was_proven: bool,
    ) -> Option<u32> {
        if why.is_transport() && was_proven {
            self.stuck = Stuck::default(); // the feed worked, and then the network failed
            return None;
        }
        if matches!(why, FeedError::Connect(_)) {
            return None; // there is no server that could fail
        }
        let what = format!("{} at {since:?}", why.kind());
        if self.stuck.what == what {
            self.stuck.times += 1;
        } else {
            self.stuck = Stuck { what, times: 1 };
        }
        let times = self.stuck.times;
        let is_due = times.is_multiple_of(STUCK_TIMES) && (times / STUCK_TIMES).is_power_of_two();
        is_due.then_some(times)
    }
}

/// Pauses that double up to a cap: half of each is fixed, and a random part of the other half is
/// added (equal jitter).
///
/// The random part is drawn once for a series of failures. So a pause is never shorter than the one
/// before it, and the distance between two clients that lost the same server grows with each try.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    first: Duration,
    cap: Duration,
    /// The number of pauses since the last reset.
    pub(crate) tries: u32,
    random: u64,
}

impl Pauses {
    /// The first pause is between half of `first` and all of it. No pause is longer than `cap`.
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        let mut pauses = Pauses { first, cap, tries: 0, random: 0 };
        pauses.seed(RandomState::new().hash_one(0_u8));
        pauses
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        // Similar seeds must not give similar numbers, and xorshift never leaves zero.
        self.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self.draw();
    }

    /// Draws the random part of the next series.
    fn draw(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
    }

    pub(crate) fn next_pause(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.tries).map(|factor| self.first.saturating_mul(factor));
        let half = doubled.map_or(self.cap, |doubled| doubled.min(self.cap)) / 2;
        self.tries = self.tries.saturating_add(1);
        // The upper 53 bits as a fraction of one, which is what an f64 can hold.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        half.saturating_add(half.mul_f64(fraction))
    }

    /// Starts a new series.
    pub(crate) fn reset(&mut self) {
        if self.tries > 0 {
            self.tries = 0;
            self.draw();
        }
    }
}
