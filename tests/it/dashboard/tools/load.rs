//! `ab` and `wrk`: many requests on few connections, and none that fails.

use super::{said, tool};
use crate::dashboard::program;
use crate::support::PATIENCE;

/// Returns true if a report has a line with these words, with any text between them.
fn has(report: &str, line: &str) -> bool {
    report.lines().any(|found| found.split_whitespace().eq(line.split(' ')))
}

/// `ab` speaks HTTP/1.0, where keep-alive is what both sides have to ask for.
#[test]
#[ignore = "needs ab"]
fn ab_has_every_answer_on_connections_that_are_kept() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &[]);
    let mut ab = tool("ab");
    ab.args(["-k", "-q", "-n", "10000", "-c", "50"]).arg(format!("{}/board", dashboard.url));
    let report = said(&mut ab, PATIENCE);
    let lines = ["Complete requests: 10000", "Failed requests: 0", "Keep-Alive requests: 10000"];
    for line in lines {
        assert!(has(&report, line), "{line}\n{report}");
    }
    assert!(!report.contains("Non-2xx"), "{report}");
}

#[test]
#[ignore = "needs wrk"]
fn wrk_has_every_answer() {
    let (dashboard, _) = program::with_board(r#"{"n":1}"#, &[]);
    let mut wrk = tool("wrk");
    wrk.args(["-t", "1", "-c", "100", "-d", "3s"]).arg(format!("{}/board", dashboard.url));
    let report = said(&mut wrk, PATIENCE);
    assert!(report.contains("Requests/sec:"), "{report}");
    // It speaks of these only where there are any.
    assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
}
