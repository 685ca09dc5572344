//! The shown documents while CouchDB purges them, sends wrong ones, or is stopped.

use super::app;
use super::peers::{FEED, Script, Step, browse, couch, whole};
use masque::reactor::{Rig, SessionId};
use masque::sessions::TcpServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Answers that may change once something has happened.
#[derive(Clone)]
struct Answers {
    answers: fn(&str, bool) -> String,
    has_happened: Arc<AtomicBool>,
}

/// A feed that ends in its middle after 10 s.
const CUT: &str = "HTTP/1.1 200 OK\r\nX: cut\r\n\r\n\n";

impl Script for Answers {
    fn answer(&mut self, path: &str) -> Vec<(Duration, Step)> {
        let answer = (self.answers)(path, self.has_happened.load(Ordering::Relaxed));
        let next = match answer.as_str() {
            CUT => Some(Step::Close),
            FEED => Some(Step::Heartbeats),
            _ => None,
        };
        let next = next.map(|step| (Duration::from_secs(10), step));
        [(Duration::ZERO, Step::Send(answer))].into_iter().chain(next).collect()
    }
}

struct Scene {
    rig: Rig,
    server: SessionId,
    has_happened: Arc<AtomicBool>,
}

impl Scene {
    /// A program that has followed `x` for a second.
    fn new(answers: fn(&str, bool) -> String) -> Self {
        let mut rig = Rig::new();
        let has_happened = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&has_happened);
        let server = couch(&mut rig, Answers { answers, has_happened: flag });
        rig.spawn(app(&["--couch", "http://127.0.0.1:5984/db", "--doc", "x"]));
        rig.run_for(Duration::from_secs(1));
        Scene { rig, server, has_happened }
    }

    fn happen(&self) {
        self.has_happened.store(true, Ordering::Relaxed);
    }

    fn run_s(&mut self, seconds: u64) {
        self.rig.run_for(Duration::from_secs(seconds));
    }

    /// The document, and the program's health.
    #[track_caller]
    fn check(&mut self, document: &[&str], health: &[&str]) {
        for (request, expected) in [
            ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", document),
            ("GET /health HTTP/1.1\r\nHost: h\r\n\r\n", health),
        ] {
            let got = browse(&mut self.rig, request);
            got.has(expected);
        }
    }
}

fn info(purge_seq: u8) -> String {
    let seqs = format!("\"update_seq\":\"1-a\",\"purge_seq\":\"{purge_seq}-a\"");
    whole("200 OK", &format!("{{{seqs},\"instance_start_time\":\"1\"}}"))
}

const X: &str = r#"{"_id":"x","_rev":"1-r"}"#;
const WELL: [&str; 3] = ["HTTP/1.1 200 OK", "\"feed\":\"following\"", "\"outdated_documents\":0"];

#[test]
fn a_purged_document_was_shown_as_current() {
    let mut scene = Scene::new(|target, is_purged| match target {
        "/db" => info(u8::from(is_purged)),
        "/db/x" if is_purged => {
            whole("404 Object Not Found", r#"{"error":"not_found","reason":"missing"}"#)
        }
        "/db/x" => whole("200 OK", X),
        _ => FEED.to_owned(),
    });
    scene.check(&["HTTP/1.1 200 OK", "feed-state: following", X], &WELL);
    scene.happen();
    scene.run_s(50);
    scene.check(&["HTTP/1.1 404 ", "feed-state: following"], &WELL);
}

#[test]
fn a_document_that_is_wrong_leaves_the_last_one_shown_as_outdated() {
    let mut scene = Scene::new(|target, is_wrong| match target {
        "/db" => info(u8::from(is_wrong)), // so that it is read again
        "/db/x" if is_wrong => whole("200 OK", r#"{"_id":"y","_rev":"2-r"}"#),
        "/db/x" => whole("200 OK", X),
        _ => FEED.to_owned(),
    });
    scene.happen();
    scene.run_s(50);
    let ill = ["HTTP/1.1 503 ", "\"feed\":\"following\"", "\"outdated_documents\":1"];
    scene.check(&["HTTP/1.1 200 OK", "feed-state: lost", X], &ill);
    let got = browse(&mut scene.rig, "GET /x/events HTTP/1.1\r\nHost: h\r\n\r\n");
    let got = got.text();
    assert!(got.contains("it is another document"), "{got}");
}

#[test]
fn the_loss_is_known_at_once_when_the_server_is_gone() {
    let mut scene = Scene::new(|target, _| match target {
        "/db" => info(0),
        "/db/x" => whole("200 OK", X),
        _ => CUT.to_owned(),
    });
    let got = browse(&mut scene.rig, "GET /x/events HTTP/1.1\r\nHost: h\r\n\r\n");
    scene.run_s(8);
    scene.check(&["feed-state: following"], &WELL);
    scene.rig.post(scene.server, TcpServer::SHUTDOWN, ()).expect("it is there");
    scene.run_s(1);
    scene.check(&["HTTP/1.1 200 OK", "feed-state: lost", X], &["\"feed\":\"lost\""]);
    let got = got.text();
    assert!(got.contains("{\"state\":\"lost\""), "{got}");
}
