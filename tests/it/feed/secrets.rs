//! Only the server receives credentials. No log, event or error shows them.

use super::*;
use crate::support::logged;
use masque::sessions::{Database, FeedEvent};
use std::error::Error;
use std::fmt::Write;

/// The password is `s:cret!`.
const USER: &str = "jan:s%3Acret%21";

/// The password as text, as in the URL, as in the login's form, and in base64, with and without the
/// user. Also a cookie.
const SECRETS: &[&str] =
    &["s:cret!", "s%3Acret", "s%3acret", "czpjcmV0IQ", "amFuOnM6Y3JldCE", "c00kie"];

#[track_caller]
fn check_secret(shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}

/// Everything that an event shows: in a debugger, as text, and in the sources of its errors.
fn shown(event: &FeedEvent) -> String {
    let mut shown = format!("{event:?} {event:#?}");
    if let FeedEvent::Lost { why, .. }
    | FeedEvent::Stuck { why, .. }
    | FeedEvent::GaveUp { why, .. } = event
    {
        let mut behind: Option<&dyn Error> = Some(&**why);
        while let Some(error) = behind {
            write!(shown, " {error} {error:?}").unwrap();
            behind = error.source();
        }
    }
    shown
}

/// What a server does to requests, by each of which a feed is lost.
fn losses() -> Vec<Vec<Act>> {
    let redirect = |location: &str| {
        let fields = format!("Location: {location}\r\nContent-Length: 0");
        vec![Act::send(format!("HTTP/1.1 302 Found\r\n{fields}\r\n\r\n"))]
    };
    let reason = r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#;
    vec![
        vec![json("401 Unauthorized", reason)],
        vec![json("403 Forbidden", reason)],
        vec![json("404 Object Not Found", r#"{"error":"not_found","reason":"no_db_file"}"#)],
        vec![json("500 Oops", "")],
        redirect("http://evil/db"),
        redirect("/db"),
        redirect(""),
        vec![Act::send("nonsense\r\n\r\n")],
        vec![Act::send("HTTP/1.1 2"), Act::Finish],
        vec![Act::Kill],
        vec![],
    ]
}

/// Follows the database at `host`, whose server does `acts` for each request except a login. Checks
/// only the shown text: a watcher may log an event as a debugger shows it.
#[track_caller]
fn check(host: &str, acts: &[Act], is_by_cookie: bool) {
    let (url, acts) = (format!("http://{USER}@{host}/db"), acts.to_vec());
    let records = logged(|| {
        log::trace!("it begins");
        let answers = move |asked: &Asked| match asked.target.as_str() {
            "/_session" => vec![Act::send(
                "HTTP/1.1 200 OK\r\nSet-Cookie: AuthSession=c00kie; Path=/\r\n\
                 Content-Length: 0\r\n\r\n",
            )],
            _ => acts.clone(),
        };
        let mut stage = Stage::new(answers).follow_as(&url, move |feed| {
            let feed = feed.doc("x").retry_limit(3);
            let feed = if is_by_cookie { feed.cookie_session() } else { feed };
            check_secret(&format!("{feed:?} {feed:#?}"));
            feed
        });
        stage.run_s(1000.0);
        let told = stage.told.borrow();
        told.iter().for_each(|event| check_secret(&shown(event)));
        assert!(matches!(told.last(), Some(FeedEvent::GaveUp { .. })), "{told:?}");
        // The server was shown it, so that there was something to hide.
        for asked in &stage.world.borrow().asked {
            let is_shown = asked.head.contains("amFuOnM6Y3JldCE=")
                || asked.head.contains("AuthSession=c00kie")
                || asked.body.contains("s%3Acret%21");
            assert!(is_shown, "{asked:?}");
        }
    });
    assert!(records[0].ends_with(": it begins"), "{records:?}");
    check_secret(&records.join("\n"));
}

#[test]
fn no_loss_shows_a_credential() {
    for is_by_cookie in [false, true] {
        for acts in losses() {
            check("couch:5984", &acts, is_by_cookie);
        }
        check("couch:1", &[], is_by_cookie); // nobody is there
        check("nowhere", &[], is_by_cookie);
    }
}

#[test]
fn no_error_about_a_url_shows_its_credentials() {
    for rest in ["h", "h/", ":x/db", "h:port/db", "h:99999/db", "h/db?since=1", "[::1/db", "/db"] {
        for scheme in ["http", "ftp", "https"] {
            let url = format!("{scheme}://{USER}@{rest}");
            if let Err(error) = url.parse::<Database>() {
                check_secret(&format!("{error} {error:?}"));
            }
        }
    }
    let error = "http://jan:s%3Acret%FF@h/db".parse::<Database>().unwrap_err();
    check_secret(&format!("{error} {error:?}"));
    let database: Database = format!("http://{USER}@h/db").parse().unwrap();
    check_secret(&format!("{database} {database:?} {database:#?}"));
    let error = database.authority(b"no certificate").unwrap_err();
    check_secret(&format!("{error} {error:?}"));
}
