//! Feeds that something on the way buffers, so that nothing of them comes.

use super::*;
use masque::sessions::{ChangesFeed, EveryChange, FeedMode, Start};
use std::path::Path;
use std::time::Duration;

const HINT: &str = "the feed is buffered (set `proxy_buffering off` in nginx, or \
                    `buffer_response = false` in CouchDB)";

fn recorded(name: &str) -> Vec<u8> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/couchdb-3.5.1");
    std::fs::read(captures.join(name).with_extension("response")).unwrap()
}

/// A server behind which a stream sends what `stream` recorded, and a poll the recording `poll`
/// after two seconds, then nothing new.
fn buffered(stream: &str, poll: &str) -> Stage {
    let (stream, poll) = (recorded(stream), recorded(poll));
    let mut polls = 0;
    Stage::with_database("\"2-start\"", move |asked| match asked.target.as_str() {
        target if target.contains("feed=continuous") => vec![Act::send(stream.clone())],
        target if target.contains("feed=longpoll") => {
            polls += 1;
            // Held back until it is complete, as it was asked to be.
            let time = if target.contains("&timeout=") { 10.0 } else { 86_400.0 };
            match polls {
                1 => vec![Act::wait_s(2.0), Act::send(poll.clone())],
                _ => vec![Act::wait_s(time), nothing_more(asked)],
            }
        }
        _ if asked.is_feed() => vec![nothing_more(asked)],
        target => {
            let id = target.trim_start_matches("/db/");
            vec![json("200 OK", &format!(r#"{{"_id":"{id}","_rev":"4-19747c6b"}}"#))]
        }
    })
}

#[test]
fn a_continuous_feed_that_a_proxy_buffered_reported_nothing_forever() {
    for (stream, poll, told) in [
        ("nginx_default_continuous", "nginx_default_longpoll", "row 1: overview 4-19747c6"),
        ("cont_buffer_response", "longpoll_buffer_response", "row 1: o3 1-731bef4"),
    ] {
        let mut stage = buffered(stream, poll)
            .follow_with(|feed| feed.every_change(EveryChange::since(Start::Beginning)));
        stage.run_s(3600.0);
        let log = stage.log();
        assert!(log.contains(told), "{log}");
        assert_eq!(stage.counters().losses, 1, "the one by which it was found: {log}");
        let polls = log.matches("feed=longpoll&").count();
        assert!((350..=360).contains(&polls), "{polls} polls in an hour");
        assert!(log.contains("30.000 lost (1)") && log.contains(HINT), "{log}");
        assert!(log.contains("from now on it is asked for by feed=longpoll"), "{log}");
        assert!(log.contains("caught up"), "{log}");
    }
}

#[test]
fn documents_behind_a_buffering_proxy_were_stale_for_up_to_a_minute() {
    for (stream, poll, doc) in [
        ("nginx_default_continuous", "nginx_default_longpoll", "overview"),
        ("cont_buffer_response", "longpoll_buffer_response", "o3"),
    ] {
        let mut stage = buffered(stream, poll).follow_with(move |feed| feed.doc(doc));
        stage.run_s(3600.0);
        let log = stage.log();
        // The recorded rows have no document: it is read when the row has come.
        let found = log.find("&timeout=10000").expect(&log);
        assert!(log[found..].contains(&format!("GET /db/{doc}")), "{log}");
        assert_eq!(stage.counters().losses, 1, "{log}");
    }
}

#[test]
fn a_feed_of_which_only_the_head_arrives_is_held_back_too() {
    let mut stage = Stage::with_feeds(|asked| {
        if asked.target.contains("feed=continuous") {
            return vec![begin()];
        }
        assert!(asked.target.contains("&timeout=10000"), "{}", asked.target);
        let page = format!("{{\"results\":[],\n\"last_seq\":\"{}\"}}\n", asked.since());
        vec![begin(), Act::wait_s(10.0), chunk(&page), end()]
    })
    .follow();
    stage.run_s(600.0);
    let log = stage.log();
    assert!(log.contains("25.000 lost (1)") && log.contains(HINT), "{log}");
    assert_eq!(stage.counters().losses, 1, "{log}");
}

#[test]
fn a_feed_is_asked_for_as_a_stream_again_when_polls_go_unanswered() {
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 | 2 => vec![],
        _ => [begin(), chunk("\n")].into_iter().chain(beats(400)).collect(),
    })
    .follow();
    stage.run_s(3600.0);
    let world = stage.world.borrow();
    let modes = world.asked.iter().filter(|asked| asked.is_feed());
    let modes: Vec<_> = modes.map(|asked| asked.target.contains("feed=continuous")).collect();
    assert_eq!(modes, [true, false, true]);
    let log = world.log.join("\n");
    assert_eq!(log.matches(HINT).count(), 1, "{log}");
    assert_eq!(log.matches("no answer within 30s").count(), 1, "{log}");
}

#[test]
fn an_answer_about_the_end_of_a_feed_does_not_prove_that_streams_arrive() {
    let mut stage = Stage::with_database("\"3-c\"", |asked| match asked.target.as_str() {
        _ if asked.is_sounding() => vec![],
        _ => [begin(), chunk("\n")].into_iter().chain(beats(400)).collect(),
    })
    .follow_with(|feed| feed.every_change(EveryChange::since(Start::Beginning)));
    stage.run_s(600.0);
    let world = stage.world.borrow();
    assert!(!world.asked.iter().any(|asked| asked.target.contains("longpoll")));
    assert!(world.log.join("\n").contains("no answer within 30s"));
}

#[test]
fn a_feed_that_no_mode_answers_was_never_reported_as_stuck() {
    for answer in [vec![], vec![begin()]] {
        let mut stage = Stage::with_feeds(move |_| answer.clone()).follow();
        stage.run_s(600.0);
        let log = stage.log();
        assert!(log.contains("stuck (5) at 3-c: ") && log.contains("stuck (10) at 3-c: "), "{log}");
    }
}

#[test]
fn a_rejection_without_its_body_was_treated_as_a_buffered_feed() {
    for heartbeat_s in [1, 10, 3600] {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\n";
        let mut stage = Stage::with_feeds(move |_| vec![Act::send(head)])
            .follow_with(move |feed| feed.heartbeat(Duration::from_secs(heartbeat_s)).doc("x"));
        stage.run_s(300.0);
        let world = stage.world.borrow();
        let log = world.log.join("\n");
        assert!(log.contains("30.000 lost (1), "), "{log}");
        assert!(!log.contains(HINT) && log.contains("not even a heartbeat, for 30s"), "{log}");
        assert!(!world.asked.iter().any(|asked| asked.target.contains("longpoll")));
    }
}

/// When the first feed is lost, of which nothing comes.
#[track_caller]
fn given_up_after(seconds: f64, set: fn(ChangesFeed) -> ChangesFeed) {
    let mut stage = Stage::with_feeds(|_| vec![]).follow_with(move |feed| set(feed).doc("x"));
    stage.run_s(seconds - 0.001);
    assert_eq!(stage.counters().losses, 0, "{seconds}");
    stage.run_s(0.001);
    assert_eq!(stage.counters().losses, 1, "{seconds}");
}

#[test]
fn the_first_answer_of_a_feed_was_waited_for_longer_than_three_heartbeats() {
    given_up_after(30.0, |feed| feed);
    given_up_after(10.0, |feed| feed.heartbeat(Duration::from_millis(1)));
    given_up_after(10.0, |feed| feed.heartbeat(Duration::from_secs(3)));
    given_up_after(12.0, |feed| feed.heartbeat(Duration::from_secs(4)));
    given_up_after(180.0, |feed| feed.heartbeat(Duration::from_secs(60)));
    given_up_after(12.0, |feed| feed.mode(FeedMode::LongPoll).heartbeat(Duration::from_secs(4)));
    // Where no heartbeat was asked for, and where nothing is waited for.
    given_up_after(30.0, |feed| feed.timeout(Duration::from_secs(2)));
    given_up_after(150.0, |feed| feed.timeout(Duration::from_secs(60)));
    given_up_after(30.0, |feed| feed.mode(FeedMode::Normal).heartbeat(Duration::from_secs(1)));
}
