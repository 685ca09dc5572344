//! How a feed is lost: errors, silence, and a second response in the middle of it.

use crate::action::Lost;
use crate::error::FeedError;
use crate::event::{FeedEvent, FeedMode};
use crate::follower::Follower;
use crate::limits::{ANSWER_TIME, BYTES_PER_S, SECOND_RESPONSE_BYTES, SECOND_RESPONSE_FIELDS};
use crate::pages::EndProbe;
use crate::row::{Info, Seq, parse_reason};
use crate::state::{Redirect, State, Step};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

impl Follower {
    /// The timer of the feed has fired.
    pub(crate) fn tick(&mut self) {
        if self.is_paused() {
            return self.set_timer(self.heartbeat);
        }
        let (has_begun, step) = match self.state() {
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
        let unfinished = match self.state() {
            State::Following(listening) => listening.unfinished(),
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
        let why = match self.state() {
            State::Following(feed) if feed.is_silent() => self.held_back(true, time),
            State::Following(_) => FeedError::Silent(time),
            State::Asking(Step::Feed, answer) if answer.began.is_none() => {
                self.held_back(false, time)
            }
            State::Asking(_, answer) if answer.began.is_some() => FeedError::Silent(time),
            _ => FeedError::NoAnswer(time),
        };
        self.lose(why);
    }

    /// Nothing of the feed's body has arrived for `time`. Something may buffer it that let the look
    /// at the database through. Then the feed is asked for in another way from now on, and in the
    /// first way again when that brings nothing either.
    fn held_back(&mut self, has_head: bool, time: Duration) -> FeedError {
        let mode = self.asked_mode();
        if mode != FeedMode::Normal {
            let was_held_back = self.paging.is_held_back;
            self.paging.is_held_back = !was_held_back;
            let has_another_way = self.mode == FeedMode::Continuous || !self.has_timeout();
            if !was_held_back && has_another_way {
                return FeedError::HeldBack { mode, time };
            }
        }
        if has_head { FeedError::Silent(time) } else { FeedError::NoAnswer(time) }
    }

    /// The connection was lost, or not made.
    pub(crate) fn lost(&mut self, lost: Lost) {
        let has_head = match self.state() {
            State::Asking(_, answer) => answer.began.is_some(),
            State::Following(_) | State::SecondResponse(_) => true,
            State::Waiting | State::Connecting | State::Ended => false,
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
            if let State::Asking(Step::Feed, _) = self.state() {
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
        let is_rejected = match self.state() {
            State::Asking(step, answer) => answer.rejects_credentials(*step == Step::Login),
            _ => false,
        };
        self.lose_after(why, is_rejected);
    }

    /// The same after a complete answer, which may have rejected the credentials.
    pub(crate) fn lose_after(&mut self, why: FeedError, is_login_rejected: bool) {
        // A second response says more than the way in which it ended.
        let why = match self.state() {
            State::SecondResponse(bytes) => second_response(bytes, true).unwrap_or(why),
            _ => why,
        };
        let Err(why) = self.skip_document(why) else { return };
        let was_proven = matches!(self.state(), State::Following(feed) if feed.is_proven);
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
        let (why, times) = (Arc::new(why), self.retry.losses.tries());
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

    /// More of a second response has arrived.
    pub(crate) fn take_second_response(&mut self, data: &[u8]) {
        let State::SecondResponse(bytes) = self.state_mut() else { return };
        bytes.extend_from_slice(data);
        if second_response(bytes, false).is_some() {
            self.lose(FeedError::Cut); // which says what the second response says
        }
    }

    /// Returns true if the database is certainly another one than before. A server that sends
    /// neither a creation time nor a uuid does so only if its sequences are numbers: then a
    /// database with fewer changes than were reported is another one, or has lost its last changes
    /// in a crash; and so is one that was missing for a time. One that was created again unseen,
    /// and has as many changes, is not recognised.
    pub(crate) fn is_recreated(&self, info: &Info) -> bool {
        match (&self.place.identity, &info.identity) {
            (Some(before), Some(now)) => before != now,
            _ => self.place.since.as_ref().is_some_and(|since| self.has_lost(info, since)),
        }
    }

    /// Returns true if the changes up to `seq` certainly no longer exist. Only sequences that are
    /// numbers can say so: they count the changes of one database.
    pub(crate) fn has_lost(&self, info: &Info, seq: &Seq) -> bool {
        (info.count.is_some() && self.place.was_missing) || info.is_before(seq)
    }

    /// Returns true if everything was reported that existed when the database was last looked at.
    /// What a filter leaves out at the end is not known to be skipped.
    pub(crate) fn is_at_end(&self) -> bool {
        let (Some(end), Some(since)) = (&self.place.end, &self.place.since) else { return false };
        let is_past = end.count.zip(since.number()).is_some_and(|(count, seq)| seq >= count);
        is_past || end.update_seq.as_ref() == Some(since)
    }

    /// Returns true if `seq` is certainly after the sequence that the feed was asked from.
    pub(crate) fn is_new(&self, seq: Option<&Seq>) -> bool {
        let is_counted = self.place.end.as_ref().is_some_and(|end| end.count.is_some());
        let asked = self.paging.since.as_ref().and_then(Seq::number);
        is_counted && seq.and_then(Seq::number).zip(asked).is_some_and(|(seq, asked)| seq > asked)
    }
}

/// How long so many bytes of an unfinished line or answer may take.
fn time_for(bytes: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a second")]
    let more = Duration::from_secs_f64(bytes as f64 / f64::from(BYTES_PER_S));
    ANSWER_TIME + more
}

/// What the second response at the start of `input` says. `None` if it is not complete, and more of
/// it may arrive (`is_over` is false) and is not too long.
pub(crate) fn second_response(input: &[u8], is_over: bool) -> Option<FeedError> {
    let is_over = is_over || input.len() >= SECOND_RESPONSE_BYTES;
    let unreadable = || {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Some(FeedError::SecondResponse { status, reason: parse_reason(input) })
    };
    let mut fields = [httparse::EMPTY_HEADER; SECOND_RESPONSE_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let body = match head.parse(input) {
        Ok(httparse::Status::Complete(length)) => &input[length..],
        Ok(httparse::Status::Partial) if !is_over => return None,
        _ => return unreadable(),
    };
    let Some(status) = head.code.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return unreadable();
    };
    // The body's framing does not matter: CouchDB's is one JSON object, and of any other body the
    // status says enough.
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Object>();
    let reason = match values.next() {
        Some(Ok(_)) => parse_reason(&body[..values.byte_offset()]),
        Some(Err(error)) if error.is_eof() && !is_over => return None,
        None if !is_over => return None,
        _ => None,
    };
    Some(FeedError::SecondResponse { status, reason })
}

type Object = serde_json::Map<String, serde_json::Value>;
