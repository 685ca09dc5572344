//! The follower: its inputs and its outputs.

use crate::checkpoint::Checkpoint;
use crate::documents::Document;
use crate::documents::Look;
use crate::error::FeedError;
use crate::event::{Action, Channel, Counters, FeedEvent, FeedMode, Lost};
use crate::limits::EVENTS_MAX;
use crate::loss::Retry;
use crate::options::{FeedOptions, Liveness};
use crate::requests::Login;
use crate::requests::Paging;
use crate::rows::Rows;
use crate::state::{Link, LinkState, Place, Redirect, Rereads, State};
use crate::url::DatabaseUrl;
use bytes::Bytes;
use http::Response;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// Follows a database through its `_changes` feed: a machine without I/O and without a clock.
///
/// Its driver calls a `handle_` function for everything that happens, and after each call **polls
/// until there is nothing more**. [`poll_action`](Self::poll_action) returns the next thing to do,
/// [`poll_event`](Self::poll_event) the next report, and [`poll_timeout`](Self::poll_timeout) the
/// time for [`handle_timeout`](Self::handle_timeout). When everything that has arrived has been
/// handled and [`wants_settle`](Self::wants_settle) is true, it calls [`settle`](Self::settle).
///
/// All calls take the current time, which never goes back. The same calls with the same times and
/// the same [seed](FeedOptions::seed) give the same results.
///
/// It reads the documents as they are, then follows the feed from a sequence before that, so that
/// nothing in between is lost. A lost feed is resumed from the last sequence after a growing,
/// jittered, capped pause, forever unless [`retry_limit`](FeedOptions::retry_limit) or
/// [`retry_if`](FeedOptions::retry_if) say otherwise. The documents are read again if anything in
/// the database has changed, and if the database was created again or may have been. A revision is
/// not reported twice in a row, and of a burst the latest revision is reported.
///
/// `CouchDB` removes purged documents without a row in the feed. So the follower looks at the
/// database whenever it asks for the feed, and every [`LOOK_PAUSE`](crate::limits::LOOK_PAUSE) on a
/// second connection while an answer goes on.
///
/// Memory is bounded by the longest line, whatever the server sends. A line or a document that is
/// longer is reported and skipped, and so is a document that is not the one of its row or request.
#[derive(Debug)]
pub struct Follower {
    pub(crate) url: DatabaseUrl,
    /// The followed documents; none if every change is followed.
    pub(crate) docs: Vec<Document>,
    /// Every change, if that is followed instead of documents.
    pub(crate) rows: Option<Box<Rows>>,
    pub(crate) heartbeat: Duration,
    pub(crate) liveness: Liveness,
    pub(crate) line_max: usize,
    pub(crate) mode: FeedMode,
    pub(crate) retry: Retry,
    pub(crate) login: Login,
    /// True while the server is asked to send only the followed documents.
    pub(crate) is_filtered: bool,

    /// The time of the current call.
    pub(crate) now: Instant,
    pub(crate) state: State,
    pub(crate) link: Link,
    pub(crate) redirect: Redirect,
    pub(crate) place: Place,
    pub(crate) paging: Paging,
    pub(crate) reread: Rereads,
    pub(crate) look: Look,
    pub(crate) timer: Option<Instant>,

    pub(crate) actions: VecDeque<Action>,
    events: VecDeque<FeedEvent>,
    pub(crate) outlet: Outlet,
    pub(crate) wants_settle: bool,
    pub(crate) counters: Counters,
}

/// The state of the queue of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlet {
    /// Changes of documents wait for the end of the burst.
    Closed,
    Open,
    /// The program did not accept the next event.
    Blocked,
}

impl Follower {
    pub(crate) fn new(options: FeedOptions, now: Instant) -> Self {
        let FeedOptions { url, docs, rows, heartbeat, liveness, line_max, mode, retry, .. } =
            options;
        let is_filtered = rows.is_none(); // the query of every change has its own filter
        let mut follower = Follower {
            url,
            docs,
            rows,
            heartbeat,
            liveness,
            line_max,
            mode,
            retry,
            login: if options.has_cookie_session { Login::Wanted } else { Login::Basic },
            is_filtered,
            now,
            state: State::Waiting,
            link: Link::default(),
            redirect: Redirect::default(),
            place: Place::default(),
            paging: Paging::default(),
            reread: Rereads::default(),
            look: Look::default(),
            timer: None,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            outlet: Outlet::Closed,
            wants_settle: false,
            counters: Counters::default(),
        };
        follower.connect();
        follower
    }

    /// The connection is open.
    pub fn handle_connected(&mut self, now: Instant, channel: Channel) {
        self.now = now;
        match channel {
            Channel::Look => self.look_connected(),
            Channel::Feed if matches!(self.state, State::Connecting) => self.ask(),
            Channel::Feed => {}
        }
    }

    /// The head of the answer has arrived. `date` is the time of day, to which a `Retry-After` with
    /// a date refers.
    pub fn handle_head(
        &mut self,
        now: Instant,
        date: SystemTime,
        channel: Channel,
        head: &Response<()>,
    ) {
        self.hear(now, channel);
        match channel {
            Channel::Look => self.look_head(head, date),
            Channel::Feed => self.head(head, date),
        }
    }

    /// A piece of the answer's body has arrived. Cost: O(`data`), without a copy of it where a line
    /// is longer than a few kilobytes.
    pub fn handle_data(&mut self, now: Instant, channel: Channel, data: &Bytes) {
        self.hear(now, channel);
        match channel {
            Channel::Look => self.look_data(data),
            Channel::Feed => {
                self.counters.bytes += data.len() as u64;
                match &mut self.state {
                    State::Following(listening) => {
                        listening.feed(data);
                        self.take_lines();
                    }
                    State::SecondResponse(_) => self.take_second_response(data),
                    State::Asking(..) => self.body(data),
                    _ => {}
                }
            }
        }
    }

    /// A status line came in place of a chunk of the body, and `data` is a piece of it or of the
    /// bytes after it. `CouchDB` writes a second response into the first if it fails in the middle
    /// of the feed. For clients that can show it; others report [`Lost::Http`].
    pub fn handle_unframed(&mut self, now: Instant, channel: Channel, data: &Bytes) {
        self.hear(now, channel);
        match (channel, &self.state) {
            (Channel::Look, _) => self.look_later(),
            (_, State::SecondResponse(_)) => self.take_second_response(data),
            (_, State::Following(_)) => self.begin_second_response(data),
            _ => self.lose(FeedError::Answer("it contains a second response")),
        }
    }

    /// The answer is complete. `is_reusable` says that another request can be sent on this
    /// connection.
    pub fn handle_end(&mut self, now: Instant, channel: Channel, is_reusable: bool) {
        self.hear(now, channel);
        match channel {
            Channel::Look => self.looked(),
            Channel::Feed => {
                self.link.answers += 1;
                if is_reusable {
                    self.link.state = LinkState::Idle;
                }
                self.answered();
            }
        }
    }

    /// The connection was lost, or not made.
    pub fn handle_lost(&mut self, now: Instant, channel: Channel, lost: Lost) {
        self.now = now;
        match channel {
            Channel::Look => self.look_later(),
            Channel::Feed => self.lost(lost),
        }
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. An early call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.timer.is_some_and(|due| due <= now) {
            self.timer = None;
            self.tick();
        }
        if self.look.timer.is_some_and(|due| due <= now) {
            self.look.timer = None;
            self.look_due();
        }
    }

    /// Returns true if [`settle`](Self::settle) should be called when everything that has arrived
    /// has been handled.
    #[must_use]
    pub fn wants_settle(&self) -> bool {
        self.wants_settle
    }

    /// Everything that has arrived has been handled: of a burst of changes the latest revisions can
    /// be polled now.
    pub fn settle(&mut self, now: Instant) {
        self.now = now;
        self.wants_settle = false;
        if self.outlet == Outlet::Closed {
            self.outlet = Outlet::Open;
        }
        self.reread_rows();
        self.probe_end();
        self.read_on();
    }

    /// Acknowledges a row: the program has processed it. In any order; a number that is not
    /// unfinished does nothing. O(1), amortized.
    pub fn acknowledge(&mut self, now: Instant, number: u64) {
        self.now = now;
        self.acknowledged(number);
    }

    /// The checkpoint could not be saved.
    pub fn handle_unsaved(&mut self, now: Instant, error: io::Error) {
        self.now = now;
        self.tell(FeedEvent::Unsaved(error.into()));
    }

    /// Ends the feed, in whatever state it is. Events that were not polled are dropped.
    pub fn shut_down(&mut self, now: Instant) {
        self.now = now;
        self.hang_up();
        self.events.clear();
        self.outlet = Outlet::Closed;
        self.enter(State::Ended);
    }

    /// What to do next, if anything.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<FeedEvent> {
        let mut next = None;
        let _ = self.offer_event(|event| {
            next = Some(event);
            Ok::<(), ()>(())
        });
        next
    }

    /// Gives the next event, if there is one, to `accept`. If that fails the event is kept, and no
    /// more rows are read until it is accepted; call this again after the next
    /// [`settle`](Self::settle).
    pub fn offer_event<E>(
        &mut self,
        accept: impl FnOnce(FeedEvent) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        if self.outlet == Outlet::Closed {
            return None;
        }
        let mut docs = self.docs.iter_mut();
        let changed = docs.find_map(|doc| Some((doc.news()?.clone(), doc)));
        let result = if let Some((change, doc)) = changed {
            accept(FeedEvent::Change(change)).map(|()| {
                doc.record_reported();
                self.counters.changes += 1;
            })
        } else if let Some(event) = self.events.front() {
            accept(event.clone()).map(|()| drop(self.events.pop_front()))
        } else {
            self.wants_settle |= self.outlet == Outlet::Blocked;
            self.outlet = Outlet::Closed;
            return None;
        };
        if result.is_err() {
            self.outlet = Outlet::Blocked;
            self.wants_settle = true;
            self.pause_if_full();
        }
        Some(result)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timer.into_iter().chain(self.look.timer).min()
    }

    /// Returns true if the feed has ended and all events were polled.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended) && self.events.is_empty()
    }

    /// Returns true if only acknowledgements are awaited.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        match &self.state {
            State::Following(listening) => listening.is_paused,
            State::Waiting => self.rows.as_ref().is_some_and(|rows| rows.left == Some(0)),
            _ => false,
        }
    }

    /// What the feed has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Distinguishes the database from a later one of the same name. `None` if the server does not
    /// say it, or was not asked yet.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.place.identity.as_deref()
    }

    /// The sequence up to which all rows are acknowledged; `None` if documents are followed, or
    /// before the database was first reached.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let rows = self.rows.as_ref()?;
        let seq = rows.ledger.acknowledged.clone()?;
        Some(self.checkpoint_at(rows, seq, self.place.identity.clone()))
    }

    /// Something has arrived.
    fn hear(&mut self, now: Instant, channel: Channel) {
        self.now = now;
        if channel == Channel::Feed {
            self.counters.heard = Some(now);
        }
    }

    pub(crate) fn set_timer(&mut self, after: Duration) {
        self.timer = self.now.checked_add(after);
    }

    /// Reports `event`, after the changes that came before it.
    pub(crate) fn tell(&mut self, event: FeedEvent) {
        let is_row = |event: &FeedEvent| matches!(event, FeedEvent::Row { .. });
        if self.events.len() >= EVENTS_MAX
            && let Some(oldest) = self.events.iter().position(|event| !is_row(event))
        {
            self.events.remove(oldest);
            log::warn!("events of the feed of {} are not polled: the oldest is dropped", self.url);
        }
        self.events.push_back(event);
        if self.outlet == Outlet::Closed {
            self.outlet = Outlet::Open;
        }
    }
}
