//! The watcher registry: typed topics, and notices to everyone who watches one.

use super::cx::Cx;
use super::event::{Event, Topic};
use super::kernel::Kernel;
use super::room::{Room, is_beyond_block};
use super::session::{At, SessionId};
use crate::fnv::BuildKeyHasher;
use slab::Slab;
use std::any::{Any, type_name};
use std::collections::HashMap;
use std::num::NonZeroU64;

/// Every topic that was ever watched or notified.
#[derive(Default)]
pub(super) struct Topics {
    by_key: HashMap<u64, u32, BuildKeyHasher>,
    all: Vec<Registry>,
    watchers: usize,
}

/// One topic: who watches it, in the order in which they began, and the messages under way.
struct Registry {
    name: &'static str,
    message: &'static str,
    messages: Box<dyn Any>, // Slab<M>
    deliver: fn(&mut Kernel, SessionId, u32, u32, u64),
    discard: fn(&mut Kernel, SessionId, u32, u32),
    /// Gives back what a burst of messages took; see [`Room::tidy`].
    tidy: fn(&mut dyn Any) -> bool,
    /// `None` where a watcher has left; compacted when half of the places are empty.
    places: Vec<Option<Watcher>>,
    gone: usize,
    /// The number of the newest watch.
    newest: NonZeroU64,
    /// Whether a notice goes through `places` now, so that they must stay where they are.
    in_use: bool,
}

#[derive(Clone, Copy)]
struct Watcher {
    session: SessionId,
    at: At,
    since: NonZeroU64,
    /// The session's next watch.
    next: Watch,
}

/// A watch of a session: its place in a topic. Those of one session are a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    topic: u32,
    place: u32,
}

impl Watch {
    /// The end of a list.
    pub(super) const NONE: Watch = Watch { topic: u32::MAX, place: u32::MAX };
}

impl Topics {
    pub(super) fn watchers(&self) -> usize {
        self.watchers
    }

    fn watcher(&mut self, watch: Watch) -> &mut Watcher {
        let places = &mut self.all[watch.topic as usize].places;
        places[watch.place as usize].as_mut().expect(WATCHES)
    }

    /// Gives back the room that watchers have left. O(topics).
    pub(super) fn shrink(&mut self) {
        self.all.iter_mut().for_each(|registry| registry.places.give_back());
    }

    /// Gives back what bursts of notices took. Returns true if some table is still longer than a
    /// block. O(topics).
    pub(super) fn tidy(&mut self) -> bool {
        let mut is_large = false;
        for Registry { places, messages, tidy, .. } in &mut self.all {
            is_large |= places.tidy() | tidy(&mut **messages);
        }
        is_large
    }
}

impl Cx<'_> {
    /// Has every notice of `topic` delivered to this session as `event`. Amortised O(1).
    ///
    /// What was notified before the watch began does not reach it. A session watches a topic once:
    /// a second watch replaces the event and keeps its place. A watch keeps the session only while
    /// something else is alive that could notify it.
    ///
    /// # Panics
    /// When this kind has no handler for the event, or the topic's name was used with another type.
    #[track_caller]
    pub fn watch<M: Clone + 'static>(&mut self, topic: Topic<M>, event: Event<M>) {
        let Some(at) = self.mine(event) else { return };
        let number = self.kernel.topic(topic);
        let me = self.me;
        if let Some((_, watch)) = self.kernel.watch_of(me, number) {
            self.kernel.topics.watcher(watch).at = at;
            return;
        }
        let slot = self.kernel.slots.live_slot(me).expect("it has a handler");
        let registry = &mut self.kernel.topics.all[number as usize];
        registry.newest = registry.newest.checked_add(1).expect("nobody counts so far");
        let (since, next) = (registry.newest, slot.first_watch);
        slot.first_watch = Watch { topic: number, place: registry.places.len() as u32 };
        registry.places.make_room();
        registry.places.push(Some(Watcher { session: me, at, since, next }));
        self.kernel.topics.watchers += 1;
    }

    /// Stops watching; whether it did. A notice that is under way does not reach it any more.
    /// Amortised O(1).
    ///
    /// # Panics
    /// When the topic's name was used with another type.
    #[track_caller]
    pub fn unwatch<M: Clone + 'static>(&mut self, topic: Topic<M>) -> bool {
        let (number, me) = (self.kernel.topic(topic), self.me);
        let Some((before, watch)) = self.kernel.watch_of(me, number) else { return false };
        let next = self.kernel.topics.watcher(watch).next;
        self.kernel.link_watch(me, before, next);
        self.kernel.leave(watch);
        self.kernel.mark(me);
        true
    }

    /// Tells `message` to every session that watches `topic` now; how many those are. O(1) now;
    /// each watcher is run in the next turn, in the order in which they began to watch, with a
    /// clone. One place in the queue, whatever their number.
    ///
    /// A watcher that has stopped or unwatched when its turn comes is skipped.
    ///
    /// # Panics
    /// When the topic's name was used with another type, or when sessions have notified without
    /// end: a notice may go past the queue's limit, up to twice of it.
    #[track_caller]
    pub fn notify<M: Clone + 'static>(&mut self, topic: Topic<M>, message: M) -> usize {
        let (number, room) = (self.kernel.topic(topic), self.kernel.room_for_yields());
        let registry = &mut self.kernel.topics.all[number as usize];
        let watchers = registry.places.len() - registry.gone;
        if watchers > 0 {
            self.kernel.stats.notices += 1;
            assert!(self.kernel.queue.len() < room, "`{topic:?}` is notified without end");
            let messages = registry.messages.downcast_mut::<Slab<M>>().expect(TYPED);
            let message = messages.insert(message) as u32;
            let upto = registry.newest.get();
            self.kernel.bursts.is_large |= is_beyond_block::<M>(message);
            self.kernel.enqueue_notice(self.me, number, message, upto);
        }
        watchers
    }
}

const WATCHES: &str = "session and topic agree on watches";
const TYPED: &str = "a topic's type was checked by Kernel::topic";

impl Kernel {
    #[track_caller]
    fn topic<M: Clone + 'static>(&mut self, topic: Topic<M>) -> u32 {
        let Topics { by_key, all, .. } = &mut self.topics;
        let number = *by_key.entry(topic.key()).or_insert_with(|| {
            all.push(Registry::of(topic));
            all.len() as u32 - 1
        });
        let known = &all[number as usize];
        assert!(
            known.messages.is::<Slab<M>>(),
            "topic `{}` of {} was used before as `{}` of {}",
            topic.name(),
            type_name::<M>(),
            known.name,
            known.message
        );
        number
    }

    pub(super) fn deliver_notice(&mut self, from: SessionId, topic: u32, message: u32, upto: u64) {
        (self.topics.all[topic as usize].deliver)(self, from, topic, message, upto);
    }

    pub(super) fn drop_notice(&mut self, from: SessionId, topic: u32, message: u32) {
        (self.topics.all[topic as usize].discard)(self, from, topic, message);
    }

    /// Takes a stopped session out of every topic.
    pub(super) fn unwatch_all(&mut self, id: SessionId) {
        while let Some(slot) = self.slots.find(id)
            && slot.first_watch != Watch::NONE
        {
            let watch = slot.first_watch;
            slot.first_watch = self.topics.watcher(watch).next;
            self.leave(watch);
        }
    }

    /// A session's watch of a topic, and its watch before that. O(watches of the session).
    fn watch_of(&mut self, id: SessionId, topic: u32) -> Option<(Option<Watch>, Watch)> {
        let (mut before, mut watch) = (None, self.slots.get(id)?.first_watch);
        while watch != Watch::NONE {
            if watch.topic == topic {
                return Some((before, watch));
            }
            before = Some(watch);
            watch = self.topics.watcher(watch).next;
        }
        None
    }

    /// Has what comes behind a session's watch `before`, or its first one, be `watch`.
    fn link_watch(&mut self, id: SessionId, before: Option<Watch>, watch: Watch) {
        match before {
            Some(before) => self.topics.watcher(before).next = watch,
            None => self.slots.find(id).expect(WATCHES).first_watch = watch,
        }
    }

    /// Empties the place of a watch that is in no list any more.
    fn leave(&mut self, watch: Watch) {
        let registry = &mut self.topics.all[watch.topic as usize];
        registry.places[watch.place as usize] = None;
        registry.gone += 1;
        self.topics.watchers -= 1;
        self.compact(watch.topic);
    }

    /// Closes the gaps that watchers have left, once there are as many gaps as watchers.
    fn compact(&mut self, topic: u32) {
        let registry = &mut self.topics.all[topic as usize];
        if registry.in_use || registry.gone * 2 <= registry.places.len() {
            return;
        }
        registry.places.retain(Option::is_some);
        registry.gone = 0;
        for place in 0..registry.places.len() as u32 {
            let watch = Watch { topic, place };
            let session = self.topics.watcher(watch).session;
            let (before, _) = self.watch_of(session, topic).expect(WATCHES);
            self.link_watch(session, before, watch);
        }
    }

    fn next_watcher(&self, topic: u32, place: &mut usize, upto: u64) -> Option<Watcher> {
        let places = &self.topics.all[topic as usize].places;
        while let Some(watcher) = places.get(*place) {
            *place += 1;
            if let Some(watcher) = watcher {
                return Some(*watcher).filter(|watcher| watcher.since.get() <= upto);
            }
        }
        None
    }
}

impl Registry {
    fn of<M: Clone + 'static>(topic: Topic<M>) -> Self {
        Registry {
            name: topic.name(),
            message: type_name::<M>(),
            messages: Box::new(Slab::<M>::new()),
            deliver: |kernel, from, topic, message, upto| {
                let message = kernel.take_message::<M>(topic, message);
                kernel.topics.all[topic as usize].in_use = true;
                let mut place = 0;
                while let Some(watcher) = kernel.next_watcher(topic, &mut place, upto) {
                    let Watcher { session, at, .. } = watcher;
                    // No other handler is running, so a watcher can only panic here.
                    let _ = kernel.enter(session, from, at, |heap, cx| {
                        let call = cx.kernel.entry(at).call;
                        call(heap, cx, at, &mut (Some(message.clone()), None::<()>));
                    });
                }
                kernel.topics.all[topic as usize].in_use = false;
                kernel.compact(topic);
                kernel.dropping(from, |_| drop(message));
            },
            discard: |kernel, from, topic, message| {
                let message = kernel.take_message::<M>(topic, message);
                kernel.dropping(from, |_| drop(message));
            },
            tidy: |messages| messages.downcast_mut::<Slab<M>>().expect(TYPED).tidy(),
            places: vec![],
            gone: 0,
            newest: NonZeroU64::MIN,
            in_use: false,
        }
    }
}

impl Kernel {
    fn take_message<M: 'static>(&mut self, topic: u32, message: u32) -> M {
        let messages = &mut self.topics.all[topic as usize].messages;
        messages.downcast_mut::<Slab<M>>().expect(TYPED).remove(message as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Watcher;

    #[test]
    fn a_watch_takes_little_and_its_gap_no_more() {
        assert!(size_of::<Option<Watcher>>() <= 32, "{}", size_of::<Option<Watcher>>());
    }
}
