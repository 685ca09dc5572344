//! Checkpoints: their content, when they are written, and the events if one does not fit.

use super::*;
use crate::support::{PATIENCE, wait_until};
use masque::limits::CHECKPOINT_PAUSE;
use masque::sessions::{
    ChangesFeed, Checkpoint, CheckpointError, CheckpointFile, EveryChange, FeedEvent, OnMismatch,
    Query, Start,
};
use std::path::PathBuf;

/// An empty folder, which is gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("masque-it-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("feed.checkpoint")
    }

    /// What a feed would begin with now.
    fn seq(&self) -> String {
        let text = std::fs::read_to_string(self.path()).unwrap();
        text.parse::<Checkpoint>().unwrap().seq.to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server `uuid` with a database of `identity`. Each answer has two rows after the requested
/// sequence.
fn server(uuid: &'static str, identity: &'static str) -> Stage {
    Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", &format!("{{\"uuid\":\"{uuid}\"}}"))],
        "/db" | "/other" => vec![info("\"0-s\"", identity)],
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ => {
            let since: usize = asked.since().trim_end_matches("-s").parse().unwrap();
            let row = |n| row(&format!("\"{n}-s\""), &format!("d{n}"), "1-a");
            let mut acts = vec![begin(), chunk(&(row(since + 1) + &row(since + 2)))];
            acts.extend(beats(100));
            acts
        }
    })
}

const URL: &str = "http://user:secret@couch/db";

/// Follows every change, with the checkpoint in this folder.
fn follow<F: FnOnce(EveryChange) -> EveryChange>(
    folder: &Folder,
    set: F,
) -> impl FnOnce(ChangesFeed) -> ChangesFeed + use<F> {
    let file = CheckpointFile::open(folder.path()).unwrap();
    let every = set(EveryChange::since(Start::Beginning));
    move |feed| feed.every_change(every).checkpoint_file(file)
}

#[test]
fn a_feed_continues_from_its_checkpoint() {
    let folder = Folder::new("goes-on");
    let mut stage = server("u1", "1").follow_as(URL, follow(&folder, |every| every));
    stage.run_s(0.1);
    stage.shut_down();
    assert_eq!(folder.seq(), "2-s");
    let mut stage = server("u1", "1").follow_as(URL, follow(&folder, |every| every));
    stage.check(
        0.1,
        "0.000 #1 GET /
        0.000 #1 GET /db
        0.000 #1 GET rows since 2-s
        0.000 connected #1 since 2-s
        0.000 row 1: d3 1-a at 3-s
        0.000 row 2: d4 1-a at 4-s",
    );
    // A feed that is stopped together with all other sessions keeps it too.
    stage.rig.stop();
    stage.rig.settle();
    assert_eq!(folder.seq(), "4-s");
}

#[test]
fn a_file_is_in_use_for_as_long_as_its_feed_runs() {
    let folder = Folder::new("in-use");
    let mut stage = server("u1", "1").follow_as(URL, follow(&folder, |every| every));
    for _ in 0..2 {
        let error = CheckpointFile::open(folder.path()).unwrap_err();
        assert!(matches!(error, CheckpointError::InUse(path) if path == folder.path()));
        stage.run_s(60.0);
    }
    stage.shut_down();
    drop(CheckpointFile::open(folder.path()).unwrap());
}

#[test]
fn unacknowledged_rows_are_repeated_by_the_next_run() {
    let folder = Folder::new("again");
    let mut stage = server("u1", "1").busy().follow_as(URL, follow(&folder, |every| every));
    stage.run_s(10.0);
    stage.handle(2);
    stage.shut_down();
    assert_eq!(folder.seq(), "0");
    let mut stage = server("u1", "1").busy().follow_as(URL, follow(&folder, |every| every));
    stage.run_s(10.0);
    stage.handle(1);
    stage.shut_down();
    assert_eq!(folder.seq(), "1-s");
}

/// A database of `identity` with three rows, which it sends for any sequence. Returns the events
/// about them.
fn rewound(folder: &Folder, identity: &'static str, then: OnMismatch) -> String {
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", "{\"uuid\":\"u1\"}")],
        "/db" => vec![info("\"3-s\"", identity)],
        _ => {
            let rows = (1..=3).map(|n| row(&format!("\"{n}-s\""), &format!("d{n}"), "1-a"));
            vec![begin(), chunk(&rows.collect::<String>())]
        }
    })
    .busy()
    .follow_as(URL, follow(folder, move |every| every.on_mismatch(then)));
    stage.run_s(0.1);
    stage.shut_down();
    let log = std::mem::take(&mut stage.world.borrow_mut().log);
    let told = log.iter().filter(|line| line.contains("row ") || line.contains("rewound"));
    told.map(|line| &line["0.000 ".len()..]).collect::<Vec<_>>().join("; ")
}

#[test]
fn acknowledged_rows_are_marked_when_a_later_run_repeats_them() {
    let folder = Folder::new("marked");
    let mut stage = server("u1", "1").busy().follow_as(URL, follow(&folder, |every| every));
    stage.run_s(0.1);
    stage.handle(1);
    stage.shut_down();
    // The second was reported and not acknowledged: a watcher that skips marked rows must receive
    // it.
    let told = "rewound; row 1: d1 1-a at 1-s again; row 2: d2 1-a at 2-s; row 3: d3 1-a at 3-s";
    assert_eq!(rewound(&folder, "1", OnMismatch::Fail), told);
    assert_eq!(rewound(&folder, "1", OnMismatch::Fail), told, "it is kept on");
    // Nothing of another database is known.
    let told = told.replace(" again", "").replace("rewound; ", "");
    let kept = std::fs::read(folder.path()).unwrap();
    for then in [OnMismatch::Restart, OnMismatch::Keep] {
        assert_eq!(rewound(&folder, "2", then), told);
        std::fs::write(folder.path(), &kept).unwrap();
    }
    // The same applies to a checkpoint of an earlier version.
    let text = String::from_utf8(kept).unwrap();
    let (before, _) = text.split_once(",\n  \"recent\"").unwrap();
    std::fs::write(folder.path(), format!("{before}\n}}\n")).unwrap();
    assert_eq!(rewound(&folder, "1", OnMismatch::Fail), told);
}

#[test]
fn the_checkpoint_is_written_while_the_feed_runs_and_no_more_often_than_the_pause() {
    let folder = Folder::new("while");
    let mut stage = server("u1", "1").busy().follow_as(URL, follow(&folder, |every| every));
    stage.run_s(0.1);
    // Where it begins is kept before the first row is handled.
    wait_until(PATIENCE, || folder.path().exists());
    assert_eq!(folder.seq(), "0");
    stage.handle(1);
    stage.run_s(CHECKPOINT_PAUSE.as_secs_f64() / 2.0);
    stage.handle(2);
    assert_eq!(folder.seq(), "0");
    wait_until(PATIENCE, || {
        stage.run_s(CHECKPOINT_PAUSE.as_secs_f64());
        folder.seq() == "2-s"
    });
    // When nothing is left to be written, no timer runs but the feed's and the server's.
    wait_until(PATIENCE, || {
        stage.run_s(CHECKPOINT_PAUSE.as_secs_f64());
        stage.rig.stats().timers == 2
    });
}

#[test]
fn no_credential_is_in_the_file() {
    let folder = Folder::new("credential");
    let mut stage = server("u1", "1").follow_as(URL, follow(&folder, |every| every));
    stage.run_s(0.1);
    stage.shut_down();
    let text = std::fs::read_to_string(folder.path()).unwrap();
    let (text, recent) = text.split_once(",\n  \"recent\": \"").unwrap();
    assert!(recent.trim_end_matches("\"\n}\n").bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(
        text,
        "{\n  \"seq\": \"2-s\",\n  \"database\": \"http://couch:5984/db\",\n  \"identity\": \"1\",\n  \
         \"server\": \"u1\",\n  \"query\": \"\""
    );
    let asked = &stage.world.borrow().asked[0];
    assert!(asked.header("authorization").is_some_and(|value| !text.contains(value)));
}

#[test]
fn a_failed_write_is_reported_once_and_tried_again() {
    let folder = Folder::new("unwritable");
    let aside = folder.0.join("feed.checkpoint.new");
    std::fs::create_dir(&aside).unwrap();
    let mut stage = server("u1", "1").follow_as(URL, follow(&folder, |every| every));
    let failures = |stage: &Stage| {
        let told = stage.told.borrow();
        told.iter().filter(|event| matches!(event, FeedEvent::Unsaved(_))).count()
    };
    wait_until(PATIENCE, || {
        stage.run_s(1.0);
        failures(&stage) > 0
    });
    stage.run_s(60.0);
    assert_eq!(failures(&stage), 1);
    assert_eq!(stage.counters().losses, 0, "the feed itself goes on");
    std::fs::remove_dir(&aside).unwrap();
    wait_until(PATIENCE, || {
        stage.run_s(1.0);
        folder.path().exists() && folder.seq() == "4-s" // two, and two once their end was seen
    });
}

/// Follows with a checkpoint of server `u1`, database `db` of identity `1` and all rows. Returns
/// the first event and the requested sequence.
#[track_caller]
fn mismatch(
    server: Stage,
    url: &str,
    set: impl FnOnce(EveryChange) -> EveryChange + 'static,
    expected: &str,
) {
    let folder = Folder::new(&format!("mismatch-{}", expected.len() + url.len()));
    let text = "{\"seq\":\"7-s\",\"server\":\"u1\",\"database\":\"http://couch:5984/db\",\
                \"identity\":\"1\",\"query\":\"\"}";
    std::fs::write(folder.path(), text).unwrap();
    let mut stage = server.follow_as(url, follow(&folder, set));
    stage.run_s(0.1);
    let log = std::mem::take(&mut stage.world.borrow_mut().log);
    let told = log.iter().filter(|line| !line.contains('#') || line.contains("connected"));
    let told: Vec<_> = told.map(|line| &line["0.000 ".len()..]).collect();
    assert_eq!(told.join("; "), expected);
    if expected.contains("ended") {
        assert_eq!(std::fs::read_to_string(folder.path()).unwrap(), text, "it is left as it is");
    }
}

#[test]
fn a_checkpoint_of_another_database_is_reported_and_the_policy_decides() {
    let same = |every: EveryChange| every;
    let other = "http://couch/other";
    let rows = |since: usize| {
        let row = |n| format!("row {}: d{n} 1-a at {n}-s", n - since);
        format!("connected #1 since {since}; {}; {}", row(since + 1), row(since + 2))
            .replace("since 7;", "since 7-s;")
    };
    mismatch(server("u1", "1"), URL, same, &rows(7));
    mismatch(
        server("u2", "1"),
        URL,
        same,
        "the checkpoint is of another server; ended: Mismatch(Server)",
    );
    mismatch(
        server("u1", "1"),
        other,
        same,
        "the checkpoint is of another database; ended: Mismatch(Database)",
    );
    mismatch(
        server("u1", "2"),
        URL,
        same,
        "the checkpoint is of an earlier database of this name; ended: Mismatch(Identity)",
    );
    mismatch(
        server("u1", "1"),
        URL,
        |every| every.query(Query::new().doc_ids(["x"])),
        "the checkpoint is of rows that were selected differently; ended: Mismatch(Query)",
    );
    mismatch(
        server("u2", "1"),
        URL,
        |every| every.on_mismatch(OnMismatch::Restart),
        &format!("the checkpoint is of another server; {}", rows(0)),
    );
    mismatch(
        server("u1", "2"),
        URL,
        |every| every.on_mismatch(OnMismatch::Keep),
        &format!("the checkpoint is of an earlier database of this name; {}", rows(7)),
    );
}
