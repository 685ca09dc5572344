//! Rows of every change that are too long with their documents.

use super::*;
use masque::sessions::{EveryChange, FeedEvent, Query, Start};

/// A document of this id that is too long, or not.
fn doc(id: &str, is_long: bool) -> String {
    let text = "x".repeat(if is_long { 1000 } else { 1 });
    format!("{{\"_id\":\"{id}\",\"_rev\":\"1-a\",\"text\":\"{text}\"}}")
}

fn line(seq: usize, id: &str, doc: Option<String>) -> String {
    let doc = doc.map_or(String::new(), |doc| format!(",\"doc\":{doc}"));
    format!("{{\"seq\":\"{seq}-s\",\"id\":\"{id}\",\"changes\":[{{\"rev\":\"1-a\"}}]{doc}}}\n")
}

/// A database of the documents `a`, `long` and `b` in two shards, the second of which has only
/// `long`. With documents, `long` comes first; without them, it comes last. Of them `document` is
/// asked for by itself.
fn sharded(mut document: impl FnMut(&Asked, &str) -> Act + 'static) -> Stage {
    let query = Query::new().conflicts().attachments().all_revs();
    let every = EveryChange::since(Start::Beginning).query(query);
    Stage::with_database("\"3-t\"", move |asked| match asked.target.as_str() {
        _ if asked.is_sounding() => vec![nothing_more(asked)],
        _ if !asked.is_feed() => {
            let id = asked.target["/db/".len()..].split('?').next().unwrap().to_owned();
            vec![document(asked, &id)]
        }
        target => {
            let has_docs = target.contains("include_docs=true");
            let ids = if has_docs { ["long", "a", "b"] } else { ["a", "b", "long"] };
            // The sequence says which have come: one bit for each.
            let told: usize = asked.since().trim_end_matches("-s").parse().unwrap();
            let bit = |id: &str| match id {
                "a" => 1,
                "b" => 2,
                _ => 4,
            };
            let mut seq = told;
            let lines = ids.iter().filter(|id| told & bit(id) == 0).map(|id| {
                seq |= bit(id);
                line(seq, id, has_docs.then(|| doc(id, *id == "long")))
            });
            let lines: String = lines.collect();
            [begin(), chunk(&lines)].into_iter().chain(beats(3)).collect()
        }
    })
    .follow_with(|feed| feed.every_change(every).line_max(500))
}

/// The rows that were reported: their documents, `-` for none. Also the ids that were too long.
fn told(stage: &Stage) -> Vec<String> {
    let told = stage.told.borrow();
    let shown = told.iter().filter_map(|event| match event {
        FeedEvent::Row { row, .. } => {
            let doc = row.doc.as_ref().map_or("-".into(), |doc| String::from_utf8_lossy(doc));
            let json: serde_json::Value = serde_json::from_slice(&row.json).unwrap();
            assert_eq!(json["doc"].is_object(), row.doc.is_some(), "{row:?}");
            Some(format!("{} {doc}", row.id))
        }
        FeedEvent::TooLong { id, max } => Some(format!("{id} is longer than {max}")),
        _ => None,
    });
    shown.collect()
}

#[test]
fn a_document_that_fits_is_reported_next_to_one_that_does_not() {
    for answer in [|doc: &str| json("200 OK", doc), unannounced] {
        let mut stage = sharded(move |_, id| answer(&doc(id, id == "long")));
        stage.run_s(20.0);
        let [a, b] = ["a", "b"].map(|id| format!("{id} {}", doc(id, false)));
        assert_eq!(told(&stage), [&a, &b, "long is longer than 500", "long -"]);
        let world = stage.world.borrow();
        let documents = world.asked.iter().filter(|asked| asked.target.contains("?rev="));
        let targets: Vec<_> = documents.map(|asked| asked.target.as_str()).collect();
        let target = |id| format!("/db/{id}?rev=1-a&conflicts=true&attachments=true");
        assert_eq!(targets, [target("a"), target("b"), target("long")]);
        assert_eq!(world.most_open, 1);
        drop(world);
        assert_eq!(stage.handled(), "7-s");
    }
}

#[test]
fn an_unavailable_document_is_omitted_and_not_reported_as_too_long() {
    for status in ["404 Object Not Found", "403 Forbidden"] {
        let mut stage = sharded(move |_, id| match id {
            "a" => json(status, r#"{"error":"not_found","reason":"missing"}"#),
            id => json("200 OK", &doc(id, id == "long")),
        });
        stage.run_s(20.0);
        let b = format!("b {}", doc("b", false));
        assert_eq!(told(&stage), ["a -", &b, "long is longer than 500", "long -"]);
    }
}

#[test]
fn a_temporarily_unavailable_document_is_requested_again() {
    let mut tries = 0;
    let mut stage = sharded(move |_, id| {
        tries += 1;
        match tries {
            1 => json("503 Service Unavailable", "{}"),
            2 => Act::Kill,
            3 => json("200 OK", "<html>"),
            _ => json("200 OK", &doc(id, id == "long")),
        }
    });
    stage.run_s(30.0);
    let [a, b] = ["a", "b"].map(|id| format!("{id} {}", doc(id, false)));
    assert_eq!(told(&stage), [&a, &b, "long is longer than 500", "long -"]);
}

#[test]
fn rows_of_a_feed_without_documents_are_not_reported_as_too_long() {
    let long = line(2, &"l".repeat(600), None);
    let every = EveryChange::since(Start::Beginning);
    let mut stage = Stage::with_database("\"3-t\"", move |asked| match asked.target.as_str() {
        // A document that was too long is missing in the next answer.
        _ if asked.feeds == 1 => vec![begin(), chunk(&long)],
        _ => vec![begin(), chunk(&line(3, "b", None))],
    })
    .follow_with(|feed| feed.every_change(every).line_max(500));
    stage.run_s(3.0);
    assert_eq!(told(&stage), ["b -"]);
}

#[test]
fn a_server_that_repeats_the_row_of_since_was_asked_without_a_pause() {
    let every = EveryChange::since(Start::Beginning).query(Query::new().include_docs());
    let mut requests = 0;
    let mut stage = Stage::new(move |asked| {
        requests += 1;
        assert!(requests < 200, "a storm");
        match asked.target.as_str() {
            "/" => vec![json("200 OK", "{}")],
            "/db" => vec![info("\"2-s\"", "1")],
            "/db/a?rev=1-a" => vec![json("200 OK", &doc("a", false))],
            _ if asked.is_sounding() => vec![nothing_more(asked)],
            target if target.contains("include_docs=true") => {
                let lines = [("a", false), ("long", true)].map(|(id, is_long)| doc(id, is_long));
                let [a, long] = lines;
                vec![begin(), chunk(&(line(1, "a", Some(a)) + &line(2, "long", Some(long))))]
            }
            _ => {
                vec![begin(), chunk(&line(1, "a", None)), chunk("{\"last_seq\":\"1-s\"}\n"), end()]
            }
        }
    })
    .follow_with(|feed| feed.every_change(every).line_max(500));
    stage.run_s(60.0);
    assert_eq!(stage.world.borrow().most_open, 1);
    let stuck = |event: &FeedEvent| matches!(event, FeedEvent::Stuck { .. });
    assert!(stage.told.borrow().iter().any(stuck));
}
