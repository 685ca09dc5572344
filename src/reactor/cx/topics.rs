//! The verbs of topics: watching one, and notifying the sessions that watch it.

use crate::reactor::cx::Cx;
use crate::reactor::event::{Event, Topic};
use crate::reactor::shrink::is_beyond_block;

impl Cx<'_> {
    /// Delivers every later notice of `topic` to this session as `event`. Amortized O(1).
    ///
    /// A session watches a topic once: a second watch replaces the event and keeps its place. A
    /// watch does not keep its session alive when nothing is left that could notify it.
    ///
    /// # Panics
    /// If this kind has no handler for the event, or the topic's name was used with another type.
    #[track_caller]
    pub fn watch<M: Clone + 'static>(&mut self, topic: Topic<M>, event: Event<M>) {
        let Some(at) = self.mine(event) else { return };
        let number = self.kernel.topic(topic);
        let me = self.me;
        if let Some((_, watch)) = self.kernel.watch_of(me, number) {
            self.kernel.topics.watcher(watch).at = at;
            return;
        }
        let slot = self.kernel.slots.live_slot(me).expect("a session with a handler is live");
        slot.first_watch = self.kernel.topics.watch(number, me, at, slot.first_watch);
    }

    /// Stops watching the topic. Returns false if the session did not watch it. A notice that is in
    /// the queue does not reach this session any more. Amortized O(1).
    ///
    /// # Panics
    /// If the topic's name was used with another type.
    #[track_caller]
    pub fn unwatch<M: Clone + 'static>(&mut self, topic: Topic<M>) -> bool {
        let (number, me) = (self.kernel.topic(topic), self.me);
        let Some((before, watch)) = self.kernel.watch_of(me, number) else { return false };
        let next = self.kernel.topics.watcher(watch).next;
        self.kernel.link_watch(me, before, next);
        self.kernel.leave_topic(watch);
        self.kernel.mark(me);
        true
    }

    /// Sends `message` to every session that watches `topic` now, and returns their number. Each
    /// handles a clone in the next turn, in the order in which they began to watch. O(1), and one
    /// entry of the queue, whatever their number.
    ///
    /// A session that has stopped, or stopped watching, when its turn comes is skipped.
    ///
    /// # Panics
    /// If the topic's name was used with another type, or if sessions have notified without
    /// end: a notice may go past the queue's limit, up to twice of it.
    #[track_caller]
    pub fn notify<M: Clone + 'static>(&mut self, topic: Topic<M>, message: M) -> usize {
        let (number, room) = (self.kernel.topic(topic), self.kernel.queue_max_for_yields());
        let (watchers, latest) = self.kernel.topics.watched(number);
        if watchers > 0 {
            self.kernel.stats.notices += 1;
            assert!(self.kernel.queue.len() < room, "`{topic:?}` is notified without end");
            let message = self.kernel.topics.store_message(number, message);
            self.kernel.bursts.is_large |= is_beyond_block::<M>(message);
            self.kernel.enqueue_notice(self.me, number, message, latest);
        }
        watchers
    }
}
