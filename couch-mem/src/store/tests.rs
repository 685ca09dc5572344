//! The store as its users see it: conflicts, tombstones, replication, bounds, and a feed that never
//! loses a change.

use std::collections::BTreeMap;

use super::revision::History;
use super::*;
use crate::limits::{DATABASE_SIZE_MAX, DATABASES_MAX, DOCUMENTS_MAX, LEAVES_MAX};

fn store() -> Store {
    Store::new(Identity { uuid: 7, start_time_s: 1_000 })
}

fn history(generation: u64, digests: &[u128]) -> History {
    History::new(generation, digests.iter().map(|&digest| digest.into()).collect()).unwrap()
}

fn draft(json: &str) -> Draft {
    Draft::from_json(json).unwrap()
}

#[test]
fn an_edit_needs_the_revision_that_it_is_for() {
    let mut store = store();
    let db = store.create("db").unwrap();
    let first = db.put("d", None, &draft(r#"{"a":1}"#)).unwrap();
    assert_eq!(db.put("d", None, &draft("{}")), Err(PutError::Conflict));
    let second = db.put("d", Some(&first), &draft(r#"{"a":2}"#)).unwrap();
    assert_eq!(second.generation, 2);
    assert_eq!(db.put("d", Some(&first), &draft("{}")), Err(PutError::Conflict));
    assert_eq!(db.put("new", Some(&first), &draft("{}")), Err(PutError::Conflict));
    assert_eq!(&*db.get("d", None).unwrap().body, "\"a\":2");
    assert_eq!(db.get("d", Some(&first)).unwrap_err(), GetError::Missing);
}

#[test]
fn a_tombstone_can_be_followed_without_its_revision() {
    let mut store = store();
    let db = store.create("db").unwrap();
    let first = db.put("d", None, &draft("{}")).unwrap();
    let dead = db.delete("d", &first).unwrap();
    assert_eq!(db.get("d", None).unwrap_err(), GetError::Deleted);
    assert!(db.get("d", Some(&dead)).unwrap().deleted);
    assert_eq!((db.document_count(), db.deleted_count()), (0, 1));
    let third = db.put("d", None, &draft("{}")).unwrap();
    assert_eq!(third.generation, 3);
    assert_eq!((db.document_count(), db.deleted_count()), (1, 0));
}

#[test]
fn replicas_agree_on_the_winner_whatever_the_order() {
    let edits = [
        (history(1, &[1]), r#"{"v":1}"#),
        (history(2, &[0xa, 1]), r#"{"v":2}"#),
        (history(2, &[0xb, 1]), r#"{"v":3}"#),
        (history(3, &[0xc, 0xb, 1]), r#"{"_deleted":true}"#),
    ];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        let mut store = store();
        let db = store.create("db").unwrap();
        for at in order {
            let (history, json) = &edits[at];
            db.graft("d", history.clone(), &draft(json)).unwrap();
        }
        let document = db.document("d").unwrap();
        let leaves: Vec<_> = document.leaves().iter().map(Leaf::rev).collect();
        let expected = [history(2, &[0xa]), history(3, &[0xc])].map(|history| history.leaf());
        assert_eq!(leaves, expected, "{order:?}");
    }
}

#[test]
fn a_known_revision_changes_nothing() {
    let mut store = store();
    let db = store.create("db").unwrap();
    let known = history(2, &[2, 1]);
    db.graft("d", known.clone(), &draft("{}")).unwrap();
    let before = db.update_seq();
    db.graft("d", known, &draft("{}")).unwrap();
    db.graft("d", history(1, &[1]), &draft("{}")).unwrap();
    assert_eq!(db.update_seq(), before);
}

#[test]
fn changes_of_ids_are_in_order_and_once() {
    let mut store = store();
    let db = store.create("db").unwrap();
    for id in ["c", "a", "b"] {
        db.put(id, None, &draft("{}")).unwrap();
    }
    let ids = ["a", "none", "c", "a"].map(String::from);
    let rows: Vec<_> = db.changes_of(&ids, 0).iter().map(|change| change.id).collect();
    assert_eq!(rows, ["c", "a"]);
    let rows: Vec<_> = db.changes_of(&ids, 1).iter().map(|change| change.id).collect();
    assert_eq!(rows, ["a"]);
}

#[test]
fn changed_and_deleted_databases_are_reported_once() {
    let mut store = store();
    store.create("a").unwrap();
    assert!(store.take_changed().is_empty());
    store.database_mut("a").unwrap().put("d", None, &draft("{}")).unwrap();
    store.create("b").unwrap();
    assert_eq!(store.take_changed(), ["a".into()]);
    assert!(store.take_changed().is_empty());
    assert!(store.delete("b") && !store.delete("b"));
    assert_eq!(store.take_changed(), ["b".into()]);
}

#[test]
fn a_recreated_database_is_another_database() {
    let mut store = store();
    let old = store.create("db").unwrap();
    old.put("d", None, &draft("{}")).unwrap();
    let (seq, time_s) = (old.update_seq(), old.start_time_s());
    store.delete("db");
    let new = store.create("db").unwrap();
    assert_ne!(new.start_time_s(), time_s);
    new.put("e", None, &draft("{}")).unwrap();
    assert_eq!(new.number(Since::Sequence(seq)), 0, "a foreign sequence replays all");
    let own = new.update_seq();
    assert_eq!(new.number(Since::Sequence(own)), 1);
    assert_eq!(new.number(Since::Sequence(Sequence { number: u64::MAX, ..own })), 1);
}

#[test]
fn limits_are_enforced_and_a_rejected_edit_changes_nothing() {
    let mut store = store();
    for n in 0..DATABASES_MAX {
        store.create(&format!("db{n}")).unwrap();
    }
    assert_eq!(store.create("more").unwrap_err(), CreateError::TooMany);
    let db = store.database_mut("db0").unwrap();
    for n in 0..DOCUMENTS_MAX {
        db.put(&n.to_string(), None, &Draft::default()).unwrap();
    }
    assert_eq!(db.put("more", None, &Draft::default()), Err(PutError::TooManyDocuments));
    assert_eq!(db.put_local("more", 0, &Draft::default()), Err(PutError::TooManyDocuments));
    let rev = db.get("0", None).unwrap().rev();
    db.put("0", Some(&rev), &Draft::default()).expect("an edit adds no document");

    let db = store.database_mut("db1").unwrap();
    let large = Draft { body: format!("\"a\":\"{}\"", "x".repeat(7 << 20)), ..Draft::default() };
    let stored = (0..99).take_while(|n| db.put(&n.to_string(), None, &large).is_ok()).count();
    assert_eq!(stored, DATABASE_SIZE_MAX / (7 << 20));
    assert_eq!(db.put("more", None, &large), Err(PutError::DatabaseFull));
    let (seq, size) = (db.update_seq(), db.size());
    assert!(db.put("more", None, &large).is_err());
    assert_eq!((db.update_seq(), db.size()), (seq, size));
    let rev = db.get("0", None).unwrap().rev();
    db.delete("0", &rev).expect("a full database can be emptied");
    assert!(db.size() < size - (6 << 20));

    let db = store.database_mut("db2").unwrap();
    let leaf = |n: u128| history(1, &[n]);
    for n in 0..LEAVES_MAX as u128 {
        db.graft("d", leaf(n), &Draft::default()).unwrap();
    }
    assert_eq!(db.graft("d", leaf(999), &Draft::default()), Err(PutError::TooManyConflicts));
    for id in ["", "_x", "_design/", &"x".repeat(2_000)] {
        let put = db.put(id, None, &Draft::default());
        assert!(matches!(put, Err(PutError::IllegalId(_))), "{id:.9}: {put:?}");
    }
}

/// After any mix of edits, the feed shows each document once, at its latest revision. A reader that
/// stops at any point and continues from its sequence ends with the same documents as the database.
#[test]
fn replays_are_complete_from_every_sequence() {
    for seed in 1..=20_u64 {
        let mut random = seed;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut store = store();
        let db = store.create("db").unwrap();
        let mut replicas = vec![(0, BTreeMap::new())];
        for step in 0..200 {
            let id = format!("d{}", next(12));
            let rev = db.document(&id).map(|document| document.winner().rev());
            let draft = Draft { body: format!("\"step\":{step}"), ..Draft::default() };
            match (next(4), rev) {
                (0, Some(rev)) if db.get(&id, None).is_ok() => {
                    db.delete(&id, &rev).unwrap();
                }
                (1, Some(rev)) => {
                    let history = history(rev.generation, &[u128::from(next(1_000))]);
                    db.graft(&id, history, &draft).ok();
                }
                (_, rev) => {
                    db.put(&id, rev.as_ref(), &draft).unwrap();
                }
            }
            if next(10) == 0 {
                let at = next(replicas.len() as u64) as usize;
                let mut behind = replicas[at].clone();
                catch_up(db, &mut behind);
                replicas.push(behind);
            }
        }
        let ids = db.documents((std::ops::Bound::Unbounded, std::ops::Bound::Unbounded));
        let truth: BTreeMap<_, _> =
            ids.map(|(id, document)| (id.to_owned(), document.winner().rev())).collect();
        assert_eq!(db.changes(0).count(), truth.len());
        assert_eq!(db.document_count() + db.deleted_count(), truth.len());
        for mut replica in replicas {
            catch_up(db, &mut replica);
            assert_eq!(replica.1, truth, "seed {seed}");
            assert_eq!(db.pending(replica.0), 0);
        }
    }
}

fn catch_up(db: &Database, (since, documents): &mut (u64, BTreeMap<String, Revision>)) {
    assert_eq!(db.pending(*since), db.changes(*since).count());
    for change in db.changes(*since) {
        assert!(change.document.seq > *since);
        *since = change.document.seq;
        documents.insert(change.id.to_owned(), change.document.winner().rev());
    }
}
