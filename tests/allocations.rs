//! No allocation for what a kernel does all day, once it is warm.
//!
//! In a program of its own, for counting replaces the allocator.
#![forbid(unsafe_code)]

use masque::reactor::{Cx, Event, Handlers, Postback, Rig, Session, SessionId, Shift, Topic};
use std::time::Duration;

const NUMBERS: Topic<u64> = Topic::new("numbers");
const SECOND: Duration = Duration::from_secs(1);

/// Has a name, a friend to talk to, and a postback that goes there.
struct Talker {
    friend: Option<SessionId>,
    postback: Option<Postback<u64>>,
    sum: u64,
}

impl Talker {
    const ADD: Event<u64> = Event::new("talker.add");
    const SUM: Event<(), u64> = Event::new("talker.sum");
    const POSTBACK: Event<(), Postback<u64>> = Event::new("talker.postback");
    const MEET: Event<Postback<u64>> = Event::new("talker.meet");
    const DO: Event<Verb> = Event::new("talker.do");
}

/// What a talker does in a handler.
type Verb = fn(&mut Talker, &mut Cx<'_>);

impl Session for Talker {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ADD, |talker, _, number| talker.sum += number)
            .on(Self::SUM, |talker, _, ()| talker.sum)
            .on(Self::POSTBACK, |_, cx, ()| cx.postback(Self::ADD))
            .on(Self::MEET, |talker, _, postback| talker.postback = Some(postback))
            .on(Self::DO, |talker, cx, verb| verb(talker, cx));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        match self.friend {
            Some(_) => cx.alias("talker").expect("it is free"),
            None => cx.watch(NUMBERS, Self::ADD),
        }
        // Keeps the kernel going, and there are other timers to be sorted among.
        for number in 0..100 {
            cx.delay_add(Self::ADD, SECOND * (1000 + number), 0);
        }
    }
}

/// Does `verb` a hundred times, and again a hundred times while it counts.
#[track_caller]
fn check(what: &str, verb: Verb) {
    let mut rig = Rig::new();
    let friends: Vec<_> =
        (0..50).map(|_| rig.spawn(Talker { friend: None, postback: None, sum: 0 })).collect();
    let talker = rig.spawn(Talker { friend: Some(friends[0]), postback: None, sum: 0 });
    let postback = rig.call(friends[0], Talker::POSTBACK, ()).expect("it is there");
    rig.call(talker, Talker::MEET, postback).expect("it is there");
    let mut hundred = || {
        for _ in 0..100 {
            rig.call(talker, Talker::DO, verb).expect("it is there");
            rig.post("talker", Talker::DO, verb).expect("it is there");
            rig.run_for(Duration::from_millis(10));
        }
    };
    hundred();
    let counted = allocation_counter::measure(hundred);
    assert_eq!((counted.count_total, counted.count_current), (0, 0), "for {what}");
    assert!(rig.stats().panics == 0 && rig.stats().dispatched >= 200, "{:?}", rig.stats());
}

#[test]
fn nothing_is_allocated_once_warm() {
    check("a post", |talker, cx| {
        let friend = talker.friend.expect("it has one");
        cx.post(friend, Talker::ADD, 1).expect("it is there");
    });
    check("a post to an alias", |_, cx| cx.post("talker", Talker::ADD, 1).expect("it is there"));
    check("a yield", |_, cx| cx.yield_now(Talker::ADD, 1));
    check("a call", |talker, cx| {
        let friend = talker.friend.expect("it has one");
        cx.call(friend, Talker::SUM, ()).expect("it is there");
    });
    check("a notice to fifty", |_, cx| assert_eq!(cx.notify(NUMBERS, 1), 50));
    check("a post through a postback", |talker, cx| {
        let postback = talker.postback.as_ref().expect("it was given one");
        postback.post(cx, 1).expect("it is there");
    });
    check("a clone of a postback", |talker, _| drop(talker.postback.clone()));
}

#[test]
fn timers_allocate_nothing_once_warm() {
    check("a timer that fires", |_, cx| cx.delay_add(Talker::ADD, Duration::ZERO, 1));
    check("a timer that is replaced", |_, cx| cx.delay(Talker::ADD, SECOND, 1));
    check("a timer that is cleared", |_, cx| {
        cx.delay_add(Talker::ADD, SECOND, 1);
        assert!(cx.delay_clear(Talker::ADD));
    });
    check("a timer that is adjusted and removed", |_, cx| {
        let id = cx.delay_set(Talker::ADD, SECOND, 1);
        cx.delay_adjust(id, SECOND * 9).expect("it is set");
        cx.alarm_adjust(id, Shift::Later(SECOND)).expect("it is set");
        assert_eq!(cx.alarm_remove(id).expect("it is set").payload, 1);
    });
}

#[test]
fn watches_allocate_nothing_once_warm() {
    check("a watch that comes and goes", |_, cx| {
        cx.watch(NUMBERS, Talker::ADD);
        assert!(cx.unwatch(NUMBERS));
    });
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1_u64))));
    assert_eq!(counted.count_total, 1);
}
