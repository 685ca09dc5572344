//! Events and topics: names with types, known at compile time.

use crate::fnv::fnv_1a;
use std::fmt;
use std::marker::PhantomData;

/// A named, typed event: a handler for it takes a `P` and answers with an `R`.
///
/// This is POE's event name with types, which POE does not check. An event is a `const` and `Copy`,
/// and costs nothing to pass. By convention its name is `kind.event`, as in `browser.request`.
///
/// ```
/// use masque::reactor::Event;
///
/// const RELOAD: Event<String> = Event::new("model.reload");
/// const GET: Event<(), u32> = Event::new("model.get"); // answers a `call` with a `u32`
/// assert_eq!(RELOAD.name(), "model.reload");
/// ```
pub struct Event<P, R = ()> {
    name: &'static str,
    key: u64,
    types: PhantomData<fn(P) -> R>,
}

impl<P: 'static, R: 'static> Event<P, R> {
    /// Names an event. The name must not be empty.
    pub const fn new(name: &'static str) -> Self {
        Event { name, key: key_of(name), types: PhantomData }
    }

    /// The name, as it appears in logs and errors.
    pub const fn name(self) -> &'static str {
        self.name
    }

    pub(super) const fn key(self) -> u64 {
        self.key
    }
}

/// A named, typed subject of notices: a notice reaches every session that watches the topic.
///
/// Programs for POE keep such a registry themselves (`start_watcher`, `stop_watcher`,
/// `send_message`). Here the kernel has it.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Rig, Session, Topic};
///
/// const PRICE: Topic<u32> = Topic::new("price");
///
/// struct Watcher { last: u32 }
///
/// impl Watcher {
///     const NEW: Event<u32> = Event::new("watcher.new");
/// }
///
/// impl Session for Watcher {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::NEW, |watcher, _, price| watcher.last = price);
///     }
///     fn started(&mut self, cx: &mut Cx<'_>) {
///         cx.watch(PRICE, Self::NEW);
///         assert_eq!(cx.notify(PRICE, 42), 1, "one session watches");
///     }
///     fn stopped(&mut self, _: &mut Cx<'_>) {
///         assert_eq!(self.last, 42);
///     }
/// }
///
/// let mut rig = Rig::new();
/// rig.spawn(Watcher { last: 0 });
/// assert!(rig.run(), "the watcher stops because no other notice can occur");
/// assert_eq!(rig.stats().panics, 0);
/// ```
pub struct Topic<M> {
    name: &'static str,
    key: u64,
    message: PhantomData<fn(M)>,
}

impl<M: Clone + 'static> Topic<M> {
    /// Names a topic. The name must not be empty.
    pub const fn new(name: &'static str) -> Self {
        Topic { name, key: key_of(name), message: PhantomData }
    }

    /// The name, as it appears in logs and errors.
    pub const fn name(self) -> &'static str {
        self.name
    }

    pub(super) const fn key(self) -> u64 {
        self.key
    }
}

impl<P, R> Clone for Event<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for Event<P, R> {}

impl<P, R> fmt::Debug for Event<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<M> Clone for Topic<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Topic<M> {}

impl<M> fmt::Debug for Topic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A hash of the name, so that a lookup compares one word, and a name can be a constant.
const fn key_of(name: &str) -> u64 {
    assert!(!name.is_empty(), "an event or a topic needs a name");
    fnv_1a(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_equal_events_and_others_are_not() {
        let names = ["a", "b", "ab", "ba", "browser.request", "browser.respond"];
        for one in names {
            for other in names {
                let same = Event::<u8>::new(one).key() == Event::<String, u8>::new(other).key();
                assert_eq!(same, one == other, "{one} and {other}");
            }
        }
    }
}
