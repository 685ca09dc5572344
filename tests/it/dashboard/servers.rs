//! The dashboard before a server that others wrote, and its database before clients that others
//! wrote.

use super::crowd;
use super::program::{self, FOR_EVER, answer, store, tag};
use crate::support::followers::follow;
use crate::support::node::node;
use crate::support::process::Program;
use crate::support::{PATIENCE, http, pouchdb_server, wait_until};
use serde_json::{Value, json};

const ARGUMENTS: [&str; 6] = ["--doc", "board", "--retry-cap", "0.1", "--heartbeat", "1"];

/// Creates the database again, as after each start of a server that keeps it in memory.
#[track_caller]
fn create(database: &str) {
    let created = http::put(database, "");
    assert_eq!(created.status, 201, "{}", created.text());
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn a_server_is_followed_lost_and_followed_again() {
    let mut server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    create(&database);
    let rev = store(&database, "board", r#"{"n":1}"#);
    let dashboard = program::follow(&database, &[&ARGUMENTS[..], &FOR_EVER].concat());
    dashboard.wait_for("board", &rev);

    let mut poll = dashboard.park("board", &rev);
    let rev = store(&database, "board", r#"{"n":2}"#);
    let reply = answer(&mut poll);
    assert_eq!((tag(&reply), &reply.json()["n"]), (rev.as_str(), &json!(2)));

    let feed_state = || dashboard.get("/board").header("Feed-State").map(str::to_owned);
    assert_eq!(feed_state().as_deref(), Some("following"));
    dashboard.send(&mut poll, &format!("/board/{rev}"));
    server.kill();
    wait_until(PATIENCE, || feed_state().as_deref() == Some("lost"));
    let reply = answer(&mut poll);
    assert_eq!((reply.status, tag(&reply)), (200, rev.as_str()), "the last data is served on");
    assert_eq!(reply.header("Feed-State"), Some("lost"));
    dashboard.send(&mut poll, &format!("/board/{rev}"));

    server.restart();
    create(&database);
    let rev = store(&database, "board", r#"{"n":3}"#);
    let reply = answer(&mut poll);
    assert_eq!(reply.header("Feed-State"), Some("following"), "it is lost no more");
    // Between the new database and its document the old one may be seen to be gone.
    if reply.status == 200 {
        assert_eq!(tag(&reply), rev);
    }
    dashboard.wait_for("board", &rev);
    assert_eq!(feed_state().as_deref(), Some("following"));

    let mut poll = dashboard.park("board", &rev);
    let rev = store(&database, "board", r#"{"n":4}"#);
    assert_eq!(tag(&answer(&mut poll)), rev, "and new changes come");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn a_server_is_followed_answer_by_answer() {
    let server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    create(&database);
    for mode in ["longpoll", "normal"] {
        let rev = store(&database, "board", r#"{"n":1}"#);
        let arguments = [&ARGUMENTS[..], &FOR_EVER, &["--feed", mode]].concat();
        let dashboard = program::follow(&database, &arguments);
        dashboard.wait_for("board", &rev);
        for _ in 0..3 {
            let rev = store(&database, "board", r#"{"n":1}"#);
            dashboard.wait_for("board", &rev);
        }
        assert_eq!(dashboard.get("/board").header("Feed-State"), Some("following"), "{mode}");
    }
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn a_deleted_document_of_a_server_is_gone() {
    let server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    create(&database);
    let rev = store(&database, "board", r#"{"n":1}"#);
    let dashboard = program::follow(&database, &[&ARGUMENTS[..], &FOR_EVER].concat());
    dashboard.wait_for("board", &rev);
    let mut poll = dashboard.park("board", &rev);
    program::delete(&database, "board", &rev);
    assert_eq!(answer(&mut poll).status, 404);
    let rev = store(&database, "board", r#"{"n":2}"#);
    dashboard.wait_for("board", &rev);
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn a_crowd_outlives_ten_deaths_of_the_server() {
    let mut server = pouchdb_server::start();
    let database = format!("{}/numbers", server.url);
    create(&database);
    let mut rev = store(&database, "board", r#"{"n":0}"#);
    let dashboard = program::follow(&database, &[&ARGUMENTS[..], &FOR_EVER].concat());
    dashboard.wait_for("board", &rev);
    let before = dashboard.descriptors_at_rest();
    let mut browsers = crowd::connect(&dashboard, crowd::as_many_as_the_system_lets(500));
    crowd::park(&dashboard, &mut browsers, &rev);
    for n in 1..=10 {
        server.restart();
        create(&database);
        rev = store(&database, "board", &json!({ "n": n }).to_string());
        // A browser asks on with what it has until it has the newest, as the page does.
        for browser in &mut browsers {
            loop {
                let reply = answer(browser);
                let known = tag(&reply).to_owned();
                assert!([200, 404].contains(&reply.status), "{}", reply.status);
                let path = if known.is_empty() { "/board" } else { &format!("/board/{known}") };
                dashboard.send(browser, path);
                if known == rev {
                    assert_eq!(reply.json()["n"], n);
                    break;
                }
            }
        }
    }
    dashboard.catch_up();
    for browser in &mut browsers {
        assert!(
            browser.is_silent().expect("it stays open"),
            "all browsers wait at the latest revision"
        );
    }
    drop(browsers);
    dashboard.wait_for_descriptors(before);
}

/// Another client sees every change of the embedded database, and the page sees the client's.
#[track_caller]
fn a_client_follows_and_is_followed(client: &str) {
    let dashboard = program::start(&["--doc", "board", "--long-poll", "3600"]);
    let database = dashboard.couch.as_ref().expect("its own");
    let mut rev = dashboard.store("board", r#"{"n":0}"#);
    let mut follower = follow(client, database);
    for n in 1..=20 {
        rev = dashboard.store("board", &json!({ "n": n }).to_string());
        // The embedded overview changes too, and is sent as well.
        let change = follower.wait_for_line(r#"{"id":"board""#, PATIENCE);
        let change: serde_json::Value = serde_json::from_str(&change).expect("a line of JSON");
        assert_eq!((&change["rev"], &change["doc"]["n"]), (&json!(rev), &json!(n)));
    }
    follower.wait_for_line(r#"{"id":"overview""#, PATIENCE);

    dashboard.wait_for("board", &rev);
    let mut poll = dashboard.park("board", &rev);
    follower.say(r#"{"_id":"board","n":"by another's hand"}"#);
    let stored = follower.wait_for_line("stored board ", PATIENCE);
    let reply = answer(&mut poll);
    assert_eq!(tag(&reply), &stored["stored board ".len()..]);
    assert_eq!(reply.json()["n"], "by another's hand");

    follower.say(&format!(r#"{{"_id":"board","_rev":"{rev}"}}"#));
    follower.wait_for_line("refused board 409", PATIENCE);
    follower.say(r#"{"_id":"board","_deleted":true}"#);
    follower.wait_for_line("stored board ", PATIENCE);
    wait_until(PATIENCE, || dashboard.get("/board").status == 404);
    follower.close_stdin();
    assert!(follower.wait_for_end(PATIENCE).success());
    let said = follower.unheard();
    assert!(!said.iter().any(|line| line.starts_with("error")), "{said:?}");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn pouchdb_follows_the_embedded_database() {
    a_client_follows_and_is_followed("pouchdb");
}

#[test]
#[ignore = "needs the packages of tests/servers"]
fn nano_follows_the_embedded_database() {
    a_client_follows_and_is_followed("nano");
}

/// An attachment, half of a surrogate pair and a revision of another server, among documents that
/// are like others.
#[test]
#[ignore = "needs the packages of tests/servers"]
fn documents_that_cannot_be_stored_stopped_pouchdbs_replication() {
    let dashboard = program::start(&[]);
    let own = dashboard.couch.as_ref().expect("its own");
    let database = own.replace("/dashboard", "/pouchdb");
    create(&database);
    let mut program = Program::start(node("replicate-pouchdb.mjs").arg(&database));
    let mut replicated = |name: &str| {
        let line = program.wait_for_line(&format!("{{\"{name}\":"), PATIENCE);
        serde_json::from_str::<Value>(&line).expect("a line of JSON")[name].clone()
    };
    let first = json!({"ok": true, "written": 11, "failures": 2, "read": 13,
        "denied": ["doc-5-attachment", "doc-6-surrogate"]});
    assert_eq!(replicated("to"), first);
    // From the checkpoint, batch by batch: the one that is refused whole holds up none.
    let second = json!({"ok": true, "written": 2, "failures": 1, "read": 3,
        "denied": ["later-attachment"]});
    assert_eq!(replicated("to"), second);
    let back = json!({"ok": true, "written": 13, "failures": 0, "read": 13, "denied": []});
    assert_eq!(replicated("from"), back);
    let ids = replicated("back");
    assert_eq!(ids.as_array().map(Vec::len), Some(13), "{ids}");
    for id in ["doc-7-odd", "last"] {
        assert!(ids.as_array().is_some_and(|ids| ids.iter().any(|it| it == id)), "{ids}");
    }
}
