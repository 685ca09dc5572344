//! CouchDB behind `nginx` and behind `haproxy`: every change comes, also through a proxy that
//! buffers, and none comes late.

use super::proxy::{Proxy, documented, haproxy_with, nginx_with, set};
use crate::dashboard::program::{self, Dashboard, FOR_EVER, store};
use crate::support::http::Connection;
use crate::support::{PATIENCE, wait_until};
use masque::reactor::{Cx, Event, Handlers, Reactor, Session};
use masque::sessions::{ChangesFeed, Database, EveryChange, FeedEvent, FeedMode, Start};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The time after which a feed with short heartbeats notices that it is held back, and some more.
const UNTIL_NOTICED: Duration = Duration::from_secs(40);

/// Changes whose delay is measured.
const CHANGES: usize = 15;

/// A CouchDB, which is the dashboard's own, with a document `board` that only a test changes.
#[track_caller]
fn couch() -> (Dashboard, String) {
    program::with_board(r#"{"n":0}"#, &[])
}

/// `HOST:PORT` of a database's server, and the database's path.
fn place(couch: &Dashboard) -> (&str, &str) {
    let url = couch.couch.as_deref().expect("its own");
    let rest = url.strip_prefix("http://").expect("it is one of http");
    rest.split_at(rest.find('/').expect("it has a path"))
}

/// nginx in front of a database, as the documentation has it.
#[track_caller]
fn nginx(couch: &Dashboard) -> Proxy {
    let settings = documented("nginx in front of CouchDB");
    nginx_with(&set(&settings, "127.0.0.1:15984", place(couch).0))
}

/// The same without the setting that has it buffer nothing.
#[track_caller]
fn buffering_nginx(couch: &Dashboard) -> Proxy {
    let settings = documented("nginx in front of CouchDB");
    let settings = set(&settings, "proxy_buffering off;", "");
    nginx_with(&set(&settings, "127.0.0.1:15984", place(couch).0))
}

#[track_caller]
fn haproxy(couch: &Dashboard) -> Proxy {
    haproxy_with(&documented("haproxy in front of CouchDB"), &[place(couch).0])
}

/// The database behind a proxy.
fn behind(proxy: &Proxy, couch: &Dashboard) -> String {
    format!("http://{}{}", proxy.address, place(couch).1)
}

#[test]
#[ignore = "needs nginx"]
fn a_dashboard_behind_an_nginx_that_buffers_showed_changes_a_minute_late() {
    let (couch, rev) = couch();
    let proxy = buffering_nginx(&couch);
    let arguments = [&["--doc", "board", "--heartbeat", "1"], &FOR_EVER[..]].concat();
    let dashboard = program::follow(&behind(&proxy, &couch), &arguments);
    dashboard.wait_for("board", &rev);
    wait_until(UNTIL_NOTICED, || dashboard.program.log().contains("`proxy_buffering off`"));
    assert!(dashboard.program.log().contains("`--feed longpoll`"), "{}", dashboard.program.log());
    for n in 1..=10 {
        dashboard.wait_for("board", &couch.store("board", &format!("{{\"n\":{n}}}")));
    }
    wait_until(PATIENCE, || dashboard.get("/health").status == 200);
    assert_eq!(dashboard.program.log().matches("disconnected from http").count(), 1);
}

/// Keeps the revisions of `board`, and the losses.
struct Follower {
    database: Database,
    mode: FeedMode,
    revs: Arc<Mutex<Vec<String>>>,
    losses: Arc<Mutex<Vec<String>>>,
    feed: Option<masque::reactor::SessionId>,
}

impl Follower {
    const FEED: Event<FeedEvent> = Event::new("follower.feed");

    fn feed(&mut self, cx: &mut Cx<'_>, event: FeedEvent) {
        match event {
            FeedEvent::Row { number, row, .. } => {
                if row.id == "board" {
                    self.revs.lock().expect("no thread panics").extend(row.revs.first().cloned());
                }
                let feed = self.feed.expect("it is started");
                cx.post(feed, ChangesFeed::HANDLED, number).expect("there is room");
            }
            FeedEvent::Lost { why, .. } => {
                self.losses.lock().expect("no thread panics").push(why.to_string());
            }
            _ => {}
        }
    }
}

impl Session for Follower {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::FEED, Self::feed);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        let feed = ChangesFeed::new(self.database.clone(), cx.postback(Self::FEED));
        let feed = feed.mode(self.mode).heartbeat(Duration::from_secs(1));
        self.feed = Some(cx.spawn(feed.every_change(EveryChange::since(Start::Now))));
    }
}

/// Follows every change of the database through a proxy, and compares the delivered changes with
/// the stored ones: all of them, in order.
#[track_caller]
fn tells_every_change(couch: &Dashboard, proxy: &Proxy, mode: FeedMode, losses: &[&str]) {
    let revs = Arc::new(Mutex::new(vec![]));
    let lost = Arc::new(Mutex::new(vec![]));
    let mut reactor = Reactor::new().expect("the system has a poll");
    reactor.spawn(Follower {
        database: behind(proxy, couch).parse().expect("it is a URL"),
        mode,
        revs: Arc::clone(&revs),
        losses: Arc::clone(&lost),
        feed: None,
    });
    let turn = |reactor: &mut Reactor, until: &dyn Fn() -> bool| {
        let end = Instant::now() + UNTIL_NOTICED;
        while !until() {
            reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
            assert!(Instant::now() < end, "{:?} {:?}", revs.lock(), lost.lock());
        }
    };
    // The sequence from which it follows is known with the first request.
    turn(&mut reactor, &|| !lost.lock().expect("no thread panics").is_empty() || losses.is_empty());
    let count = || revs.lock().expect("no thread panics").len();
    let mut stored = vec![];
    while stored.len() < 10 || count() == 0 {
        let before = count();
        stored.push(couch.store("board", &format!("{{\"n\":{}}}", stored.len())));
        if before > 0 {
            turn(&mut reactor, &|| count() > before);
        } else {
            // Until the first one has come it is not known from where the feed is followed.
            let end = Instant::now() + Duration::from_secs(2);
            while count() == before && Instant::now() < end {
                reactor.turn(Some(Duration::from_millis(10))).expect("the system polls");
            }
        }
    }
    let told = revs.lock().expect("no thread panics").clone();
    assert_eq!(told, stored[stored.len() - told.len()..], "{lost:?}");
    let lost = lost.lock().expect("no thread panics").clone();
    assert_eq!(lost.len(), losses.len(), "{lost:?}");
    assert!(lost.iter().zip(losses).all(|(lost, part)| lost.contains(part)), "{lost:?}");
}

#[test]
#[ignore = "needs nginx"]
fn every_change_behind_an_nginx_that_buffers_was_never_reported() {
    let (couch, _) = couch();
    let proxy = buffering_nginx(&couch);
    let held_back = "set `proxy_buffering off` in nginx";
    tells_every_change(&couch, &proxy, FeedMode::Continuous, &[held_back]);
}

#[test]
#[ignore = "needs nginx"]
fn every_change_comes_through_the_documented_nginx() {
    let (couch, _) = couch();
    let proxy = nginx(&couch);
    for mode in FeedMode::ALL {
        tells_every_change(&couch, &proxy, mode, &[]);
    }
}

#[test]
#[ignore = "needs haproxy"]
fn every_change_comes_through_the_documented_haproxy() {
    let (couch, _) = couch();
    let proxy = haproxy(&couch);
    for mode in FeedMode::ALL {
        tells_every_change(&couch, &proxy, mode, &[]);
    }
}

/// A stream of changes, of a database or of a dashboard.
struct Stream {
    connection: Connection,
    told: String,
    delays: Vec<Duration>,
}

impl Stream {
    #[track_caller]
    fn open(address: &str, path: &str) -> Self {
        let mut connection = Connection::open(address).expect("it listens");
        // The embedded database answers names of this machine only.
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        connection.send(request.as_bytes()).expect("it reads");
        assert_eq!(connection.head(PATIENCE).expect("it begins").status, 200);
        Stream { connection, told: String::new(), delays: vec![] }
    }

    /// Reads until there is `rev`, and takes down how long that was after the change.
    #[track_caller]
    fn hear(&mut self, rev: &str, since: Instant) {
        while !self.told.contains(rev) {
            let piece = self.connection.chunk(PATIENCE).expect("the change comes");
            self.told += std::str::from_utf8(&piece).expect("it is text");
        }
        self.told.clear();
        self.delays.push(since.elapsed());
    }

    fn median(&mut self) -> Duration {
        self.delays.sort();
        self.delays[self.delays.len() / 2]
    }
}

/// Compares the delay of changes through haproxy, as it is documented for `what`, with the delay
/// without `option http-no-delay`, in one run. `to` is the server behind it, and `path` the stream.
#[track_caller]
fn is_not_delayed(couch: &Dashboard, what: &str, to: &str, path: &str) {
    let settings = documented(what);
    let delaying = set(&settings, "option http-no-delay", "");
    let proxies = [haproxy_with(&settings, &[to]), haproxy_with(&delaying, &[to])];
    let mut streams = proxies.each_ref().map(|proxy| Stream::open(&proxy.address, path));
    for n in 0..CHANGES {
        let database = couch.couch.as_deref().expect("its own");
        let rev = store(database, "board", &format!("{{\"n\":{n}}}"));
        let since = Instant::now();
        for stream in &mut streams {
            stream.hear(&rev, since);
        }
    }
    let [documented, delaying] = streams.each_mut().map(Stream::median);
    assert!(4 * documented < delaying, "{documented:?}, and {delaying:?} without the option");
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_delayed_each_change_of_a_feed() {
    let (couch, _) = couch();
    let (address, database) = place(&couch);
    let path = format!("{database}/_changes?feed=continuous&heartbeat=5000&since=now");
    is_not_delayed(&couch, "haproxy in front of CouchDB", address, &path);
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_delayed_each_event_of_a_browser() {
    let (couch, _) = couch();
    is_not_delayed(&couch, "haproxy in front of the dashboard", couch.address(), "/board/events");
}
