//! How a connection ends with the server: nobody is cut off in the middle of something.

use super::{Browser, Waits};
use crate::metrics::PollEnd;
use crate::site::unavailable;
use masque::reactor::{Cx, Event, Topic};
use std::time::{Duration, Instant};

/// StreamState to every browser when the server is about to end.
pub(crate) const CLOSING: Topic<()> = Topic::new("browser.closing");

/// How long a request may still take to come: one that has begun to, the first one of a connection
/// that has just been made, or the next one after an answer that is no older than this. A client
/// that polls asks again as soon as it is answered, so its request may already be on its way. A
/// connection that has been idle for longer ends at once: browsers ask again if a request was lost
/// on such a connection.
const GRACE: Duration = Duration::from_secs(1);

impl Browser {
    pub(super) const CLOSING: Event<()> = Event::new("browser.on_closing");
    pub(super) const LEAVE: Event<()> = Event::new("browser.leave");

    /// Who waits is answered, what is under way is finished, who is idle is let go.
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

    /// Ends the connection, unless the body of a request is coming: that is waited for until the
    /// server's own time is up.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.client.unread(cx) > 0 {
            return self.refuse(cx, unavailable());
        }
        self.close_after_answer(cx);
    }
}
