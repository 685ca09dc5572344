//! The follower, driven call by call.

use crate::FeedEvent as E;
use crate::state::TRANSITIONS;
use crate::{
    Action, Channel, EveryChange, FeedEvent, FeedMode, FeedOptions, Follower, Lost, Start, Urgency,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::time::{Duration, Instant, SystemTime};

const INFO: &str = r#"{"update_seq":"1-a","instance_start_time":"7"}"#;
const DOC: &str = r#"{"_id":"x","_rev":"1-a"}"#;

/// A follower of the document `x`, and the time.
struct Talk {
    follower: Follower,
    now: Instant,
}

impl Talk {
    fn new(set: impl FnOnce(FeedOptions) -> FeedOptions) -> Self {
        let now = Instant::now();
        let options = FeedOptions::new("http://couch/db".parse().unwrap()).seed(1);
        Talk { follower: set(options).follow(now), now }
    }

    fn of_x() -> Self {
        Talk::new(|options| options.doc("x"))
    }

    /// What the follower does, as words.
    fn actions(&mut self) -> String {
        let mut words = vec![];
        while let Some(action) = self.follower.poll_action() {
            words.push(match action {
                Action::Connect(channel) => format!("connect {channel:?}"),
                Action::Send(_, request) => {
                    let path = request.uri().path().to_owned();
                    if path.ends_with("_changes") { "feed".to_owned() } else { path }
                }
                Action::Close(channel) => format!("close {channel:?}"),
                Action::Save(Urgency::Now) => "save".to_owned(),
                other => format!("{other:?}"),
            });
        }
        words.join(", ")
    }

    fn events(&mut self) -> Vec<FeedEvent> {
        if self.follower.wants_settle() {
            self.follower.settle(self.now);
        }
        std::iter::from_fn(|| self.follower.poll_event()).collect()
    }

    #[track_caller]
    fn does(&mut self, expected: &str) -> &mut Self {
        assert_eq!(self.actions(), expected);
        self
    }

    fn connected(&mut self) -> &mut Self {
        self.follower.handle_connected(self.now, Channel::Feed);
        self
    }

    fn head(&mut self, status: u16) -> &mut Self {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).unwrap();
        self.follower.handle_head(self.now, SystemTime::UNIX_EPOCH, Channel::Feed, &head);
        self
    }

    fn data(&mut self, data: &str) -> &mut Self {
        self.follower.handle_data(self.now, Channel::Feed, &Bytes::from(data.to_owned()));
        self
    }

    fn end(&mut self, is_reusable: bool) -> &mut Self {
        self.follower.handle_end(self.now, Channel::Feed, is_reusable);
        self
    }

    fn answer(&mut self, status: u16, body: &str) -> &mut Self {
        self.head(status).data(body).end(true)
    }

    fn lost(&mut self, lost: Lost) -> &mut Self {
        self.follower.handle_lost(self.now, Channel::Feed, lost);
        self
    }

    /// Waits for the follower's timer.
    fn timeout(&mut self) -> &mut Self {
        self.now = self.follower.poll_timeout().expect("it waits for a time").max(self.now);
        self.follower.handle_timeout(self.now);
        self
    }

    fn shut_down(&mut self) {
        self.follower.shut_down(self.now);
        assert!(self.follower.is_over() && self.follower.poll_timeout().is_none());
        let rest = self.actions();
        assert!(rest.is_empty() || rest.ends_with("close Feed"), "{rest}");
    }

    /// As far as the feed, whose head has arrived.
    fn following(mut self) -> Self {
        self.does("connect Feed").connected().does("/db").answer(200, INFO);
        self.does("/db/x").answer(200, DOC).does("feed").head(200);
        self
    }
}

/// Why the feed was lost.
fn reason(events: &[FeedEvent]) -> String {
    let lost = events.iter().find_map(|event| match event {
        FeedEvent::Lost { why, .. } => Some(why.to_string()),
        _ => None,
    });
    lost.unwrap_or_default()
}

#[test]
fn a_document_is_read_and_followed_over_one_connection() {
    let mut talk = Talk::of_x().following();
    let events = talk.events();
    let [E::Change(first), E::Connected { connection: 1, .. }, E::CaughtUp] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(first.rev.as_deref(), Some("1-a"));
    let row = |rev: &str| {
        format!(r#"{{"seq":"2-b","id":"x","changes":[],"doc":{{"_id":"x","_rev":"{rev}"}}}}"#)
            + "\n"
    };
    // Of a burst the latest revision is reported, once everything has been handled.
    talk.data(&(row("2-b") + &row("3-c")));
    assert!(talk.follower.poll_event().is_none(), "the burst may go on");
    let events = talk.events();
    assert!(
        matches!(&events[..], [FeedEvent::Change(change)] if change.rev.as_deref() == Some("3-c"))
    );
    talk.does("");
}

#[test]
fn a_feed_resumes_from_its_last_sequence_after_a_growing_pause() {
    let mut talk = Talk::of_x().following();
    talk.events();
    let mut pauses = vec![];
    for _ in 0..3 {
        talk.lost(Lost::Cut).does("close Feed");
        let events = talk.events();
        let Some(FeedEvent::Lost { retry_after, since: Some(since), .. }) = events.first() else {
            panic!("{events:?}")
        };
        assert_eq!(since.as_str(), "1-a");
        pauses.push(*retry_after);
        talk.timeout().does("connect Feed").connected().does("/db");
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[2], "{pauses:?}");
    talk.answer(200, INFO).does("feed"); // nothing has changed, so no document is read
}

#[test]
fn rows_stop_at_the_window_and_resume_when_they_are_acknowledged() {
    let mut talk =
        Talk::new(|options| options.every_change(EveryChange::since(Start::Beginning).window(2)));
    talk.does("connect Feed").connected().does("/").answer(200, r#"{"uuid":"u"}"#);
    talk.does("/db").answer(200, INFO).does("save, feed").head(200);
    let rows = (1..=3).map(|n| format!(r#"{{"seq":"{n}-s","id":"d{n}","changes":[]}}"#) + "\n");
    talk.data(&rows.collect::<String>()).does("Pause");
    let reported = |events: Vec<FeedEvent>| {
        let number =
            |event| if let FeedEvent::Row { number, .. } = event { Some(number) } else { None };
        events.into_iter().filter_map(number).collect::<Vec<_>>()
    };
    assert_eq!(reported(talk.events()), [1, 2]);
    assert!(talk.follower.is_paused());
    talk.follower.acknowledge(talk.now, 2);
    talk.does("");
    talk.follower.acknowledge(talk.now, 1);
    assert_eq!(talk.follower.checkpoint().unwrap().seq.as_str(), "2-s");
    talk.does("Save(Soon), Resume");
    assert_eq!(reported(talk.events()), [3]);
}

/// Every arrow of the diagram is walked here, and no other exists: `Follower::enter` checks it.
#[test]
fn every_arrow_of_the_diagram_can_be_walked() {
    let page = |mode| move |options: FeedOptions| options.doc("x").mode(mode);
    // Connecting, Waiting, Ended.
    Talk::of_x().shut_down();
    let refused = || Lost::Connect("refused".into());
    Talk::of_x().lost(refused()).shut_down();
    Talk::of_x().lost(refused()).timeout().connected().shut_down();
    // Asking: on the same connection, on a new one, an error.
    let mut talk = Talk::of_x();
    talk.connected().answer(200, INFO).head(200).data(DOC).end(false);
    talk.does("connect Feed, /db, /db/x, close Feed, connect Feed");
    Talk::of_x().connected().answer(500, "").shut_down();
    // Following: shut down, lost, a row without its document, the end of a page.
    Talk::of_x().following().shut_down();
    Talk::of_x().following().lost(Lost::Cut).shut_down();
    let mut talk = Talk::of_x().following();
    talk.data("{\"seq\":\"2-b\",\"id\":\"x\",\"changes\":[{\"rev\":\"2-b\"}]}\n");
    talk.events();
    talk.does("close Feed, connect Feed");
    let mut talk = Talk::new(page(FeedMode::LongPoll)).following();
    let row = r#"{"seq":"2-b","id":"x","changes":[{"rev":"2-b"}],"deleted":true}"#;
    talk.data(&format!("{{\"results\":[{row}],\"last_seq\":\"2-b\"}}")).end(true).does("/db");
    // A second response in the feed.
    for is_complete in [true, false] {
        let mut talk = Talk::of_x().following();
        talk.data("HTTP/1.1 500 Internal Server Error\r\n\r\n");
        if is_complete {
            talk.data(r#"{"error":"boom","reason":"why"}"#).does("close Feed");
            let events = talk.events();
            assert!(reason(&events).ends_with("boom: why"), "{events:?}");
        }
        talk.shut_down();
    }
    let walked = super::walked();
    for (from, to, when) in TRANSITIONS {
        assert!(walked.contains(&(*from, *to)), "{from} -> {to} ({when}) is not walked");
    }
}

#[test]
fn the_diagram_in_the_documentation_has_these_arrows() {
    let arrow = |(from, to, when): &(&str, &str, &str)| format!("    {from} --> {to}: {when}\n");
    let expected: String = TRANSITIONS.iter().map(arrow).collect();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&expected), "README.md should have\n{expected}");
}

#[test]
fn the_program_in_the_documentation_is_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../../examples/ureq.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(readme.contains(code), "README.md should have the code of examples/ureq.rs");
}

#[test]
fn a_feed_that_is_never_answered_is_asked_for_in_another_way() {
    let mut talk = Talk::of_x();
    talk.connected().answer(200, INFO).answer(200, DOC).actions();
    talk.now += Duration::from_secs(30);
    talk.follower.handle_timeout(talk.now);
    let events = talk.events();
    assert!(reason(&events).contains("the feed is buffered"), "{events:?}");
}

#[test]
fn a_cap_that_was_set_after_the_seed_made_the_pauses_random_again() {
    let pause = || {
        let cap = Duration::from_secs(9);
        let mut talk = Talk::new(|options| options.doc("x").seed(1).retry_cap(cap));
        talk.lost(Lost::Connect("refused".into())).events();
        talk.follower.poll_timeout().map(|due| due - talk.now)
    };
    let first = pause();
    assert!((0..8).all(|_| pause() == first), "the pauses of one seed differ");
}

#[test]
fn a_second_report_of_a_closed_connection_counted_as_another_loss() {
    let mut talk = Talk::of_x();
    talk.lost(Lost::Cut).does("connect Feed, close Feed").lost(Lost::Cut).does("");
    assert_eq!(talk.follower.counters().losses, 1);
    talk.shut_down();
    talk.lost(Lost::Cut).does("");
    assert!(talk.follower.is_over());
}
