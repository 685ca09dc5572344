//! Posts, yields, and the turn.
//!
//! The kernel works in turns. A turn runs the events that were in the queue when it began, first
//! in, first out. Events that handlers queue during a turn wait for the next one. So there are no
//! races and no locks, and no event overtakes another.
//!
//! Notice:
//! - `post` sends an event to another session, `yield_now` to the session itself. Both only queue.
//! - The glutton yields to itself in each turn, but the guest is still served.
//! - Events arrive in the order in which they were posted, whichever session posted them.
//! - A post that cannot arrive returns an error immediately.
//!
//! Run it with `cargo run --example 02_post_and_yield`; it prints
//!
//! ```text
//! turn 1: the glutton eats bite 1
//! turn 1: the guest orders soup
//! turn 1: the guest orders bread
//! turn 2: the glutton eats bite 2
//! turn 2: the kitchen cooks soup
//! turn 2: the kitchen cooks bread
//! turn 3: the glutton eats bite 3
//! turn 3: the guest is served soup
//! turn 3: the guest is served bread
//! turn 4: the glutton eats bite 4
//! no session `waiter` for `kitchen.order`
//! ```

use masque::reactor::{Cx, Event, Handlers, Reactor, Session, SessionId};

fn say(cx: &Cx<'_>, what: &str) {
    println!("turn {}: {what}", cx.stats().turns);
}

struct Glutton;

impl Glutton {
    const EAT: Event<u32> = Event::new("glutton.eat");

    fn eat(&mut self, cx: &mut Cx<'_>, bite: u32) {
        say(cx, &format!("the glutton eats bite {bite}"));
        if bite < 4 {
            cx.yield_now(Self::EAT, bite + 1);
        }
    }
}

impl Session for Glutton {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::EAT, Self::eat);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.yield_now(Self::EAT, 1);
    }
}

struct Kitchen;

impl Kitchen {
    const ORDER: Event<&'static str> = Event::new("kitchen.order");

    fn order(&mut self, cx: &mut Cx<'_>, dish: &'static str) {
        say(cx, &format!("the kitchen cooks {dish}"));
        let guest = cx.sender().expect("a session ordered it");
        cx.post(guest, Guest::SERVED, dish).expect("the guest waits");
    }
}

impl Session for Kitchen {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ORDER, Self::order);
    }
}

struct Guest {
    kitchen: SessionId,
}

impl Guest {
    const SIT_DOWN: Event<()> = Event::new("guest.sit_down");
    const SERVED: Event<&'static str> = Event::new("guest.served");

    fn sit_down(&mut self, cx: &mut Cx<'_>, (): ()) {
        for dish in ["soup", "bread"] {
            say(cx, &format!("the guest orders {dish}"));
            cx.post(self.kitchen, Kitchen::ORDER, dish).expect("the kitchen is open");
        }
    }
}

impl Session for Guest {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SIT_DOWN, Self::sit_down);
        on.on(Self::SERVED, |_, cx, dish| say(cx, &format!("the guest is served {dish}")));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.yield_now(Self::SIT_DOWN, ());
    }
}

fn main() -> std::io::Result<()> {
    let mut reactor = Reactor::new()?;
    reactor.spawn(Glutton);
    let kitchen = reactor.spawn(Kitchen);
    reactor.spawn(Guest { kitchen });
    reactor.run()?;
    if let Err(error) = reactor.post("waiter", Kitchen::ORDER, "coffee") {
        println!("{error}");
    }
    Ok(())
}
