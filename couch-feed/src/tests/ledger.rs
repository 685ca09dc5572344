//! The acknowledged sequence.

use crate::checkpoint::Ledger;
use crate::row::Seq;

/// Does what `script` says and compares the acknowledged sequence and number after each: `a`
/// reports a row with that sequence, `-` one without, `2` acknowledges the second row, `=z` is a
/// `last_seq`.
#[track_caller]
fn check(script: &str, expected: &str) {
    let mut ledger = Ledger::default();
    ledger.restart(Seq::beginning());
    let mut seen = vec![];
    for word in script.split(' ') {
        if let Ok(number) = word.parse() {
            let before = ledger.acknowledged.clone();
            let has_moved = ledger.acknowledge(number);
            assert_eq!(has_moved, ledger.acknowledged != before, "{script}");
        } else if let Some(seq) = word.strip_prefix('=') {
            ledger.reach(Seq(seq.into()));
        } else {
            ledger.report((word != "-").then(|| Seq(word.into())), 10);
        }
        let (seq, number) = (ledger.acknowledged.as_ref().unwrap(), ledger.acknowledged_number);
        seen.push(format!("{seq}:{number}"));
    }
    assert_eq!(seen.join(" "), expected, "{script}");
    assert_eq!(ledger.open_bytes == 0, ledger.unfinished() == 0, "{script}");
}

#[test]
fn the_lowest_unfinished_row_holds_the_sequence_back() {
    check("a b c 1 2 3", "0:0 0:0 0:0 a:1 b:2 c:3");
    check("a b c 3 2 1", "0:0 0:0 0:0 0:0 0:0 c:3");
    check("a b 2 c 1 3", "0:0 0:0 0:0 0:0 b:2 c:3");
    // Acknowledged twice, never reported, already removed.
    check("a 1 1 7 0 b 1 2", "0:0 a:1 a:1 a:1 a:1 a:1 a:1 b:2");
    // A row without a sequence is acknowledged with the next that has one.
    check("a - - d 1 2 3 4", "0:0 0:0 0:0 0:0 a:1 a:1 a:1 d:4");
    check("- 1", "0:0 0:0");
    // The server's last sequence counts when all rows before it are acknowledged.
    check("=z", "z:0");
    check("a - =z 2 1", "0:0 0:0 0:0 0:0 z:2");
    check("a 1 =z b 2", "0:0 a:1 z:1 z:1 b:2");
}

#[test]
fn a_restart_forgets_rows_and_continues_their_numbers() {
    let mut ledger = Ledger::default();
    ledger.restart(Seq::beginning());
    ledger.report(Some(Seq("a".into())), 10);
    ledger.restart(Seq("new".into()));
    assert!(!ledger.acknowledge(1));
    assert_eq!(ledger.report(Some(Seq("b".into())), 10), 2);
    assert!(ledger.acknowledge(2));
    assert_eq!(ledger.acknowledged, Some(Seq("b".into())));
}
