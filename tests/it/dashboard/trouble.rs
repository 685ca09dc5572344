//! A database that is not there, or not any more; and that a password stays where it belongs.

use super::program::{self, Dashboard, FOR_EVER, tag};
use crate::support::{PATIENCE, wait_until};
use std::net::TcpListener;

/// Neither the password nor the header that carries it.
const SECRETS: [&str; 4] = ["s3cret", "s3cr", "dXNlcjpzM2NyZXQ", "Basic "];

/// A port at which no program listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
    listener.local_addr().expect("it is bound").port()
}

#[track_caller]
fn check_no_secret(texts: &[&str]) {
    for text in texts {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

fn lost(dashboard: &Dashboard, path: &str) -> bool {
    dashboard.get(path).header("Feed-State") == Some("lost")
}

#[test]
fn before_the_first_data_the_reason_is_shown_without_the_password() {
    let couch = format!("http://user:s3cret@127.0.0.1:{}/numbers", closed_port());
    for level in ["info", "trace"] {
        let dashboard = program::follow(&couch, &["--retry-cap", "0.1", "--log", level]);
        wait_until(PATIENCE, || dashboard.program.log().matches("retrying in").count() > 3);
        for path in ["/overview", "/overview/1-a", "/overview/"] {
            let reply = dashboard.get(path);
            assert_eq!(reply.status, 503, "{path}");
            let seconds = reply.header("Retry-After").expect("it says when").parse::<u32>();
            assert!(seconds.is_ok_and(|seconds| (1..60).contains(&seconds)));
            assert_eq!(reply.header("Content-Type"), Some("application/json"));
            assert_eq!(reply.header("Feed-State"), Some("lost"));
            assert_eq!((reply.header("ETag"), reply.header("Last-Modified")), (None, None));
            let reason = reply.json()["reason"].as_str().expect("a reason").to_owned();
            assert!(reason.to_lowercase().contains("refused"), "{reason}");
            check_no_secret(&[reply.text()]);
        }
        let head = dashboard.ask("HEAD", "/overview");
        assert_eq!((head.status, head.body.len()), (503, 0));
        assert_eq!(dashboard.ask("POST", "/overview").status, 405);
        assert_eq!(dashboard.get("/file/index.html").status, 200, "the page is there to tell it");
        check_no_secret(&[&dashboard.program.log()]);
    }
}

#[test]
fn a_password_that_is_sent_is_shown_nowhere() {
    let server = program::start(&["--doc", "none"]);
    let url = server.couch.as_ref().expect("its own");
    let couch = url.replace("http://", "http://user:s3cret@");
    let arguments = ["--doc", "board", "--log", "trace", "--retry-cap", "0.1"];
    let mut dashboard = program::follow(&couch, &arguments);
    let rev = server.store("board", r#"{"n":1}"#);
    dashboard.wait_for("board", &rev);
    // The document is served before the feed has begun, and the log comes by another way.
    wait_until(PATIENCE, || dashboard.program.log().contains("following"));

    drop(server);
    wait_until(PATIENCE, || lost(&dashboard, "/board"));
    dashboard.program.signal("TERM");
    dashboard.program.wait_for_end(PATIENCE);
    check_no_secret(&[&dashboard.program.log(), &dashboard.program.unheard().join("\n")]);
}

#[test]
fn a_database_that_refuses_is_named_with_its_reason() {
    let server = program::start(&["--doc", "none"]);
    let couch = server.couch.as_ref().expect("its own").replace("/dashboard", "/none");
    let dashboard = program::follow(&couch, &["--retry-cap", "0.1"]);
    let reason = "there is no such database: not_found: Database does not exist.";
    wait_until(PATIENCE, || dashboard.get("/overview").text().contains(reason));
    assert_eq!(dashboard.get("/overview").status, 503, "no data is not an empty document");
    // The log comes by another way than the answer.
    wait_until(PATIENCE, || dashboard.program.log().contains(&couch));
}

#[test]
fn the_last_data_is_served_on_when_the_database_is_lost() {
    let server = program::start(&["--doc", "none"]);
    let arguments = [&FOR_EVER[..], &["--doc", "board", "--retry-cap", "0.1"]].concat();
    let dashboard = program::follow(server.couch.as_ref().expect("its own"), &arguments);
    let rev = server.store("board", r#"{"n":1}"#);
    dashboard.wait_for("board", &rev);
    assert!(!lost(&dashboard, "/board"));
    let mut poll = dashboard.park("board", &rev);

    drop(server);
    wait_until(PATIENCE, || lost(&dashboard, "/board"));
    let reply = dashboard.get("/board");
    assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
    assert_eq!(reply.json()["n"], 1);
    assert!(poll.is_silent().expect("it stays open"), "it may be back in a moment");
    let reply = program::answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()));
    assert_eq!(reply.header("Feed-State"), Some("lost"), "it does not come back");
}
