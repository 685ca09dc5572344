//! Browsers that leave or stop reading: their places and their memory are free again.

use super::program::{self, Dashboard, FOR_EVER, answer};
use crate::support::http::Connection;
use crate::support::{PATIENCE, wait_until};
use masque::limits::HTTP_HEAD_BYTES;

/// More than is read of a connection while a poll waits.
const BEHIND: usize = 2 * HTTP_HEAD_BYTES;

/// A connection whose poll waits, with much behind it. Bytes before the poll are not read.
fn park_with_much_behind(dashboard: &Dashboard, rev: &str) -> Connection {
    let mut connection = dashboard.connect();
    dashboard.send(&mut connection, "/favicon.ico");
    dashboard.send(&mut connection, &format!("/board/{rev}"));
    let request = format!("GET /favicon.ico HTTP/1.1\r\nHost: {}\r\n\r\n", dashboard.address());
    connection.send(request.repeat(BEHIND / request.len()).as_bytes()).expect("there is room");
    wait_until(PATIENCE, || parked(dashboard) == 1);
    connection
}

fn parked(dashboard: &Dashboard) -> u64 {
    figure(dashboard, "dashboard_parked")
}

/// A sample of the metrics by its name and labels.
fn figure(dashboard: &Dashboard, series: &str) -> u64 {
    let page = dashboard.get("/metrics");
    let value = page.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {}", page.text()))
}

#[test]
fn a_browser_that_reset_its_connection_was_kept_for_what_it_had_pipelined() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let connection = park_with_much_behind(&dashboard, &rev);
    drop(connection); // with an answer unread: a reset
    wait_until(PATIENCE, || parked(&dashboard) == 0);
    wait_until(PATIENCE, || figure(&dashboard, "dashboard_connections") == 1);
}

#[test]
fn a_browser_that_ended_its_half_was_kept_for_what_it_had_pipelined() {
    let (dashboard, rev) = program::with_board(r#"{"n":1}"#, &FOR_EVER);
    let mut connection = park_with_much_behind(&dashboard, &rev);
    connection.end_sending().expect("it is open");
    // Everything that was asked for is answered, and then it ends.
    let icon = answer(&mut connection);
    assert_eq!(icon.status, 200);
    assert_eq!(answer(&mut connection).json()["n"], 1);
    let mut count = 0;
    while let Ok(reply) = connection.reply(PATIENCE) {
        assert_eq!((reply.status, &reply.body), (200, &icon.body));
        count += 1;
    }
    assert!(count > 256, "{count} answers");
    wait_until(PATIENCE, || figure(&dashboard, "dashboard_connections") == 1);
}
