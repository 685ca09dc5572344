//! Sample figures that change, for a dashboard without a database.

use crate::embedded::{DATABASE, Embedded};
use bytes::Bytes;
use couch_mem::Answer;
use http::{Method, Request, StatusCode};
use masque::reactor::{Cx, Event, Handlers, Session, SessionId};
use serde_json::{Value, json};
use std::time::Duration;

/// Changes the document about once a second, as a client of the database could.
#[derive(Debug)]
pub(crate) struct Demo {
    database: SessionId,
    random: fastrand::Rng,
}

const EVERY: Duration = Duration::from_secs(1);
/// The document that changes.
pub(crate) const DOCUMENT: &str = "overview";

/// Group, name, minimum and maximum of each figure, and whether it has one decimal.
const FIGURES: [(&str, &str, f64, f64, bool); 7] = [
    ("warehouse", "orders_waiting", 40.0, 160.0, false),
    ("warehouse", "picked_per_hour", 180.0, 420.0, false),
    ("warehouse", "trucks_at_dock", 0.0, 12.0, false),
    ("cs", "calls_waiting", 0.0, 25.0, false),
    ("cs", "agents_free", 0.0, 18.0, false),
    ("cs", "answer_seconds", 4.0, 60.0, true),
    ("receipts", "average", 22.0, 48.0, true),
];

impl Demo {
    const TICK: Event<()> = Event::new("demo.tick");

    pub(crate) fn new(database: SessionId) -> Self {
        Demo { database, random: fastrand::Rng::new() }
    }

    fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
        cx.delay(Self::TICK, EVERY, ());
        let Some(current) = self.ask(cx, Method::GET, Bytes::new()) else { return };
        let mut document = serde_json::from_slice(&current).unwrap_or_else(|_| json!({}));
        self.change(&mut document);
        // After a conflict with another client, the next tick continues from the current revision.
        self.ask(cx, Method::PUT, document.to_string().into());
    }

    /// Changes the known figures and keeps all others.
    fn change(&mut self, document: &mut Value) {
        for (group, name, low, high, has_decimals) in FIGURES {
            let was = document[group][name].as_f64().unwrap_or_else(|| f64::midpoint(low, high));
            let step = (self.random.f64() - 0.5) * (high - low) / 8.0;
            let now = (was + step).clamp(low, high);
            let now = if has_decimals { (now * 10.0).round() / 10.0 } else { now.round() };
            put(document, group, name, number(now));
        }
        let today = document["receipts"]["today"].as_f64().unwrap_or(1200.0);
        let sold = (self.random.f64() * 4.0).floor();
        put(document, "receipts", "today", number(today + sold));
    }

    /// Sends a request to the database as a client would. `None` if it fails.
    fn ask(&mut self, cx: &mut Cx<'_>, method: Method, body: Bytes) -> Option<Bytes> {
        let is_read = method == Method::GET;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() =
            format!("/{DATABASE}/{DOCUMENT}").parse().expect("both names are valid in a path");
        match cx.call(self.database, Embedded::ANSWER, request) {
            Ok(Answer::Complete(answer)) if answer.status().is_success() => {
                Some(answer.into_body())
            }
            Ok(Answer::Complete(answer)) if is_read && answer.status() == StatusCode::NOT_FOUND => {
                Some(Bytes::from_static(b"{}"))
            }
            _ => None,
        }
    }
}

/// Whole numbers without a decimal point.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the figures are small")]
    if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) }
}

fn put(document: &mut Value, group: &str, name: &str, value: Value) {
    if !document[group].is_object() {
        document[group] = json!({});
    }
    document[group][name] = value;
}

impl Session for Demo {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::TICK, Self::tick);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        self.tick(cx, ());
    }
}
