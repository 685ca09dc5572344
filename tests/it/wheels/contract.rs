//! Filters that break their contract.

use super::read_write::{pair, put};
use crate::support::actor::{Actor, Journal, Moment, Script, direct};
use bytes::Bytes;
use masque::filters::{Filter, Output, Protocol, Stream};
use masque::limits::ITEMS_WITHOUT_INPUT;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// A filter that breaks its contract: it takes the first byte, which selects its behaviour.
#[derive(Default)]
struct Rogue {
    kind: u8,
    /// How many items it still gives without taking a byte.
    left: u32,
    /// True if an item waits for its answer.
    asks: bool,
}

impl Filter for Rogue {
    type In = ();
    type Out = Bytes;
    type Error = Infallible;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<()>, Infallible> {
        if self.kind == 0
            && let [kind, rest @ ..] = *input
        {
            (self.kind, *input) = (*kind, rest);
            self.asks = *kind == b'q';
            self.left = match kind {
                b'm' => ITEMS_WITHOUT_INPUT,
                b'o' => ITEMS_WITHOUT_INPUT + 1,
                b'e' => u32::MAX,
                _ => 0,
            };
            return Ok(Some(()));
        }
        if self.kind == b's' && input.len() > self.input_max() {
            *input = &[]; // it needs more than it says
        }
        let has_more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        Ok(has_more.then_some(()))
    }

    fn encode(&mut self, item: Bytes, output: &mut Output) {
        self.asks = false;
        output.shared(item);
    }

    fn input_max(&self) -> usize {
        4
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }

    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        Some(self)
    }
}

impl Protocol for Rogue {
    fn is_waiting(&self) -> bool {
        self.asks
    }
}

impl Script for Rogue {
    fn new() -> Self {
        Rogue::default()
    }

    fn show((): &()) -> Option<String> {
        None
    }
}

/// The events of an actor with a [`Rogue`] when its peer sends `pieces`, and the number of items.
fn go_rogue(pieces: &[&'static str]) -> (Vec<String>, u32) {
    let (journal, count) = (Journal::default(), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&count);
    let server = Actor::<Rogue>::doing("server", &journal, move |cx, wire, moment| match moment {
        Moment::Input(()) => counted.set(counted.get() + 1),
        Moment::Ended => wire.put_last(cx, "sorry"),
        _ => {}
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &journal));
    journal.take();
    for piece in pieces {
        put(&mut rig, "client", *piece);
        rig.run_for(Duration::from_secs(1));
    }
    (journal.take_of("server"), count.get())
}

#[test]
fn a_filter_that_needs_more_than_its_input_max_left_the_connection_hanging() {
    let (seen, _) = go_rogue(&["s", "abc"]);
    assert_eq!(seen, [""; 0], "three bytes may wait");
    let (seen, _) = go_rogue(&["s", "abc", "d"]);
    let why = "`it::wheels::contract::Rogue` needs more than the 4 bytes of its `input_max`";
    assert_eq!(seen, [why, "flushed", "disconnected, all has been sent"]);
}

#[test]
fn a_filter_that_needs_more_than_its_input_max_is_found_after_an_early_end_too() {
    let (journal, clients) = (Journal::default(), Journal::default());
    let server = Actor::<Rogue>::doing("server", &journal, |_, _, _| ());
    let mut rig = pair(server, Actor::<Stream>::new("client", &clients));
    journal.take();
    put(&mut rig, "client", "q");
    put(&mut rig, "client", "more than 4 bytes");
    direct::<Stream>(&mut rig, "client", |peer, cx| {
        peer.wire().expect("connected").finish(cx);
    });
    rig.settle();
    assert_eq!(journal.take_of("server"), ["the peer has ended"]);
    direct::<Rogue>(&mut rig, "server", |peer, cx| {
        peer.put(cx, "an answer");
    });
    rig.settle();
    let why = "`it::wheels::contract::Rogue` needs more than the 4 bytes of its `input_max`";
    assert_eq!(journal.take_of("server"), [why, "flushed"]);
}

#[test]
fn a_filter_that_was_looked_at_after_its_error_was_asked_again() {
    let journal = Journal::default();
    let mut looks = 1;
    let server = Actor::<Rogue>::doing("server", &journal, move |cx, wire, moment| {
        if let Moment::Ended = moment
            && looks > 0
        {
            looks -= 1;
            assert!(wire.filter_mut(cx).is_some(), "it is open");
        }
    });
    let mut rig = pair(server, Actor::<Stream>::new("client", &Journal::default()));
    journal.take();
    put(&mut rig, "client", "e");
    rig.run_for(Duration::from_secs(1));
    let why = "`it::wheels::contract::Rogue` returns items without end and consumes no input";
    assert_eq!(journal.take_of("server"), [why]);
}

#[test]
fn a_filter_that_gives_items_and_takes_nothing_was_asked_without_end() {
    let (seen, count) = go_rogue(&["m"]);
    assert_eq!((seen, count), (vec![], 1 + ITEMS_WITHOUT_INPUT), "as many as there may be");
    let why = "`it::wheels::contract::Rogue` returns items without end and consumes no input";
    for piece in ["o", "e"] {
        let (seen, count) = go_rogue(&[piece]);
        assert_eq!(seen, [why, "flushed", "disconnected, all has been sent"], "{piece}");
        assert_eq!(count, 1 + ITEMS_WITHOUT_INPUT, "{piece}");
    }
}
