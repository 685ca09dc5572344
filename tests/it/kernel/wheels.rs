//! The life of wheels, whatever they turn.

use super::{Actor, Journal, Scene, assert_empty, assert_ends, ms, secs, stop};
use masque::reactor::{
    Cx, Event, Handlers, Readiness, Session, SessionId, Wheel, WheelCx, WheelEvent, WheelId,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

/// A wheel that reports to its owner why it runs, and notes its own end.
struct Teller {
    outlet: WheelEvent<Readiness>,
    journal: Journal,
}

impl Wheel for Teller {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        let Some(teller) = me.state(cx) else { return };
        let (outlet, journal) = (teller.outlet, teller.journal.clone());
        assert_eq!((cx.sender(), cx.event()), (Some(cx.id()), "_wheel"));
        cx.deliver(outlet, ready);
        let left = if me.state(cx).is_some() { "there" } else { "gone" };
        journal.write(format!("wheel: {left} afterwards"));
    }

    fn orphaned(&mut self, _: SystemTime) {
        self.journal.write("wheel: orphaned");
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.journal.write("wheel: closed");
    }
}

/// Does on an event of its wheel what it was told to.
struct Owner {
    wheel: Option<WheelId<Teller>>,
    journal: Journal,
    part: fn(&mut Owner, &mut Cx<'_>),
}

impl Owner {
    const READY: Event<Readiness> = Event::new("owner.ready");

    fn ready(&mut self, cx: &mut Cx<'_>, ready: Readiness) {
        self.journal.write(format!("owner: {ready:?}"));
        (self.part)(self, cx);
    }
}

impl Session for Owner {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::READY, Self::ready).on(Actor::ACT, |_, cx, part| part(cx));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        let (outlet, journal) = (cx.wheel_event(Self::READY), self.journal.clone());
        self.wheel = cx.mount(|_, _| Ok::<_, ()>(Teller { outlet, journal })).ok();
        self.wheel.expect("it was mounted").again(cx);
    }
    fn stopped(&mut self, cx: &mut Cx<'_>) {
        let wheel = self.wheel.and_then(|wheel| wheel.state(cx)).map(|_| "with its wheel");
        self.journal.write(format!("owner: stopped {}", wheel.unwrap_or("without it")));
    }
}

fn owner(scene: &mut Scene, part: fn(&mut Owner, &mut Cx<'_>)) -> SessionId {
    let journal = scene.journal.clone();
    scene.spawn(Owner { wheel: None, journal, part })
}

fn again() -> String {
    format!("owner: {:?}", Readiness::AGAIN)
}

#[test]
fn a_wheel_runs_keeps_its_owner_and_goes_with_it() {
    let mut scene = Scene::new();
    let id = owner(&mut scene, |_, _| ());
    scene.run_for(secs(9));
    assert_eq!(scene.journal(), [&*again(), "wheel: there afterwards"]);
    assert_eq!((scene.stats().sessions, scene.stats().wheels), (1, 1));
    scene.call(id, Actor::ACT, Box::new(stop)).unwrap();
    assert_eq!(scene.journal(), ["owner: stopped with its wheel", "wheel: closed"]);
    assert_empty(&scene);
}

#[test]
fn a_wheel_may_be_unmounted_in_its_own_event() {
    let mut scene = Scene::new();
    owner(&mut scene, |owner, cx| {
        let wheel = owner.wheel.expect("it was mounted");
        assert!(wheel.unmount(cx).is_some());
        assert!(wheel.unmount(cx).is_none() && wheel.state(cx).is_none());
        wheel.again(cx);
        wheel.delay(cx, secs(1));
    });
    assert_ends(&mut scene);
    let order = [&*again(), "wheel: closed", "wheel: gone afterwards", "owner: stopped without it"];
    assert_eq!(scene.journal(), order);
}

#[test]
fn an_owner_may_stop_or_panic_over_its_wheels_event() {
    let mut scene = Scene::new();
    owner(&mut scene, |_, cx| cx.stop());
    assert_ends(&mut scene);
    let closed = ["wheel: closed", "wheel: gone afterwards"];
    let order = [&*again(), "owner: stopped with its wheel", closed[0], closed[1]];
    assert_eq!(scene.journal(), order);

    owner(&mut scene, |_, _| panic!("oh"));
    assert_ends(&mut scene);
    let order = [&*again(), "wheel: orphaned", closed[0], closed[1]];
    assert_eq!(scene.journal(), order, "it has a last word");
}

#[test]
fn the_readiness_of_a_wheel_is_collected_until_it_runs() {
    let mut scene = Scene::new();
    owner(&mut scene, |owner, cx| {
        let wheel = owner.wheel.expect("it was mounted");
        drop(wheel.permit(cx));
        wheel.again(cx);
        wheel.again(cx);
        owner.part = |_, _| ();
    });
    scene.settle();
    let both = format!("owner: {:?}", Readiness::AGAIN | Readiness::RELEASED);
    let there = "wheel: there afterwards";
    assert_eq!(scene.journal(), [&*again(), there, &*both, there]);
}

#[test]
fn a_wheels_timer_is_one_and_goes_with_the_wheel() {
    let mut scene = Scene::new();
    owner(&mut scene, |owner, cx| {
        let wheel = owner.wheel.expect("it was mounted");
        wheel.delay(cx, secs(1));
        wheel.delay(cx, secs(2));
        owner.part = |owner, cx| {
            let wheel = owner.wheel.expect("it was mounted");
            wheel.delay(cx, secs(5));
            assert_eq!(cx.stats().timers, 1);
            wheel.unmount(cx);
            assert_eq!(cx.stats().timers, 0);
        };
    });
    scene.run_for(ms(1999));
    assert_eq!(scene.journal().len(), 2);
    assert_ends(&mut scene);
    assert_eq!(scene.journal()[0], format!("owner: {:?}", Readiness::TIMER));
    assert_eq!(scene.elapsed(), secs(2));
}

#[test]
fn a_wheel_counts_the_permits_that_it_gave_out() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    let outlet = scene.journal.clone();
    let permits = scene.act(a, move |cx| {
        let plain = cx.mount(|_, _| Ok::<_, ()>(Rebel(outlet))).unwrap();
        let permits = [plain.permit(cx), plain.permit(cx)];
        assert_eq!(plain.permits(cx), 2);
        (plain, permits)
    });
    let (rebel, [one, other]) = permits;
    drop(one);
    scene.turn(); // told at its end
    assert_eq!(scene.act(a, move |cx| rebel.permits(cx)), 1);
    scene.act(a, move |cx| _ = rebel.unmount(cx));
    drop(other);
    assert_ends(&mut scene);
}

#[test]
fn a_wheel_that_cannot_be_made_is_not_mounted() {
    let mut scene = Scene::new();
    let a = scene.resident("a");
    let error = scene.act(a, |cx| {
        let make = |cx: &mut Cx<'_>, me: WheelId<Teller>| {
            me.again(cx);
            me.delay(cx, secs(1));
            Err::<Teller, _>("no")
        };
        cx.mount(make).unwrap_err()
    });
    assert_eq!((error, scene.stats().wheels, scene.stats().timers), ("no", 0, 0));
    assert_ends(&mut scene);
}

/// A wheel that stops its owner, and mounts another when the owner is gone.
struct Rebel(Journal);

impl Wheel for Rebel {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, _: Readiness) {
        let me = cx.wheel();
        let Some(rebel) = me.state(cx) else { return };
        let journal = rebel.0.clone();
        cx.stop();
        journal.write("rebel: said stop");
        let outlet = cx.wheel_event(Owner::READY);
        cx.deliver(outlet, Readiness::AGAIN);
    }
}

#[test]
fn a_wheel_may_stop_its_owner() {
    let mut scene = Scene::new();
    let journal = scene.journal.clone();
    let a = scene.actor("a").start(move |cx| {
        let rebel = cx.mount(|_, _| Ok::<_, ()>(Rebel(journal))).unwrap();
        rebel.again(cx);
    });
    scene.spawn(a);
    scene.turn();
    assert_eq!(scene.journal(), ["rebel: said stop", "a: stopped"]);
    assert_eq!(scene.stats().panics, 0);
    assert_empty(&scene);
}

/// A wheel that goes on when its owner is gone.
struct Ghost {
    outlet: WheelEvent<Readiness>,
    journal: Journal,
}

impl Wheel for Ghost {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        let Some(Ghost { outlet, journal }) = me.state(cx) else { return };
        let (outlet, journal) = (*outlet, journal.clone());
        cx.deliver(outlet, ready);
        let next = Teller { outlet: cx.wheel_event(Owner::READY), journal: journal.clone() };
        let mounted = cx.mount(|_, _| Ok::<_, ()>(next)).expect("it is made");
        assert!(mounted.state(cx).is_none(), "but not for somebody who is gone");
        let outlet = cx.wheel_event(Owner::READY);
        cx.deliver(outlet, ready);
        cx.delay(Owner::READY, secs(1), ready);
        cx.yield_now(Owner::READY, ready);
        assert_eq!(cx.stats().wheels, 0);
        journal.write("ghost: done");
    }
}

#[test]
fn a_wheel_whose_owner_is_gone_leaves_nothing_behind() {
    let mut scene = Scene::new();
    let id = owner(&mut scene, |owner, _| owner.part = |_, cx| cx.stop());
    scene.settle();
    scene.journal();
    let journal = scene.journal.clone();
    let mount = |cx: &mut Cx<'_>| {
        let ghost = Ghost { outlet: cx.wheel_event(Owner::READY), journal };
        let ghost = cx.mount(|_, _| Ok::<_, ()>(ghost)).expect("it is made");
        ghost.again(cx);
    };
    scene.call(id, Actor::ACT, Box::new(mount)).unwrap();
    assert_ends(&mut scene);
    let order = [
        &*again(),
        "owner: stopped with its wheel",
        "wheel: closed",
        "wheel: closed",
        "ghost: done",
    ];
    assert_eq!((scene.journal(), scene.stats().panics), (order.map(String::from).into(), 0));
}

#[test]
fn names_are_resolved_on_the_rig_and_no_lookup_waits_forever() {
    let mut scene = Scene::new();
    scene.name("db.example", &[Ipv4Addr::new(10, 0, 0, 7).into()]);
    let id = owner(&mut scene, |owner, cx| {
        let wheel = owner.wheel.expect("it was mounted");
        match wheel.resolved(cx) {
            None => wheel.resolve_host(cx, "db.example", 5984).expect("one may ask"),
            Some(found) => {
                let at = SocketAddr::from(([10, 0, 0, 7], 5984));
                assert_eq!(found.expect("it has a name"), [at.into()]);
                assert!(wheel.resolved(cx).is_none(), "once");
                cx.stop();
            }
        }
    });
    assert_ends(&mut scene);
    assert_eq!((scene.stats().panics, scene.journal().len()), (0, 6));
    assert!(scene.post(id, Actor::ACT, Box::new(|_| ())).is_err());
}
