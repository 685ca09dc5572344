//! The sweep at the end of a turn: it stops the sessions that no event can reach any more, and
//! returns memory that the tables do not need.

use crate::limits::{SESSIONS_KEPT, SHRINK_PAUSE};
use crate::reactor::ids::SessionId;
use crate::reactor::kernel::Kernel;
use crate::reactor::release::Release;
use crate::reactor::shrink::ShrinkableTable;
use std::time::Instant;

/// When to return memory of tables that a burst has made large.
#[derive(Debug)]
pub(in crate::reactor) struct Bursts {
    /// True if some table may be large.
    pub(in crate::reactor) is_large: bool,
    /// When the tables were last checked.
    looked: Option<Instant>,
    /// True if they have been used since then, so that another check is due.
    is_due: bool,
}

impl Bursts {
    pub(in crate::reactor) fn new() -> Self {
        Bursts { is_large: false, looked: None, is_due: false }
    }

    /// When the driver should run a turn only because of this.
    pub(in crate::reactor) fn due(&self) -> Option<Instant> {
        self.looked.filter(|_| self.is_due).map(|looked| looked + SHRINK_PAUSE)
    }
}

impl Kernel {
    /// Adds a reference to a session: something that can wake it.
    pub(in crate::reactor) fn retain(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs += 1;
        }
    }

    /// Removes a reference. The sweep checks a session that has none left.
    pub(in crate::reactor) fn release(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id) {
            slot.refs -= 1;
            if slot.refs == 0 {
                self.mark(id);
            }
        }
    }

    /// Lets the sweep check a session. It lives on if something wakes it before the turn ends.
    pub(in crate::reactor) fn mark(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.find(id)
            && !slot.marked
        {
            slot.marked = true;
            self.marks.reserve_one();
            self.marks.push(id);
        }
    }

    /// Ends a turn: stops the sessions that nothing can wake, the last marked first.
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
            self.drop_queue(); // because there is no next turn
        }
        self.shrink();
        self.tidy();
    }

    /// Returns the memory that a burst of messages or timers took, even if there are few sessions.
    /// It checks every table, so it runs at most once a second.
    fn tidy(&mut self) {
        self.bursts.is_large |= self.queue.is_large()
            || self.timers.is_large()
            || self.wheels.is_large()
            || self.aliases.is_large();
        if !self.bursts.is_large || (self.queue.is_large() && !self.queue.is_roomy()) {
            return; // the payloads of queued events are in the tables
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

    /// Returns the memory that the tables took for many more sessions than there are now. It runs
    /// when half of the sessions of the last time have ended, and once a second: a session that
    /// stays may have the last slot, so that a single try may not suffice.
    fn shrink(&mut self) {
        let (live, capacity) = (self.slots.live(), self.slots.capacity());
        let (then, at) = self.shrunk;
        if capacity <= SESSIONS_KEPT || live > capacity / 4 {
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

    /// Returns true if no event can occur any more, except from outside the kernel.
    pub(in crate::reactor) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.timers.len() == 0 && self.wheels.len() == 0 && self.holds == 0
    }

    fn sweep_marked(&mut self) {
        while let Some(id) = self.marks.pop() {
            let Some(slot) = self.slots.find(id) else { continue };
            if slot.is_forgotten() && slot.born > self.newest {
                // The session that spawned it may still post to it until the end of the next turn.
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

    /// Ends all sessions: only aliases and watches are left, and no event can use them.
    fn end_idle(&mut self) {
        for id in self.slots.newest_first() {
            self.end(id);
            self.take_releases();
            if !self.is_idle() {
                break; // a `stopped` has set up something that keeps sessions alive
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
        // Sessions that a `stopped` has spawned are ended in the next turn.
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

#[cfg(test)]
mod tests {
    use crate::reactor::event::Event;
    use crate::reactor::rig::Rig;
    use crate::reactor::session::{Handlers, Session};
    use std::time::Duration;

    /// A session that ends with the turn after its start.
    struct Guest;

    impl Session for Guest {
        fn events(_: &mut Handlers<Self>) {}
    }

    #[test]
    fn tables_shrink_if_they_are_longer_than_what_is_kept() {
        for (guests, left) in [(256, 256), (257, 0)] {
            let mut rig = Rig::new();
            for _ in 0..guests {
                rig.spawn(Guest);
            }
            assert!(rig.run());
            assert_eq!(rig.slots.capacity(), left, "after {guests} sessions");
        }
    }

    /// Lives until the test ends, and takes posts.
    struct Host;

    impl Host {
        const TAKE: Event<u64> = Event::new("host.take");
    }

    impl Session for Host {
        fn events(on: &mut Handlers<Self>) {
            on.on(Self::TAKE, |_, _, _| ());
        }
    }

    #[test]
    fn a_burst_within_the_pause_is_tidied_when_the_pause_is_over() {
        let mut rig = Rig::new();
        let host = rig.spawn(Host);
        let _hold = rig.hold(host);
        let burst = |rig: &mut Rig| {
            for number in 0..100_000 {
                rig.post(host, Host::TAKE, number).expect("there is room");
            }
            rig.settle();
        };
        burst(&mut rig);
        let looked = rig.now();
        assert_eq!(rig.bursts.due(), None, "the first burst is tidied at once");
        rig.run_for(Duration::from_millis(400));
        burst(&mut rig);
        assert_eq!(rig.bursts.due(), Some(looked + Duration::from_secs(1)));
    }
}
