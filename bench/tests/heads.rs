//! The same odd requests to three parsers: masque's `Httpd`, hyper's server, and httparse,
//! with which both of them parse. If they differ, the table says why; a difference that it does
//! not list fails.

#[path = "heads/readers.rs"]
mod readers;
#[path = "heads/table.rs"]
mod table;

use readers::{httparse_says, hyper_says, masque_says};

/// A request after each row: its answer shows that the row ended at the expected byte.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

/// A request, and the results of the parsers.
struct Row {
    /// The rule: a section of RFC 9112, unless another is named.
    rule: &'static str,
    bytes: Vec<u8>,
    /// The statuses of all answers of masque's, and of hyper's; 200 for a request that is taken.
    masque: &'static str,
    hyper: &'static str,
    /// `ok`, `partial`, or the error.
    httparse: &'static str,
    /// Why they differ; empty where they do not.
    why: &'static str,
}

impl Row {
    /// Returns true if the three disagree, on the answers or on whether it is a request.
    fn differs(&self) -> bool {
        let is_taken = self.masque.starts_with("200");
        self.masque != self.hyper || is_taken != (self.httparse == "ok")
    }
}

#[test]
fn every_difference_has_its_reason() {
    let mut surprises = vec![];
    for row in table::rows() {
        let found = [masque_says(&row.bytes), hyper_says(&row.bytes), httparse_says(&row.bytes)];
        if found != [row.masque, row.hyper, row.httparse] {
            let shown = row.bytes.escape_ascii().to_string();
            surprises.push(format!("{}: {shown:.100}\n    {found:?}", row.rule));
        } else if row.differs() == row.why.is_empty() {
            surprises
                .push(format!("{}: a difference without a reason, or none with one", row.rule));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn masque_takes_nothing_that_hyper_refuses() {
    for row in table::rows() {
        let is_taken = |statuses: &str| statuses.starts_with("200");
        assert!(!is_taken(row.masque) || is_taken(row.hyper), "{}", row.rule);
    }
}
