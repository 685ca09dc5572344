//! More browsers than the process has descriptors for.

use super::program::{self, Dashboard, FOR_EVER, answer, tag};
use super::relay::Relay;
use super::tools::figure;
use crate::support::http::{self, Reply};
use crate::support::process::Program;
use crate::support::{PATIENCE, wait_until};
use std::process::Command;

/// A dashboard that may have so many files open, before the database behind the relay.
#[track_caller]
fn with_descriptors(count: usize, relay: &Relay) -> Dashboard {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(r#"ulimit -n {count}; exec "$0" "$@""#)]);
    shell.arg(program::command().get_program()).args(["--listen", "127.0.0.1:0"]).args(FOR_EVER);
    shell.args(["--couch", &format!("http://{}/dashboard", relay.address()), "--doc", "board"]);
    let mut program = Program::start(shell.args(["--retry-cap", "0.1"]));
    let url = program.wait_for_line("dashboard at http://", PATIENCE);
    let url = url["dashboard at ".len()..].trim_end_matches('/').to_owned();
    Dashboard { url, couch: None, curl: None, program }
}

/// The answer that is wanted, once it comes. A full server closes some connections without one.
#[track_caller]
fn ask(dashboard: &Dashboard, path: &str, is_wanted: impl Fn(&Reply) -> bool) -> Reply {
    let (url, mut wanted) = (format!("{}{path}", dashboard.url), None);
    wait_until(PATIENCE, || {
        wanted = http::request("GET", &url, &[], b"").ok().filter(|reply| is_wanted(reply));
        wanted.is_some()
    });
    wanted.expect("it was waited for")
}

/// How many polls wait.
#[track_caller]
fn dashboard_parked(dashboard: &Dashboard) -> u64 {
    let page = ask(dashboard, "/metrics", |reply| reply.status == 200);
    let parked = page.text().lines().find_map(|line| line.strip_prefix("dashboard_parked "));
    parked.and_then(|count| count.parse().ok()).expect("it is a figure")
}

#[test]
fn browsers_took_every_descriptor_and_the_feed_that_was_cut_never_came_back() {
    let server = program::start(&["--doc", "none"]);
    let couch = server.couch.as_ref().expect("its own");
    let relay = Relay::to(couch["http://".len()..].split('/').next().expect("an address"));
    let dashboard = with_descriptors(64, &relay);
    let rev = server.store("board", r#"{"n":1}"#);
    dashboard.wait_for("board", &rev);

    let mut browsers: Vec<_> = (0..120).map(|_| dashboard.connect()).collect();
    for browser in &mut browsers {
        // One that is turned away may be closed already.
        let _ = browser.send(format!("GET /board/{rev} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    }
    let health = ask(&dashboard, "/health", |reply| reply.status == 200);
    assert_eq!(health.json()["feed"], "following");
    let parked = dashboard_parked(&dashboard);
    assert!(parked >= 8, "{parked} browsers are served");
    let refused = ask(&dashboard, "/board", |reply| reply.status == 503);
    assert_eq!(refused.header("Retry-After"), Some("5"));
    assert_eq!(refused.header("Connection"), Some("close"));

    relay.cut();
    wait_until(PATIENCE, || dashboard.program.log().contains("disconnected from http"));
    let next = server.store("board", r#"{"n":2}"#);
    let mut served = 0;
    for browser in &mut browsers {
        if let Ok(reply) = browser.reply(PATIENCE)
            && reply.status == 200
        {
            assert_eq!(tag(&reply), next);
            served += 1;
        }
    }
    assert_eq!(served, parked, "whoever waited has the change");
    let log = dashboard.program.log();
    assert!(log.matches("accepting pauses").count() <= 1, "{log}");
    assert!(log.contains("up to 12 browsers are served at a time"), "{log}");

    drop(browsers);
    ask(&dashboard, "/board", |reply| reply.status == 200);
    wait_until(PATIENCE, || figure(&dashboard, "dashboard_connections") == 1);
    assert!(figure(&dashboard, "dashboard_turned_away_total{cause=\"too_many\"}") > 0);
    let mut poll = dashboard.park("board", &next);
    let last = server.store("board", r#"{"n":3}"#);
    assert_eq!(tag(&answer(&mut poll)), last);
}

#[test]
fn a_low_soft_limit_was_kept_though_the_hard_one_is_higher() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -Sn 80; ulimit -Hn 300; exec "$0" "$@""#]);
    shell.arg(program::command().get_program()).args(["--listen", "127.0.0.1:0"]);
    let program = Program::start(&mut shell);
    wait_until(PATIENCE, || program.log().contains("because at most 300 files may be open"));
}

#[test]
fn too_few_descriptors_are_reported_at_the_start() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n 40; exec "$0" "$@""#]);
    let mut program = Program::start(shell.arg(program::command().get_program()));
    assert_eq!(program.wait_for_end(PATIENCE).code(), Some(1));
    let log = program.log();
    assert!(log.contains("at most 40 files may be open") && log.contains("ulimit -n"), "{log}");
}
