//! Topics and their watchers.
//!
//! A topic is a subject of notices. All sessions that watch it receive them; the sender does not
//! know these sessions. The dashboard notifies ten thousand browsers of changed data this way.
//!
//! Notice:
//! - `notify` takes one entry in the queue, however many sessions watch, and returns their number.
//! - The watchers are notified in the next turn, in the order in which they started to watch.
//! - Bob stops watching at 20. Carol stops, and the kernel removes her watch.
//! - A watch keeps no session alive: after the market has closed, no notice can arrive, and the
//!   kernel stops the watchers.
//!
//! Run it with `cargo run --example 06_watchers`; it prints
//!
//! ```text
//! the price is 10 for 3 watchers
//! alice sees 10
//! bob sees 10
//! carol sees 10
//! carol goes home
//! the price is 20 for 2 watchers
//! alice sees 20
//! bob sees 20
//! the price is 30 for 1 watchers
//! alice sees 30
//! bob goes home
//! alice goes home
//! ```

use masque::reactor::{Cx, Event, Handlers, Reactor, Session, Topic};
use std::time::Duration;

const PRICE: Topic<u32> = Topic::new("market.price");

struct Market {
    prices: std::vec::IntoIter<u32>,
}

impl Market {
    const TICK: Event<()> = Event::new("market.tick");

    fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        let Some(price) = self.prices.next() else { return };
        let watchers = cx.notify(PRICE, price);
        println!("the price is {price} for {watchers} watchers");
        cx.delay(Self::TICK, Duration::from_millis(10), ());
    }
}

impl Session for Market {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::TICK, Self::tick);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.yield_now(Self::TICK, ());
    }
}

struct Buyer {
    name: &'static str,
    sees: fn(&mut Cx<'_>, u32),
}

impl Buyer {
    const SEES: Event<u32> = Event::new("buyer.sees");

    fn sees(&mut self, cx: &mut Cx<'_>, price: u32) {
        println!("{} sees {price}", self.name);
        (self.sees)(cx, price);
    }
}

impl Session for Buyer {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SEES, Self::sees);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // A name keeps bob when he watches nothing any more, as long as the market is open.
        cx.alias(self.name).expect("names differ");
        cx.watch(PRICE, Self::SEES);
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        println!("{} goes home", self.name);
    }
}

fn main() -> std::io::Result<()> {
    let mut reactor = Reactor::new()?;
    reactor.spawn(Buyer { name: "alice", sees: |_, _| () });
    let bob = |cx: &mut Cx<'_>, price| {
        if price >= 20 {
            cx.unwatch(PRICE);
        }
    };
    reactor.spawn(Buyer { name: "bob", sees: bob });
    reactor.spawn(Buyer { name: "carol", sees: |cx, _| cx.stop() });
    reactor.spawn(Market { prices: vec![10, 20, 30].into_iter() });
    reactor.run()
}
