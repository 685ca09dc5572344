//! The life of a session.
//!
//! A session is a value that the kernel keeps for you: its fields are the state (POE calls it the
//! heap), its methods handle named events. It exists as long as an event can reach it.
//!
//! Notice:
//! - `started` runs inside `spawn`: the session is ready when `spawn` returns.
//! - `yield_now` queues an event. Its handler runs later, in a turn of the reactor.
//! - No code ends the session. The kernel stops it when no event can reach it any more, and `run`
//!   returns when no session is left.
//!
//! Run it with `cargo run --example 01_hello_session`; it prints
//!
//! ```text
//! started
//! main: spawned, and nothing has been greeted yet
//! hello, world
//! hello, world again
//! stopped after 2 greetings
//! main: no session is left
//! ```

use masque::reactor::{Cx, Event, Handlers, Reactor, Session};

struct Hello {
    greetings: u32,
}

impl Hello {
    /// An event: a name, and the type of its payload.
    const GREET: Event<&'static str> = Event::new("hello.greet");

    fn greet(&mut self, cx: &mut Cx<'_>, name: &'static str) {
        println!("hello, {name}");
        self.greetings += 1;
        if self.greetings == 1 {
            cx.yield_now(Self::GREET, "world again");
        }
    }
}

impl Session for Hello {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::GREET, Self::greet);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        println!("started");
        cx.yield_now(Self::GREET, "world");
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        println!("stopped after {} greetings", self.greetings);
    }
}

fn main() -> std::io::Result<()> {
    let mut reactor = Reactor::new()?;
    reactor.spawn(Hello { greetings: 0 });
    println!("main: spawned, and nothing has been greeted yet");
    reactor.run()?;
    println!("main: no session is left");
    Ok(())
}
