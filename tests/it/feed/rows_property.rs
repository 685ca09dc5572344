//! For any script of rows, cuts, acknowledgements and restarts: every row is handled at least once,
//! in the server's order, and no checkpoint passes one that is not.

use super::*;
use masque::sessions::{Checkpoint, EveryChange, FeedEvent, FeedMode, OnMismatch, Start};
use proptest::prelude::*;
use proptest::sample::Index;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// What the server does with one request for the feed.
#[derive(Clone, Debug)]
struct Try {
    /// How many rows are new.
    written: usize,
    /// True if the database is deleted and created again after its answer.
    recreates: bool,
    /// The number of rows that the feed repeats before the requested sequence.
    rewinds: usize,
    /// Of how many rows one has its sequence.
    interval: usize,
    /// The byte of the answer before which it is cut.
    cut: Option<Index>,
    has_last_seq: bool,
    /// True if the answer has a length, false if it is in chunks.
    has_length: bool,
    piece: usize,
    /// Between two pieces.
    pause_ms: u64,
}

/// The work of the watcher after some time: it acknowledges rows that it received, each selected by
/// a number. It may crash and start again with the checkpoint.
#[derive(Clone, Debug)]
struct Work {
    after_ms: u32,
    handled: Vec<usize>,
    crashes: bool,
}

/// How the feed is followed.
#[derive(Clone, Copy, Debug)]
struct How {
    mode: FeedMode,
    /// True if the server identifies its databases.
    has_identity: bool,
    has_timeout: bool,
    drops_repeats: bool,
}

fn tries() -> impl Strategy<Value = Vec<(Try, Work)>> {
    let cut = prop::option::weighted(0.6, any::<Index>());
    let one = (0..6_usize, prop::bool::weighted(0.2), 0..4_usize, 1..4_usize, cut);
    let one = (one, any::<bool>(), any::<bool>(), 1..200_usize, 0..20_u64).prop_map(|all| {
        let (rows, has_last_seq, has_length, piece, pause_ms) = all;
        let (written, recreates, rewinds, interval, cut) = rows;
        Try {
            written,
            recreates,
            rewinds,
            interval,
            cut,
            has_last_seq,
            has_length,
            piece,
            pause_ms,
        }
    });
    // Most are done in the midst of an answer, some when all is still.
    let after = prop_oneof![3 => 0..200_u32, 1 => 200..7000_u32];
    let work = (after, prop::collection::vec(0..100_usize, 0..8), prop::bool::weighted(0.3))
        .prop_map(|(after_ms, handled, crashes)| Work { after_ms, handled, crashes });
    let script = prop::collection::vec((one, work), 0..10);
    (script, any::<bool>(), any::<bool>()).prop_map(|(mut script, goes_back, is_made_again)| {
        for (now, _) in &mut script {
            now.rewinds *= usize::from(goes_back);
            now.recreates &= is_made_again;
        }
        script
    })
}

fn how(mode: impl Strategy<Value = FeedMode>) -> impl Strategy<Value = How> {
    (mode, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|all| {
        let (mode, has_identity, has_timeout, drops_repeats) = all;
        How { mode, has_identity, has_timeout, drops_repeats }
    })
}

/// A database of rows, each of a document of its own; the sequence of a row is its place in this
/// life of the database.
#[derive(Default)]
struct Couch {
    has_identity: bool,
    life: usize,
    rows: usize,
    tries: Vec<Try>,
}

impl Couch {
    fn answer(&mut self, asked: &Asked) -> Vec<Act> {
        match asked.target.as_str() {
            "/" => return vec![json("200 OK", "{\"uuid\":\"u\"}")],
            "/db" => {
                let identity =
                    if self.has_identity { format!("life {}", self.life) } else { "0".into() };
                return vec![info(&format!("\"{}-{}\"", self.rows, self.life), &identity)];
            }
            _ => {}
        }
        let is_idle = self.tries.is_empty();
        let now = if is_idle { Try::well() } else { self.tries.remove(0) };
        self.rows += now.written;
        let (life, place) = place(&asked.since());
        let place = if life == self.life { place } else { 0 };
        let life = self.life;
        let is_paged = !asked.target.contains("feed=continuous");
        let mut rows = vec![];
        for n in place.saturating_sub(now.rewinds) + 1..=self.rows {
            let seq =
                if n % now.interval == 0 { format!("\"{n}-{life}\"") } else { "null".to_owned() };
            let rest = format!("\"id\":\"{n}-{life}\",\"changes\":[{{\"rev\":\"1-a\"}}]}}");
            rows.push(format!("{{\"seq\":{seq},{rest}"));
        }
        let last = format!("\"last_seq\":\"{}-{life}\"}}\n", self.rows);
        let mut text = if is_paged {
            // A heartbeat may come between a row and the comma before the next one.
            let comma = if now.interval == 2 { "\n,\n" } else { ",\n" };
            format!("{{\"results\":[\n{}\n],\n{last}", rows.join(comma))
        } else {
            rows.iter().fold("\n".to_owned(), |text, row| text + row + "\n")
        };
        if now.recreates {
            (self.life, self.rows) = (life + 1, 0);
        }
        if is_idle && !is_paged {
            return vec![begin(), chunk(&text)].into_iter().chain(beats(300)).collect();
        }
        if is_idle {
            let wait = if rows.is_empty() { 5.0 } else { 0.0 };
            return vec![begin(), Act::wait_s(wait), chunk(&text), end()];
        }
        if now.has_last_seq && !is_paged {
            text = text + "{" + &last;
        }
        let mut bytes = if now.has_length { of_length(&text) } else { chunked(&text, now.piece) };
        if let Some(cut) = now.cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let end = if now.cut.is_some() { Act::Kill } else { Act::wait_s(1.0) };
        let pause = Act::Wait(Duration::from_millis(now.pause_ms));
        let pieces = bytes.chunks(now.piece).flat_map(|piece| [Act::send(piece), pause.clone()]);
        pieces.chain([end]).collect()
    }
}

fn of_length(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into()
}

fn chunked(text: &str, piece: usize) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in text.as_bytes().chunks(piece * 2) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

impl Try {
    fn well() -> Self {
        Try {
            written: 0,
            recreates: false,
            rewinds: 0,
            interval: 1,
            cut: None,
            has_last_seq: false,
            has_length: false,
            piece: 100,
            pause_ms: 0,
        }
    }
}

/// The life of a database and the place in it.
type Place = (usize, usize);

/// The number and the sequence of each row that was reported in this run.
fn told(stage: &Stage) -> Vec<(u64, Place)> {
    let told = stage.told.borrow();
    let rows = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, row, .. } => Some((*number, place(&row.id))),
        _ => None,
    });
    rows.collect()
}

/// Of a sequence or an id; a 0 is where every life begins.
fn place(text: &str) -> Place {
    let (place, life) = text.split_once('-').unwrap_or((text, "0"));
    (life.parse().unwrap(), place.parse().unwrap())
}

fn run(couch: &Rc<RefCell<Couch>>, how: How, start: Start) -> Stage {
    let server = couch.clone();
    let every = EveryChange::since(start).window(4).on_mismatch(OnMismatch::Restart);
    let every = if how.drops_repeats { every.drop_repeats() } else { every };
    Stage::new(move |asked| server.borrow_mut().answer(asked)).busy().follow_with(move |feed| {
        let feed = feed.mode(how.mode).every_change(every);
        if how.has_timeout { feed.timeout(Duration::from_secs(10)) } else { feed }
    })
}

/// A run that began after `from` has reported the rows in the server's order, without gaps. It has
/// earlier rows only if the server went back, and no row twice if repeats are dropped.
fn check_order(stage: &Stage, how: How, from: Place, now: &Faults) -> Result<(), TestCaseError> {
    let told = told(stage);
    let world = stage.world.borrow();
    let shown = || format!("{told:?} from {from:?}:\n{}", world.log.join("\n"));
    let feeds: Vec<_> = world.asked.iter().filter(|asked| asked.is_feed()).collect();
    let begins = |asked: &&Asked| {
        place(&asked.since()) == from || (now.is_made_again && asked.since() == "0")
    };
    prop_assert!(feeds.first().is_none_or(begins), "{}", shown());
    prop_assert!(told.windows(2).all(|two| two[0].0 < two[1].0), "{}", shown());
    let (mut last, mut furthest, mut turns) = (from, from, 0);
    for (_, (life, place)) in &told {
        prop_assert!(*life >= last.0, "an earlier life: {}", shown());
        if *life > furthest.0 {
            furthest = (*life, 0);
        }
        let before = if *life == from.0 && !now.is_made_again { from.1 } else { 0 };
        let is_in_order = *place <= furthest.1 + 1 && *place + now.rewinds > before;
        prop_assert!(is_in_order, "{place}: {}", shown());
        turns += usize::from((*life, *place) != (last.0, last.1 + 1));
        last = (*life, *place);
        furthest = furthest.max(last);
    }
    // No answer is cut without the end of its connection.
    let is_silent = world.log.iter().any(|line| line.contains("not even a heartbeat"));
    prop_assert!(!is_silent, "{}", shown());
    // Each request may begin elsewhere, and dropped rows are missing.
    prop_assert!(how.drops_repeats || turns <= feeds.len(), "{turns} turns: {}", shown());
    // Knowledge of an earlier database does not count.
    let is_each_once = how.drops_repeats && !(how.has_identity && now.is_made_again);
    let places: BTreeSet<_> = told.iter().map(|(_, place)| place).collect();
    prop_assert!(!is_each_once || places.len() == told.len(), "{}", shown());
    Ok(())
}

/// What a script has in all.
struct Faults {
    rewinds: usize,
    is_made_again: bool,
}

fn check(how: How, script: Vec<(Try, Work)>) -> Result<(), TestCaseError> {
    let (tries, works): (Vec<_>, Vec<_>) = script.into_iter().unzip();
    let rewinds = tries.iter().map(|now: &Try| now.rewinds).sum();
    let faults = Faults { rewinds, is_made_again: tries.iter().any(|now| now.recreates) };
    let has_identity = how.has_identity;
    let couch = Rc::new(RefCell::new(Couch { has_identity, tries, ..Couch::default() }));
    let mut stage = run(&couch, how, Start::Beginning);
    let (mut numbers, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut kept: Option<Checkpoint> = None;
    let mut from = (0, 0);
    let mut works = works.into_iter();
    for _ in 0..200 {
        let work = works.next();
        stage.run_s(work.as_ref().map_or(7.0, |work| f64::from(work.after_ms) / 1000.0));
        let picks = work.as_ref().map_or(vec![0; 4], |work| work.handled.clone());
        for pick in picks {
            let told = told(&stage).into_iter();
            let waiting: Vec<_> = told.filter(|(number, _)| !numbers.contains(number)).collect();
            // Those of an earlier life are waited for no more.
            let last = waiting.last().map_or(0, |(_, (life, _))| *life);
            let of_last = waiting.iter().filter(|(_, (life, _))| *life == last).count();
            prop_assert!(of_last <= 4 || faults.is_made_again, "beyond the window: {:?}", waiting);
            if let Some((number, place)) = waiting.get(pick % waiting.len().max(1)) {
                numbers.insert(*number);
                places.insert(*place);
                stage.handle(*number);
            }
            kept = stage.checkpoint().or(kept);
            let (life, passed) = kept.as_ref().map_or((0, 0), |kept| place(kept.seq.as_str()));
            let shown = || stage.log();
            let are_handled = (1..=passed).all(|n| places.contains(&(life, n)));
            prop_assert!(are_handled, "{life} {passed}: {}", shown());
        }
        if work.is_some_and(|work| work.crashes) {
            check_order(&stage, how, from, &faults)?;
            from = kept.as_ref().map_or((0, 0), |kept| place(kept.seq.as_str()));
            let start = kept.clone().map_or(Start::Beginning, Start::Checkpoint);
            stage = run(&couch, how, start);
            numbers.clear();
        }
    }
    check_order(&stage, how, from, &faults)?;
    let (life, rows) = (couch.borrow().life, couch.borrow().rows);
    prop_assert!(couch.borrow().tries.is_empty());
    let log = stage.log();
    let of_last: Vec<_> = places.range((life, 0)..).map(|(_, place)| *place).collect();
    prop_assert!(of_last.iter().copied().eq(1..=rows), "{:?} of {}:\n{}", of_last, rows, log);
    if rows > 0 {
        prop_assert_eq!(kept.map(|kept| place(kept.seq.as_str())), Some((life, rows)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_handled_and_no_checkpoint_passes_one_that_is_not(
        script in tries(),
        how in how(Just(FeedMode::Continuous)),
    ) {
        check(how, script)?;
    }

    #[test]
    fn so_it_is_answer_by_answer(
        script in tries(),
        how in how(prop_oneof![Just(FeedMode::LongPoll), Just(FeedMode::Normal)]),
    ) {
        check(how, script)?;
    }
}
