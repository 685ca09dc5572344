//! Recorded answers of a real server other than feeds, each for one rule.

use super::*;
use masque::sessions::{EveryChange, Start};
use std::path::Path;

/// What `CouchDB` 3.5.1 sent in this case.
fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/couchdb-3.5.1");
    std::fs::read(folder.join(name).with_extension("response")).unwrap()
}

#[test]
fn a_document_with_a_recorded_purge_was_shown_forever() {
    // The row of the purged document has come, and after the purge that of another one.
    let feed = recorded("cont_purge");
    let mut looks = 0;
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/db" => {
            looks += 1;
            let purge_seq = u32::from(looks > 2);
            let identity = "\"instance_start_time\":\"1\"";
            let seqs = format!("\"update_seq\":\"0-g\",\"purge_seq\":\"{purge_seq}-g\"");
            vec![json("200 OK", &format!("{{{seqs},{identity}}}"))]
        }
        "/db/pp" if looks < 3 && asked.feeds > 0 => {
            let rev = "1-731bef401491606a3b246ed178e697c1";
            vec![json("200 OK", &format!("{{\"_id\":\"pp\",\"_rev\":\"{rev}\"}}"))]
        }
        "/db/pp" => {
            vec![json("404 Object Not Found", r#"{"error":"not_found","reason":"missing"}"#)]
        }
        _ if asked.since() == "0-g" => vec![Act::send(feed.clone())],
        _ => [begin(), chunk("\n")].into_iter().chain(beats(9)).collect(),
    })
    .follow_with(|feed| feed.doc("pp"));
    stage.run_s(60.0);
    assert_eq!(stage.revs("pp"), ["-", "1-731bef401491606a3b246ed178e697c1", "-"]);
    assert_eq!(stage.counters().losses, 0);
}

#[test]
fn a_partitioned_database_is_followed_as_any_other() {
    let mut stage = Stage::new(|asked| match asked.target.as_str() {
        "/db" => vec![Act::send(recorded("db_get_partitioned"))],
        "/db/part:x" | "/db/part%3Ax" => vec![revision("part:x", "1-p")],
        _ => vec![begin(), chunk("\n")],
    })
    .follow_with(|feed| feed.doc("part:x"));
    stage.run_s(1.0);
    assert_eq!(stage.revs("part:x"), ["1-p"]);
    let since = stage.world.borrow().asked.last().unwrap().since();
    assert!(since.starts_with("1-g1AAAACPeJz"), "{since}");
}

#[test]
fn a_checkpoint_names_the_recorded_server_and_database() {
    let mut stage = Stage::new(|asked| match asked.target.as_str() {
        "/" => vec![Act::send(recorded("root_get_351"))],
        "/db" => vec![Act::send(recorded("db_get_partitioned"))],
        _ => vec![begin(), chunk("\n")],
    })
    .follow_with(|feed| feed.every_change(EveryChange::since(Start::Now)));
    stage.run_s(1.0);
    let checkpoint = stage.checkpoint().unwrap();
    assert_eq!(checkpoint.server.as_deref(), Some("66666666666666666666666666666666"));
    assert_eq!(checkpoint.identity.as_deref(), Some("1796085524"));
}

#[test]
fn the_cookie_that_comes_with_a_recorded_feed_is_used_from_then_on() {
    let feed = recorded("cont_cookie_refreshed");
    let mut stage = Stage::new(move |asked| match asked.target.as_str() {
        "/_session" => vec![Act::send(
            "HTTP/1.1 200 OK\r\nSet-Cookie: AuthSession=first\r\nContent-Length: 2\r\n\r\n{}",
        )],
        "/db" => vec![info("\"0-g\"", "1")],
        "/db/x" => vec![revision("x", "1-a")],
        _ if asked.feeds == 1 => vec![Act::send(feed.clone()), Act::Kill],
        _ => vec![begin(), chunk("\n")],
    })
    .follow_as("http://jan:pw@couch/db", |feed| feed.doc("x").cookie_session());
    stage.run_s(5.0);
    let world = stage.world.borrow();
    let cookies: Vec<_> = world.asked.iter().filter_map(|asked| asked.header("cookie")).collect();
    let newer = "AuthSession=YWRtaW46NkIwRTE3MEQ6bdHEPz9Y-yyKTgtFZQLKW_yxVXhAQd0OXAhoq6-FJjw";
    assert_eq!(cookies[..3], ["AuthSession=first"; 3]);
    assert!(cookies.len() > 3 && cookies[3..].iter().all(|cookie| *cookie == newer), "{cookies:?}");
}

#[test]
fn a_sequence_from_before_a_recorded_split_returns_new_rows() {
    let answer = recorded("cluster_split_since_before");
    let mut stage = Stage::with_database("\"4-g\"", move |asked| match asked.target.as_str() {
        _ if asked.since() == "4-g" => vec![Act::send(answer.clone())],
        _ => vec![nothing_more(asked)],
    })
    .follow_with(|feed| {
        let every = EveryChange::since(Start::Now);
        feed.mode(masque::sessions::FeedMode::Normal).every_change(every)
    });
    stage.run_s(15.0);
    let log = stage.log();
    assert_eq!(log.matches("row ").count(), 1, "{log}");
    assert!(log.contains("row 1: d0 3-c7ddf29ee461585ae91a32551f3becdd at 6-g1AAAACReJz"), "{log}");
    assert!(stage.handled().starts_with("10-g1AAAACHeJz"), "it goes on from last_seq");
}
