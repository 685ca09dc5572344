//! Browsers that read slowly keep the revisions that they began to read. There is a limit to that.

use super::Browser;
use crate::conditional::Known;
use crate::metrics::ConnectionEnd;
use crate::overview::{Current, RELEASED};
use crate::revisions::Revision;
use masque::reactor::{Cx, Event};

impl Browser {
    pub(super) const RELEASED: Event<u64> = Event::new("browser.released");

    /// Answers the request at work with a document.
    pub(super) fn answer_document(&mut self, cx: &mut Cx<'_>, current: Current, known: &Known) {
        self.answer(cx, current.answer.answer(known));
        self.note_reading(cx, current.revision);
    }

    /// Notes a revision of which not all has been sent. Costs no memory for a browser that reads
    /// fast.
    pub(super) fn note_reading(&mut self, cx: &mut Cx<'_>, revision: Revision) {
        if self.client.unsent(cx) == 0 {
            self.reads.clear();
            return;
        }
        self.reads.retain(|read| read.is_kept() && read.serial() != revision.serial());
        self.reads.push(revision);
        cx.watch(RELEASED, Self::RELEASED);
    }

    /// Ends the connection if a revision of which too much is kept is still being sent over it.
    pub(super) fn released(&mut self, cx: &mut Cx<'_>, serial: u64) {
        if self.client.unsent(cx) == 0 {
            self.reads = vec![];
            cx.unwatch(RELEASED);
        } else if self.reads.iter().any(|read| read.serial() == serial) {
            log::debug!("a browser that reads slowly is reset: too many old revisions are kept");
            self.end = ConnectionEnd::Outdated;
            self.client.close(cx);
            cx.stop();
        }
    }
}
