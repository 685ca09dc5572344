//! How a feed is lost, and when it is tried again.

use super::answer::Answer;
use super::error::FeedError;
use super::{ChangesFeed, FeedEvent, Step};
use crate::filters::HttpClientError;
use crate::limits::{ANSWER_TIME, FEED_BYTES_PER_S, FEED_LASTING_RETRY_MIN, FEED_STUCK_TIMES};
use crate::reactor::Cx;
use crate::wheels::Ended;
use std::sync::Arc;
use std::time::Duration;

/// The last failure, and how often it came at the same sequence.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    what: String,
    times: u32,
}

impl ChangesFeed {
    /// Time is up, or nearly so.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        let has_begun = self.answer.status.is_some();
        if self.is_held() {
            // Nothing is posted meanwhile that would show that the watcher is gone.
            if self.postback.is_live(cx) {
                return cx.delay(Self::TICK, self.heartbeat, ());
            }
            return self.shut_down(cx, ());
        }
        match self.step {
            Step::Waiting => self.connect(cx),
            Step::Connecting | Step::GivenUp => {}
            Step::Feed if self.answer.second.is_some() => self.lose(cx, FeedError::Cut),
            _ if self.answer.lines.is_some() && self.read_again.is_some() => self.look_again(cx),
            _ if self.answer.lines.is_some() => self.listen_on(cx, self.silence()),
            _ if has_begun => self.listen_on(cx, ANSWER_TIME),
            _ => self.fall_silent(cx, self.answer_time()),
        }
    }

    /// Waits until nothing has come for `silence`, or what is unfinished has come too slowly. A
    /// long document takes as long as it takes, as long as it comes.
    fn listen_on(&mut self, cx: &mut Cx<'_>, silence: Duration) {
        let heard = self.counters.heard.map_or(Duration::ZERO, |then| cx.now() - then);
        let left = silence.saturating_sub(heard);
        if left.is_zero() {
            return self.fall_silent(cx, silence);
        }
        let Some((began, bytes)) = self.answer.unfinished() else {
            return cx.delay(Self::TICK, left, ());
        };
        let time = cx.now() - began;
        let left_of_rate = time_for(bytes).saturating_sub(time);
        if left_of_rate.is_zero() {
            return self.lose(cx, FeedError::TooSlow { bytes, time });
        }
        cx.delay(Self::TICK, left.min(left_of_rate), ());
    }

    /// Nothing has come for `time`.
    fn fall_silent(&mut self, cx: &mut Cx<'_>, time: Duration) {
        let has_begun = self.answer.status.is_some();
        let why = match self.step {
            Step::Feed if !has_begun || self.answer.lines.is_some() => self.unheard(time),
            _ if has_begun => FeedError::Silent(time),
            _ => FeedError::NoAnswer(time),
        };
        self.lose(cx, why);
    }

    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let (why, is_unanswered) = match ended {
            Ended::Eof | Ended::Finished | Ended::TimedOut | Ended::Closed => {
                (FeedError::Cut, false)
            }
            Ended::Failed(error) => (FeedError::of_io(error), self.answer.status.is_none()),
            Ended::Malformed(error) => {
                match error.downcast::<HttpClientError>().map(|error| *error) {
                    Ok(HttpClientError::Closed) => (FeedError::Cut, true),
                    Ok(HttpClientError::Cut) => (FeedError::Cut, false),
                    Ok(error) => (FeedError::Http(error), false),
                    Err(_) => (FeedError::Answer("it is not HTTP"), false),
                }
            }
        };
        if is_unanswered && self.served > 0 {
            // A server may close a connection on which it has served a request, and the next may
            // cross that on its way (RFC 9112, section 9.3.1). With a connection for each, that
            // happens once.
            self.is_single = true;
            // The database may have gone with it.
            self.is_checked &= self.step != Step::Feed;
            self.hang_up(cx);
            return self.connect(cx);
        }
        self.lose(cx, why);
    }

    /// Ends what is under way and waits for the next try. A second response says more of why than
    /// how it ended.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_>, why: FeedError) {
        let second = self.answer.second.take();
        let second = second.and_then(|second| HttpClientError::second(&second, true));
        let why = second.map_or(why, FeedError::Http);
        let Err(why) = self.is_of_one(cx, why) else { return };
        let was_proven = self.listening.is_some_and(|listening| listening.is_proven);
        // Known from the head, so that a connection that breaks behind it gives no further try.
        let is_login_refused = self.answer.refuses_credentials(self.step == Step::Login);
        self.hang_up(cx);
        self.is_checked = false;
        self.is_renewed = false;
        (self.detour, self.redirects) = (None, 0);
        self.nothing_is_put_off();
        let is_end = matches!(why, FeedError::Ended { .. });
        if was_proven {
            self.end_pauses.reset();
        }
        if is_end && was_proven {
            return self.wait(cx, Duration::ZERO); // in good order, after some time: no loss
        }
        if why.is_lasting() {
            self.login.renew();
        }
        self.was_gone |= matches!(why, FeedError::NoDatabase(_));
        self.is_caught_up = false;
        self.paging.is_announced = false;
        let was_sounding = std::mem::take(&mut self.paging.is_sounding);
        self.counters.losses += 1;
        let stuck = self.count_stuck(&why, was_proven);
        self.paging.is_unsounded |=
            was_sounding && (stuck.is_some() || !why.is_of_the_connection());
        let mut retry_after = self.backoff.next_delay();
        // A missing database may be created at any moment, and asking for it is no failed login.
        if why.is_lasting() && !matches!(why, FeedError::NoDatabase(_)) {
            // Slow, and still not all at once.
            retry_after = (self.retry_cap / 2 + retry_after / 2).max(FEED_LASTING_RETRY_MIN);
        }
        if is_end {
            // A node in maintenance mode may send new rows each time, which starts the other
            // pauses over.
            let pause = self.end_pauses.next_delay().min(self.heartbeat).min(self.retry_cap);
            retry_after = retry_after.max(pause);
        }
        if is_login_refused {
            self.login_is_refused(cx);
        }
        retry_after = retry_after.max(self.login_pause(cx));
        retry_after = retry_after.max(why.retry_after().unwrap_or_default());
        let (why, times) = (Arc::new(why), self.backoff.tries());
        if !self.retry.allows(&why, times) {
            return self.give_up(cx, why, times);
        }
        let since = self.since.clone();
        let lost = FeedEvent::Lost { why: why.clone(), retry_after, times, since: since.clone() };
        self.tell(cx, lost);
        if let (Some(times), Some(since)) = (stuck, since) {
            self.tell(cx, FeedEvent::Stuck { times, since, why });
        }
        self.wait(cx, retry_after);
    }

    /// Counts the same failure at the same sequence; how often, when that is to be told.
    fn count_stuck(&mut self, why: &FeedError, was_proven: bool) -> Option<u32> {
        if why.is_of_the_way() && was_proven {
            self.stuck = Stuck::default(); // it went well for a while, and then the way broke
            return None;
        }
        if matches!(why, FeedError::Connect(_)) {
            return None; // the server is not there to fail
        }
        let what = format!("{} at {:?}", why.kind(), self.since);
        if self.stuck.what == what {
            self.stuck.times += 1;
        } else {
            self.stuck = Stuck { what, times: 1 };
        }
        let times = self.stuck.times;
        let is_told =
            times.is_multiple_of(FEED_STUCK_TIMES) && (times / FEED_STUCK_TIMES).is_power_of_two();
        is_told.then_some(times)
    }

    /// Tries again after `pause`.
    pub(super) fn wait(&mut self, cx: &mut Cx<'_>, pause: Duration) {
        self.step = Step::Waiting;
        cx.delay(Self::TICK, pause, ());
    }

    /// From now on nothing of this connection is heard any more.
    pub(super) fn hang_up(&mut self, cx: &mut Cx<'_>) {
        cx.delay_clear(Self::TICK);
        self.end_look(cx);
        self.answer = Answer::default();
        self.listening = None;
        if let Some(connector) = self.connector.take() {
            connector.close(cx);
        }
        if let Some(wire) = self.wire.take() {
            wire.close(cx);
        }
    }
}

/// How long so many bytes of what is unfinished may take.
pub(super) fn time_for(bytes: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a second")]
    let more = Duration::from_secs_f64(bytes as f64 / f64::from(FEED_BYTES_PER_S));
    ANSWER_TIME + more
}
