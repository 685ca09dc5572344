//! Documents and databases that are deleted and created again.

use super::*;
use masque::sessions::{EveryChange, FeedMode, Start};

#[test]
fn a_document_that_is_deleted_and_created_again_is_reported() {
    let gone = r#"{"seq":5,"id":"x","changes":[{"rev":"4-d"}],"deleted":true,"doc":{}}"#;
    let mut stage = Stage::with_feeds(move |_| {
        let gone = chunk(&format!("{gone}\n"));
        vec![begin(), gone.clone(), Act::wait_s(1.0), gone, chunk(&row("6", "x", "5-e"))]
    })
    .follow();
    stage.check(
        2.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 3-c
        0.000 x is 3-c
        0.000 connected #1 since 3-c
        0.000 caught up
        0.000 x is gone at 4-d
        1.000 x is 5-e",
    );
}

#[test]
fn a_document_that_does_not_exist_yet_is_reported_as_gone() {
    let mut stage =
        Stage::with_feeds(move |_| vec![begin(), Act::wait_s(1.0), chunk(&row("6", "y", "1-a"))])
            .follow_with(|feed| feed.doc("y"));
    stage.run_s(2.0);
    assert_eq!(stage.revs("y"), ["-", "1-a"]);
}

#[test]
fn a_conflict_that_is_resolved_to_an_older_revision_is_what_is_current() {
    let lines =
        [row("4", "x", "5-z"), row("5", "x", "2-b"), row("6", "x", "2-a"), row("7", "x", "2-b")];
    let mut stage = Stage::with_feeds(move |_| {
        let each = lines.iter().flat_map(|line| [chunk(line), Act::wait_s(1.0)]);
        [begin()].into_iter().chain(each).collect()
    })
    .follow();
    stage.run_s(5.0);
    assert_eq!(stage.revs("x"), ["3-c", "5-z", "2-b", "2-a", "2-b"]);
}

#[test]
fn a_cluster_that_rewinds_causes_no_repeated_events() {
    // The recording `cluster_since_rewind` shows this.
    let mut stage = Stage::with_feeds(move |asked| {
        let rows =
            [row("\"5-b\"", "x", "4-d"), row("\"2-a\"", "x", "4-d"), row("\"3-a\"", "y", "1-y")];
        match asked.feeds {
            1 => vec![begin(), chunk(&rows.concat()), chunk("\n"), Act::wait_s(1.0), Act::Kill],
            _ => vec![
                begin(),
                chunk(&rows.concat()),
                chunk("\n"),
                Act::wait_s(1.0),
                chunk(&row("\"4-e\"", "x", "5-e")),
            ],
        }
    })
    .follow();
    stage.run_s(3.0);
    assert_eq!(stage.revs("x"), ["3-c", "4-d", "5-e"]);
    let world = stage.world.borrow();
    assert_eq!(world.asked.last().unwrap().since(), "3-a", "never compared, never sorted");
}

/// A database with this `identity`, `None` if it does not exist.
fn lives(mut identity: impl FnMut(usize) -> Option<String> + 'static) -> Stage {
    let mut looks = 0;
    let mut current = None;
    Stage::new(move |asked| match (asked.target.as_str(), &current) {
        ("/db", _) => {
            looks += 1;
            current = identity(looks);
            match &current {
                Some(identity) => vec![info(&format!("\"{looks}-seq\""), identity)],
                None => vec![json(
                    "404 Object Not Found",
                    r#"{"error":"not_found","reason":"Database does not exist."}"#,
                )],
            }
        }
        ("/db/x", Some(identity)) => {
            vec![revision("x", &format!("1-{identity}"))]
        }
        _ => {
            let last = format!("{{\"last_seq\":\"{}\"}}\n", asked.since());
            let first = [begin(), chunk("\n")].into_iter();
            first.chain(beats(3)).chain([chunk(&last), end()]).collect()
        }
    })
    .follow()
}

#[test]
fn a_database_that_returned_was_looked_for_after_half_of_the_longest_pause() {
    let mut stage = lives(|looks| (looks == 1 || looks > 4).then(|| looks.clamp(1, 5).to_string()));
    stage.run_s(30.0);
    stage.clear();
    let gone = "there is no such database: not_found: Database does not exist.";
    stage.run_s(10.0);
    let log = stage.log();
    assert_eq!(log.matches(gone).count(), 2, "{log}");
    assert!(log.contains("recreated\n") && log.ends_with("caught up"), "{log}");
    assert!(log.contains("feed since 5-seq"), "{log}");
    assert_eq!(stage.revs("x"), ["1-1", "1-5"]);
}

#[test]
fn caught_up_was_missing_after_a_database_was_replaced_without_a_loss() {
    for mode in FeedMode::ALL {
        let mut looks = 0;
        let every = EveryChange::since(Start::Beginning);
        let mut stage = Stage::new(move |asked| {
            let since = asked.since();
            match asked.target.as_str() {
                "/" => vec![json("200 OK", "{}")],
                "/db" => {
                    looks += 1;
                    vec![if looks == 1 { info("\"1-a\"", "a") } else { info("\"1-b\"", "b") }]
                }
                _ if since == "0" => {
                    let name = if looks == 1 { "a" } else { "b" };
                    let row = row(&format!("\"1-{name}\""), name, "1-r");
                    let rest = format!("\"last_seq\":\"1-{name}\"}}\n");
                    let [first, last] = if mode == FeedMode::Continuous {
                        [row, format!("{{{rest}")]
                    } else {
                        [format!("{{\"results\":[{row}"), format!("],{rest}")]
                    };
                    let first = [begin(), chunk(&first)].into_iter().chain(beats(2));
                    first.chain([chunk(&last), end()]).collect()
                }
                _ if mode == FeedMode::Normal => vec![nothing_more(asked)],
                _ if mode == FeedMode::Continuous => vec![begin(), chunk("\n")],
                _ => vec![begin(), chunk("{\"results\":[\n")],
            }
        })
        .follow_with(move |feed| feed.mode(mode).every_change(every));
        stage.run_s(60.0);
        let log = stage.log();
        assert!(!log.contains("lost"), "{log}");
        let (before, after) = log.split_once("recreated").expect(&log);
        assert!(before.contains("caught up"), "{log}");
        let (before, _) = after.split_once("caught up").expect(&log);
        assert!(before.contains("row 2: b 1-r at 1-b"), "{log}");
    }
}

#[test]
fn a_database_that_is_created_again_immediately_is_read_again() {
    let mut stage = lives(|looks| Some(if looks == 1 { "a" } else { "b" }.into()));
    stage.check(
        31.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 1-seq
        0.000 x is 1-a
        0.000 connected #1 since 1-seq
        0.000 caught up
        30.000 #2 GET /db
        30.000 #2 GET /db/x
        30.000 recreated
        30.000 #2 feed since 2-seq
        30.000 x is 1-b
        30.000 connected #2 since 2-seq
        30.000 caught up",
    );
}

#[test]
fn a_database_without_an_identity_is_read_again_without_repeated_events() {
    let mut stage = lives(|_| Some("0".into()));
    stage.check(
        31.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 1-seq
        0.000 x is 1-0
        0.000 connected #1 since 1-seq
        0.000 caught up
        30.000 #2 GET /db
        30.000 #2 GET /db/x
        30.000 #2 feed since 2-seq
        30.000 connected #2 since 2-seq",
    );
}

#[test]
fn documents_read_between_two_answers_are_reported() {
    // It changes again before the look at the database, and the feed has no later row.
    let follow = |mode, update_seq: fn(usize) -> String| {
        let mut looks = 2;
        Stage::new(move |asked| match asked.target.as_str() {
            "/db" => {
                looks += 1;
                vec![info(&update_seq(2 * looks - 3), "0")]
            }
            "/db/x" => {
                vec![revision("x", &format!("{}-x", 2 * looks - 3))]
            }
            _ if asked.feeds == 1 => {
                let row = row(&update_seq(4), "x", "4-x");
                let page = format!(r#"{{"results":[{row}],"last_seq":{}}}"#, update_seq(4));
                vec![begin(), Act::wait_s(2.0), chunk(&page), end()]
            }
            _ => [begin(), chunk("{\"results\":[\n")].into_iter().chain(beats(9)).collect(),
        })
        .follow_with(move |feed| feed.mode(mode).doc("x"))
    };
    for mode in [FeedMode::LongPoll, FeedMode::Normal] {
        for update_seq in [|n: usize| n.to_string(), |n: usize| format!("\"{n}-s\"")] {
            let mut stage = follow(mode, update_seq);
            stage.run_s(15.0);
            assert_eq!(stage.revs("x"), ["3-x", "4-x", "5-x"], "{mode:?}");
            let since = stage.world.borrow().asked.last().unwrap().since();
            assert_eq!(since, update_seq(5).trim_matches('"'), "{mode:?}");
        }
    }
}

#[test]
fn the_same_database_is_followed_without_reading_it_again() {
    let mut stage = lives(|_| Some("1".into()));
    stage.run_s(29.0);
    stage.clear();
    stage.check(
        2.0,
        "30.000 #2 GET /db
        30.000 #2 feed since 1-seq
        30.000 connected #2 since 1-seq",
    );
}

#[test]
fn a_database_that_is_replaced_during_a_loss_is_noticed() {
    // It is made again while the request for its feed goes unanswered.
    let mut is_first = true;
    let mut stage = Stage::new(move |asked| match (asked.target.as_str(), is_first) {
        ("/db", true) => vec![info("\"9-a\"", "a")],
        ("/db", false) => vec![info("\"2-b\"", "b")],
        ("/db/x", true) => vec![revision("x", "9-a")],
        ("/db/x", false) => vec![revision("x", "1-b")],
        (_, true) => {
            is_first = false;
            vec![Act::Kill]
        }
        _ => vec![begin(), chunk("\n")],
    })
    .follow();
    stage.run_s(1.0);
    assert_eq!(stage.revs("x"), ["9-a", "1-b"]);
    assert_eq!(stage.counters().losses, 0);
}

#[test]
fn a_feed_starts_over_if_the_server_rejects_its_sequence() {
    let mut stage = Stage::with_feeds(|asked| match (asked.feeds, asked.since().as_str()) {
        (1, _) => vec![begin(), chunk(&row("\"4-d\"", "x", "4-d")), Act::Kill],
        (_, "4-d") => vec![json(
            "400 Bad Request",
            r#"{"error":"bad_request","reason":"Malformed sequence"}"#,
        )],
        _ => vec![begin(), chunk("\n")],
    })
    .follow();
    stage.run_s(60.0);
    let log = stage.log();
    assert!(log.contains("400 Bad Request: bad_request: Malformed sequence"), "{log}");
    assert!(log.contains("connected #3 since 3-c"), "{log}");
    assert!(!log.contains("include_docs"), "it is filtered throughout: {log}");
}

#[test]
fn an_answer_that_describes_no_database_is_rejected() {
    for (body, why) in [
        ("<html>", "it does not describe a database"),
        ("{}", "it has no update_seq"),
        (r#"{"update_seq":null}"#, "it has no update_seq"),
    ] {
        let mut stage = Stage::new(move |_| vec![json("200 OK", body)]).follow();
        stage.run_s(0.0);
        let log = stage.log();
        assert!(log.contains(why), "{log}");
    }
    let long = "x".repeat(70_000);
    let mut stage = Stage::new(move |_| vec![json("200 OK", &long)]).follow();
    stage.run_s(0.0);
    assert!(stage.log().contains("it is too long"));
}

#[test]
fn a_404_that_is_not_of_couchdb_says_nothing_of_a_document() {
    let mut stage =
        Stage::with_database("1", |_| vec![json("404 Not Found", "<html>nginx</html>")]).follow();
    stage.run_s(1.0);
    assert!(stage.revs("x").is_empty());
    assert!(stage.log().contains("lost (1)"));
}

#[test]
fn changes_after_a_loss_were_reported_before_the_feed_counted_as_connected() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            vec![info("\"3-c\"", if looks == 1 { "1" } else { "another" })]
        }
        "/db/x" => vec![revision("x", &format!("{looks}-x"))],
        _ if asked.feeds == 1 => vec![begin(), chunk("\n"), Act::wait_s(1.0), Act::Kill],
        _ => vec![Act::wait_s(2.0), begin(), chunk("\n")],
    })
    .follow();
    stage.run_s(10.0);
    let world = stage.world.borrow();
    let told: Vec<_> = world.log.iter().filter_map(|line| line.split_once(' ')).collect();
    let time = |what: &str| told.iter().find(|(_, told)| told.starts_with(what)).map(|told| told.0);
    assert_eq!(time("x is 2-x"), Some("3.465"), "{told:?}");
    assert_eq!(time("connected #2"), Some("3.465"), "{told:?}");
}
