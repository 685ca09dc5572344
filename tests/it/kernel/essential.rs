//! Sessions that the program cannot do without: their panic ends the kernel.

use super::{Actor, Scene, assert_empty, assert_ends, secs};
use masque::reactor::{Cx, Event, Handlers, Reactor, RunError, Session, Wait};

#[test]
fn a_panic_of_an_essential_session_left_the_others_running_without_it() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(b, move |cx| cx.mark_essential(a));
    assert_eq!(scene.failure(), None);
    scene.post(a, Actor::PANIC, "oh").unwrap();
    scene.post(b, Actor::PANIC, "a later panic").unwrap();
    assert_eq!(scene.turn(), Wait::Done);
    assert_empty(&scene);
    let failure = scene.failure().expect("the kernel has failed").to_string();
    assert!(
        failure
            .ends_with("Actor` (session 0.0), which is essential, panicked in `actor.panic`: oh")
    );
    let Some(RunError::Panicked { id, event: "actor.panic", message, .. }) = scene.failure() else {
        panic!("{failure}")
    };
    assert_eq!((*id, &**message), (a, "oh"));
}

#[test]
fn the_other_sessions_are_stopped_in_good_order() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, move |cx| cx.mark_essential(a));
    scene.post(b, Actor::SAY, "served to the end of the turn").unwrap();
    scene.call(a, Actor::PANIC, "oh").unwrap_err();
    assert_eq!(scene.turn(), Wait::Done);
    assert_eq!(scene.journal(), ["b: served to the end of the turn", "b: stopped"]);
}

#[test]
fn a_panic_of_another_session_is_no_failure() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, move |cx| cx.mark_essential(a));
    scene.act(a, |cx| cx.delay(Actor::SAY, secs(1), "served on"));
    scene.post(b, Actor::PANIC, "oh").unwrap();
    scene.turn();
    assert_eq!((scene.failure(), scene.stats().sessions), (None, 1));
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["a: served on", "a: stopped"]);
}

#[test]
fn an_essential_session_may_end_by_itself() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, move |cx| {
        cx.mark_essential(a);
        cx.stop();
    });
    scene.act(b, |cx| cx.delay(Actor::SAY, secs(1), "served on"));
    assert_ends(&mut scene);
    assert_eq!(scene.failure(), None);
    assert_eq!(scene.journal(), ["a: stopped", "b: served on", "b: stopped"]);
}

#[test]
fn a_session_that_is_gone_when_it_is_marked_is_a_failure() {
    let mut scene = Scene::new();
    let a = scene.actor("a").start(|_| panic!("oh"));
    let a = scene.spawn(a);
    let b = scene.resident("b");
    scene.act(b, move |cx| cx.mark_essential(a));
    assert_eq!(scene.turn(), Wait::Done);
    assert_eq!(scene.failure(), Some(&RunError::Ended { id: a }));
    let told = "session 0.0 ended before it was marked as essential";
    assert_eq!(RunError::Ended { id: a }.to_string(), told);
}

#[test]
fn an_essential_session_that_panics_as_it_starts_or_stops_is_a_failure() {
    for at_start in [true, false] {
        let mut scene = Scene::new();
        scene.resident("b");
        let actor = scene.actor("a").start(move |cx| {
            cx.mark_essential(cx.id());
            assert!(!at_start, "oh");
        });
        scene.spawn(actor.stop(|_| panic!("oh")));
        assert_ends(&mut scene);
        let event = if at_start { "`_start`: oh" } else { "`_stop`: oh" };
        let failure = scene.failure().expect("the kernel has failed").to_string();
        assert!(failure.ends_with(event), "{failure}");
    }
}

#[test]
fn a_reactor_returns_the_error_and_can_run_again() {
    let mut reactor = Reactor::new().expect("the system has a poll");
    let scene = Scene::new();
    for _ in 0..2 {
        let actor = scene.actor("a").start(|cx| {
            cx.mark_essential(cx.id());
            panic!("oh");
        });
        reactor.spawn(actor);
        let error = reactor.run().expect_err("an essential session panicked");
        assert!(error.to_string().ends_with("panicked in `_start`: oh"), "{error}");
        assert!(error.into_inner().is_some_and(|inner| inner.downcast::<RunError>().is_ok()));
        reactor.spawn(scene.actor("b").start(|cx| cx.yield_now(Actor::SAY, "served")));
        reactor.run().expect("nothing has panicked since");
        assert_eq!(scene.journal(), ["b: served", "b: stopped"]);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb was dropped");
    }
}

/// A session that gets bombs.
struct Bomber;

impl Bomber {
    const CATCH: Event<Bomb> = Event::new("bomber.catch");
    const CLEAR: Event<()> = Event::new("bomber.clear");
}

impl Session for Bomber {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CATCH, |_, _, bomb| std::mem::forget(bomb)).on(Self::CLEAR, |_, cx, ()| {
            cx.delay_clear(Self::CATCH);
        });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.mark_essential(cx.id());
        cx.delay(Self::CATCH, secs(60), Bomb);
    }
}

#[test]
fn a_panic_that_does_not_end_an_essential_session_is_no_failure() {
    let mut scene = Scene::new();
    let bomber = scene.spawn(Bomber);
    scene.call(bomber, Bomber::CLEAR, ()).unwrap();
    scene.turn();
    assert_eq!((scene.stats().panics, scene.failure()), (1, None));
}
