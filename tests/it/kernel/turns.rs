//! The order of a turn, and what drives it.

use super::{Actor, Scene, ms, secs};
use masque::reactor::{Cx, Event, Handlers, Reactor, Session, Wait};
use std::time::{Duration, Instant};

#[test]
fn a_turn_runs_timers_and_then_the_posts_that_were_there_when_it_began() {
    let mut scene = Scene::new();
    let a = scene.actor("a").start(|cx| {
        let echo: fn(&mut Cx<'_>) = |cx| cx.yield_now(Actor::SAY, "of the first turn's post");
        cx.yield_now(Actor::ACT, Box::new(echo));
        cx.yield_now(Actor::SAY, "post");
        let timer: fn(&mut Cx<'_>) = |cx| {
            cx.yield_now(Actor::SAY, "of the first turn's timer");
            cx.delay_add(Actor::SAY, ms(0), "timer of the first turn's timer");
        };
        cx.delay(Actor::ACT, ms(0), Box::new(timer));
        cx.delay(Actor::SAY, ms(0), "timer");
    });
    scene.spawn(a);
    assert_eq!(scene.turn(), Wait::Poll);
    assert_eq!(scene.journal(), ["a: timer", "a: post"]);
    assert_eq!(scene.turn(), Wait::Done);
    let second = [
        "a: timer of the first turn's timer",
        "a: of the first turn's timer",
        "a: of the first turn's post",
        "a: stopped",
    ];
    assert_eq!(scene.journal(), second);
}

#[test]
fn a_session_that_yields_to_itself_forever_runs_once_a_turn() {
    const SPIN: Event<()> = Event::new("spinner.spin");
    struct Spinner(u32);
    impl Session for Spinner {
        fn events(on: &mut Handlers<Self>) {
            on.on(SPIN, |spinner, cx, ()| {
                spinner.0 += 1;
                cx.yield_now(SPIN, ());
            });
            on.on(Event::<(), u32>::new("spinner.count"), |spinner, _, ()| spinner.0);
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.yield_now(SPIN, ());
        }
    }
    let mut scene = Scene::new();
    let spinner = scene.spawn(Spinner(0));
    let other = scene.actor("other").start(|cx| {
        cx.yield_now(Actor::SAY, "post");
        cx.delay(Actor::SAY, ms(5), "timer");
    });
    scene.spawn(other);
    let start = scene.now();
    for turn in 0..10 {
        assert_eq!(scene.turn_at(start + ms(turn)), Wait::Poll);
        assert_eq!(scene.call(spinner, Event::new("spinner.count"), ()), Ok(turn as u32 + 1));
    }
    assert_eq!(scene.journal(), ["other: post", "other: timer", "other: stopped"]);
}

#[test]
fn a_kernel_returns_what_to_wait_for() {
    let mut scene = Scene::new();
    assert_eq!(scene.next_wait(), Wait::Done);
    assert_eq!(scene.turn(), Wait::Done);
    let actor = scene.actor("a").start(|cx| {
        cx.delay_add(Actor::SAY, secs(5), "later");
        cx.delay_add(Actor::SAY, secs(3), "sooner");
    });
    let a = scene.spawn(actor);
    let start = scene.now();
    assert_eq!(scene.next_wait(), Wait::Poll, "there is somebody to look at");
    scene.turn();
    assert_eq!(scene.turn_at(start + ms(2999)), Wait::Until(start + secs(3)));
    assert_eq!(scene.journal(), [""; 0], "never early");
    assert_eq!(scene.turn_at(start + secs(3)), Wait::Until(start + secs(5)));
    assert_eq!(scene.journal(), ["a: sooner"]);
    scene.post(a, Actor::SAY, "post").unwrap();
    assert_eq!(scene.next_wait(), Wait::Poll);
    let hold = scene.act(a, |cx| cx.hold(cx.id()));
    scene.turn_at(start + secs(9));
    assert_eq!((scene.next_wait(), hold.is_some()), (Wait::Forever, true));
}

#[test]
fn a_kernel_that_goes_idle_outside_a_turn_has_a_turn_to_end_in() {
    let mut scene = Scene::new();
    let child = scene.actor("child").start(|cx| cx.alias("child").unwrap());
    let parent = scene.actor("parent").start(|cx| {
        cx.delay(Actor::SAY, secs(9), "never");
        cx.spawn(child);
    });
    let parent = scene.spawn(parent);
    scene.settle();
    scene.settle();
    scene.act(parent, |cx| cx.delay_clear(Actor::SAY));
    assert_eq!(scene.next_wait(), Wait::Poll);
    assert_eq!(scene.turn(), Wait::Done);
    assert_eq!(scene.journal(), ["child: stopped", "parent: stopped"]);
}

#[test]
fn time_does_not_change_in_a_turn_and_never_goes_back() {
    let mut scene = Scene::new();
    let start = scene.now();
    let hour = secs(3600);
    let actor = scene.actor("a").start(move |cx| {
        cx.delay(Actor::SAY, secs(3601), "relative");
        let now = move |cx: &mut Cx<'_>| assert_eq!(cx.now(), start + hour);
        cx.yield_now(Actor::ACT, Box::new(now));
    });
    scene.spawn(actor);
    scene.turn_at(start + hour);
    scene.turn_at(start); // a clock that was set back an hour
    assert_eq!(scene.now(), start + hour);
    assert_eq!(scene.turn_at(start + hour + ms(999)), Wait::Until(start + hour + secs(1)));
    scene.turn_at(start + hour + secs(1));
    assert_eq!(scene.journal(), ["a: relative", "a: stopped"]);
    assert_eq!(scene.stats().panics, 0);
}

/// Records the time at which it is done.
struct Sleeper {
    slept: Option<Instant>,
    time: Duration,
}

impl Sleeper {
    const WAKE: Event<()> = Event::new("sleeper.wake");
}

impl Session for Sleeper {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::WAKE, |sleeper, _, ()| {
            let slept = sleeper.slept.expect("it went to sleep").elapsed();
            assert!(slept >= sleeper.time, "woken early, after {slept:?}");
        });
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        self.slept = Some(Instant::now());
        cx.delay(Self::WAKE, self.time, ());
    }
}

#[test]
fn a_reactor_runs_until_no_session_is_left_and_again() {
    let mut reactor = Reactor::new().unwrap();
    reactor.run().unwrap();
    for milliseconds in [0, 3] {
        // The time that passes here is not taken from the delay.
        let time = ms(milliseconds);
        let begun = Instant::now();
        while begun.elapsed() < ms(5) {
            std::hint::spin_loop();
        }
        reactor.spawn(Sleeper { slept: None, time });
        reactor.run().unwrap();
        let stats = reactor.stats();
        assert_eq!((stats.sessions, stats.timers, stats.panics), (0, 0, 0));
        assert!(stats.turns < 20, "it waits, and does not spin: {stats:?}");
    }
}

#[test]
fn a_reactor_does_not_wait_for_sessions_that_nothing_can_wake() {
    struct Idle(Option<&'static str>);
    impl Session for Idle {
        fn events(on: &mut Handlers<Self>) {
            on.on(Event::<()>::new("idle.clear"), |_, cx, ()| {
                cx.alarm_remove_all();
            });
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            if let Some(alias) = self.0 {
                cx.alias(alias).expect("it is free");
            }
            cx.delay(Event::<()>::new("idle.clear"), secs(3600), ());
        }
    }
    let mut reactor = Reactor::new().unwrap();
    let (one, two) = (reactor.spawn(Idle(None)), reactor.spawn(Idle(Some("two"))));
    assert!(reactor.turn(Some(ms(0))).unwrap());
    // Outside a turn; the next wait would have no end.
    for id in [one, two] {
        reactor.call(id, Event::<()>::new("idle.clear"), ()).unwrap();
    }
    reactor.run().unwrap();
    assert_eq!(reactor.stats().sessions, 0);
}

#[test]
fn a_reactor_can_be_turned_by_hand_and_stopped() {
    let mut reactor = Reactor::new().unwrap();
    assert!(!reactor.turn(None).unwrap(), "nobody is there to wait for");
    reactor.spawn(Sleeper { slept: None, time: secs(3600) });
    assert!(reactor.turn(Some(ms(0))).unwrap());
    assert!(reactor.turn(Some(ms(1))).unwrap());
    reactor.stop();
    reactor.run().unwrap();
    assert_eq!(reactor.stats().sessions, 0);
}
