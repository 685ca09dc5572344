//! The long poll: a request that waits for its document to change.

use super::{Browser, Waits};
use crate::conditional::Known;
use crate::metrics::PollEnd;
use crate::overview::{CHANGED, Current, Overview};
use http::Method;
use masque::filters::Request;
use masque::reactor::Cx;

impl Browser {
    /// Answers with a document: now, or when it is another than the browser has.
    ///
    /// The revision in the path says what to wait for; `If-None-Match` says what need not be sent,
    /// and goes by the answer in the end: a poll that has waited in vain gets a 304 for it.
    pub(super) fn document(
        &mut self,
        cx: &mut Cx<'_>,
        request: &Request,
        place: usize,
        rev: Option<&str>,
    ) {
        let Some(current) = self.current(cx, place) else { return };
        let knows_current = rev.is_some() && rev == current.rev.as_deref();
        let known = Known::of(request.headers());
        if knows_current && request.method() == Method::GET && !self.hurries() {
            self.park(cx, place, known);
        } else {
            self.answer_document(cx, current, &known);
        }
    }

    /// The browser has what there is: it is answered when that changes, or when it has waited
    /// enough.
    fn park(&mut self, cx: &mut Cx<'_>, place: usize, known: Known) {
        self.waits = Waits::Change { place, known };
        self.site.metrics.parked.add(1);
        cx.watch(CHANGED, Self::CHANGED);
        cx.delay(Self::TIMED_OUT, self.site.long_poll, ());
    }

    pub(super) fn timed_out(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.respond(cx, PollEnd::TimedOut);
    }

    /// Ends a poll with what there is now.
    pub(super) fn respond(&mut self, cx: &mut Cx<'_>, how: PollEnd) {
        let Waits::Change { place, known } = std::mem::replace(&mut self.waits, Waits::Nothing)
        else {
            return;
        };
        cx.unwatch(CHANGED);
        cx.delay_clear(Self::TIMED_OUT);
        self.site.metrics.poll_ended(how);
        if let Some(current) = self.current(cx, place) {
            self.answer_document(cx, current, &known);
        }
    }

    /// Whether nobody should wait any more.
    pub(super) fn hurries(&self) -> bool {
        self.is_closing || self.has_ended
    }

    fn current(&mut self, cx: &mut Cx<'_>, place: usize) -> Option<Current> {
        let current = cx.call(self.site.overview, Overview::CURRENT, place);
        // Without it there is nothing to serve any more: the program is ending.
        current.inspect_err(|_| cx.stop()).ok()
    }
}
