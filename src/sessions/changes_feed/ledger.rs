//! Which rows were told and which of them are handled: how far a feed has come for good.

use super::row::Seq;
use std::collections::VecDeque;

/// The rows that were told and from which the acknowledged sequence cannot move on yet.
///
/// The acknowledged sequence is that of the last row before which all are handled, itself included:
/// the lowest unfinished row holds back all that come after it. Sequences are never compared; their
/// order is the order of telling.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: VecDeque<Told>,
    /// The number of the last row that was told.
    last: u64,
    acknowledged: Option<Seq>,
    /// The number of the last row that is acknowledged with it.
    acknowledged_number: u64,
    unhandled_bytes: usize,
}

#[derive(Debug)]
struct Told {
    /// The sequence that is acknowledged with this row.
    seq: Option<Seq>,
    bytes: usize,
    is_handled: bool,
}

impl Ledger {
    /// Begins anew at `seq`: rows that were told before have no bearing on what comes.
    pub(super) fn begin(&mut self, seq: Seq) {
        self.told.clear();
        self.unhandled_bytes = 0;
        self.acknowledged = Some(seq);
        self.acknowledged_number = self.last;
    }

    /// Takes a row down and gives it its number, the first one being 1.
    pub(super) fn tell(&mut self, seq: Option<Seq>, bytes: usize) -> u64 {
        self.told.push_back(Told { seq, bytes, is_handled: false });
        self.unhandled_bytes += bytes;
        self.last += 1;
        self.last
    }

    /// The server says that everything up to `seq` was told.
    pub(super) fn reach(&mut self, seq: Seq) {
        match self.told.back_mut() {
            Some(last) => last.seq = Some(seq),
            None => self.begin(seq),
        }
    }

    /// The row of this number is handled; whether the acknowledged sequence has moved. A number
    /// that is not, or no longer, unfinished changes nothing. O(1), amortized.
    pub(super) fn handle(&mut self, number: u64) -> bool {
        let first = self.last + 1 - self.told.len() as u64;
        let place = number.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        let Some(row) = place.and_then(|place| self.told.get_mut(place)) else { return false };
        self.unhandled_bytes -= if row.is_handled { 0 } else { row.bytes };
        row.is_handled = true;
        let mut has_moved = false;
        while self.told.front().is_some_and(|row| row.is_handled)
            && let Some(row) = self.told.pop_front()
        {
            if row.seq.is_some() {
                self.acknowledged = row.seq;
                self.acknowledged_number = self.last - self.told.len() as u64;
                has_moved = true;
            }
        }
        has_moved
    }

    /// The sequence up to which all is handled.
    pub(super) fn acknowledged(&self) -> Option<&Seq> {
        self.acknowledged.as_ref()
    }

    /// The number of the last row that would not come again after the acknowledged sequence; 0
    /// before the first.
    pub(super) fn acknowledged_number(&self) -> u64 {
        self.acknowledged_number
    }

    /// The number of the last row that was told; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How many rows were told since the last before which all are handled.
    pub(super) fn unfinished(&self) -> usize {
        self.told.len()
    }

    /// How many bytes the rows have that are not handled.
    pub(super) fn unhandled_bytes(&self) -> usize {
        self.unhandled_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does what `script` says and compares the acknowledged sequence and number after each: `a`
    /// tells a row of that sequence, `-` one of none, `2` handles the second row, `=z` is a
    /// `last_seq`.
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut ledger = Ledger::default();
        ledger.begin(Seq::beginning());
        let mut seen = vec![];
        for word in script.split(' ') {
            if let Ok(number) = word.parse() {
                let before = ledger.acknowledged().cloned();
                let has_moved = ledger.handle(number);
                assert_eq!(has_moved, ledger.acknowledged() != before.as_ref(), "{script}");
            } else if let Some(seq) = word.strip_prefix('=') {
                ledger.reach(Seq::kept(seq));
            } else {
                ledger.tell((word != "-").then(|| Seq::kept(word)), 10);
            }
            let (seq, number) = (ledger.acknowledged().unwrap(), ledger.acknowledged_number());
            seen.push(format!("{seq}:{number}"));
        }
        assert_eq!(seen.join(" "), expected, "{script}");
        assert_eq!(ledger.unhandled_bytes() == 0, ledger.unfinished() == 0, "{script}");
    }

    #[test]
    fn the_lowest_unfinished_row_holds_the_sequence_back() {
        check("a b c 1 2 3", "0:0 0:0 0:0 a:1 b:2 c:3");
        check("a b c 3 2 1", "0:0 0:0 0:0 0:0 0:0 c:3");
        check("a b 2 c 1 3", "0:0 0:0 0:0 0:0 b:2 c:3");
        // Handled twice, never told, told and gone.
        check("a 1 1 7 0 b 1 2", "0:0 a:1 a:1 a:1 a:1 a:1 a:1 b:2");
        // A row without a sequence is acknowledged with the next that has one.
        check("a - - d 1 2 3 4", "0:0 0:0 0:0 0:0 a:1 a:1 a:1 d:4");
        check("- 1", "0:0 0:0");
        // What the server says at the end counts when all before it is handled.
        check("=z", "z:0");
        check("a - =z 2 1", "0:0 0:0 0:0 0:0 z:2");
        check("a 1 =z b 2", "0:0 a:1 z:1 z:1 b:2");
    }

    #[test]
    fn rows_of_another_life_are_forgotten_and_numbers_go_on() {
        let mut ledger = Ledger::default();
        ledger.begin(Seq::beginning());
        ledger.tell(Some(Seq::kept("a")), 10);
        ledger.begin(Seq::kept("new"));
        assert!(!ledger.handle(1));
        assert_eq!(ledger.tell(Some(Seq::kept("b")), 10), 2);
        assert!(ledger.handle(2));
        assert_eq!(ledger.acknowledged(), Some(&Seq::kept("b")));
    }
}
