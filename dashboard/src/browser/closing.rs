//! Shutdown of a connection when the server ends: no request is dropped before it is answered.

use super::{Browser, Waits};
use crate::metrics::PollEnd;
use crate::site::unavailable;
use masque::reactor::{Cx, Event, Topic};
use std::time::{Duration, Instant};

/// Sent to every browser when the server is about to end.
pub(crate) const CLOSING: Topic<()> = Topic::new("browser.closing");

/// How long the shutdown waits for a request that may be on its way. This is the rest of a request,
/// the first request of a new connection, or the next one after an answer that is no older than
/// this.
const GRACE: Duration = Duration::from_secs(1);

impl Browser {
    pub(super) const CLOSING: Event<()> = Event::new("browser.on_closing");
    pub(super) const LEAVE: Event<()> = Event::new("browser.leave");

    /// Answers a waiting poll, ends a stream, and closes an idle connection. A request that may be
    /// on its way gets [`GRACE`].
    pub(super) fn closing(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.is_closing = true;
        match self.waits {
            Waits::Change { .. } => self.respond(cx, PollEnd::Closing),
            Waits::Events { .. } => {
                self.close_after_answer(cx);
                self.end_events(cx);
            }
            Waits::Nothing { answered } if self.may_ask_soon(cx, answered) => {
                cx.delay(Self::LEAVE, GRACE, ());
            }
            Waits::Nothing { .. } => self.leave(cx, ()),
        }
    }

    /// Returns true if a request may be on its way.
    fn may_ask_soon(&self, cx: &mut Cx<'_>, answered: Option<Instant>) -> bool {
        let now = cx.now();
        let is_recent = |answered| now.saturating_duration_since(answered) <= GRACE;
        !self.is_known || self.client.unread(cx) > 0 || answered.is_some_and(is_recent)
    }

    /// Ends the connection. If a part of a request has arrived, it is answered with an error first.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.client.unread(cx) > 0 {
            return self.refuse(cx, unavailable());
        }
        self.close_after_answer(cx);
    }
}
