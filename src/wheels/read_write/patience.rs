//! How long a peer is waited for, with one timer for each connection.
//!
//! What is waited for changes with every request; the timer does not. It is set when there is none
//! that is early enough, and when it fires it is set again for what is left. So a request costs a
//! comparison, and a connection an occasional look at its watch.

use super::contract::AskProtocol;
use super::{Ended, Sink, Source, State, end, output};
use crate::filters::Filter;
use crate::limits::PEER_ACK_TIME;
use crate::reactor::{Cx, WheelCx, WheelId};
use std::time::{Duration, Instant};

/// What the peer is waited for, and since when.
#[derive(Debug)]
pub(super) struct Watch {
    what: Option<Awaited>,
    since: Instant,
    /// When the timer fires.
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// To take some of what is unsent.
    Room,
    /// To send what the filter calls by this number.
    Input(u32),
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Watch { what: None, since: now, due: None }
    }

    /// Its timer has fired.
    pub(super) fn fired(&mut self) {
        self.due = None;
    }

    /// Whether its timer is to be set for `deadline`, as it is from now on.
    fn wakes_too_late(&mut self, deadline: Instant) -> bool {
        let is_late = self.due.is_none_or(|due| deadline < due);
        if is_late {
            self.due = Some(deadline);
        }
        is_late
    }

    /// From now on the peer is waited for to take its last bytes.
    pub(super) fn begin_to_end(&mut self, now: Instant) {
        self.what = Some(Awaited::Room);
        self.since = now;
    }

    /// For how long it has been waited.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// The peer has taken some of what is unsent.
    pub(super) fn moved(&mut self, now: Instant) {
        if self.what == Some(Awaited::Room) {
            self.since = now;
        }
    }
}

impl<F: Filter> State<F> {
    fn awaited(&self) -> Option<(Awaited, Duration)> {
        if self.unsent.is_some()
            && let Some(stall) = self.filter.stall()
        {
            return Some((Awaited::Room, stall.time));
        }
        if self.paused || self.source != Source::Open {
            return None;
        }
        let patience = self.filter.patience()?;
        Some((Awaited::Input(patience.wait), patience.time))
    }

    /// Notes what is waited for now; what, and until when.
    fn deadline(&mut self, now: Instant) -> Option<(Awaited, Instant)> {
        if self.sink != Sink::Open || self.failure.is_some() {
            return None; // its end has a time of its own
        }
        let awaited = self.awaited();
        let what = awaited.map(|(what, _)| what);
        if self.watch.what != what {
            self.watch.what = what;
            self.watch.since = now;
        }
        let (what, time) = awaited?;
        Some((what, self.watch.since.checked_add(time)?))
    }
}

impl<F: Filter> State<F> {
    /// The time in which the peer must acknowledge something, where it must read in time.
    fn ack_time(&self) -> Option<Duration> {
        self.filter.stall().map(|stall| stall.time.max(PEER_ACK_TIME))
    }

    /// Has the system look for a peer that has vanished while something is on its way to it.
    pub(super) fn watch_acks(&self) {
        if let Some(time) = self.ack_time() {
            self.set_ack_time(Some(time));
        }
    }

    /// Turns that off while more waits than the system takes, because the system would end the
    /// connection of a peer that reads steadily but slowly; and on again a while later.
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

/// Sees that the wheel runs when the time for what is waited for is up.
pub(super) fn arm<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    if let Some((_, deadline)) = state.deadline(now)
        && state.watch.wakes_too_late(deadline)
    {
        me.delay(cx, deadline.saturating_duration_since(now));
    }
}

/// What a look at the watch asks for.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Nothing,
    /// Another look, after this.
    Again(Duration),
    /// The end: the time is up.
    TimeIsUp(Awaited),
}

impl<F: Filter> State<F> {
    /// Looks at the watch.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        match self.deadline(now) {
            Some((what, deadline)) if deadline <= now => Look::TimeIsUp(what),
            Some((_, deadline)) if self.watch.wakes_too_late(deadline) => {
                Look::Again(deadline.saturating_duration_since(now))
            }
            _ => Look::Nothing,
        }
    }
}

/// Does what a look has asked for. For a wheel that runs, since it may have to tell its session.
pub(super) fn act<F: Filter>(
    cx: &mut WheelCx<'_, '_, State<F>>,
    me: WheelId<State<F>>,
    look: Look,
) {
    match look {
        Look::Nothing => {}
        Look::Again(after) => me.delay(cx, after),
        Look::TimeIsUp(what) => expire(cx, me, what),
    }
}

fn expire<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>, what: Awaited) {
    match what {
        Awaited::Room => end(cx, me, Ended::TimedOut),
        Awaited::Input(_) => {
            output::write_with(cx, me, F::timed_out);
            if let Some(state) = me.state(cx) {
                state.is_late = true;
            }
            output::finish(cx, me);
        }
    }
}
