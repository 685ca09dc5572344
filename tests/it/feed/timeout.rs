//! Answers that end after a time in which nothing changes, in heartbeats' place.

use super::*;
use masque::sessions::{ChangesFeed, EveryChange, FeedMode, Query, Start};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A feed with a filter that few rows pass.
fn filtered(mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static) -> Stage {
    let query = Query::new().filter("app/rare", [("k", "v")]).unwrap();
    let every = EveryChange::since(Start::Beginning).query(query);
    Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", r#"{"couchdb":"Welcome","uuid":"u1"}"#)],
        "/db" => vec![info(r#""3-c""#, "1")],
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ => feeds(asked),
    })
    .follow_with(|feed| feed.timeout(TIMEOUT).every_change(every))
}

/// An answer that ends after so long.
fn ends_after(seconds: f64, seq: &str) -> Vec<Act> {
    let last = format!("{{\"last_seq\":\"{seq}\",\"pending\":0}}\n");
    vec![begin(), chunk("\n"), Act::wait_s(seconds), chunk(&last), chunk("\n"), end()]
}

fn bare(seq: &str, id: &str) -> String {
    format!("{{\"seq\":\"{seq}\",\"id\":\"{id}\",\"changes\":[{{\"rev\":\"1-a\"}}]}}\n")
}

#[test]
fn the_checkpoint_moves_past_filtered_rows_and_loses_none() {
    let mut stage = filtered(|asked| match asked.feeds {
        1 => ends_after(20.0, "10-j"),
        2 => {
            let row = chunk(&bare("12-l", "x"));
            [vec![begin(), Act::wait_s(5.0), row], ends_after(20.0, "15-o").split_off(1)].concat()
        }
        3 => ends_after(20.0, "15-o"),
        _ => vec![begin(), chunk("\n")],
    })
    .busy();
    let changes = "GET /db/_changes?feed=continuous&include_docs=false&timeout=20000";
    let filter = "&filter=app%2Frare&k=v";
    stage.check(
        85.1,
        &format!(
            "0.000 #1 GET /
            0.000 #1 GET /db
            0.000 #1 {changes}&since=0{filter}
            0.000 connected #1 since 0
            20.000 #1 GET /db
            20.000 caught up
            20.000 #1 {changes}&since=10-j{filter}
            25.000 row 1: x 1-a at 12-l
            45.000 #1 GET /db
            45.000 #1 {changes}&since=15-o{filter}
            65.000 #1 GET /db
            65.000 #1 {changes}&since=15-o{filter}"
        ),
    );
    let counters = stage.counters();
    assert_eq!((counters.losses, counters.connections), (0, 1));
    // What the end says counts when the row before it is handled.
    assert_eq!(stage.handled(), "10-j");
    stage.handle(1);
    assert_eq!(stage.handled(), "15-o");
    // Two and a half times the timeout without a byte is silence.
    stage.check(29.8, "");
    stage.run_s(0.2);
    let log = stage.log();
    assert!(log.starts_with("115.000 lost (1), again in 0."), "{log}");
    assert!(log.contains(": nothing, not even a heartbeat, for 50s"), "{log}");
}

#[test]
fn documents_are_followed_with_a_timeout_too() {
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 => ends_after(20.0, "7-g"),
        2 => {
            let rest = ends_after(20.0, "9-i").split_off(1);
            [vec![begin(), chunk(&row("\"8-h\"", "x", "4-d"))], rest].concat()
        }
        _ => vec![begin(), chunk("\n")],
    })
    .follow_with(|feed| feed.timeout(TIMEOUT).doc("x"));
    let changes = "GET /db/_changes?feed=continuous&include_docs=true&timeout=20000";
    let filter = "&filter=_doc_ids&doc_ids=%5B%22x%22%5D";
    stage.check(
        50.0,
        &format!(
            "0.000 #1 GET /db
            0.000 #1 GET /db/x
            0.000 #1 {changes}&since=3-c{filter}
            0.000 x is 3-c
            0.000 connected #1 since 3-c
            0.000 caught up
            20.000 #1 GET /db
            20.000 #1 {changes}&since=7-g{filter}
            20.000 x is 4-d
            40.000 #1 GET /db
            40.000 #1 {changes}&since=9-i{filter}"
        ),
    );
    assert_eq!(stage.counters().losses, 0);
}

#[test]
fn a_heartbeat_or_timeout_that_never_comes_was_a_panic() {
    let never: [fn(ChangesFeed) -> ChangesFeed; 2] =
        [|feed| feed.heartbeat(Duration::MAX), |feed| feed.timeout(Duration::MAX)];
    for (set, name) in never.into_iter().zip(["heartbeat", "timeout"]) {
        let mut stage = Stage::with_feeds(|_| {
            vec![begin(), Act::wait_s(9e6), chunk(&row("\"8-h\"", "x", "4-d"))]
        })
        .follow_with(move |feed| set(feed.doc("x")));
        stage.run_s(1e7);
        let log = stage.log();
        // The server is asked for a time that all servers can hold.
        assert!(log.contains(&format!("&{name}=2147483647&")), "{log}");
        assert!(log.ends_with("9000000.000 x is 4-d"), "{log}");
        assert_eq!((stage.counters().losses, stage.rig.stats().panics), (0, 0));
    }
}

#[test]
fn a_server_may_send_its_head_late_or_close_after_the_end() {
    let late = |asked: &Asked| {
        let [acts, head] = [ends_after(0.0, &format!("{}-s", asked.feeds)), vec![begin()]];
        [vec![Act::wait_s(20.0)], head, acts[3..].to_vec()].concat()
    };
    let closing = |asked: &Asked| {
        let last = format!("{{\"last_seq\":\"{}-s\"}}\n", asked.feeds);
        let head = Act::send("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n\n");
        vec![head, Act::wait_s(20.0), Act::send(last), Act::Finish]
    };
    for (mut stage, connections) in [(filtered(late), 1), (filtered(closing), 5)] {
        stage.run_s(90.0);
        let counters = stage.counters();
        assert_eq!((counters.losses, counters.connections), (0, connections));
        assert_eq!(stage.handled(), "4-s");
        let log = stage.log();
        assert_eq!((log.matches("_changes").count(), log.matches("connected").count()), (5, 1));
    }
}

#[test]
fn a_server_with_a_shorter_timeout_is_no_loss() {
    let mut stage = filtered(|_| ends_after(1.5, "9-i"));
    stage.run_s(150.0);
    assert_eq!(stage.counters().losses, 0);
    let feeds = stage.world.borrow().asked.iter().filter(|asked| asked.is_feed()).count();
    assert_eq!(feeds, 101);
}

#[test]
fn answers_that_end_immediately_cause_growing_pauses() {
    // Other words each time for where it is are nothing new.
    let mut times = 0;
    let other_words = move |_: &Asked| {
        times += 1;
        ends_after(0.0, &format!("9-{times}"))
    };
    for (mut stage, is_stuck) in
        [(filtered(|_| ends_after(0.0, "9-i")), true), (filtered(other_words), false)]
    {
        stage.run_s(600.0);
        let log = stage.log();
        let feeds = log.matches("_changes").count();
        assert!((20..100).contains(&feeds), "{feeds}");
        assert!(log.contains("the feed ended again without anything new"), "{log}");
        assert_eq!(log.contains("stuck"), is_stuck, "{log}");
    }
}

#[test]
fn an_answer_that_ends_without_a_sequence_is_a_loss() {
    for end in [vec![end()], vec![Act::Kill]] {
        let mut stage = filtered(move |asked| match asked.feeds {
            1 => ends_after(20.0, "9-i"),
            2 => [vec![begin(), chunk("\n"), Act::wait_s(20.0)], end.clone()].concat(),
            _ => vec![begin(), chunk("\n")],
        });
        stage.run_s(50.0);
        let log = stage.log();
        assert!(log.contains("40.000 lost (1)"), "{log}");
        assert!(log.contains("the connection ended in the middle of the feed"), "{log}");
        assert_eq!((log.matches("connected").count(), stage.counters().losses), (2, 1), "{log}");
        assert!(log.trim_end().contains("since=9-i&filter"), "{log}");
    }
}

#[test]
fn a_way_that_breaks_now_and_then_is_not_where_a_feed_is_stuck() {
    let mut stage = filtered(|asked| match asked.feeds % 2 {
        1 => ends_after(20.0, "9-i"),
        _ => vec![begin(), chunk("\n"), Act::wait_s(5.0), Act::Kill],
    });
    stage.run_s(600.0);
    let log = stage.log();
    assert!(stage.counters().losses > 15 && !log.contains("stuck"), "{log}");
    assert_eq!(log.matches("lost (1)").count(), log.matches("lost").count(), "{log}");
}

#[test]
fn the_database_is_checked_between_answers() {
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", "{}")],
        "/db" => {
            looks += 1;
            vec![info("\"9-i\"", if looks < 3 { "1" } else { "2" })]
        }
        _ => ends_after(20.0, "9-i"),
    })
    .follow_with(|feed| feed.timeout(TIMEOUT).every_change(EveryChange::since(Start::Beginning)));
    stage.run_s(45.0);
    let log = stage.log();
    assert!(log.contains("40.000 recreated"), "{log}");
    assert_eq!(log.matches("timeout=20000&since=0").count(), 2, "{log}");
}

#[test]
fn the_last_of_heartbeat_and_timeout_counts_in_each_mode() {
    let check = |set: fn(ChangesFeed) -> ChangesFeed, expected: &str| {
        let mut stage = Stage::with_feeds(|_| vec![begin()]);
        stage = stage.follow_with(move |feed| set(feed).doc("x"));
        stage.run_s(1.0);
        let target = stage.world.borrow().asked.last().unwrap().target.clone();
        assert!(target.contains(expected), "{target}");
    };
    let ten = "&heartbeat=10000&";
    check(|feed| feed, ten);
    check(|feed| feed.timeout(TIMEOUT).heartbeat(TIMEOUT / 2), ten);
    check(|feed| feed.heartbeat(TIMEOUT / 2).timeout(TIMEOUT), "&timeout=20000&");
    check(|feed| feed.timeout(Duration::ZERO), "&timeout=1000&");
    check(
        |feed| feed.mode(FeedMode::LongPoll).timeout(TIMEOUT),
        "feed=longpoll&include_docs=true&timeout=20000&",
    );
    check(|feed| feed.mode(FeedMode::Normal).timeout(TIMEOUT), "&heartbeat=20000&");
}

#[test]
fn a_long_poll_that_ends_with_nothing_moves_the_checkpoint_too() {
    let mut stage = Stage::with_database("\"9-i\"", |asked| {
        let last = format!("],\n\"last_seq\":\"{}-s\",\"pending\":0}}\n", asked.feeds);
        vec![begin(), chunk("{\"results\":[\n"), Act::wait_s(20.0), chunk(&last), end()]
    })
    .follow_with(|feed| {
        let every = EveryChange::since(Start::Beginning);
        feed.mode(FeedMode::LongPoll).timeout(TIMEOUT).every_change(every)
    });
    stage.run_s(90.0);
    assert_eq!((stage.handled(), stage.counters().losses), ("4-s".into(), 0));
    let log = stage.log();
    assert_eq!((log.matches("_changes").count(), log.matches("connected").count()), (5, 1));
}
