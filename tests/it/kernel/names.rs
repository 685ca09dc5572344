//! Session ids and aliases.

use super::{Actor, Scene, assert_ends, secs, stop};
use masque::reactor::AliasError;

#[test]
fn an_alias_is_one_sessions_and_a_session_may_have_many() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, |cx| {
        assert_eq!(cx.alias("zebra"), Ok(()));
        assert_eq!(cx.alias("zebra"), Ok(()), "its own again");
        assert_eq!(cx.aliases(), ["a", "zebra"]);
        assert_eq!(cx.resolve("zebra"), Some(cx.id()));
        assert_eq!(cx.resolve("unicorn"), None);
    });
    let taken = scene.act(b, |cx| cx.alias("zebra")).unwrap_err();
    assert_eq!(taken, AliasError::Taken { alias: "zebra".into(), owner: a });
    assert_eq!(taken.to_string(), format!("the alias `zebra` belongs to {a}"));

    assert!(!scene.act(b, |cx| cx.alias_remove("zebra")), "it is not b's");
    assert!(scene.act(a, |cx| cx.alias_remove("zebra")));
    assert!(!scene.act(a, |cx| cx.alias_remove("zebra")));
    assert_eq!(scene.act(b, |cx| cx.alias("zebra")), Ok(()));
    assert_eq!(scene.resolve("zebra"), Some(b));
}

#[test]
fn a_post_goes_to_the_owner_of_the_alias_at_that_time() {
    let mut scene = Scene::new();
    let (a, b) = (scene.resident("a"), scene.resident("b"));
    scene.act(a, |cx| cx.alias("x").unwrap());
    scene.post("x", Actor::SAY, "hello").unwrap();
    scene.act(a, |cx| cx.alias_remove("x"));
    scene.act(b, |cx| cx.alias("x").unwrap());
    scene.settle();
    assert_eq!(scene.journal()[0], "a: hello");
}

#[test]
fn a_session_with_only_an_alias_ends_with_the_program() {
    let mut scene = Scene::new();
    let worker = scene.actor("worker").start(|cx| cx.delay(Actor::SAY, secs(9), "done"));
    scene.resident("server");
    scene.spawn(worker);
    scene.run_for(secs(8));
    assert_eq!(scene.journal(), [""; 0], "a timer anywhere keeps the alias's session");
    assert_ends(&mut scene);
    assert_eq!(scene.journal(), ["worker: done", "worker: stopped", "server: stopped"]);
    assert_eq!(scene.resolve("server"), None);
}

#[test]
fn a_session_that_removes_its_only_alias_stops_immediately() {
    let mut scene = Scene::new();
    let keeper = scene.actor("keeper").start(|cx| cx.delay(Actor::SAY, secs(9), "done"));
    let brief = scene.actor("brief").start(|cx| {
        cx.alias("brief").unwrap();
        assert!(cx.alias_remove("brief"));
    });
    scene.spawn(keeper);
    scene.spawn(brief);
    scene.settle();
    assert_eq!(scene.journal(), ["brief: stopped"]);
}

#[test]
fn the_alias_of_a_stopping_session_still_resolves() {
    let mut scene = Scene::new();
    let a = scene.actor("a").start(|cx| cx.alias("a").unwrap()).stop(|cx| {
        assert_eq!(cx.resolve("a"), Some(cx.id()));
        assert_eq!(cx.aliases(), ["a"]);
        assert!(!cx.exists(cx.id()), "but it takes no messages");
    });
    let a = scene.spawn(a);
    scene.act(a, stop);
    assert_eq!((scene.resolve("a"), scene.stats().panics), (None, 0));
}

#[test]
fn an_id_never_means_another_session() {
    let mut scene = Scene::new();
    let mut ids = vec![];
    for _ in 0..100 {
        let id = scene.resident("again");
        assert!(!ids.contains(&id), "{id} was somebody else's");
        scene.act(id, stop);
        ids.push(id);
    }
    let witness = scene.resident("witness");
    for id in ids {
        assert!(scene.post(id, Actor::SAY, "hello").is_err());
        assert!(scene.act(witness, move |cx| !cx.exists(id) && cx.hold(id).is_none()));
    }
}
