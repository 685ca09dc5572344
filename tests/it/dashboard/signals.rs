//! Signals that do not end it, and how an end spares requests in progress.

use super::program::{self, FOR_EVER, answer, tag};
use crate::support::folder::Folder;
use crate::support::{PATIENCE, wait_until};
use std::fs;

#[test]
fn sighup_reads_the_page_again_and_keeps_the_old_one_if_it_cannot() {
    let outside = Folder::new("reopened");
    let site = outside.path().join("site");
    fs::create_dir(&site).expect("it is ours");
    let write = |text: &str| fs::write(site.join("index.html"), text).expect("it is ours");
    write("first");
    let path = site.to_str().expect("it is text");
    let mut dashboard = program::start(&["--files", path]);
    let first = dashboard.get("/file/index.html");
    assert_eq!(first.text(), "first");
    assert_eq!(first.header("Vary"), None, "files of a folder have one coding");

    write("second");
    assert_eq!(dashboard.get("/file/index.html").text(), "first", "nothing is read unasked");
    dashboard.program.signal("HUP");
    wait_until(PATIENCE, || dashboard.get("/file/index.html").text() == "second");
    assert_ne!(dashboard.get("/file/index.html").header("ETag"), first.header("ETag"));

    fs::rename(&site, outside.path().join("away")).expect("it is ours");
    dashboard.program.signal("HUP");
    wait_until(PATIENCE, || dashboard.program.log().contains("still serving the previous files"));
    assert_eq!(dashboard.get("/file/index.html").text(), "second");
}

#[test]
fn sigusr1_logs_the_figures() {
    let (mut dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let _poll = dashboard.park("board", &rev);
    dashboard.program.signal("USR1");
    wait_until(PATIENCE, || dashboard.program.log().contains(" 1 parked, 0 streams; "));
}

#[test]
fn a_request_that_is_on_its_way_is_answered() {
    let (mut dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut new = dashboard.connect();
    let mut begun = dashboard.connect();
    begun.send(b"GET /board HTTP/1.1\r\nHos").expect("it reads");
    let mut stuck = dashboard.connect();
    stuck.send(b"GET /boa").expect("it reads");
    let mut poll = dashboard.park("board", &rev);
    dashboard.program.signal("TERM");
    // When the poll is answered the signal has been heard.
    assert_eq!(answer(&mut poll).status, 200);
    begun.send(b"t: h\r\n\r\n").expect("it reads");
    // This one would wait if there were time.
    dashboard.send(&mut new, &format!("/board/{rev}"));
    for connection in [&mut new, &mut begun] {
        let reply = answer(connection);
        assert_eq!((reply.status, tag(&reply)), (200, &*rev));
        assert_eq!(reply.header("Connection"), Some("close"));
        assert!(connection.rest(PATIENCE).expect("it is closed in good order").is_empty());
    }
    assert_eq!(answer(&mut stuck).status, 503, "it has had its time");
    assert_eq!(dashboard.program.wait_for_end(PATIENCE).code(), Some(0));
}
