//! Events and topics: names with types, known at compile time.

use crate::fnv::fnv_1a;
use std::fmt;
use std::marker::PhantomData;

/// A named, typed event: a handler for it takes a `P` and answers with an `R`.
///
/// POE's event name, with the types that POE leaves to luck. An event is a `const`, `Copy` and
/// costs nothing to pass. By convention its name is `kind.event`, as in `browser.request`.
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

    /// The name, as it stands in traces and errors.
    pub const fn name(self) -> &'static str {
        self.name
    }

    pub(super) const fn key(self) -> u64 {
        self.key
    }
}

/// A named, typed subject of notices: what is told to it reaches every session that watches it.
///
/// The program that POE was shown with kept such a registry by hand
/// (`start_watcher`, `stop_watcher`, `send_message`); here it is the kernel's.
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

    /// The name, as it stands in traces and errors.
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

/// A hash, so that a lookup compares one word and the name can still be a constant.
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
