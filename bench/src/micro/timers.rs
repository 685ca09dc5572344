//! Timers: set and cleared, and moved while others wait.

use super::{Batch, Case, Random};
use calloop::timer::{TimeoutAction, Timer};
use calloop::{Dispatcher, EventLoop, RegistrationToken};
use masque::reactor::{Cx, Event, Handlers, Kernel, Session, SessionId, TimerId};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub(super) const SET_AMONG_10: Case = Case {
    name: "timer set and clear, among 10",
    batch: BATCH,
    columns: &[
        ("by hand", || set_by_hand(10)),
        ("masque", || set(10)),
        ("calloop", || set_in_calloop(10)),
    ],
};

pub(super) const SET_AMONG_10_000: Case = Case {
    name: "timer set and clear, among 10,000",
    batch: BATCH,
    columns: &[
        ("by hand", || set_by_hand(10_000)),
        ("masque", || set(10_000)),
        ("calloop", || set_in_calloop(10_000)),
    ],
};

pub(super) const REARM_AMONG_10: Case = Case {
    name: "timer re-arm, among 10",
    batch: BATCH,
    columns: &[
        ("by hand", || rearm_by_hand(10, same)),
        ("masque", || rearm(10, same)),
        ("calloop", || rearm_in_calloop(10)),
    ],
};

pub(super) const REARM_AMONG_10_000: Case = Case {
    name: "timer re-arm, among 10,000",
    batch: BATCH,
    columns: &[
        ("by hand", || rearm_by_hand(10_000, same)),
        ("masque", || rearm(10_000, same)),
        ("calloop", || rearm_in_calloop(10_000)),
    ],
};

pub(super) const REARM_AT_RANDOM: Case = Case {
    name: "timer re-arm to a random time, among 10,000",
    batch: BATCH,
    columns: &[("by hand", || rearm_by_hand(10_000, random)), ("masque", || rearm(10_000, random))],
};

const BATCH: usize = 100;

/// Timers are the long polls' here: none is ever due.
const LONG_POLL: Duration = Duration::from_secs(28);

/// Time between batches, so that equal delays end at different times.
const PAUSE: Duration = Duration::from_micros(10);

type Delay = fn(&mut Random) -> Duration;

/// All delays are equal.
fn same(_: &mut Random) -> Duration {
    LONG_POLL
}

fn random(random: &mut Random) -> Duration {
    LONG_POLL + Duration::from_micros(random.below(60_000_000))
}

/// Has many timers, and moves them in turn.
struct Clock {
    timers: Vec<TimerId<()>>,
    next: usize,
    random: Random,
    delay: Delay,
}

impl Clock {
    const RING: Event<()> = Event::new("clock.ring");
    const FILL: Event<usize> = Event::new("clock.fill");
    const SET: Event<()> = Event::new("clock.set");
    const MOVE: Event<()> = Event::new("clock.move");

    fn fill(&mut self, cx: &mut Cx<'_>, count: usize) {
        for _ in 0..count {
            self.timers.push(cx.delay_set(Self::RING, LONG_POLL, ()));
        }
    }

    fn set(&mut self, cx: &mut Cx<'_>, (): ()) {
        for _ in 0..BATCH {
            let timer = cx.delay_set(Self::RING, (self.delay)(&mut self.random), ());
            cx.alarm_remove(black_box(timer)).expect("it is set");
        }
    }

    fn rearm(&mut self, cx: &mut Cx<'_>, (): ()) {
        for _ in 0..BATCH {
            let timer = self.timers[self.next];
            cx.delay_adjust(timer, (self.delay)(&mut self.random)).expect("it is set");
            self.next = (self.next + 1) % self.timers.len();
        }
    }
}

impl Session for Clock {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::RING, |_, _, ()| {})
            .on(Self::FILL, Self::fill)
            .on(Self::SET, Self::set)
            .on(Self::MOVE, Self::rearm);
    }
}

fn clock(count: usize, delay: Delay) -> (Kernel, SessionId) {
    let mut kernel = Kernel::new(Instant::now());
    let clock = Clock { timers: vec![], next: 0, random: Random(1), delay };
    let clock = kernel.spawn(clock);
    kernel.call(clock, Clock::FILL, count).expect("it is there");
    (kernel, clock)
}

fn set(count: usize) -> Batch {
    let (mut kernel, clock) = clock(count, random);
    Box::new(move || kernel.call(clock, Clock::SET, ()).expect("it is there"))
}

fn rearm(count: usize, delay: Delay) -> Batch {
    let (mut kernel, clock) = clock(count, delay);
    Box::new(move || {
        kernel.call(clock, Clock::MOVE, ()).expect("it is there");
        kernel.turn(kernel.now() + PAUSE);
    })
}

/// A sorted map of the due times, as one would write by hand.
struct Hand {
    due: BTreeMap<(Duration, u64), usize>,
    timers: Vec<(Duration, u64)>,
    sequence: u64,
    now: Duration,
}

impl Hand {
    fn new(count: usize) -> Self {
        let timers: Vec<_> = (0..count as u64).map(|number| (LONG_POLL, number)).collect();
        let due = timers.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        Hand { due, timers, sequence: count as u64, now: Duration::ZERO }
    }

    fn key(&mut self, delay: Duration) -> (Duration, u64) {
        self.sequence += 1;
        (self.now + delay, self.sequence)
    }
}

fn set_by_hand(count: usize) -> Batch {
    let (mut hand, mut numbers) = (Hand::new(count), Random(1));
    Box::new(move || {
        for _ in 0..BATCH {
            let key = hand.key(random(&mut numbers));
            hand.due.insert(key, 0);
            hand.due.remove(&black_box(key));
        }
    })
}

fn rearm_by_hand(count: usize, delay: Delay) -> Batch {
    let (mut hand, mut numbers, mut next) = (Hand::new(count), Random(1), 0);
    Box::new(move || {
        for _ in 0..BATCH {
            let key = hand.key(delay(&mut numbers));
            let place = hand.due.remove(&hand.timers[next]).expect("it is set");
            hand.due.insert(key, place);
            hand.timers[next] = key;
            next = (next + 1) % count;
        }
        hand.now += PAUSE;
    })
}

type Source = Dispatcher<'static, Timer, ()>;

fn in_calloop(count: usize) -> (EventLoop<'static, ()>, Vec<(Source, RegistrationToken)>) {
    let timers = EventLoop::try_new().expect("a loop");
    let source = |_| {
        let timer = Timer::from_duration(LONG_POLL);
        let source = Dispatcher::new(timer, |_, (), (): &mut ()| TimeoutAction::Drop);
        let token = timers.handle().register_dispatcher(source.clone()).expect("room");
        (source, token)
    };
    let sources = (0..count).map(source).collect();
    (timers, sources)
}

fn set_in_calloop(count: usize) -> Batch {
    let (timers, sources) = in_calloop(count);
    let mut numbers = Random(1);
    Box::new(move || {
        black_box(&sources);
        for _ in 0..BATCH {
            let timer = Timer::from_duration(random(&mut numbers));
            let set = timers.handle().insert_source(timer, |_, (), ()| TimeoutAction::Drop);
            timers.handle().remove(set.expect("room"));
        }
    })
}

fn rearm_in_calloop(count: usize) -> Batch {
    let (timers, sources) = in_calloop(count);
    let mut next = 0;
    Box::new(move || {
        for _ in 0..BATCH {
            let (source, token) = &sources[next];
            source.as_source_mut().set_duration(LONG_POLL);
            timers.handle().update(token).expect("it is set");
            next = (next + 1) % count;
        }
    })
}
