//! Timers, by name and by id.
//!
//! A timer is an event that arrives later. `delay` sets the timer of an event. Setting it again
//! moves it, as a snooze button does. `delay_set` returns an id, so one event can have several
//! timers.
//!
//! Notice:
//! - `delay` in `snooze` replaces the alarm that is set; `delay_clear` would remove it.
//! - The payload of an egg's timer says which egg it is. One timer is moved by its id, and one is
//!   removed.
//! - Two timers that are due at the same time fire in the order in which they were set.
//! - Hours pass in microseconds: a `Rig` runs the same kernel on virtual time, as your tests can.
//!
//! Run it with `cargo run --example 04_timers`; it prints
//!
//! ```text
//! 00:00 the alarm is set for 07:00
//! 06:59 snooze: in 9 minutes
//! 07:03 an egg is soft
//! 07:08 the alarm rings
//! 07:08 another egg is hard
//! 07:08 nothing is left to wait for
//! ```

use masque::reactor::{Cx, Event, Handlers, Rig, Session};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

struct Morning {
    midnight: Instant,
}

impl Morning {
    const RING: Event<()> = Event::new("morning.ring");
    const SNOOZE: Event<()> = Event::new("morning.snooze");
    const EGG: Event<&'static str> = Event::new("morning.egg");

    fn say(&self, cx: &Cx<'_>, what: &str) {
        let minutes = (cx.now() - self.midnight).as_secs() / 60;
        println!("{:02}:{:02} {what}", minutes / 60, minutes % 60);
    }

    fn snooze(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.say(cx, "snooze: in 9 minutes");
        cx.delay(Self::RING, 9 * MINUTE, ());

        let soft = cx.delay_set(Self::EGG, 5 * MINUTE, "an egg is soft");
        let _hard = cx.delay_set(Self::EGG, 9 * MINUTE, "another egg is hard");
        let burnt = cx.delay_set(Self::EGG, 60 * MINUTE, "the last egg is burnt");
        cx.delay_adjust(soft, 4 * MINUTE).expect("it has not fired");
        cx.alarm_remove(burnt).expect("it has not fired");
    }
}

impl Session for Morning {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SNOOZE, Self::snooze)
            .on(Self::RING, |morning, cx, ()| morning.say(cx, "the alarm rings"))
            .on(Self::EGG, |morning, cx, which| morning.say(cx, which));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.delay(Self::RING, 7 * 60 * MINUTE, ());
        self.say(cx, "the alarm is set for 07:00");
        cx.delay(Self::SNOOZE, (6 * 60 + 59) * MINUTE, ());
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        self.say(cx, "nothing is left to wait for");
    }
}

fn main() {
    let mut rig = Rig::new();
    let midnight = rig.now();
    rig.spawn(Morning { midnight });
    rig.run();
}
