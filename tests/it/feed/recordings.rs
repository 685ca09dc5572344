//! What real servers sent, through the real follower.

use super::*;
use masque::sessions::{ChangesFeed, FeedMode};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A row as a recording has it, read by other means than the follower's.
#[derive(Clone, Debug)]
struct Told {
    seq: serde_json::Value,
    id: String,
    /// The revision, or `-` when it is deleted.
    rev: String,
    has_doc: bool,
}

/// A recording: the bytes, and the lines of its feed. If the answer has an end: its rows, and its
/// last sequence.
struct Recording {
    path: PathBuf,
    bytes: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

impl Recording {
    fn read(path: PathBuf) -> Self {
        let bytes = std::fs::read(&path).unwrap();
        let lines = if is_page(&path) { lines_of_page(&bytes) } else { lines(&bytes) };
        Recording { path, bytes, lines }
    }

    fn name(&self) -> String {
        self.path.display().to_string().rsplit("captures/").next().unwrap().to_owned()
    }

    fn is_feed(&self) -> bool {
        self.bytes.starts_with(b"HTTP/1.1 200") || self.bytes.starts_with(b"HTTP/1.0 200")
    }

    fn rows(&self) -> Vec<(usize, Told)> {
        let row = |line: &Vec<u8>| {
            let value: serde_json::Value = serde_json::from_slice(line).ok()?;
            let is_gone = value.get("deleted").is_some_and(|deleted| deleted == true);
            // The document may be newer than its row, and PouchDB names the winner last.
            let own = value["doc"]["_rev"].as_str();
            let rev = own.or(value["changes"][0]["rev"].as_str())?.to_owned();
            Some(Told {
                seq: value["seq"].clone(),
                id: value["id"].as_str()?.to_owned(),
                rev: if is_gone { "-".into() } else { rev },
                has_doc: is_gone || value["doc"].is_object(),
            })
        };
        self.lines.iter().enumerate().filter_map(|(at, line)| Some((at, row(line)?))).collect()
    }

    /// The sequence that it ends with, as a request carries it.
    fn last_seq(&self) -> Option<String> {
        let line: serde_json::Value = serde_json::from_slice(self.lines.last()?).ok()?;
        sent(line.get("last_seq")?)
    }
}

/// The complete lines of a feed's body.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> = body(bytes).split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.pop(); // what has no end
    lines
}

/// What the lines would be if the feed had no end; none where it is cut.
fn lines_of_page(bytes: &[u8]) -> Vec<Vec<u8>> {
    let page: serde_json::Value = serde_json::from_slice(&body(bytes)).unwrap_or_default();
    let rows = page["results"].as_array().into_iter().flatten();
    let mut lines: Vec<_> = rows.map(|row| row.to_string().into_bytes()).collect();
    lines.extend(page.get("last_seq").map(|seq| format!("{{\"last_seq\":{seq}}}").into_bytes()));
    lines
}

/// A body without its framing. As simple as can be: these recordings are well formed up to where
/// they are cut.
fn body(bytes: &[u8]) -> Vec<u8> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return vec![];
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let mut rest = &bytes[end + 4..];
    let mut body = vec![];
    if head.contains("transfer-encoding: chunked") {
        while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&rest[..at]).ok();
            let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else {
                break;
            };
            let data = &rest[at + 2..];
            body.extend_from_slice(&data[..size.min(data.len())]);
            if size == 0 || data.len() < size + 2 {
                break;
            }
            rest = &data[size + 2..];
        }
    } else {
        body.extend_from_slice(rest);
    }
    body
}

/// True if it is of `feed=longpoll` or `feed=normal`.
fn is_page(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let is_named = name.contains("_normal.") || name.contains("_since_before.");
    name.starts_with("longpoll_") || name.starts_with("normal_") || is_named
}

/// Every recording of a continuous feed, or of answers that have an end.
fn recordings(server: &str, are_pages: bool) -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(server);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kinds = ["cont_", "cluster_", "since_", "err_", "longpoll_", "normal_"];
        name.ends_with(".response")
            && kinds.iter().any(|kind| name.starts_with(kind))
            && is_page(path) == are_pages
    };
    let mut all: Vec<_> = files.filter(is_wanted).map(Recording::read).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// The text of a sequence as a request carries it.
fn sent(seq: &serde_json::Value) -> Option<String> {
    match seq {
        serde_json::Value::Null => None,
        serde_json::Value::String(seq) => Some(seq.clone()),
        seq => Some(seq.to_string()),
    }
}

/// Replays a recording in `pieces` to a follower of every document in it.
///
/// The first feed is the recording. A later one, which the follower asks for when the rows came
/// without their documents or when it was lost, is the lines after the sequence that it asks for.
fn replay(recording: &Recording, mode: FeedMode, pieces: Vec<Vec<u8>>) -> Stage {
    let rows = recording.rows();
    let mut current: BTreeMap<String, String> = BTreeMap::new();
    let (lines, all) = (recording.lines.clone(), rows.clone());
    let last = recording.last_seq().filter(|_| mode != FeedMode::Continuous);
    let mut has_begun = false;
    let stage = Stage::new(move |asked| {
        if asked.target == "/db" {
            return vec![info("\"start\"", "1")];
        }
        if !asked.is_feed() {
            let name = asked.target.trim_start_matches("/db/");
            let found = current.iter().find(|(id, _)| percent_decode_str(name).eq(id.bytes()));
            return vec![match found {
                Some((id, rev)) if has_begun && rev != "-" => {
                    let id = serde_json::Value::from(id.as_str());
                    json("200 OK", &format!("{{\"_id\":{id},\"_rev\":\"{rev}\"}}"))
                }
                _ => {
                    json("404 Object Not Found", "{\"error\":\"not_found\",\"reason\":\"missing\"}")
                }
            }];
        }
        let since = asked.since();
        if since == "start" && !has_begun {
            has_begun = true;
            current.extend(all.iter().map(|(_, told)| (told.id.clone(), told.rev.clone())));
            let mut acts: Vec<_> = pieces.iter().map(|piece| Act::send(piece.clone())).collect();
            acts.push(Act::Finish);
            return acts;
        }
        // After the row that it has handled, by its sequence; the first one where several have the
        // same.
        let handled = all.iter().position(|(_, told)| sent(&told.seq).as_ref() == Some(&since));
        let from = handled.map_or(0, |handled| all[handled].0 + 1);
        let from = if last.as_ref() == Some(&since) { lines.len() } else { from };
        let is_row = |line: &&Vec<u8>| line.starts_with(b"{") && !line.starts_with(b"{\"last_seq");
        let rest: Vec<_> =
            lines[from..].iter().filter(is_row).map(|line| [line, &b"\n"[..]].concat()).collect();
        match mode {
            FeedMode::Continuous => vec![begin(), chunk("\n"), chunk_of(&rest.concat())],
            FeedMode::LongPoll if rest.is_empty() => vec![begin(), chunk("{\"results\":[\n\n")],
            _ => {
                let (rest, last) = (rest.join(&b','), last.as_deref().unwrap_or(&since));
                let end = format!("],\"last_seq\":{}}}\n", serde_json::Value::from(last));
                let page = [b"{\"results\":[", &rest[..], end.as_bytes()].concat();
                vec![begin(), chunk_of(&page), super::end()]
            }
        }
    });
    let mut ids: Vec<_> = rows.iter().map(|(_, told)| told.id.clone()).collect();
    ids.sort();
    ids.dedup();
    let follow = move |feed: ChangesFeed| ids.into_iter().fold(feed.mode(mode), ChangesFeed::doc);
    let mut stage = stage.follow_with(follow);
    stage.run_s(20.0);
    stage
}

/// `bytes` in pieces of random lengths: the same ones for the same seed.
fn pieces(mut bytes: &[u8], seed: u64) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let longest = (bytes.len() / 8).clamp(2, 8192);
    let mut pieces = vec![];
    while !bytes.is_empty() {
        let length = random.usize(1..=longest).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

fn chunk_of(bytes: &[u8]) -> Act {
    if bytes.is_empty() {
        return Act::send("");
    }
    Act::send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// Each document is reported at revisions of the recording, in its order. No revision is reported
/// twice in a row, and the last one is that of the recording.
#[track_caller]
fn check(recording: &Recording, stage: &Stage, is_each_told: bool) {
    let name = recording.name();
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut has_docs = true;
    for (_, told) in recording.rows() {
        let revs = of.entry(told.id).or_insert_with(|| vec!["-".into()]);
        if revs.last() != Some(&told.rev) {
            revs.push(told.rev);
        }
        has_docs &= told.has_doc;
    }
    for (id, expected) in of {
        let revs = stage.revs(&id);
        let log = || stage.log();
        assert_eq!(
            revs.last(),
            expected.last(),
            "{name}, {id}: {revs:?} of {expected:?}: {}",
            log()
        );
        let mut rest = expected.iter();
        assert!(
            revs.iter().all(|rev| rest.any(|one| one == rev)),
            "{name}, {id}: {revs:?} of {expected:?}"
        );
        if is_each_told && has_docs {
            assert_eq!(revs, expected, "{name}, {id}");
        }
    }
}

#[track_caller]
fn every_recording_of(server: &str, mode: FeedMode, at_least: usize) {
    let all = recordings(server, mode != FeedMode::Continuous);
    let mut count = 0;
    for recording in all.iter().filter(|recording| !recording.rows().is_empty()) {
        assert!(recording.is_feed(), "{}", recording.name());
        count += 1;
        let bytes = &recording.bytes;
        check(recording, &replay(recording, mode, vec![bytes.clone()]), false);
        if bytes.len() <= 4096 {
            let each = bytes.iter().map(|byte| vec![*byte]).collect();
            check(recording, &replay(recording, mode, each), true);
        }
        let seeds = if bytes.len() <= 100_000 { 5 } else { 1 };
        for seed in 1..=seeds {
            check(recording, &replay(recording, mode, pieces(bytes, seed)), false);
        }
    }
    assert!(count >= at_least, "recordings are missing: {count}");
}

#[test]
fn the_follower_reports_the_recorded_rows_of_couchdb() {
    every_recording_of("couchdb", FeedMode::Continuous, 50);
    every_recording_of("couchdb-3.5.1", FeedMode::Continuous, 3);
}

#[test]
fn the_follower_reports_the_recorded_rows_of_pouchdb() {
    every_recording_of("pouchdb", FeedMode::Continuous, 50);
}

#[test]
fn the_follower_reports_the_rows_of_recorded_polls() {
    for mode in [FeedMode::LongPoll, FeedMode::Normal] {
        every_recording_of("couchdb", mode, 10);
        every_recording_of("pouchdb", mode, 10);
        every_recording_of("couchdb-3.5.1", mode, 1);
    }
}

/// How the recorded feed ended, and from which of its rows that have a sequence, the first one
/// being 1, it was asked for again; `last` when from its `last_seq`.
#[track_caller]
fn ended(name: &str, why: &str, from: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let recording = Recording::read(path.with_extension("response"));
    // Nothing is followed, so that the rows are only counted.
    let bytes = recording.bytes.clone();
    let mut stage = Stage::with_database("\"start\"", move |asked| match asked.target.as_str() {
        _ if asked.feeds == 1 => vec![Act::send(bytes.clone()), Act::Finish],
        _ => vec![begin()],
    })
    .follow_with(|feed| feed);
    stage.run_s(20.0);
    let world = stage.world.borrow();
    let lost =
        world.log.iter().find_map(|line| Some(line.split_once("lost (1)")?.1)).unwrap_or_default();
    let lost = lost.split_once(": ").map_or("", |lost| lost.1);
    assert!(lost.starts_with(why), "{name}: {lost}");
    let since = world.asked.last().unwrap().since();
    let rows: Vec<_> =
        recording.rows().into_iter().filter_map(|(_, told)| sent(&told.seq)).collect();
    let is_last = recording.lines.iter().any(|line| {
        let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
        value.is_some_and(|value| value.get("last_seq").and_then(sent).as_ref() == Some(&since))
    });
    let place = rows.iter().rposition(|row| *row == since).map(|at| (at + 1).to_string());
    let place = if is_last { "last".into() } else { place.unwrap_or(since) };
    assert_eq!(place, from, "{name} of {} rows", rows.len());
}

#[test]
fn recorded_ends_are_named_and_the_feed_continues_from_the_last_row() {
    let cut = "the connection ended in the middle of the feed";
    let over = "the feed ended again";
    ended("couchdb/cont_timeout_2000", over, "last");
    ended("couchdb/cont_http10_timeout_2000", over, "last");
    ended("couchdb/cont_db_deleted", over, "last");
    ended("couchdb/cont_maintenance_mode", over, "last");
    ended("couchdb/cont_server_sigterm", cut, "2");
    ended("couchdb/cont_server_sigkill_midrow", cut, "2");
    ended("couchdb/cont_server_sigkill_truncated", cut, "start");
    ended("couchdb/cont_http10_server_sigkill_truncated", cut, "start");
    ended("couchdb/cont_seq_interval_3", cut, "2");
    ended("couchdb/cluster_since_rewind", cut, "9");
    ended("couchdb-3.5.1/cluster_split_continuous", over, "last");
    ended("couchdb-3.5.1/cont_purge", cut, "5");
    ended("pouchdb/cont_updates", cut, "10");
    let gzip = "not CouchDB's answer: it is compressed, which was not asked for";
    ended("pouchdb/cont_accept_gzip", gzip, "start");
}

#[test]
fn a_recorded_failure_in_mid_feed_shows_the_servers_reason() {
    let path = "couchdb/cont_filter_throws_midway";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(path);
    let bytes = std::fs::read(path.with_extension("response")).unwrap();
    let mut stage = Stage::with_feeds(move |_| vec![Act::send(bytes.clone())]).follow();
    stage.run_s(0.1);
    let log = stage.log();
    assert!(
        log.contains("the body contains a second response: 500 Internal Server Error, error: "),
        "{log}"
    );
}

#[test]
fn recorded_rejections_show_the_servers_words() {
    let all = ["couchdb", "couchdb-3.5.1"].map(|server| recordings(server, false));
    let refused: Vec<_> = all
        .into_iter()
        .flatten()
        .filter(|r| !r.is_feed() && !r.bytes.is_empty() && !r.name().contains("_up."))
        .collect();
    assert!(refused.len() > 22, "{}", refused.len());
    for recording in refused {
        let bytes = recording.bytes.clone();
        let mut stage = Stage::with_feeds(move |_| vec![Act::send(bytes.clone())]).follow();
        stage.run_s(0.1);
        let log = stage.log();
        let body = recording.lines.last().cloned().unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = body["error"].as_str().unwrap_or_default();
        let told = format!(": {error}: ");
        assert!(
            log.contains("lost (1)") && log.contains(&told),
            "{}: {error}: {log}",
            recording.name()
        );
    }
}
