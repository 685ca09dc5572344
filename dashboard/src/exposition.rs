//! `GET /metrics`: all metrics in the text format of Prometheus, version 0.0.4.

use crate::feed::{FeedState, FeedStatus};
use crate::metrics::Metrics;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use masque::filters::Response;
use masque::reactor::{Histogram, Stats};
use masque::wheels::Counts;
use std::fmt::{Display, Write};

/// Returns all metrics. This allocates; counting does not.
pub(crate) fn exposition(
    metrics: &Metrics,
    listener: &Counts,
    feed: &FeedStatus,
    stats: &Stats,
) -> Response {
    let mut out = Exposition(String::with_capacity(8 * 1024));
    write_site_metrics(metrics, &mut out);
    write_listener_metrics(listener, metrics, &mut out);
    write_feed_metrics(feed, &mut out);
    write_kernel_metrics(stats, &mut out);
    let mut response = Response::new(out.0.into());
    let headers = response.headers_mut();
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    headers.insert(CONTENT_TYPE, format);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the main metrics in one line, for the log.
pub(crate) fn summary(metrics: &Metrics, feed: &FeedStatus, stats: &Stats) -> String {
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

fn write_site_metrics(metrics: &Metrics, out: &mut Exposition) {
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
    let help = "Polls and streams with a newer revision than this dashboard.";
    out.counter("dashboard_ahead_total", help, metrics.ahead.read());
    out.gauge("dashboard_connections", "Open connections of browsers.", connections.read());
    out.counter("dashboard_connections_total", "Accepted connections.", accepted.read());
    out.counter(
        "dashboard_unserved_total",
        "Connections that could not be served.",
        unserved.read(),
    );
    out.family("dashboard_connections_ended_total", "counter", "Ended connections, by cause.");
    for (cause, count) in metrics.ends() {
        out.sample("dashboard_connections_ended_total", &[("cause", &cause)], count);
    }
    out.family("dashboard_requests_total", "counter", "Answered requests.");
    for (kind, class, count) in metrics.answers() {
        let labels: [(&str, &dyn Display); 2] = [("route", &kind.name()), ("class", &class)];
        out.sample("dashboard_requests_total", &labels, count);
    }
    out.family("dashboard_refused_total", "counter", "Malformed requests.");
    for (status, count) in metrics.refusals() {
        let status = status.map_or_else(|| "other".into(), |status| status.to_string());
        out.sample("dashboard_refused_total", &[("status", &status)], count);
    }
    out.gauge("dashboard_parked", "Polls waiting for a change.", parked.read());
    out.family("dashboard_polls_total", "counter", "Polls that waited, by the cause of their end.");
    for (cause, count) in metrics.polls() {
        out.sample("dashboard_polls_total", &[("cause", &cause)], count);
    }
    let name = "dashboard_old_revision_bytes";
    out.gauge(
        name,
        "Bytes of old revisions that slow readers keep in memory.",
        old_revision_bytes.read(),
    );
    out.gauge("dashboard_streams", "Open streams of events.", streams.read());
    out.counter("dashboard_events_total", "Events sent to streams.", events.read());
    out.family("dashboard_unlogged_total", "counter", "Log lines that could not be written.");
    for (log, count) in metrics.unlogged() {
        out.sample("dashboard_unlogged_total", &[("log", &log)], count);
    }
}

/// Writes the metrics of the listener: rejected connections and pauses.
fn write_listener_metrics(listener: &Counts, metrics: &Metrics, out: &mut Exposition) {
    let name = "dashboard_turned_away_total";
    out.family(name, "counter", "Rejected connections, by cause.");
    let too_many = listener.refused_for_total + metrics.turned_away.read();
    out.sample(name, &[("cause", &"too_many")], too_many);
    out.sample(name, &[("cause", &"too_many_of_address")], listener.refused_for_address);
    out.counter(
        "dashboard_starved_total",
        "Times accepting was paused because of too few file descriptors.",
        listener.starved,
    );
}

fn write_feed_metrics(feed: &FeedStatus, out: &mut Exposition) {
    let is_up = u8::from(feed.state == FeedState::Following);
    out.gauge("dashboard_feed_up", "1 if the feed is connected and up to date, else 0.", is_up);
    let state = feed.state_age.as_secs_f64();
    out.gauge("dashboard_feed_state_seconds", "Time since the feed went up or down.", state);
    if let Some(age) = feed.data_age {
        let help = "Time since a document last changed.";
        out.gauge("dashboard_data_age_seconds", help, age.as_secs_f64());
    }
    if let Some(silence) = feed.silence {
        let help = "Time since the last byte of the feed.";
        out.gauge("dashboard_feed_silence_seconds", help, silence.as_secs_f64());
    }
    out.counter("dashboard_changes_total", "Changes of documents.", feed.changes);
    out.counter("dashboard_feed_losses_total", "Times the feed was disconnected.", feed.losses);
}

fn write_kernel_metrics(stats: &Stats, out: &mut Exposition) {
    out.gauge("masque_sessions", "Sessions.", stats.sessions);
    out.gauge("masque_queued", "Posts and notices in the queue.", stats.queued);
    out.gauge("masque_timers", "Pending timers.", stats.timers);
    out.gauge("masque_wheels", "Mounted wheels.", stats.wheels);
    out.gauge("masque_watchers", "Sessions that watch a topic.", stats.watchers);
    out.counter("masque_turns_total", "Turns.", stats.turns);
    out.counter("masque_dispatched_total", "Posts and timers handled.", stats.dispatched);
    out.counter("masque_notices_total", "Notices that were delivered.", stats.notices);
    out.counter(
        "masque_dead_letters_total",
        "Posts to sessions that had stopped.",
        stats.dead_letters,
    );
    out.counter("masque_panics_total", "Handlers that panicked.", stats.panics);
    out.histogram("masque_turn_seconds", "Duration of turns, without waiting.", &stats.turn_time);
    out.histogram(
        "masque_timer_lag_seconds",
        "Delay of timers after their due time.",
        &stats.timer_lag,
    );
}

/// The text of the answer. Names and labels are constants that need no escapes.
struct Exposition(String);

impl Exposition {
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
    use crate::feed::FeedTracker;
    use std::collections::BTreeSet;
    use std::time::Instant;

    #[test]
    fn every_line_is_of_the_format_and_every_family_is_announced_once() {
        let feed = FeedTracker::new(Instant::now()).status(0, None, Instant::now());
        let (metrics, listener, stats) = (Metrics::default(), Counts::default(), Stats::default());
        let response = exposition(&metrics, &listener, &feed, &stats);
        let text = std::str::from_utf8(response.body()).expect("it is text");
        let mut families = BTreeSet::new();
        let mut samples = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# TYPE ") {
                family = comment.split(' ').next().expect("a name");
                assert!(families.insert(family), "{family} has two TYPE lines");
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                assert!(series.starts_with(family), "{series} is not of {family}");
                assert!(samples.insert(series), "{series} occurs twice");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(samples.contains("masque_turn_seconds_bucket{le=\"0.00001\"}"), "{text}");
        assert!(samples.contains("dashboard_requests_total{route=\"poll\",class=\"2xx\"}"));
    }

    #[test]
    fn a_summary_is_one_line() {
        let feed = FeedTracker::new(Instant::now()).status(0, None, Instant::now());
        let line = summary(&Metrics::default(), &feed, &Stats::default());
        assert!(!line.contains('\n') && !line.contains("  "), "{line}");
    }
}
