//! Posts, yields, calls, default handlers and postbacks.

use super::{Actor, Journal, Scene, assert_ends, secs, stop};
use masque::reactor::{CallError, Cx, Event, Handlers, PostError, Session, Unhandled};

#[test]
fn a_yield_and_a_post_to_itself_behave_alike() {
    struct Counter {
        by_yield: bool,
        rounds: u32,
        journal: Journal,
    }
    impl Counter {
        const COUNT: Event<()> = Event::new("counter.count");

        fn count(&mut self, cx: &mut Cx<'_>, (): ()) {
            assert_eq!(cx.sender(), Some(cx.id()));
            self.rounds += 1;
            if self.rounds < 5 {
                self.again(cx);
            }
        }
        fn again(&self, cx: &mut Cx<'_>) {
            if self.by_yield {
                cx.yield_now(Self::COUNT, ());
            } else {
                cx.post(cx.id(), Self::COUNT, ()).expect("it handles that");
            }
        }
    }
    impl Session for Counter {
        fn events(on: &mut Handlers<Self>) {
            on.on(Self::COUNT, Self::count);
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            self.again(cx);
        }
        fn stopped(&mut self, _: &mut Cx<'_>) {
            self.journal.write(format!("{} rounds", self.rounds));
        }
    }

    let mut scene = Scene::new();
    for number in 0..10 {
        let journal = scene.journal.clone();
        scene.spawn(Counter { by_yield: number % 2 == 0, rounds: 0, journal });
    }
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["5 rounds"; 10]);
    assert_eq!(scene.stats().dispatched, 50);
}

#[test]
fn posts_arrive_first_in_first_out_for_all_receivers() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.post(a, Actor::SAY, "1").unwrap();
    scene.post(b, Actor::SAY, "2").unwrap();
    scene.act(a, |cx| cx.yield_now(Actor::SAY, "3"));
    scene.post("b", Actor::SING, "4").unwrap();
    scene.post(&String::from("a"), Actor::SING, "5").unwrap();
    assert_eq!(scene.journal(), [""; 0]);
    assert_ends(&mut scene);
    let said = ["a: 1", "b: 2", "a: 3", "b: 4", "a: 5", "b: stopped", "a: stopped"];
    assert_eq!(scene.journal(), said);
}

#[test]
fn a_call_answers_at_once_before_anything_that_is_queued() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.post(b, Actor::SAY, "later").unwrap();
    assert_eq!(scene.call(b, Actor::DOUBLE, 21), Ok(42));
    let journal = scene.journal.clone();
    scene.act(a, move |cx| {
        cx.call(b, Actor::SAY, "now").unwrap();
        let doubled = cx.call("b", Actor::DOUBLE, 4).unwrap();
        journal.write(format!("a: got {doubled}"));
    });
    assert_ends(&mut scene);
    let said = ["b: now", "a: got 8", "b: later", "b: stopped", "a: stopped"];
    assert_eq!(scene.journal(), said);
}

#[test]
fn a_handler_sees_who_sent_what() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.post(a, Actor::LOOK, ()).unwrap();
    scene.act(a, |cx| cx.yield_now(Actor::LOOK, ()));
    scene.act(a, |cx| cx.delay(Actor::LOOK, secs(1), ()));
    scene.act(a, move |cx| cx.post(b, Actor::LOOK, ()).unwrap());
    scene.act(a, move |cx| cx.call(b, Actor::LOOK, ()).unwrap());
    let postback = scene.act(b, |cx| cx.postback(Actor::LOOK));
    scene.act(a, move |cx| postback.post(cx, ()).unwrap());
    assert_ends(&mut scene);
    let look = "actor.look from";
    let said = [
        format!("b: {look} another"),
        format!("a: {look} outside"),
        format!("a: {look} itself"),
        format!("b: {look} another"),
        format!("b: {look} another"),
        format!("a: {look} itself"),
        "b: stopped".into(),
        "a: stopped".into(),
    ];
    assert_eq!(scene.journal(), said);
}

#[test]
fn started_and_stopped_know_the_session_and_its_parent() {
    let mut scene = Scene::new();
    let journal = scene.journal.clone();
    let look = move |cx: &mut Cx<'_>, parent| {
        assert_eq!(cx.sender(), parent);
        journal.write(cx.event());
    };
    let (child_look, parent_look) = (look.clone(), look);
    let child = scene.actor("child");
    let parent = scene.actor("parent").start(move |cx| {
        parent_look(cx, None);
        let (me, at_stop) = (cx.id(), child_look.clone());
        let child = child.start(move |cx| child_look(cx, Some(me)));
        cx.spawn(child.stop(move |cx| at_stop(cx, Some(me))));
    });
    scene.spawn(parent);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["_start", "_start", "child: stopped", "_stop", "parent: stopped"]);
}

#[test]
fn an_event_without_a_handler_goes_to_the_default_one() {
    const KNOWN: Event<()> = Event::new("catcher.known");
    const ODD: Event<u64> = Event::new("catcher.odd");
    const QUERY: Event<(), u8> = Event::new("catcher.query");

    struct Catcher(Journal);
    impl Session for Catcher {
        fn events(on: &mut Handlers<Self>) {
            on.on(KNOWN, |catcher, _, ()| catcher.0.write("known")).default(Self::unhandled);
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.alias("catcher").expect("it is free");
            cx.yield_now(ODD, 1);
        }
    }
    impl Catcher {
        fn unhandled(&mut self, cx: &mut Cx<'_>, it: Unhandled) {
            let payload = it.payload.downcast::<u64>().expect("only that is posted");
            self.0.write(format!("{} got {} {payload}", cx.event(), it.event));
        }
    }

    let mut scene = Scene::new();
    let catcher = Catcher(scene.journal.clone());
    let catcher = scene.spawn(catcher);
    scene.post(catcher, ODD, 2).unwrap();
    scene.post("catcher", KNOWN, ()).unwrap();
    // No handler can reply, and the types of known events are still checked.
    let refused = scene.call(catcher, QUERY, ()).unwrap_err();
    assert!(matches!(refused, CallError::Undeliverable(PostError::NoHandler { .. })));
    let wrong = scene.post(catcher, Event::<u8>::new("catcher.known"), 1).unwrap_err();
    assert!(matches!(wrong, PostError::WrongType { .. }));
    assert_ends(&mut scene);
    let got = ["_default got catcher.odd 1", "_default got catcher.odd 2", "known"];
    assert_eq!(scene.journal(), got);
}

#[test]
fn a_postback_posts_through_the_queue_and_holds_its_session() {
    let mut scene = Scene::new();
    let client = scene.actor("client");
    let client = scene.spawn(client);
    let postback = scene.act(client, |cx| cx.postback(Actor::SAY));
    let server = scene.resident("server");
    scene.run_for(secs(3600));
    assert_eq!((scene.journal(), scene.stats().holds), (vec![], 1));

    let other = postback.clone();
    let journal = scene.journal.clone();
    scene.act(server, move |cx| {
        other.post(cx, "hello").unwrap();
        journal.write("server: posted");
    });
    scene.settle();
    assert_eq!(scene.journal(), ["server: posted", "client: hello"]);

    drop(postback);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["client: stopped", "server: stopped"]);
}

#[test]
fn a_postback_to_a_stopped_session_is_an_error() {
    let mut scene = Scene::new();
    let client = scene.resident("client");
    let postback = scene.act(client, |cx| cx.postback(Actor::SAY));
    scene.act(client, stop);
    let other = scene.resident("other");
    let error = scene.act(other, move |cx| postback.post(cx, "hello").unwrap_err());
    assert_eq!(error.to_string(), format!("no {client} for `actor.say`"));
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["client: stopped", "other: stopped"]);
}

#[test]
fn a_post_that_arrives_too_late_is_a_dead_letter() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, move |cx| cx.post(b, Actor::SAY, "from a").unwrap());
    scene.post(a, Actor::SAY, "to a").unwrap();
    scene.act(a, stop);
    assert_ends(&mut scene);
    // What a stopped session had sent still arrives.
    assert_eq!(scene.journal(), ["a: stopped", "b: from a", "b: stopped"]);
    assert_eq!((scene.stats().dispatched, scene.stats().dead_letters), (1, 1));
}

#[test]
fn every_refusal_names_session_and_event() {
    struct Deaf;
    impl Session for Deaf {
        fn events(on: &mut Handlers<Self>) {
            on.on(Event::<u8>::new("deaf.knock"), |_, _, _| ());
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.alias("deaf").expect("it is free");
        }
    }
    let mut scene = Scene::new();
    let deaf = scene.spawn(Deaf);
    let gone = scene.resident("gone");
    scene.act(gone, stop);

    let knock = Event::<u8>::new("deaf.knock");
    let name = std::any::type_name::<Deaf>();
    let rows = [
        (scene.post("nobody", knock, 1), "no session `nobody` for `deaf.knock`".into()),
        (scene.post(gone, knock, 1), format!("no {gone} for `deaf.knock`")),
        (
            scene.post(deaf, Event::<u8>::new("deaf.ring"), 1),
            format!("`{name}` has no handler for `deaf.ring`"),
        ),
        (
            scene.post(deaf, Event::<i8>::new("deaf.knock"), 1),
            format!("`{name}` handles `deaf.knock` as (u8, ()), not as (i8, ())"),
        ),
    ];
    for (refused, message) in rows {
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(CallError::from(error).to_string(), message);
    }
    let wrong = scene.call(deaf, Event::<u8, u8>::new("deaf.knock"), 1).unwrap_err();
    let message = format!("`{name}` handles `deaf.knock` as (u8, ()), not as (u8, u8)");
    assert_eq!(wrong.to_string(), message);
}

#[test]
fn a_session_that_is_running_is_busy() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let busy = |error: CallError| {
        assert!(matches!(error, CallError::Busy { event: "actor.double", .. }));
        assert!(error.to_string().contains("`actor.double`"), "{error}");
        assert!(error.to_string().contains("Actor`"), "{error}");
    };
    scene.act(a, move |cx| busy(cx.call(cx.id(), Actor::DOUBLE, 1).unwrap_err()));
    scene.act(a, move |cx| {
        let back = move |cx: &mut Cx<'_>| busy(cx.call(a, Actor::DOUBLE, 1).unwrap_err());
        cx.call(b, Actor::ACT, Box::new(back)).unwrap();
    });
    // In `started` it is running as well.
    let child = scene.actor("child");
    scene.act(a, move |cx| {
        cx.spawn(child.start(move |cx| busy(cx.call(a, Actor::DOUBLE, 1).unwrap_err())));
    });
    assert_eq!(scene.call(a, Actor::DOUBLE, 1), Ok(2));
}

#[test]
fn a_payload_that_owns_something_is_dropped_in_the_handler() {
    struct Wheel(Journal);
    impl Drop for Wheel {
        fn drop(&mut self) {
            self.0.write("dropped");
        }
    }
    const TAKE: Event<Wheel> = Event::new("taker.take");
    struct Taker(Journal);
    impl Session for Taker {
        fn events(on: &mut Handlers<Self>) {
            on.on(TAKE, |taker, _, _wheel| taker.0.write("taken"));
        }
        fn stopped(&mut self, _: &mut Cx<'_>) {
            self.0.write("stopped");
        }
    }
    let mut scene = Scene::new();
    let journal = scene.journal.clone();
    let taker = scene.spawn(Taker(journal.clone()));
    scene.post(taker, TAKE, Wheel(journal)).unwrap();
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["taken", "dropped", "stopped"]);
}
