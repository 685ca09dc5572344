//! A feed over TLS is a feed: what it tells, what it sends, and how it comes back.

use super::certificates::{Authority, of};
use super::server::{Say, Secure};
use super::stage::{SERVER, TROUBLED, Trouble, Watcher, couch, row, say, serve};
use masque::reactor::Cx;
use masque::wheels::ReadWrite;
use std::time::Duration;

const DOC: &str = r#"{"_id":"x","_rev":"1-a"}"#;

/// The events of a feed whose server sends two rows, over a network that does `trouble`.
#[track_caller]
fn check_follows(host: &str, trouble: Option<Trouble>) {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch", "127.0.0.1", "::1"])).server();
    let (mut rig, heard) = serve(
        &config,
        couch(DOC.into(), |cx, wire| {
            say(cx, wire, row("2-b"));
            wire.put(cx, Say::NewKeys);
            say(cx, wire, row("3-c"));
        }),
    );
    let port = trouble.map_or(SERVER, |trouble| {
        trouble.spawn(&mut rig);
        TROUBLED
    });
    let url = format!("https://me:secret@{host}:{port}/db");
    let (watcher, told) = Watcher::new(&url, &authority.pem());
    rig.spawn(watcher);
    rig.run_for(Duration::from_secs(5));
    let told = told.take();
    assert_eq!(told[..3], ["x is 1-a", "connected", "caught up"], "{told:?}");
    assert_eq!(told.last().unwrap(), "x is 3-c");
    let heard = heard.text();
    let lines: Vec<_> = heard.lines().collect();
    assert_eq!(lines.iter().filter(|line| **line == "GET /db HTTP/1.1").count(), 1);
    assert!(lines.contains(&format!("host: {host}:{port}").as_str()), "{heard}");
    assert_eq!(heard.matches("authorization: Basic bWU6c2VjcmV0").count(), 3, "{heard}");
}

#[test]
fn it_follows_a_name_and_an_address() {
    check_follows("couch", None);
    check_follows("127.0.0.1", None);
}

#[test]
fn it_follows_however_the_bytes_are_cut() {
    for pieces in [&[1][..], &[2], &[3, 7], &[5, 1000], &[100_000]] {
        check_follows("couch", Some(Trouble::pieces(pieces)));
    }
}

#[test]
fn a_long_document_comes_whole() {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server();
    let doc = format!(r#"{{"_id":"x","_rev":"1-a","text":"{}"}}"#, "x".repeat(7_000_000));
    let (mut rig, _) = serve(&config, couch(doc, |_, _| ()));
    let (watcher, told) = Watcher::new(&format!("https://couch:{SERVER}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.run_for(Duration::from_secs(1));
    assert_eq!(told.take(), ["x is 1-a", "connected", "caught up"]);
}

/// The events of a feed that behaves as `feed` says after its start.
fn lost(feed: impl Fn(&mut Cx<'_>, ReadWrite<Secure>) + 'static) -> Vec<String> {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server();
    let (mut rig, _) = serve(&config, couch(DOC.into(), feed));
    let (watcher, told) = Watcher::new(&format!("https://couch:{SERVER}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.settle();
    told.take()
}

#[test]
fn a_feed_that_is_cut_is_lost_after_its_received_rows() {
    let told = lost(|cx, wire| {
        say(cx, wire, row("2-b"));
        wire.finish(cx);
    });
    let last = ["x is 2-b", "lost: the connection was cut: TLS was not ended"];
    assert_eq!(told[3..], last, "{told:?}");
}

#[test]
fn a_feed_that_tls_ends_in_the_middle_is_cut() {
    let told = lost(|cx, wire| {
        say(cx, wire, row("2-b"));
        wire.put(cx, Say::End);
    });
    let last = ["x is 2-b", "lost: the connection ended in the middle of the feed"];
    assert_eq!(told[3..], last, "{told:?}");
}

#[test]
fn after_a_cut_the_client_reconnects() {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server();
    let (mut rig, heard) = serve(&config, couch(DOC.into(), |_, _| ()));
    let trouble = Trouble::pieces(&[100]);
    trouble.spawn(&mut rig);
    let (watcher, told) = Watcher::new(&format!("https://couch:{TROUBLED}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.run_for(Duration::from_secs(1));
    assert_eq!(told.take(), ["x is 1-a", "connected", "caught up"]);
    for _ in 0..3 {
        trouble.cut_at_next_byte();
        rig.run_for(Duration::from_secs(60));
        let told = told.take();
        assert!(told[0].starts_with("lost: "), "{told:?}");
        assert_eq!(told.last().unwrap(), "caught up");
    }
    assert!(heard.ends().len() >= 3);
}
