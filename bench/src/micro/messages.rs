//! Posts, calls and notices.

use super::{Batch, Case, actors};
use calloop::EventLoop;
use masque::reactor::{Cx, Event, Handlers, Kernel, Session, SessionId, Topic};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub(super) const POST: Case = Case {
    name: "post and dispatch of a u64",
    batch: 1000,
    columns: &[
        ("by hand", post_by_hand),
        ("masque", post),
        ("calloop", post_in_calloop),
        ("actix", actors::post),
    ],
};

pub(super) const CALL: Case = Case {
    name: "call",
    batch: 1000,
    columns: &[("by hand", call_by_hand), ("masque", call), ("actix", actors::call)],
};

pub(super) const NOTIFY: Case = Case {
    name: "notify to 10,000 watchers, each",
    batch: WATCHERS,
    columns: &[("by hand", notify_by_hand), ("masque", notify), ("actix", actors::notify)],
};

pub(super) const WATCHERS: usize = 10_000;

const NEWS: Topic<u64> = Topic::new("news");

/// Adds up the numbers it receives.
struct Adder {
    sum: u64,
    watches: bool,
}

impl Adder {
    const ADD: Event<u64> = Event::new("adder.add");
    const SUM: Event<u64, u64> = Event::new("adder.sum");
    const KEEP: Event<()> = Event::new("adder.keep");
}

impl Session for Adder {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ADD, |adder, _, number| adder.sum += black_box(number))
            .on(Self::SUM, |adder, _, number| adder.sum + black_box(number))
            .on(Self::KEEP, |_, _, ()| {});
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.delay(Self::KEEP, Duration::from_secs(1 << 20), ());
        if self.watches {
            cx.watch(NEWS, Self::ADD);
        }
    }
}

/// Calls and notifies from within a handler, as programs do.
struct Speaker {
    adder: SessionId,
}

impl Speaker {
    const CALL: Event<usize> = Event::new("speaker.call");
    const NOTIFY: Event<()> = Event::new("speaker.notify");

    fn call(&mut self, cx: &mut Cx<'_>, times: usize) {
        for number in 0..times as u64 {
            black_box(cx.call(self.adder, Adder::SUM, number).expect("it is there"));
        }
    }
}

impl Session for Speaker {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CALL, Self::call).on(Self::NOTIFY, |_, cx, ()| {
            cx.notify(NEWS, 1);
        });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        // For as long as the kernel lasts.
        std::mem::forget(cx.hold(cx.id()));
    }
}

fn post() -> Batch {
    let now = Instant::now();
    let mut kernel = Kernel::new(now);
    let adder = kernel.spawn(Adder { sum: 0, watches: false });
    Box::new(move || {
        for number in 0..1000 {
            kernel.post(adder, Adder::ADD, number).expect("it is there");
        }
        kernel.turn(now);
    })
}

fn post_by_hand() -> Batch {
    let mut hand = Hand::new(1);
    Box::new(move || {
        for number in 0..1000 {
            hand.queue.push_back((black_box(0), number));
        }
        hand.dispatch();
    })
}

fn post_in_calloop() -> Batch {
    let mut calls: EventLoop<'static, u64> = EventLoop::try_new().expect("a loop");
    let mut sum = 0;
    Box::new(move || {
        for number in 0..1000_u64 {
            calls.handle().insert_idle(move |sum| *sum += black_box(number));
        }
        calls.dispatch(Duration::ZERO, &mut sum).expect("a dispatch");
    })
}

fn call() -> Batch {
    let now = Instant::now();
    let mut kernel = Kernel::new(now);
    let adder = kernel.spawn(Adder { sum: 0, watches: false });
    let speaker = kernel.spawn(Speaker { adder });
    Box::new(move || {
        kernel.call(speaker, Speaker::CALL, 1000).expect("it is there");
    })
}

fn call_by_hand() -> Batch {
    let hand: Box<dyn Fn(u64) -> u64> = Box::new(|number| 7 + black_box(number));
    Box::new(move || {
        for number in 0..1000 {
            black_box(black_box(&hand)(number));
        }
    })
}

fn notify() -> Batch {
    let now = Instant::now();
    let mut kernel = Kernel::new(now);
    let mut adder = kernel.spawn(Adder { sum: 0, watches: true });
    for _ in 1..WATCHERS {
        adder = kernel.spawn(Adder { sum: 0, watches: true });
    }
    let speaker = kernel.spawn(Speaker { adder });
    Box::new(move || {
        kernel.call(speaker, Speaker::NOTIFY, ()).expect("it is there");
        kernel.turn(now);
    })
}

fn notify_by_hand() -> Batch {
    let mut hand = Hand::new(WATCHERS);
    Box::new(move || {
        hand.queue.extend((0..WATCHERS).map(|to| (to, 1)));
        hand.dispatch();
    })
}

/// A loop as one would write it for one program.
struct Hand {
    queue: VecDeque<(usize, u64)>,
    handlers: Vec<Box<dyn FnMut(u64)>>,
}

impl Hand {
    fn new(handlers: usize) -> Self {
        let handler = |_| -> Box<dyn FnMut(u64)> {
            let mut sum = 0;
            Box::new(move |number| sum = black_box(sum + black_box(number)))
        };
        Hand { queue: VecDeque::new(), handlers: (0..handlers).map(handler).collect() }
    }

    fn dispatch(&mut self) {
        while let Some((to, number)) = self.queue.pop_front() {
            self.handlers[to](number);
        }
    }
}
