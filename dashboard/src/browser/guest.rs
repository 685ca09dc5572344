//! Connections that are accepted while the server is full.
//!
//! A full server is healthy, and monitoring must be able to see that. So a few more connections are
//! accepted: they get `/health` and `/metrics`, and for any other path the answer that the server
//! is full.

use super::Browser;
use crate::site::{Route, full};
use masque::filters::Httpd;
use masque::reactor::Cx;
use std::time::Duration;

/// How long a guest may take to send its request. Short, because the slots for guests are few.
const GUEST_TIME: Duration = Duration::from_secs(2);

/// The role in which a connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Served,
    /// It was accepted while the maximum number of browsers was connected.
    Guest,
}

impl Role {
    /// Returns the filter of the connection.
    pub(super) fn httpd(self, httpd: Httpd) -> Httpd {
        match self {
            Role::Served => httpd,
            Role::Guest => httpd.with_head_time(GUEST_TIME),
        }
    }
}

impl Browser {
    /// Returns the route that is answered. For a guest this is an answer that the server is full,
    /// except for `/health` and `/metrics`, and the connection ends after it. A guest becomes an
    /// ordinary browser if a slot has become free.
    pub(super) fn admit<'r>(&mut self, cx: &mut Cx<'_>, route: Route<'r>) -> Route<'r> {
        if self.role == Role::Guest && !self.site.is_full() {
            self.role = Role::Served;
            self.site.metrics.guests.remove(1);
        }
        if self.role == Role::Served {
            return route;
        }
        self.close_after_answer(cx);
        match route {
            Route::Health | Route::Metrics => route,
            _ => {
                self.site.metrics.turned_away.add(1);
                Route::Answer(full())
            }
        }
    }
}
