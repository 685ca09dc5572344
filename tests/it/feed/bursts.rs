//! Much at once.

use super::*;
#[test]
fn a_hundred_thousand_changes_are_told_as_a_few_and_the_newest_is_among_them() {
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
    // Each turn is short: nobody waits for the whole burst.
    assert!(stage.rig.stats().turns - before > 100);
}

#[test]
fn a_queue_that_is_full_delays_what_is_told_and_loses_nothing() {
    let mut limits = masque::limits::Limits::default();
    limits.queue = 1;
    let mut stage = Stage::with_feeds(|asked| match asked.feeds {
        1 => vec![begin(), chunk("\n"), Act::wait_s(1.0), chunk(&row("4", "x", "4-d")), Act::Kill],
        _ => vec![begin(), chunk("\n")],
    })
    .limited(limits)
    .follow_as("http://couch/db", |feed| feed.doc("x").doc("y").doc("z"));
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
fn a_watcher_that_is_gone_ends_the_feed() {
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
