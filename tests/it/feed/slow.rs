//! Servers that send so slowly that they would keep a feed for days, and honest slow ones.

use super::*;
use masque::sessions::{EveryChange, FeedMode, Start};
use std::time::Duration;

/// `bytes`, one piece of `piece` bytes each `seconds`.
fn dripping(bytes: &[u8], piece: usize, seconds: f64) -> impl Iterator<Item = Act> + use<> {
    let pieces: Vec<_> = bytes.chunks(piece).map(|piece| Act::send(piece.to_vec())).collect();
    pieces.into_iter().flat_map(move |piece| [piece, Act::wait_s(seconds)])
}

/// A chunk of so many bytes, of which its content is left to be sent.
fn opened(length: usize) -> Act {
    Act::send(format!("{length:x}\r\n"))
}

/// A document of so many bytes.
fn document(length: usize) -> String {
    let rest = length - r#"{"_id":"x","_rev":"4-d","l":""}"#.len();
    format!(r#"{{"_id":"x","_rev":"4-d","l":"{}"}}"#, "y".repeat(rest))
}

#[test]
fn a_document_at_a_byte_a_second_was_waited_for_for_days() {
    let head = Act::send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    let body = document(1_000_000);
    let mut stage = Stage::with_database("\"3-c\"", move |_| {
        [head.clone()].into_iter().chain(dripping(&body.as_bytes()[..400], 1, 1.0)).collect()
    })
    .follow();
    stage.run_s(31.0);
    let log = stage.log();
    assert!(log.contains("only 31 bytes of an unfinished answer came within 30."), "{log}");
    assert_eq!(stage.counters().losses, 1);
}

#[test]
fn a_slow_document_does_not_delay_others() {
    let head = Act::send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    let body = document(1_000_000);
    let mut stage = Stage::with_database("\"3-c\"", move |asked| match asked.target.as_str() {
        "/db/y" => vec![revision("y", "1-y")],
        "/db/x" => {
            [head.clone()].into_iter().chain(dripping(&body.as_bytes()[..40], 1, 1.0)).collect()
        }
        _ => vec![begin(), chunk("\n")],
    })
    .follow_with(|feed| feed.doc("x").doc("y"));
    stage.run_s(40.0);
    let log = stage.log();
    assert!(log.contains("x cannot be read: only 31 bytes"), "{log}");
    assert_eq!(stage.revs("y"), ["1-y"]);
}

#[test]
fn a_slow_answer_is_a_loss() {
    for (is_slow, set) in
        [("/", EveryChange::since(Start::Beginning)), ("/db", EveryChange::since(Start::Beginning))]
    {
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            target if target == is_slow => {
                let head = Act::send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                [head].into_iter().chain(dripping(&[b' '; 900], 1, 1.0)).collect()
            }
            "/" => vec![json("200 OK", "{}")],
            _ => vec![info("\"3-c\"", "1")],
        })
        .follow_with(move |feed| feed.every_change(set));
        stage.run_s(31.0);
        assert_eq!(stage.counters().losses, 1, "{is_slow}");
    }
}

#[test]
fn a_line_at_two_bytes_a_second_kept_the_feed_connected() {
    for (mode, heartbeat_s) in [
        (FeedMode::Continuous, 10),
        (FeedMode::Continuous, 3600),
        (FeedMode::LongPoll, 10),
        (FeedMode::Normal, 10),
    ] {
        let line = row("\"4-d\"", "x", &format!("4-{}", "d".repeat(2000)));
        let mut stage = Stage::with_feeds(move |asked| {
            let open = if asked.target.contains("continuous") { "\n" } else { "{\"results\":[\n" };
            let acts = [begin(), chunk(open), opened(10_000)].into_iter();
            acts.chain(dripping(line.as_bytes(), 2, 1.0)).collect()
        })
        .follow_with(move |feed| {
            feed.mode(mode).heartbeat(Duration::from_secs(heartbeat_s)).doc("x")
        });
        stage.run_s(51.0);
        let log = stage.log();
        assert!(log.contains(" bytes of an unfinished answer came within 3"), "{mode:?}: {log}");
        assert_eq!(stage.counters().losses, 1, "{mode:?}: {log}");
    }
}

#[test]
fn slow_bytes_between_rows_are_a_loss_too() {
    let mut stage = Stage::with_feeds(move |_| {
        let acts = [begin(), chunk("{\"results\":[\n"), opened(10_000)].into_iter();
        acts.chain(dripping(&[b','; 5000], 2, 1.0)).collect()
    })
    .follow_with(|feed| feed.mode(FeedMode::LongPoll).doc("x"));
    stage.run_s(51.0);
    assert_eq!(stage.counters().losses, 1);
}

#[test]
fn lines_at_a_kilobyte_a_second_are_read_whatever_their_length() {
    // At 512 bytes a second the first half a minute is never used up.
    for (piece, seconds) in [(1000, 1.0), (10_000, 10.0), (512, 1.0), (64, 0.125)] {
        let body = document(3_000_000);
        let length = body.len();
        let line =
            format!(r#"{{"seq":"4-d","id":"x","changes":[{{"rev":"4-d"}}],"doc":{body}}}{}"#, "\n");
        let head = Act::send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        let mut stage = Stage::with_database("\"3-c\"", move |asked| {
            if asked.target == "/db/x" {
                let acts = [head.clone()].into_iter();
                acts.chain(dripping(body.as_bytes(), piece, seconds)).collect()
            } else {
                let acts = [begin(), chunk("\n"), opened(line.len())].into_iter();
                let acts =
                    acts.chain(dripping(line.replace("4-d", "5-e").as_bytes(), piece, seconds));
                acts.chain([Act::send("\r\n")]).chain(beats(3)).collect()
            }
        })
        .follow();
        let pieces = u32::try_from(length / piece).unwrap();
        stage.run_s(2.0 * seconds * f64::from(pieces) + 40.0);
        let log = stage.log();
        assert_eq!(stage.revs("x"), ["4-d", "5-e"], "{log}");
        assert_eq!(stage.counters().losses, 0, "{log}");
    }
}

#[test]
fn each_of_a_flood_of_empty_lines_was_work_for_the_feed() {
    for (mode, between) in [(FeedMode::Continuous, "\n"), (FeedMode::LongPoll, "\r\n")] {
        let flood = between.repeat(100_000);
        let mut stage = Stage::with_feeds(move |asked| {
            let is_stream = asked.target.contains("continuous");
            let (row, open) = (row("\"4-d\"", "x", "4-d"), "{\"results\":[\n");
            let open = if is_stream { "" } else { open };
            vec![begin(), chunk(open), chunk(&flood), chunk(&row)]
                .into_iter()
                .filter(|act| !matches!(act, Act::Send(bytes) if bytes.starts_with(b"0\r\n")))
                .collect()
        })
        .follow_with(move |feed| feed.mode(mode).doc("x"));
        stage.run_s(1.0);
        let heartbeats = stage.counters().heartbeats;
        assert!((1..=20).contains(&heartbeats), "{mode:?}: {heartbeats}");
        assert_eq!(stage.revs("x"), ["3-c", "4-d"], "{mode:?}");
    }
}

#[test]
fn a_line_slightly_below_the_lowest_rate_is_a_loss() {
    // What 400 bytes a second are allowed, 30 s and a second for each 500 of them, ends at 150 s.
    let line = row("\"4-d\"", "x", &format!("4-{}", "d".repeat(200_000)));
    let mut stage = Stage::with_feeds(move |_| {
        let acts = [begin(), chunk("\n"), opened(1_000_000)].into_iter();
        acts.chain(dripping(line.as_bytes(), 400, 1.0)).collect()
    })
    .follow();
    stage.run_s(149.0);
    assert_eq!(stage.counters().losses, 0);
    stage.run_s(4.0);
    assert_eq!(stage.counters().losses, 1);
}

#[test]
fn a_quiet_feed_and_rare_heartbeats_are_not_slow() {
    for mode in FeedMode::ALL {
        let mut stage = Stage::with_feeds(|asked| {
            let beats = std::iter::repeat_n([Act::wait_s(600.0), chunk("\n")], 40).flatten();
            let open = if asked.target.contains("continuous") { "\n" } else { "{\"results\":[\n" };
            if asked.target.contains("feed=normal") {
                return vec![nothing_more(asked)];
            }
            [begin(), chunk(open)].into_iter().chain(beats).collect()
        })
        .follow_with(move |feed| feed.mode(mode).heartbeat(Duration::from_secs(600)).doc("x"));
        stage.run_s(20_000.0);
        assert_eq!(stage.counters().losses, 0, "{mode:?}");
    }
}

#[test]
fn the_time_of_a_line_does_not_count_while_its_watcher_is_busy() {
    let line =
        |n: usize| format!("{{\"seq\":{n},\"id\":\"x\",\"changes\":[{{\"rev\":\"{n}-r\"}}]}}\n");
    let half = line(3);
    let (half, rest) = (half[..20].to_owned(), half[20..].to_owned());
    let mut stage = Stage::with_database("9", move |_| {
        vec![begin(), chunk(&(line(1) + &line(2) + &half)), Act::wait_s(600.0), chunk(&rest)]
    })
    .busy()
    .follow_with(|feed| feed.every_change(EveryChange::since(Start::Beginning).window(2)));
    stage.run_s(595.0);
    stage.handle(1);
    stage.run_s(10.0);
    let log = stage.log();
    assert!(log.contains("row 3: x 3-r at 3") && !log.contains("lost"), "{log}");
}

#[test]
fn half_a_second_of_silence_is_tolerated_however_short_the_heartbeat_is() {
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 => vec![begin(), chunk("\n"), Act::wait_s(9.0)],
        _ => vec![begin(), chunk("\n"), Act::wait_s(0.4), chunk("\n"), Act::wait_s(9.0)],
    })
    .follow_with(|feed| feed.heartbeat(Duration::from_millis(20)).doc("x"));
    stage.run_s(0.499);
    assert_eq!(stage.counters().losses, 0);
    stage.run_s(0.001);
    assert_eq!(stage.counters().losses, 1);
}
