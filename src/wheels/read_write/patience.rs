//! Time limits for the peer, with one timer for each connection.
//!
//! The wait changes with every request, but the timer does not. It is set only if it would fire too
//! late, and when it fires early, it is set again for the rest. So a request costs a comparison,
//! and a connection an occasional timer.

use super::contract::AskProtocol;
use super::state::{EndPlan, Sink, Source, WireState};
use super::{Ended, end, output};
use crate::filters::Filter;
use crate::limits::PEER_ACK_TIME;
use crate::reactor::{Cx, WheelCx, WheelId};
use std::time::{Duration, Instant};

/// The current wait for the peer, and its start.
#[derive(Debug)]
pub(super) struct PeerWait {
    what: Option<Awaited>,
    since: Instant,
    /// When the timer fires.
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// For the peer to read some of the unsent bytes.
    Room,
    /// For input; the filter has given the wait this number.
    Input(u32),
}

impl PeerWait {
    pub(super) fn new(now: Instant) -> Self {
        PeerWait { what: None, since: now, due: None }
    }

    /// Notes that the timer has fired.
    pub(super) fn fired(&mut self) {
        self.due = None;
    }

    /// Returns true if the timer must be set to `deadline`, and notes that it is.
    fn wakes_too_late(&mut self, deadline: Instant) -> bool {
        let is_late = self.due.is_none_or(|due| deadline < due);
        if is_late {
            self.due = Some(deadline);
        }
        is_late
    }

    /// Begins the wait for the peer to read the last bytes.
    pub(super) fn begin_to_end(&mut self, now: Instant) {
        self.what = Some(Awaited::Room);
        self.since = now;
    }

    /// The duration of the wait so far.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Notes that the peer has read some of the unsent bytes.
    pub(super) fn moved(&mut self, now: Instant) {
        if self.what == Some(Awaited::Room) {
            self.since = now;
        }
    }
}

impl<F: Filter> WireState<F> {
    fn awaited(&self) -> Option<(Awaited, Duration)> {
        if self.unsent.is_some()
            && let Some(stall) = self.filter.stall()
        {
            return Some((Awaited::Room, stall.time));
        }
        if self.input.paused || self.input.source != Source::Open {
            return None;
        }
        let patience = self.filter.patience()?;
        Some((Awaited::Input(patience.wait), patience.time))
    }

    /// Updates the current wait. Returns it with its deadline.
    fn deadline(&mut self, now: Instant) -> Option<(Awaited, Instant)> {
        if self.sink != Sink::Open || self.failure.is_some() {
            return None; // the end has its own time limit
        }
        let awaited = self.awaited();
        let what = awaited.map(|(what, _)| what);
        if self.wait.what != what {
            self.wait.what = what;
            self.wait.since = now;
        }
        let (what, time) = awaited?;
        Some((what, self.wait.since.checked_add(time)?))
    }
}

impl<F: Filter> WireState<F> {
    /// The time within which the peer must acknowledge bytes, if the filter has a limit for
    /// reading.
    fn ack_time(&self) -> Option<Duration> {
        self.filter.stall().map(|stall| stall.time.max(PEER_ACK_TIME))
    }

    /// Lets the system detect a peer that vanishes while bytes are on the way to it.
    pub(super) fn watch_acks(&self) {
        if let Some(time) = self.ack_time() {
            self.set_ack_time(Some(time));
        }
    }

    /// Turns the time to acknowledge off while output waits for the system, because the system
    /// would end the connection of a peer that reads steadily but slowly. Turns it on again later.
    pub(super) fn adapt_ack_time(&mut self, now: Instant) {
        let is_full = self.unsent() > 0;
        let full = self.extra.as_ref().and_then(|extra| extra.full);
        if !is_full && full.is_none() {
            return;
        }
        let Some(time) = self.ack_time() else { return };
        if is_full {
            self.extra().full = Some(now);
            if full.is_none() {
                self.set_ack_time(None);
            }
        } else if full.is_some_and(|full| now.saturating_duration_since(full) >= time) {
            self.extra().full = None;
            self.set_ack_time(Some(time));
        }
    }

    fn set_ack_time(&self, time: Option<Duration>) {
        if let Err(error) = self.socket.set_ack_time(time) {
            log::debug!("the time to acknowledge cannot be set: {error}");
        }
    }
}

/// Sets the timer, so that the wheel runs when the current wait has passed its limit.
pub(super) fn arm<F: Filter>(cx: &mut Cx<'_>, me: WheelId<WireState<F>>) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    if let Some((_, deadline)) = state.deadline(now)
        && state.wait.wakes_too_late(deadline)
    {
        me.delay(cx, deadline.saturating_duration_since(now));
    }
}

/// What must happen after a check of the wait.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Nothing,
    /// Another check, after this time.
    Again(Duration),
    /// The end: the time limit has passed.
    TimeIsUp(Awaited),
}

impl<F: Filter> WireState<F> {
    /// Checks the current wait.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        match self.deadline(now) {
            Some((what, deadline)) if deadline <= now => Look::TimeIsUp(what),
            Some((_, deadline)) if self.wait.wakes_too_late(deadline) => {
                Look::Again(deadline.saturating_duration_since(now))
            }
            _ => Look::Nothing,
        }
    }
}

/// Acts on the result of a check. Only a running wheel can, because it may deliver an event.
pub(super) fn act<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    look: Look,
) {
    match look {
        Look::Nothing => {}
        Look::Again(after) => me.delay(cx, after),
        Look::TimeIsUp(what) => expire(cx, me, what),
    }
}

fn expire<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    what: Awaited,
) {
    match what {
        Awaited::Room => end(cx, me, Ended::TimedOut),
        Awaited::Input(_) => {
            output::write_with(cx, me, F::timed_out);
            if let Some(state) = me.state(cx) {
                state.end = EndPlan::TimedOut;
            }
            output::finish(cx, me);
        }
    }
}
