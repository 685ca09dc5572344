//! The watcher registry: typed topics, and notices to everyone who watches one.

use super::cx::Cx;
use super::event::{Event, Topic};
use super::kernel::Kernel;
use super::session::{At, SessionId};
use crate::fnv::BuildKeyHasher;
use slab::Slab;
use std::any::{Any, type_name};
use std::collections::HashMap;

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
    /// `None` where a watcher has left; compacted when half of the places are empty.
    places: Vec<Option<Watcher>>,
    gone: usize,
    /// The number of the newest watch.
    newest: u64,
    /// Whether a notice goes through `places` now, so that they must stay where they are.
    in_use: bool,
}

#[derive(Clone, Copy)]
struct Watcher {
    session: SessionId,
    at: At,
    since: u64,
}

impl Topics {
    pub(super) fn watchers(&self) -> usize {
        self.watchers
    }

    /// Gives back the room that watchers have left. O(topics).
    pub(super) fn shrink(&mut self) {
        self.all.iter_mut().for_each(|registry| registry.places.shrink_to_fit());
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
        let slot = self.kernel.slots.live_slot(me).expect("it has a handler");
        let registry = &mut self.kernel.topics.all[number as usize];
        if let Some((_, place)) = slot.watches.iter().find(|(topic, _)| *topic == number) {
            let watcher = registry.places[*place as usize].as_mut();
            watcher.expect("session and topic agree on watches").at = at;
            return;
        }
        registry.newest += 1;
        slot.watches.push((number, registry.places.len() as u32));
        registry.places.push(Some(Watcher { session: me, at, since: registry.newest }));
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
        let Some(slot) = self.kernel.slots.find(me) else { return false };
        let Some(mine) = slot.watches.iter().position(|(topic, _)| *topic == number) else {
            return false;
        };
        let (_, place) = slot.watches.swap_remove(mine);
        self.kernel.leave(number, place);
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
            let upto = registry.newest;
            self.kernel.enqueue_notice(self.me, number, message, upto);
        }
        watchers
    }
}

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
        let Some(slot) = self.slots.find(id) else { return };
        for (topic, place) in std::mem::take(&mut slot.watches) {
            self.leave(topic, place);
        }
    }

    fn leave(&mut self, topic: u32, place: u32) {
        let registry = &mut self.topics.all[topic as usize];
        registry.places[place as usize] = None;
        registry.gone += 1;
        self.topics.watchers -= 1;
        self.compact(topic);
    }

    /// Closes the gaps that watchers have left, once there are as many gaps as watchers.
    fn compact(&mut self, topic: u32) {
        let registry = &mut self.topics.all[topic as usize];
        if registry.in_use || registry.gone * 2 <= registry.places.len() {
            return;
        }
        registry.places.retain(Option::is_some);
        registry.gone = 0;
        for (place, watcher) in (0_u32..).zip(registry.places.iter().flatten()) {
            let slot = self.slots.find(watcher.session).expect("a stopped session watches nothing");
            let own = slot.watches.iter_mut().find(|(own, _)| *own == topic);
            own.expect("session and topic agree on watches").1 = place;
        }
    }

    fn next_watcher(&self, topic: u32, place: &mut usize, upto: u64) -> Option<Watcher> {
        let places = &self.topics.all[topic as usize].places;
        while let Some(watcher) = places.get(*place) {
            *place += 1;
            if let Some(watcher) = watcher {
                return Some(*watcher).filter(|watcher| watcher.since <= upto);
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
                    let _ = kernel.exchange::<M, ()>(session, from, at, || message.clone());
                }
                kernel.topics.all[topic as usize].in_use = false;
                kernel.compact(topic);
                kernel.dropping(from, |_| drop(message));
            },
            discard: |kernel, from, topic, message| {
                let message = kernel.take_message::<M>(topic, message);
                kernel.dropping(from, |_| drop(message));
            },
            places: vec![],
            gone: 0,
            newest: 0,
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
