//! The kernel's contract, scenario by scenario, on virtual time.
//!
//! What happens is written into a journal, and a test compares the journal.

mod essential;
mod figures;
mod lifetime;
mod limits;
mod messages;
mod names;
mod panics;
mod random;
mod stopped;
mod timers;
mod turns;
mod watchers;
mod wheels;

use masque::reactor::{Cx, Event, Handlers, Kernel, Rig, Session, SessionId, Stats, Wait};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A scene on a rig, and the journal that its actors write.
struct Scene {
    rig: Rig,
    journal: Journal,
}

impl Scene {
    fn new() -> Self {
        Self::on(Rig::new())
    }

    fn on(rig: Rig) -> Self {
        Scene { rig, journal: Journal::default() }
    }

    /// An actor that is not spawned yet.
    fn actor(&self, name: &'static str) -> Actor {
        Actor { name, journal: self.journal.clone(), start: None, stop: None }
    }

    /// An actor that lives as long as there is something to do at all.
    fn resident(&mut self, name: &'static str) -> SessionId {
        let actor = self.actor(name).start(move |cx| cx.alias(name).expect("the alias is free"));
        self.rig.spawn(actor)
    }

    /// Runs a part as a handler of the session, now.
    fn act<R: 'static>(
        &mut self,
        id: SessionId,
        part: impl FnOnce(&mut Cx<'_>) -> R + 'static,
    ) -> R {
        let answer = Rc::new(RefCell::new(None));
        let told = Rc::clone(&answer);
        let part = move |cx: &mut Cx<'_>| *told.borrow_mut() = Some(part(cx));
        self.rig.call(id, Actor::ACT, Box::new(part)).expect("the actor is there");
        answer.take().expect("the part was acted")
    }

    /// One turn at the present time.
    fn turn(&mut self) -> Wait {
        self.turn_at(self.rig.now())
    }

    fn turn_at(&mut self, now: Instant) -> Wait {
        self.rig.turn(now)
    }

    /// Returns the lines since the last call.
    fn journal(&self) -> Vec<String> {
        self.journal.take()
    }
}

impl Deref for Scene {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }
}

#[derive(Clone, Default)]
struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    fn write(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

type Part = Box<dyn FnOnce(&mut Cx<'_>)>;

/// A session that runs the parts of a test.
struct Actor {
    name: &'static str,
    journal: Journal,
    start: Option<Part>,
    stop: Option<Part>,
}

impl Actor {
    /// Does something.
    const ACT: Event<Part> = Event::new("actor.act");
    /// Writes its name and a word into the journal.
    const SAY: Event<&'static str> = Event::new("actor.say");
    /// The same by another name.
    const SING: Event<&'static str> = Event::new("actor.sing");
    /// Doubles a number.
    const DOUBLE: Event<u32, u32> = Event::new("actor.double");
    /// Writes down what it sees of the message.
    const LOOK: Event<()> = Event::new("actor.look");
    const PANIC: Event<&'static str> = Event::new("actor.panic");

    fn start(mut self, part: impl FnOnce(&mut Cx<'_>) + 'static) -> Self {
        self.start = Some(Box::new(part));
        self
    }

    fn stop(mut self, part: impl FnOnce(&mut Cx<'_>) + 'static) -> Self {
        self.stop = Some(Box::new(part));
        self
    }

    fn say(&mut self, _: &mut Cx<'_>, word: &'static str) {
        self.journal.write(format!("{}: {word}", self.name));
    }

    fn look(&mut self, cx: &mut Cx<'_>, (): ()) {
        let sender = match cx.sender() {
            None => "outside",
            Some(sender) if sender == cx.id() => "itself",
            Some(_) => "another",
        };
        self.journal.write(format!("{}: {} from {sender}", self.name, cx.event()));
    }
}

impl Session for Actor {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ACT, |_, cx, part| part(cx))
            .on(Self::SAY, Self::say)
            .on(Self::SING, Self::say)
            .on(Self::DOUBLE, |_, _, number| number * 2)
            .on(Self::LOOK, Self::look)
            .on(Self::PANIC, |_, _, why| panic!("{why}"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        if let Some(part) = self.start.take() {
            part(cx);
        }
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        self.journal.write(format!("{}: stopped", self.name));
        if let Some(part) = self.stop.take() {
            part(cx);
        }
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Checks that no session, message, timer, wheel, watch or hold is left.
#[track_caller]
fn assert_empty(kernel: &Kernel) {
    let Stats { sessions, queued, timers, wheels, watchers, holds, .. } = kernel.stats();
    assert_eq!((sessions, queued, timers, wheels, watchers, holds), (0, 0, 0, 0, 0, 0));
}

/// Asserts that a rig runs to its end and leaves nothing behind.
#[track_caller]
fn assert_ends(rig: &mut Rig) {
    assert!(rig.run(), "something is left: {rig:?}");
    assert_empty(rig);
}

/// Stops the session that runs it.
fn stop(cx: &mut Cx<'_>) {
    cx.stop();
}

/// What `part` panics with.
#[track_caller]
fn panic_of(part: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(part)).expect_err("it panics");
    *panic.downcast().expect("the message is made")
}
