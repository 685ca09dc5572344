//! `GET /metrics`: the figures in Prometheus' text format, version 0.0.4.

use crate::feed::{State, Status};
use crate::metrics::Metrics;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use masque::filters::Response;
use masque::reactor::{Histogram, Stats};
use masque::wheels::Counts;
use std::fmt::{Display, Write};

/// All figures as they stand. It allocates; what is counted does not.
pub(crate) fn exposition(
    metrics: &Metrics,
    door: &Counts,
    feed: &Status,
    stats: &Stats,
) -> Response {
    let mut page = Page(String::with_capacity(8 * 1024));
    of_site(metrics, &mut page);
    of_door(door, metrics, &mut page);
    of_feed(feed, &mut page);
    of_kernel(stats, &mut page);
    let mut response = Response::new(page.0.into());
    let headers = response.headers_mut();
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    headers.insert(CONTENT_TYPE, format);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same in one line, for the log.
pub(crate) fn summary(metrics: &Metrics, feed: &Status, stats: &Stats) -> String {
    let answers: u64 = metrics.answers().map(|(.., count)| count).sum();
    let refused: u64 = metrics.refusals().map(|(_, count)| count).sum();
    format!(
        "{} connections of {} so far, {} parked, {} streams; {answers} answers, {refused} refused; \
         feed {} for {:.1?}, {} changes, {} losses; {} turns of {:.1?}, {} timers, {} queued, \
         {} panics",
        metrics.connections.read(),
        metrics.accepted.read(),
        metrics.parked.read(),
        metrics.streams.read(),
        feed.state.name(),
        feed.state_age,
        feed.changes,
        feed.losses,
        stats.turns,
        stats.turn_time.sum(),
        stats.timers,
        stats.queued,
        stats.panics,
    )
}

fn of_site(metrics: &Metrics, page: &mut Page) {
    let Metrics {
        connections,
        accepted,
        unserved,
        old_revision_bytes,
        parked,
        streams,
        events,
        ..
    } = metrics;
    let help = "Polls and streams with a newer revision than this dashboard's.";
    page.counter("dashboard_ahead_total", help, metrics.ahead.read());
    page.gauge("dashboard_connections", "Open connections of browsers.", connections.read());
    page.counter("dashboard_connections_total", "Accepted connections.", accepted.read());
    page.counter("dashboard_unserved_total", "Connections dropped unserved.", unserved.read());
    page.family("dashboard_connections_ended_total", "counter", "Ended connections by cause.");
    for (cause, count) in metrics.ends() {
        page.sample("dashboard_connections_ended_total", &[("cause", &cause)], count);
    }
    page.family("dashboard_requests_total", "counter", "Answered requests.");
    for (kind, class, count) in metrics.answers() {
        let labels: [(&str, &dyn Display); 2] = [("route", &kind.name()), ("class", &class)];
        page.sample("dashboard_requests_total", &labels, count);
    }
    page.family("dashboard_refused_total", "counter", "Requests refused for their form.");
    for (status, count) in metrics.refusals() {
        let status = status.map_or_else(|| "other".into(), |status| status.to_string());
        page.sample("dashboard_refused_total", &[("status", &status)], count);
    }
    page.gauge("dashboard_parked", "Polls that wait for a change.", parked.read());
    page.family("dashboard_polls_total", "counter", "Polls that waited, by what ended them.");
    for (cause, count) in metrics.polls() {
        page.sample("dashboard_polls_total", &[("cause", &cause)], count);
    }
    let name = "dashboard_old_revision_bytes";
    page.gauge(name, "Bytes of old revisions kept by slow readers.", old_revision_bytes.read());
    page.gauge("dashboard_streams", "Open streams of events.", streams.read());
    page.counter("dashboard_events_total", "Events put on streams.", events.read());
    page.family("dashboard_unlogged_total", "counter", "Lines that could not be written.");
    for (log, count) in metrics.unlogged() {
        page.sample("dashboard_unlogged_total", &[("log", &log)], count);
    }
}

/// How those fared who wanted to connect.
fn of_door(door: &Counts, metrics: &Metrics, page: &mut Page) {
    let name = "dashboard_turned_away_total";
    page.family(name, "counter", "Connections turned away by cause.");
    let too_many = door.refused_for_total + metrics.turned_away.read();
    page.sample(name, &[("cause", &"too_many")], too_many);
    page.sample(name, &[("cause", &"too_many_of_address")], door.refused_for_address);
    page.counter("dashboard_starved_total", "Pauses for want of descriptors.", door.starved);
}

fn of_feed(feed: &Status, page: &mut Page) {
    let is_up = u8::from(feed.state == State::Following);
    page.gauge("dashboard_feed_up", "Whether the feed is followed.", is_up);
    let state = feed.state_age.as_secs_f64();
    page.gauge("dashboard_feed_state_seconds", "Since the feed is up, or is not.", state);
    if let Some(age) = feed.data_age {
        let help = "Since a document last changed.";
        page.gauge("dashboard_data_age_seconds", help, age.as_secs_f64());
    }
    if let Some(silence) = feed.silence {
        let help = "Since the last byte of the feed.";
        page.gauge("dashboard_feed_silence_seconds", help, silence.as_secs_f64());
    }
    page.counter("dashboard_changes_total", "Changes of documents.", feed.changes);
    page.counter("dashboard_feed_losses_total", "Times the feed was lost.", feed.losses);
}

fn of_kernel(stats: &Stats, page: &mut Page) {
    page.gauge("masque_sessions", "Sessions.", stats.sessions);
    page.gauge("masque_queued", "Posts and notices that wait.", stats.queued);
    page.gauge("masque_timers", "Timers that are set.", stats.timers);
    page.gauge("masque_wheels", "Mounted wheels.", stats.wheels);
    page.gauge("masque_watchers", "Watches of topics.", stats.watchers);
    page.counter("masque_turns_total", "Turns.", stats.turns);
    page.counter("masque_dispatched_total", "Posts and timers handled.", stats.dispatched);
    page.counter("masque_notices_total", "Notices that somebody watched for.", stats.notices);
    page.counter("masque_dead_letters_total", "Posts to the stopped.", stats.dead_letters);
    page.counter("masque_panics_total", "Handlers that panicked.", stats.panics);
    page.histogram("masque_turn_seconds", "Time of turns, waiting left out.", &stats.turn_time);
    page.histogram("masque_timer_lag_seconds", "How late timers fired.", &stats.timer_lag);
}

/// The text so far. Names and labels are ours and need no escapes.
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in histogram.cumulative() {
            self.sample(&bucket, &[("le", &bound.as_secs_f64())], count);
        }
        self.sample(&bucket, &[("le", &"+Inf")], histogram.count());
        self.sample(&format!("{name}_sum"), &[], histogram.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), &[], histogram.count());
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Feed;
    use std::collections::BTreeSet;
    use std::time::Instant;

    #[test]
    fn every_line_is_of_the_format_and_every_family_is_announced_once() {
        let feed = Feed::new(Instant::now()).status(0, None, Instant::now());
        let (metrics, door, stats) = (Metrics::default(), Counts::default(), Stats::default());
        let response = exposition(&metrics, &door, &feed, &stats);
        let text = std::str::from_utf8(response.body()).expect("it is text");
        let mut families = BTreeSet::new();
        let mut samples = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# TYPE ") {
                family = comment.split(' ').next().expect("a name");
                assert!(families.insert(family), "{family} is announced twice");
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                assert!(series.starts_with(family), "{series} is not of {family}");
                assert!(samples.insert(series), "{series} is told twice");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(samples.contains("masque_turn_seconds_bucket{le=\"0.00001\"}"), "{text}");
        assert!(samples.contains("dashboard_requests_total{route=\"poll\",class=\"2xx\"}"));
    }

    #[test]
    fn a_summary_is_one_line() {
        let feed = Feed::new(Instant::now()).status(0, None, Instant::now());
        let line = summary(&Metrics::default(), &feed, &Stats::default());
        assert!(!line.contains('\n') && !line.contains("  "), "{line}");
    }
}
