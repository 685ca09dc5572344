//! When a session ends by itself: what speaks for its life is counted, and a turn ends with a
//! sweep.

use crate::limits::{SESSIONS_KEPT, SHRINK_PAUSE};
use crate::reactor::ids::SessionId;
use crate::reactor::kernel::Kernel;
use crate::reactor::release::Release;
use crate::reactor::shrink::ShrinkableTable;
use std::time::Instant;

/// What is known of tables that are longer than what a kernel keeps after a burst.
#[derive(Debug)]
pub(in crate::reactor) struct Bursts {
    /// Some table may be.
    pub(in crate::reactor) is_large: bool,
    /// When they were last looked at.
    looked: Option<Instant>,
    /// True if they have been used since then, so that another look is due.
    is_due: bool,
}

impl Bursts {
    pub(in crate::reactor) fn new() -> Self {
        Bursts { is_large: false, looked: None, is_due: false }
    }

    /// When the driver should run a turn for this alone.
    pub(in crate::reactor) fn due(&self) -> Option<Instant> {
        self.looked.filter(|_| self.is_due).map(|looked| looked + SHRINK_PAUSE)
    }
}

impl Kernel {
    /// Counts one more thing that can wake a session.
    pub(in crate::reactor) fn retain(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs += 1;
        }
    }

    /// Counts one less; the sweep looks at a session that has none left.
    pub(in crate::reactor) fn release(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs -= 1;
            if slot.refs == 0 {
                self.mark(id);
            }
        }
    }

    /// Has the sweep look at a session. What wakes it before the turn ends saves it.
    pub(in crate::reactor) fn mark(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id)
            && !slot.marked
        {
            slot.marked = true;
            self.marks.reserve_one();
            self.marks.push(id);
        }
    }

    /// The end of a turn: stops the sessions that nothing can wake, the last marked first.
    pub(in crate::reactor) fn sweep(&mut self) {
        self.take_releases();
        if self.ending {
            self.end_all();
        }
        self.sweep_marked();
        std::mem::swap(&mut self.marks, &mut self.deferred);
        if self.is_idle() {
            self.end_idle();
        }
        if self.slots.live() == 0 {
            self.drop_queue(); // for there is no next turn
        }
        self.shrink();
        self.tidy();
    }

    /// Gives back what a burst of messages or timers took, however few sessions there are. Looks at
    /// every table, therefore once a second at most.
    fn tidy(&mut self) {
        self.bursts.is_large |= self.queue.is_large()
            || self.timers.is_large()
            || self.wheels.is_large()
            || self.aliases.is_large();
        if !self.bursts.is_large || (self.queue.is_large() && !self.queue.is_roomy()) {
            return; // what waits in the queue has its payload in one of the tables
        }
        let now = self.now();
        self.bursts.is_due = self.bursts.looked.is_some_and(|then| now - then < SHRINK_PAUSE);
        if self.bursts.is_due {
            return;
        }
        self.bursts.looked = Some(now);
        let mut is_large = self.queue.tidy();
        is_large |= self.timers.tidy();
        is_large |= self.topics.tidy();
        is_large |= self.wheels.tidy();
        is_large |= self.releases.tidy();
        is_large |= self.aliases.tidy();
        for entry in self.kinds.iter_mut().flat_map(|kind| &mut kind.table) {
            is_large |= (entry.tidy)(entry);
        }
        self.bursts.is_large = is_large;
    }

    /// Gives back what the tables took for many more sessions than there are now. It is tried when
    /// half of those have ended that there were at the last time, and once a second: whoever stays
    /// may have the last place.
    fn shrink(&mut self) {
        let (live, room) = (self.slots.live(), self.slots.room());
        let (then, at) = self.shrunk;
        if room <= SESSIONS_KEPT || live > room / 4 {
            self.shrunk.0 = live;
            return;
        }
        if live > then / 2 && self.now() - at < SHRINK_PAUSE {
            self.shrunk.0 = live.max(then);
            return;
        }
        self.shrunk = (live, self.now());
        self.slots.shrink();
        self.wheels.shrink();
        self.timers.shrink();
        self.topics.shrink();
        self.releases.shrink();
        self.scratch.clear();
        self.queue.shrink();
        self.marks.shrink();
        self.deferred.shrink();
        for entry in self.kinds.iter_mut().flat_map(|kind| &mut kind.table) {
            (entry.shrink)(entry);
        }
    }

    /// Whether nothing will ever happen again, unless somebody outside makes it.
    pub(in crate::reactor) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.timers.len() == 0 && self.wheels.len() == 0 && self.holds == 0
    }

    fn sweep_marked(&mut self) {
        while let Some(id) = self.marks.pop() {
            let Some(slot) = self.slots.find(id) else { continue };
            if slot.is_forgotten() && slot.born > self.newest {
                // Its maker has until the end of the next turn to post to it.
                self.deferred.reserve_one();
                self.deferred.push(id);
                continue;
            }
            slot.marked = false;
            if slot.is_forgotten() {
                self.end(id);
                self.take_releases();
            }
        }
    }

    /// Only aliases and watches are left, and nobody who could use them: the program has ended.
    fn end_idle(&mut self) {
        for id in self.slots.newest_first() {
            self.end(id);
            self.take_releases();
            if !self.is_idle() {
                break; // somebody's `stopped` has set something going
            }
        }
    }

    fn end_all(&mut self) {
        self.drop_queue();
        for id in self.slots.newest_first() {
            self.end(id);
        }
        self.drop_queue();
        self.take_releases();
        // Whom somebody's `stopped` has spawned is ended in the next turn.
        self.ending = self.slots.live() > 0;
    }

    fn take_releases(&mut self) {
        let mut has_any = false;
        while let Some(release) = self.releases.next() {
            has_any = true;
            match release {
                Release::Hold(id) => {
                    self.holds -= 1;
                    self.release(id);
                }
                Release::Permit(wheel) => self.release_permit(wheel),
            }
        }
        self.bursts.is_large |= has_any && self.releases.is_large();
    }
}
