//! `cargo xtask soak`: minutes of browsers that come, wait, and leave as they like, and send what
//! they like, while the documents change and the feed is cut every twenty seconds. At the end the
//! server must be as it was before.
//!
//! The debug build is soaked, because its assertions and overflow checks are on, or with
//! `--release` the build that is deployed. Linux only, because the memory and the descriptors of
//! another process are read from `/proc`.

mod browsers;
mod figures;
mod relay;
mod server;
mod wire;

use crate::run::{Failure, cargo};
use browsers::{Kind, Tally};
use figures::{Figures, Row};
use server::Server;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Default duration of a soak.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_secs(180);

/// The same load, before the figures are taken for the first time: tables and the allocator keep
/// what they once needed, and that is no leak.
const WARM_UP_TIME: Duration = Duration::from_secs(15);

/// How long the server may take to forget the last browser.
const REST_TIME: Duration = Duration::from_secs(60);

/// How long the figures at rest are watched for the least of each: some timers come and go, as the
/// one of the connection that asks.
const WATCH_TIME: Duration = Duration::from_secs(5);

/// How much more memory may be resident afterwards. In three minutes there are a quarter of a
/// million connections: 17 bytes of each that stay are seen.
const MEMORY_KIB_MAX: u64 = 4 * 1024;

/// Between two looks at the figures.
const PAUSE: Duration = Duration::from_millis(100);

/// The program to soak and the duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    time: Duration,
    is_release: bool,
}

/// The plan that the words of the command line make; `None` when they make none.
pub(crate) fn plan(words: &[&str]) -> Option<Plan> {
    let mut plan = Plan { time: DEFAULT_TIME, is_release: false };
    let mut words = words.to_vec();
    if let Some(at) = words.iter().position(|word| *word == "--release") {
        words.remove(at);
        plan.is_release = true;
    }
    match words.as_slice() {
        [] => {}
        [seconds] => {
            let seconds = seconds.parse().ok().filter(|seconds| (1..=86_400).contains(seconds))?;
            plan.time = Duration::from_secs(seconds);
        }
        _ => return None,
    }
    Some(plan)
}

/// Soaks the dashboard.
pub(crate) fn run(plan: Plan) -> Result<(), Failure> {
    let Plan { time, is_release } = plan;
    let (flag, profile) = if is_release { (" --release", "release") } else { ("", "debug") };
    cargo(&format!("build --package dashboard{flag}")).run()?;
    let server = Server::start(profile)?;
    let before = {
        load(&server, WARM_UP_TIME)?;
        rest(&server)?
    };
    let (tallies, during) = load(&server, time)?;
    let after = rest(&server)?;
    let log = server.end()?;

    println!("\n| browsers | at a time | visits | answers | faults |\n|---|---:|---:|---:|---:|");
    for (kind, tally) in browsers::ALL.iter().zip(&tallies) {
        let Tally { visits, answers, faults, .. } = tally;
        println!("| {} | {} | {visits} | {answers} | {faults} |", kind.about, kind.many());
    }
    println!("\n| figure | before | half-way | after |\n|---|---:|---:|---:|");
    for Row { name, values, .. } in figures::table([&before, &during, &after]) {
        println!("| {name} | {} | {} | {} |", values[0], values[1], values[2]);
    }
    println!();
    let faults = tallies.iter().zip(browsers::ALL);
    let faults = faults.filter_map(|(tally, kind)| Some((kind.about, tally.first.as_ref()?)));
    let mut complaints: Vec<String> =
        faults.map(|(about, fault)| format!("browsers that {about}: {fault}")).collect();
    complaints.extend(figures::complaints(&before, &after, MEMORY_KIB_MAX));
    if time > 2 * relay::CUT_PAUSE && !figures::was_cut(&before, &after) {
        complaints.push("the feed was never cut".into());
    }
    if !log.is_empty() {
        complaints.push(format!("the server complained: {}", log.lines().next().unwrap_or("")));
    }
    if complaints.is_empty() { Ok(()) } else { Err(Failure(complaints.join("; "))) }
}

/// Every kind of browser for this long: what became of each, and the figures in the middle.
fn load(server: &Server, time: Duration) -> Result<(Vec<Tally>, Figures), Failure> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let start = |kind: &'static Kind| {
            let threads = (0..kind.threads).map(|number| {
                let is_over = &is_over;
                scope.spawn(move || kind.run(server, number, is_over))
            });
            threads.collect::<Vec<_>>()
        };
        let running: Vec<_> = browsers::ALL.iter().map(start).collect();
        let began = Instant::now();
        thread::sleep(time / 2);
        let during = server.figures();
        thread::sleep(time.saturating_sub(began.elapsed()));
        is_over.store(true, Ordering::Relaxed);
        let tallies = running.into_iter().map(|threads| {
            let tallies = threads.into_iter().map(|one| one.join().expect("it does not panic"));
            tallies.fold(Tally::default(), Tally::add)
        });
        Ok((tallies.collect(), during?))
    })
}

/// Waits until no browser is connected but the one that asks, and returns the least of each figure
/// while the feed is up.
fn rest(server: &Server) -> Result<Figures, Failure> {
    let end = Instant::now() + REST_TIME;
    let mut least = loop {
        let figures = server.figures()?;
        if figures.is_at_rest() {
            break figures;
        }
        if Instant::now() > end {
            return Err(Failure(format!("connections are left after {REST_TIME:?}: {figures:?}")));
        }
        thread::sleep(PAUSE);
    };
    let end = Instant::now() + WATCH_TIME;
    while Instant::now() < end {
        thread::sleep(PAUSE);
        let figures = server.figures()?;
        if figures.is_at_rest() {
            least = least.least(&figures);
        }
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_TIME, Plan, plan};
    use std::time::Duration;

    #[test]
    fn the_words_of_the_command_line_make_a_plan() {
        let ten_min = Duration::from_secs(600);
        let plan_of = |time, is_release| Some(Plan { time, is_release });
        assert_eq!(plan(&[]), plan_of(DEFAULT_TIME, false));
        assert_eq!(plan(&["600", "--release"]), plan_of(ten_min, true));
        assert_eq!(plan(&["--release"]), plan_of(DEFAULT_TIME, true));
        for wrong in [&["0"][..], &["86401"], &["soon"], &["1", "2"], &["--debug"]] {
            assert_eq!(plan(wrong), None, "{wrong:?}");
        }
    }
}
