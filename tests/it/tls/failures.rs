//! Servers that are not trusted, or do not speak TLS: the error of each, and that it receives no
//! request.

use super::certificates::{Authority, Identity, LONG_S, Wanted, of, self_signed};
use super::stage::{SERVER, TROUBLED, Trouble, Watcher, couch, row, say, serve};
use crate::support::actor::{Actor, Journal, Moment, local};
use masque::couch_feed::limits::ANSWER_TIME;
use masque::filters::Stream;
use masque::reactor::{Rig, TlsError};
use masque::sessions::{FeedError, TcpServer};
use rcgen::{BasicConstraints, IsCa};
use std::mem::discriminant;
use std::time::Duration;

const DOC: &str = r#"{"_id":"x","_rev":"1-a"}"#;

/// A server that is `identity`, for a client that trusts `authority`, is refused for `reason`, in
/// words that have `words` among them; it is tried again, slowly, and is sent nothing of a request.
#[track_caller]
fn check_refused(
    identity: &Identity,
    authority: &str,
    reason: fn(String) -> TlsError,
    words: &[&str],
) {
    let (mut rig, heard) = serve(&identity.server(), couch(DOC.into(), |_, _| ()));
    let url = format!("https://me:secret@couch:{SERVER}/db");
    let (watcher, told) = Watcher::new(&url, authority);
    rig.run_for(Duration::from_secs(1000));
    rig.spawn(watcher);
    rig.run_for(Duration::from_secs(1));
    let (why, retry_after) = told.loss();
    let FeedError::Tls { error, .. } = &*why else { panic!("{why:?}") };
    let error: &TlsError = error.downcast_ref().expect("the driver reports masque's error");
    assert_eq!(discriminant(error), discriminant(&reason(String::new())), "{error:?}");
    let shown = why.to_string();
    assert!(words.iter().all(|words| shown.contains(words)), "{shown}");
    assert!(why.is_permanent() && retry_after >= Duration::from_secs(15), "{retry_after:?}");
    assert_eq!(heard.text(), "", "the server was sent something");
    assert!(heard.ends()[0].starts_with("received fatal alert"), "{:?}", heard.ends());

    told.take();
    rig.run_for(Duration::from_secs(300));
    assert!((8..=20).contains(&told.take().len()), "it is tried again, and slowly");
}

#[test]
fn a_certificate_for_another_host() {
    let authority = Authority::new();
    let identity = authority.sign(&of(&["couch.example", "sofa", "127.0.0.1"]));
    let words = ["the certificate is for another host", "\"couch\"", "\"sofa\""];
    check_refused(&identity, &authority.pem(), TlsError::WrongHost, &words);
}

#[test]
fn a_certificate_whose_time_is_over_or_has_not_come() {
    let authority = Authority::new();
    let hosts = &["couch"][..];
    let expired = authority.sign(&Wanted { hosts, from_s: 0, until_s: 999 });
    let words = ["the certificate has expired"];
    check_refused(&expired, &authority.pem(), TlsError::Expired, &words);
    let early = authority.sign(&Wanted { hosts, from_s: 2000, until_s: LONG_S });
    let words = ["the certificate is not valid yet"];
    check_refused(&early, &authority.pem(), TlsError::NotYetValid, &words);
}

#[test]
fn a_certificate_of_somebody_else() {
    let identity = Authority::named("others").sign(&of(&["couch"]));
    let words = ["no trusted authority has signed the certificate"];
    check_refused(&identity, &Authority::new().pem(), TlsError::UnknownIssuer, &words);
    let (own, _) = self_signed(&of(&["couch"]), IsCa::NoCa);
    check_refused(&own, &Authority::new().pem(), TlsError::UnknownIssuer, &words);
}

#[test]
fn a_certificate_that_signs_itself_is_good_when_it_is_trusted() {
    let (identity, pem) = self_signed(&of(&["couch"]), IsCa::NoCa);
    let (mut rig, _) = serve(&identity.server(), couch(DOC.into(), |_, _| ()));
    let (watcher, told) = Watcher::new(&format!("https://couch:{SERVER}/db"), &pem);
    rig.spawn(watcher);
    rig.settle();
    assert_eq!(told.take(), ["x is 1-a", "connected", "caught up"]);
}

#[test]
fn a_certificate_that_signs_itself_as_an_authority() {
    let is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (identity, pem) = self_signed(&of(&["couch"]), is_ca);
    check_refused(&identity, &pem, TlsError::Certificate, &["basicConstraints=CA:FALSE"]);
}

#[test]
fn several_authorities_may_be_trusted() {
    let (first, second) = (Authority::new(), Authority::named("second"));
    let config = second.sign(&of(&["couch"])).server();
    let (mut rig, _) = serve(&config, couch(DOC.into(), |_, _| ()));
    let pem = format!("Of the first:\n{}\nOf the second:\n{}", first.pem(), second.pem());
    let (watcher, told) = Watcher::new(&format!("https://couch:{SERVER}/db"), &pem);
    rig.spawn(watcher);
    rig.settle();
    assert_eq!(told.take(), ["x is 1-a", "connected", "caught up"]);
}

/// A certificate is looked at with each connection, also when it was good before.
#[test]
fn a_certificate_that_expires_meanwhile() {
    let authority = Authority::new();
    let wanted = Wanted { hosts: &["couch"], from_s: 0, until_s: 3600 };
    let config = authority.sign(&wanted).server();
    let (mut rig, _) = serve(&config, couch(DOC.into(), |_, _| ()));
    let (watcher, told) = Watcher::new(&format!("https://couch:{SERVER}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.run_for(Duration::from_secs(3590));
    let before = told.take();
    assert_eq!(before[..3], ["x is 1-a", "connected", "caught up"]);
    // The server is silent, so the feed is lost again and again, and comes back each time.
    let losses: Vec<_> = before.iter().filter(|line| line.starts_with("lost")).collect();
    assert!(losses.len() > 10, "{before:?}");
    let is_silence = |line: &&String| line.starts_with("lost: nothing, not even a heartbeat");
    assert!(losses.iter().all(is_silence), "{losses:?}");
    rig.run_for(Duration::from_secs(100));
    let told = told.take();
    assert!(told.last().unwrap().starts_with("lost: the certificate has expired"), "{told:?}");
}

#[test]
fn a_server_that_is_silent() {
    let authority = Authority::new();
    let mut rig = Rig::new();
    rig.spawn(
        TcpServer::new(local(SERVER))
            .serve(|_| Actor::<Stream>::doing("silent", &Journal::default(), |_, _, _| ())),
    );
    let (watcher, told) = Watcher::new(&format!("https://localhost:{SERVER}/db"), &authority.pem());
    rig.spawn(watcher);
    let almost = ANSWER_TIME.mul_f64(0.99);
    rig.run_for(almost);
    assert_eq!(told.take(), [""; 0]);
    rig.run_for(ANSWER_TIME.saturating_sub(almost));
    assert_eq!(told.take(), ["lost: no answer within 30s"]);
}

#[test]
fn a_server_without_tls() {
    let authority = Authority::new();
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(local(SERVER)).serve(|_| {
        Actor::<Stream>::doing("plain", &Journal::default(), |cx, wire, moment| {
            if let Moment::Input(bytes) = moment {
                assert!(!bytes.windows(3).any(|bytes| bytes == b"/db"), "it is sent a request");
                wire.put_last(cx, "HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        })
    }));
    let url = format!("https://me:secret@localhost:{SERVER}/db");
    let (watcher, told) = Watcher::new(&url, &authority.pem());
    rig.spawn(watcher);
    rig.settle();
    let told = told.take();
    assert!(told[0].starts_with("lost: TLS failed: the peer does not send TLS"), "{told:?}");
}

#[test]
fn a_server_that_hangs_up() {
    let authority = Authority::new();
    let mut rig = Rig::new();
    rig.spawn(TcpServer::new(local(SERVER)).serve(|_| {
        Actor::<Stream>::doing("rude", &Journal::default(), |cx, wire, _| wire.finish(cx))
    }));
    let (watcher, told) = Watcher::new(&format!("https://localhost:{SERVER}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.settle();
    assert_eq!(told.take(), ["lost: the connection was cut in TLS's handshake"]);
}

#[test]
fn bytes_that_were_changed_on_the_way() {
    let authority = Authority::new();
    let config = authority.sign(&of(&["couch"])).server();
    let trouble = Trouble::pieces(&[100_000]);
    let garbling = trouble.clone();
    let (mut rig, _) = serve(
        &config,
        couch(DOC.into(), move |cx, wire| {
            garbling.garble_next_bytes(); // the last of them
            say(cx, wire, row("2-b"));
            say(cx, wire, row("3-c"));
        }),
    );
    trouble.spawn(&mut rig);
    let (watcher, told) = Watcher::new(&format!("https://couch:{TROUBLED}/db"), &authority.pem());
    rig.spawn(watcher);
    rig.run_for(Duration::from_millis(1));
    let (why, _) = told.loss();
    assert!(!why.is_permanent(), "the next connection may be better");
    assert_eq!(why.to_string(), "TLS failed: cannot decrypt peer's message");
    let told = told.take();
    assert_eq!(told[3..], ["x is 2-b", "lost: TLS failed: cannot decrypt peer's message"]);
}
