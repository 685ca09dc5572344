//! Sessions that start and stop.

use super::{Batch, Case, actors};
use masque::reactor::{Event, Handlers, Kernel, Session};
use std::hint::black_box;
use std::time::Instant;

pub(super) const START_AND_STOP: Case = Case {
    name: "session start and stop",
    batch: BATCH,
    columns: &[("by hand", start_by_hand), ("masque", start), ("actix", actors::start)],
};

pub(super) const BATCH: usize = 1000;

/// Has nothing to live for: it is stopped by the end of the turn.
struct Mayfly {
    number: u64,
}

impl Mayfly {
    const TELL: Event<(), u64> = Event::new("mayfly.tell");
}

impl Session for Mayfly {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::TELL, |mayfly, _, ()| mayfly.number);
    }
}

fn start() -> Batch {
    let now = Instant::now();
    let mut kernel = Kernel::new(now);
    Box::new(move || {
        for number in 0..BATCH as u64 {
            kernel.spawn(Mayfly { number });
        }
        while kernel.stats().sessions > 0 {
            kernel.turn(now);
        }
    })
}

fn start_by_hand() -> Batch {
    let mut sessions: Vec<Box<dyn Fn() -> u64>> = vec![];
    Box::new(move || {
        for number in 0..BATCH as u64 {
            sessions.push(Box::new(move || black_box(number)));
        }
        black_box(&mut sessions).clear();
    })
}
