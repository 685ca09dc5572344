//! Aliases, and who keeps whom alive.
//!
//! A session that others use by name is a service: it has nothing to wait for and must be there all
//! the same. An alias keeps it, as long as there is anybody who could use it.
//!
//! Notice:
//! - The journal has no timer and no message, only its name, and is there until the worker is done.
//! - When only aliases are left, nobody can ever call any of them: they are stopped, and the
//!   program ends. No service needs to be told to go.
//! - A message that waits keeps its receiver and its sender; a parent lives as long as its
//!   children.
//! - A name has one owner. A second one is refused, and told who has it.
//!
//! Run it with `cargo run --example 05_aliases`; it prints
//!
//! ```text
//! the alias `journal` belongs to session 0.0
//! journal: the worker begins
//! journal: the worker hires a helper
//! journal: the helper is done
//! journal: the worker is done
//! journal: nobody is left to write for
//! ```

use masque::reactor::{Cx, Event, Handlers, Reactor, Session};
use std::time::Duration;

struct Journal;

impl Journal {
    const WRITE: Event<&'static str> = Event::new("journal.write");
}

impl Session for Journal {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::WRITE, |_, _, line| println!("journal: {line}"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        if let Err(taken) = cx.alias("journal") {
            println!("{taken}");
            cx.stop(); // without its name nobody could use it
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if cx.resolve("journal") == Some(cx.id()) {
            println!("journal: nobody is left to write for");
        }
    }
}

/// Writes to the journal by its name, without knowing who that is.
fn write(cx: &mut Cx<'_>, line: &'static str) {
    cx.post("journal", Journal::WRITE, line).expect("an alias keeps it for us");
}

struct Worker;

impl Worker {
    const HIRE: Event<()> = Event::new("worker.hire");

    fn hire(&mut self, cx: &mut Cx<'_>, (): ()) {
        write(cx, "the worker hires a helper");
        cx.spawn(Helper); // from now on the worker is there for the helper alone
    }
}

impl Session for Worker {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::HIRE, Self::hire);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        write(cx, "the worker begins");
        cx.delay(Self::HIRE, Duration::from_millis(10), ());
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        write(cx, "the worker is done");
    }
}

struct Helper;

impl Helper {
    const DONE: Event<()> = Event::new("helper.done");
}

impl Session for Helper {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::DONE, |_, cx, ()| write(cx, "the helper is done"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.delay(Self::DONE, Duration::from_millis(10), ());
    }
}

fn main() -> std::io::Result<()> {
    let mut reactor = Reactor::new()?;
    reactor.spawn(Journal);
    reactor.spawn(Journal);
    reactor.spawn(Worker);
    reactor.run()
}
