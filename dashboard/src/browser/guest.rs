//! A connection beyond those that are served.
//!
//! A full server is well, and whatever watches over it must be able to see that. So a few more
//! connections are accepted: they get `/health` and `/metrics`, and for anything else the answer
//! that the server is full.

use super::Browser;
use crate::metrics::Metrics;
use crate::site::{Route, full};
use masque::filters::Httpd;
use masque::reactor::Cx;
use std::sync::Arc;
use std::time::Duration;

/// How long a guest may take to send its request, because there are few places for guests.
const GUEST_TIME: Duration = Duration::from_secs(2);

/// Counts one guest until it is dropped.
#[derive(Debug)]
pub(super) struct Guest(Arc<Metrics>);

impl Guest {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.guests.add(1);
        Guest(Arc::clone(metrics))
    }

    /// What a guest's connection is read by.
    pub(super) fn httpd(httpd: Httpd) -> Httpd {
        httpd.with_head_time(GUEST_TIME)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.guests.remove(1);
    }
}

impl Browser {
    /// Returns what is answered: to a guest, that the server is full, unless it watches over it.
    /// Its connection ends then. If there is a place by now, it is a guest no more.
    pub(super) fn receive<'r>(&mut self, cx: &mut Cx<'_>, route: Route<'r>) -> Route<'r> {
        if !self.site.is_full() {
            self.guest = None;
        }
        if self.guest.is_none() {
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
