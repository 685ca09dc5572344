//! Much at once.

use super::*;
use crate::support::logged;
use masque::couch_feed::limits::EVENTS_MAX;
use masque::reactor::{Cx, Event, Handlers, Session};

#[test]
fn a_hundred_thousand_changes_are_reported_as_a_few_with_the_latest() {
    const CHANGES: usize = 100_000;
    let mut stage = Stage::with_feeds(|asked| {
        if asked.feeds > 1 {
            return vec![begin()];
        }
        let lines: Vec<_> =
            (4..CHANGES + 4).map(|n| row(&n.to_string(), "x", &format!("{n}-r"))).collect();
        let chunks = lines.chunks(1000).map(|lines| chunk(&lines.concat()));
        [begin()].into_iter().chain(chunks).collect()
    })
    .follow();
    let before = stage.rig.stats().turns;
    stage.run_s(1.0);
    let revs = stage.revs("x");
    assert_eq!(revs.last().unwrap(), &format!("{}-r", CHANGES + 3));
    assert!(revs.len() < 1000, "{} are told", revs.len());
    assert!(
        revs.iter()
            .skip(1)
            .map(|rev| rev.trim_end_matches("-r").parse::<u32>().unwrap())
            .is_sorted()
    );
    assert_eq!(stage.counters().rows, CHANGES as u64);
    // Each turn is short: no session waits for the whole burst.
    assert!(stage.rig.stats().turns - before > 100);
}

#[test]
fn a_full_queue_delays_events_and_loses_none() {
    let mut limits = masque::reactor::Limits::default();
    limits.queue = 1;
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 => vec![begin(), chunk("\n"), Act::wait_s(1.0), chunk(&row("4", "x", "4-d")), Act::Kill],
        _ => vec![begin(), chunk("\n")],
    })
    .limited(limits)
    .follow_with(|feed| feed.doc("x").doc("y").doc("z"));
    stage.run_s(10.0);
    let told = stage
        .world
        .borrow()
        .log
        .iter()
        .filter(|line| !line.contains('#'))
        .cloned()
        .collect::<Vec<_>>();
    let told: Vec<_> = told.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(&told[..4], ["x is 3-c", "y is gone", "z is gone", "caught up"], "{told:?}");
    assert_eq!(told[4], "x is 4-d");
    assert!(told[5].starts_with("lost (1)"), "{told:?}");
    assert_eq!(told[6..], ["caught up"]);
}

#[test]
fn a_feed_ends_when_its_watcher_has_stopped() {
    let mut stage = Stage::with_feeds(|_| {
        vec![begin(), chunk("\n"), Act::wait_s(5.0), chunk(&row("4", "x", "4-d"))]
    })
    .follow();
    stage.run_s(1.0);
    stage.stop_watcher();
    stage.run_s(5.0);
    stage.stop_server();
    assert_eq!(stage.rig.stats().sessions, 0);
}

/// Has an event of its own in the kernel's queue, turn after turn, for so many turns.
struct Hog(u32);

impl Hog {
    const AGAIN: Event<()> = Event::new("hog.again");

    fn again(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.0 -= 1;
        if self.0 > 0 {
            cx.yield_now(Self::AGAIN, ());
        }
    }
}

impl Session for Hog {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::AGAIN, Self::again);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.yield_now(Self::AGAIN, ());
    }
}

#[test]
fn undelivered_events_are_bounded_and_the_latest_are_delivered() {
    // For each document an event says that it is too long. Then the feed is connected.
    let check = |docs: usize, is_logged: bool| {
        let mut told = vec![];
        let records = logged(|| {
            let mut limits = masque::reactor::Limits::default();
            limits.queue = 1;
            let mut stage = Stage::with_database("\"3-c\"", |asked| match asked.target.as_str() {
                _ if asked.is_feed() => vec![begin(), chunk("\n")],
                _ => vec![Act::send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")],
            })
            .limited(limits);
            stage.rig.spawn(Hog(10_000));
            let mut stage = stage.follow_with(move |feed| {
                (0..docs).fold(feed, |feed, n| feed.doc(format!("d{n}"))).line_max(98)
            });
            stage.run_s(1.0);
            assert_eq!(stage.rig.stats().sessions, 4, "the hog has gone");
            let log = stage.world.borrow().log.clone();
            told = log.into_iter().filter(|line| !line.contains('#')).collect();
        });
        let is_told = |what: &str| told.iter().any(|line| line.ends_with(what));
        assert_eq!(told.len(), EVENTS_MAX - 1, "{told:?}");
        assert!(is_told("caught up") && is_told(&format!("d{} is longer than 98", docs - 1)));
        assert_eq!(is_told("d0 is longer than 98"), !is_logged, "{told:?}");
        let is_lost = |record: &String| record.contains("are not polled: the oldest is dropped");
        assert_eq!(records.iter().any(is_lost), is_logged, "{records:?}");
    };
    check(EVENTS_MAX - 2, false);
    check(EVENTS_MAX - 1, true);
}

/// A feed with a row of `5-e` without the document. A node answers so many times with the revision
/// before it.
fn lagging(times: usize) -> Stage {
    let mut reads = 0;
    Stage::with_database("\"4-t\"", move |asked| match asked.target.as_str() {
        "/db/x" => {
            reads += 1;
            let rev = if reads <= 1 + times { "4-d" } else { "5-e" };
            vec![revision("x", rev)]
        }
        _ if asked.feeds == 1 => {
            let bare = "{\"seq\":\"5-t\",\"id\":\"x\",\"changes\":[{\"rev\":\"5-e\"}]}\n";
            vec![begin(), Act::wait_s(1.0), chunk(bare)]
        }
        _ => [begin()].into_iter().chain(beats(1000)).collect(),
    })
    .follow()
}

#[test]
fn a_revision_was_missed_that_a_node_did_not_have_yet_when_it_was_read() {
    let mut stage = lagging(2);
    stage.check(
        3600.0,
        "0.000 #1 GET /db
        0.000 #1 GET /db/x
        0.000 #1 feed since 4-t
        0.000 x is 4-d
        0.000 connected #1 since 4-t
        0.000 caught up
        1.000 #2 GET /db
        1.000 #2 GET /db/x
        1.000 #2 feed since 5-t
        1.000 connected #2 since 5-t
        2.000 #3 GET /db
        2.000 #3 GET /db/x
        2.000 #3 feed since 5-t
        2.000 connected #3 since 5-t
        4.000 #4 GET /db
        4.000 #4 GET /db/x
        4.000 #4 feed since 5-t
        4.000 x is 5-e
        4.000 connected #4 since 5-t",
    );
}

#[test]
fn a_revision_that_never_arrives_is_not_read_forever() {
    let mut stage = lagging(usize::MAX - 1);
    stage.run_s(3600.0);
    let log = stage.log();
    assert_eq!(log.matches("GET /db/x").count(), 7, "{log}");
    assert_eq!((stage.revs("x"), stage.counters().losses), (vec!["4-d".to_owned()], 0));
}
