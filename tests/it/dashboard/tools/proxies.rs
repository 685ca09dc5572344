//! The dashboard behind `nginx` and behind `haproxy`: connections that are kept, polls that are
//! held, browsers that leave, and an end that loses no answer.

use super::figure;
use super::proxy::{Proxy, haproxy, nginx, send};
use crate::dashboard::program::{self, Dashboard, FOR_EVER, answer, store, tag};
use crate::support::http::{self, Connection};
use crate::support::{PATIENCE, wait_until};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

type Start = fn(&[&str]) -> Proxy;

/// Polls that wait through a proxy.
const POLLS: usize = 100;

/// Users that ask all the time.
const USERS: usize = 4;

const PARKED: &str = "dashboard_parked";
const ACCEPTED: &str = "dashboard_connections_total";

#[track_caller]
fn park(proxy: &Proxy, rev: &str, count: usize) -> Vec<Connection> {
    let mut polls: Vec<_> = (0..count).map(|_| proxy.connect()).collect();
    for poll in &mut polls {
        send(poll, &format!("/board/{rev}"));
    }
    polls
}

#[track_caller]
fn wait_for_parked(dashboards: &[&Dashboard], count: usize) {
    let parked = || dashboards.iter().map(|dashboard| figure(dashboard, PARKED)).sum::<u64>();
    wait_until(PATIENCE, || parked() == count as u64);
}

/// What a browser may ask is answered as it is without a proxy, on connections that are kept.
#[track_caller]
fn serves(start: Start) {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &[]);
    let proxy = start(&[dashboard.address()]);
    let before = figure(&dashboard, ACCEPTED);
    let mut browser = proxy.connect();
    for _ in 0..500 {
        send(&mut browser, "/board");
        let reply = answer(&mut browser);
        assert_eq!((reply.status, &reply.json()["n"]), (200, &json!(1)));
    }
    // This one, and the question for the figure itself.
    assert!(figure(&dashboard, ACCEPTED) - before <= 2 + 1, "it is kept behind the proxy, too");

    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let url = format!("http://{}{path}", proxy.address);
        http::request(method, &url, headers, body).expect("it is answered")
    };
    let direct = dashboard.get("/file/page.js");
    assert_eq!(ask("GET", "/file/page.js", &[], b"").body, direct.body);
    assert_eq!(ask("HEAD", "/board", &[], b"").status, 200);
    let known = format!("\"{rev}\"");
    assert_eq!(ask("GET", "/board", &[("If-None-Match", &known)], b"").status, 304);
    assert_eq!(ask("POST", "/board", &[], &vec![b'x'; 100_000]).status, 405);
    assert_eq!(ask("GET", "/nothing", &[], b"").status, 404);
    assert_eq!(proxy.get("/health").status, 200);

    // Events come one by one, not when the proxy has a buffer full of them.
    let mut events = proxy.connect();
    send(&mut events, "/board/events");
    assert_eq!(events.head(PATIENCE).expect("it begins").status, 200);
    let mut told = String::new();
    let mut hear = |rev: &str| {
        while !told.contains(&format!("id: {rev}")) {
            let chunk = events.chunk(PATIENCE).expect("an event comes");
            told += std::str::from_utf8(&chunk).expect("it is text");
        }
    };
    hear(&rev);
    hear(&dashboard.store("board", r#"{"n":2}"#));
}

/// A poll is held for as long as the dashboard holds it, and answered when there is a change. When
/// a browser leaves the proxy, the dashboard knows at once.
#[track_caller]
fn holds(start: Start) {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &[]);
    let proxy = start(&[dashboard.address()]);
    let began = Instant::now();
    let mut held = park(&proxy, &rev, 1);
    let reply = held[0].reply(Duration::from_secs(28) + PATIENCE).expect("it is answered");
    assert_eq!((reply.status, tag(&reply)), (200, &*rev), "nothing has changed");
    assert!(began.elapsed() >= Duration::from_secs(28), "it waits as long as it does by default");

    let mut polls = park(&proxy, &rev, POLLS);
    wait_for_parked(&[&dashboard], POLLS);
    let next = dashboard.store("board", r#"{"n":2}"#);
    for poll in &mut polls {
        let reply = answer(poll);
        assert_eq!((reply.status, tag(&reply)), (200, &*next));
    }
    for poll in &mut polls {
        send(poll, &format!("/board/{next}"));
    }
    wait_for_parked(&[&dashboard], POLLS);
    drop(polls);
    wait_for_parked(&[&dashboard], 0);
}

/// One of two dashboards is ended while all browsers are served. No browser notices.
#[track_caller]
fn drains(start: Start) {
    let (stays, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let couch = stays.couch.clone().expect("its own");
    let mut leaves = program::follow(&couch, &[&["--doc", "board"], &FOR_EVER[..]].concat());
    leaves.wait_for("board", &rev);
    let proxy = start(&[stays.address(), leaves.address()]);
    let mut polls = park(&proxy, &rev, POLLS);
    wait_for_parked(&[&stays, &leaves], POLLS);
    let leaving = figure(&leaves, PARKED) as usize;
    assert!(leaving > 0, "both have some");

    let (answered, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        // A user that fails must not leave the others running.
        let address = proxy.address.as_str();
        let user = || {
            let connect = || Connection::open(address).map_err(|error| error.to_string());
            let mut connection = connect()?;
            while !is_over.load(Ordering::Relaxed) {
                send(&mut connection, "/board");
                let reply = connection.reply(PATIENCE).map_err(|error| error.to_string())?;
                if (reply.status, tag(&reply)) != (200, &rev) {
                    return Err(format!("{}, {}", reply.status, reply.text()));
                }
                answered.fetch_add(1, Ordering::Relaxed);
                if reply.header("Connection") == Some("close") {
                    connection = connect()?;
                }
            }
            Ok::<_, String>(())
        };
        let users: Vec<ScopedJoinHandle<'_, _>> = (0..USERS).map(|_| scope.spawn(user)).collect();
        let more = |count| {
            let target = answered.load(Ordering::Relaxed) + count;
            let have = || answered.load(Ordering::Relaxed) >= target;
            wait_until(PATIENCE, || have() || users.iter().any(ScopedJoinHandle::is_finished));
        };
        more(500);
        leaves.program.signal("TERM");
        let status = leaves.program.wait_for_end(PATIENCE);
        more(500);
        is_over.store(true, Ordering::Relaxed);
        for user in users {
            let served = user.join().expect("it does not panic");
            served.unwrap_or_else(|error| panic!("not served: {error}\n{}", proxy.log()));
        }
        assert_eq!(status.code(), Some(0), "{}", leaves.program.log());
    });

    // The requests that waited at the ended dashboard have been answered; the others still wait.
    let (mut told, mut waiting) = (vec![], vec![]);
    for mut poll in polls.drain(..) {
        let is_silent = poll.is_silent().expect("it is open");
        if is_silent { waiting.push(poll) } else { told.push(poll) }
    }
    assert_eq!(told.len(), leaving);
    for poll in &mut told {
        let reply = answer(poll);
        assert_eq!((reply.status, tag(&reply)), (200, &*rev));
    }
    let next = store(&couch, "board", r#"{"n":2}"#);
    for poll in &mut waiting {
        assert_eq!(tag(&answer(poll)), next);
    }
}

#[test]
#[ignore = "needs nginx"]
fn nginx_is_served_as_browsers_are() {
    serves(nginx);
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_is_served_as_browsers_are() {
    serves(haproxy);
}

#[test]
#[ignore = "needs nginx"]
fn a_poll_is_held_through_nginx() {
    holds(nginx);
}

#[test]
#[ignore = "needs haproxy"]
fn a_poll_is_held_through_haproxy() {
    holds(haproxy);
}

#[test]
#[ignore = "needs nginx"]
fn nginx_loses_no_answer_of_a_dashboard_that_ends() {
    drains(nginx);
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_loses_no_answer_of_a_dashboard_that_ends() {
    drains(haproxy);
}
