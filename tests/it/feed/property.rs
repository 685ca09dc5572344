//! For any life of a database and any faults on the way, the watcher ends on the newest revisions,
//! sees revisions in the server's order, and none twice.

use super::*;
use masque::sessions::FeedMode;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const DOCS: [&str; 3] = ["x", "y", "z"];

/// What happens while a feed is open.
#[derive(Clone, Debug)]
enum Op {
    Write(usize),
    Delete(usize),
    /// The last row is repeated.
    Again,
    /// A row without its document.
    Bare(usize),
    /// A row without a sequence.
    Unnumbered(usize),
    Beat,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    Finish,
    LastSeq,
    Silence,
    Nonsense,
    /// The database is deleted and made again.
    Recreate,
}

/// What the server does at one try.
#[derive(Clone, Debug)]
struct Try {
    refuses: bool,
    /// A document is written before each reading of a document.
    between: Option<usize>,
    /// The number of changes that the feed repeats before the requested sequence.
    rewinds: usize,
    ops: Vec<Op>,
    /// The part of the feed after which it is cut, in thousandths.
    cut: Option<usize>,
    end: End,
    piece: usize,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let doc = 0..DOCS.len();
    let op = prop_oneof![
        4 => doc.clone().prop_map(Op::Write),
        1 => doc.clone().prop_map(Op::Delete),
        1 => Just(Op::Again),
        1 => doc.clone().prop_map(Op::Bare),
        1 => doc.clone().prop_map(Op::Unnumbered),
        1 => Just(Op::Beat),
    ];
    let end = prop_oneof![
        Just(End::Kill),
        Just(End::Finish),
        Just(End::LastSeq),
        Just(End::Silence),
        Just(End::Nonsense),
        Just(End::Recreate),
    ];
    let one = (
        prop::bool::weighted(0.1),
        prop::option::weighted(0.3, doc),
        0..4_usize,
        prop::collection::vec(op, 0..10),
        prop::option::weighted(0.5, 0..1000_usize),
        end,
        1..300_usize,
    )
        .prop_map(|(refuses, between, rewinds, ops, cut, end, piece)| Try {
            refuses,
            between,
            rewinds,
            ops,
            cut,
            end,
            piece,
        });
    prop::collection::vec(one, 0..8)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Identity), Just(Kind::Sequences), Just(Kind::Numbers)]
}

/// How a server identifies its databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// It says which is which.
    #[default]
    Identity,
    /// Its sequences are of one database each.
    Sequences,
    /// Its sequences are numbers: not at all.
    Numbers,
}

/// The current database, and all earlier revisions of its documents.
#[derive(Default)]
struct Couch {
    kind: Kind,
    life: usize,
    /// Document and revision of each change, `-` where it was deleted; its sequence is its place.
    changes: Vec<(usize, String)>,
    revs: usize,
    stands: BTreeMap<usize, Vec<String>>,
    tries: Vec<Try>,
}

impl Couch {
    fn change(&mut self, doc: usize, is_gone: bool) {
        self.revs += 1;
        let rev = if is_gone { "-".into() } else { format!("{}-r", self.revs) };
        self.changes.push((doc, rev.clone()));
        self.stands.get_mut(&doc).unwrap().push(rev);
    }

    fn stand(&self, doc: usize) -> &str {
        self.stands[&doc].last().unwrap()
    }

    fn seq(&self, place: usize) -> String {
        match self.kind {
            Kind::Numbers => place.to_string(),
            _ => format!("\"{place}-{}\"", self.life),
        }
    }

    fn line(&self, place: usize, is_bare: bool, is_unnumbered: bool) -> String {
        let (doc, rev) = &self.changes[place - 1];
        let seq = if is_unnumbered { "null".into() } else { self.seq(place) };
        let line = row(&seq, DOCS[*doc], rev);
        match rev.as_str() {
            "-" => line.replace("\"doc\":", "\"deleted\":true,\"doc\":"),
            _ if is_bare => format!("{}}}\n", &line[..line.find(",\"doc\"").unwrap()]),
            _ => line,
        }
    }

    /// Every document's last change after `place`, in their order.
    fn after(&self, place: usize) -> Vec<usize> {
        let is_last = |at: &usize| {
            let doc = self.changes[*at - 1].0;
            self.changes[*at..].iter().all(|change| change.0 != doc)
        };
        (place + 1..=self.changes.len()).filter(is_last).collect()
    }

    fn recreate(&mut self) {
        self.life += 1;
        self.changes.clear();
        self.stands
            .values_mut()
            .filter(|revs| revs.last().unwrap() != "-")
            .for_each(|revs| revs.push("-".into()));
    }

    fn answer(&mut self, asked: &Asked) -> Vec<Act> {
        if asked.target == "/db" {
            if self.tries.first().is_some_and(|now| now.refuses) {
                self.tries.remove(0);
                return vec![json("503 Service Unavailable", "{}")];
            }
            let identity = match self.kind {
                Kind::Identity => format!("life {}", self.life),
                _ => "0".into(),
            };
            return vec![info(&self.seq(self.changes.len()), &identity)];
        }
        if !asked.is_feed() {
            if let Some(doc) = self.tries.first().and_then(|now| now.between) {
                self.change(doc, false);
            }
            let doc = DOCS.iter().position(|doc| asked.target == format!("/db/{doc}")).unwrap();
            return vec![match self.stand(doc) {
                "-" => json("404 Object Not Found", r#"{"error":"not_found","reason":"deleted"}"#),
                rev => json("200 OK", &format!(r#"{{"_id":"{}","_rev":"{rev}"}}"#, DOCS[doc])),
            }];
        }
        let is_idle = self.tries.is_empty();
        let now = if is_idle { Try::well() } else { self.tries.remove(0) };
        let since = asked.since();
        let (place, life) = since.split_once('-').unwrap_or((&since, ""));
        let is_known = self.kind == Kind::Numbers || life == self.life.to_string();
        let place = if is_known { place.parse::<usize>().unwrap() } else { 0 };
        let mut lines = vec!["\n".to_owned()];
        for place in self.after(place.saturating_sub(now.rewinds)) {
            lines.push(self.line(place, false, false));
        }
        for op in &now.ops {
            let (is_bare, is_unnumbered) =
                (matches!(op, Op::Bare(_)), matches!(op, Op::Unnumbered(_)));
            match op {
                Op::Write(doc) | Op::Bare(doc) | Op::Unnumbered(doc) => self.change(*doc, false),
                Op::Delete(doc) if self.stand(*doc) != "-" => self.change(*doc, true),
                Op::Again if !self.changes.is_empty() => {}
                _ => {
                    lines.push("\n".into());
                    continue;
                }
            }
            lines.push(self.line(self.changes.len(), is_bare, is_unnumbered));
        }
        let is_paged = !asked.target.contains("feed=continuous");
        let is_waiting = asked.target.contains("feed=longpoll") && lines.len() == 1;
        // An answer that has an end comes to it, unless nothing has changed and it may wait.
        let is_whole = match now.end {
            _ if is_idle => is_paged && !is_waiting,
            End::LastSeq | End::Recreate => true,
            _ => false,
        };
        let last = match now.end {
            _ if is_whole => format!("{{\"last_seq\":{}}}\n", self.seq(self.changes.len())),
            End::Nonsense => "<html>\n".into(),
            _ => String::new(),
        };
        let text = if is_paged { page(&lines, &last) } else { lines.concat() + &last };
        if matches!(now.end, End::Recreate) {
            self.recreate();
        }
        Self::acts(&now, &text, is_whole, is_idle && !is_whole)
    }

    fn acts(now: &Try, text: &str, is_whole: bool, goes_on: bool) -> Vec<Act> {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in text.as_bytes().chunks(now.piece * 2) {
            bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        if is_whole {
            bytes.extend(b"0\r\n\r\n");
        }
        if let Some(cut) = now.cut {
            bytes.truncate(bytes.len() * cut / 1000);
        }
        let pieces = bytes.chunks(now.piece).map(Act::send);
        let end = match now.end {
            _ if goes_on => beats(200).collect(),
            _ if now.cut.is_some() => vec![Act::Kill],
            End::Kill => vec![Act::Kill],
            End::Silence => vec![],
            _ => vec![Act::Finish],
        };
        pieces.chain(end).collect()
    }
}

/// Encodes `lines` and `last` as one answer. CouchDB sends a comma only before the next row. The
/// answer is complete if `last` has the last sequence.
fn page(lines: &[String], last: &str) -> String {
    let mut page = "{\"results\":[\n".to_owned();
    let mut comma = "";
    for line in lines {
        if line.starts_with('{') {
            page += std::mem::replace(&mut comma, ",\n");
        }
        page += line.strip_suffix("}\n").map_or("\n".into(), |row| row.to_owned() + "}").as_str();
    }
    page + "\n" + &last.replacen('{', "],\n", 1)
}

impl Try {
    fn well() -> Self {
        let ops = vec![];
        Try {
            refuses: false,
            between: None,
            rewinds: 0,
            ops,
            cut: None,
            end: End::Silence,
            piece: 100,
        }
    }
}

/// Runs `tries` and compares the events with the database.
fn check(
    kind: Kind,
    mode: FeedMode,
    has_timeout: bool,
    tries: Vec<Try>,
) -> Result<(), TestCaseError> {
    let nonsense = tries.iter().filter(|now| matches!(now.end, End::Nonsense)).count();
    let stands = (0..DOCS.len()).map(|doc| (doc, vec!["-".to_owned()])).collect();
    let couch = Rc::new(RefCell::new(Couch { kind, stands, tries, ..Couch::default() }));
    let server = couch.clone();
    let mut stage =
        Stage::new(move |asked| server.borrow_mut().answer(asked)).follow_with(move |feed| {
            let feed = feed.mode(mode).doc("x").doc("y");
            if has_timeout { feed.timeout(Duration::from_secs(10)) } else { feed }
        });
    stage.run_s(1000.0);
    let couch = couch.borrow();
    prop_assert!(couch.tries.is_empty());
    prop_assert_eq!(stage.world.borrow().most_open, 1);
    let log = stage.log();
    prop_assert!(log.matches("not a line of a changes feed").count() <= nonsense, "{}", log);
    for (doc, stands) in couch.stands.iter().filter(|(doc, _)| DOCS[**doc] != "z") {
        let told = stage.revs(DOCS[*doc]);
        let shown = || format!("{told:?} of {stands:?}\n{log}");
        prop_assert_eq!(told.last(), stands.last(), "{}", shown());
        let mut rest = stands.iter();
        prop_assert!(told.iter().all(|rev| rest.any(|stand| stand == rev)), "{}", shown());
        prop_assert!(told.windows(2).all(|two| two[0] != two[1]), "{}", shown());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn watchers_end_on_the_newest_in_order_and_hear_nothing_twice(
        tries in tries(),
        kind in kind(),
        has_timeout in any::<bool>(),
    ) {
        check(kind, FeedMode::Continuous, has_timeout, tries)?;
    }

    #[test]
    fn so_they_do_answer_by_answer(
        tries in tries(),
        kind in kind(),
        mode in prop_oneof![Just(FeedMode::LongPoll), Just(FeedMode::Normal)],
        has_timeout in any::<bool>(),
    ) {
        check(kind, mode, has_timeout, tries)?;
    }
}
