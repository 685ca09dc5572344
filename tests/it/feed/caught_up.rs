//! `CaughtUp`: it is sent when all changes are delivered, and not before.

use super::*;
use masque::sessions::{EveryChange, FeedMode, Query, Start};

fn bare(seq: &str, id: &str) -> String {
    format!("{{\"seq\":{seq},\"id\":\"{id}\",\"changes\":[{{\"rev\":\"1-a\"}}]}}\n")
}

/// A database at `update_seq`, of which every change is followed that a filter lets through.
fn filtered(
    update_seq: &'static str,
    mode: FeedMode,
    feeds: impl FnMut(&Asked) -> Vec<Act> + 'static,
) -> Stage {
    let query = Query::new().filter("app/rare", [("k", "v")]).unwrap();
    let every = EveryChange::since(Start::Beginning).query(query);
    Stage::with_database(update_seq, feeds)
        .follow_with(move |feed| feed.mode(mode).every_change(every))
}

/// Returns the events and requests, without the filter in a target.
fn log(stage: &Stage) -> String {
    stage.log().replace("&filter=app%2Frare&k=v", "")
}

/// The rest as one answer, in which the server goes through what the filter leaves out.
fn scan(beats_before: usize, row: &str, last: &str) -> Vec<Act> {
    let head = chunk("{\"results\":[\n");
    let rest = chunk(&format!("{row}],\n\"last_seq\":{last},\"pending\":0}}\n"));
    [begin(), head].into_iter().chain(beats(beats_before)).chain([rest, end()]).collect()
}

/// A database in which `x` has changed at each look at it, and the feed of it.
fn moving(mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Stage {
    let mut looks = 0;
    Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            vec![info(&format!("\"{looks}-s\""), "1")]
        }
        "/db/x" => vec![json("200 OK", &format!("{{\"_id\":\"x\",\"_rev\":\"{looks}-x\"}}"))],
        _ => feeds(asked),
    })
    .follow()
}

#[test]
fn a_document_that_changed_during_a_loss_is_reported_although_the_server_scans_many_others() {
    let mut stage = moving(|asked| {
        if asked.feeds == 1 {
            return vec![begin(), chunk("\n"), Act::wait_s(5.0), Act::Kill];
        }
        // After the old sequence, only heartbeats for a minute.
        let row = row("\"2-s\"", "x", "2-x");
        [begin()].into_iter().chain(beats(6)).chain([chunk(&row)]).collect()
    });
    stage.check(
        70.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 1-s
        0.000 x is 1-x
        0.000 connected #1 since 1-s
        0.000 caught up
        5.000 lost (1), again in 0.465: the connection ended in the middle of the feed
        5.465 #2 GET /db
        5.465 #2 GET /db/x
        5.465 #2 feed since 1-s
        5.465 x is 2-x
        5.465 connected #2 since 1-s
        5.465 caught up",
    );
}

#[test]
fn a_document_that_changes_without_end_is_reported() {
    // No empty line, because there is always a row to send.
    let mut stage = moving(|asked| {
        let first = 10 * asked.feeds;
        let row = |n| chunk(&row(&format!("\"{n}-s\""), "x", &format!("{n}-x")));
        let rows = (first..first + 5).flat_map(|n| [row(n), Act::wait_s(1.0)]);
        [begin()].into_iter().chain(rows).chain([Act::Kill]).collect()
    });
    stage.run_s(60.0);
    let log = log(&stage);
    assert!(log.matches("lost").count() > 3, "{log}");
    assert_eq!(log.matches("caught up").count(), log.matches("connected").count(), "{log}");
}

#[test]
fn a_heartbeat_while_a_filter_works_is_not_its_end() {
    for mode in [FeedMode::Continuous, FeedMode::LongPoll] {
        let mut stage = filtered("\"9-s\"", mode, |asked| match asked.feeds {
            _ if asked.is_sounding() => scan(5, &bare("\"7-s\"", "x"), "\"9-t\""),
            _ if asked.target.contains("longpoll") => {
                [begin(), chunk("{\"results\":[\n")].into_iter().chain(beats(20)).collect()
            }
            _ => [begin()].into_iter().chain(beats(20)).collect(),
        });
        stage.run_s(100.0);
        let log = log(&stage);
        let name = mode.name();
        let asked = "10.000 #2 GET /db/_changes?feed=normal&include_docs=false";
        assert!(log.contains(asked), "{log}");
        assert!(log.contains("60.000 row 1: x 1-a at 7-s\n60.000 #2 GET /db\n60.000 caught up\n"));
        let on = format!("60.000 #2 GET /db/_changes?feed={name}");
        let is_rows = log.contains("60.000 #2 GET rows since 9-t") || log.contains(&on);
        assert!(is_rows, "{log}");
        assert_eq!((log.matches("lost").count(), log.matches("caught up").count()), (0, 1));
        assert_eq!(log.matches("feed=normal").count(), 1, "{log}");
        assert_eq!(log.matches("connected").count(), 1, "one feed: {log}");
        // What the filter left out is behind the checkpoint.
        assert_eq!(stage.handled(), "9-t");
    }
}

#[test]
fn rows_without_end_are_looked_through_once() {
    let mut stage = filtered("\"99-t\"", FeedMode::Continuous, |asked| {
        let since: usize = asked.since().trim_end_matches("-s").parse().unwrap();
        let seq = |n: usize| format!("\"{n}-s\"");
        if asked.is_sounding() {
            return scan(0, &bare(&seq(since + 1), "x"), &seq(since + 1));
        }
        let rows = (since + 1..since + 60)
            .flat_map(|n| [chunk(&bare(&seq(n), &format!("d{n}"))), Act::wait_s(1.0)]);
        [begin()].into_iter().chain(rows).collect()
    });
    stage.run_s(40.0);
    let log = log(&stage);
    assert!(log.contains("10.000 caught up"), "{log}");
    assert_eq!((log.matches("feed=normal").count(), log.matches("lost").count()), (1, 0), "{log}");
}

#[test]
fn a_server_that_counts_is_not_asked_where_it_ends() {
    let mut stage = filtered("3", FeedMode::Continuous, |_| {
        let rows = [bare("2", "x"), bare("3", "y"), bare("4", "z")];
        let each = rows.iter().flat_map(|row| [Act::wait_s(1.0), chunk(row)]);
        [begin()].into_iter().chain(each).chain(beats(9)).collect()
    });
    stage.run_s(60.0);
    let log = log(&stage);
    assert!(log.contains("2.000 row 2: y 1-a at 3\n2.000 caught up\n3.000 row 3"), "{log}");
    assert!(!log.contains("feed=normal"), "{log}");
}

#[test]
fn a_server_that_rejects_the_request_for_the_end_is_still_followed() {
    let mut stage = filtered("\"9-s\"", FeedMode::Continuous, |asked| {
        if asked.is_sounding() {
            return vec![json("400 Bad Request", r#"{"error":"bad_request","reason":"feed"}"#)];
        }
        [begin(), chunk("\n")].into_iter().chain(beats(90)).collect()
    });
    stage.run_s(600.0);
    let log = log(&stage);
    assert_eq!((log.matches("lost").count(), log.matches("feed=normal").count()), (1, 1), "{log}");
    assert!(!log.contains("caught up"), "nobody knows: {log}");
}

#[test]
fn a_server_that_closed_each_answer_about_the_end_was_disconnected_forever() {
    let mut stage = filtered("\"9-s\"", FeedMode::Continuous, |asked| {
        if asked.is_sounding() {
            return vec![begin(), chunk("{\"results\":[\n"), Act::Kill];
        }
        [begin(), chunk("\n")].into_iter().chain(beats(400)).collect()
    });
    stage.run_s(3600.0);
    let log = log(&stage);
    assert_eq!((log.matches("lost").count(), log.matches("feed=normal").count()), (5, 5), "{log}");
}
