//! Every change: events, acknowledgements, and the sequence from which a feed continues.

use super::*;
use masque::couch_feed::limits::WINDOW_BYTES;
use masque::reactor::Limits;
use masque::sessions::{ChangesFeed, EveryChange, FeedEvent, OnRecreated, Query, Start};

const URL: &str = "http://couch/db";

/// A database at `3-c`; requests for a feed are answered with what `feeds` gives.
fn every(every: EveryChange, mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Stage {
    Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", r#"{"couchdb":"Welcome","uuid":"u1"}"#)],
        "/db" => vec![info(r#""3-c""#, "1")],
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ => feeds(asked),
    })
    .follow_as(URL, |feed| feed.every_change(every))
}

fn from(start: Start) -> EveryChange {
    EveryChange::since(start)
}

/// Rows `1-s` to `n-s`, each of a document of its own.
fn rows(numbers: std::ops::RangeInclusive<usize>) -> String {
    numbers.map(|n| bare(&format!("\"{n}-s\""), &format!("d{n}"), "1-a")).collect()
}

fn bare(seq: &str, id: &str, rev: &str) -> String {
    format!("{{\"seq\":{seq},\"id\":\"{id}\",\"changes\":[{{\"rev\":\"{rev}\"}}]}}\n")
}

fn last(seq: &str) -> Act {
    chunk(&format!("{{\"last_seq\":\"{seq}\",\"pending\":0}}\n"))
}

#[test]
fn every_row_is_reported_from_the_start() {
    let mut stage = every(from(Start::Beginning), |asked| {
        if asked.feeds > 1 {
            let row = bare("4", "_design/d", "1-a");
            return [begin(), Act::wait_s(2.0), chunk(&row)].into_iter().chain(beats(10)).collect();
        }
        let gone = "{\"id\":\"y\",\"changes\":[{\"rev\":\"2-b\"},{\"rev\":\"1-z\"}],\
                    \"deleted\":true,\"seq\":[2,\"b\"],\"new\":{\"n\":12345678901234567890.50}}\n";
        let text = bare("\"1-a\"", "x", "1-a") + gone + &bare("null", "x", "2-b");
        vec![begin(), chunk(&text), chunk("\n")]
    });
    stage.check(
        60.0,
        "0.000 #1 GET /
        0.000 #1 GET /db
        0.000 #1 GET rows since 0
        0.000 connected #1 since 0
        0.000 row 1: x 1-a at 1-a
        0.000 row 2: y gone 2-b+1-z at [2,\"b\"]
        0.000 row 3: x 2-b at -
        0.000 #2 GET /db/_changes?feed=normal&include_docs=false&heartbeat=10000\
&since=%5B2%2C%22b%22%5D
        0.000 #2 GET /db
        0.000 caught up
        0.000 #2 GET rows since %5B2%2C%22b%22%5D
        2.000 row 4: _design/d 1-a at 4",
    );
    assert_eq!(stage.handled(), "4");
    let told = stage.told.borrow();
    let FeedEvent::Row { row, .. } = &told[2] else { panic!("{told:?}") };
    // Members without a field are kept as they were sent.
    assert!(row.json.ends_with(b",\"new\":{\"n\":12345678901234567890.50}}"), "{row:?}");
}

#[test]
fn documents_of_rows_are_delivered_as_the_server_wrote_them() {
    let query = Query::new().include_docs();
    let mut stage =
        every(from(Start::Beginning).query(query), |_| vec![begin(), chunk(&row("1", "x", "1-a"))]);
    stage.run_s(1.0);
    let told = stage.told.borrow();
    let FeedEvent::Row { row, .. } = &told[1] else { panic!("{told:?}") };
    assert_eq!(row.doc.as_deref(), Some(&br#"{"_id":"x","_rev":"1-a"}"#[..]));
    assert!(stage.world.borrow().asked[2].target.contains("include_docs=true"));
}

#[test]
fn start_now_is_resolved_to_a_sequence_once() {
    let mut stage = every(from(Start::Now), |asked| match asked.feeds {
        1 => vec![Act::Kill],
        _ => vec![begin(), chunk("\n")],
    });
    stage.check(
        1.0,
        "0.000 #1 GET /
        0.000 #1 GET /db
        0.000 #1 GET rows since 3-c
        0.000 #2 GET /db
        0.000 #3 GET rows since 3-c
        0.000 connected #3 since 3-c
        0.000 caught up",
    );
    assert_eq!(stage.handled(), "3-c");
}

#[test]
fn the_checkpoint_waits_for_the_lowest_unfinished_row() {
    let mut stage =
        every(from(Start::Beginning), |_| vec![begin(), chunk(&rows(1..=4)), last("9-z")]).busy();
    stage.run_s(1.0);
    assert_eq!(stage.handled(), "0");
    for (number, expected) in
        [(2, "0"), (1, "2-s"), (1, "2-s"), (77, "2-s"), (4, "2-s"), (3, "9-z")]
    {
        stage.handle(number);
        assert_eq!(stage.handled(), expected, "after {number}");
    }
}

#[test]
fn a_last_seq_moves_the_checkpoint_if_no_row_passes_a_filter() {
    let query = Query::new().filter("app/rare", [("k", "v")]).unwrap();
    let mut stage = every(from(Start::Beginning).query(query), |asked| match asked.feeds {
        1 => vec![begin(), last("9-z"), end()],
        _ => vec![begin(), chunk("\n")],
    });
    stage.run_s(1.0);
    assert_eq!(stage.handled(), "9-z");
    let target = stage.world.borrow().asked.last().unwrap().target.clone();
    assert!(target.ends_with("since=9-z&filter=app%2Frare&k=v"), "{target}");
}

#[test]
fn a_thousand_rows_are_reported_ahead_by_default() {
    let mut stage = every(from(Start::Beginning), |_| vec![begin(), chunk(&rows(1..=1001))]).busy();
    stage.run_s(1.0);
    let is_row = |event: &&FeedEvent| matches!(event, FeedEvent::Row { .. });
    assert_eq!(stage.told.borrow().iter().filter(is_row).count(), 1000);
}

#[test]
fn a_lost_feed_continues_from_the_last_reported_row() {
    let mut stage = every(from(Start::Beginning).window(2), |asked| match asked.feeds {
        // Five rows are sent, and the window has room for two.
        1 => vec![begin(), chunk(&rows(1..=5)), Act::wait_s(1.0), Act::Kill],
        _ => vec![begin()],
    })
    .busy();
    stage.check(
        0.5,
        "0.000 #1 GET /
        0.000 #1 GET /db
        0.000 #1 GET rows since 0
        0.000 connected #1 since 0
        0.000 row 1: d1 1-a at 1-s
        0.000 row 2: d2 1-a at 2-s",
    );
    stage.run_s(1.0);
    stage.handle(1);
    stage.handle(2);
    stage.run_s(5.0);
    let log = stage.log();
    // Received rows are reported before the loss is noticed.
    assert_eq!(log, "1.500 row 3: d3 1-a at 3-s\n1.500 row 4: d4 1-a at 4-s");
    for number in 3..=5 {
        stage.handle(number);
    }
    stage.run_s(5.0);
    let log = stage.log();
    let (_, after) = log.split_once("row 5: d5 1-a at 5-s\n").expect(&log);
    assert!(after.contains("lost (1)") && after.contains("GET rows since 5-s\n"), "{log}");
    assert_eq!(stage.handled(), "5-s");
}

#[test]
fn rows_without_a_sequence_are_repeated_and_marked() {
    let mut stage = every(from(Start::Beginning), |asked| {
        let again = bare("null", "y", "1-b") + &bare("null", "z", "1-c");
        match asked.feeds {
            1 => vec![begin(), chunk(&(bare("1", "x", "1-a") + &again)), Act::Kill],
            2 => vec![begin(), chunk(&(again + &bare("4", "w", "1-d"))), chunk("\n")],
            _ => vec![begin()],
        }
    });
    stage.run_s(1.0);
    let log = stage.log();
    assert!(log.contains("GET rows since 1\n"), "{log}");
    assert!(log.contains("row 4: y 1-b at - again") && log.contains("row 5: z 1-c at - again"));
    assert!(log.contains("row 6: w 1-d at 4") && !log.contains("rewound"), "{log}");
    assert_eq!(stage.handled(), "4");
}

#[test]
fn a_rewind_is_reported_once_and_its_rows_are_marked() {
    let mut stage = every(from(Start::Beginning), |asked| match asked.feeds {
        1 => vec![begin(), chunk(&rows(1..=4)), Act::Kill],
        2 => vec![begin(), chunk(&rows(2..=5)), chunk(&bare("6", "d4", "1-a")), Act::Kill],
        _ => vec![begin(), chunk(&rows(5..=7))],
    });
    stage.run_s(3.0);
    let log = std::mem::take(&mut stage.world.borrow_mut().log);
    let told = log.iter().filter(|line| line.contains("row ") || line.contains("rewound"));
    let told: Vec<_> = told.map(|line| line.split_once(' ').unwrap().1).skip(4).collect();
    assert_eq!(
        told,
        [
            "rewound",
            "row 5: d2 1-a at 2-s again",
            "row 6: d3 1-a at 3-s again",
            "row 7: d4 1-a at 4-s again",
            "row 8: d5 1-a at 5-s",
            // Reported twice in one feed: no rewind.
            "row 9: d4 1-a at 6 again",
            "rewound",
            "row 10: d5 1-a at 5-s again",
            "row 11: d6 1-a at 6-s",
            "row 12: d7 1-a at 7-s",
        ]
    );
}

#[test]
fn a_database_that_was_created_again_is_reported_from_its_start() {
    let answers = || {
        let mut looks = 0;
        move |asked: &Asked| match (asked.target.as_str(), asked.feeds) {
            ("/", _) => vec![json("200 OK", "{}")],
            ("/db", _) => {
                looks += 1;
                vec![info("\"3-c\"", if looks == 1 { "1" } else { "2" })]
            }
            _ if asked.is_sounding() => vec![nothing_more(asked)],
            (_, 1) => vec![begin(), chunk(&rows(1..=3)), last("3-s"), end()],
            _ => vec![begin(), chunk(&rows(1..=2)), chunk("\n")],
        }
    };
    let follow = |every: EveryChange| move |feed: ChangesFeed| feed.every_change(every);
    let mut stage = Stage::new(answers()).follow_as(URL, follow(from(Start::Beginning))).busy();
    stage.run_s(2.0);
    let log = stage.log();
    let (_, after) = log.split_once("recreated\n").expect(&log);
    assert!(after.contains("row 4: d1 1-a at 1-s\n"), "{log}");
    // Acknowledgements of the old database do not count for the new one.
    stage.handle(1);
    assert_eq!(stage.handled(), "0");
    stage.handle(4);
    assert_eq!(stage.handled(), "1-s");

    let stop = from(Start::Beginning).on_recreated(OnRecreated::Stop);
    let mut stage = Stage::new(answers()).follow_as(URL, follow(stop));
    stage.run_s(2.0);
    let log = stage.log();
    assert!(log.contains(" recreated\n") && log.ends_with(" ended: Recreated"), "{log}");
    assert_eq!(stage.world.borrow().asked.iter().filter(|asked| asked.is_feed()).count(), 1);
}

#[test]
fn a_busy_watcher_makes_the_server_wait_and_the_feed_is_not_silent() {
    let mut stage = every(from(Start::Beginning).window(3), |_| {
        let mut acts = vec![begin()];
        acts.extend((1..=2000).map(|n| chunk(&rows(n..=n).replace("1-a", &"1-long".repeat(300)))));
        acts
    })
    .busy();
    stage.run_s(3600.0);
    let told = |stage: &Stage| {
        stage.told.borrow().iter().filter(|event| matches!(event, FeedEvent::Row { .. })).count()
    };
    assert_eq!(told(&stage), 3);
    // An hour of it is no loss. The sent bytes fit in the socket and one buffer.
    let counters = stage.counters();
    assert_eq!((counters.losses, counters.connections), (0, 1));
    assert!(counters.bytes < 300_000, "{}", counters.bytes);
    // A row's room is made by a row, not by the last.
    stage.handle(3);
    assert_eq!(told(&stage), 3);
    stage.handle(1);
    stage.run_s(1.0);
    assert_eq!(told(&stage), 4);
    // From then on silence counts again.
    for number in 2..=2000 {
        stage.handle(number);
    }
    stage.run_s(24.0);
    assert_eq!((told(&stage), stage.counters().losses), (2000, 0));
    stage.run_s(2.0);
    assert_eq!(stage.counters().losses, 1);
}

#[test]
fn a_server_that_reset_a_feed_was_not_noticed_while_the_watcher_was_busy() {
    // More than the network holds, so that the server leaves with some unsent.
    let mut stage = every(from(Start::Beginning).window(3), move |asked| {
        let next = asked.since().trim_end_matches("-s").parse().map_or(1, |last: usize| last + 1);
        let long = |from, to| chunk(&rows(from..=to).replace("1-a", &"1-long".repeat(300)));
        match (asked.feeds, long(11, 500)) {
            (1, Act::Send(all)) => {
                vec![begin(), long(1, 10), Act::wait_s(1.0), Act::Reset(all)]
            }
            _ => vec![begin(), long(next, 500)],
        }
    })
    .busy();
    stage.run_s(10.0);
    let counters = stage.counters();
    assert_eq!((counters.losses, counters.connections), (1, 2), "it is followed again");
    for number in 1..=600 {
        stage.handle(number);
    }
    stage.run_s(10.0);
    let told = stage.told.borrow();
    let mut ids: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Row { row, .. } => Some(row.id.clone()),
            _ => None,
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500, "no row is lost");
}

#[test]
fn few_rows_that_are_long_fill_the_window_too() {
    let long = WINDOW_BYTES / 2;
    let mut stage = every(from(Start::Beginning), move |_| {
        let long = "x".repeat(long);
        let mut acts = vec![begin()];
        acts.extend((1..=3).map(|n| chunk(&bare(&n.to_string(), &format!("{n}{long}"), "1-a"))));
        acts
    })
    .busy();
    stage.run_s(10.0);
    let told = |stage: &Stage| {
        stage.told.borrow().iter().filter(|event| matches!(event, FeedEvent::Row { .. })).count()
    };
    assert_eq!(told(&stage), 2);
    stage.handle(2);
    stage.run_s(10.0);
    assert_eq!(told(&stage), 3);
}

#[test]
fn a_full_queue_loses_no_row() {
    let limits = {
        let mut limits = Limits::default();
        limits.queue = 4;
        limits
    };
    let mut stage = Stage::with_database("\"3-c\"", |_| vec![begin(), chunk(&rows(1..=500))])
        .limited(limits)
        .busy()
        .follow_as(URL, |feed| feed.every_change(EveryChange::since(Start::Beginning)));
    stage.run_s(10.0);
    let told = stage.told.borrow();
    let numbers = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, .. } => Some(*number),
        _ => None,
    });
    assert!(numbers.eq(1..=500));
}

#[test]
fn a_limit_counts_over_all_connections_and_ends_the_feed_after_the_last_acknowledgement() {
    let query = Query::new().limit(4);
    let mut stage = every(from(Start::Beginning).query(query), |asked| match asked.feeds {
        1 => vec![begin(), chunk(&rows(1..=2)), Act::Kill],
        // It goes back by one, and sends more than it was asked for.
        _ => vec![begin(), chunk(&rows(2..=9))],
    })
    .busy();
    stage.run_s(2.0);
    for number in [5, 4, 3, 2] {
        stage.handle(number);
    }
    stage.run_s(100.0);
    let log = stage.log();
    assert!(log.contains("GET rows since 0&limit=4") && log.contains("rows since 2-s&limit=2"));
    assert!(log.ends_with("row 5: d4 1-a at 4-s"), "{log}");
    stage.handle(1);
    assert!(stage.world.borrow().log.last().unwrap().ends_with("ended: Limit"));
    let feed = stage.feed();
    assert!(stage.rig.call(feed, ChangesFeed::COUNTERS, ()).is_err(), "it is gone");
}

#[test]
fn ids_and_selectors_are_posted_whole_with_each_request() {
    let query = Query::new().doc_ids(["x", "é"]);
    let mut stage = every(from(Start::Beginning).query(query), |asked| match asked.feeds {
        1 => vec![begin(), chunk(&rows(1..=1)), Act::Kill],
        _ => vec![begin(), chunk("\n")],
    });
    stage.run_s(1.0);
    let world = stage.world.borrow();
    let feeds: Vec<_> = world.asked.iter().filter(|asked| asked.is_feed()).collect();
    assert_eq!(feeds.len(), 4, "two for the rows, one for their end, and one for what comes");
    for asked in feeds {
        assert_eq!(
            (asked.method.as_str(), asked.body.as_str()),
            ("POST", r#"{"doc_ids":["x","é"]}"#)
        );
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert!(asked.target.contains("&filter=_doc_ids"));
    }
}

#[test]
fn a_row_that_is_too_long_is_reported_without_its_document() {
    let query = Query::new().include_docs();
    let long = |seq: &str| row(seq, "long", "1-a").replace("_rev", &"x".repeat(1000));
    let follow = EveryChange::since(Start::Beginning).query(query);
    let mut stage = Stage::with_database("\"3-c\"", move |asked| match asked.target.as_str() {
        "/db/long?rev=1-a" => {
            let long = "x".repeat(1000);
            vec![json("200 OK", &format!("{{\"_id\":\"long\",\"_rev\":\"1-a\",\"x\":\"{long}\"}}"))]
        }
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ if asked.since() == "3" => vec![begin()],
        _ if asked.since() == "0" => vec![begin(), chunk(&(row("1", "a", "1-a") + &long("2")))],
        _ if asked.target.contains("include_docs=false") => {
            vec![begin(), chunk(&bare("2", "long", "1-a")), chunk(&bare("3", "b", "1-a"))]
        }
        _ => vec![begin(), chunk(&row("3", "b", "1-a")), chunk("\n")],
    })
    .follow_as(URL, |feed| feed.every_change(follow).line_max(500));
    stage.run_s(2.0);
    let log = stage.log();
    assert!(log.contains("a line is longer than 500 bytes"), "{log}");
    assert!(log.contains("GET rows since 1&limit=1\n"), "{log}");
    assert!(log.contains("long is longer than 500\n"), "{log}");
    assert!(log.contains("row 2: long 1-a at 2\n") && log.contains("row 3: b 1-a at 3"), "{log}");
    let told = stage.told.borrow();
    let docs = told.iter().filter_map(|event| match event {
        FeedEvent::Row { row, .. } => Some(row.doc.is_some()),
        _ => None,
    });
    assert!(docs.eq([true, false, true]));
}

#[test]
fn a_rejected_sequence_is_never_replaced_by_the_start() {
    let refusal = r#"{"error":"bad_request","reason":"Malformed sequence supplied in 'since'."}"#;
    let mut stage = every(from(Start::Now), move |_| vec![json("400 Bad Request", refusal)]);
    stage.run_s(600.0);
    let world = stage.world.borrow();
    assert!(world.asked.iter().filter(|asked| asked.is_feed()).all(|asked| asked.since() == "3-c"));
    assert!(world.log.iter().any(|line| line.contains("stuck")));
}

#[test]
fn a_server_without_a_uuid_is_followed() {
    for status in ["404 Not Found", "401 Unauthorized", "301 Moved", "500 Oh"] {
        for body in ["{}".into(), "<html>".repeat(20_000)] {
            let mut stage = Stage::new(move |asked| match asked.target.as_str() {
                "/" => vec![json(status, &body)],
                "/db" => vec![info("\"3-c\"", "1")],
                _ => vec![begin(), chunk(&rows(1..=1))],
            })
            .follow_as(URL, |feed| feed.every_change(EveryChange::since(Start::Beginning)));
            stage.run_s(1.0);
            let checkpoint = stage.checkpoint().unwrap();
            assert_eq!((checkpoint.seq.as_str(), checkpoint.server), ("1-s", None), "{status}");
            assert_eq!(stage.counters().losses, 0);
        }
    }
}

#[test]
fn a_server_that_cannot_send_its_uuid_yet_is_asked_again() {
    let mut times = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/" => {
            times += 1;
            let status = if times == 1 { "503 Service Unavailable" } else { "200 OK" };
            vec![json(status, r#"{"uuid":"u"}"#)]
        }
        "/db" => vec![info("\"3-c\"", "1")],
        _ => vec![begin(), chunk(&rows(1..=1))],
    })
    .follow_as(URL, |feed| feed.every_change(EveryChange::since(Start::Beginning)));
    stage.run_s(5.0);
    assert_eq!(stage.checkpoint().unwrap().server.as_deref(), Some("u"));
    assert_eq!(stage.counters().losses, 1);
}

#[test]
fn a_server_that_failed_once_to_send_its_uuid_was_never_asked_again() {
    for fails in [1, usize::MAX] {
        let mut times = 0;
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/" => {
                times += 1;
                let status = if times <= fails { "502 Bad Gateway" } else { "200 OK" };
                let body = if times <= fails { "<html>" } else { r#"{"uuid":"u"}"# };
                vec![json(status, body), Act::Finish]
            }
            "/db" => vec![info("\"9-t\"", "1")],
            _ if asked.is_sounding() => vec![nothing_more(asked)],
            _ => [begin(), chunk(&rows(1..=1))].into_iter().chain(beats(9)).collect(),
        })
        .follow_as(URL, |feed| feed.every_change(EveryChange::since(Start::Beginning)));
        stage.run_s(60.0);
        let server = stage.checkpoint().unwrap().server;
        assert_eq!(server.as_deref(), Some("u").filter(|_| fails == 1));
        assert_eq!(stage.counters().losses, 0);
        assert!(stage.connections() < 10, "{} in a minute", stage.connections());
    }
}

#[test]
fn a_feed_that_waits_for_its_watcher_ends_when_the_watcher_stops() {
    let limited = from(Start::Beginning).query(Query::new().limit(1));
    for every_change in [from(Start::Beginning).window(1), limited] {
        let mut stage = every(every_change, |_| vec![begin(), chunk(&rows(1..=1))]).busy();
        stage.run_s(60.0);
        let feed = stage.feed();
        assert!(stage.rig.call(feed, ChangesFeed::COUNTERS, ()).is_ok(), "it waits");
        stage.stop_watcher();
        stage.run_s(20.0);
        assert!(stage.rig.call(feed, ChangesFeed::COUNTERS, ()).is_err(), "nobody is left");
    }
}
