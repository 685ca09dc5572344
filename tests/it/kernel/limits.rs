//! Every bound of the kernel, at its exact edge.

use super::{Actor, Scene, assert_ends, panic_of, secs, stop};
use masque::reactor::Limits;
use masque::reactor::{
    CallError, Cx, Handlers, PostError, Readiness, Rig, Session, Topic, Wheel, WheelCx,
};

/// The defaults, in numbers, so that a test of a default's effect need not fill a kernel.
#[test]
fn a_kernel_has_the_limits_of_the_documentation_unless_others_are_set() {
    let Limits { queue, sessions, timers, wheels, call_depth, .. } = Limits::default();
    assert_eq!((queue, sessions, timers), (1_048_576, 1_048_576, 4_194_304));
    assert_eq!((wheels, call_depth), (1_048_576, 32));
}

fn scene(set: impl FnOnce(&mut Limits)) -> Scene {
    let mut limits = Limits::default();
    set(&mut limits);
    Scene::on(Rig::with_limits(limits))
}

#[test]
fn the_queue_takes_as_many_posts_as_it_may_and_not_one_more() {
    let mut scene = scene(|limits| limits.queue = 3);
    let a = scene.resident("a");
    let postback = scene.act(a, |cx| cx.postback(Actor::SAY));
    for word in ["1", "2", "3"] {
        assert_eq!(scene.post(a, Actor::SAY, word), Ok(()));
    }
    let full = scene.post(a, Actor::SAY, "4").unwrap_err();
    assert!(matches!(full, PostError::QueueFull { event: "actor.say", .. }));
    let message = full.to_string();
    assert!(message.starts_with("the queue is full: `actor.say` to `"), "{message}");
    let again = scene.act(a, move |cx| postback.post(cx, "4").unwrap_err());
    assert_eq!(again, full);
    // A call needs no queue.
    assert_eq!(scene.call(a, Actor::DOUBLE, 2), Ok(4));

    scene.turn();
    assert_eq!(scene.journal(), ["a: 1", "a: 2", "a: 3", "a: stopped"]);
}

#[test]
fn yields_and_notices_go_on_up_to_twice_as_many_and_are_endless_then() {
    let mut scene = scene(|limits| limits.queue = 2);
    let a = scene.resident("a");
    scene.act(a, |cx| cx.watch(Topic::new("words"), Actor::SING));
    scene.post(a, Actor::SAY, "1").unwrap();
    scene.post(a, Actor::SAY, "2").unwrap();
    scene.act(a, |cx| {
        cx.yield_now(Actor::SAY, "3");
        cx.notify(Topic::new("words"), "4");
    });
    let yields = scene.act(a, move |cx| panic_of(|| cx.yield_now(Actor::SAY, "5")));
    assert!(yields.starts_with("`actor.say` of `") && yields.ends_with("` is yielded without end"));
    let notices = scene.act(a, |cx| panic_of(|| _ = cx.notify(Topic::new("words"), "5")));
    assert_eq!(notices, "`words` is notified without end");
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["a: 1", "a: 2", "a: 3", "a: 4", "a: stopped"]);
}

/// Calls the next link of a chain, and returns the number of links from here.
struct Link(Option<masque::reactor::SessionId>);

impl Link {
    const CALL: masque::reactor::Event<(), Result<u32, CallError>> =
        masque::reactor::Event::new("link.call");

    fn call(&mut self, cx: &mut Cx<'_>, (): ()) -> Result<u32, CallError> {
        match self.0 {
            Some(next) => Ok(1 + cx.call(next, Self::CALL, ())??),
            None => Ok(1),
        }
    }
}

impl Session for Link {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CALL, Self::call);
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias(format!("link {}", cx.id())).expect("it is free");
    }
}

#[test]
fn calls_are_nested_as_deep_as_they_may() {
    let mut scene = scene(|limits| limits.call_depth = 5);
    let mut next = None;
    for depth in 1..=6 {
        let link = scene.spawn(Link(next));
        next = Some(link);
        match scene.call(link, Link::CALL, ()).unwrap() {
            Ok(reached) => assert!(reached == depth && depth <= 5),
            Err(error) => {
                assert_eq!(depth, 6);
                assert!(matches!(error, CallError::TooDeep { event: "link.call", .. }));
                let message = error.to_string();
                assert!(message.contains("`link.call` of `") && message.contains("Link`"));
            }
        }
    }
}

/// Spawns one that spawns one, and so on.
struct Nest(u32);

impl Session for Nest {
    fn events(_: &mut Handlers<Self>) {}
    fn started(&mut self, cx: &mut Cx<'_>) {
        if self.0 > 1 {
            cx.spawn(Nest(self.0 - 1));
        }
    }
}

#[test]
fn spawns_in_spawns_are_as_deep_as_they_may_be_and_leave_nothing_half_made() {
    let mut scene = scene(|limits| limits.call_depth = 5);
    scene.spawn(Nest(5));
    assert_eq!((scene.stats().sessions, scene.stats().panics), (5, 0));
    assert_ends(&mut scene);
    scene.spawn(Nest(6));
    // The innermost session panicked, because it spawned one too many.
    assert_eq!((scene.stats().sessions, scene.stats().panics), (4, 1));
    assert_ends(&mut scene);
}

#[test]
fn there_are_as_many_sessions_as_there_may_be() {
    let mut scene = scene(|limits| limits.sessions = 2);
    scene.resident("a");
    let b = scene.resident("b");
    let message = scene.act(b, move |cx| panic_of(|| _ = cx.spawn(Nest(1))));
    assert!(message.ends_with("Nest` is one session too many: there may be 2"), "{message}");
    scene.act(b, stop);
    scene.spawn(Nest(1));
    assert_ends(&mut scene);
}

#[test]
fn there_are_as_many_timers_as_there_may_be() {
    let mut scene = scene(|limits| limits.timers = 2);
    let a = scene.resident("a");
    scene.act(a, |cx| {
        cx.delay(Actor::SAY, secs(1), "replaced");
        cx.delay(Actor::SING, secs(2), "two");
        cx.delay(Actor::SAY, secs(1), "one");
    });
    let message = scene.act(a, |cx| panic_of(|| cx.delay_add(Actor::SAY, secs(3), "three")));
    assert_eq!(message, "`actor.say` is one timer too many: 2");
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["a: one", "a: two", "a: stopped"]);
}

struct Plain;

impl Wheel for Plain {
    fn ready(_: &mut WheelCx<'_, '_, Self>, _: Readiness) {}
}

#[test]
fn there_are_as_many_wheels_as_there_may_be() {
    let mut scene = scene(|limits| limits.wheels = 2);
    let a = scene.resident("a");
    let mount: fn(&mut Cx<'_>) = |cx| _ = cx.mount(|_, _| Ok::<_, ()>(Plain));
    scene.act(a, mount);
    let second = scene.act(a, |cx| cx.mount(|_, _| Ok::<_, ()>(Plain)).unwrap());
    assert_eq!(
        scene.act(a, move |cx| panic_of(|| mount(cx))),
        "one wheel too many: there may be 2"
    );
    scene.act(a, move |cx| _ = second.unmount(cx));
    scene.act(a, mount);
    assert_eq!(scene.stats().wheels, 2);
}
