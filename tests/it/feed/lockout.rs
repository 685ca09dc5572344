//! Rejected credentials: CouchDB locks an account at the fifth wrong password within five minutes,
//! for all clients at the same address.

use super::*;
use masque::sessions::{ChangesFeed, EveryChange, FeedError, FeedEvent, FeedMode, Start};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const URL: &str = "http://jan:wrong@couch/db";

/// A refusal of 401, as CouchDB answers a wrong password.
fn wrong() -> Act {
    let body = r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#;
    json("401 Unauthorized", body)
}

fn recorded(name: &str) -> Act {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    Act::send(std::fs::read(captures.join(name).with_extension("response")).unwrap())
}

/// The seconds at which a server was asked that answers with what `answers` gives.
fn tries(
    seconds: f64,
    answers: impl FnMut(&Asked) -> Vec<Act> + 'static,
    set: fn(ChangesFeed) -> ChangesFeed,
) -> Vec<f64> {
    let mut stage = Stage::new(answers).follow_as(URL, set);
    stage.run_s(seconds);
    let world = stage.world.borrow();
    let asked = world.log.iter().filter(|line| line.contains('#'));
    let asked = asked.filter(|line| line.contains(" GET ") || line.contains(" POST "));
    asked.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// Five tries do not fit into 300 s; and there are some.
#[track_caller]
fn check(tries: &[f64], at_least: usize) {
    let is_spared = tries.windows(5).all(|five| five[4] - five[0] > 300.0);
    assert!(is_spared && tries.len() >= at_least, "{tries:?}");
}

const SETTINGS: [fn(ChangesFeed) -> ChangesFeed; 6] = [
    |feed| feed.doc("x"),
    |feed| feed.doc("x").retry_cap(Duration::from_millis(1)),
    |feed| feed.doc("x").doc("y").retry_cap(Duration::from_secs(2)).cookie_session(),
    |feed| feed.doc("x").mode(FeedMode::LongPoll).retry_cap(Duration::from_secs(2)),
    |feed| {
        let every = EveryChange::since(Start::Beginning);
        feed.every_change(every).retry_cap(Duration::from_secs(2))
    },
    |feed| {
        let every = EveryChange::since(Start::Beginning);
        feed.mode(FeedMode::Normal).every_change(every).cookie_session()
    },
];

#[test]
fn a_wrong_password_was_tried_so_often_that_it_locked_the_account() {
    let lock = "couchdb-3.5.1/err_403_lockout";
    let cut = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\n{";
    let cut_lock = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n{";
    for set in SETTINGS {
        for refusals in [
            vec![vec![wrong()]],
            vec![vec![recorded("couchdb/err_401_wrong_password")]],
            vec![vec![recorded(lock)]],
            vec![vec![wrong()], vec![recorded(lock)]],
            // The connection breaks behind the head.
            vec![vec![Act::send(cut), Act::Kill], vec![wrong()]],
            vec![vec![Act::send(cut_lock), Act::Kill], vec![recorded(lock)]],
            vec![vec![Act::send(cut)], vec![wrong()]],
        ] {
            let mut number = 0;
            let answers = move |_: &Asked| {
                number += 1;
                refusals[number % refusals.len()].clone()
            };
            check(&tries(4.0 * 3600.0, answers, set), 30);
        }
    }
}

#[test]
fn losses_between_refusals_give_no_further_tries() {
    for set in SETTINGS {
        // Each second try fails in another way before it is known whether the password is right.
        let mut number = 0;
        let mut refused = vec![];
        let failures = [
            vec![Act::Kill],
            vec![json("500 Internal Server Error", "{}")],
            vec![json("503 Service Unavailable", "{}")],
            vec![Act::send("nonsense\r\n\r\n")],
            vec![],
        ];
        let mut stage = Stage::new(move |_| {
            number += 1;
            if number % 2 == 0 { failures[number / 2 % 5].clone() } else { vec![wrong()] }
        })
        .follow_as(URL, set);
        for _ in 0..4 * 3600 {
            let before = stage.counters().losses;
            stage.run_s(1.0);
            let told = stage.told.borrow();
            let is_refused = told.last().is_some_and(|event| match event {
                FeedEvent::Lost { why, .. } => {
                    matches!(**why, FeedError::Refused { status, .. } if status == 401)
                }
                _ => false,
            });
            drop(told);
            if stage.counters().losses > before && is_refused {
                refused.push(stage.rig.elapsed().as_secs_f64());
            }
        }
        check(&refused, 20);
    }
}

#[test]
fn a_password_that_is_right_now_and_then_gives_no_further_tries() {
    // Nodes of a cluster that do not agree on it: accepted, and refused at the next loss.
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            vec![if looks % 2 == 0 { info("\"3-c\"", "1") } else { wrong() }]
        }
        "/db/x" => vec![revision("x", "3-c")],
        _ => vec![begin(), chunk("\n"), Act::Kill],
    })
    .follow_as(URL, |feed| feed.doc("x").retry_cap(Duration::from_secs(2)));
    stage.run_s(3600.0);
    let told = stage.told.borrow();
    let pauses: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Lost { why, retry_after, .. } if why.to_string().contains("401") => {
                Some(*retry_after)
            }
            _ => None,
        })
        .collect();
    assert!(pauses.len() > 20, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(80)), "{pauses:?}");
}

#[test]
fn looks_next_to_a_feed_were_further_tries_of_a_wrong_password() {
    // Nodes of a cluster that do not agree on it: the feed is accepted, the looks are refused.
    let is_refused: [fn(usize) -> bool; 3] = [|n| n % 2 == 0, |n| n % 3 != 1, |n| n % 5 == 2];
    for (mode, is_refused) in FeedMode::ALL.into_iter().zip(is_refused) {
        let refused = Rc::new(RefCell::new(vec![]));
        let (times, mut looks) = (refused.clone(), 0);
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/db" => {
                looks += 1;
                times.borrow_mut().push(is_refused(looks));
                let seqs = r#"{"update_seq":"3-c","purge_seq":"0-a","instance_start_time":"1"}"#;
                vec![if is_refused(looks) { wrong() } else { json("200 OK", seqs) }]
            }
            "/db/x" => vec![revision("x", "3-c")],
            target if target.contains("feed=normal") => vec![nothing_more(asked)],
            target => {
                let open = if target.contains("longpoll") { "{\"results\":[\n" } else { "\n" };
                let acts = [begin(), chunk(open)].into_iter().chain(beats(6));
                acts.chain([Act::Kill]).collect()
            }
        })
        .follow_as(URL, move |feed| feed.doc("x").mode(mode).retry_cap(Duration::from_secs(2)));
        stage.run_s(4.0 * 3600.0);
        let world = stage.world.borrow();
        let asked = world.log.iter().filter(|line| line.ends_with(" GET /db"));
        let refused = refused.borrow();
        let tries = asked.zip(refused.iter()).filter(|(_, is_refused)| **is_refused);
        let tries = tries.map(|(line, _)| line.split(' ').next().unwrap().parse().unwrap());
        check(&tries.collect::<Vec<_>>(), 20);
    }
}

/// The pauses after each loss.
fn pauses(answer: Act, seconds: f64) -> Vec<Duration> {
    let mut stage = Stage::new(move |_| vec![answer.clone()]).follow_as(URL, |feed| feed.doc("x"));
    stage.run_s(seconds);
    let told = stage.told.borrow();
    let pause = |event: &FeedEvent| match event {
        FeedEvent::Lost { retry_after, .. } => Some(*retry_after),
        _ => None,
    };
    told.iter().filter_map(pause).collect()
}

#[test]
fn pauses_after_refused_credentials_grow_to_a_little_more_than_the_lock_lasts() {
    let pauses = pauses(wrong(), 3600.0);
    assert!(pauses[0] >= Duration::from_secs(80) && pauses[0] <= Duration::from_secs(160));
    assert!(pauses.windows(2).all(|two| two[0] <= two[1]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(320)), "{pauses:?}");
}

#[test]
fn a_locked_account_was_treated_as_a_missing_permission() {
    let refusal = |name: &str| {
        let answer = recorded(name);
        let mut stage = Stage::new(move |_| vec![answer.clone()])
            .follow_as(URL, |feed| feed.doc("x").retry_limit(0));
        stage.run_s(1.0);
        let told = stage.told.borrow();
        let Some(FeedEvent::GaveUp { why, .. }) = told.last() else { panic!("{told:?}") };
        (why.is_permanent(), why.is_lockout(), why.to_string())
    };
    let locked = "Account is temporarily locked due to multiple authentication failures";
    for name in ["err_403_lockout", "err_403_lockout_session"] {
        let (is_permanent, is_lockout, shown) = refusal(&format!("couchdb-3.5.1/{name}"));
        assert!(!is_permanent && is_lockout && shown.contains(locked), "{shown}");
    }
    let (is_permanent, is_lockout, shown) = refusal("couchdb/err_403_not_member");
    assert!(is_permanent && !is_lockout, "{shown}");
    // A missing permission costs others nothing, and may be given at any time.
    assert!(pauses(recorded("couchdb/err_403_not_member"), 60.0).len() >= 2);
}

#[test]
fn a_feed_reconnects_after_the_lock() {
    let mut asked = 0;
    let mut stage = Stage::new(move |request| {
        asked += 1;
        match request.target.as_str() {
            _ if asked <= 2 => vec![recorded("couchdb-3.5.1/err_403_lockout")],
            "/db" => vec![info("\"3-c\"", "1")],
            "/db/x" => vec![revision("x", "3-c")],
            _ => vec![begin(), chunk("\n")],
        }
    })
    .follow_as(URL, |feed| feed.doc("x").retry_if(|why| !why.is_permanent()));
    stage.run_s(480.0);
    assert_eq!(stage.revs("x"), ["3-c"]);
}

#[test]
fn a_locked_account_concerns_more_than_one_document() {
    let mut asked = vec![];
    let mut stage = Stage::with_database("\"3-c\"", move |request| match request.target.as_str() {
        _ if request.is_feed() => vec![begin(), chunk("\n")],
        target => {
            asked.push(target.to_owned());
            vec![recorded("couchdb-3.5.1/err_403_lockout")]
        }
    })
    .follow_as(URL, |feed| feed.doc("x").doc("y"));
    stage.run_s(300.0);
    let log = stage.log();
    assert!(log.matches("GET /db/").count() <= 4, "{log}");
}
