//! For any script of rows, cuts, acknowledgements and restarts: every row is handled at least once,
//! in the server's order, and no checkpoint passes one that is not.

use super::*;
use masque::sessions::{Checkpoint, EveryChange, FeedEvent, FeedMode, Start};
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
    /// How many rows the feed goes back before what it is asked for.
    rewinds: usize,
    /// Of how many rows one has its sequence.
    interval: usize,
    /// The byte of the answer before which it is cut.
    cut: Option<Index>,
    has_last_seq: bool,
    /// Whether the answer says its length, rather than to come in chunks.
    has_length: bool,
    piece: usize,
    /// Between two pieces.
    pause_ms: u64,
}

/// What the watcher does after a while: it handles rows that it was told, each picked by a number,
/// and may crash and begin again with the checkpoint.
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
    has_timeout: bool,
    drops_repeats: bool,
}

fn tries() -> impl Strategy<Value = Vec<(Try, Work)>> {
    let one = (0..6_usize, 0..4_usize, 1..4_usize, prop::option::weighted(0.6, any::<Index>()));
    let one = (one, any::<bool>(), any::<bool>(), 1..200_usize, 0..20_u64).prop_map(|all| {
        let ((written, rewinds, interval, cut), has_last_seq, has_length, piece, pause_ms) = all;
        Try { written, rewinds, interval, cut, has_last_seq, has_length, piece, pause_ms }
    });
    // Most are done in the midst of an answer, some when all is still.
    let after = prop_oneof![3 => 0..200_u32, 1 => 200..7000_u32];
    let work = (after, prop::collection::vec(0..100_usize, 0..8), prop::bool::weighted(0.3))
        .prop_map(|(after_ms, handled, crashes)| Work { after_ms, handled, crashes });
    let script = prop::collection::vec((one, work), 0..10);
    (script, any::<bool>()).prop_map(|(mut script, goes_back)| {
        script.iter_mut().filter(|_| !goes_back).for_each(|(now, _)| now.rewinds = 0);
        script
    })
}

fn how(mode: impl Strategy<Value = FeedMode>) -> impl Strategy<Value = How> {
    (mode, any::<bool>(), any::<bool>()).prop_map(|(mode, has_timeout, drops_repeats)| How {
        mode,
        has_timeout,
        drops_repeats,
    })
}

/// A database of rows, each of a document of its own; the sequence of a row is its place.
#[derive(Default)]
struct Couch {
    rows: usize,
    tries: Vec<Try>,
}

impl Couch {
    fn answer(&mut self, asked: &Asked) -> Vec<Act> {
        match asked.target.as_str() {
            "/" => return vec![json("200 OK", "{\"uuid\":\"u\"}")],
            "/db" => return vec![info(&format!("\"{}-s\"", self.rows), "1")],
            _ => {}
        }
        let is_idle = self.tries.is_empty();
        let now = if is_idle { Try::well() } else { self.tries.remove(0) };
        self.rows += now.written;
        let place: usize = asked.since().trim_end_matches("-s").parse().unwrap();
        let is_paged = !asked.target.contains("feed=continuous");
        let mut rows = vec![];
        for n in place.saturating_sub(now.rewinds) + 1..=self.rows {
            let seq = if n % now.interval == 0 { format!("\"{n}-s\"") } else { "null".to_owned() };
            let rest = format!("\"id\":\"{n}\",\"changes\":[{{\"rev\":\"1-a\"}}]}}");
            rows.push(format!("{{\"seq\":{seq},{rest}"));
        }
        let last = format!("\"last_seq\":\"{}-s\"}}\n", self.rows);
        let mut text = if is_paged {
            format!("{{\"results\":[\n{}\n],\n{last}", rows.join(",\n"))
        } else {
            rows.iter().fold("\n".to_owned(), |text, row| text + row + "\n")
        };
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

/// The number and the place of each row that was told in this run.
fn told(stage: &Stage) -> Vec<(u64, usize)> {
    let told = stage.told.borrow();
    let rows = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, row, .. } => Some((*number, row.id.parse().unwrap())),
        _ => None,
    });
    rows.collect()
}

fn place(seq: &str) -> usize {
    seq.trim_end_matches("-s").parse().unwrap()
}

fn run(couch: &Rc<RefCell<Couch>>, how: How, start: Start) -> Stage {
    let server = couch.clone();
    let every = EveryChange::since(start).window(4);
    let every = if how.drops_repeats { every.drop_repeats() } else { every };
    Stage::new(move |asked| server.borrow_mut().answer(asked)).busy().follow_as(
        "http://couch/db",
        move |feed| {
            let feed = feed.mode(how.mode).every_change(every);
            if how.has_timeout { feed.timeout(Duration::from_secs(10)) } else { feed }
        },
    )
}

/// A run that began behind `from` has told the rows in the server's order, none left out; none from
/// before, but where the server went back; and none twice, where those are dropped.
fn check_order(stage: &Stage, how: How, from: usize, rewinds: usize) -> Result<(), TestCaseError> {
    let told = told(stage);
    let world = stage.world.borrow();
    let shown = || format!("{told:?} from {from}:\n{}", world.log.join("\n"));
    let feeds: Vec<_> = world.asked.iter().filter(|asked| asked.is_feed()).collect();
    prop_assert!(feeds.first().is_none_or(|asked| place(&asked.since()) == from), "{}", shown());
    prop_assert!(told.windows(2).all(|two| two[0].0 < two[1].0), "{}", shown());
    let (mut last, mut furthest, mut turns) = (from, from, 0);
    for (_, place) in &told {
        prop_assert!(*place <= furthest + 1 && *place + rewinds > from, "{place}: {}", shown());
        turns += usize::from(*place != last + 1);
        last = *place;
        furthest = furthest.max(last);
    }
    // No answer is cut without the end of its connection.
    let is_silent = world.log.iter().any(|line| line.contains("not even a heartbeat"));
    prop_assert!(!is_silent, "{}", shown());
    // Each request may begin elsewhere, and what is dropped is left out.
    prop_assert!(how.drops_repeats || turns <= feeds.len(), "{turns} turns: {}", shown());
    let places: BTreeSet<_> = told.iter().map(|(_, place)| place).collect();
    prop_assert!(!how.drops_repeats || places.len() == told.len(), "{}", shown());
    Ok(())
}

fn check(how: How, script: Vec<(Try, Work)>) -> Result<(), TestCaseError> {
    let (tries, works): (Vec<_>, Vec<_>) = script.into_iter().unzip();
    let rewinds = tries.iter().map(|now: &Try| now.rewinds).sum();
    let couch = Rc::new(RefCell::new(Couch { rows: 0, tries }));
    let mut stage = run(&couch, how, Start::Beginning);
    let (mut numbers, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut kept: Option<Checkpoint> = None;
    let mut from = 0;
    let mut works = works.into_iter();
    for _ in 0..200 {
        let work = works.next();
        stage.run_s(work.as_ref().map_or(7.0, |work| f64::from(work.after_ms) / 1000.0));
        let picks = work.as_ref().map_or(vec![0; 4], |work| work.handled.clone());
        for pick in picks {
            let told = told(&stage).into_iter();
            let waiting: Vec<_> = told.filter(|(number, _)| !numbers.contains(number)).collect();
            prop_assert!(waiting.len() <= 4, "more than the window: {:?}", waiting);
            if let Some((number, place)) = waiting.get(pick % waiting.len().max(1)) {
                numbers.insert(*number);
                places.insert(*place);
                stage.handle(*number);
            }
            kept = stage.checkpoint().or(kept);
            let passed = kept.as_ref().map_or(0, |kept| place(kept.seq.as_str()));
            let shown = || stage.world.borrow().log.join("\n");
            prop_assert!((1..=passed).all(|n| places.contains(&n)), "{passed}: {}", shown());
        }
        if work.is_some_and(|work| work.crashes) {
            check_order(&stage, how, from, rewinds)?;
            from = kept.as_ref().map_or(0, |kept| place(kept.seq.as_str()));
            let start = kept.clone().map_or(Start::Beginning, Start::Checkpoint);
            stage = run(&couch, how, start);
            numbers.clear();
        }
    }
    check_order(&stage, how, from, rewinds)?;
    let rows = couch.borrow().rows;
    prop_assert!(couch.borrow().tries.is_empty());
    let log = stage.world.borrow().log.join("\n");
    prop_assert!(places.iter().copied().eq(1..=rows), "{:?} of {}:\n{}", places, rows, log);
    prop_assert_eq!(kept.map_or(0, |kept| place(kept.seq.as_str())), rows);
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
