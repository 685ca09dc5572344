//! The same feed, asked for answer by answer.

use super::*;
use masque::couch_feed::limits::PAGE_ROWS;
use masque::sessions::{ChangesFeed, EveryChange, FeedEvent, FeedMode, Query, Start};
use std::path::Path;
use std::time::Duration;

/// A server that answers for a feed with what `feeds` gives, followed in `mode`.
fn every(mode: FeedMode, query: Query, feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Stage {
    Stage::with_database("\"3-c\"", feeds).follow_with(move |feed| {
        feed.mode(mode).every_change(EveryChange::since(Start::Beginning).query(query))
    })
}

fn page(rows: &[String], last: &str) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.trim_end()).collect();
    format!("{{\"results\":[\n{}\n],\n\"last_seq\":{last},\"pending\":0}}\n", rows.join(",\n"))
}

fn rows(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|n| row(&n.to_string(), &format!("d{n}"), "1-a")).collect()
}

/// The requests for the feed, in short.
fn feeds(stage: &Stage) -> Vec<String> {
    let world = stage.world.borrow();
    let feeds = world.asked.iter().filter(|asked| asked.is_feed());
    feeds.map(|asked| asked.target.split_once("heartbeat=").unwrap().1.to_owned()).collect()
}

#[test]
fn a_long_poll_is_asked_again_when_it_is_answered() {
    let mut stage = every(FeedMode::LongPoll, Query::new(), |asked| match asked.feeds {
        1 => vec![begin(), chunk(&page(&rows(1..=2), "2")), end()],
        2 => {
            let page = page(&rows(3..=3), "3");
            let (head, rest) = page.split_at("{\"results\":[\n".len());
            let mut acts = vec![begin(), chunk(head)];
            acts.extend(beats(5));
            acts.extend([chunk(rest), end()]);
            acts
        }
        _ => [begin(), chunk("{\"results\":[\n")].into_iter().chain(beats(400)).collect(),
    });
    let target = "/db/_changes?feed=longpoll&include_docs=false&heartbeat=10000";
    let log = format!(
        "0.000 #1 GET /
        0.000 #1 GET /db
        0.000 #1 GET {target}&since=0&limit=100
        0.000 #1 GET /db
        0.000 connected #1 since 0
        0.000 row 1: d1 1-a at 1
        0.000 row 2: d2 1-a at 2
        0.000 caught up
        0.000 #1 GET {target}&since=2&limit=100
        50.000 row 3: d3 1-a at 3
        50.000 #1 GET /db
        50.000 #1 GET {target}&since=3&limit=100"
    );
    stage.check(3600.0, &log);
    assert_eq!(stage.handled(), "3");
}

#[test]
fn a_poll_without_waiting_is_sent_each_heartbeat_and_immediately_while_there_is_more() {
    let mut stage = every(FeedMode::Normal, Query::new(), |asked| {
        let since: usize = asked.since().parse().unwrap();
        let most = usize::try_from(PAGE_ROWS).unwrap();
        let end_of_page = (since + most).min(2 * most + 5);
        vec![json("200 OK", &page(&rows(since + 1..=end_of_page), &end_of_page.to_string()))]
    });
    stage.run_s(35.0);
    let target = |since: usize| format!("10000&since={since}&limit=100");
    assert_eq!(feeds(&stage), [0, 100, 200, 205, 205, 205].map(target));
    let log = stage.log();
    assert!(log.contains("0.000 row 205: d205 1-a at 205\n0.000 caught up\n10.000 #2 GET /db"));
    assert_eq!((log.matches("connected").count(), log.matches("lost").count()), (1, 0), "{log}");
    assert_eq!(stage.counters().rows, 205);
}

#[test]
fn documents_are_followed_by_polls_too() {
    for (mode, name) in [(FeedMode::LongPoll, "longpoll"), (FeedMode::Normal, "normal")] {
        let mut stage = Stage::with_feeds(move |asked| match asked.feeds {
            1 => vec![begin(), chunk(&page(&[row("\"4-d\"", "x", "4-d")], "\"4-d\"")), end()],
            // It arrives late in the heartbeat, also if no request waits for it.
            2 => vec![
                begin(),
                Act::wait_s(4.0),
                chunk(&page(&[row("\"5-e\"", "x", "5-e")], "\"5-e\"")),
                end(),
            ],
            _ => [begin(), chunk("{\"results\":[\n")].into_iter().chain(beats(9)).collect(),
        })
        .follow_with(move |feed| feed.mode(mode).doc("x"));
        stage.run_s(30.0);
        assert_eq!(stage.revs("x"), ["3-c", "4-d", "5-e"]);
        assert_eq!(stage.counters().losses, 0);
        let target = stage.world.borrow().asked[2].target.clone();
        assert_eq!(
            target,
            format!(
                "/db/_changes?feed={name}&include_docs=true&heartbeat=10000&since=3-c\
                 &filter=_doc_ids&doc_ids=%5B%22x%22%5D&limit=100"
            )
        );
    }
}

#[test]
fn documents_read_between_two_answers_are_reported_before_the_next() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            vec![info("\"3-c\"", if looks < 3 { "1" } else { "another" })]
        }
        "/db/x" if looks < 3 => vec![revision("x", "3-c")],
        "/db/x" => vec![revision("x", "1-a")],
        _ if asked.feeds <= 2 => {
            let seq = format!("\"{}-s\"", asked.feeds);
            vec![begin(), Act::wait_s(5.0), chunk(&page(&[row(&seq, "y", "1-a")], &seq)), end()]
        }
        _ => vec![], // it is held back until something changes
    })
    .follow_with(|feed| feed.mode(FeedMode::LongPoll).doc("x"));
    stage.run_s(11.0);
    let log = stage.log();
    assert!(log.contains("10.000 recreated") && log.contains("10.000 x is 1-a"), "{log}");
}

#[test]
fn each_change_of_one_document_caused_reading_all_on_servers_without_identities() {
    let mut changes = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => vec![info(&format!("\"{changes}-s\""), "0")],
        "/db/x" => vec![revision("x", &format!("{changes}-x"))],
        "/db/y" => vec![revision("y", "1-y")],
        _ if changes == 305 => vec![begin(), chunk("{\"results\":[\n\n")],
        _ => {
            changes += 1;
            let row = row(&format!("\"{changes}-s\""), "x", &format!("{changes}-x"));
            let page = format!("{{\"results\":[{row}],\"last_seq\":\"{changes}-s\"}}\n");
            vec![begin(), Act::wait_s(0.1), chunk(&page), end()]
        }
    })
    .follow_with(|feed| feed.doc("x").doc("y").mode(FeedMode::LongPoll));
    stage.run_s(40.0);
    assert_eq!(stage.revs("x"), (0..=305).map(|n| format!("{n}-x")).collect::<Vec<_>>());
    let log = stage.log();
    // Once a second, and again when nothing changes any more.
    let reads = log.matches("GET /db/y").count();
    assert_eq!(reads, 32, "{log}");
    assert!(log.contains("\n31.100 #2 GET /db/y\n"), "{log}");
    assert_eq!((log.matches("lost").count(), stage.connections()), (0, 2));
}

#[test]
fn immediate_answers_without_news_cause_growing_pauses() {
    for text in [page(&[], "0"), page(&rows(1..=1), "0").replace("\"seq\":1", "\"seq\":null")] {
        let mut stage =
            every(FeedMode::LongPoll, Query::new(), move |_| vec![begin(), chunk(&text), end()]);
        stage.run_s(600.0);
        let asked = feeds(&stage).len();
        assert!((20..100).contains(&asked), "{asked}");
        assert!(stage.world.borrow().log.iter().any(|line| line.contains("stuck")));
    }
}

#[test]
fn an_answer_is_requested_to_end_in_time_for_a_buffering_proxy() {
    let mut stage = every(FeedMode::LongPoll, Query::new(), |asked| {
        let held_back = vec![begin(), chunk(&page(&[], "0")), end()];
        let time = if asked.target.contains("&timeout=10000&") { 10.0 } else { 86_400.0 };
        [vec![Act::wait_s(time)], held_back].concat()
    });
    stage.run_s(600.0);
    assert_eq!(stage.counters().losses, 1, "the one by which it was found");
    let world = stage.world.borrow();
    let polls = world.asked.iter().filter(|asked| asked.target.contains("&timeout=")).count();
    assert!((50..=58).contains(&polls), "{polls}");
}

#[test]
fn an_incomplete_answer_is_a_loss_and_its_rows_are_reported() {
    for mode in [FeedMode::LongPoll, FeedMode::Normal] {
        let mut stage = every(mode, Query::new(), |asked| {
            let text = page(&rows(1..=3), "3");
            match asked.feeds {
                1 => vec![begin(), chunk(&text[..text.find("d3").unwrap()]), Act::Kill],
                // Nothing frames it, and it is cut where a row ends.
                2 => vec![
                    Act::send(format!(
                        "HTTP/1.0 200 OK\r\n\r\n{}",
                        &text[..text.find(",\n").unwrap()]
                    )),
                    Act::Finish,
                ],
                _ => vec![begin(), chunk(&page(&rows(3..=3), "3")), end()],
            }
        });
        stage.run_s(5.0);
        let log = stage.log();
        assert_eq!(
            log.matches("the connection ended in the middle of the feed").count(),
            2,
            "{log}"
        );
        assert!(feeds(&stage)[1].contains("since=2&"), "{log}");
        assert_eq!(stage.handled(), "3");
    }
}

#[test]
fn a_limit_is_counted_over_the_answers() {
    let query = Query::new().limit(150);
    let mut stage = every(FeedMode::Normal, query, |asked| {
        let since: usize = asked.since().parse().unwrap();
        let limit: usize = asked.target.split_once("limit=").unwrap().1.parse().unwrap();
        vec![json("200 OK", &page(&rows(since + 1..=since + limit), &(since + limit).to_string()))]
    });
    stage.run_s(5.0);
    assert_eq!(feeds(&stage), ["10000&since=0&limit=100", "10000&since=100&limit=50"]);
    assert!(stage.world.borrow().log.last().unwrap().ends_with("ended: Limit"));
}

#[test]
fn a_row_that_is_too_long_for_an_answer_arrives_without_its_document() {
    let mut stage = Stage::with_database("2", move |asked| match asked.target.as_str() {
        "/db/long?rev=1-a" => vec![json("200 OK", &"x".repeat(1000))],
        target if target.contains("include_docs=false") => {
            let row = row("2", "long", "1-a").replace(",\"doc\"", ",\"was\"");
            vec![begin(), chunk(&page(&[row], "2")), end()]
        }
        _ => {
            let long = row("2", "long", "1-a").replace("_rev", &"x".repeat(1000));
            let rows = [row("1", "a", "1-a"), long, row("3", "b", "1-a")];
            let since: usize = asked.since().parse().unwrap();
            vec![begin(), chunk(&page(&rows[since.min(3)..], "3")), end()]
        }
    })
    .follow_with(|feed| {
        let query = Query::new().include_docs();
        let every = EveryChange::since(Start::Beginning).query(query);
        feed.mode(FeedMode::LongPoll).line_max(500).every_change(every)
    });
    stage.run_s(2.0);
    let log = stage.log();
    assert!(
        log.contains("since=1&limit=1\n") && log.contains("long is longer than 500\n"),
        "{log}"
    );
    assert!(log.contains("row 2: long 1-a at 2\n") && log.contains("row 3: b 1-a at 3"), "{log}");
}

#[test]
fn a_busy_watcher_stops_an_answer_in_its_middle() {
    let mut stage = Stage::with_database("9", move |asked| match asked.target.as_str() {
        _ if asked.feeds == 1 => vec![begin(), chunk(&page(&rows(1..=9), "9")), end()],
        _ => vec![begin()],
    })
    .busy()
    .follow_with(|feed| {
        let every = EveryChange::since(Start::Beginning).window(2);
        feed.mode(FeedMode::LongPoll).every_change(every)
    });
    stage.run_s(600.0);
    for number in 1..=9 {
        let told = stage.told.borrow();
        let rows = told.iter().filter(|event| matches!(event, FeedEvent::Row { .. })).count();
        assert_eq!(rows, (number as usize + 1).min(9));
        drop(told);
        stage.handle(number);
        stage.run_s(1.0);
    }
    assert_eq!((stage.handled(), stage.counters().losses), ("9".into(), 0));
}

#[test]
fn an_answer_of_known_length_that_filled_the_window_had_no_end_and_was_lost_as_silent() {
    for (mode, asked_again_s) in [(FeedMode::LongPoll, 0.0), (FeedMode::Normal, 10.0)] {
        let mut stage = Stage::with_database("9", move |asked| match asked.target.as_str() {
            _ if asked.feeds == 1 => vec![json("200 OK", &page(&rows(1..=3), "9"))],
            _ => vec![begin()],
        })
        .busy()
        .follow_with(move |feed| {
            feed.mode(mode).every_change(EveryChange::since(Start::Beginning).window(2))
        });
        stage.run_s(60.0);
        (1..=3).for_each(|number| stage.handle(number));
        stage.run_s(asked_again_s);
        assert_eq!(feeds(&stage).len(), 2, "{mode:?}");
        assert_eq!((stage.handled(), stage.counters().losses), ("9".into(), 0), "{mode:?}");
    }
}

/// The ids of the recorded rows.
#[track_caller]
fn recorded(name: &str, expected: &str, last: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let bytes = std::fs::read(folder.join(name).with_extension("response")).unwrap();
    for mode in [FeedMode::LongPoll, FeedMode::Normal] {
        for step in [1, 7, 100_000] {
            let bytes = bytes.clone();
            let mut stage = every(mode, Query::new(), move |asked| match asked.feeds {
                _ if asked.is_sounding() && mode != FeedMode::Normal => vec![nothing_more(asked)],
                _ if asked.since() == "0" => {
                    bytes.chunks(step).map(Act::send).chain([Act::Finish]).collect()
                }
                _ => vec![begin()],
            });
            stage.run_s(9.0);
            let told = stage.told.borrow();
            let ids = told.iter().filter_map(|event| match event {
                FeedEvent::Row { row, .. } => Some(row.id.as_str()),
                _ => None,
            });
            let log = stage.log();
            assert_eq!(ids.collect::<Vec<_>>().join(" "), expected, "{name} by {step}: {log}");
            drop(told);
            assert!(stage.handled().starts_with(last), "{name}: {}", stage.handled());
        }
    }
}

#[test]
fn recorded_answers_are_reported() {
    recorded("couchdb/longpoll_backlog", "doc-0 doc-1 lp", "3-");
    recorded("couchdb/longpoll_update", "lp", "3-");
    recorded("couchdb/longpoll_heartbeat", "lp2", "4-");
    recorded("couchdb/longpoll_timeout_2000", "", "3-");
    recorded("couchdb/longpoll_db_deleted", "", "2-");
    recorded("couchdb/normal_limit_2", "doc-3 doc-2", "3-");
    recorded("couchdb/normal_seq_interval", "doc-3 doc-2 doc-0 doc-1", "5-");
    recorded("couchdb/normal_since_now", "", "5-");
    recorded("couchdb/normal_limit_0", "", "0-");
    recorded("pouchdb/longpoll_heartbeat", "lp2", "4");
    recorded("pouchdb/normal_limit_2", "doc-0 doc-1", "2");
    recorded("pouchdb/normal_since_now", "", "5");
}

#[test]
fn the_mode_does_not_change_other_parameters() {
    let follow = |feed: ChangesFeed| {
        let query = Query::new().doc_ids(["x"]);
        feed.mode(FeedMode::LongPoll).every_change(EveryChange::since(Start::Now).query(query))
    };
    let mut stage = Stage::with_feeds(|_| vec![begin()]).follow_with(follow);
    stage.run_s(1.0);
    let asked = stage.world.borrow().asked.last().unwrap().clone();
    assert_eq!((asked.method.as_str(), asked.since().as_str()), ("POST", "3-c"));
    assert_eq!(asked.body, r#"{"doc_ids":["x"]}"#);
}

#[test]
fn a_server_that_sent_the_same_row_at_new_sequences_was_asked_without_a_pause() {
    let (poll, stream) = (FeedMode::LongPoll, FeedMode::Continuous);
    for (mode, is_timed, has_docs) in
        [(poll, false, true), (poll, false, false), (poll, true, true), (stream, true, true)]
    {
        let mut left = 100;
        let mut stage = Stage::with_database("\"9-t\"", move |asked| {
            if asked.target == "/db/x" {
                vec![revision("x", "1-a")]
            } else {
                left -= 1;
                assert!(left > 0, "a storm");
                let (same, last) = (row("null", "x", "1-a"), format!("\"{left}-n\""));
                let is_page = asked.target.contains("longpoll");
                let stream = format!("{same}{{\"last_seq\":{last}}}\n");
                vec![json("200 OK", &if is_page { page(&[same], &last) } else { stream })]
            }
        })
        .follow_with(move |feed| {
            let feed = feed.mode(mode);
            let feed = if is_timed { feed.timeout(Duration::from_secs(10)) } else { feed };
            let every = EveryChange::since(Start::Beginning);
            if has_docs { feed.doc("x") } else { feed.every_change(every) }
        });
        stage.run_s(60.0);
        let feeds = stage.world.borrow().asked.iter().filter(|asked| asked.is_feed()).count();
        assert!((5..20).contains(&feeds), "{feeds} requests in a minute");
        assert_eq!(stage.counters().losses, 0);
    }
}
