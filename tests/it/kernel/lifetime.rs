//! When sessions end, and in which order.

use super::{Actor, Scene, assert_empty, assert_ends, secs, stop};
use masque::reactor::{AliasError, Cx, Event, Handlers, Rig, Session, Wait};
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn a_session_that_no_event_can_reach_stops_at_the_end_of_the_turn() {
    let mut scene = Scene::new();
    let idle = scene.actor("idle");
    scene.spawn(idle);
    assert_eq!(scene.journal(), [""; 0], "not before");
    assert_eq!(scene.next_wait(), Wait::Poll);
    assert_eq!(scene.turn(), Wait::Done);
    assert_eq!(scene.journal(), ["idle: stopped"]);
    assert_empty(&scene);
}

#[test]
fn a_new_session_exists_until_its_parents_post_has_arrived() {
    let mut scene = Scene::new();
    let maker = scene.resident("maker");
    let child = scene.actor("child");
    let worker = scene.resident("worker");
    scene.act(worker, |cx| cx.delay(Actor::SAY, secs(1), "bye"));
    // The maker spawns in one turn and posts in the next.
    let spawn = Box::new(move |cx: &mut Cx<'_>| {
        let id = cx.spawn(child);
        let post = move |cx: &mut Cx<'_>| cx.post(id, Actor::SAY, "hello").unwrap();
        cx.yield_now(Actor::ACT, Box::new(post));
    });
    scene.post(maker, Actor::ACT, spawn).unwrap();
    scene.settle();
    assert_eq!(scene.journal(), ["child: hello", "child: stopped"]);
}

#[test]
fn a_parent_lives_as_long_as_its_children() {
    let mut scene = Scene::new();
    let grandchild = scene.actor("grandchild");
    let grandchild = grandchild.start(|cx| cx.delay(Actor::SAY, secs(5), "done"));
    let child = scene.actor("child").start(|cx| _ = cx.spawn(grandchild));
    let parent = scene.actor("parent").start(|cx| _ = cx.spawn(child));
    scene.spawn(parent);
    scene.run_for(secs(4));
    assert_eq!((scene.journal(), scene.stats().sessions), (vec![], 3));
    assert_ends(&mut scene);
    let order = ["grandchild: done", "grandchild: stopped", "child: stopped", "parent: stopped"];
    assert_eq!(scene.journal(), order);
}

#[test]
fn orphans_live_on() {
    let mut scene = Scene::new();
    let child = scene.actor("child").start(|cx| cx.delay(Actor::SAY, secs(5), "done"));
    let parent = scene.actor("parent").start(|cx| {
        cx.spawn(child);
        cx.stop();
    });
    scene.spawn(parent);
    assert_eq!(scene.journal(), ["parent: stopped"]);
    // A later session in the slot of the parent is not its parent.
    scene.resident("other");
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["child: done", "child: stopped", "other: stopped"]);
}

#[test]
fn a_sender_exists_until_its_message_has_arrived() {
    let mut scene = Scene::new();
    let receiver = scene.resident("receiver");
    let sender = scene.actor("sender").start(move |cx| {
        let alive = |cx: &mut Cx<'_>| assert!(cx.sender().is_some_and(|id| cx.exists(id)));
        cx.post(receiver, Actor::ACT, Box::new(alive)).unwrap();
    });
    scene.spawn(sender);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["sender: stopped", "receiver: stopped"]);
    assert_eq!((scene.stats().dispatched, scene.stats().panics), (1, 0));
}

#[test]
fn a_hold_keeps_a_session_until_the_last_clone_is_dropped() {
    let mut scene = Scene::new();
    let keeper = scene.resident("keeper");
    let guest = scene.actor("guest");
    let guest = scene.spawn(guest);
    let hold = scene.act(keeper, move |cx| cx.hold(guest).expect("it is there"));
    assert_eq!(hold.session(), guest);
    let more = (hold.clone(), scene.act(guest, |cx| cx.hold(cx.id())));
    assert_eq!(scene.stats().holds, 2, "clones share one");
    drop(hold);
    assert!(!scene.run(), "nothing will happen, and it is held");
    drop(more.0);
    assert!(!scene.run());
    drop(more.1);
    assert_eq!(scene.next_wait(), Wait::Poll, "a hold may be dropped outside a turn");
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["guest: stopped", "keeper: stopped"]);
}

#[test]
fn a_short_hold_stops_no_session() {
    let mut scene = Scene::new();
    let actor = scene.actor("a").start(|cx| {
        drop(cx.hold(cx.id()));
        cx.yield_now(Actor::SAY, "alive");
    });
    scene.spawn(actor);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["a: alive", "a: stopped"]);
}

#[test]
fn sessions_released_by_a_stopping_one_stop_before_the_idle_ones() {
    let mut scene = Scene::new();
    let guest = scene.actor("guest");
    let guest = scene.spawn(guest);
    let idle = scene.resident("idle");
    let hold = scene.act(idle, move |cx| cx.hold(guest));
    let holder = scene.actor("holder").stop(move |_| drop(hold));
    scene.spawn(holder);
    assert_eq!(scene.turn(), Wait::Done);
    assert_eq!(scene.journal(), ["holder: stopped", "guest: stopped", "idle: stopped"]);
}

#[test]
fn a_hold_may_outlive_its_session_and_its_kernel() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    let hold = scene.act(a, |cx| cx.hold(cx.id()));
    scene.act(a, stop);
    assert_eq!(scene.stats().holds, 1);
    let other = hold.clone();
    drop(hold);
    drop(scene);
    drop(other);
}

#[test]
fn stop_takes_effect_when_the_handler_returns_and_silences_the_session() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    let journal = scene.journal.clone();
    scene.act(a, move |cx| {
        cx.stop();
        cx.yield_now(Actor::SAY, "never");
        cx.delay(Actor::SAY, secs(1), "never");
        assert!(matches!(cx.alias("late"), Err(AliasError::Stopped { .. })));
        assert!(cx.hold(cx.id()).is_none());
        assert!(!cx.exists(cx.id()));
        journal.write("still running");
    });
    assert_eq!(scene.journal(), ["still running", "a: stopped"]);
    assert_empty(&scene);
    assert_eq!(scene.resolve("late"), None);
}

#[test]
fn stop_in_a_nested_call_stops_the_one_that_was_called() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let journal = scene.journal.clone();
    scene.act(a, move |cx| {
        cx.call(b, Actor::ACT, Box::new(stop)).unwrap();
        assert!(!cx.exists(b));
        assert!(cx.call(b, Actor::DOUBLE, 1).is_err());
        journal.write("a: goes on");
    });
    assert_eq!(scene.journal(), ["b: stopped", "a: goes on"]);
}

#[test]
fn a_caller_may_stop_while_it_waits_for_its_answer() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let journal = scene.journal.clone();
    scene.act(a, move |cx| {
        cx.stop();
        assert_eq!(cx.call(b, Actor::DOUBLE, 4), Ok(8));
        cx.post(b, Actor::SAY, "from the dead").unwrap();
        journal.write("a: answered");
    });
    scene.settle();
    let order = ["a: answered", "a: stopped", "b: from the dead", "b: stopped"];
    assert_eq!(scene.journal(), order);
}

#[test]
fn started_may_stop() {
    let mut scene = Scene::new();
    let brief = scene.actor("brief").start(stop);
    let id = scene.spawn(brief);
    assert_eq!(scene.journal(), ["brief: stopped"]);
    assert!(scene.post(id, Actor::SAY, "hello").is_err());
    assert_empty(&scene);
}

#[test]
fn a_session_may_make_its_own_heap() {
    let mut scene = Scene::new();
    let maker = scene.resident("maker");
    let actor = scene.actor("made").start(|cx| assert_eq!(cx.event(), "_start"));
    let made = scene.act(maker, move |cx| {
        let made = cx.spawn_with(|cx| {
            cx.delay(Actor::SAY, secs(1), "mine");
            cx.alias("made").map(|()| actor)
        });
        made.expect("the alias is free")
    });
    assert_eq!(scene.resolve("made"), Some(made));
    let actor = scene.actor("failed");
    let failed = scene.act(maker, move |cx| {
        cx.spawn_with(|cx| {
            cx.delay(Actor::SAY, secs(9), "never");
            cx.alias("made").map(|()| actor)
        })
    });
    assert!(matches!(failed, Err(AliasError::Taken { owner, .. }) if owner == made));
    assert_eq!((scene.stats().sessions, scene.stats().timers), (2, 1));
    let panicked = scene.act(maker, |cx| {
        cx.spawn_with(|cx| {
            cx.delay(Actor::SAY, secs(9), "never");
            panic!("oh") as Result<Actor, ()>
        })
    });
    assert!(scene.post(panicked.unwrap(), Actor::SAY, "never").is_err());
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["made: mine", "made: stopped", "maker: stopped"]);
}

#[test]
fn stopped_sees_what_it_has_and_what_it_sets_is_gone() {
    let mut scene = Scene::new();
    let child = scene.actor("child").start(|cx| cx.delay(Actor::SAY, secs(3), "done"));
    let other = scene.resident("other");
    let a = scene.actor("a").start(|cx| cx.delay(Actor::SAY, secs(9), "never")).stop(move |cx| {
        assert_eq!(cx.stats().timers, 1);
        cx.yield_now(Actor::SAY, "never");
        cx.delay(Actor::SAY, secs(1), "never");
        cx.post(other, Actor::SAY, "goodbye").unwrap();
        assert_eq!(cx.call(other, Actor::DOUBLE, 2), Ok(4));
        cx.spawn(child);
        cx.stop();
    });
    let a = scene.spawn(a);
    scene.act(a, stop);
    assert_ends(&mut scene);
    let order = ["a: stopped", "other: goodbye", "child: done", "child: stopped", "other: stopped"];
    assert_eq!(scene.journal(), order);
    assert_eq!(scene.stats().panics, 0);
}

#[test]
fn idle_sessions_stop_newest_first_until_one_starts_something() {
    let mut scene = Scene::new();
    let first = scene.resident("first");
    scene.resident("second");
    let third = scene.actor("third").start(|cx| cx.alias("third").unwrap());
    let third = third.stop(move |cx| cx.post(first, Actor::SAY, "wait").unwrap());
    scene.spawn(third);
    scene.resident("fourth");
    scene.turn();
    assert_eq!(scene.journal(), ["fourth: stopped", "third: stopped"]);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["first: wait", "second: stopped", "first: stopped"]);
}

#[test]
fn stop_all_ends_all_sessions_newest_first_at_the_end_of_the_turn() {
    let mut scene = Scene::new();
    for name in ["one", "two", "three"] {
        let id = scene.resident(name);
        scene.act(id, |cx| cx.delay(Actor::SAY, secs(1), "never"));
    }
    scene.post("one", Actor::ACT, Box::new(|cx: &mut Cx<'_>| cx.stop_all())).unwrap();
    scene.post("two", Actor::SAY, "in this turn").unwrap();
    let late = Box::new(|cx: &mut Cx<'_>| cx.yield_now(Actor::SAY, "never"));
    scene.post("two", Actor::ACT, late).unwrap();
    assert_eq!(scene.turn(), Wait::Done);
    let order = ["two: in this turn", "three: stopped", "two: stopped", "one: stopped"];
    assert_eq!(scene.journal(), order);
    assert_empty(&scene);
}

#[test]
fn sessions_spawned_by_stopped_at_the_end_end_too() {
    let mut scene = Scene::new();
    let heir = scene.actor("heir").start(|cx| {
        cx.yield_now(Actor::SAY, "never");
        cx.delay(Actor::SAY, secs(1), "never");
    });
    let king = scene.actor("king").start(|cx| cx.alias("king").unwrap());
    let king = scene.spawn(king.stop(|cx| _ = cx.spawn(heir)));
    scene.act(king, |cx| cx.delay(Actor::SAY, secs(1), "never"));
    scene.stop();
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["king: stopped", "heir: stopped"]);
    assert_eq!(scene.elapsed(), secs(0));
}

#[test]
fn a_kernel_can_be_used_again_after_it_has_ended() {
    let mut scene = Scene::new();
    scene.stop(); // nobody is there to be stopped, now or later
    for _ in 0..3 {
        let actor = scene.actor("a").start(|cx| {
            cx.alias("a").unwrap();
            cx.yield_now(Actor::SAY, "yield");
            cx.delay(Actor::SAY, secs(1), "delay");
        });
        scene.spawn(actor);
        assert_ends(&mut scene);
        assert_eq!(scene.journal(), ["a: yield", "a: delay", "a: stopped"]);
        scene.resident("b");
        scene.stop();
        assert_ends(&mut scene);
        assert_eq!(scene.journal(), ["b: stopped"]);
    }
    assert_eq!(scene.next_wait(), Wait::Done);
}

#[test]
fn events_without_a_receiver_do_not_stay_in_the_queue() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    for _ in 0..3 {
        scene.post(a, Actor::SAY, "never").unwrap();
    }
    scene.act(a, stop);
    assert_eq!(scene.turn(), Wait::Done);
    scene.resident("b");
    let part = Box::new(|cx: &mut Cx<'_>| {
        cx.yield_now(Actor::SAY, "never");
        cx.stop();
    });
    scene.post("b", Actor::ACT, part).unwrap();
    assert_eq!(scene.turn(), Wait::Done);
    assert_empty(&scene);
    assert_eq!(scene.stats().dead_letters, 4);
}

/// Counts its drop and panics.
struct Bomb(Rc<Cell<u32>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("a bomb was dropped");
    }
}

/// A session that has a bomb, and gets some.
struct Keeper {
    bomb: Bomb,
}

impl Keeper {
    const CATCH: Event<Bomb> = Event::new("keeper.catch");
}

impl Session for Keeper {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::CATCH, |_, _, _| unreachable!("no turn is run"));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.delay(Self::CATCH, secs(1), Bomb(self.bomb.0.clone()));
        cx.yield_now(Self::CATCH, Bomb(self.bomb.0.clone()));
    }

    fn stopped(&mut self, _: &mut Cx<'_>) {
        unreachable!("nothing stops it");
    }
}

#[test]
fn a_kernel_that_was_dropped_with_two_heaps_that_panic_ended_the_process() {
    let dropped = Rc::new(Cell::new(0));
    let mut rig = Rig::new();
    for _ in 0..2 {
        rig.spawn(Keeper { bomb: Bomb(Rc::clone(&dropped)) });
    }
    drop(rig);
    assert_eq!(dropped.get(), 6, "the heap, the timer's and the post's payload of both");
}
