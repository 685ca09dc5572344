//! For any script of rows, cuts, acknowledgements and restarts: every row is handled at least once,
//! and no checkpoint passes one that is not.

use super::*;
use masque::sessions::{Checkpoint, EveryChange, FeedEvent, FeedMode, Start};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What the server does with one request for the feed.
#[derive(Clone, Debug)]
struct Try {
    /// How many rows are new.
    written: usize,
    /// How many rows the feed goes back before what it is asked for.
    rewinds: usize,
    /// Of how many rows one has its sequence.
    interval: usize,
    /// The part of the feed after which it is cut, in thousandths.
    cut: Option<usize>,
    has_last_seq: bool,
    piece: usize,
}

/// What the watcher does then: it handles rows that it was told, each picked by a number, and may
/// crash and begin again with the checkpoint.
#[derive(Clone, Debug)]
struct Work {
    handled: Vec<usize>,
    crashes: bool,
}

fn tries() -> impl Strategy<Value = Vec<(Try, Work)>> {
    let one = (0..6_usize, 0..4_usize, 1..4_usize, prop::option::weighted(0.6, 0..1000_usize));
    let one = (one, any::<bool>(), 1..200_usize).prop_map(|(numbers, has_last_seq, piece)| {
        let (written, rewinds, interval, cut) = numbers;
        Try { written, rewinds, interval, cut, has_last_seq, piece }
    });
    let work = (prop::collection::vec(0..100_usize, 0..8), prop::bool::weighted(0.3))
        .prop_map(|(handled, crashes)| Work { handled, crashes });
    prop::collection::vec((one, work), 0..10)
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
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in text.as_bytes().chunks(now.piece * 2) {
            bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        if let Some(cut) = now.cut {
            bytes.truncate(bytes.len() * cut / 1000);
        }
        let end = if now.cut.is_some() { Act::Kill } else { Act::wait_s(1.0) };
        bytes.chunks(now.piece).map(Act::send).chain([end]).collect()
    }
}

impl Try {
    fn well() -> Self {
        Try { written: 0, rewinds: 0, interval: 1, cut: None, has_last_seq: false, piece: 100 }
    }
}

/// The number and the place of each row that was told in this run and is not handled.
fn unhandled(stage: &Stage, handled: &BTreeSet<u64>) -> Vec<(u64, usize)> {
    let told = stage.told.borrow();
    let rows = told.iter().filter_map(|event| match event {
        FeedEvent::Row { number, row, .. } => Some((*number, row.id.parse().unwrap())),
        _ => None,
    });
    rows.filter(|(number, _)| !handled.contains(number)).collect()
}

fn run(couch: &Rc<RefCell<Couch>>, mode: FeedMode, start: Start) -> Stage {
    let server = couch.clone();
    Stage::new(move |asked| server.borrow_mut().answer(asked))
        .busy()
        .follow_as("http://couch/db", move |feed| {
            feed.mode(mode).every_change(EveryChange::since(start).window(4))
        })
}

fn check(mode: FeedMode, script: Vec<(Try, Work)>) -> Result<(), TestCaseError> {
    let (tries, works): (Vec<_>, Vec<_>) = script.into_iter().unzip();
    let couch = Rc::new(RefCell::new(Couch { rows: 0, tries }));
    let mut stage = run(&couch, mode, Start::Beginning);
    let (mut numbers, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut kept: Option<Checkpoint> = None;
    let mut works = works.into_iter();
    for _ in 0..200 {
        stage.run_s(7.0);
        let work = works.next();
        let picks = work.as_ref().map_or(vec![0; 4], |work| work.handled.clone());
        for pick in picks {
            let waiting = unhandled(&stage, &numbers);
            prop_assert!(waiting.len() <= 4, "more than the window: {:?}", waiting);
            if let Some((number, place)) = waiting.get(pick % waiting.len().max(1)) {
                numbers.insert(*number);
                places.insert(*place);
                stage.handle(*number);
            }
            kept = stage.checkpoint().or(kept);
            let seq = kept.as_ref().map_or("0", |kept| kept.seq.as_str());
            let passed: usize = seq.trim_end_matches("-s").parse().unwrap();
            let shown = || stage.world.borrow().log.join("\n");
            prop_assert!((1..=passed).all(|n| places.contains(&n)), "{seq}: {}", shown());
        }
        if work.is_some_and(|work| work.crashes) {
            let start = kept.clone().map_or(Start::Beginning, Start::Checkpoint);
            stage = run(&couch, mode, start);
            numbers.clear();
        }
    }
    let rows = couch.borrow().rows;
    prop_assert!(couch.borrow().tries.is_empty());
    let log = stage.world.borrow().log.join("\n");
    prop_assert!(places.iter().copied().eq(1..=rows), "{:?} of {}:\n{}", places, rows, log);
    let seq = kept.map_or("0".into(), |kept| kept.seq.to_string());
    prop_assert_eq!(seq.trim_end_matches("-s"), rows.to_string());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_handled_and_no_checkpoint_passes_one_that_is_not(script in tries()) {
        check(FeedMode::Continuous, script)?;
    }

    #[test]
    fn so_it_is_answer_by_answer(
        script in tries(),
        mode in prop_oneof![Just(FeedMode::LongPoll), Just(FeedMode::Normal)],
    ) {
        check(mode, script)?;
    }
}
