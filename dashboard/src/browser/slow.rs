//! Slow readers hold the memory of the revisions that they started to read. The total is limited.

use super::Browser;
use crate::metrics::ConnectionEnd;
use crate::overview::{Current, RELEASED};
use crate::revisions::Revision;
use couch_mem::if_none_match::IfNoneMatch;
use masque::reactor::{Cx, Event};

impl Browser {
    pub(super) const RELEASED: Event<u64> = Event::new("browser.released");

    /// Answers the current request with a document.
    pub(super) fn answer_document(
        &mut self,
        cx: &mut Cx<'_>,
        current: Current,
        known: &IfNoneMatch,
    ) {
        self.answer(cx, current.answer.answer(known));
        self.note_reading(cx, current.revision);
    }

    /// Records a revision that is not completely sent. Costs no memory for a browser that reads
    /// fast.
    pub(super) fn note_reading(&mut self, cx: &mut Cx<'_>, revision: Revision) {
        if self.client.unsent(cx) == 0 {
            return self.forget_reads();
        }
        let reads = &mut self.extra.get_or_insert_default().reads;
        reads.retain(|read| read.is_kept() && read.serial() != revision.serial());
        reads.push(revision);
        cx.watch(RELEASED, Self::RELEASED);
    }

    /// Ends the connection if it still sends a revision that has to be released.
    pub(super) fn released(&mut self, cx: &mut Cx<'_>, serial: u64) {
        let reads = self.extra.iter().flat_map(|extra| &extra.reads);
        if self.client.unsent(cx) == 0 {
            self.forget_reads();
            cx.unwatch(RELEASED);
        } else if reads.into_iter().any(|read| read.serial() == serial) {
            log::debug!("resetting a slow reader: old revisions use too much memory");
            self.end = ConnectionEnd::Outdated;
            self.client.close(cx);
            cx.stop();
        }
    }

    /// Forgets all revisions, because everything is sent.
    fn forget_reads(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.reads = vec![];
            self.drop_empty_extra();
        }
    }
}
