//! A connection beyond those that are served.
//!
//! A full server is well, and whatever watches over it must be able to see that. So a few more
//! connections are accepted: they get `/health` and `/metrics`, and for anything else the answer
//! that the server is full.

use super::Browser;
use crate::site::{Route, full};
use masque::filters::Httpd;
use masque::reactor::Cx;
use std::time::Duration;

/// How long a guest may take to send its request, because there are few places for guests.
const GUEST_TIME: Duration = Duration::from_secs(2);

/// What a connection was accepted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Served,
    /// It came when as many browsers were connected as may be.
    Guest,
}

impl Role {
    /// What the connection is read by.
    pub(super) fn httpd(self, httpd: Httpd) -> Httpd {
        match self {
            Role::Served => httpd,
            Role::Guest => httpd.with_head_time(GUEST_TIME),
        }
    }
}

impl Browser {
    /// Returns what is answered: to a guest, that the server is full, unless it watches over it.
    /// Its connection ends then. If there is a place by now, it is a guest no more.
    pub(super) fn receive<'r>(&mut self, cx: &mut Cx<'_>, route: Route<'r>) -> Route<'r> {
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
