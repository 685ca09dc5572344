//! What a server has and holds, before and after.

use std::io;

/// What must be as it was, and is none at rest.
const NONE_AT_REST: [&str; 3] = ["dashboard_parked", "dashboard_streams", "masque_queued"];

/// What must be as it was.
const KEPT: [&str; 5] =
    ["dashboard_connections", "descriptors", "masque_sessions", "masque_watchers", "masque_wheels"];

/// What must be no more than it was. A connection that has become busy leaves the timer of its idle
/// minute to run out, as that of the feed does in the first minute.
const NOT_MORE: [&str; 1] = ["masque_timers"];

/// What must not have happened.
const NEVER: [&str; 3] =
    ["masque_panics_total", "dashboard_unserved_total", "dashboard_starved_total"];

/// Counters that are printed too.
const PRINTED: [&str; 6] = [
    "dashboard_connections_total",
    "dashboard_changes_total",
    FEED_UP,
    LOSSES,
    "masque_turns_total",
    MEMORY,
];

const LOSSES: &str = "dashboard_feed_losses_total";

/// It is cut now and then, and has neither a wheel nor a descriptor until it is back.
const FEED_UP: &str = "dashboard_feed_up";

const MEMORY: &str = "resident KiB";

/// All figures of a moment.
#[derive(Debug, Clone)]
pub(super) struct Figures(Vec<(String, u64)>);

/// One figure at several moments.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) values: [u64; 3],
}

impl Figures {
    /// From the page of metrics, `/proc/PID/status`, and a count.
    pub(super) fn new(page: &str, status: &str, descriptors: usize) -> io::Result<Figures> {
        let rows = page.lines().filter_map(|line| line.split_once(' '));
        let rows = rows.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        let mut figures: Vec<(String, u64)> = rows.collect();
        figures.push(("descriptors".into(), descriptors as u64));
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let memory = memory.ok_or_else(|| io::Error::other("the system tells no VmRSS"))?;
        figures.push((MEMORY.into(), memory));
        let figures = Figures(figures);
        let all = names();
        match all.iter().find(|name| !figures.0.iter().any(|(found, _)| found == *name)) {
            Some(name) => Err(io::Error::other(format!("there is no {name}"))),
            None => Ok(figures),
        }
    }

    /// The lower of both values, for each counter; for a counter that only grows, that is the
    /// earlier one.
    pub(super) fn least(&self, other: &Figures) -> Figures {
        // They are the same rows, unless a figure has come or gone: then the others' do.
        let least = |(name, value): &(String, u64)| {
            let theirs = other.0.iter().find(|(found, _)| found == name);
            (name.clone(), theirs.map_or(*value, |(_, theirs)| *value.min(theirs)))
        };
        Figures(self.0.iter().map(least).collect())
    }

    fn of(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.expect("all have been found").1
    }

    /// Returns true if the feed is up and no browser is connected but the one that asks.
    pub(super) fn is_at_rest(&self) -> bool {
        self.of(FEED_UP) == 1
            && self.of("dashboard_connections") == 1
            && NONE_AT_REST.iter().all(|name| self.of(name) == 0)
    }
}

fn names() -> Vec<&'static str> {
    [&NONE_AT_REST[..], &KEPT, &NOT_MORE, &NEVER, &PRINTED].concat()
}

/// The printed counters, side by side.
pub(super) fn table(moments: [&Figures; 3]) -> Vec<Row> {
    let row = |name| Row { name, values: moments.map(|figures| figures.of(name)) };
    names().into_iter().map(row).collect()
}

/// Returns true if the feed was lost between the two moments.
pub(super) fn was_cut(before: &Figures, after: &Figures) -> bool {
    before.of(LOSSES) < after.of(LOSSES)
}

/// The counters that did not return to their earlier values.
pub(super) fn complaints(before: &Figures, after: &Figures, memory_kib_max: u64) -> Vec<String> {
    let kept = KEPT.iter().filter(|name| before.of(name) != after.of(name));
    let more = NOT_MORE.iter().filter(|name| before.of(name) < after.of(name));
    let kept = kept
        .chain(more)
        .map(|name| format!("{name} was {}, is {}", before.of(name), after.of(name)));
    let never = NEVER.iter().filter(|name| after.of(name) > 0);
    let never = never.map(|name| format!("{name} is {}", after.of(name)));
    let mut complaints: Vec<String> = kept.chain(never).collect();
    let more = after.of(MEMORY).saturating_sub(before.of(MEMORY));
    if more > memory_kib_max {
        complaints.push(format!("{more} KiB more are resident, at most {memory_kib_max}"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::{FEED_UP, Figures, complaints, names};

    fn figures(but: &str, value: u64, memory: u64) -> Figures {
        let value_of = |name: &str| match name {
            "dashboard_connections" | FEED_UP if but != name => 1,
            _ if but == name => value,
            _ => 0,
        };
        let page: Vec<String> =
            names().iter().map(|name| format!("{name} {}", value_of(name))).collect();
        let status = format!("Name:\tdashboard\nVmRSS:\t  {memory} kB\n");
        let descriptors = if but == "descriptors" { value } else { 12 };
        // The page has no row of these two.
        let page = page.join("\n").replace("descriptors", "other").replace("resident", "other");
        Figures::new(&page, &status, descriptors as usize).expect("all are there")
    }

    #[test]
    fn what_is_not_as_it_was_is_told() {
        let before = figures("", 0, 20_000);
        let check = |but: &str, value: u64, memory: u64, expected: &[&str]| {
            let after = figures(but, value, memory);
            assert_eq!(complaints(&before, &after, 4_000), expected, "{but}");
        };
        check("", 0, 24_000, &[]);
        check("", 0, 24_001, &["4001 KiB more are resident, at most 4000"]);
        check("masque_timers", 3, 20_000, &["masque_timers was 0, is 3"]);
        check("descriptors", 13, 20_000, &["descriptors was 12, is 13"]);
        check("masque_panics_total", 1, 20_000, &["masque_panics_total is 1"]);
        assert!(before.is_at_rest());
        assert!(!figures("dashboard_parked", 1, 0).is_at_rest());
        assert!(!figures("dashboard_connections", 2, 0).is_at_rest());
        assert!(!figures(FEED_UP, 0, 0).is_at_rest(), "it has no connection then");
    }

    #[test]
    fn the_least_of_each_is_taken() {
        let least = figures("masque_timers", 4, 30).least(&figures("masque_timers", 3, 40));
        assert_eq!((least.of("masque_timers"), least.of(super::MEMORY)), (3, 30));
    }

    #[test]
    fn a_page_without_a_figure_is_no_good() {
        assert!(Figures::new("dashboard_parked 1", "VmRSS: 5 kB", 1).is_err());
    }
}
