//! Delays and alarms, by name and by id.

use super::{Actor, Scene, assert_ends, ms, secs};
use masque::reactor::{Cx, Event, Handlers, Removed, Session, SessionId, Shift, TimerError};
use std::time::{Duration, Instant};

/// What an actor says when it begins with `start`, and when.
#[track_caller]
fn check<const N: usize>(start: impl FnOnce(&mut Cx<'_>) + 'static, expected: [&str; N]) {
    let mut scene = Scene::new();
    let actor = scene.actor("a").start(start);
    scene.spawn(actor);
    let mut said = vec![];
    while let Some(due) = scene.settle() {
        let elapsed = scene.elapsed();
        said.extend(scene.journal().iter().map(|line| format!("{elapsed:?} {line}")));
        let rest = due - scene.now();
        scene.run_for(rest);
    }
    let elapsed = scene.elapsed();
    said.extend(scene.journal().iter().map(|line| format!("{elapsed:?} {line}")));
    assert_eq!(said.pop().as_deref(), Some(&*format!("{elapsed:?} a: stopped")));
    assert_eq!(said, expected);
    super::assert_empty(&scene);
}

fn past(cx: &Cx<'_>, by: Duration) -> Instant {
    cx.now().checked_sub(by).expect("the system has run for longer")
}

fn at(cx: &Cx<'_>, seconds: u64) -> Instant {
    cx.now() + secs(seconds)
}

#[test]
fn an_alarm_fires_once_with_its_payload() {
    check(|cx| cx.alarm(Actor::SAY, at(cx, 5), "one"), ["5s a: one"]);
    check(|cx| cx.delay(Actor::SAY, secs(5), "one"), ["5s a: one"]);
    check(|cx| cx.delay(Actor::SAY, secs(0), "one"), ["0ns a: one"]);
}

#[test]
fn the_second_of_a_name_replaces_the_first() {
    check(
        |cx| {
            cx.alarm(Actor::SAY, at(cx, 1), "one");
            cx.alarm(Actor::SAY, at(cx, 2), "two");
        },
        ["2s a: two"],
    );
    check(
        |cx| {
            cx.delay(Actor::SAY, secs(1), "one");
            cx.delay(Actor::SAY, secs(2), "two");
        },
        ["2s a: two"],
    );
}

#[test]
fn added_timers_coexist_and_equal_ones_fire_in_the_order_of_setting() {
    check(
        |cx| {
            cx.alarm_add(Actor::SAY, at(cx, 1), "one");
            cx.alarm_add(Actor::SAY, at(cx, 1), "two");
            cx.delay_add(Actor::SAY, secs(1), "three");
            cx.delay_add(Actor::SING, secs(1), "four");
            cx.delay_add(Actor::SAY, secs(1), "five");
        },
        ["1s a: one", "1s a: two", "1s a: three", "1s a: four", "1s a: five"],
    );
}

#[test]
fn a_named_set_clears_all_of_its_name_and_no_other() {
    check(
        |cx| {
            cx.delay(Actor::SING, secs(1), "another name");
            cx.alarm(Actor::SAY, at(cx, 1), "one");
            cx.alarm_add(Actor::SAY, at(cx, 1), "two");
            cx.delay_set(Actor::SAY, secs(1), "by id");
            cx.alarm(Actor::SAY, at(cx, 1), "three");
            cx.alarm_add(Actor::SAY, at(cx, 1), "four");
        },
        ["1s a: another name", "1s a: three", "1s a: four"],
    );
}

#[test]
fn the_two_families_share_their_names() {
    check(
        |cx| {
            cx.alarm(Actor::SAY, at(cx, 1), "alarm");
            assert!(cx.delay_clear(Actor::SAY));
            assert!(!cx.delay_clear(Actor::SAY));
            cx.delay(Actor::SING, secs(1), "delay");
            cx.alarm(Actor::SING, at(cx, 2), "alarm");
        },
        ["2s a: alarm"],
    );
}

#[test]
fn clearing_touches_no_post_of_that_name() {
    check(
        |cx| {
            cx.yield_now(Actor::SAY, "posted");
            cx.delay(Actor::SAY, secs(1), "timed");
            assert!(cx.delay_clear(Actor::SAY));
        },
        ["0ns a: posted"],
    );
}

#[test]
fn an_alarm_in_the_past_is_due_now() {
    check(
        |cx| {
            let (three, two) = (past(cx, secs(3)), past(cx, secs(2)));
            cx.alarm(Actor::SAY, two, "cleared");
            cx.alarm(Actor::SAY, three, "one");
            cx.alarm_add(Actor::SAY, two, "two");
            cx.alarm_add(Actor::SAY, cx.now(), "three");
            cx.delay_add(Actor::SAY, ms(1), "four");
        },
        ["0ns a: one", "0ns a: two", "0ns a: three", "1ms a: four"],
    );
}

#[test]
fn overdue_alarms_fired_in_the_order_of_setting_and_not_of_due_time() {
    check(
        |cx| {
            cx.delay_add(Actor::SAY, ms(0), "now");
            cx.alarm_add(Actor::SAY, past(cx, secs(5)), "past 5");
            cx.alarm_add(Actor::SAY, past(cx, secs(15)), "past 15");
            let adjusted = cx.delay_set(Actor::SAY, secs(1), "past 10");
            assert_eq!(cx.alarm_adjust(adjusted, Shift::Earlier(secs(11))), Ok(cx.now()));
            let removed = cx.alarm_set(Actor::SAY, past(cx, secs(20)), "removed");
            cx.alarm_add(Actor::SAY, past(cx, secs(5)), "past 5 again");
            assert_eq!(cx.alarm_remove(removed).map(|removed| removed.due), Ok(cx.now()));
        },
        ["0ns a: past 15", "0ns a: past 10", "0ns a: past 5", "0ns a: past 5 again", "0ns a: now"],
    );
}

#[test]
fn an_alarm_that_is_overdue_when_set_fires_after_all_alarms_of_the_turn() {
    let mut scene = Scene::new();
    let first: fn(&mut Cx<'_>) = |cx| cx.alarm(Actor::SAY, past(cx, secs(9)), "overdue");
    let a = scene.actor("a").start(move |cx| cx.delay(Actor::ACT, ms(1), Box::new(first)));
    let b = scene.actor("b").start(|cx| cx.delay(Actor::SAY, ms(1), "in time"));
    scene.spawn(a);
    scene.spawn(b);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["b: in time", "b: stopped", "a: overdue", "a: stopped"]);
}

#[test]
fn due_timers_fire_before_posts() {
    check(
        |cx| {
            cx.yield_now(Actor::SAY, "yield 1");
            cx.alarm_add(Actor::SAY, cx.now(), "alarm");
            cx.delay_add(Actor::SAY, secs(0), "delay");
            cx.yield_now(Actor::SAY, "yield 2");
        },
        ["0ns a: alarm", "0ns a: delay", "0ns a: yield 1", "0ns a: yield 2"],
    );
}

#[test]
fn timers_among_six_hundred_others_fire_in_order() {
    const WORDS: [&str; 19] = [
        "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15",
        "16", "17", "18", "19",
    ];
    const ORDER: [&str; 19] = [
        "0ns a: 01",
        "100ms a: 02",
        "200ms a: 03",
        "300ms a: 04",
        "400ms a: 05",
        "500ms a: 06",
        "600ms a: 07",
        "700ms a: 08",
        "800ms a: 09",
        "900ms a: 10",
        "1s a: 11",
        "1.1s a: 12",
        "1.2s a: 13",
        "1.3s a: 14",
        "1.4s a: 15",
        "1.5s a: 16",
        "1.6s a: 17",
        "1.7s a: 18",
        "1.8s a: 19",
    ];
    check(
        |cx| {
            let mut random = 3_u64;
            for _ in 0..600 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                cx.delay_add(Actor::SING, ms(random >> 50), "filler");
            }
            for number in [4, 18, 0, 9, 13, 1, 6, 17, 2, 11, 8, 15, 3, 12, 7, 16, 5, 14, 10_usize] {
                cx.delay_add(Actor::SAY, ms(100 * number as u64), WORDS[number]);
            }
            assert!(cx.delay_clear(Actor::SING));
            assert_eq!(cx.stats().timers, 19);
        },
        ORDER,
    );
}

#[test]
fn adjusted_timers_go_before_and_behind_their_equals() {
    for fillers in [0, 100] {
        check(
            move |cx| {
                for _ in 0..fillers {
                    cx.delay_add(Actor::SING, secs(1), "filler");
                }
                let same = at(cx, 9);
                let later = cx.alarm_set(Actor::SAY, same, "later");
                let behind = cx.alarm_set(Actor::SAY, same, "behind");
                cx.alarm_set(Actor::SAY, same, "untouched");
                let stays = cx.alarm_set(Actor::SAY, same, "stays");
                let earlier = cx.alarm_set(Actor::SAY, same, "earlier");
                cx.delay_clear(Actor::SING);
                let before = at(cx, 8) + ms(990);
                let adjust = |cx: &mut Cx<'_>, id, by| cx.alarm_adjust(id, by).unwrap() - same;
                assert_eq!(cx.alarm_adjust(earlier, Shift::Earlier(ms(10))), Ok(before));
                assert_eq!(adjust(cx, later, Shift::Later(ms(10))), ms(10));
                assert_eq!(adjust(cx, stays, Shift::Later(ms(0))), ms(0));
                adjust(cx, behind, Shift::Later(ms(10)));
                cx.alarm_adjust(behind, Shift::Earlier(ms(10))).unwrap();
            },
            [
                "8.99s a: earlier",
                "9s a: untouched",
                "9s a: stays",
                "9s a: behind",
                "9.01s a: later",
            ],
        );
    }
}

#[test]
fn a_delay_is_adjusted_from_now_and_an_alarm_from_when_it_was_due() {
    check(
        |cx| {
            let alarm = cx.alarm_set(Actor::SAY, at(cx, 10), "alarm");
            let delay = cx.delay_set(Actor::SING, secs(10), "delay");
            assert_eq!(cx.alarm_adjust(alarm, Shift::Earlier(secs(9))), Ok(at(cx, 1)));
            assert_eq!(cx.delay_adjust(delay, secs(1)), Ok(at(cx, 1)));
        },
        ["1s a: alarm", "1s a: delay"],
    );
    check(
        |cx| {
            let alarm = cx.alarm_set(Actor::SAY, at(cx, 50), "alarm");
            assert_eq!(cx.alarm_adjust(alarm, Shift::Earlier(secs(1))), Ok(at(cx, 49)));
            assert_eq!(cx.alarm_adjust(alarm, Shift::Later(secs(1))), Ok(at(cx, 50)));
            // At the earliest at once.
            assert_eq!(cx.alarm_adjust(alarm, Shift::Earlier(secs(99))), Ok(cx.now()));
        },
        ["0ns a: alarm"],
    );
}

#[test]
fn a_removed_timer_returns_its_event_time_and_payload() {
    check(
        |cx| {
            let alarm = cx.alarm_set(Actor::SAY, at(cx, 5), "never");
            let delay = cx.delay_set(Actor::SING, secs(3), "never");
            cx.delay_add(Actor::SING, secs(4), "this one");
            let removed = Removed { event: "actor.say", due: at(cx, 5), payload: "never" };
            assert_eq!(cx.alarm_remove(alarm), Ok(removed));
            assert_eq!(cx.alarm_remove(alarm), Err(TimerError::Gone));
            assert_eq!(cx.alarm_adjust(alarm, Shift::Later(secs(1))), Err(TimerError::Gone));
            let removed = cx.alarm_remove(delay).unwrap();
            assert_eq!((removed.event, removed.due), ("actor.sing", at(cx, 3)));
        },
        ["4s a: this one"],
    );
}

#[test]
fn all_timers_are_removed_at_once() {
    check(
        |cx| {
            cx.delay(Actor::SAY, secs(1), "never");
            cx.delay_add(Actor::SAY, secs(1), "never");
            cx.delay(Actor::SING, secs(1), "never");
            assert_eq!((cx.alarm_remove_all(), cx.alarm_remove_all()), (3, 0));
        },
        [],
    );
}

#[test]
fn a_timer_is_its_sessions_own() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    let timer = scene.act(a, |cx| cx.delay_set(Actor::SAY, secs(1), "mine"));
    let refused = scene.act(b, move |cx| {
        cx.delay(Actor::SAY, secs(2), "b's");
        cx.delay_clear(Actor::SING);
        cx.delay_adjust(timer, secs(9)).unwrap_err()
    });
    assert_eq!(refused.to_string(), "the timer belongs to another session");
    scene.run_for(secs(1));
    assert_eq!(scene.journal(), ["a: mine"]);
    let gone = scene.act(a, move |cx| cx.delay_adjust(timer, secs(9)).unwrap_err());
    assert_eq!(gone.to_string(), "the timer has fired or was removed");
    // A later timer in the same slot is another one.
    scene.act(a, |cx| cx.delay(Actor::SAY, secs(5), "new"));
    assert_eq!(scene.act(a, move |cx| cx.alarm_remove(timer)), Err(TimerError::Gone));
}

#[test]
fn a_timer_cleared_while_it_is_due_does_not_fire() {
    let mut scene = Scene::new();
    let clear: fn(&mut Cx<'_>) = |cx| {
        assert!(cx.delay_clear(Actor::SAY));
    };
    let actor = scene.actor("a").start(move |cx| {
        cx.delay(Actor::ACT, secs(1), Box::new(clear));
        cx.delay(Actor::SAY, secs(1), "never");
        cx.delay(Actor::SING, secs(1), "still");
    });
    scene.spawn(actor);
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["a: still", "a: stopped"]);
}

#[test]
fn a_session_that_sets_overdue_timers_forever_does_not_starve_others() {
    const GREEDY: Event<Instant> = Event::new("greedy.more");
    struct Greedy;
    impl Session for Greedy {
        fn events(on: &mut Handlers<Self>) {
            on.on(GREEDY, |_, cx, long_ago| cx.alarm(GREEDY, long_ago, long_ago));
        }
        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.yield_now(GREEDY, cx.now());
        }
    }
    let mut scene = Scene::new();
    scene.spawn(Greedy);
    let other = scene.actor("other").start(|cx| cx.delay(Actor::SAY, ms(10), "my turn"));
    scene.spawn(other);
    let start = scene.now();
    for milliseconds in 0..20 {
        scene.turn_at(start + ms(milliseconds));
    }
    assert_eq!(scene.journal(), ["other: my turn", "other: stopped"]);
}

#[test]
fn timers_set_in_a_turn_wait_for_the_next() {
    let mut scene = Scene::new();
    let first: fn(&mut Cx<'_>) = |cx| cx.delay(Actor::SAY, ms(0), "next turn");
    let actor = scene.actor("a").start(move |cx| cx.delay(Actor::ACT, ms(0), Box::new(first)));
    scene.spawn(actor);
    scene.turn();
    assert_eq!(scene.journal(), [""; 0]);
    scene.turn();
    assert_eq!(scene.journal(), ["a: next turn", "a: stopped"]);
}

#[test]
fn time_that_passed_between_turns_is_not_taken_from_a_delay() {
    let mut scene = Scene::new();
    scene.run_for(secs(3600));
    let late = scene.actor("late").start(|cx| cx.delay(Actor::SAY, secs(2), "done"));
    scene.spawn(late);
    scene.run_for(secs(1));
    assert_eq!(scene.journal(), [""; 0]);
    scene.run_for(secs(1));
    assert_eq!(scene.journal(), ["late: done", "late: stopped"]);
}

#[test]
fn a_time_too_far_away_never_arrives_and_causes_no_panic() {
    let mut scene = Scene::new();
    let actor = scene.actor("a").start(|cx| {
        let id = cx.delay_set(Actor::SAY, Duration::MAX, "never");
        assert!(cx.delay_adjust(id, Duration::MAX).is_ok());
        assert!(cx.alarm_adjust(id, Shift::Later(Duration::MAX)).is_ok());
    });
    scene.spawn(actor);
    scene.run_for(secs(100 * 365 * 24 * 3600));
    assert_eq!((scene.journal(), scene.stats().timers), (vec![], 1));
}

#[test]
fn a_delay_that_never_comes_fired_after_centuries_and_then_virtual_time_stood_still() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    let never = scene.act(a, |cx| cx.delay_set(Actor::SAY, Duration::MAX, "never"));
    // Less than never is never, too.
    scene.act(a, move |cx| cx.alarm_adjust(never, Shift::Earlier(secs(1))).unwrap());
    assert!(!scene.run(), "the timer keeps its session");
    assert_eq!((scene.journal(), scene.elapsed()), (vec![], secs(0)));
    scene.act(a, |cx| cx.delay(Actor::SING, secs(1), "later"));
    scene.run_for(Duration::MAX);
    assert_eq!((scene.journal(), scene.elapsed()), (vec!["a: later".to_owned()], secs(1)));
    scene.act(a, move |cx| assert_eq!(cx.alarm_remove(never).unwrap().payload, "never"));
    assert_ends(&mut scene);
}

#[test]
fn virtual_time_that_never_ends_was_a_panic() {
    let mut scene = Scene::new();
    let a = scene.actor("a").start(|cx| cx.delay(Actor::SAY, secs(3), "done"));
    scene.spawn(a);
    scene.run_for(Duration::MAX);
    assert_eq!(scene.journal(), ["a: done", "a: stopped"]);
    assert_eq!(scene.elapsed(), secs(3));
}

#[test]
fn ten_thousand_watchdogs_are_reset_in_place() {
    let mut scene = Scene::new();
    let dogs: Vec<SessionId> = (0..10_000)
        .map(|_| {
            let dog = scene.actor("dog").start(|cx| cx.delay(Actor::SAY, secs(30), "late"));
            scene.spawn(dog)
        })
        .collect();
    for _ in 0..3 {
        scene.run_for(secs(20));
        for dog in &dogs {
            scene.act(*dog, |cx| cx.delay(Actor::SAY, secs(30), "late"));
        }
        assert_eq!(scene.stats().timers, 10_000, "nothing stale is kept");
    }
    assert_eq!(scene.journal(), [""; 0]);
    assert_ends(&mut scene);
    assert_eq!(scene.journal().len(), 20_000);
    assert_eq!(scene.elapsed(), secs(90));
}
