//! Topics: which sessions are notified, and in which order.

use super::{Actor, Scene, assert_empty, assert_ends, secs, stop};
use masque::reactor::{Cx, Event, Handlers, Session, SessionId, Topic};
use std::cell::Cell;
use std::rc::Rc;

const NEWS: Topic<&'static str> = Topic::new("news");
const TASKS: Topic<Task> = Topic::new("tasks");

/// A message that has its watchers do something.
#[derive(Clone)]
struct Task(Rc<Act>);

type Act = dyn Fn(&str, &mut Cx<'_>);

/// Watches tasks, and runs them.
struct Watcher {
    actor: Actor,
}

impl Watcher {
    const TASK: Event<Task> = Event::new("watcher.task");
    const NEWS: Event<&'static str> = Event::new("watcher.news");

    fn task(&mut self, cx: &mut Cx<'_>, task: Task) {
        self.actor.journal.write(self.actor.name);
        task.0(self.actor.name, cx);
    }
}

impl Session for Watcher {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::TASK, Self::task)
            .on(Self::NEWS, |watcher, cx, news| watcher.actor.say(cx, news))
            .on(Actor::ACT, |_, cx, part| part(cx));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.watch(TASKS, Self::TASK);
    }
}

impl Scene {
    fn watchers<const N: usize>(&mut self, names: [&'static str; N]) -> [SessionId; N] {
        names.map(|name| {
            let watcher = Watcher { actor: self.actor(name) };
            self.spawn(watcher)
        })
    }

    /// Notifies all watchers of a task and returns their number.
    fn task(&mut self, by: SessionId, task: impl Fn(&str, &mut Cx<'_>) + 'static) -> usize {
        let task = Task(Rc::new(task));
        self.act(by, move |cx| cx.notify(TASKS, task))
    }

    fn anchor(&mut self) -> SessionId {
        let id = self.resident("anchor");
        self.act(id, |cx| cx.delay(Actor::SAY, secs(3600), "end"));
        id
    }
}

#[test]
fn ten_thousand_watchers_are_notified_in_one_turn_in_the_order_of_their_watches() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let watchers: Vec<_> = (0..10_000).map(|_| scene.watchers(["w"])[0]).collect();
    let told = Rc::new(std::cell::RefCell::new(vec![]));
    let list = Rc::clone(&told);
    assert_eq!(scene.task(anchor, move |_, cx| list.borrow_mut().push(cx.id())), 10_000);
    assert_eq!(scene.stats().queued, 1, "one place in the queue, whatever their number");
    scene.turn();
    assert_eq!(*told.borrow(), watchers);
    for watcher in watchers {
        scene.act(watcher, stop);
    }
    assert_eq!((scene.stats().watchers, scene.stats().sessions), (0, 1));
}

#[test]
fn a_notice_is_no_call_and_its_sender_is_the_notifier() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["a", "b"]);
    let journal = scene.journal.clone();
    scene.task(anchor, move |_, cx| {
        assert_eq!((cx.sender(), cx.event()), (Some(anchor), "watcher.task"));
        journal.write("told");
    });
    scene.post(anchor, Actor::SAY, "behind").unwrap();
    assert_eq!(scene.journal(), [""; 0]);
    scene.settle();
    assert_eq!(scene.journal(), ["a", "told", "b", "told", "anchor: behind"]);
}

#[test]
fn notices_from_before_the_watch_do_not_arrive() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    assert_eq!(scene.task(anchor, |_, _| ()), 0, "nobody watches");
    scene.watchers(["early"]);
    assert_eq!(scene.task(anchor, |_, _| ()), 1);
    scene.watchers(["late"]);
    scene.settle();
    assert_eq!(scene.journal(), ["early"]);
    assert_eq!(scene.task(anchor, |_, _| ()), 2);
    scene.settle();
    assert_eq!(scene.journal(), ["early", "late"]);
}

#[test]
fn a_session_that_starts_to_watch_during_a_notice_gets_the_next() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["a", "b"]);
    let child = Cell::new(Some(Watcher { actor: scene.actor("child") }));
    scene.task(anchor, move |_, cx| {
        if let Some(child) = child.take() {
            cx.spawn(child);
        }
    });
    scene.settle();
    assert_eq!(scene.journal(), ["a", "b"]);
    scene.task(anchor, |_, _| ());
    scene.settle();
    assert_eq!(scene.journal(), ["a", "b", "child"]);
}

#[test]
fn a_watcher_that_stops_or_unwatches_is_not_notified_any_more() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["stops", "stays", "leaves", "last"]);
    let go = |name: &str, cx: &mut Cx<'_>| match name {
        "stops" => cx.stop(),
        "leaves" => assert!(cx.unwatch(TASKS) && !cx.unwatch(TASKS)),
        _ => {}
    };
    assert_eq!(scene.task(anchor, go), 4);
    assert_eq!(scene.task(anchor, |_, _| ()), 4);
    scene.settle();
    assert_eq!(scene.journal(), ["stops", "stays", "leaves", "last", "stays", "last"]);
    assert_eq!((scene.stats().watchers, scene.stats().sessions), (2, 3));
}

#[test]
fn a_watcher_that_another_takes_off_during_a_notice_is_skipped() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let [_, stopped, left, _] = scene.watchers(["a", "stopped", "left", "d"]);
    scene.task(anchor, move |name, cx| {
        if name == "a" {
            cx.call(stopped, Actor::ACT, Box::new(stop)).unwrap();
            let leave = |cx: &mut Cx<'_>| _ = cx.unwatch(TASKS);
            cx.call(left, Actor::ACT, Box::new(leave)).unwrap();
        }
    });
    scene.settle();
    assert_eq!(scene.journal(), ["a", "d"]);
}

#[test]
fn a_session_that_watches_again_goes_to_the_end() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["a", "b", "c"]);
    // From now on, and not for the notice that is under way.
    scene.task(anchor, |name, cx| {
        if name == "a" {
            cx.unwatch(TASKS);
            cx.watch(TASKS, Watcher::TASK);
        }
    });
    scene.settle();
    assert_eq!(scene.journal(), ["a", "b", "c"]);
    scene.task(anchor, |_, _| ());
    scene.settle();
    assert_eq!(scene.journal(), ["b", "c", "a"]);
}

#[test]
fn a_second_watch_changes_the_event_and_keeps_the_place() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let [a, b] = [scene.resident("a"), scene.resident("b")];
    for id in [a, b] {
        scene.act(id, |cx| cx.watch(NEWS, Actor::SAY));
    }
    scene.act(a, |cx| cx.watch(NEWS, Actor::SING));
    assert_eq!(scene.act(anchor, |cx| cx.notify(NEWS, "hello")), 2);
    scene.settle();
    assert_eq!(scene.journal(), ["a: hello", "b: hello"]);
}

#[test]
fn topics_are_apart() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let [a, b, _] = scene.watchers(["a", "b", "c"]);
    scene.act(a, |cx| cx.watch(NEWS, Watcher::NEWS));
    scene.act(b, |cx| cx.watch(NEWS, Watcher::NEWS));
    scene.act(a, |cx| cx.unwatch(TASKS));
    assert_eq!(scene.act(anchor, |cx| cx.notify(NEWS, "news")), 2);
    assert_eq!(scene.task(anchor, |_, _| ()), 2);
    scene.settle();
    assert_eq!(scene.journal(), ["a: news", "b: news", "b", "c"]);
    assert_eq!(scene.stats().watchers, 4);
}

#[test]
fn watchers_that_come_and_go_keep_their_order() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let names: [&'static str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let ids = scene.watchers(names);
    let mut watching: Vec<&str> = names.into();
    let mut random = 11_usize;
    for _ in 0..500 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        let one = (random >> 33) % 8;
        let was = scene.act(ids[one], |cx| {
            let was = cx.unwatch(TASKS);
            if !was {
                cx.watch(TASKS, Watcher::TASK);
            }
            cx.alias(format!("{}", cx.id())).unwrap();
            was
        });
        watching.retain(|name| *name != names[one]);
        if !was {
            watching.push(names[one]);
        }
        assert_eq!(scene.task(anchor, |_, _| ()), watching.len());
        scene.settle();
        assert_eq!(scene.journal(), watching);
    }
}

#[test]
fn a_watch_keeps_no_session_alive() {
    let mut scene = Scene::new();
    scene.watchers(["a", "b"]);
    let anchor = scene.actor("anchor").start(|cx| cx.delay(Actor::SAY, secs(9), "done"));
    scene.spawn(anchor);
    scene.run_for(secs(8));
    assert_eq!((scene.stats().sessions, scene.stats().watchers), (3, 2));
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["anchor: done", "anchor: stopped"]);
}

#[test]
fn a_session_that_removes_its_only_watch_stops() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["a"]);
    scene.task(anchor, |_, cx| _ = cx.unwatch(TASKS));
    scene.settle();
    assert_eq!(scene.stats().sessions, 1);
}

#[test]
fn a_notice_without_remaining_watchers_is_dropped_with_its_message() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    let [a] = scene.watchers(["a"]);
    let message = Rc::new(());
    let (weak, held) = (Rc::downgrade(&message), message);
    scene.task(anchor, move |_, _| drop(Rc::clone(&held)));
    scene.act(a, stop);
    assert_eq!(weak.strong_count(), 1);
    scene.settle();
    assert_eq!((scene.journal(), weak.strong_count()), (vec![], 0));
    scene.stop();
    assert_ends(&mut scene);
}

#[test]
fn a_notice_dropped_by_the_end_drops_its_message() {
    let mut scene = Scene::new();
    let anchor = scene.anchor();
    scene.watchers(["a"]);
    let message = Rc::new(());
    let (weak, held) = (Rc::downgrade(&message), message);
    let task = Task(Rc::new(move |_, _| drop(Rc::clone(&held))));
    let end = Box::new(move |cx: &mut Cx<'_>| {
        cx.notify(TASKS, task);
        cx.stop_all();
    });
    scene.post(anchor, Actor::ACT, end).unwrap();
    scene.turn();
    assert_empty(&scene);
    assert_eq!((scene.journal(), weak.strong_count()), (vec!["anchor: stopped".into()], 0));
}
