//! URLs, and the requests and redirects of a database.

use crate::url::{DatabaseUrl, DatabaseUrlError, base64, decoded, encoded, path_of};
use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderValue, Method};

#[test]
fn a_url_is_taken_apart() {
    let check = |url: &str, shown: &str, authorization: Option<&str>| {
        let database: DatabaseUrl = url.parse().unwrap();
        assert_eq!(database.to_string(), shown, "{url}");
        let request = database.request("/db", None, None).unwrap();
        let sent = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap());
        assert_eq!(sent, authorization, "{url}");
    };
    check("http://localhost/db", "http://localhost:5984/db", None);
    check("http://localhost:80/a/b/", "http://localhost:80/a/b", None);
    check("http://h:/db", "http://h:5984/db", None);
    check("http://[::1]/db", "http://[::1]:5984/db", None);
    check("http://[::1]:5984/db", "http://[::1]:5984/db", None);
    // The example of RFC 7617, section 2.
    let aladdin = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    check("http://Aladdin:open%20sesame@h/db", "http://h:5984/db", aladdin);
    check("http://test:123%C2%A3@h/db", "http://h:5984/db", Some("Basic dGVzdDoxMjPCow=="));
    check("http://u@h:1/db", "http://h:1/db", Some("Basic dTo="));
}

#[test]
fn other_urls_are_rejected_with_the_reason() {
    use DatabaseUrlError as Error;
    for (url, error) in [
        ("", Error::Malformed),
        ("localhost:5984/db", Error::Malformed),
        ("/db", Error::Malformed),
        ("http://", Error::Malformed),
        ("http://h/db?x=1", Error::Malformed),
        ("http://h/db#1", Error::Malformed),
        ("ftp://h/db", Error::Scheme),
        ("http://h", Error::NoName),
        ("http://h/", Error::NoName),
        ("http://h:99999/db", Error::Malformed),
        ("http://[::1]:99999/db", Error::Malformed),
        ("http://%zz:x@h/db", Error::Credentials),
        ("http://%ff:x@h/db", Error::Credentials),
    ] {
        assert_eq!(url.parse::<DatabaseUrl>().err(), Some(error), "{url}");
    }
}

#[test]
fn an_https_url_has_the_ports_of_its_scheme() {
    let check = |url: &str, shown: &str, host: &str| {
        let database: DatabaseUrl = url.parse().unwrap();
        assert_eq!(database.to_string(), shown, "{url}");
        assert_eq!(database.request("/db", None, None).unwrap().headers()[HOST], host, "{url}");
    };
    check("https://h/db", "https://h:443/db", "h");
    check("https://h:6984/db", "https://h:6984/db", "h:6984");
    check("https://h:80/db", "https://h:80/db", "h:80");
    check("https://[::1]/db", "https://[::1]:443/db", "[::1]");
}

#[test]
fn credentials_are_shown_nowhere() {
    let database: DatabaseUrl = "http://user:secret@h/db".parse().unwrap();
    let request = database.request("/db", None, None).unwrap();
    for shown in [format!("{database:?} {database}"), format!("{request:?}")] {
        assert!(!shown.contains("secret") && !shown.contains("dXNlcjpzZWNyZXQ="), "{shown}");
    }
}

#[test]
fn a_login_is_sent_next_to_the_database() {
    let database: DatabaseUrl = "http://u%26:p%20w@h/couch/db".parse().unwrap();
    let request = database.login().unwrap();
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/couch/_session"));
    assert_eq!(request.body(), "name=u%26&password=p%20w");
    assert!(request.headers().get(AUTHORIZATION).is_none());
    assert!("http://h/db".parse::<DatabaseUrl>().unwrap().login().is_none());
    let cookie = HeaderValue::from_static("AuthSession=x");
    let request = database.request("/couch/db", Some(&cookie), None).unwrap();
    assert_eq!(request.headers().get(COOKIE), Some(&cookie));
    assert!(request.headers().get(AUTHORIZATION).is_none());
}

#[test]
fn redirects_stay_on_this_server() {
    let check = |url: &str, location: &str, expected: Option<&str>| {
        let database: DatabaseUrl = url.parse().unwrap();
        let target = database.redirected(location);
        assert_eq!(target.as_deref().ok(), expected, "{location}");
    };
    check("http://h/db", "/other/db?x=1#top", Some("/other/db?x=1"));
    check("http://h/db", "http://H:5984/db/", Some("/db/"));
    check("http://h:80/db", "http://h/db/", Some("/db/"));
    check("http://[::1]/db", "http://[::1]:5984", Some("/"));
    for (location, expected) in [
        ("https://h/other", Some("/other")),
        ("https://h:443/other", Some("/other")),
        ("https://h:6984/other", None),
        ("http://h:443/other", None),
        ("http://h/other", None),
    ] {
        check("https://h/db", location, expected);
    }
    for elsewhere in [
        "http://h/db",
        "http://h:81/db",
        "http://evil:5984/db",
        "http://h@evil:5984/db",
        "http://h:5984@evil/db",
        "https://h:5984/db",
        "//evil/db",
        "db",
        "",
        "ftp://h:5984/db",
    ] {
        check("http://h/db", elsewhere, None);
    }
}

#[test]
fn base64_pads_as_the_rfc_shows() {
    for (text, encoded) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
    {
        assert_eq!(base64(text.as_bytes()), encoded);
    }
}

#[test]
fn the_slash_after_design_and_local_is_not_encoded() {
    for (id, path) in [
        ("_design/a/b", "_design/a%2Fb"),
        ("_local/é", "_local/%C3%A9"),
        ("_designed/a", "_designed%2Fa"),
        ("a/_design/b", "a%2F_design%2Fb"),
    ] {
        assert_eq!(path_of(id), path);
    }
}

#[test]
fn an_encoded_text_is_decoded_to_the_same() {
    for text in ["", "a-._~Z9", "a/b c+d%", "é\u{2028}[4,\"x\"]"] {
        let encoded = encoded(text);
        assert!(!encoded.contains(['/', ' ', '+', '"', '[', ',']), "{encoded}");
        assert_eq!(decoded(&encoded).unwrap(), text);
    }
    assert_eq!(decoded("%4"), None);
    assert_eq!(decoded("%zz"), None);
}
