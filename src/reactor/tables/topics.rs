//! The watcher registry: topics, and which sessions watch them.

use crate::fnv::BuildKeyHasher;
use crate::reactor::ids::{HandlerRef, SessionId, WatchRef};
use crate::reactor::shrink::ShrinkableTable;
use slab::Slab;
use std::any::{Any, type_name};
use std::collections::HashMap;
use std::num::NonZeroU64;

/// Every topic that was ever watched or notified. `V` is the vtable of functions for its messages.
pub(in crate::reactor) struct Topics<V> {
    by_key: HashMap<u64, u32, BuildKeyHasher>,
    all: Vec<Registry<V>>,
    watchers: usize,
}

/// One topic: the sessions that watch it, in the order in which they began, and the messages that
/// are in the queue.
struct Registry<V> {
    name: &'static str,
    message: &'static str,
    messages: Box<dyn AnySlab>,
    vtable: V,
    /// `None` for a watcher that has left; compacted when half of the slots are empty.
    slots: Vec<Option<Watcher>>,
    empty: usize,
    /// The number of the latest watch.
    latest: NonZeroU64,
    /// True while a notice goes through `slots`, so that they must not move.
    is_in_use: bool,
}

#[derive(Clone, Copy)]
pub(in crate::reactor) struct Watcher {
    pub(in crate::reactor) session: SessionId,
    pub(in crate::reactor) at: HandlerRef,
    since: NonZeroU64,
    /// The session's next watch.
    pub(in crate::reactor) next: WatchRef,
}

/// A slab of messages of one type.
trait AnySlab: Any {
    fn as_any(&mut self) -> &mut dyn Any;
    fn tidy(&mut self) -> bool;
}

impl<M: 'static> AnySlab for Slab<M> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn tidy(&mut self) -> bool {
        ShrinkableTable::tidy(self)
    }
}

impl<V> Default for Topics<V> {
    fn default() -> Self {
        Topics { by_key: HashMap::default(), all: vec![], watchers: 0 }
    }
}

const TYPED: &str = "the topic's type was checked when its number was looked up";

impl<V: Copy> Topics<V> {
    /// The number of watches of all topics.
    pub(in crate::reactor) fn watchers(&self) -> usize {
        self.watchers
    }

    /// The number of a topic, which is new if it has none.
    ///
    /// # Panics
    /// If the name was used with another type.
    #[track_caller]
    pub(in crate::reactor) fn number<M: 'static>(
        &mut self,
        key: u64,
        name: &'static str,
        vtable: V,
    ) -> u32 {
        let number = *self.by_key.entry(key).or_insert_with(|| {
            self.all.push(Registry {
                name,
                message: type_name::<M>(),
                messages: Box::new(Slab::<M>::new()),
                vtable,
                slots: vec![],
                empty: 0,
                latest: NonZeroU64::MIN,
                is_in_use: false,
            });
            self.all.len() as u32 - 1
        });
        let known = &mut self.all[number as usize];
        assert!(
            known.messages.as_any().is::<Slab<M>>(),
            "topic `{name}` of {} was used before as `{}` of {}",
            type_name::<M>(),
            known.name,
            known.message
        );
        number
    }

    pub(in crate::reactor) fn vtable(&self, topic: u32) -> V {
        self.all[topic as usize].vtable
    }

    /// The number of sessions that watch a topic, and the number of its latest watch.
    pub(in crate::reactor) fn watched(&self, topic: u32) -> (usize, u64) {
        let registry = &self.all[topic as usize];
        (registry.slots.len() - registry.empty, registry.latest.get())
    }

    /// Adds a watch at the front of its session's list, which began with `next`. Amortized O(1).
    pub(in crate::reactor) fn watch(
        &mut self,
        topic: u32,
        session: SessionId,
        at: HandlerRef,
        next: WatchRef,
    ) -> WatchRef {
        let registry = &mut self.all[topic as usize];
        registry.latest = registry.latest.checked_add(1).expect("2^64 watches take centuries");
        let watch = WatchRef { topic, place: registry.slots.len() as u32 };
        registry.slots.reserve_one();
        registry.slots.push(Some(Watcher { session, at, since: registry.latest, next }));
        self.watchers += 1;
        watch
    }

    pub(in crate::reactor) fn watcher(&mut self, watch: WatchRef) -> &mut Watcher {
        let slots = &mut self.all[watch.topic as usize].slots;
        slots[watch.place as usize].as_mut().expect("a session's list has watches only")
    }

    /// A watch of `topic` in the list that begins with `first`, and the watch before it. O(watches
    /// of the session).
    pub(in crate::reactor) fn find(
        &mut self,
        first: WatchRef,
        topic: u32,
    ) -> Option<(Option<WatchRef>, WatchRef)> {
        let (mut before, mut watch) = (None, first);
        while watch != WatchRef::NONE {
            if watch.topic == topic {
                return Some((before, watch));
            }
            before = Some(watch);
            watch = self.watcher(watch).next;
        }
        None
    }

    /// Empties the slot of a watch that is in no list any more. Returns true if the topic's slots
    /// should be [compacted](Self::compact).
    pub(in crate::reactor) fn leave(&mut self, watch: WatchRef) -> bool {
        let registry = &mut self.all[watch.topic as usize];
        registry.slots[watch.place as usize] = None;
        registry.empty += 1;
        self.watchers -= 1;
        self.needs_compacting(watch.topic)
    }

    fn needs_compacting(&self, topic: u32) -> bool {
        let registry = &self.all[topic as usize];
        !registry.is_in_use && registry.empty * 2 > registry.slots.len()
    }

    /// Removes the empty slots and returns the number of the others. The caller must then link each
    /// watch of the topic at its new place.
    pub(in crate::reactor) fn compact(&mut self, topic: u32) -> u32 {
        let registry = &mut self.all[topic as usize];
        registry.slots.retain(Option::is_some);
        registry.empty = 0;
        registry.slots.len() as u32
    }

    /// Marks the slots as in use, or as free to move. Returns true if they should be compacted.
    pub(in crate::reactor) fn set_in_use(&mut self, topic: u32, is_in_use: bool) -> bool {
        self.all[topic as usize].is_in_use = is_in_use;
        self.needs_compacting(topic)
    }

    /// The next watcher from `place` on that began before a notice with this number.
    pub(in crate::reactor) fn next_watcher(
        &self,
        topic: u32,
        place: &mut usize,
        upto: u64,
    ) -> Option<Watcher> {
        let slots = &self.all[topic as usize].slots;
        while let Some(watcher) = slots.get(*place) {
            *place += 1;
            if let Some(watcher) = watcher {
                return Some(*watcher).filter(|watcher| watcher.since.get() <= upto);
            }
        }
        None
    }

    /// Stores a message until its notice is dispatched.
    pub(in crate::reactor) fn store_message<M: 'static>(&mut self, topic: u32, message: M) -> u32 {
        self.messages::<M>(topic).insert(message) as u32
    }

    pub(in crate::reactor) fn take_message<M: 'static>(&mut self, topic: u32, message: u32) -> M {
        self.messages::<M>(topic).remove(message as usize)
    }

    fn messages<M: 'static>(&mut self, topic: u32) -> &mut Slab<M> {
        self.all[topic as usize].messages.as_any().downcast_mut().expect(TYPED)
    }

    /// Releases the capacity that watchers have left. O(topics).
    pub(in crate::reactor) fn shrink(&mut self) {
        self.all.iter_mut().for_each(|registry| registry.slots.shrink());
    }

    /// Releases what bursts of notices took. Returns true if some table is still longer than a
    /// block. O(topics).
    pub(in crate::reactor) fn tidy(&mut self) -> bool {
        let mut is_large = false;
        for Registry { slots, messages, .. } in &mut self.all {
            is_large |= slots.tidy() | messages.tidy();
        }
        is_large
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_takes_little_and_an_empty_slot_no_more() {
        assert!(size_of::<Option<Watcher>>() <= 32, "{}", size_of::<Option<Watcher>>());
    }

    #[test]
    fn a_notice_reaches_the_watches_before_it_in_their_order() {
        let mut topics = Topics::default();
        let topic = topics.number::<u8>(1, "topic", ());
        let session = |index| SessionId { index, generation: 0 };
        let watch = |topics: &mut Topics<()>, index| {
            topics.watch(topic, session(index), HandlerRef::NONE, WatchRef::NONE)
        };
        let first = watch(&mut topics, 1);
        watch(&mut topics, 2);
        let (_, upto) = topics.watched(topic);
        watch(&mut topics, 3);
        topics.leave(first);
        let mut place = 0;
        let mut reached = vec![];
        while let Some(watcher) = topics.next_watcher(topic, &mut place, upto) {
            reached.push(watcher.session);
        }
        assert_eq!(reached, [session(2)]);
        assert_eq!((topics.watched(topic).0, topics.watchers()), (2, 2));
    }

    #[test]
    #[should_panic(expected = "topic `topic` of u16 was used before as `topic` of u8")]
    fn a_name_has_one_type() {
        let mut topics = Topics::default();
        topics.number::<u8>(1, "topic", ());
        topics.number::<u16>(1, "topic", ());
    }
}
