//! How feeds are lost, told, and come back.

use super::*;
use masque::couch_feed::limits::{SECOND_RESPONSE_TIME, STUCK_TIMES};
use masque::sessions::{ChangesFeed, EveryChange, FeedMode, Start};
use std::time::Duration;

/// The first feed ends with `acts`; later ones are well.
fn first(acts: Vec<Act>) -> Stage {
    Stage::with_feeds(move |asked| match asked.feeds {
        1 => acts.clone(),
        _ => vec![begin(), chunk("\n")],
    })
    .follow()
}

/// Runs until `acts` have made the first feed be lost, and compares why and when, and from where it
/// came back.
#[track_caller]
fn check(acts: Vec<Act>, lost_at_s: f64, why: &str, since: &str) {
    let mut stage = first(acts);
    stage.run_s(lost_at_s + 1.0);
    let log = stage.log();
    let lost = stage.world.borrow().log.iter().find(|line| line.contains("lost (")).cloned();
    let lost = lost.unwrap_or_else(|| panic!("it was not lost: {log}"));
    assert!(
        lost.starts_with(&format!("{lost_at_s:.3} ")) && lost.ends_with(&format!(": {why}")),
        "{log}"
    );
    let world = stage.world.borrow();
    assert_eq!(world.asked.last().unwrap().since(), since, "{log}");
    assert_eq!((world.connections, world.most_open), (2, 1), "{log}");
    let told = stage.told.borrow();
    let told_since = told.iter().find_map(|event| match event {
        masque::sessions::FeedEvent::Lost { since, .. } => {
            since.as_ref().map(masque::sessions::Seq::as_str)
        }
        _ => None,
    });
    assert_eq!(told_since, Some(since), "{log}");
    // Whatever has happened, the database is looked at again first.
    assert!(log.contains("#2 GET /db\n"), "{log}");
}

const CUT: &str = "the connection ended in the middle of the feed";

#[test]
fn each_fault_is_named_and_the_feed_continues_from_the_last_sequence() {
    let fourth = || chunk(&row("\"4-d\"", "x", "4-d"));
    let second_response = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 40\r\n\r\n\
                           {\"error\":\"unknown\",\"reason\":\"it throws\"}";
    check(vec![begin(), fourth(), Act::Finish], 0.0, CUT, "4-d");
    check(vec![begin(), fourth(), Act::Kill], 0.0, CUT, "4-d");
    check(vec![begin(), fourth(), end()], 0.0, CUT, "4-d");
    check(vec![begin(), fourth(), Act::send("5\r\n{\"se"), Act::Kill], 0.0, CUT, "4-d");
    check(vec![Act::send("HTTP/1.1 2"), Act::Finish], 0.0, CUT, "3-c");
    let silent = "nothing, not even a heartbeat, for 25s";
    check(vec![begin(), fourth()], 25.0, silent, "4-d");
    check(vec![begin(), Act::wait_s(24.0), fourth()], 49.0, silent, "4-d");
    let held_back = "nothing of feed=continuous came within 30s, although the database answered: \
                     the feed is buffered (set `proxy_buffering off` in nginx, or \
                     `buffer_response = false` in CouchDB); from now on it is asked for by \
                     feed=longpoll";
    check(vec![], 30.0, held_back, "3-c");
    check(vec![Act::send("HTTP/1.1 200 OK\r\nX: y")], 30.0, held_back, "3-c");
    let last = r#"{"last_seq":"9-z","pending":0}"#.to_owned() + "\n";
    let ended = "the feed ended again without anything new: the server answered 200 OK, sent 0 \
                 rows and ended it after 0.0ns, as a node in maintenance mode does, or one whose \
                 database is deleted";
    check(vec![begin(), chunk(&last), end()], 0.0, ended, "9-z");
    let error = r#"{"error":"forbidden","reason":"no\nmore"}"#.to_owned() + "\n";
    check(
        vec![begin(), fourth(), chunk(&error)],
        0.0,
        "the server reports forbidden: no more",
        "4-d",
    );
    let not_a_line = "not a line of a changes feed: <html>";
    check(vec![begin(), fourth(), chunk("<html>\n")], 0.0, not_a_line, "4-d");
    check(
        vec![begin(), fourth(), Act::send(second_response)],
        0.0,
        "the body contains a second response: 500 Internal Server Error, unknown: it throws",
        "4-d",
    );
    check(
        vec![Act::send("HTTP/1.0 200 OK\r\n\r\n\n"), Act::send(second_response), Act::send("\n")],
        0.0,
        "the body contains a second response: 500 Internal Server Error, unknown: it throws",
        "3-c",
    );
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
    let compressed = "not CouchDB's answer: it is compressed, which was not asked for";
    check(vec![Act::send(gzip)], 0.0, compressed, "3-c");
    check(vec![Act::send("SSH-2.0-x\r\n\r\n")], 0.0, "the head of a response is malformed", "3-c");
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(20_000));
    check(vec![Act::send(huge)], 0.0, "the head of a response is too large", "3-c");
    let refusal = json(
        "500 Internal Server Error",
        r#"{"error":"nodedown","reason":"progress not possible"}"#,
    );
    let told = "the server answered 500 Internal Server Error: nodedown: progress not possible";
    check(vec![refusal], 0.0, told, "3-c");
    let rate =
        "HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n".to_owned() + &"x".repeat(70_000);
    check(vec![Act::send(rate)], 0.0, "the server answered 500 Internal Server Error", "3-c");
}

/// A row and then a second response, up to the byte at `at`, in a body that nothing frames; behind
/// that, `rest`.
fn second(at: usize, rest: impl IntoIterator<Item = Act>) -> Vec<Act> {
    let line = row("\"4-d\"", "x", "4-d");
    let first = format!("HTTP/1.0 200 OK\r\n\r\n{line}{}", &SECOND[..at]);
    [Act::send(first)].into_iter().chain(rest).collect()
}

const SECOND: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 33\r\n\r\n\
                      {\"error\":\"nodedown\",\"reason\":\"x\"}";

#[test]
fn the_reason_of_a_second_response_was_shown_only_if_it_arrived_in_one_piece() {
    let why = "the body contains a second response: 503 Service Unavailable";
    let head = SECOND.find('{').unwrap();
    for at in 0..=SECOND.len() {
        let rest = [Act::send(&SECOND.as_bytes()[at..])];
        check(second(at, rest.clone()), 0.0, &format!("{why}, nodedown: x"), "4-d");
        let later = [vec![Act::wait_s(0.5)], rest.to_vec()].concat();
        let time = if at == SECOND.len() { 0.0 } else { 0.5 };
        check(second(at, later), time, &format!("{why}, nodedown: x"), "4-d");
        if (head..SECOND.len()).contains(&at) {
            check(second(at, [Act::Finish]), 0.0, why, "4-d");
        }
    }
    let pieces = SECOND.bytes().map(|byte| Act::send([byte]));
    check(second(0, pieces), 0.0, &format!("{why}, nodedown: x"), "4-d");
    // In chunks of a proxy, which does not know about it.
    let (one, two) = SECOND.split_at(40);
    let chunks = vec![begin(), chunk("\n"), chunk(one), Act::wait_s(0.5), chunk(two)];
    check(chunks, 0.5, &format!("{why}, nodedown: x"), "3-c");
}

#[test]
fn a_second_response_is_waited_for_in_bounds() {
    let why = "the body contains a second response: 503 Service Unavailable";
    let time = SECOND_RESPONSE_TIME.as_secs_f64();
    let head = SECOND.find('{').unwrap();
    check(second(head + 9, []), time, why, "4-d");
    let drops = (0..100).flat_map(|_| [Act::wait_s(1.0), Act::send(" ")]);
    check(second(head, drops), time, why, "4-d");
    // If the response is not complete, its status is shown.
    let unknown = "the body contains a second response: 500 Internal Server Error";
    check(second(34, [Act::Kill]), 0.0, unknown, "4-d");
    check(second(34, [Act::send("x".repeat(200_000))]), 0.0, unknown, "4-d");
}

#[test]
fn a_bad_chunk_is_an_error_and_never_a_row() {
    for bad in ["zz\r\n", "\r\n", "-1\r\n", "5 \n", "FFFFFFFFFFFFFFFFF\r\n", "3\r\nabcX"] {
        let mut stage = first(vec![begin(), chunk(&row("\"4-d\"", "x", "4-d")), Act::send(bad)]);
        stage.run_s(1.0);
        assert_eq!(stage.counters().losses, 1, "{bad:?}");
        assert_eq!(stage.revs("x"), ["3-c", "4-d"], "{bad:?}");
        assert_eq!(stage.world.borrow().asked.last().unwrap().since(), "4-d");
    }
}

#[test]
fn feeds_that_end_properly_after_some_time_are_requested_again_immediately() {
    let mut stage = Stage::with_feeds(|asked| {
        let last = format!("{{\"last_seq\":\"{}-z\"}}\n", asked.feeds);
        vec![begin(), chunk("\n"), Act::wait_s(60.0), chunk(&last), end()]
    })
    .follow_with(|feed| feed.doc("x").heartbeat(Duration::from_secs(30)));
    stage.run_s(3600.0);
    assert_eq!((stage.counters().losses, stage.connections()), (0, 61));
    stage.clear();
    stage.run_s(60.0);
    let since = stage.world.borrow().asked.last().unwrap().since();
    assert_eq!(since, "61-z");
}

/// How many connections a server gets in an hour that does `acts` to each request for a feed.
fn connections_an_hour(mut acts: impl FnMut(&Asked) -> Vec<Act> + 'static) -> usize {
    let mut stage = Stage::with_feeds(move |asked| acts(asked)).follow();
    stage.run_s(3600.0);
    assert_eq!(stage.world.borrow().most_open, 1);
    assert!(stage.rig.stats().timers <= 2, "one of the feed, one of the server");
    stage.connections()
}

#[test]
fn a_server_that_always_fails_immediately_gets_growing_pauses() {
    // With pauses of 15 to 30 s in the end, 120 to 240.
    let hour = 120..250;
    let check = |connections: usize| assert!(hour.contains(&connections), "{connections}");
    // It might have closed the connections for idleness, so each request has one.
    check(connections_an_hour(|_| vec![Act::Kill]) / 2);
    check(connections_an_hour(|_| vec![begin(), Act::Finish]));
    check(connections_an_hour(|_| vec![begin(), chunk("\n"), end()]));
    // It says that it ends, and each time at another sequence.
    check(connections_an_hour(|asked| {
        vec![begin(), chunk(&format!("{{\"last_seq\":\"{}-x\"}}\n", asked.feeds)), end()]
    }));
    // The same row again and again, also with other sequences, or with none.
    check(connections_an_hour(|_| vec![begin(), chunk(&row("\"4-d\"", "x", "4-d")), Act::Kill]));
    check(connections_an_hour(|asked| {
        vec![begin(), chunk(&row(&asked.feeds.to_string(), "x", "4-d")), Act::Kill]
    }));
    check(connections_an_hour(|_| vec![begin(), chunk(&row("null", "x", "4-d")), Act::Kill]));
    check(connections_an_hour(|_| vec![json("503 Service Unavailable", "{}")]));
    check(connections_an_hour(|_| vec![begin(), chunk("nonsense\n")]));
}

#[test]
fn a_server_that_never_sends_documents_is_read_once_a_second() {
    let bare =
        |n: usize| format!("{{\"seq\":{n},\"id\":\"x\",\"changes\":[{{\"rev\":\"{n}-r\"}}]}}\n");
    let connections = connections_an_hour(move |asked| vec![begin(), chunk(&bare(asked.feeds))]);
    assert!((3500..=3602).contains(&connections), "{connections}");
}

#[test]
fn delays_grow_with_losses_and_start_over_only_after_a_feed_has_proven_itself() {
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        12 => vec![begin(), chunk("\n"), Act::wait_s(10.0), chunk("\n"), Act::Kill],
        _ => vec![begin(), chunk("\n"), Act::Kill],
    })
    .follow();
    stage.run_s(1200.0);
    let told = stage.told.borrow();
    let losses: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            masque::sessions::FeedEvent::Lost { retry_after, times, .. } => {
                Some((*times, *retry_after))
            }
            _ => None,
        })
        .collect();
    let times: Vec<_> = losses.iter().map(|loss| loss.0).take(14).collect();
    assert_eq!(times, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3]);
    for (times, delay) in losses {
        let ceiling = Duration::from_millis(500 << (times - 1).min(6)).min(Duration::from_secs(30));
        assert!(delay <= ceiling, "{times}: {delay:?}");
    }
}

#[test]
fn the_same_failure_at_the_same_sequence_is_reported_as_stuck() {
    let mut stage = Stage::with_feeds(|asked| match asked.since().as_str() {
        "3-c" => vec![begin(), chunk(&row("\"4-d\"", "x", "4-d")), chunk("poison\n")],
        _ => vec![begin(), chunk("poison\n")],
    })
    .follow();
    stage.run_s(1800.0);
    let log = stage.log();
    let stuck: Vec<_> =
        log.lines().filter_map(|line| line.split_once(" stuck ")).map(|at| at.1).collect();
    assert_eq!(stuck[0], format!("({STUCK_TIMES}) at 4-d: not a line of a changes feed: poison"));
    assert!(stuck[1].starts_with("(10) at 4-d"), "{stuck:?}");
    // Reported each time the number has doubled.
    assert!(stuck.len() < 8, "{stuck:?}");
}

#[test]
fn a_feed_that_ended_after_varying_times_was_not_reported_as_stuck() {
    let mut stage = Stage::with_feeds(|asked| {
        let time = [0.0, 0.000_5, 0.001_5, 1.5][asked.feeds % 4];
        vec![begin(), Act::wait_s(time), chunk("{\"last_seq\":\"3-c\"}\n"), end()]
    })
    .follow();
    stage.run_s(600.0);
    let log = stage.log();
    assert!(log.contains("stuck (5) at 3-c: the feed ended again"), "{log}");
}

#[test]
fn a_failure_that_names_another_process_each_time_was_not_reported_as_stuck() {
    let mut tries = 0;
    let mut stage = Stage::with_feeds(move |_| {
        tries += 1;
        let reason = format!("{{gen_server,call,[<0.{tries}.7>]}}");
        let body = format!(r#"{{"error":"timeout","reason":"{reason}"}}"#);
        vec![json("500 Internal Server Error", &body)]
    })
    .follow();
    stage.run_s(600.0);
    let log = stage.log();
    let stuck = "stuck (5) at 3-c: the server answered 500 Internal Server Error: timeout: \
                 {gen_server,call,[<0.5.7>]}";
    assert!(log.contains(stuck), "{log}");
}

#[test]
fn a_quiet_database_on_a_bad_connection_is_not_stuck() {
    let mut stage = Stage::with_feeds(|_| {
        let mut acts = vec![begin(), chunk("\n")];
        acts.extend(beats(6));
        acts.push(Act::Kill);
        acts
    })
    .follow();
    stage.run_s(3600.0);
    let log = stage.log();
    assert!(log.matches("lost (1)").count() > 50 && !log.contains("lost (2)"), "{log}");
    assert!(!log.contains("stuck"), "{log}");
}

#[test]
fn missed_changes_are_reported_after_hours_without_a_server() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match (asked.target.as_str(), asked.feeds) {
        ("/db", _) => {
            looks += 1;
            vec![info(&format!("\"{looks}-seq\""), "1")]
        }
        ("/db/x", _) => {
            let rev = if looks == 1 { "3-c" } else { "9-i" };
            vec![revision("x", rev)]
        }
        (_, 1) => [begin(), chunk("\n")].into_iter().chain(beats(6)).chain([Act::Kill]).collect(),
        _ => vec![begin(), chunk(&row("\"9-i\"", "x", "9-i")), chunk("\n")],
    })
    .follow();
    stage.run_s(30.0);
    stage.clear();
    stage.stop_server();
    stage.run_s(12.0 * 3600.0);
    let losses = stage.counters().losses;
    assert!((1440..2880).contains(&losses), "{losses}");
    let log = std::mem::take(&mut stage.world.borrow_mut().log);
    assert!(log[1].contains("cannot connect to couch:5984: "), "{}", log[1]);
    assert!(!log.iter().any(|line| line.contains("stuck")));
    stage.start_server();
    stage.run_s(31.0);
    let log = stage.log();
    // `CaughtUp` comes after the missed change, not before it.
    let [changed, caught_up] = ["x is 9-i", "caught up"].map(|what| log.find(what).expect(&log));
    assert!(changed < caught_up, "{log}");
}

#[test]
fn a_server_that_does_not_answer_a_connection_is_given_up_in_time() {
    let mut stage = Stage::with_feeds(|_| vec![begin(), chunk("\n")]);
    stage.rig.silence(std::net::SocketAddr::from(([10, 0, 0, 9], 5984)));
    let mut stage = stage.follow_as("http://10.0.0.9/db", |feed| feed.doc("x"));
    stage.check(
        21.0,
        "10.000 lost (1), again in 0.465: cannot connect to 10.0.0.9:5984: no answer in time
        20.465 lost (2), again in 0.930: cannot connect to 10.0.0.9:5984: no answer in time",
    );
}

#[test]
fn a_name_that_is_unknown_is_looked_up_again() {
    let mut stage = Stage::with_feeds(|_| vec![begin(), chunk("\n")])
        .follow_as("http://nowhere/db", |feed| feed.doc("x"));
    stage.run_s(600.0);
    assert_eq!(stage.connections(), 0);
    let log = stage.log();
    assert!(log.contains("cannot look up nowhere:5984: no such host"), "{log}");
    let attempts = stage.counters().connections;
    assert!((20..50).contains(&attempts), "{attempts}");
    stage.rig.name("nowhere", &[[127, 0, 0, 1].into()]);
    stage.run_s(31.0);
    assert_eq!(stage.revs("x"), ["3-c"]);
}

#[test]
fn a_feed_ends_on_request_in_each_state() {
    for seconds in [0.0, 0.01, 5.0] {
        let mut stage =
            Stage::with_feeds(|_| vec![begin(), chunk("\n"), Act::wait_s(1.0), Act::Kill]).follow();
        stage.rig.settle();
        stage.run_s(seconds);
        let feed = stage.feed();
        stage.rig.post(feed, masque::sessions::ChangesFeed::SHUTDOWN, ()).unwrap();
        stage.rig.settle();
        stage.clear();
        stage.stop_server();
        stage.check(3600.0, "");
    }
}

#[test]
fn a_node_in_maintenance_with_something_new_each_time_was_asked_three_times_a_second() {
    let every = |feed: ChangesFeed| feed.every_change(EveryChange::since(Start::Beginning));
    let doc = |feed: ChangesFeed| feed.doc("x");
    for set in [doc as Set, every] {
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/" => vec![json("200 OK", "{}")],
            "/db" => vec![info(&format!("\"{}-s\"", asked.feeds), "1")],
            "/db/x" => {
                let rev = format!("{}-x", asked.feeds);
                vec![revision("x", &rev)]
            }
            _ => {
                let seq = format!("\"{}-s\"", asked.feeds);
                let row = row(&seq, "x", &format!("{}-y", asked.feeds));
                vec![begin(), chunk(&format!("{row}{{\"last_seq\":{seq}}}\n")), end()]
            }
        })
        .follow_with(move |feed| set(feed).retry_cap(Duration::from_secs(2)));
        stage.run_s(15.0);
        let log = stage.log();
        assert!((8..=14).contains(&stage.counters().losses), "{log}");
        let why = "the feed ended again: the server answered 200 OK, sent 1 rows";
        assert!(log.contains(why), "{log}");
    }
}

type Set = fn(ChangesFeed) -> ChangesFeed;

#[test]
fn a_node_in_maintenance_was_asked_three_times_a_second_and_the_log_did_not_say_why() {
    let every = |feed: ChangesFeed| feed.every_change(EveryChange::since(Start::Beginning));
    let doc = |feed: ChangesFeed| feed.doc("x");
    let (stream, poll) = (FeedMode::Continuous, FeedMode::LongPoll);
    for (mode, set) in [(stream, doc as Set), (stream, every), (poll, doc), (poll, every)] {
        // It sends the existing rows, and ends immediately.
        let mut stage = Stage::with_feeds(move |asked| {
            let (old, last) = (row("\"3-c\"", "x", "3-c"), "\"last_seq\":\"3-c\",\"pending\":0}\n");
            let row = if asked.since() == "0" { old.as_str() } else { "" };
            let line = if asked.target.contains("continuous") {
                format!("{row}{{{last}")
            } else {
                format!("{{\"results\":[{row}],{last}")
            };
            vec![begin(), chunk(&line), end()]
        })
        .follow_with(move |feed| set(feed.mode(mode).retry_cap(Duration::from_secs(2))));
        stage.run_s(15.0);
        let log = stage.log();
        assert!((8..=17).contains(&stage.counters().losses), "{mode:?}: {log}");
        assert!(
            log.contains("sent 0 rows and ended it after 0.0ns, as a node in maintenance"),
            "{log}"
        );
    }
}
