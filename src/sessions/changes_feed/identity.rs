//! Whether a database is still the one that was followed.
//!
//! `CouchDB` 3 says when a database was made (`instance_start_time`), Cloudant has a `db_uuid`:
//! what differs there is another database. `CouchDB` 2 says neither, and does not need to: a
//! sequence of another database is answered with all that there is.
//!
//! On servers whose sequences are numbers, `CouchDB` 1 and `PouchDB`, that time says when the
//! database was opened or the server started, and nothing of when it was made; and a number of
//! another database is taken at its word, so that what is below it is never told. But there, and
//! only there, a sequence can be compared: one server counts the changes of one database, and never
//! back. A database that has yet to come to what was told is another, or has lost its last changes
//! in a crash and gives their numbers to new ones; and one that was not there for a time is another
//! too. In all these cases it is told from its beginning. What cannot be recognised is a database
//! that was made again unseen and has come as far as the one before.

use super::ChangesFeed;
use super::row::{Info, Seq};

impl Info {
    /// Whether the database has yet to come to `seq`; never where sequences are no numbers.
    fn is_short_of(&self, seq: &Seq) -> bool {
        self.count.zip(seq.number()).is_some_and(|(count, told)| count < told)
    }
}

impl ChangesFeed {
    /// Whether the database is surely another than the one that was looked at before.
    pub(super) fn is_another(&self, info: &Info) -> bool {
        match (&self.identity, &info.identity) {
            (Some(before), Some(now)) => before != now,
            _ => self.since.as_ref().is_some_and(|since| self.has_lost(info, since)),
        }
    }

    /// Whether everything was told that there was when the database was last looked at. What a
    /// filter leaves out at the end is not known to have passed.
    pub(super) fn is_at_end(&self) -> bool {
        let (Some(end), Some(since)) = (&self.end, &self.since) else { return false };
        let is_past = end.count.zip(since.number()).is_some_and(|(count, told)| told >= count);
        is_past || end.update_seq.as_ref() == Some(since)
    }

    /// Whether `seq` is surely behind what the feed was asked for, and so new.
    pub(super) fn is_new(&self, seq: Option<&Seq>) -> bool {
        let is_counted = self.end.as_ref().is_some_and(|end| end.count.is_some());
        let asked = self.paging.since.as_ref().and_then(Seq::number);
        is_counted && seq.and_then(Seq::number).zip(asked).is_some_and(|(seq, asked)| seq > asked)
    }

    /// Whether what had come to `seq` is surely there no more, where sequences are numbers.
    pub(super) fn has_lost(&self, info: &Info, seq: &Seq) -> bool {
        (info.count.is_some() && self.was_gone) || info.is_short_of(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::parse_info;
    use super::*;

    #[test]
    fn sequences_are_compared_where_both_are_numbers() {
        for (update_seq, seq, expected) in [
            ("4", "5", true),
            ("4", "4", false),
            ("4", "0", false),
            ("10", "9", false),
            ("\"4\"", "5", false),
            ("\"4-a\"", "5-a", false),
            ("4", "5-a", false),
            ("4", "[5,\"a\"]", false),
            ("[4,\"a\"]", "[5,\"a\"]", false),
            ("4.5", "5", false),
            ("-4", "5", false),
        ] {
            let info = parse_info(format!("{{\"update_seq\":{update_seq}}}").as_bytes()).unwrap();
            assert_eq!(info.is_short_of(&Seq::kept(seq)), expected, "{seq} of {update_seq}");
        }
    }
}
