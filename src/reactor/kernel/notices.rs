//! Delivery of a notice to the sessions that watch its topic.

use crate::reactor::event::Topic;
use crate::reactor::ids::{SessionId, WatchRef};
use crate::reactor::kernel::Kernel;
use crate::reactor::tables::topics::Watcher;

/// The functions for the messages of a topic, with their type erased.
#[derive(Clone, Copy)]
pub(in crate::reactor) struct TopicVTable {
    deliver: fn(&mut Kernel, SessionId, u32, u32, u64),
    discard: fn(&mut Kernel, SessionId, u32, u32),
}

const WATCHES: &str = "session and topic agree on watches";

impl Kernel {
    /// The number of a topic.
    #[track_caller]
    pub(in crate::reactor) fn topic<M: Clone + 'static>(&mut self, topic: Topic<M>) -> u32 {
        let vtable = TopicVTable {
            deliver: Kernel::deliver_message::<M>,
            discard: Kernel::discard_message::<M>,
        };
        self.topics.number::<M>(topic.key(), topic.name(), vtable)
    }

    pub(in crate::reactor) fn deliver_notice(
        &mut self,
        from: SessionId,
        topic: u32,
        message: u32,
        upto: u64,
    ) {
        (self.topics.vtable(topic).deliver)(self, from, topic, message, upto);
    }

    pub(in crate::reactor) fn drop_notice(&mut self, from: SessionId, topic: u32, message: u32) {
        (self.topics.vtable(topic).discard)(self, from, topic, message);
    }

    fn deliver_message<M: Clone + 'static>(
        &mut self,
        from: SessionId,
        topic: u32,
        message: u32,
        upto: u64,
    ) {
        let message = self.topics.take_message::<M>(topic, message);
        self.topics.set_in_use(topic, true);
        let mut place = 0;
        while let Some(watcher) = self.topics.next_watcher(topic, &mut place, upto) {
            let Watcher { session, at, .. } = watcher;
            // No other handler is running, so the only possible error is a panic of the watcher.
            let _ = self.enter(session, from, at, |heap, cx| {
                let call = cx.kernel.entry(at).call;
                call(heap, cx, at, &mut (Some(message.clone()), None::<()>));
            });
        }
        if self.topics.set_in_use(topic, false) {
            self.compact_topic(topic);
        }
        self.dropping(from, |_| drop(message));
    }

    fn discard_message<M: 'static>(&mut self, from: SessionId, topic: u32, message: u32) {
        let message = self.topics.take_message::<M>(topic, message);
        self.dropping(from, |_| drop(message));
    }

    /// Removes a stopped session from every topic.
    pub(in crate::reactor) fn unwatch_all(&mut self, id: SessionId) {
        while let Some(slot) = self.slots.find(id)
            && slot.first_watch != WatchRef::NONE
        {
            let watch = slot.first_watch;
            slot.first_watch = self.topics.watcher(watch).next;
            self.leave_topic(watch);
        }
    }

    /// A session's watch of a topic, and its watch before that. O(watches of the session).
    pub(in crate::reactor) fn watch_of(
        &mut self,
        id: SessionId,
        topic: u32,
    ) -> Option<(Option<WatchRef>, WatchRef)> {
        let first = self.slots.get(id)?.first_watch;
        self.topics.find(first, topic)
    }

    /// Makes `watch` follow a session's watch `before`, or be its first one.
    pub(in crate::reactor) fn link_watch(
        &mut self,
        id: SessionId,
        before: Option<WatchRef>,
        watch: WatchRef,
    ) {
        match before {
            Some(before) => self.topics.watcher(before).next = watch,
            None => self.slots.find(id).expect(WATCHES).first_watch = watch,
        }
    }

    /// Removes a watch that is in no list any more.
    pub(in crate::reactor) fn leave_topic(&mut self, watch: WatchRef) {
        if self.topics.leave(watch) {
            self.compact_topic(watch.topic);
        }
    }

    /// Removes the empty slots of a topic when there are more of them than watchers.
    fn compact_topic(&mut self, topic: u32) {
        for place in 0..self.topics.compact(topic) {
            let watch = WatchRef { topic, place };
            let session = self.topics.watcher(watch).session;
            let (before, _) = self.watch_of(session, topic).expect(WATCHES);
            self.link_watch(session, before, watch);
        }
    }
}
