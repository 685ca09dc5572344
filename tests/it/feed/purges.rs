//! Purges, which a feed has no row for.

use super::*;
use masque::sessions::{Checkpoint, EveryChange, FeedEvent, FeedMode, Start};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// What `GET /db` answers on a server that says how often documents were purged; as JSON.
fn info_at(update_seq: &str, purge_seq: &str) -> Act {
    let body = format!(
        r#"{{"update_seq":{update_seq},"purge_seq":{purge_seq},"instance_start_time":"1"}}"#
    );
    json("200 OK", &body)
}

/// A feed without rows that goes on for five minutes.
fn quiet(asked: &Asked) -> Vec<Act> {
    if asked.target.contains("feed=normal") {
        return vec![nothing_more(asked)];
    }
    let is_page = asked.target.contains("feed=longpoll");
    let head = chunk(if is_page { "{\"results\":[\n" } else { "\n" });
    [begin(), head].into_iter().chain(beats(30)).collect()
}

/// Follows `x`, which is there until the flag is set: then it is purged.
fn one_purged(mode: FeedMode, purge_seqs: [&'static str; 2]) -> (Stage, Rc<Cell<bool>>) {
    let is_purged = Rc::new(Cell::new(false));
    let flag = is_purged.clone();
    let stage = Stage::new(move |asked| match (asked.target.as_str(), flag.get()) {
        ("/db", is_purged) => vec![info_at("\"3-c\"", purge_seqs[usize::from(is_purged)])],
        ("/db/x", false) => vec![revision("x", "3-c")],
        ("/db/x", true) => {
            vec![json("404 Object Not Found", r#"{"error":"not_found","reason":"missing"}"#)]
        }
        _ => quiet(asked),
    })
    .follow_with(move |feed| feed.mode(mode).doc("x"));
    (stage, is_purged)
}

#[test]
fn a_purged_document_was_shown_until_the_next_disconnect() {
    for mode in FeedMode::ALL {
        for purge_seqs in [["\"0-g1A\"", "\"1-g1B\""], ["0", "1"]] {
            let (mut stage, is_purged) = one_purged(mode, purge_seqs);
            stage.run_s(70.0);
            assert_eq!(stage.revs("x"), ["3-c"], "{mode:?}");
            is_purged.set(true);
            stage.run_s(60.0);
            let log = stage.log();
            assert_eq!(stage.revs("x"), ["3-c", "-"], "{mode:?}: {log}");
            assert!(!log.contains("lost"), "{log}");
        }
    }
}

#[test]
fn the_feed_continues_during_a_look_at_the_database() {
    let (mut stage, is_purged) = one_purged(FeedMode::Continuous, ["\"0-a\"", "\"1-b\""]);
    stage.run_s(0.0);
    stage.clear();
    stage.run_s(99.0);
    assert_eq!(stage.world.borrow().log, ["50.000 #2 GET /db"]);
    is_purged.set(true);
    stage.clear();
    stage.run_s(11.0);
    let expected = [
        "100.000 #3 GET /db",
        "100.000 #4 GET /db",
        "100.000 #4 GET /db/x",
        "100.000 #4 feed since 3-c",
        "100.000 x is gone",
        "100.000 connected #2 since 3-c",
    ];
    assert_eq!(stage.world.borrow().log, expected);
    assert_eq!(stage.world.borrow().most_open, 2);
}

#[test]
fn the_nodes_of_a_cluster_write_the_same_purges_in_different_ways() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            vec![info_at("\"3-c\"", &format!("\"4-node{}\"", looks % 3))]
        }
        "/db/x" => vec![revision("x", "3-c")],
        _ => quiet(asked),
    })
    .follow();
    stage.run_s(250.0);
    let log = stage.log();
    assert_eq!(log.matches("GET /db\n").count(), 5, "{log}");
    assert_eq!(log.matches("GET /db/x\n").count(), 1, "{log}");
}

/// Every change of a database with one row, in which documents are purged after 60 s.
fn every_change(start: Start) -> (Stage, Rc<Cell<u64>>) {
    let purges = Rc::new(Cell::new(0));
    let count = purges.clone();
    let every = EveryChange::since(start);
    let stage = Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", "{\"uuid\":\"u1\"}")],
        "/db" => vec![info_at("\"1-a\"", &format!("\"{}-g\"", count.get()))],
        _ if asked.since() == "0" => {
            let row = "{\"seq\":\"1-a\",\"id\":\"d\",\"changes\":[{\"rev\":\"1-d\"}]}\n";
            [begin(), chunk(row)].into_iter().chain(beats(30)).collect()
        }
        _ => quiet(asked),
    })
    .follow_with(|feed| feed.every_change(every));
    (stage, purges)
}

fn purges_told(stage: &Stage) -> usize {
    let told = stage.told.borrow();
    told.iter().filter(|event| format!("{event:?}") == "Purged").count()
}

#[test]
fn a_purge_was_not_reported_to_a_watcher_of_every_change() {
    let (mut stage, purges) = every_change(Start::Beginning);
    stage.run_s(60.0);
    purges.set(2);
    stage.run_s(60.0);
    assert_eq!(purges_told(&stage), 1);
    stage.run_s(120.0);
    assert_eq!(purges_told(&stage), 1, "once");
    let log = stage.log();
    assert_eq!(log.matches("GET rows").count(), 1, "the feed goes on: {log}");
}

#[test]
fn a_purge_between_two_runs_was_not_reported() {
    let (mut stage, _) = every_change(Start::Beginning);
    stage.run_s(10.0);
    let kept = stage.checkpoint().unwrap().to_string();
    let resume = |kept: &str| {
        let (mut stage, purges) = every_change(Start::Checkpoint(kept.parse().unwrap()));
        purges.set(1);
        stage.run_s(10.0);
        assert_eq!(stage.counters().rows, 0, "it goes on from the checkpoint");
        (purges_told(&stage), stage.checkpoint().unwrap().to_string())
    };
    let (told, newer) = resume(&kept);
    assert_eq!(told, 1, "{kept}");
    assert_eq!(resume(&newer).0, 0, "it is told once: {newer}");
    // An earlier version has written none.
    let old = newer.lines().filter(|line| !line.contains("purge_seq")).collect::<String>();
    assert!(old.parse::<Checkpoint>().is_ok());
    assert_eq!(resume(&old).0, 0, "{old}");
}

/// The feed of `x` while the look at the database next to it is answered with `look`; the number
/// of looks in five minutes, during which nothing may happen to the feed.
fn looks(look: impl Fn() -> Vec<Act> + 'static) -> usize {
    let mut is_first = true;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" if std::mem::take(&mut is_first) => vec![info_at("\"3-c\"", "\"0-a\"")],
        "/db" => look(),
        "/db/x" => vec![revision("x", "3-c")],
        _ => quiet(asked),
    })
    .follow();
    stage.run_s(299.0);
    let log = stage.log();
    assert!(!log.contains("lost") && log.matches("feed since").count() == 1, "{log}");
    assert!(stage.told.borrow().iter().all(|event| !matches!(event, FeedEvent::Unread { .. })));
    assert!(stage.world.borrow().most_open <= 2);
    log.matches("GET /db\n").count() + usize::from(log.ends_with("GET /db")) - 1
}

#[test]
fn a_look_that_fails_does_no_harm_to_the_feed_and_is_repeated() {
    assert_eq!(looks(|| vec![json("500 Internal Server Error", "{}")]), 5);
    assert_eq!(looks(|| vec![json("200 OK", "<html>")]), 5);
    assert_eq!(looks(|| vec![json("200 OK", &"x".repeat(70_000))]), 5);
    assert_eq!(looks(|| vec![json("302 Found", "{}")]), 5);
    assert_eq!(looks(|| vec![Act::send("what is this?\r\n\r\n")]), 5);
    assert_eq!(looks(|| vec![Act::Kill]), 5);
    assert_eq!(looks(|| vec![json("200 OK", "{\"update_seq\":\"3-c\"}")]), 5);
    // No answer for 30 s, then another try 50 s later.
    assert_eq!(looks(Vec::new), 4);
}

#[test]
fn a_look_in_progress_ends_with_its_feed() {
    let lost = |_: &mut Stage| {};
    let ends: [fn(&mut Stage); 3] = [lost, Stage::shut_down, Stage::stop_watcher];
    for end in ends {
        let mut is_first = true;
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/db" if std::mem::take(&mut is_first) => vec![info_at("\"3-c\"", "0")],
            "/db" => vec![],
            "/db/x" => vec![revision("x", "3-c")],
            _ => [begin()].into_iter().chain(beats(6)).chain([Act::Kill]).collect(),
        })
        .follow();
        stage.run_s(59.0);
        assert_eq!(stage.world.borrow().open, 2);
        end(&mut stage);
        stage.run_s(1.1);
        assert_eq!(stage.world.borrow().open, 0);
    }
}

#[test]
fn a_look_that_is_refused_is_not_repeated_because_wrong_logins_lock_accounts() {
    assert_eq!(looks(|| vec![json("401 Unauthorized", "{}")]), 1);
    assert_eq!(looks(|| vec![json("403 Forbidden", "{}")]), 1);
    // Also if no more than the head comes.
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let head = Act::send(format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n"));
        let cut = head.clone();
        assert_eq!(looks(move || vec![cut.clone(), Act::Kill]), 1);
        assert_eq!(looks(move || vec![head.clone()]), 1);
    }
}

#[test]
fn a_look_shows_a_database_that_was_replaced_unseen() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            let body = |made| {
                format!(r#"{{"update_seq":"3-c","purge_seq":0,"instance_start_time":"{made}"}}"#)
            };
            vec![json("200 OK", &body(looks.min(2)))]
        }
        "/db/x" => vec![revision("x", &format!("{looks}-c"))],
        _ => quiet(asked),
    })
    .follow();
    stage.run_s(60.0);
    let log = stage.log();
    assert!(log.contains("50.000 recreated\n") && log.ends_with("caught up"), "{log}");
    assert_eq!(stage.revs("x"), ["1-c", "3-c"]);
}

#[test]
fn the_session_of_a_login_expired_while_a_feed_went_on() {
    let mut stage = Stage::new(move |asked| {
        let cookie = asked.header("cookie").unwrap_or_default().to_owned();
        match asked.target.as_str() {
            "/_session" => vec![with_cookie("one", "{}")],
            "/db" if cookie == "AuthSession=one" => {
                vec![with_cookie("two", r#"{"update_seq":"3-c","purge_seq":"0-a"}"#)]
            }
            "/db" => vec![info_at("\"3-c\"", "\"0-a\"")],
            "/db/x" => vec![revision("x", "3-c")],
            _ => quiet(asked),
        }
    })
    .follow_as("http://jan:pw@couch/db", |feed| {
        feed.doc("x").cookie_session().heartbeat(Duration::from_secs(10))
    });
    stage.run_s(120.0);
    let world = stage.world.borrow();
    let last = world.asked.last().unwrap();
    assert_eq!(last.target, "/db");
    assert_eq!(last.header("cookie"), Some("AuthSession=two"));
    assert!(!world.log.join("\n").contains("lost"));
}

fn with_cookie(value: &str, body: &str) -> Act {
    let length = body.len();
    Act::send(format!(
        "HTTP/1.1 200 OK\r\nSet-Cookie: AuthSession={value}; Version=1; Path=/; HttpOnly\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ))
}
