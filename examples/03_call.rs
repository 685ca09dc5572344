//! Calls, and sessions that cannot be called.
//!
//! `call` runs another session's handler immediately and returns its reply. Use it to read data: a
//! view asks its model.
//!
//! Notice:
//! - An event for a call names two types: its payload and its reply.
//! - A call does not use the queue: the clerk gets the reply in the middle of its handler.
//! - A session that is running cannot be called. The model calls the clerk back while the clerk
//!   waits for the model's reply. This call fails with an error instead of a deadlock.
//! - A busy session can still be posted to.
//!
//! Run it with `cargo run --example 03_call`; it prints
//!
//! ```text
//! clerk: how many are in stock?
//! model: asked for apples
//! clerk: 3
//! clerk: and who am I?
//! model: `03_call::Clerk` is running already and cannot be called with `clerk.name`
//! clerk: I am nobody
//! clerk: a post tells me to go home
//! ```

use masque::reactor::{Cx, Event, Handlers, Reactor, Session};

struct Model {
    apples: u32,
}

impl Model {
    const COUNT: Event<&'static str, u32> = Event::new("model.count");
    const WHO_ASKS: Event<(), &'static str> = Event::new("model.who_asks");

    fn count(&mut self, _: &mut Cx<'_>, what: &'static str) -> u32 {
        println!("model: asked for {what}");
        self.apples
    }

    fn who_asks(&mut self, cx: &mut Cx<'_>, (): ()) -> &'static str {
        let clerk = cx.sender().expect("a session calls");
        cx.post(clerk, Clerk::GO_HOME, ()).expect("the clerk exists and can be posted to");
        match cx.call(clerk, Clerk::NAME, ()) {
            Ok(name) => name,
            Err(error) => {
                println!("model: {error}");
                "nobody"
            }
        }
    }
}

impl Session for Model {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::COUNT, Self::count).on(Self::WHO_ASKS, Self::who_asks);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("model").expect("no session has that name yet");
    }
}

struct Clerk;

impl Clerk {
    const WORK: Event<()> = Event::new("clerk.work");
    const NAME: Event<(), &'static str> = Event::new("clerk.name");
    const GO_HOME: Event<()> = Event::new("clerk.go_home");

    fn work(&mut self, cx: &mut Cx<'_>, (): ()) {
        println!("clerk: how many are in stock?");
        let count = cx.call("model", Model::COUNT, "apples").expect("the model is there");
        println!("clerk: {count}");

        println!("clerk: and who am I?");
        let name = cx.call("model", Model::WHO_ASKS, ()).expect("the model is there");
        println!("clerk: I am {name}");
    }
}

impl Session for Clerk {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::WORK, Self::work)
            .on(Self::NAME, |_, _, ()| "the clerk")
            .on(Self::GO_HOME, |_, _, ()| println!("clerk: a post tells me to go home"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.yield_now(Self::WORK, ());
    }
}

fn main() -> std::io::Result<()> {
    let mut reactor = Reactor::new()?;
    reactor.spawn(Model { apples: 3 });
    reactor.spawn(Clerk);
    reactor.run()
}
