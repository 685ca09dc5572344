//! A call, and who cannot be called.
//!
//! `call` runs another session's handler now and returns its reply. It is for reads, from the one
//! who shows to the one who knows: a view asks its model.
//!
//! Notice:
//! - An event for a call names two types: what it takes and what it answers.
//! - A call does not wait for the queue: the clerk has its answer in the middle of its handler.
//! - A session that is running cannot be called. The model asks the clerk back while the clerk
//!   waits for it, and is told that the clerk is busy, instead of a deadlock or a surprise.
//! - Whoever is busy can be posted to.
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
        cx.post(clerk, Clerk::GO_HOME, ()).expect("the clerk is there, if busy");
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
        cx.alias("model").expect("nobody has that name yet");
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
