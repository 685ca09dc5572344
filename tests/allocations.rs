//! No allocation for what a kernel does all day, once it is warm; and no more memory for a
//! connection than its limits allow.
//!
//! In a program of its own, for counting replaces the allocator.
#![forbid(unsafe_code)]

use bytes::Bytes;
use masque::filters::{Httpd, Marks, Request, Response, Stall};
use masque::limits::{READ_BUFFER, SHRINK_PAUSE};
use masque::reactor::{
    Cx, Endpoint, Event, Handlers, Postback, Reactor, Readiness, Rig, Session, SessionId, Shift,
    Topic, Wheel, WheelCx, WheelId,
};
use masque::sessions::{Connection, TcpServer};
use masque::wheels::ReadWrite;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const NUMBERS: Topic<u64> = Topic::new("numbers");

/// The capacity that large tables keep: a block of 256 KiB each. Only its used part is memory.
/// There are two of them when one session has its hundred timers.
const BLOCKS: i64 = 3 * 256 * 1024;

const SECOND: Duration = Duration::from_secs(1);

/// Has a name, a friend to talk to, and a postback that goes there.
struct Talker {
    friend: Option<SessionId>,
    postback: Option<Postback<u64>>,
    sum: u64,
}

impl Talker {
    const ADD: Event<u64> = Event::new("talker.add");
    const SUM: Event<(), u64> = Event::new("talker.sum");
    const POSTBACK: Event<(), Postback<u64>> = Event::new("talker.postback");
    const MEET: Event<Postback<u64>> = Event::new("talker.meet");
    const DO: Event<Verb> = Event::new("talker.do");
}

/// What a talker does in a handler.
type Verb = fn(&mut Talker, &mut Cx<'_>);

impl Session for Talker {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::ADD, |talker, _, number| talker.sum += number)
            .on(Self::SUM, |talker, _, ()| talker.sum)
            .on(Self::POSTBACK, |_, cx, ()| cx.postback(Self::ADD))
            .on(Self::MEET, |talker, _, postback| talker.postback = Some(postback))
            .on(Self::DO, |talker, cx, verb| verb(talker, cx));
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        match self.friend {
            Some(_) => cx.alias("talker").expect("it is free"),
            None => cx.watch(NUMBERS, Self::ADD),
        }
        // Keeps the kernel going, and there are other timers to be sorted among.
        for number in 0..100 {
            cx.delay_add(Self::ADD, SECOND * (1000 + number), 0);
        }
    }
}

/// Does `verb` a hundred times, and again a hundred times while it counts.
#[track_caller]
fn check(what: &str, verb: Verb) {
    let mut rig = Rig::new();
    let friends: Vec<_> =
        (0..50).map(|_| rig.spawn(Talker { friend: None, postback: None, sum: 0 })).collect();
    let talker = rig.spawn(Talker { friend: Some(friends[0]), postback: None, sum: 0 });
    let postback = rig.call(friends[0], Talker::POSTBACK, ()).expect("it is there");
    rig.call(talker, Talker::MEET, postback).expect("it is there");
    let mut hundred = || {
        for _ in 0..100 {
            rig.call(talker, Talker::DO, verb).expect("it is there");
            rig.post("talker", Talker::DO, verb).expect("it is there");
            rig.run_for(Duration::from_millis(10));
        }
    };
    hundred();
    let counted = allocation_counter::measure(hundred);
    assert_eq!((counted.count_total, counted.count_current), (0, 0), "for {what}");
    assert!(rig.stats().panics == 0 && rig.stats().dispatched >= 200, "{:?}", rig.stats());
}

#[test]
fn nothing_is_allocated_once_warm() {
    check("a post", |talker, cx| {
        let friend = talker.friend.expect("it has one");
        cx.post(friend, Talker::ADD, 1).expect("it is there");
    });
    check("a post to an alias", |_, cx| cx.post("talker", Talker::ADD, 1).expect("it is there"));
    check("a yield", |_, cx| cx.yield_now(Talker::ADD, 1));
    check("a call", |talker, cx| {
        let friend = talker.friend.expect("it has one");
        cx.call(friend, Talker::SUM, ()).expect("it is there");
    });
    check("a notice to fifty", |_, cx| assert_eq!(cx.notify(NUMBERS, 1), 50));
    check("a post through a postback", |talker, cx| {
        let postback = talker.postback.as_ref().expect("it was given one");
        postback.post(cx, 1).expect("it is there");
    });
    check("a clone of a postback", |talker, _| drop(talker.postback.clone()));
}

#[test]
fn timers_allocate_nothing_once_warm() {
    check("a timer that fires", |_, cx| cx.delay_add(Talker::ADD, Duration::ZERO, 1));
    check("a timer that is replaced", |_, cx| cx.delay(Talker::ADD, SECOND, 1));
    check("a timer that is cleared", |_, cx| {
        cx.delay_add(Talker::ADD, SECOND, 1);
        assert!(cx.delay_clear(Talker::ADD));
    });
    check("a timer that is adjusted and removed", |_, cx| {
        let id = cx.delay_set(Talker::ADD, SECOND, 1);
        cx.delay_adjust(id, SECOND * 9).expect("it is set");
        cx.alarm_adjust(id, Shift::Later(SECOND)).expect("it is set");
        assert_eq!(cx.alarm_remove(id).expect("it is set").payload, 1);
    });
}

#[test]
fn watches_allocate_nothing_once_warm() {
    check("a watch that comes and goes", |_, cx| {
        cx.watch(NUMBERS, Talker::ADD);
        assert!(cx.unwatch(NUMBERS));
    });
}

#[test]
fn what_a_crowd_took_is_given_back_when_it_has_left() {
    let mut rig = Rig::new();
    let _stays = rig.spawn(Talker { friend: None, postback: None, sum: 0 });
    let crowd = |count: usize, rig: &mut Rig| {
        let new = |_| rig.spawn(Talker { friend: None, postback: None, sum: 0 });
        let came: Vec<_> = (0..count).map(new).collect();
        rig.run_for(Duration::from_millis(1));
        came
    };
    let leave = |came: Vec<SessionId>, rig: &mut Rig| {
        for id in came {
            let stop: Verb = |_, cx| cx.stop();
            rig.call(id, Talker::DO, stop).expect("it is there");
        }
        rig.run_for(Duration::from_millis(1));
    };
    let few = crowd(100, &mut rig);
    leave(few, &mut rig);
    let mut ids = vec![];
    let counted = allocation_counter::measure(|| {
        let many = crowd(2_000, &mut rig);
        ids.extend_from_slice(&many[1_990..]);
        leave(many, &mut rig);
    });
    assert!(counted.bytes_max > 2_000_000, "{counted:?}");
    assert!(counted.bytes_current < 20_000, "{counted:?}");
    // Each watches and has a hundred timers, and allocates only its heap. One small allocation that
    // remains keeps the memory of all others from the system.
    assert!(counted.count_total < 2_200, "{counted:?}");
    // A session in the last slots of the tables keeps their size until it has ended too.
    let counted = allocation_counter::measure(|| {
        let mut many = crowd(2_000, &mut rig);
        let last = many.split_off(1_999);
        leave(many, &mut rig);
        leave(last, &mut rig);
        rig.run_for(SECOND);
        let one_more = crowd(1, &mut rig);
        leave(one_more, &mut rig);
    });
    assert!(counted.bytes_current < BLOCKS, "{counted:?}");
    // The ids of ended sessions do not reach the new sessions in their slots.
    let after = crowd(2_000, &mut rig);
    for id in ids {
        assert!(rig.call(id, Talker::SUM, ()).is_err() && !after.contains(&id), "{id}");
    }
}

/// A payload of a kilobyte.
type Page = [u8; 1024];

const PAGES: Topic<Page> = Topic::new("pages");

/// Takes pages, one after the other.
struct Reader(usize);

impl Reader {
    const PAGE: Event<Page> = Event::new("reader.page");
    const ACT: Event<fn(&mut Cx<'_>)> = Event::new("reader.act");
}

impl Session for Reader {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::PAGE, |reader, _, _| reader.0 += 1).on(Self::ACT, |_, cx, act| act(cx));
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.alias("reader").expect("it is free");
        cx.watch(PAGES, Self::PAGE);
        cx.delay(Self::ACT, SECOND * 3600, |_| ());
    }
}

/// What the tables of a kernel may keep after a burst: a block of 256 KiB each.
const KEPT: i64 = 3 * 256 * 1024;

/// Checks that a reactor with one session keeps little memory after two bursts.
#[track_caller]
fn check_burst(what: &str, burst: fn(&mut Cx<'_>)) {
    let mut reactor = Reactor::new().expect("there is a poll");
    reactor.spawn(Reader(0));
    let counted = allocation_counter::measure(|| {
        let begun = Instant::now();
        // The second one comes right after the tables were looked at, and they are not again so
        // soon.
        for _ in 0..2 {
            reactor.post("reader", Reader::ACT, burst).expect("it is there");
            for _ in 0..3 {
                reactor.turn(Some(Duration::ZERO)).expect("the poll works");
            }
        }
        // Nothing happens any more, but the reactor wakes by itself; unless this machine was so
        // slow that there may be nothing left to wake for.
        let is_due = begun.elapsed() < SHRINK_PAUSE;
        let at_most = if is_due { AT_MOST } else { SHRINK_PAUSE };
        let begun = Instant::now();
        reactor.turn(Some(at_most)).expect("the poll works");
        assert!(!is_due || begun.elapsed() < AT_MOST, "{what}: it did not wake");
    });
    assert!(counted.bytes_max > 5_000_000, "{what}: {counted:?}");
    assert!(counted.bytes_current < KEPT, "{what}: {counted:?}");
    let stats = reactor.stats();
    assert_eq!((stats.queued, stats.timers, stats.panics), (0, 1, 0), "{what}");
}

/// Longer than any wait of a reactor that wakes.
const AT_MOST: Duration = Duration::from_secs(60);

#[test]
fn what_a_burst_of_messages_took_was_kept_where_there_were_few_sessions() {
    check_burst("posts", |cx| {
        for _ in 0..20_000 {
            cx.yield_now(Reader::PAGE, [0; 1024]);
        }
    });
    check_burst("notices", |cx| {
        for _ in 0..20_000 {
            cx.notify(PAGES, [0; 1024]);
        }
    });
}

#[test]
fn what_a_burst_of_timers_took_was_kept_where_there_were_few_sessions() {
    check_burst("timers that fire", |cx| {
        for _ in 0..20_000 {
            cx.delay_add(Reader::PAGE, Duration::ZERO, [0; 1024]);
        }
    });
    check_burst("timers of all times that are cleared", |cx| {
        for number in 0..40_000 {
            cx.delay_add(Reader::PAGE, SECOND * (number * 7919 % 40_000), [0; 1024]);
        }
        assert!(cx.delay_clear(Reader::PAGE));
    });
}

/// Has so many aliases that a table of them is large, and ends.
struct Named;

impl Session for Named {
    fn events(_: &mut Handlers<Self>) {}

    fn started(&mut self, cx: &mut Cx<'_>) {
        for number in 0..100_000 {
            cx.alias(format!("alias {number}")).expect("it is free");
        }
        cx.stop();
    }
}

/// A wheel that does nothing.
struct Idle;

impl Wheel for Idle {
    fn ready(_: &mut WheelCx<'_, '_, Self>, _: Readiness) {}
}

#[test]
fn what_one_session_held_was_kept_where_there_were_few_sessions() {
    check_burst("holds", |cx| {
        let holds: Vec<_> = (0..200_000).map(|_| cx.hold(cx.id())).collect();
        drop(holds);
    });
    check_burst("aliases", |cx| {
        cx.spawn(Named);
    });
    check_burst("wheels", |cx| {
        let idle = |_: &mut Cx<'_>, _: WheelId<Idle>| Ok::<_, ()>(Idle);
        let wheels: Vec<_> = (0..100_000).flat_map(|_| cx.mount(idle)).collect();
        // The one that was mounted last is the first in its session's list.
        for wheel in wheels.into_iter().rev() {
            assert!(wheel.unmount(cx).is_some());
        }
    });
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1_u64))));
    assert_eq!(counted.count_total, 1);
}

/// The memory of a connection in addition to its limits: the wheel, the filter, the session, the
/// parsed head of the request.
const BESIDE: usize = 4 * 1024;

/// Clients of a server of HTTP on a Unix socket, whose buffers in the system are small.
struct Crowd {
    reactor: Reactor,
    folder: std::path::PathBuf,
    clients: Vec<UnixStream>,
}

impl Crowd {
    fn new(httpd: Httpd, answer: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("masque-crowd-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let mut reactor = Reactor::new().expect("there is a poll");
        let at = Endpoint::Unix(folder.join("socket"));
        let _ = std::fs::remove_file(folder.join("socket"));
        let body = Bytes::from(vec![b'x'; answer]);
        reactor.spawn(
            TcpServer::new(at)
                .alias("server")
                .serve(move |_| Served { httpd: httpd.clone(), body: body.clone() }),
        );
        Crowd { reactor, folder, clients: vec![] }
    }

    /// Has `count` more clients send `bytes`, and the server take them.
    fn grow(&mut self, count: usize, bytes: &[u8]) {
        for _ in 0..count {
            let client = UnixStream::connect(self.folder.join("socket")).expect("it listens");
            client.set_nonblocking(true).expect("it can be set");
            (&client).write_all(bytes).expect("it has room for that");
            self.clients.push(client);
            self.turn();
        }
        for _ in 0..200 {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.reactor.turn(Some(Duration::ZERO)).expect("the poll works");
    }
}

/// Answers everything with the same bytes, each time a copy of its own.
struct Served {
    httpd: Httpd,
    body: Bytes,
}

impl Connection for Served {
    type Filter = Httpd;

    fn filter(&self) -> Httpd {
        self.httpd.clone()
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Httpd>, _: Result<Request, Response>) {
        wire.put(cx, Response::new(Bytes::copy_from_slice(&self.body)));
    }
}

/// Checks that `count` more connections that send `bytes` hold no more than `most` each, and not
/// much less than `least`, or they would not be the worst that there are.
#[track_caller]
fn check_worst(crowd: &mut Crowd, what: &str, bytes: &[u8], least: usize, most: usize) {
    const COUNT: usize = 700;
    let counted = allocation_counter::measure(|| crowd.grow(COUNT, bytes));
    let each = usize::try_from(counted.bytes_current).expect("it grows") / COUNT;
    assert!(each <= most + BESIDE, "{what}: {each} bytes each, {most} allowed");
    assert!(each >= least, "{what}: only {each} bytes each");
}

#[test]
fn the_worst_connections_hold_what_their_limits_allow_and_leave_nothing() {
    const HEAD: usize = 16 * 1024;
    const BODY: usize = 32 * 1024;
    const HIGH: usize = 32 * 1024;
    const ANSWER: usize = 16 * 1024;
    let stall = Stall { marks: Marks { high: HIGH, low: 1024 }, time: Duration::from_secs(3600) };
    let httpd = Httpd::new().with_body_max(BODY).with_stall(stall);
    let mut crowd = Crowd::new(httpd, ANSWER);
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "x".repeat(HEAD - 30));
    check_worst(&mut crowd, "half a head", head.as_bytes(), HEAD - 100, HEAD + 1);
    let put = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {BODY}\r\n\r\n");
    let body = format!("{put}{}", "x".repeat(BODY - 1));
    check_worst(&mut crowd, "half a body", body.as_bytes(), BODY - 1, BODY);
    let chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    let chunks = format!("{chunked}{:x}\r\n{}", BODY - 1, "x".repeat(BODY - 2));
    check_worst(&mut crowd, "half a body in chunks", chunks.as_bytes(), BODY - 1, BODY);
    // The rest of one read waits behind the unread answers.
    let gets = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(500);
    let most = HIGH + ANSWER + READ_BUFFER;
    check_worst(&mut crowd, "unread answers", gets.as_bytes(), HIGH, most);
    assert_eq!(crowd.reactor.stats().sessions, 2801);

    crowd.clients.clear();
    let left = allocation_counter::measure(|| {
        for _ in 0..500 {
            crowd.turn();
        }
    });
    assert_eq!(crowd.reactor.stats().sessions, 1);
    let held = 700 * (HEAD + 2 * BODY + HIGH);
    let freed = usize::try_from(-left.bytes_current).expect("it is given back");
    assert!(freed >= held, "{freed} of {held} bytes");
    std::fs::remove_dir_all(&crowd.folder).expect("the folder is still there");
}
