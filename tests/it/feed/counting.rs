//! Servers whose sequences are numbers, CouchDB 1 and PouchDB: they say when a database was opened,
//! and not when it was made.

use super::*;
use masque::sessions::{Checkpoint, EveryChange, Query, Start};
use std::cell::RefCell;
use std::rc::Rc;

/// A database on such a server, which restarts every fifteen seconds. The sequence of a row is
/// its place.
#[derive(Default)]
struct Counting {
    rows: Vec<(&'static str, &'static str)>,
    starts: u32,
    is_gone: bool,
}

impl Counting {
    fn answer(&mut self, asked: &Asked) -> Vec<Act> {
        match asked.target.as_str() {
            "/" => vec![json("200 OK", "{}")],
            _ if self.is_gone => {
                vec![json("404 Object Not Found", r#"{"error":"not_found","reason":"no_db_file"}"#)]
            }
            "/db" => {
                self.starts += 1;
                vec![info(&self.rows.len().to_string(), &self.starts.to_string())]
            }
            "/db/x" => {
                let rev = self.rows.iter().rfind(|row| row.0 == "x").expect("it is there").1;
                vec![revision("x", rev)]
            }
            _ => {
                let since: usize = asked.since().parse().unwrap();
                let rows = self.rows.iter().enumerate().skip(since);
                let rows = rows.map(|(at, (id, rev))| row(&(at + 1).to_string(), id, rev));
                let news = rows.collect::<String>() + "\n";
                let acts = [begin(), chunk(&news)].into_iter().chain(beats(1));
                acts.chain([Act::wait_s(5.0), Act::Kill]).collect()
            }
        }
    }
}

const FIRST: [(&str, &str); 3] = [("a", "1-a"), ("x", "1-x"), ("b", "1-b")];

fn counting() -> (Rc<RefCell<Counting>>, Stage) {
    let server = Rc::new(RefCell::new(Counting { rows: FIRST.to_vec(), ..Counting::default() }));
    let answering = server.clone();
    (server, Stage::new(move |asked| answering.borrow_mut().answer(asked)))
}

fn every(stage: Stage, start: Start) -> Stage {
    stage.follow_with(|feed| feed.every_change(EveryChange::since(start)))
}

/// A checkpoint of an earlier run, with the time of opening that was once taken for an identity.
fn kept(seq: &str) -> Start {
    let text =
        format!(r#"{{"seq":"{seq}","database":"http://couch:5984/db","identity":"7","query":""}}"#);
    Start::Checkpoint(text.parse::<Checkpoint>().unwrap())
}

/// Returns the events since the last call, without connections and losses.
fn told(stage: &mut Stage) -> String {
    let log = std::mem::take(&mut stage.world.borrow_mut().log);
    let told = log.iter().map(|line| line.split_once(' ').unwrap().1);
    let on_the_way = ["#", "connected", "caught up", "lost", "stuck"];
    let told = told.filter(|line| on_the_way.iter().all(|word| !line.starts_with(word)));
    told.collect::<Vec<_>>().join("; ")
}

const ROWS: &str = "row 1: a 1-a at 1; row 2: x 1-x at 2; row 3: b 1-b at 3";

#[test]
fn a_change_that_names_the_same_winner_is_no_rewind_and_counts() {
    let row = |seq: usize, id: &str| {
        format!("{{\"seq\":{seq},\"id\":\"{id}\",\"changes\":[{{\"rev\":\"1-a\"}}]}}\n")
    };
    for (is_counted, told_as_rewound) in [(true, false), (false, true)] {
        let seq = if is_counted { "9" } else { "\"9\"" };
        let every = EveryChange::since(Start::Beginning).query(Query::new().limit(5));
        let mut stage = Stage::new(move |asked| match (asked.target.as_str(), asked.feeds) {
            ("/", _) => vec![json("200 OK", "{}")],
            ("/db", _) => vec![info(seq, "1")],
            // Another leaf of `x` changes while the feed is connected, and again while it is not.
            (_, 1) => vec![begin(), chunk(&(row(1, "x") + &row(2, "y") + &row(3, "x"))), Act::Kill],
            _ => vec![begin(), chunk(&(row(4, "x") + &row(5, "z") + &row(6, "w")))],
        })
        .follow_with(|feed| feed.every_change(every));
        stage.run_s(30.0);
        let log = stage.log();
        assert_eq!(log.contains("rewound"), told_as_rewound, "{log}");
        assert!(log.contains("rows since 3&limit=2\n"), "{log}");
        assert!(log.contains("row 4: x 1-a at 4 again\n"), "{log}");
        // If it cannot be distinguished from a repeated row, it does not count.
        let last = if is_counted { "row 5: z 1-a at 5\n" } else { "row 6: w 1-a at 6\n" };
        assert!(log.contains(last) && log.contains("ended: Limit"), "{log}");
        assert_eq!(log.contains("row 6"), !is_counted, "{log}");
    }
}

#[test]
fn a_restarted_server_causes_no_repeated_events() {
    let (server, stage) = counting();
    let mut stage = every(stage, Start::Beginning);
    stage.run_s(60.0);
    assert_eq!(told(&mut stage), ROWS);
    assert!(server.borrow().starts >= 4);
    server.borrow_mut().rows.push(("c", "1-c"));
    stage.run_s(60.0);
    assert_eq!(told(&mut stage), "row 4: c 1-c at 4");

    let (server, stage) = counting();
    let mut stage = stage.follow();
    stage.run_s(60.0);
    server.borrow_mut().rows.push(("x", "2-x"));
    stage.run_s(60.0);
    assert_eq!(told(&mut stage), "x is 1-x; x is 2-x");
}

#[test]
fn a_restarted_server_does_not_invalidate_a_checkpoint() {
    let mut stage = every(counting().1, kept("2"));
    stage.run_s(60.0);
    assert_eq!(told(&mut stage), "row 1: b 1-b at 3");
    assert_eq!(stage.checkpoint().unwrap().identity, None);
}

/// Creates the database again with `rows`. Returns the events.
fn made_again(rows: &[(&'static str, &'static str)], is_seen: bool) -> [String; 2] {
    let follow = [|stage| every(stage, Start::Beginning), Stage::follow];
    follow.map(|follow| {
        let (server, stage) = counting();
        let mut stage = follow(stage);
        stage.run_s(3.0);
        told(&mut stage);
        if is_seen {
            server.borrow_mut().is_gone = true;
            stage.run_s(60.0);
            server.borrow_mut().is_gone = false;
        }
        server.borrow_mut().rows = rows.to_vec();
        stage.run_s(120.0);
        told(&mut stage)
    })
}

#[test]
fn a_database_with_fewer_changes_than_reported_is_another() {
    let [every, x] = made_again(&[("x", "1-new"), ("d", "1-d")], false);
    assert_eq!(every, "recreated; row 4: x 1-new at 1; row 5: d 1-d at 2");
    assert_eq!(x, "recreated; x is 1-new");
}

#[test]
fn a_database_that_was_missing_for_a_time_is_another() {
    let rows = [("x", "1-new"), ("d", "1-d"), ("e", "1-e"), ("f", "1-f")];
    let [every, x] = made_again(&rows, true);
    let all = "row 4: x 1-new at 1; row 5: d 1-d at 2; row 6: e 1-e at 3; row 7: f 1-f at 4";
    assert_eq!(every, format!("recreated; {all}"));
    assert_eq!(x, "recreated; x is 1-new");
    // Where it is unseen it is taken for the same, and yet the documents are read.
    let [every, x] = made_again(&rows, false);
    assert_eq!((every.as_str(), x.as_str()), ("row 4: f 1-f at 4", "x is 1-new"));
}

#[test]
fn a_checkpoint_beyond_the_database_is_of_an_earlier_one() {
    let mismatch = "the checkpoint is of an earlier database of this name; ended: \
                    Mismatch(Identity)";
    let mut stage = every(counting().1, kept("4"));
    stage.run_s(3.0);
    assert_eq!(told(&mut stage), mismatch);
    // It may have come as far, but it was not there before.
    let (server, stage) = counting();
    server.borrow_mut().is_gone = true;
    let mut stage = every(stage, kept("3"));
    stage.run_s(3.0);
    server.borrow_mut().is_gone = false;
    stage.run_s(60.0);
    assert_eq!(told(&mut stage), mismatch);
}
