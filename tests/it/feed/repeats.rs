//! Repeated rows, in a feed that drops them.

use super::*;
use masque::sessions::{EveryChange, FeedEvent, FeedMode, Start};

/// A feed of every change without repeats, asked for what `feeds` gives.
fn without_repeats(
    set: impl FnOnce(EveryChange) -> EveryChange,
    mut feeds: impl FnMut(&Asked) -> Vec<Act> + 'static,
) -> Stage {
    let every = set(EveryChange::since(Start::Beginning).drop_repeats());
    Stage::new(move |asked| match asked.target.as_str() {
        "/" => vec![json("200 OK", r#"{"couchdb":"Welcome","uuid":"u1"}"#)],
        "/db" => vec![info(r#""3-c""#, "1")],
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ => feeds(asked),
    })
    .follow_with(|feed| feed.every_change(every))
}

fn bare(seq: &str, id: &str, rev: &str) -> String {
    format!("{{\"seq\":{seq},\"id\":\"{id}\",\"changes\":[{{\"rev\":\"{rev}\"}}]}}\n")
}

/// Rows `1-s` to `n-s`, each of a document of its own.
fn rows(numbers: std::ops::RangeInclusive<usize>) -> String {
    numbers.map(|n| bare(&format!("\"{n}-s\""), &format!("d{n}"), "1-a")).collect()
}

/// Returns the events about rows, in short.
fn told(stage: &Stage) -> Vec<String> {
    let told = stage.told.borrow();
    let shown = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, row, is_repeat } => {
            let again = if *is_repeat { " again" } else { "" };
            Some(format!("{number}: {} {}{again}", row.id, row.revs.join("+")))
        }
        FeedEvent::Rewound => Some("rewound".into()),
        _ => None,
    });
    shown.collect()
}

#[test]
fn a_rewind_is_reported_and_counted_and_its_rows_are_dropped() {
    let mut stage = without_repeats(
        |every| every,
        |asked| match asked.feeds {
            1 => vec![begin(), chunk(&rows(1..=4)), Act::Kill],
            2 => vec![begin(), chunk(&rows(2..=5)), chunk(&bare("6", "d4", "1-a")), Act::Kill],
            _ => vec![begin(), chunk(&rows(5..=7))],
        },
    );
    stage.run_s(3.0);
    let expected = [
        "1: d1 1-a",
        "2: d2 1-a",
        "3: d3 1-a",
        "4: d4 1-a",
        "rewound",
        "8: d5 1-a",
        "rewound",
        "11: d6 1-a",
        "12: d7 1-a",
    ];
    assert_eq!(told(&stage), expected);
    let counters = stage.counters();
    assert_eq!((counters.rows, counters.changes, counters.repeats), (12, 7, 5));
    assert_eq!(stage.handled(), "7-s");
}

#[test]
fn a_dropped_row_is_acknowledged_with_those_before_it_and_not_earlier() {
    let again = bare("3", "x", "1-a");
    let mut stage = without_repeats(
        |every| every,
        move |_| {
            let rows = bare("1", "x", "1-a") + &bare("2", "y", "1-a") + &again;
            vec![begin(), chunk(&(rows + &bare("4", "z", "1-a") + &again.replace('3', "5")))]
        },
    )
    .busy();
    stage.run_s(1.0);
    assert_eq!(told(&stage), ["1: x 1-a", "2: y 1-a", "4: z 1-a"]);
    for (number, expected) in [(2, "0"), (1, "3"), (4, "5")] {
        stage.handle(number);
        assert_eq!(stage.handled(), expected, "after {number}");
    }
}

#[test]
fn repeats_move_the_checkpoint_without_other_rows() {
    let mut stage = without_repeats(
        |every| every,
        |asked| match asked.feeds {
            1 => vec![begin(), chunk(&rows(1..=3)), Act::Kill],
            // All of a database, by the sequences of another node.
            2 => vec![begin(), chunk(&rows(1..=3).replace("-s", "-t")), chunk("\n")],
            _ => vec![begin()],
        },
    );
    stage.run_s(2.0);
    assert_eq!((stage.handled(), stage.counters().repeats), ("3-t".into(), 3));
}

#[test]
fn repeats_do_not_fill_the_window() {
    let mut stage = without_repeats(
        |every| every.window(2),
        |asked| match asked.feeds {
            1 => vec![begin(), chunk(&rows(1..=1)), Act::wait_s(1.0), Act::Kill],
            _ => vec![begin(), chunk(&rows(1..=1).repeat(500)), chunk(&rows(2..=3))],
        },
    )
    .busy();
    stage.run_s(0.5);
    stage.handle(1);
    stage.run_s(5.0);
    assert_eq!(told(&stage), ["1: d1 1-a", "rewound", "502: d2 1-a", "503: d3 1-a"]);
    assert_eq!(stage.handled(), "1-s");
}

#[test]
fn a_row_that_differs_from_its_last_report_is_reported() {
    let mut stage = without_repeats(
        |every| every,
        |_| {
            // A conflict that wins and is deleted: the winner before it wins again.
            let winners = ["2-a", "2-b", "2-a", "2-a"];
            let rows = winners.iter().zip(1..).map(|(rev, n)| bare(&n.to_string(), "x", rev));
            let gone = bare("5", "x", "2-a").replace("]}", "],\"deleted\":true}");
            vec![begin(), chunk(&rows.chain([gone.clone(), gone]).collect::<String>())]
        },
    );
    stage.run_s(1.0);
    assert_eq!(told(&stage), ["1: x 2-a", "2: x 2-b", "3: x 2-a again", "5: x 2-a"]);
    assert_eq!(stage.counters().repeats, 2);
}

#[test]
fn a_limit_counts_reported_rows() {
    let query = masque::sessions::Query::new().limit(3);
    let mut stage = without_repeats(
        |every| every.query(query),
        |asked| match asked.feeds {
            1 => vec![begin(), chunk(&rows(1..=2)), Act::Kill],
            _ => vec![begin(), chunk(&rows(1..=3)), end()],
        },
    );
    stage.run_s(20.0);
    assert_eq!(told(&stage), ["1: d1 1-a", "2: d2 1-a", "rewound", "5: d3 1-a"]);
    let log = stage.log();
    assert!(log.contains("limit=1\n") && log.ends_with("ended: Limit"), "{log}");
}

#[test]
fn a_conflict_was_reported_as_a_rewind_without_a_loss() {
    // Another leaf of `d1` changes: the row names the same winner again. Once the rest was asked
    // for, to learn where it ends, such a row seemed to come from before that.
    for is_within in [false, true] {
        let every = EveryChange::since(Start::Beginning);
        let mut stage = Stage::with_database("\"9-s\"", move |asked| match asked.target.as_str() {
            _ if asked.is_sounding() && is_within => {
                let page = format!(
                    "{{\"results\":[{}],\"last_seq\":\"3-s\"}}",
                    bare("\"3-s\"", "d1", "1-a")
                );
                vec![begin(), chunk(&page), end()]
            }
            _ if asked.is_sounding() => vec![nothing_more(asked)],
            _ if asked.since() == "0" => vec![begin(), chunk(&rows(1..=2)), chunk("\n")],
            _ if is_within => vec![begin(), chunk("\n")],
            _ => vec![begin(), chunk(&bare("\"3-s\"", "d1", "1-a")), chunk("\n")],
        })
        .follow_with(|feed| feed.every_change(every));
        stage.run_s(5.0);
        let log = stage.log();
        assert!(log.contains("feed=normal") && log.contains("caught up"), "{log}");
        assert_eq!(told(&stage), ["1: d1 1-a", "2: d2 1-a", "3: d1 1-a again"], "{log}");
    }
}

#[test]
fn a_conflict_long_after_a_loss_was_reported_as_a_rewind() {
    for mode in FeedMode::ALL {
        let every = EveryChange::since(Start::Beginning);
        let row = bare("\"3-s\"", "d1", "1-a");
        let mut stage = Stage::new(move |asked| match (asked.target.as_str(), asked.feeds) {
            ("/", _) => vec![json("200 OK", "{}")],
            ("/db", _) => vec![info("\"2-s\"", "1")],
            (_, 1) => {
                let rows = rows(1..=2);
                let rows = rows.trim_end().replace('\n', ",");
                vec![
                    begin(),
                    chunk(&match mode {
                        FeedMode::Continuous => rows.replace(",{", "\n{") + "\n",
                        _ => format!("{{\"results\":[{rows},"),
                    }),
                    Act::Kill,
                ]
            }
            _ if asked.since() == "3-s" || (mode != FeedMode::Continuous && asked.feeds == 2) => {
                vec![nothing_more(asked)]
            }
            _ if mode == FeedMode::Continuous => {
                vec![begin(), chunk("\n"), Act::wait_s(9.0), chunk(&row)]
            }
            _ => vec![
                begin(),
                chunk(&format!("{{\"results\":[{row}],\"last_seq\":\"3-s\"}}")),
                end(),
            ],
        })
        .follow_with(move |feed| feed.mode(mode).every_change(every));
        stage.run_s(60.0);
        let log = stage.log();
        assert_eq!(told(&stage), ["1: d1 1-a", "2: d2 1-a", "3: d1 1-a again"], "{mode:?}: {log}");
    }
}
