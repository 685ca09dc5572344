//! The whole program on virtual time, with a network in memory.

mod following;
#[path = "../../../tests/it/support/logged.rs"]
mod logged;
pub(crate) mod peers;

use super::{App, DRAIN_TIME};
use crate::command_line::{self, Command};
use crate::console::Console;
use crate::descriptors;
use crate::overview::Overview;
use crate::revisions::OLD_BYTES_MAX;
use masque::couch_feed::limits::LINE_BYTES;
use masque::filters::Stream;
use masque::limits::OUTPUT_COPIED_BYTES;
use masque::reactor::{Cx, Rig, Signal};
use masque::sessions::{Connection, TcpClient, TcpServer};
use masque::wheels::{Ended, ReadWrite};
use peers::{FEED, Got, Script, Step, browse, couch, whole};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A program that was started with these arguments.
pub(crate) fn app(arguments: &[&str]) -> App {
    app_that_reports(arguments, channel().0)
}

fn app_that_reports(arguments: &[&str], failure: Sender<String>) -> App {
    let parsed = command_line::parse(lexopt::Parser::from_args(arguments));
    let Ok(Command::Run(options)) = parsed else { panic!("{parsed:?}") };
    let capacity = descriptors::share(Some(1024), true).expect("1024 descriptors are enough");
    let console = Console::open().expect("the system has two threads");
    App::new(*options, None, capacity, console, failure)
}

/// A program that has run for a second.
fn running(arguments: &[&str]) -> Rig {
    let mut rig = Rig::new();
    rig.spawn(app(arguments));
    rig.run_for(Duration::from_secs(1));
    rig
}

#[test]
fn a_program_that_cannot_listen_stops_every_session_and_reports_why() {
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(8080).accept(|_, _| ()));
    rig.settle();
    let others = rig.stats().sessions;
    let (failure, failed) = channel();
    rig.spawn(app_that_reports(&[], failure));
    rig.run_for(Duration::from_secs(1));
    let why = failed.try_recv().expect("it has failed");
    assert!(why.starts_with("cannot listen on 127.0.0.1:8080: "), "{why}");
    assert!(others > 0);
    assert_eq!(rig.stats().sessions, 0);
}

#[test]
fn it_exits_as_soon_as_the_last_connection_has_ended() {
    let mut rig = running(&[]);
    let idle = browse(&mut rig, "");
    let served = browse(&mut rig, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
    let streaming = browse(&mut rig, "GET /overview/events HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.raise(Signal::Term);
    rig.run_for(Duration::from_millis(900));
    assert!(rig.stats().sessions > 0, "one that has just connected has a second");
    assert!(streaming.text().ends_with("0\r\n\r\n"), "it has ended");
    assert!(served.text().starts_with("HTTP/1.1 200 OK\r\n"));
    rig.run_for(Duration::from_millis(200));
    assert_eq!(rig.stats().sessions, 0);
    assert!(idle.text().is_empty());
}

#[test]
fn a_connection_that_was_answered_long_ago_does_not_delay_the_end() {
    let second = Duration::from_secs(1);
    for (idle, is_waited_for) in [(second, true), (second + Duration::from_nanos(1), false)] {
        let mut rig = running(&[]);
        browse(&mut rig, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
        rig.run_for(idle);
        rig.raise(Signal::Term);
        rig.settle();
        assert_eq!(rig.stats().sessions > 0, is_waited_for, "after {idle:?}");
        rig.run_for(second);
        assert_eq!(rig.stats().sessions, 0);
    }
}

#[test]
fn it_exits_at_the_deadline_although_a_request_is_incomplete() {
    let mut rig = running(&[]);
    browse(&mut rig, "POST /overview HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    rig.raise(Signal::Int);
    let moment = Duration::from_millis(1);
    rig.run_for(DRAIN_TIME.saturating_sub(moment));
    assert!(rig.stats().sessions > 0, "its body is waited for");
    rig.run_for(2 * moment);
    assert_eq!(rig.stats().sessions, 0);
}

#[test]
fn a_second_signal_exits_immediately() {
    let mut rig = running(&[]);
    browse(&mut rig, "POST /overview HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    rig.raise(Signal::Term);
    rig.settle();
    assert!(rig.stats().sessions > 0);
    rig.raise(Signal::Term);
    rig.settle();
    assert_eq!(rig.stats().sessions, 0);
}

#[test]
fn a_quiet_stream_sends_two_heartbeats_in_the_time_of_a_poll() {
    let mut rig = running(&["--doc", "still", "--long-poll", "20"]);
    let got = browse(&mut rig, "GET /still/events HTTP/1.1\r\nHost: h\r\n\r\n");
    for beats in 0..4 {
        let seen = got.text().matches("3\r\n:\n\n\r\n").count();
        assert_eq!(seen, beats);
        rig.run_for(Duration::from_secs(10));
    }
}

/// The texts of an answer, each with the seconds before it.
#[derive(Clone)]
struct Texts(fn(&str) -> Vec<(u64, String)>);

impl Script for Texts {
    fn answer(&mut self, path: &str) -> Vec<(Duration, Step)> {
        let texts = (self.0)(path).into_iter();
        texts.map(|(seconds, text)| (Duration::from_secs(seconds), Step::Send(text))).collect()
    }
}

/// A program that has run for no time with a CouchDB that answers so and has a document `x`.
fn following(answers: fn(&str) -> Vec<(u64, String)>) -> Rig {
    let mut rig = Rig::new();
    couch(&mut rig, Texts(answers));
    rig.spawn(app(&["--couch", "http://127.0.0.1:5984/db", "--doc", "x"]));
    rig
}

/// A whole answer, sent immediately.
fn ok(body: &str) -> Vec<(u64, String)> {
    vec![(0, whole("200 OK", body))]
}

const INFO: &str = r#"{"update_seq":"1-a","instance_start_time":"1"}"#;

fn row(number: usize) -> String {
    format!(
        "{{\"seq\":\"{number}-s\",\"id\":\"x\",\"changes\":[{{\"rev\":\"{number}-r\"}}],\
         \"doc\":{{\"_id\":\"x\",\"_rev\":\"{number}-r\"}}}}\n"
    )
}

#[test]
fn a_document_that_is_too_long_is_not_shown_as_current_until_it_is_short_again() {
    let mut rig = following(|path| match path {
        "/db" => ok(INFO),
        "/db/x" => ok(&"y".repeat(LINE_BYTES + 1)),
        _ if path.contains("since=1-a") => {
            let bare = r#"{"seq":"3-s","id":"x","changes":[{"rev":"3-r"}]}"#;
            vec![(0, FEED.to_owned()), (10, row(2)), (10, format!("{bare}\n"))]
        }
        _ => vec![(0, FEED.to_owned())],
    });
    let mut check = |seconds, expected: &[&str], health: &[&str], event: &str| {
        rig.run_for(Duration::from_secs(seconds));
        let asked = [
            ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", expected),
            ("GET /health HTTP/1.1\r\nHost: h\r\n\r\n", health),
            ("GET /x/events HTTP/1.1\r\nHost: h\r\n\r\n", &[event]),
        ];
        for (request, expected) in asked {
            let got = browse(&mut rig, request);
            let got = got.text();
            assert!(expected.iter().all(|part| got.contains(part)), "{expected:?} of {got}");
        }
    };
    let well = ["HTTP/1.1 200 OK", "\"ok\":true", "\"outdated_documents\":0"];
    let ill = ["HTTP/1.1 503 ", "\"ok\":false", "\"outdated_documents\":1"];
    let why = "the document is longer than 67108864 bytes";
    check(1, &["HTTP/1.1 503 ", "feed-state: lost", why], &ill, why);
    check(10, &["HTTP/1.1 200 OK", "feed-state: following"], &well, "following");
    check(20, &["HTTP/1.1 200 OK", "feed-state: lost", "2-r"], &ill, why);
}

#[test]
fn a_document_that_cannot_be_read_hid_the_others() {
    let answers: fn(&str) -> _ = |path| match path {
        "/db" => ok(INFO),
        "/db/bad" => ok("what is this?"),
        "/db/x" => ok(r#"{"_id":"x","_rev":"1-r"}"#),
        _ => vec![(0, FEED.to_owned())],
    };
    let mut rig = Rig::new();
    couch(&mut rig, Texts(answers));
    rig.spawn(app(&["--couch", "http://127.0.0.1:5984/db", "--doc", "bad", "--doc", "x"]));
    rig.run_for(Duration::from_secs(60));
    let why = "it is no document";
    for (request, expected) in [
        ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", ["HTTP/1.1 200 OK", "feed-state: following", "1-r"]),
        ("GET /bad HTTP/1.1\r\nHost: h\r\n\r\n", ["HTTP/1.1 503 ", "feed-state: lost", why]),
        (
            "GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
            ["HTTP/1.1 503 ", "\"feed\":\"following\"", "\"outdated_documents\":1"],
        ),
    ] {
        let got = browse(&mut rig, request);
        let got = got.text();
        assert!(expected.iter().all(|part| got.contains(part)), "{expected:?} of {got}");
    }
}

/// A browser that polls, and keeps the revisions that it gets.
struct Poller {
    input: String,
    revs: Arc<Mutex<Vec<usize>>>,
}

impl Connection for Poller {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, bytes: bytes::Bytes) {
        self.input += std::str::from_utf8(&bytes).expect("it is text");
        let Some(rev) = self.input.split("_rev\":\"").nth(1).filter(|rev| rev.ends_with('}'))
        else {
            return;
        };
        let number = rev.split('-').next().expect("there is one").parse().expect("a number");
        self.input.clear();
        self.revs.lock().expect("no thread panics while it holds this lock").push(number);
        wire.put(cx, format!("GET /x/{number}-r HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
}

#[test]
fn a_browser_is_answered_again_and_again_while_a_hundred_thousand_changes_come_at_once() {
    const CHANGES: usize = 100_000;
    let mut rig = following(|path| match path {
        "/db" => ok(INFO),
        "/db/x" => ok(r#"{"_id":"x","_rev":"1-r"}"#),
        _ => {
            let rows = (2..=CHANGES).map(row).collect();
            vec![(0, FEED.to_owned()), (1, rows)]
        }
    });
    rig.run_for(Duration::from_millis(500));
    let revs = Arc::new(Mutex::new(vec![]));
    let (input, kept) = (String::new(), Arc::clone(&revs));
    rig.spawn(TcpClient::new(8080).run(Poller { input, revs: kept }));
    rig.run_for(Duration::from_secs(1));
    let revs = revs.lock().expect("no thread panics while it holds this lock");
    assert_eq!((revs.first(), revs.last()), (Some(&1), Some(&CHANGES)));
    assert!(revs.is_sorted_by(|one, next| one < next));
    // The longest that it waits is a small part of the burst.
    let longest = revs.windows(2).map(|two| two[1] - two[0]).max();
    assert!(longest.is_some_and(|rows| rows < CHANGES / 20), "{longest:?} of {} polls", revs.len());
}

/// A browser that asks for the document, and reads no more once something has come.
struct SlowReader {
    sends: &'static str,
    ends: Arc<Mutex<Vec<String>>>,
}

impl Connection for SlowReader {
    type Filter = Stream;

    fn filter(&self) -> Stream {
        Stream
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>) {
        wire.put(cx, self.sends);
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Stream>, _: bytes::Bytes) {
        wire.pause(cx);
    }

    fn disconnected(&mut self, _: &mut Cx<'_>, why: &Ended) {
        self.ends.lock().expect("no thread panics while it holds this lock").push(why.to_string());
    }
}

#[test]
fn slow_browsers_kept_every_revision_that_they_had_begun_to_read() {
    keep_old_revisions("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn slow_streams_kept_every_revision_that_they_had_begun_to_read() {
    keep_old_revisions("GET /x/events HTTP/1.1\r\nHost: h\r\n\r\n");
}

/// Has a browser ask so for each of some revisions. Those of the oldest must have been reset.
#[track_caller]
fn keep_old_revisions(sends: &'static str) {
    const REVISIONS: usize = 12;
    const REVISION_BYTES: usize = 7 * 1024 * 1024;
    const OLD_MAX: usize = OLD_BYTES_MAX / REVISION_BYTES;
    fn long(number: usize) -> String {
        let pad = "x".repeat(REVISION_BYTES - 100);
        row(number).replace("\"doc\":{", &format!("\"doc\":{{\"pad\":\"{pad}\","))
    }
    let mut rig = following(|path| match path {
        "/db" => ok(INFO),
        "/db/x" => ok(r#"{"_id":"x","_rev":"1-r"}"#),
        _ => {
            let rows = (2..=REVISIONS).map(|number| (1, long(number)));
            [(0, FEED.to_owned())].into_iter().chain(rows).collect()
        }
    });
    let ends = Arc::new(Mutex::new(vec![]));
    rig.run_for(Duration::from_millis(500));
    for _ in 1..REVISIONS {
        rig.run_for(Duration::from_secs(1));
        let reader = SlowReader { sends, ends: Arc::clone(&ends) };
        rig.spawn(TcpClient::new(8080).run(reader));
        rig.settle();
    }
    let is_over = REVISIONS - 2 - OLD_MAX; // the first is short, and the last is not old
    let ends = ends.lock().expect("no thread panics while it holds this lock");
    assert_eq!(*ends, vec!["connection reset"; is_over], "those of the oldest");
    let figures = browse(&mut rig, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    let figures = figures.text();
    let figure = |name: &str| -> usize {
        let line = figures.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).expect("it is shown")
    };
    assert_eq!(figure("dashboard_connections_ended_total{cause=\"outdated\"}"), is_over);
    let old = figure("dashboard_old_revision_bytes");
    assert!(old <= OLD_BYTES_MAX && old > OLD_BYTES_MAX - 2 * REVISION_BYTES, "{old}");
}

#[test]
fn a_sequence_and_a_revision_went_to_the_log_with_their_control_characters() {
    let records = logged::logged(|| {
        let mut rig = following(|path| match path {
            "/db" => ok(INFO),
            "/db/x" => ok(r#"{"_id":"x","_rev":"1-\u001b[2J"}"#),
            _ => vec![(0, FEED.to_owned() + "{\"last_seq\":\"2-\\n\\u001b[2J\"}\npoison\n")],
        });
        rig.run_for(Duration::from_secs(600));
    });
    let log = records.join("\n");
    assert!(log.contains("`x` is at revision \"1-\\u{1b}[2J\""), "{log}");
    assert!(log.contains("/db failed 5 times in a row at sequence \"2-\\n\\u{1b}[2J\": "), "{log}");
    assert!(!records.iter().any(|record| record.contains(char::is_control)), "{log}");
}

#[test]
fn a_panic_of_an_essential_session_left_a_program_that_answered_nothing() {
    let mut rig = running(&[]);
    let _idle = browse(&mut rig, "");
    rig.call("overview", Overview::CURRENT, usize::MAX).expect_err("it has no such place");
    rig.settle();
    assert_eq!(rig.stats().sessions, 0);
    let failure = rig.failure().expect("the program has failed").to_string();
    assert!(failure.contains("Overview` (session "), "{failure}");
    assert!(failure.contains("which is essential, panicked in `overview.current`: "), "{failure}");
}

#[test]
fn a_full_server_could_not_be_asked_for_its_health() {
    let mut rig = Rig::new();
    let mut app = app(&["--long-poll", "3600"]);
    (app.capacity.browsers, app.capacity.guests) = (2, 1);
    rig.spawn(app);
    rig.run_for(Duration::from_secs(1));
    let health = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let page = "GET /file/index.html HTTP/1.1\r\nHost: h\r\n\r\n";
    let metrics = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
    let status = |got: &Got| {
        let got = got.text();
        let is_closed = got.contains("connection: close");
        (got.get(9..12).unwrap_or_default().to_owned(), is_closed, got.contains("retry-after: 5"))
    };
    let answer = |status: &str, is_closed, says_when| (status.to_owned(), is_closed, says_when);
    for _ in 0..2 {
        let streaming = browse(&mut rig, "GET /overview/events HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(status(&streaming), answer("200", false, false));
    }
    for (asked, expected) in [
        (health, answer("200", true, false)),
        (page, answer("503", true, true)),
        (metrics, answer("200", true, false)),
    ] {
        let got = browse(&mut rig, asked);
        rig.run_for(Duration::from_secs(3)); // until the connection is closed
        assert_eq!(status(&got), expected, "{asked}");
    }
    // A guest that says nothing has its time, and meanwhile nothing of the next is read.
    let idle = browse(&mut rig, "");
    let refused = browse(&mut rig, health);
    assert_eq!(status(&refused), answer("503", true, true));
    rig.run_for(Duration::from_secs(5));
    assert!(idle.text().is_empty());
    let got = browse(&mut rig, metrics);
    let got = got.text();
    for line in ["dashboard_connections 3", "dashboard_turned_away_total{cause=\"too_many\"} 2"] {
        assert!(got.contains(line), "{line}: {got}");
    }
}

#[test]
fn a_browser_whose_session_panicked_kept_its_slot() {
    let mut rig = Rig::new();
    let mut app = app(&[]);
    (app.capacity.browsers, app.capacity.guests) = (2, 1);
    app.options.docs.clear(); // the address of the page needs one
    rig.spawn(app);
    rig.run_for(Duration::from_secs(1));
    for _ in 0..2 {
        browse(&mut rig, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    let got = browse(&mut rig, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    let got = got.text();
    assert!(got.contains("masque_panics_total 2"), "{got}");
    assert!(got.contains("dashboard_connections 1"), "{got}");
    assert!(!got.contains("connection: close"), "it is served as any browser: {got}");
}

#[test]
fn the_revision_of_an_event_did_not_count_where_the_document_itself_is_copied() {
    let mut rig = following(|path| match path {
        "/db" => ok(INFO),
        "/db/x" => {
            let text = "a".repeat(OUTPUT_COPIED_BYTES - 40);
            ok(&format!(r#"{{"_id":"x","_rev":"1-a","text":"{text}"}}"#))
        }
        _ => vec![(0, FEED.to_owned())],
    });
    rig.run_for(Duration::from_secs(2));
    let state = rig.call("overview", Overview::STREAM_STATE, 0).expect("it is there");
    assert!(state.document.is_some_and(|event| event.len() > OUTPUT_COPIED_BYTES));
    assert!(state.current.revision.is_kept());
}
