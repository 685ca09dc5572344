//! Thousands of browsers that wait at once.

use super::program::{self, Dashboard, FOR_EVER, answer, tag};
use crate::support::PATIENCE;
use crate::support::http::Connection;
use serde_json::json;
use std::io::Write;

const BROWSERS: usize = 2_000;

/// Descriptors that this process needs for other things, other tests among them.
const SPARE: usize = 300;

/// Rounds of one change that all of them get.
const ROUNDS: u32 = 3;

#[test]
fn thousands_have_each_change_once_and_leave_nothing() {
    let (dashboard, mut rev) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let before = dashboard.descriptors_at_rest();
    let mut browsers = connect(&dashboard, as_many_as_the_system_lets(BROWSERS));
    for n in 1..=ROUNDS {
        park(&dashboard, &mut browsers, &rev);
        // As large as a real overview, and distinguished from every other by its content.
        let figures: Vec<_> = (0..200).map(|i| json!({ "name": i, "value": i * n })).collect();
        let document = json!({ "n": n, "figures": figures });
        rev = dashboard.store("board", &document.to_string());
        let expected = json!({ "_id": "board", "_rev": rev, "n": n, "figures": figures });
        let mut first: Option<Vec<u8>> = None;
        for browser in &mut browsers {
            let reply = answer(browser);
            assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
            let body = first.get_or_insert_with(|| {
                assert_eq!(reply.json(), expected);
                reply.body.clone()
            });
            assert!(reply.body == *body, "everybody has the same, whole");
        }
    }
    dashboard.catch_up();
    for browser in &mut browsers {
        assert!(browser.is_silent().expect("it stays open"), "no browser is answered twice");
        browser.end_sending().expect("it is open");
    }
    for browser in &mut browsers {
        assert!(browser.rest(PATIENCE).expect("it is closed in good order").is_empty());
    }
    dashboard.wait_for_descriptors(before);
}

#[test]
fn thousands_that_leave_at_once_leave_nothing() {
    let (dashboard, rev) = program::with_board(r#"{"n":0}"#, &FOR_EVER);
    let before = dashboard.descriptors_at_rest();
    let mut browsers = connect(&dashboard, as_many_as_the_system_lets(BROWSERS / 4));
    park(&dashboard, &mut browsers, &rev);
    let mut stays = dashboard.park("board", &rev);
    drop(browsers);
    // The change comes among the goodbyes.
    let next = dashboard.store("board", r#"{"n":1}"#);
    assert_eq!(tag(&answer(&mut stays)), next);
    drop(stays);
    dashboard.wait_for_descriptors(before);
    assert_eq!(tag(&dashboard.get("/board")), next);
}

pub(super) fn connect(dashboard: &Dashboard, count: usize) -> Vec<Connection> {
    (0..count).map(|_| dashboard.connect()).collect()
}

/// Has all of them ask for the revision after `rev`, and makes sure that all of them wait.
#[track_caller]
pub(super) fn park(dashboard: &Dashboard, browsers: &mut [Connection], rev: &str) {
    for browser in browsers.iter_mut() {
        dashboard.send(browser, &format!("/board/{rev}"));
    }
    dashboard.catch_up();
    for browser in browsers {
        assert!(browser.is_silent().expect("it stays open"), "all browsers wait");
    }
}

/// `wanted`, or what the limit on open files leaves; safe code cannot raise it.
pub(super) fn as_many_as_the_system_lets(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux has it");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    let limit = soft.and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let count = wanted.min(limit.saturating_sub(SPARE));
    assert!(count >= 100, "a limit of {limit} open files is too low: ulimit -n 4096");
    if count < wanted {
        // Past the test runner, which would keep it to itself.
        let mut stderr = std::io::stderr();
        let _ = writeln!(
            stderr,
            "only {count} of {wanted} browsers: at most {limit} files may be open; ulimit -n 4096"
        );
    }
    count
}
