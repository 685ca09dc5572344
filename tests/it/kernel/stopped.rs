//! What a session can still do once it has stopped: one rule for all verbs.

use super::{Actor, Scene, assert_ends, secs};
use masque::reactor::{
    AliasError, Cx, Endpoint, Event, Handlers, PostError, Readiness, Session, Shift, Signal,
    Socket, TimerError, TimerId, Topic, Wheel, WheelCx,
};
use masque::wheels::{Accepted, ConnectError, Connector, Listener, Lookup};
use std::cell::Cell;
use std::io;
use std::rc::Rc;

const WORDS: Topic<&'static str> = Topic::new("words");
const BEFORE: Topic<()> = Topic::new("before");
const BEFORE_EVENT: Event<()> = Event::new("stopper.before");
const ACCEPTED: Event<Accepted> = Event::new("stopper.accepted");
const CONNECTED: Event<Result<Socket, ConnectError>> = Event::new("stopper.connected");
const FOUND: Event<io::Result<Vec<Endpoint>>> = Event::new("stopper.found");
const SIGNAL: Event<Signal> = Event::new("stopper.signal");

/// A wheel that notes when it is dropped.
struct Noted(Rc<Cell<bool>>);

impl Wheel for Noted {
    fn ready(_: &mut WheelCx<'_, '_, Self>, _: Readiness) {}
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// What a handler does with the timer that was set before the session stopped.
type Row = fn(&mut Cx<'_>, TimerId<&'static str>);

const ROWS: &[(&str, Row)] = &[
    // Verbs without an answer do nothing.
    ("yield_now", |cx, _| cx.yield_now(Actor::SAY, "never")),
    ("delay", |cx, _| cx.delay(Actor::SING, secs(1), "never")),
    ("delay_add", |cx, _| cx.delay_add(Actor::SAY, secs(1), "never")),
    ("alarm", |cx, _| cx.alarm(Actor::SING, cx.now(), "never")),
    ("alarm_add", |cx, _| cx.alarm_add(Actor::SAY, cx.now(), "never")),
    ("watch", |cx, _| cx.watch(WORDS, Actor::SAY)),
    ("stop", |cx, _| cx.stop()),
    // Those with a value give a dead id or an inert guard.
    ("delay_set", |cx, _| {
        let id = cx.delay_set(Actor::SAY, secs(1), "never");
        assert_eq!(cx.delay_adjust(id, secs(2)), Err(TimerError::Gone));
        assert_eq!(cx.alarm_remove(id), Err(TimerError::Gone));
    }),
    ("alarm_set", |cx, _| {
        let id = cx.alarm_set(Actor::SAY, cx.now(), "never");
        assert_eq!(cx.alarm_adjust(id, Shift::Later(secs(1))), Err(TimerError::Gone));
    }),
    ("postback", |cx, _| {
        let (postback, holds) = (cx.postback(Actor::SAY), cx.stats().holds);
        assert!(!postback.is_live(cx));
        let error = postback.post(cx, "never").unwrap_err();
        assert!(matches!(error, PostError::NoSession { event: "actor.say", .. }), "{error}");
        drop((postback.clone(), postback));
        assert_eq!(cx.stats().holds, holds, "it holds nothing");
    }),
    ("hold", |cx, _| assert!(cx.hold(cx.id()).is_none())),
    ("mount", |cx, _| {
        let dropped = Rc::new(Cell::new(false));
        let noted = Noted(Rc::clone(&dropped));
        let id = cx.mount(|_, _| Ok::<_, ()>(noted)).unwrap();
        assert!(dropped.get() && id.state(cx).is_none());
        id.again(cx);
        id.delay(cx, secs(1));
        drop(id.permit(cx));
        assert!(id.permits(cx) == 0 && id.unmount(cx).is_none());
    }),
    ("wheel_event", |cx, _| {
        let _ = cx.wheel_event(Actor::SAY); // no wheel is left that could deliver it
    }),
    ("Listener", |cx, _| {
        let at = Endpoint::Tcp(([127, 0, 0, 1], 7).into());
        let listener = Listener::new(cx, &at, ACCEPTED).unwrap();
        assert!(listener.local(cx).is_none(), "nothing listens");
    }),
    ("Connector", |cx, _| {
        Connector::new(cx, 7, secs(1), CONNECTED);
    }),
    ("Lookup", |cx, _| {
        Lookup::new(cx, "host", 7, FOUND);
    }),
    // Those with a result say that the session has stopped.
    ("alias", |cx, _| {
        let error = cx.alias("alias").unwrap_err();
        assert_eq!(error, AliasError::Stopped { alias: "alias".into() });
        assert_eq!(error.to_string(), "the session has stopped and takes no alias `alias`");
        assert_eq!(cx.resolve("alias"), None);
    }),
    ("signal", |cx, _| {
        let error = cx.signal(Signal::Usr1, SIGNAL).unwrap_err();
        assert_eq!(error.to_string(), "the session has stopped");
    }),
    ("delay_adjust", |cx, timer| {
        assert_eq!(cx.delay_adjust(timer, secs(1)), Err(TimerError::Stopped));
    }),
    ("alarm_adjust", |cx, timer| {
        let error = cx.alarm_adjust(timer, Shift::Later(secs(1))).unwrap_err();
        assert_eq!(error.to_string(), "the session has stopped");
    }),
    ("post to itself", |cx, _| {
        let error = cx.post(cx.id(), Actor::SAY, "never").unwrap_err();
        assert!(matches!(error, PostError::NoSession { .. }), "{error}");
    }),
    ("call of itself", |cx, _| assert!(cx.call(cx.id(), Actor::DOUBLE, 1).is_err())),
    // What it has is there until it has ended, and can be taken back.
    ("delay_clear", |cx, _| assert!(cx.delay_clear(Actor::SAY) && !cx.delay_clear(Actor::SAY))),
    ("alarm_remove", |cx, timer| assert_eq!(cx.alarm_remove(timer).unwrap().payload, "timer")),
    ("alarm_remove_all", |cx, _| assert_eq!(cx.alarm_remove_all(), 1)),
    ("unwatch", |cx, _| assert!(cx.unwatch(BEFORE))),
    ("alias_remove", |cx, _| assert!(cx.alias_remove("stopper"))),
    // What it does to others is done.
    ("post", |cx, _| cx.post("other", Actor::SAY, "told").unwrap()),
    ("call", |cx, _| assert_eq!(cx.call("other", Actor::DOUBLE, 2), Ok(4))),
    ("notify", |cx, _| assert_eq!(cx.notify(WORDS, "told"), 1)),
    ("hold of another", |cx, _| {
        let other = cx.resolve("other").unwrap();
        assert!(cx.hold(other).is_some());
    }),
];

/// A session that has one of everything, and does its row when it has stopped.
struct Stopper {
    row: Row,
    /// True if it acts in `stopped`, false if it acts in the handler that stops it.
    is_late: bool,
    timer: Option<TimerId<&'static str>>,
}

impl Stopper {
    const GO: Event<()> = Event::new("stopper.go");

    fn act(&mut self, cx: &mut Cx<'_>) {
        let timer = self.timer.expect("it was set");
        (self.row)(cx, timer);
    }
}

impl Session for Stopper {
    fn events(on: &mut Handlers<Self>) {
        on.on(Actor::SAY, |_, _, _| panic!("it has stopped"))
            .on(Actor::SING, |_, _, _| panic!("it has stopped"))
            .on(Actor::DOUBLE, |_, _, number| number * 2)
            .on(BEFORE_EVENT, |_, _, ()| ())
            .on(ACCEPTED, |_, _, _| panic!("it has stopped"))
            .on(CONNECTED, |_, _, _| panic!("it has stopped"))
            .on(FOUND, |_, _, _| panic!("it has stopped"))
            .on(SIGNAL, |_, _, _| panic!("it has stopped"))
            .on(Self::GO, |stopper, cx, ()| {
                stopper.timer = Some(cx.delay_set(Actor::SAY, secs(9), "timer"));
                cx.stop();
                if !stopper.is_late {
                    stopper.act(cx);
                }
            });
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("stopper").unwrap();
        cx.watch(BEFORE, BEFORE_EVENT);
        cx.yield_now(Self::GO, ());
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if self.is_late {
            self.act(cx);
        }
    }
}

#[test]
fn after_stop_some_verbs_panicked_and_others_reported_success_wrongly() {
    for (name, row) in ROWS {
        for is_late in [false, true] {
            let mut scene = Scene::new();
            let other = scene.resident("other");
            scene.act(other, |cx| cx.watch(WORDS, Actor::SAY));
            scene.spawn(Stopper { row: *row, is_late, timer: None });
            assert_ends(&mut scene);
            assert_eq!(scene.stats().panics, 0, "{name}, late: {is_late}");
            let told = ["post", "notify"].contains(name);
            let expected = ["other: told", "other: stopped"];
            assert_eq!(scene.journal(), expected[usize::from(!told)..], "{name}");
        }
    }
}
