//! What polls and streams get from a dashboard that is behind another one, or has lost its feed,
//! on virtual time.

use crate::app::tests::app;
use crate::app::tests::peers::{FEED, Got, Script, Step, browse, couch, whole};
use masque::reactor::{Rig, Signal};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// The time of a poll in these tests.
const LONG_POLL: Duration = Duration::from_secs(20);
/// A second less.
const ALMOST_LONG_POLL: Duration = Duration::from_secs(19);

/// The database that a dashboard follows: one document, `x`.
#[derive(Debug, Default)]
struct Database {
    /// When it was created.
    created: u32,
    seq: u32,
    /// The document's revision, and whether that deleted it.
    rev: Option<(String, bool)>,
    /// The rows that the feed has not sent yet.
    rows: String,
    is_down: bool,
}

impl Database {
    fn document(&self) -> Option<String> {
        let (rev, is_deleted) = self.rev.as_ref()?;
        let deleted = if *is_deleted { ",\"_deleted\":true" } else { "" };
        Some(format!("{{\"_id\":\"x\",\"_rev\":\"{rev}\"{deleted}}}"))
    }

    fn change(&mut self, rev: &str, is_deleted: bool) {
        self.seq += 1;
        self.rev = Some((rev.to_owned(), is_deleted));
        let (seq, doc) = (self.seq, self.document().expect("it has one"));
        let row = format!(
            "{{\"seq\":\"{seq}-s\",\"id\":\"x\",\"changes\":[{{\"rev\":\"{rev}\"}}],\
             \"deleted\":{is_deleted},\"doc\":{doc}}}\n"
        );
        self.rows.push_str(&row);
    }

    fn answer(&self, path: &str) -> String {
        match path {
            "/db" => {
                let (seq, created) = (self.seq, self.created);
                let info =
                    format!("\"update_seq\":\"{seq}-s\",\"instance_start_time\":\"{created}\"");
                whole("200 OK", &format!("{{{info}}}"))
            }
            "/db/x" => match (self.document(), &self.rev) {
                (Some(document), Some((_, false))) => whole("200 OK", &document),
                (_, rev) => {
                    let reason = if rev.is_some() { "deleted" } else { "missing" };
                    let body = format!("{{\"error\":\"not_found\",\"reason\":\"{reason}\"}}");
                    whole("404 Object Not Found", &body)
                }
            },
            _ => FEED.to_owned(),
        }
    }
}

/// A database whose document is at `rev`, if there is one.
fn at(rev: Option<&str>) -> Database {
    let rev = rev.map(|rev| (rev.to_owned(), false));
    Database { created: 1, seq: 1, rev, ..Database::default() }
}

/// A connection to the database.
#[derive(Clone)]
struct Answers {
    database: Arc<Mutex<Database>>,
    is_feed: bool,
}

impl Script for Answers {
    const POLL_PAUSE: Option<Duration> = Some(Duration::from_millis(10));

    fn answer(&mut self, path: &str) -> Vec<(Duration, Step)> {
        self.is_feed = path.starts_with("/db/_changes");
        let answer = self.database.lock().expect(LOCKED).answer(path);
        vec![(Duration::ZERO, Step::Send(answer))]
    }

    fn poll(&mut self) -> Option<Step> {
        let mut database = self.database.lock().expect(LOCKED);
        if database.is_down {
            return Some(Step::Close);
        }
        let has_rows = self.is_feed && !database.rows.is_empty();
        has_rows.then(|| Step::Send(std::mem::take(&mut database.rows)))
    }
}

const LOCKED: &str = "no thread panics while it holds this lock";

/// A dashboard and its database.
struct World {
    rig: Rig,
    database: Arc<Mutex<Database>>,
}

impl World {
    /// One whose document is at `rev`, if there is one.
    fn at(rev: Option<&str>, arguments: &[&str]) -> Self {
        Self::of(at(rev), arguments)
    }

    fn of(database: Database, arguments: &[&str]) -> Self {
        let database = Arc::new(Mutex::new(database));
        let mut world = World { rig: Rig::new(), database: Arc::clone(&database) };
        couch(&mut world.rig, Answers { database, is_feed: false });
        let always = ["--couch", "http://127.0.0.1:5984/db", "--doc", "x"];
        let more = ["--heartbeat", "3600", "--retry-cap", "0.5"];
        let usual =
            if arguments.contains(&"--long-poll") { &[][..] } else { &["--long-poll", "20"] };
        world.rig.spawn(app(&[&always[..], &more, usual, arguments].concat()));
        world.rig.run_for(SECOND);
        world
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().expect(LOCKED)
    }

    fn change(&mut self, rev: &str) {
        self.database().change(rev, false);
        self.rig.run_for(SECOND / 10);
    }

    fn delete(&mut self, rev: &str) {
        self.database().change(rev, true);
        self.rig.run_for(SECOND / 10);
    }

    /// The database is away for so long.
    fn outage(&mut self, time: Duration, during: impl FnOnce(&mut Database)) {
        self.database().is_down = true;
        self.rig.run_for(time);
        let mut database = self.database();
        during(&mut database);
        database.is_down = false;
        drop(database);
    }

    fn get(&mut self, path: &str) -> Got {
        self.ask(path, "")
    }

    fn ask(&mut self, path: &str, fields: &str) -> Got {
        let sends = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let got = browse(&mut self.rig, sends);
        self.rig.run_for(SECOND / 100);
        got
    }

    #[track_caller]
    fn counts(&mut self, line: &str) {
        let metrics = self.get("/metrics");
        assert!(metrics.text().lines().any(|found| found == line), "{line} in {}", metrics.text());
    }
}

const MONOTONIC: &[&str] = &["--monotonic"];

#[test]
fn a_browser_went_back_in_time_when_it_asked_a_dashboard_that_was_behind() {
    let mut ahead = World::at(Some("7-a"), MONOTONIC);
    let mut behind = World::at(Some("7-a"), MONOTONIC);
    ahead.change("8-b");
    ahead.get("/x").has(&["200 OK", "etag: \"8-b\""]);
    let poll = behind.get("/x/8-b");
    behind.rig.run_for(LONG_POLL / 2);
    assert!(poll.is_silent(), "{}", poll.text());
    behind.counts("dashboard_ahead_total 1");
    behind.counts("dashboard_parked 1");
    // The dashboard catches up: the browser has that already, and waits on.
    behind.change("8-b");
    assert!(poll.is_silent(), "{}", poll.text());
    behind.change("9-c");
    poll.has(&["200 OK", "9-c"]);
    behind.counts("dashboard_parked 0");
}

#[test]
fn a_poll_that_is_ahead_is_answered_by_a_newer_revision_and_not_by_an_older_one() {
    let mut behind = World::at(Some("6-a"), MONOTONIC);
    let poll = behind.get("/x/8-b");
    let tie = behind.get("/x/8-d");
    behind.change("7-a");
    behind.change("8-a");
    assert!(poll.is_silent(), "8-b wins over 8-a");
    behind.change("8-c");
    poll.has(&["200 OK", "8-c"]);
    assert!(tie.is_silent(), "8-d wins over 8-c");
}

#[test]
fn a_poll_that_is_ahead_waits_no_longer_than_any_poll() {
    let mut behind = World::at(Some("7-a"), MONOTONIC);
    for path in ["/x/8-b", "/x/999-x"] {
        let poll = behind.get(path);
        behind.rig.run_for(ALMOST_LONG_POLL);
        assert!(poll.is_silent(), "{path}");
        behind.rig.run_for(SECOND);
        poll.has(&["200 OK", "7-a"]);
    }
    behind.counts("dashboard_polls_total{cause=\"timed_out\"} 2");
}

#[test]
fn a_browser_went_back_in_time_when_a_dashboard_that_was_behind_ended() {
    let mut behind = World::at(Some("7-a"), MONOTONIC);
    let ahead = behind.get("/x/8-b");
    let current = behind.get("/x/7-a");
    behind.rig.raise(Signal::Term);
    behind.rig.run_for(SECOND / 10);
    ahead.has(&["HTTP/1.1 503 ", "The server is ending."]);
    current.has(&["HTTP/1.1 200 OK", "7-a"]);
}

#[test]
fn without_the_option_a_newer_revision_is_answered_at_once_and_counted() {
    let mut behind = World::at(Some("7-a"), &[]);
    for path in ["/x/8-b", "/x/6-b", "/x/8", "/x/99999999999999999999-a", "/x/none"] {
        behind.get(path).has(&["200 OK", "7-a"]);
    }
    behind.ask("/x", "If-None-Match: \"9-c\"\r\n").has(&["200 OK", "7-a"]);
    behind.counts("dashboard_ahead_total 2");
}

#[test]
fn with_the_option_revisions_that_are_not_newer_are_answered_immediately() {
    let mut behind = World::at(Some("7-b"), MONOTONIC);
    for path in ["/x/6-z", "/x/7-a", "/x/8", "/x/x", "/x/99999999999999999999-a", "/x/none", "/x"] {
        behind.get(path).has(&["200 OK", "7-b"]);
    }
    behind.counts("dashboard_ahead_total 0");
}

#[test]
fn a_tag_that_was_newer_than_the_document_was_answered_with_the_older_one() {
    let mut behind = World::at(Some("7-a"), MONOTONIC);
    let plain = behind.ask("/x", "If-None-Match: \"8-b\"\r\n");
    let poll = behind.ask("/x/7-a", "If-None-Match: \"8-b\"\r\n");
    assert!(plain.is_silent() && poll.is_silent());
    behind.change("8-b");
    plain.has(&["HTTP/1.1 304 "]);
    poll.has(&["HTTP/1.1 304 "]);
}

#[test]
fn a_stream_was_sent_an_older_event_than_its_last_one() {
    let mut behind = World::at(Some("6-a"), MONOTONIC);
    let stream = behind.ask("/x/events", "Last-Event-ID: 8-b\r\n");
    behind.change("7-a");
    stream.has(&["200 OK", "following"]);
    assert!(!stream.text().contains("id: "), "{}", stream.text());
    behind.change("8-b");
    assert!(!stream.text().contains("id: "), "it has this one: {}", stream.text());
    behind.change("9-c");
    stream.has(&["id: 9-c"]);

    let stream = behind.ask("/x/events", "Last-Event-ID: 10-d\r\n");
    behind.rig.run_for(ALMOST_LONG_POLL);
    assert!(!stream.text().contains("id: "));
    behind.rig.run_for(SECOND);
    stream.has(&["id: 9-c"]);
    behind.counts("dashboard_ahead_total 2");
}

#[test]
fn a_dashboard_that_knows_nothing_yet_answered_a_poll_that_could_wait_for_it() {
    let database = Database { is_down: true, ..at(Some("7-a")) };
    let mut new = World::of(database, MONOTONIC);
    new.get("/x").has(&["503"]);
    let poll = new.get("/x/7-b");
    assert!(poll.is_silent());
    new.database().is_down = false;
    new.rig.run_for(2 * SECOND);
    assert!(poll.is_silent(), "7-a is older");
    new.change("8-c");
    poll.has(&["200 OK", "8-c"]);
}

#[test]
fn a_database_that_is_another_one_begins_again() {
    let mut world = World::at(Some("7-a"), MONOTONIC);
    let before = world.get("/x").text().clone();
    let database = |answer: &str| {
        let line = answer.lines().find(|line| line.starts_with("database: "));
        line.expect("the database is named").to_owned()
    };
    let current = world.get("/x/7-a");
    let held = world.get("/x/9-c");
    world.outage(SECOND / 2, |database| {
        database.created = 2;
        database.rev = Some(("1-q".to_owned(), false));
    });
    world.rig.run_for(SECOND);
    for poll in [current, held, world.get("/x/7-a")] {
        poll.has(&["200 OK", "1-q"]);
        assert_ne!(database(&poll.text()), database(&before));
        assert!(!poll.text().contains("supersedes"), "the database says it");
    }
    // Later changes are of the other database.
    assert!(world.get("/x/2-r").is_silent());
}

#[test]
fn a_deleted_branch_rightly_makes_the_document_older() {
    let mut world = World::at(Some("8-x"), MONOTONIC);
    let poll = world.get("/x/8-x");
    let stream = world.ask("/x/events", "Last-Event-ID: 8-x\r\n");
    world.change("7-y");
    poll.has(&["200 OK", "7-y", "supersedes: 8-x"]);
    stream.has(&["id: 7-y"]);
    // One that was between two polls, too.
    world.get("/x/8-x").has(&["200 OK", "7-y"]);
    assert!(world.get("/x/8-z").is_silent(), "that one is newer");
    for next in ["8-x", "7-z", "9-a"] {
        world.change(next);
        let is_back = next == "7-z";
        assert_eq!(world.get("/x").text().contains("supersedes: 8-x"), is_back, "{next}");
    }
}

#[test]
fn a_page_learned_of_a_lost_feed_only_when_its_poll_was_over() {
    let mut world = World::at(Some("7-a"), &[]);
    let poll = world.get("/x/7-a");
    world.database().is_down = true;
    world.rig.run_for(SECOND);
    assert!(poll.is_silent(), "a loss of a second costs nothing");
    world.rig.run_for(2 * SECOND);
    poll.has(&["200 OK", "feed-state: lost", "7-a"]);
    world.counts("dashboard_polls_total{cause=\"feed_state\"} 1");

    let poll = world.get("/x/7-a");
    world.rig.run_for(5 * SECOND);
    assert!(poll.is_silent(), "it knows that the feed is lost");
    world.database().is_down = false;
    world.rig.run_for(2 * SECOND);
    poll.has(&["200 OK", "feed-state: following", "7-a"]);
}

#[test]
fn a_loss_of_a_second_answers_no_poll_and_an_answer_during_it_is_corrected() {
    let mut world = World::at(Some("7-a"), &[]);
    let unaware = world.get("/x/7-a");
    world.database().is_down = true;
    world.rig.run_for(SECOND / 2);
    world.get("/x").has(&["feed-state: lost"]);
    let aware = world.get("/x/7-a");
    world.database().is_down = false;
    world.rig.run_for(5 * SECOND);
    assert!(unaware.is_silent());
    aware.has(&["200 OK", "feed-state: following"]);
}

#[test]
fn all_browsers_polled_at_once_when_the_feed_was_lost() {
    const POLLS: usize = 400; // a tenth of a second's
    let mut world = World::at(Some("7-a"), &[]);
    let polls: Vec<Got> = (0..POLLS).map(|_| world.get("/x/7-a")).collect();
    world.database().is_down = true;
    let mut answered = 0;
    let mut most = 0;
    for _ in 0..400 {
        world.rig.run_for(SECOND / 100);
        let now = polls.iter().filter(|poll| !poll.is_silent()).count();
        most = most.max(now - answered);
        answered = now;
    }
    assert_eq!(answered, POLLS);
    assert!(most < POLLS / 4, "{most} of them in a hundredth of a second");
}

#[test]
fn a_poll_could_not_wait_for_a_document_that_was_deleted() {
    let mut world = World::at(Some("1-a"), &[]);
    world.delete("2-d");
    world.get("/x").has(&["404", "etag: \"2-d\"", "deleted"]);
    world.get("/x/1-a").has(&["404", "deleted"]);
    let poll = world.get("/x/2-d");
    let stream = world.ask("/x/events", "Last-Event-ID: 2-d\r\n");
    world.rig.run_for(LONG_POLL / 2);
    assert!(poll.is_silent());
    assert!(!stream.text().contains("gone"), "{}", stream.text());
    world.change("3-b");
    poll.has(&["200 OK", "3-b"]);
    stream.has(&["id: 3-b"]);
}

#[test]
fn a_poll_could_not_wait_for_a_document_that_is_not_there_yet() {
    let mut world = World::at(None, &[]);
    world.get("/x").has(&["404", "etag: \"none\"", "missing"]);
    let poll = world.get("/x/none");
    let late = world.get("/x/none");
    world.rig.run_for(ALMOST_LONG_POLL);
    assert!(poll.is_silent());
    world.change("1-b");
    poll.has(&["200 OK", "1-b"]);
    late.has(&["200 OK", "1-b"]);
    world.get("/x/none").has(&["200 OK", "1-b"]);
}

#[test]
fn a_page_did_not_know_how_long_a_poll_waits() {
    World::at(Some("7-a"), &[]).get("/x").has(&["long-poll: 20\r\n"]);
    World::at(None, &["--long-poll", "0.5"]).get("/x").has(&["404", "long-poll: 0.5\r\n"]);
}
