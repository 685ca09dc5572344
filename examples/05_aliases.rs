//! Aliases, and the lifetime of services.
//!
//! A session that others use by name is a service: it waits for no event of its own, but it must
//! still exist. An alias keeps it as long as another session could use it.
//!
//! Notice:
//! - The journal has no timer and no message, only its name. It exists until the worker is done.
//! - When only aliases are left, no session can use them: the kernel stops their sessions, and the
//!   program ends. No code has to shut down services.
//! - A waiting message keeps its receiver and its sender. A parent exists as long as its children.
//! - A name has one owner. A second session gets an error that names the owner.
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
            cx.stop(); // no session could use it without its name
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if cx.resolve("journal") == Some(cx.id()) {
            println!("journal: nobody is left to write for");
        }
    }
}

/// Writes to the journal by its name, without knowing its id.
fn write(cx: &mut Cx<'_>, line: &'static str) {
    cx.post("journal", Journal::WRITE, line).expect("an alias keeps it for us");
}

struct Worker;

impl Worker {
    const HIRE: Event<()> = Event::new("worker.hire");

    fn hire(&mut self, cx: &mut Cx<'_>, (): ()) {
        write(cx, "the worker hires a helper");
        cx.spawn(Helper); // from now on only the helper keeps the worker
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
