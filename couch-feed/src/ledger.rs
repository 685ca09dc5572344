//! Which rows were reported, and which of them are acknowledged.

use crate::row::Seq;
use std::collections::VecDeque;

/// The rows that were reported after the acknowledged sequence.
///
/// The acknowledged sequence is that of the last row before which all are acknowledged, itself
/// included: the lowest unfinished row holds back all that come after it. Sequences are never
/// compared; their order is the order of reporting.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    reported: VecDeque<Reported>,
    /// The number of the last row that was reported.
    last: u64,
    acknowledged: Option<Seq>,
    /// The number of the last row that is acknowledged with it.
    acknowledged_number: u64,
    open_bytes: usize,
}

#[derive(Debug)]
struct Reported {
    /// The sequence that is acknowledged with this row.
    seq: Option<Seq>,
    bytes: usize,
    is_acknowledged: bool,
}

impl Ledger {
    /// Starts again at `seq`: rows that were reported before do not count any more.
    pub(crate) fn restart(&mut self, seq: Seq) {
        self.reported.clear();
        self.open_bytes = 0;
        self.acknowledged = Some(seq);
        self.acknowledged_number = self.last;
    }

    /// Records a row and returns its number, the first one being 1.
    pub(crate) fn report(&mut self, seq: Option<Seq>, bytes: usize) -> u64 {
        self.reported.push_back(Reported { seq, bytes, is_acknowledged: false });
        self.open_bytes += bytes;
        self.last += 1;
        self.last
    }

    /// The server says that everything up to `seq` was sent.
    pub(crate) fn reach(&mut self, seq: Seq) {
        match self.reported.back_mut() {
            Some(last) => last.seq = Some(seq),
            None => self.restart(seq),
        }
    }

    /// Acknowledges the row with this number. Returns true if the acknowledged sequence has moved.
    /// A number that is not unfinished changes nothing. Cost: O(1), amortized.
    pub(crate) fn acknowledge(&mut self, number: u64) -> bool {
        let first = self.last + 1 - self.reported.len() as u64;
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        let Some(row) = index.and_then(|index| self.reported.get_mut(index)) else { return false };
        self.open_bytes -= if row.is_acknowledged { 0 } else { row.bytes };
        row.is_acknowledged = true;
        let mut has_moved = false;
        while self.reported.front().is_some_and(|row| row.is_acknowledged)
            && let Some(row) = self.reported.pop_front()
        {
            if row.seq.is_some() {
                self.acknowledged = row.seq;
                self.acknowledged_number = self.last - self.reported.len() as u64;
                has_moved = true;
            }
        }
        has_moved
    }

    /// The sequence up to which all rows are acknowledged.
    pub(crate) fn acknowledged(&self) -> Option<&Seq> {
        self.acknowledged.as_ref()
    }

    /// The number of the last row that the server does not send after the acknowledged sequence; 0
    /// before the first row.
    pub(crate) fn acknowledged_number(&self) -> u64 {
        self.acknowledged_number
    }

    /// The number of the last row that was reported; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The number of rows that were reported after the last one before which all are acknowledged.
    pub(crate) fn unfinished(&self) -> usize {
        self.reported.len()
    }

    /// The bytes of the rows that are not acknowledged.
    pub(crate) fn open_bytes(&self) -> usize {
        self.open_bytes
    }
}
