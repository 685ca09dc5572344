//! Refusals, credentials, sessions and redirects.

use super::*;
use masque::sessions::{FeedEvent, FeedMode};
use std::time::Duration;

/// Returns the reported pauses if every request gets `answer`.
fn delays(answer: Act, seconds: f64) -> (Vec<Duration>, usize) {
    let mut stage = Stage::new(move |_| vec![answer.clone()]).follow();
    stage.run_s(seconds);
    let told = stage.told.borrow();
    let delays = told.iter().filter_map(|event| match event {
        FeedEvent::Lost { retry_after, .. } => Some(*retry_after),
        _ => None,
    });
    (delays.collect(), stage.connections())
}

#[test]
fn a_permanent_error_is_reported_and_tried_slowly() {
    for status in
        ["400 Bad Request", "403 Forbidden", "404 Object Not Found", "405 Method Not Allowed"]
    {
        let (delays, connections) =
            delays(json(status, r#"{"error":"no","reason":"No."}"#), 3600.0);
        let slow = Duration::from_secs(15)..=Duration::from_secs(30);
        assert!(delays.iter().all(|delay| slow.contains(delay)), "{status}: {delays:?}");
        assert!((120..=240).contains(&connections), "{status}: {connections}");
    }
}

#[test]
fn a_missing_permission_was_tried_a_thousand_times_a_second_if_the_cap_was_short() {
    let refusal = json("403 Forbidden", r#"{"error":"forbidden","reason":"no"}"#);
    let mut stage = Stage::new(move |_| vec![refusal.clone()])
        .follow_as("http://jan:pw@couch/db", |feed| {
            feed.doc("x").retry_cap(Duration::from_millis(1))
        });
    stage.run_s(60.0);
    let asked = stage.world.borrow().asked.len();
    assert!((50..=61).contains(&asked), "{asked}");
}

#[test]
fn a_retry_waits_as_long_as_the_server_asks() {
    let check = |value: &str, at_least_s: u64, at_most_s: u64| {
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let answer =
                format!("HTTP/1.1 {status}\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
            let (delays, _) = delays(Act::send(answer), 1.0);
            let expected = Duration::from_secs(at_least_s)..=Duration::from_secs(at_most_s);
            assert!(expected.contains(&delays[0]), "{value}: {delays:?}");
        }
    };
    check("120", 120, 120);
    check(" 7 ", 7, 7);
    // Virtual time begins at the Unix epoch.
    check("Thu, 01 Jan 1970 00:02:00 GMT", 120, 120);
    check("Wed, 31 Dec 1969 00:02:00 GMT", 0, 1);
    check("soon", 0, 1);
    check("-5", 0, 1);
    // No mistake and no malice ends a feed.
    check("18446744073709551615", 3600, 3600);
    check("99999999999999999999999999", 0, 1);
    check("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600);
}

/// Returns all events as a log and a debugger show them.
fn shown(stage: &Stage) -> String {
    let told = stage.told.borrow();
    let mut all = format!("{told:?} {:?}", stage.world.borrow().log);
    for event in told.iter() {
        if let FeedEvent::Lost { why, .. } = event {
            all.push_str(&why.to_string());
        }
    }
    all
}

#[test]
fn credentials_go_to_the_server_and_nowhere_else() {
    let url = "http://jan:s%3Acret%21@couch:5984/db";
    let basic = "amFuOnM6Y3JldCE=";
    for answer in [
        json(
            "401 Unauthorized",
            r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#,
        ),
        json("500 Oops", ""),
        Act::send("nonsense\r\n\r\n"),
        Act::send("HTTP/1.1 302 Found\r\nLocation: http://evil/db\r\nContent-Length: 0\r\n\r\n"),
        Act::Kill,
    ] {
        let mut stage = Stage::new(move |_| vec![answer.clone()]).follow_as(url, |feed| {
            let feed = feed.doc("x");
            let debug = format!("{feed:?}");
            assert!(
                !debug.contains("s:cret") && !debug.contains("s%3Acret") && !debug.contains("amFu")
            );
            feed
        });
        stage.run_s(100.0);
        assert!(
            stage
                .world
                .borrow()
                .asked
                .iter()
                .all(|asked| { asked.header("authorization") == Some(&format!("Basic {basic}")) })
        );
        let shown = shown(&stage);
        for secret in ["s:cret", "s%3Acret", basic] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("lost"), "{shown}");
    }
}

/// A server with cookie sessions whose cookies hold for so many requests.
fn with_sessions(holds: usize, login: impl Fn(usize) -> Act + 'static) -> Stage {
    let (mut logins, mut left) = (0, 0);
    Stage::new(move |asked| {
        if asked.target == "/_session" {
            assert_eq!(
                (asked.method.as_str(), asked.body.as_str()),
                ("POST", "name=jan&password=s%3Acret")
            );
            assert_eq!(asked.header("authorization"), None);
            logins += 1;
            left = holds;
            return vec![login(logins)];
        }
        let cookie = format!("AuthSession=c{logins}");
        if asked.header("cookie") != Some(&cookie) || left == 0 {
            return vec![json("401 Unauthorized", r#"{"error":"unauthorized","reason":"no"}"#)];
        }
        assert_eq!(asked.header("authorization"), None);
        left -= 1;
        match asked.target.as_str() {
            "/db" => vec![info("1", "1")],
            "/db/x" => vec![revision("x", "1-a")],
            _ => vec![begin(), chunk("\n"), Act::wait_s(60.0), Act::Kill],
        }
    })
    .follow_as("http://jan:s%3Acret@couch/db", |feed| {
        feed.doc("x").cookie_session().heartbeat(Duration::from_secs(100))
    })
}

fn cookie(number: usize) -> Act {
    Act::send(format!(
        "HTTP/1.1 200 OK\r\nSet-Cookie: other=1\r\n\
         Set-Cookie: AuthSession=c{number}; Version=1; Path=/; HttpOnly\r\n\
         Content-Length: 2\r\n\r\n{{}}"
    ))
}

#[test]
fn a_session_that_has_run_out_is_renewed() {
    let mut stage = with_sessions(4, cookie);
    stage.run_s(3600.0);
    let log = stage.log();
    assert_eq!(stage.revs("x"), ["1-a"]);
    assert!(!log.contains("401"), "{log}");
    assert!(log.matches("POST /_session").count() > 10, "{log}");
    assert!(log.starts_with("0.000 #1 POST /_session\n0.000 #1 GET /db\n"), "{log}");
    assert!(!shown(&stage).contains("AuthSession=") && !shown(&stage).contains("s%3Acret"));
}

#[test]
fn a_feed_was_lost_when_its_session_ran_out_for_the_second_time_without_a_loss_between() {
    let (mut logins, mut is_over, mut rev) = (0, false, 3);
    let mut stage = Stage::new(move |asked| {
        if asked.target == "/_session" {
            (logins, is_over) = (logins + 1, false);
            return vec![cookie(logins)];
        }
        if is_over {
            return vec![json("401 Unauthorized", r#"{"error":"unauthorized","reason":"no"}"#)];
        }
        match asked.target.as_str() {
            "/db" => vec![info(&format!("\"{rev}-s\""), "1")],
            "/db/x" => vec![revision("x", &format!("{rev}-a"))],
            _ => {
                (is_over, rev) = (true, rev + 1); // it takes longer than a session
                let row = row(&format!("\"{rev}-s\""), "x", &format!("{rev}-a"));
                let rest = chunk(&format!("{row}],\n\"last_seq\":\"{rev}-s\"}}\n"));
                let head = [begin(), chunk("{\"results\":[\n")];
                head.into_iter().chain(beats(66)).chain([rest, end()]).collect()
            }
        }
    })
    .follow_as("http://jan:s%3Acret@couch/db", |feed| {
        feed.doc("x").cookie_session().mode(FeedMode::LongPoll)
    });
    stage.run_s(7200.0);
    let log = stage.log();
    assert!(!log.contains("lost") && log.contains("x is 13-a"), "{log}");
}

#[test]
fn a_session_that_is_never_accepted_causes_few_logins() {
    let mut stage = with_sessions(0, cookie);
    stage.run_s(3600.0);
    let log = stage.log();
    let logins = log.matches("POST /_session").count();
    assert!((20..=30).contains(&logins), "{logins}");
}

#[test]
fn a_wrong_password_is_tried_slowly_and_in_one_way_only() {
    let mut stage = with_sessions(0, |_| {
        json(
            "401 Unauthorized",
            r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#,
        )
    });
    stage.run_s(3600.0);
    let log = stage.log();
    assert!((10..=15).contains(&log.matches("POST /_session").count()), "{log}");
    assert!(!log.contains("GET"), "{log}");
}

#[test]
fn a_server_without_sessions_is_sent_the_credentials() {
    let mut stage = Stage::new(|asked| {
        if asked.target == "/_session" {
            return vec![json("404 Not Found", "{}")];
        }
        assert!(asked.header("authorization").is_some());
        match asked.target.as_str() {
            "/db" => vec![info("1", "1")],
            "/db/x" => vec![revision("x", "1-a")],
            _ => vec![begin(), chunk("\n")],
        }
    })
    .follow_as("http://jan:pw@couch/db", |feed| feed.doc("x").cookie_session());
    stage.run_s(1.0);
    assert_eq!(stage.revs("x"), ["1-a"]);
}

fn redirect(status: &str, location: &str) -> Act {
    Act::send(format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

#[test]
fn redirects_are_followed_on_the_same_server() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/db" => vec![redirect(status, "http://couch:5984/moved/db")],
            "/moved/db" => vec![info("1", "1")],
            "/db/x" => vec![redirect(status, "/moved/db/x")],
            "/moved/db/x" => vec![revision("x", "1-a")],
            target if target.starts_with("/db/_changes") => {
                vec![redirect(status, &format!("/moved{target}"))]
            }
            _ => vec![begin(), chunk("\n")],
        })
        .follow();
        stage.run_s(1.0);
        let log = stage.log();
        assert!(log.ends_with("caught up"), "{log}");
        assert_eq!((stage.revs("x"), stage.connections()), (vec!["1-a".to_owned()], 1));
    }
}

#[test]
fn redirects_elsewhere_or_without_end_are_a_clear_error_and_tried_slowly() {
    let check = |location: &'static str, why: &str, an_hour: std::ops::RangeInclusive<usize>| {
        let mut stage = Stage::new(move |_| vec![redirect("302 Found", location)])
            .follow_as("http://jan:pw@couch/db", |feed| feed.doc("x"));
        stage.run_s(3600.0);
        let world = stage.world.borrow();
        assert!(world.log[1..].iter().any(|line| line.ends_with(why)), "{:?}", &world.log[..9]);
        assert!(an_hour.contains(&world.asked.len()), "{location}: {}", world.asked.len());
    };
    check(
        "http://evil:5984/db",
        "the server sends elsewhere: to another server, where the feed does not follow",
        120..=240,
    );
    check("//evil/db", "the server sends elsewhere: to no URL of this server", 120..=240);
    check(
        "https://couch:5984/db",
        "the server sends elsewhere: to https, which the database's URL does not use",
        120..=240,
    );
    check("/db", "the server sends elsewhere: again and again", 6 * 120..=6 * 240);
    check("", "the server sends elsewhere: to no URL", 120..=240);
}

#[test]
fn five_redirects_of_a_request_are_followed_and_the_sixth_is_an_error() {
    for (redirects, is_followed) in [(5, true), (6, false)] {
        let mut left = redirects;
        let mut stage = Stage::new(move |asked| match asked.target.as_str() {
            "/db" if left > 0 => {
                left -= 1;
                vec![redirect("302 Found", "/db")]
            }
            "/" => vec![json("200 OK", "{}")],
            "/db" => vec![info("\"3-c\"", "1")],
            "/db/x" => vec![revision("x", "3-c")],
            _ => vec![begin(), chunk("\n")],
        })
        .follow();
        stage.run_s(0.0);
        assert_eq!(stage.revs("x").len(), usize::from(is_followed), "{redirects} redirects");
        assert_eq!(stage.log().contains("again and again"), !is_followed, "{}", stage.log());
    }
}

#[test]
fn a_design_document_behind_a_proxy_was_treated_as_on_another_server() {
    let elsewhere = "http://backend:5984/db/_design/x";
    let mut stage = Stage::with_database("\"4-t\"", move |asked| match asked.target.as_str() {
        "/db/_design/x%2Fy" => vec![revision("_design/x/y", "4-d")],
        _ if asked.is_feed() => vec![begin(), chunk("\n")],
        _ => vec![redirect("301 Moved Permanently", elsewhere)],
    })
    .follow_with(|feed| feed.doc("_design/x/y"));
    stage.run_s(1.0);
    assert_eq!(stage.revs("_design/x/y"), ["4-d"]);
}
