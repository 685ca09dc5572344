//! The health and the metrics that monitoring of the program reads.

use super::program::{self, Dashboard, FOR_EVER, answer};
use crate::support::{PATIENCE, wait_until};
use std::str::FromStr;

/// The figure of this name and these labels.
#[track_caller]
fn figure<T: FromStr>(dashboard: &Dashboard, series: &str) -> T {
    let reply = dashboard.get("/metrics");
    let kind = reply.header("Content-Type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    let found = reply.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("there is no {series}"))
}

#[test]
fn events_are_counted() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let count = |series: &str| figure::<u64>(&dashboard, series);
    let seconds = |series: &str| figure::<f64>(&dashboard, series);
    let connections = count("dashboard_connections");
    let documents = count("dashboard_requests_total{route=\"document\",class=\"2xx\"}");
    let mut polls: Vec<_> = (0..3).map(|_| dashboard.park("board", &rev)).collect();
    assert_eq!(count("dashboard_parked"), 3);
    assert_eq!(count("dashboard_connections"), connections + 3);
    assert!(count("masque_watchers") >= 6);
    dashboard.store("board", r#"{"n":2}"#);
    for poll in &mut polls {
        assert_eq!(answer(poll).status, 200);
    }
    assert_eq!(count("dashboard_parked"), 0);
    assert_eq!(count("dashboard_polls_total{cause=\"changed\"}"), 3);
    assert_eq!(count("dashboard_requests_total{route=\"poll\",class=\"2xx\"}"), 3);
    let now = count("dashboard_requests_total{route=\"document\",class=\"2xx\"}");
    assert_eq!(now, documents, "nobody has asked for one meanwhile");

    let mut bad = dashboard.connect();
    bad.send(b"GET /board HTTP/1.1\r\nBad Name: x\r\nHost: h\r\n\r\n").expect("it reads");
    assert_eq!(answer(&mut bad).status, 400);
    assert_eq!(count("dashboard_refused_total{status=\"400\"}"), 1);
    assert_eq!(dashboard.get("/none").status, 404);
    assert_eq!(count("dashboard_requests_total{route=\"other\",class=\"4xx\"}"), 1);

    assert_eq!(count("dashboard_feed_up"), 1);
    assert!(count("dashboard_changes_total") >= 2);
    assert!(seconds("dashboard_feed_silence_seconds") < PATIENCE.as_secs_f64());
    assert!(count("masque_turn_seconds_count") > 0);
    assert!(seconds("masque_turn_seconds_sum") > 0.0);
    assert!(count("masque_notices_total") >= 1);
    // The figures of the embedded database move by a timer.
    wait_until(PATIENCE, || count("masque_timer_lag_seconds_bucket{le=\"+Inf\"}") > 0);
    drop(polls);
    wait_until(PATIENCE, || count("dashboard_connections") <= connections);
}

#[test]
fn it_is_well_while_it_follows_and_ill_when_the_feed_is_lost_for_long() {
    let (mut database, _) = program::with_board(r#"{"n":1}"#, &[]);
    let couch = database.couch.clone().expect("it has one");
    let dashboard = program::follow(&couch, &["--doc", "board", "--stale-after", "0.5"]);
    wait_until(PATIENCE, || dashboard.get("/health").json()["feed"] == "following");
    let well = dashboard.get("/health");
    assert_eq!(well.status, 200);
    assert_eq!(well.header("Cache-Control"), Some("no-store"));
    assert_eq!(well.json()["ok"], true);
    for name in ["data_age_seconds", "feed_silence_seconds", "feed_state_seconds"] {
        assert!(well.json()[name].as_f64().is_some_and(|age| age >= 0.0), "{name}");
    }
    database.program.kill();
    wait_until(PATIENCE, || dashboard.get("/health").status == 503);
    let ill = dashboard.get("/health");
    assert_eq!((&ill.json()["ok"], &ill.json()["feed"]), (&false.into(), &"lost".into()));
    assert!(ill.json()["feed_state_seconds"].as_f64().is_some_and(|age| age >= 0.5));
    assert_eq!(dashboard.ask("HEAD", "/health").status, 503);
    assert_eq!(dashboard.get("/board").status, 200, "what is known is served on");
}

#[test]
fn a_dashboard_that_never_had_a_feed_is_unhealthy_after_some_time() {
    let arguments = ["--stale-after", "0.3"];
    let dashboard = program::follow("http://127.0.0.1:1/numbers", &arguments);
    wait_until(PATIENCE, || dashboard.get("/health").status == 503);
    let ill = dashboard.get("/health").json();
    assert_eq!((&ill["feed"], &ill["data_age_seconds"]), (&"connecting".into(), &().into()));
}
