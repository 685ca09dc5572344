//! A panic stops only its session: all others continue.

use super::{Actor, Scene, assert_empty, assert_ends, panic_of, secs, stop};
use masque::reactor::Limits;
use masque::reactor::{
    CallError, Cx, Event, Handlers, PanicPolicy, Readiness, Rig, Session, Topic, Wheel, WheelCx,
    WheelId,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Panics when it is dropped, or cloned, as it likes.
struct Bomb {
    on_drop: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.on_drop, "a bomb was dropped");
    }
}

impl Clone for Bomb {
    fn clone(&self) -> Self {
        assert!(self.on_drop, "a bomb was cloned");
        Bomb { on_drop: false }
    }
}

const BOMBS: Topic<Bomb> = Topic::new("bombs");

/// A session that is a bomb itself and gets some.
struct Bomber(#[expect(dead_code, reason = "its destructor is the test")] Bomb);

impl Bomber {
    const CATCH: Event<Bomb> = Event::new("bomber.catch");
    const PANIC: Event<()> = Event::new("bomber.panic");
    const ACT: Event<super::Part> = Event::new("bomber.act");
}

impl Session for Bomber {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CATCH, |_, _, bomb| std::mem::forget(bomb))
            .on(Self::PANIC, |_, _, ()| panic!("oh"))
            .on(Self::ACT, |_, cx, part| part(cx));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias(format!("bomber {}", cx.id())).expect("it is free");
    }
}

const LIVE: Bomb = Bomb { on_drop: true };
const DUD: Bomb = Bomb { on_drop: false };

#[test]
fn a_panic_in_a_handler_stops_only_that_session() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, |cx| {
        cx.delay(Actor::SAY, secs(1), "never");
        cx.watch(Topic::new("words"), Actor::SAY);
    });
    scene.post(a, Actor::PANIC, "oh").unwrap();
    scene.post(a, Actor::SAY, "never").unwrap();
    scene.post(b, Actor::SAY, "served on").unwrap();
    scene.turn();
    // Its `stopped` does not run, because its state is unknown.
    assert_eq!(scene.journal(), ["b: served on", "b: stopped"]);
    assert_eq!((scene.stats().panics, scene.stats().dead_letters), (1, 1));
    assert_empty(&scene);
}

#[test]
fn a_panic_in_a_call_is_an_error_to_the_caller() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let error = scene.act(a, move |cx| {
        let error = cx.call(b, Actor::PANIC, "oh").unwrap_err();
        assert!(!cx.exists(b));
        error
    });
    assert!(matches!(error, CallError::Panicked { event: "actor.panic", .. }));
    let message = error.to_string();
    assert!(message.contains("Actor` panicked in `actor.panic`"), "{message}");
    assert_eq!(scene.call(a, Actor::DOUBLE, 2), Ok(4));
    assert_eq!(scene.call(b, Actor::DOUBLE, 2).unwrap_err().to_string(), {
        format!("no {b} for `actor.double`")
    });
}

#[test]
fn panics_in_calls_leave_the_depth_as_it_was() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let victims = [(); 100].map(|()| {
        let victim = scene.actor("victim");
        scene.spawn(victim)
    });
    scene.act(a, move |cx| {
        for victim in victims {
            cx.call(victim, Actor::PANIC, "oh").unwrap_err();
        }
        assert_eq!(cx.call(b, Actor::DOUBLE, 1), Ok(2));
    });
    assert_eq!(scene.stats().panics, 100);
}

#[test]
fn a_panic_in_started_leaves_no_session() {
    let mut scene = Scene::new();
    let child = scene.actor("child").start(|cx| cx.delay(Actor::SAY, secs(5), "orphaned"));
    let a = scene.actor("a").start(|cx| {
        cx.alias("a").unwrap();
        cx.spawn(child);
        panic!("oh");
    });
    let a = scene.spawn(a);
    assert!(scene.post(a, Actor::SAY, "never").is_err());
    assert_eq!((scene.resolve("a"), scene.stats().sessions, scene.stats().panics), (None, 1, 1));
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["child: orphaned", "child: stopped"]);
}

#[test]
fn a_panic_in_stopped_still_ends_the_session() {
    let mut scene = Scene::new();
    let a = scene.actor("a").stop(|_| panic!("oh"));
    let b = scene.actor("b").start(|cx| cx.alias("b").unwrap()).stop(|_| panic!("oh"));
    scene.spawn(a);
    scene.spawn(b);
    let c = scene.actor("c").stop(|_| panic!("oh"));
    let c = scene.spawn(c);
    scene.act(c, stop);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["c: stopped", "a: stopped", "b: stopped"]);
    assert_eq!(scene.stats().panics, 3);
}

#[test]
fn a_heap_that_panics_when_it_is_dropped_is_dropped_alone() {
    let mut scene = Scene::new();
    let stops = scene.spawn(Bomber(LIVE));
    let panics = scene.spawn(Bomber(LIVE));
    scene.call(stops, Bomber::ACT, Box::new(stop)).unwrap();
    assert_eq!(scene.stats().panics, 1);
    assert!(scene.call(panics, Bomber::PANIC, ()).is_err());
    assert_eq!(scene.stats().panics, 3, "the handler's and then the heap's");
    scene.spawn(Bomber(LIVE)); // is stopped because nothing else is left
    assert_ends(&mut scene);
    assert_eq!(scene.stats().panics, 4);
}

#[test]
fn payloads_that_panic_when_they_are_dropped_stop_no_session() {
    let mut scene = Scene::new();
    let anchor = scene.resident("anchor");
    scene.act(anchor, |cx| cx.delay(Actor::SAY, secs(1), "served on"));
    let bomber = scene.spawn(Bomber(DUD));
    scene.post(bomber, Bomber::CATCH, LIVE).unwrap();
    let act = |cx: &mut Cx<'_>| {
        cx.delay_add(Bomber::CATCH, secs(9), LIVE);
        cx.delay_add(Bomber::CATCH, secs(9), LIVE);
        cx.stop();
    };
    scene.call(bomber, Bomber::ACT, Box::new(act)).unwrap();
    assert_eq!((scene.stats().timers, scene.stats().panics), (1, 2));
    scene.settle();
    assert_eq!((scene.stats().dead_letters, scene.stats().panics), (1, 3));

    // A kernel that ends drops them as well.
    let bomber = scene.spawn(Bomber(DUD));
    let end = |cx: &mut Cx<'_>| {
        cx.yield_now(Bomber::CATCH, LIVE);
        cx.stop_all();
    };
    scene.post(bomber, Bomber::ACT, Box::new(end)).unwrap();
    assert_ends(&mut scene);
    assert_eq!(scene.stats().panics, 4);
}

#[test]
fn a_message_that_panics_when_it_is_cloned_or_dropped_leaves_the_topic_whole() {
    let mut scene = Scene::new();
    let anchor = scene.resident("anchor");
    scene.act(anchor, |cx| cx.delay(Actor::SAY, secs(1), "served on"));
    for (message, panics) in [(LIVE, 1), (DUD, 2)] {
        for _ in 0..2 {
            let bomber = scene.spawn(Bomber(DUD));
            let watch = |cx: &mut Cx<'_>| cx.watch(BOMBS, Bomber::CATCH);
            scene.call(bomber, Bomber::ACT, Box::new(watch)).unwrap();
        }
        let before = scene.stats().panics;
        scene.act(anchor, move |cx| cx.notify(BOMBS, message));
        scene.settle();
        let watchers = scene.stats().watchers;
        let stats = (scene.stats().panics - before, watchers);
        // A live one is dropped once, by the kernel; a dud's clones take all four along.
        assert_eq!(stats, if panics == 1 { (1, 2) } else { (4, 0) });
    }
    scene.stop();
    assert_ends(&mut scene);
}

/// A wheel that panics when it runs.
struct Broken(#[expect(dead_code, reason = "its destructor is the test")] Bomb);

impl Wheel for Broken {
    fn ready(_: &mut WheelCx<'_, '_, Self>, _: Readiness) {
        panic!("a wheel broke");
    }
}

#[test]
fn a_wheel_that_panics_takes_its_owner_along() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    for on_drop in [false, true] {
        let owner = scene.actor("owner").start(move |cx| {
            let wheel = cx.mount(|_, _| Ok::<_, ()>(Broken(Bomb { on_drop }))).unwrap();
            wheel.again(cx);
        });
        scene.spawn(owner);
    }
    scene.act(a, |cx| {
        let other = |_: &mut Cx<'_>, _: WheelId<Broken>| Ok::<_, ()>(Broken(LIVE));
        cx.mount(other).unwrap();
        cx.stop();
    });
    assert_eq!(scene.stats().panics, 1, "one panicked when it was closed with its owner");
    scene.post(b, Actor::SAY, "served on").unwrap();
    assert_ends(&mut scene);
    let order = ["a: stopped", "owner: stopped", "owner: stopped", "b: served on", "b: stopped"];
    assert_eq!(scene.journal(), order);
    assert_eq!(scene.stats().panics, 4, "two when they ran, one of them when it was dropped too");
}

#[test]
fn a_mistake_of_the_programmer_is_a_panic_with_both_names() {
    struct Careless;
    const KNOWN: Event<u8> = Event::new("careless.known");
    const UNKNOWN: Event<u8> = Event::new("careless.unknown");
    impl Session for Careless {
        fn events(on: &mut Handlers<Self>) {
            on.on(KNOWN, |_, _, _| ()).on(Actor::ACT, |_, cx, part| part(cx));
        }
    }
    let name = std::any::type_name::<Careless>();
    let unknown = format!("`{name}` has no handler for `careless.unknown`");
    let wrong = format!("`{name}` handles `careless.known` as (u8, ()), not as (i8, ())");
    let rows: [(super::Part, &str); 7] = [
        (Box::new(|cx| cx.yield_now(UNKNOWN, 1)), &unknown),
        (Box::new(|cx| cx.delay(UNKNOWN, secs(1), 1)), &unknown),
        (Box::new(|cx| _ = cx.delay_clear(UNKNOWN)), &unknown),
        (Box::new(|cx| drop(cx.postback(UNKNOWN))), &unknown),
        (Box::new(|cx| cx.watch(Topic::new("numbers"), UNKNOWN)), &unknown),
        (Box::new(|cx| cx.yield_now(Event::<i8>::new("careless.known"), 1)), &wrong),
        (
            Box::new(|cx| {
                cx.watch(Topic::<u8>::new("bytes"), KNOWN);
                cx.notify(Topic::<i8>::new("bytes"), 1);
            }),
            "topic `bytes` of i8 was used before as `bytes` of u8",
        ),
    ];
    for (part, message) in rows {
        let mut rig = Rig::new();
        let careless = rig.spawn(Careless);
        let told = Rc::new(RefCell::new(String::new()));
        let tell = Rc::clone(&told);
        let act = move |cx: &mut Cx<'_>| *tell.borrow_mut() = panic_of(|| part(cx));
        rig.call(careless, Actor::ACT, Box::new(act)).unwrap();
        assert_eq!(*told.borrow(), message);
    }
}

#[test]
#[should_panic(expected = "`twice.event` and `twice.event` clash")]
fn one_event_with_two_handlers_is_refused() {
    struct Twice;
    impl Session for Twice {
        fn events(on: &mut Handlers<Self>) {
            on.on(Event::<u8>::new("twice.event"), |_, _, _| ());
            on.on(Event::<()>::new("twice.event"), |_, _, ()| ());
        }
    }
    Rig::new().spawn(Twice);
}

#[test]
#[should_panic(expected = "has two default handlers")]
fn two_default_handlers_are_refused() {
    struct Twice;
    impl Session for Twice {
        fn events(on: &mut Handlers<Self>) {
            on.default(|_, _, _| ()).default(|_, _, _| ());
        }
    }
    Rig::new().spawn(Twice);
}

#[test]
fn the_abort_policy_ends_the_process() {
    const CHILD: &str = "MASQUE_TEST_ABORT";
    if std::env::var_os(CHILD).is_some() {
        let mut limits = Limits::default();
        limits.panics = PanicPolicy::Abort;
        let mut scene = Scene::on(Rig::with_limits(limits));
        let a = scene.resident("a");
        scene.post(a, Actor::PANIC, "oh").unwrap();
        scene.run();
        return; // successfully, which the parent takes for a failure
    }
    let this = std::env::current_exe().expect("a test knows its program");
    let child = std::process::Command::new(this)
        .args(["--exact", "kernel::panics::the_abort_policy_ends_the_process", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the test runs itself");
    assert!(!child.status.success());
    assert_eq!(child.status.code(), None, "a signal ended it: {:?}", child.status);
    assert!(String::from_utf8_lossy(&child.stderr).contains("oh"));
}

/// A logger that panics, as one does whose stderr is closed.
struct BrokenLogger;

impl log::Log for BrokenLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        panic!("the log is closed");
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_that_panics_over_a_panic_ended_the_process() {
    const CHILD: &str = "MASQUE_TEST_LOGGER";
    if std::env::var_os(CHILD).is_some() {
        log::set_logger(&BrokenLogger).expect("it is the first");
        log::set_max_level(log::LevelFilter::Error);
        let mut scene = Scene::new();
        let (a, b) = (scene.resident("a"), scene.resident("b"));
        assert!(scene.call(a, Actor::PANIC, "oh").is_err());
        assert_eq!(scene.call(b, Actor::DOUBLE, 2), Ok(4));
        return;
    }
    let this = std::env::current_exe().expect("a test knows its program");
    let name = "kernel::panics::a_logger_that_panics_over_a_panic_ended_the_process";
    let child = std::process::Command::new(this).args(["--exact", name]).env(CHILD, "1").output();
    let child = child.expect("the test runs itself");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

/// What a panic carries; it panics again when it is dropped, and so does what that panic carries.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(Chain(self.0 - 1));
        }
    }
}

#[test]
fn a_panic_whose_payload_panics_when_it_is_dropped_left_the_kernel() {
    for length in [1, 2, 3] {
        let mut scene = Scene::new();
        let (a, b) = (scene.resident("a"), scene.resident("b"));
        let part: super::Part = Box::new(move |_| std::panic::panic_any(Chain(length)));
        assert!(matches!(scene.call(a, Actor::ACT, part), Err(CallError::Panicked { .. })));
        assert_eq!(scene.call(b, Actor::DOUBLE, 2), Ok(4), "{length}");
        assert_eq!(scene.stats().panics, 1, "{length}");
    }
}
