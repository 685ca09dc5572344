//! How a connection ends with the server: nobody is cut off in the middle of something.

use super::{Browser, Waits};
use crate::metrics::PollEnd;
use masque::reactor::{Cx, Event, Topic};
use std::time::Duration;

/// Told to every browser when the server is about to end.
pub(crate) const CLOSING: Topic<()> = Topic::new("browser.closing");

/// How long a connection that has just been made may take to send its first request.
const GREETING: Duration = Duration::from_millis(500);

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
            // Its first request may be on its way; a browser asks again after a later one was lost, but
            // not after the first.
            Waits::Nothing if !self.is_known => cx.delay(Self::LEAVE, GREETING, ()),
            Waits::Nothing => self.leave(cx),
        }
    }

    /// Ends the connection if it is idle. A request that has come in part is still answered.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>) {
        if self.client.unread(cx) > 0 {
            return;
        }
        self.close_after_answer(cx);
        if let Some(httpd) = self.client.filter(cx)
            && masque::filters::Filter::is_finished(httpd)
        {
            self.client.finish(cx);
        }
    }
}
