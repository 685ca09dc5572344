//! The follower: what goes in, what comes out, and its states.

use crate::answers::Answer;
use crate::checkpoint::Checkpoint;
use crate::error::{BoxError, FeedError};
use crate::event::{Counters, FeedEvent, FeedMode};
use crate::limits::EVENTS_MAX;
use crate::listening::{Listening, Paging};
use crate::look::Look;
use crate::options::{FeedOptions, Liveness};
use crate::requests::{Login, Subject};
use crate::retry::Retry;
use crate::row::{Info, Seq};
use crate::url::DatabaseUrl;
use bytes::Bytes;
use http::{Request, Response};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// Follows a database through its `_changes` feed: a machine without I/O and without a clock.
///
/// Its driver calls a `handle_` function for everything that happens, and after each call **polls
/// until there is nothing more**: [`poll_action`](Self::poll_action) for what to do,
/// [`poll_event`](Self::poll_event) for what to report, [`poll_timeout`](Self::poll_timeout) for
/// when to call [`handle_timeout`](Self::handle_timeout). When everything that has arrived has been
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
    pub(crate) subject: Subject,
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
    state: State,
    pub(crate) link: Link,
    pub(crate) redirect: Redirect,
    pub(crate) place: Place,
    pub(crate) paging: Paging,
    pub(crate) reread: Rereads,
    pub(crate) look: Look,
    timer: Option<Instant>,

    pub(crate) actions: VecDeque<Action>,
    events: VecDeque<FeedEvent>,
    outlet: Outlet,
    pub(crate) wants_settle: bool,
    pub(crate) counters: Counters,
}

/// One of the two connections that a follower may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The connection of the feed.
    Feed,
    /// The connection for looks at the database while an answer of the feed goes on.
    Look,
}

/// What the driver must do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Open a new connection, then call [`Follower::handle_connected`], or
    /// [`Follower::handle_lost`] if that fails. A client that manages its connections itself can
    /// call the former at once.
    Connect(Channel),
    /// Send a request on the open connection.
    Send(Channel, Request<Bytes>),
    /// Close the connection, or stop opening it, and report nothing more of it.
    Close(Channel),
    /// Read nothing more from the feed's connection until [`Resume`](Self::Resume), so that the
    /// server waits: the program has not acknowledged enough rows.
    Pause,
    /// Read again.
    Resume,
    /// The [checkpoint](Follower::checkpoint) has moved.
    Save(Urgency),
}

/// When a checkpoint should be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once: the feed has just begun at this place.
    Now,
    /// Within about a second, with other moves until then.
    Soon,
}

/// Why a connection was lost, or not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lost {
    /// The connection was not made.
    Connect(BoxError),
    /// The connection could not be secured.
    Tls {
        /// What failed.
        error: BoxError,
        /// True if it will fail again until an operator has fixed it, as with a certificate.
        is_permanent: bool,
    },
    /// Reading or writing failed.
    Io(io::Error),
    /// The answer is not valid HTTP.
    Http(BoxError),
    /// The connection ended before the first byte of an answer.
    Unanswered,
    /// The connection ended within an answer, or between two.
    Cut,
}

/// Where the follower is. [The crate's documentation](crate) has the diagram.
#[derive(Debug)]
pub(crate) enum State {
    /// No connection is open; the timer says when to try again.
    Waiting,
    /// A connection is being opened.
    Connecting,
    /// A request was sent; its answer has not arrived, or is arriving and is not the feed.
    Asking(Step, Box<Answer>),
    /// The answer is the feed, and its lines arrive.
    Following(Box<Listening>),
    /// A second response has begun in the middle of the feed.
    SecondResponse(Vec<u8>),
    /// Nothing is asked for any more; the last events may wait to be polled.
    Ended,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `POST /_session`.
    Login,
    /// `GET /`, for the server's uuid.
    Server,
    /// `GET /db`.
    Info,
    /// `GET /db/doc`, for the document with this index.
    Document(usize),
    /// `GET /db/doc`, for the row that waits for its document.
    RowDocument,
    /// `GET /db/_changes`.
    Feed,
}

/// The arrows of the diagram: from, to, and when.
pub(crate) const TRANSITIONS: &[(&str, &str, &str)] = &[
    ("Waiting", "Connecting", "the pause is over"),
    ("Waiting", "Ended", "shut down, or all rows are acknowledged"),
    ("Connecting", "Asking", "connected"),
    ("Connecting", "Waiting", "no connection"),
    ("Connecting", "Ended", "shut down, or given up"),
    ("Asking", "Asking", "answered: the next request on the same connection"),
    ("Asking", "Connecting", "answered: the next request on a new connection"),
    ("Asking", "Following", "the head of the feed"),
    ("Asking", "Waiting", "an error, or no answer in time"),
    ("Asking", "Ended", "shut down, given up, or a checkpoint that does not match"),
    ("Following", "Asking", "the end of a page: the next one on the same connection"),
    ("Following", "Connecting", "something must be read first, or a page on a new connection"),
    ("Following", "Waiting", "lost, a pause between pages, or the limit is reached"),
    ("Following", "SecondResponse", "a status line in the feed"),
    ("Following", "Ended", "shut down, or given up"),
    ("SecondResponse", "Waiting", "the second response is complete, or its time is up"),
    ("SecondResponse", "Ended", "shut down, or given up"),
];

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Waiting => "Waiting",
            State::Connecting => "Connecting",
            State::Asking(..) => "Asking",
            State::Following(_) => "Following",
            State::SecondResponse(_) => "SecondResponse",
            State::Ended => "Ended",
        }
    }
}

/// The connection of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    state: LinkState,
    /// The number of answers on this connection.
    pub(crate) answers: u32,
    /// True after the server has closed a connection that it seemed to keep open: then each request
    /// has its own connection, until a feed has worked for some time.
    pub(crate) is_single_use: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    Closed,
    Busy,
    /// Open, and the server accepts another request.
    Idle,
}

impl Link {
    /// Returns true if the next request can use this connection.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == LinkState::Idle && !self.is_single_use
    }

    pub(crate) fn set_busy(&mut self) {
        self.state = LinkState::Busy;
    }
}

/// The redirects of the current request.
#[derive(Debug, Default)]
pub(crate) struct Redirect {
    /// The target of the next request, if it was redirected.
    pub(crate) target: Option<String>,
    /// The number of redirects in a row.
    pub(crate) count: u32,
}

/// What is known about the database, and how far it has been followed.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The last sequence that was processed.
    pub(crate) since: Option<Seq>,
    /// Distinguishes the database from a later one of the same name.
    pub(crate) identity: Option<String>,
    /// The database when it was last looked at.
    pub(crate) end: Option<Info>,
    /// The number of purges when documents were last read, or purges were last reported.
    pub(crate) purges: Option<String>,
    /// The sequence after which a line was too long.
    pub(crate) too_long_after: Option<Seq>,
    /// True if the database was looked at since the last loss.
    pub(crate) is_checked: bool,
    /// True if it was reported since the last loss that nothing is left to report.
    pub(crate) is_caught_up: bool,
    /// True if the server said, since the database was last looked at, that it does not exist.
    pub(crate) was_missing: bool,
}

/// When documents were read, or must be read again.
#[derive(Debug, Default)]
pub(crate) struct Rereads {
    /// When all documents were last read because the database may have been created again.
    pub(crate) last_full: Option<Instant>,
    /// When documents were last read because their rows came without them.
    pub(crate) last_of_rows: Option<Instant>,
    /// When some must be read again, because the last reading was a moment ago or has failed.
    pub(crate) due: Option<Instant>,
}

/// Whether events can be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlet {
    /// Changes of documents wait for the end of the burst.
    Closed,
    Open,
    /// The program did not accept the next event.
    Blocked,
}

impl Follower {
    /// Starts a feed at `now`.
    #[must_use]
    pub fn new(options: FeedOptions, now: Instant) -> Self {
        let FeedOptions { url, subject, heartbeat, liveness, line_max, mode, retry, .. } = options;
        let is_filtered = subject.rows().is_none(); // the query of every change has its own filter
        let mut follower = Follower {
            url,
            subject,
            heartbeat,
            liveness,
            line_max,
            mode,
            retry,
            login: if options.has_cookie_session { Login::Wanted } else { Login::Basic },
            is_filtered,
            now,
            state: State::Waiting,
            link: Link { state: LinkState::Closed, answers: 0, is_single_use: false },
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
        self.now = now;
        match channel {
            Channel::Look => self.look_head(head, date),
            Channel::Feed => {
                self.counters.heard = Some(now);
                self.head(head, date);
            }
        }
    }

    /// A piece of the answer's body has arrived. Cost: O(`data`), without a copy of it where a line
    /// is longer than a few kilobytes.
    pub fn handle_data(&mut self, now: Instant, channel: Channel, data: &Bytes) {
        self.now = now;
        match channel {
            Channel::Look => self.look_data(data),
            Channel::Feed => {
                self.counters.heard = Some(now);
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

    /// A status line stood in place of a chunk of the body, and this is a piece of what follows.
    /// `CouchDB` writes a second response into the first if it fails in the middle of the feed. For
    /// clients that can show it; others report [`Lost::Http`].
    pub fn handle_unframed(&mut self, now: Instant, channel: Channel, data: &Bytes) {
        self.now = now;
        match channel {
            Channel::Look => self.look_later(),
            Channel::Feed => {
                self.counters.heard = Some(now);
                match self.state {
                    State::SecondResponse(_) => self.take_second_response(data),
                    State::Following(_) => self.begin_second_response(data),
                    _ => self.lose(FeedError::Answer("it contains a second response")),
                }
            }
        }
    }

    /// The answer is complete. `is_reusable` says that another request can be sent on this
    /// connection.
    pub fn handle_end(&mut self, now: Instant, channel: Channel, is_reusable: bool) {
        self.now = now;
        match channel {
            Channel::Look => self.looked(),
            Channel::Feed => {
                self.counters.heard = Some(now);
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
        let mut docs = self.subject.docs_mut().iter_mut();
        let result = match docs.find_map(|doc| Some((doc.news()?.clone(), doc))) {
            Some((change, doc)) => accept(FeedEvent::Change(change)).map(|()| {
                doc.record_reported();
                self.counters.changes += 1;
            }),
            None => {
                let Some(event) = self.events.front().cloned() else {
                    self.wants_settle |= self.outlet == Outlet::Blocked;
                    self.outlet = Outlet::Closed;
                    return None;
                };
                accept(event).map(|()| drop(self.events.pop_front()))
            }
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
        let is_complete = self.subject.rows().is_some_and(|rows| rows.left == Some(0));
        match &self.state {
            State::Following(listening) => listening.is_paused,
            State::Waiting => is_complete,
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
        let rows = self.subject.rows()?;
        let seq = rows.ledger.acknowledged()?.clone();
        Some(self.checkpoint_at(rows, seq, self.place.identity.clone()))
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Goes to another state and returns the one before. The only place where the state changes.
    pub(crate) fn enter(&mut self, to: State) -> State {
        let from = std::mem::replace(&mut self.state, to);
        debug_assert!(
            from.name() == self.state.name() && matches!(from, State::Waiting | State::Ended)
                || TRANSITIONS.iter().any(|(a, b, _)| (*a, *b) == (from.name(), self.state.name())),
            "{} -> {} is not in the diagram",
            from.name(),
            self.state.name()
        );
        #[cfg(test)]
        crate::tests::record_transition(from.name(), self.state.name());
        from
    }

    /// Opens a connection for the next request.
    pub(crate) fn connect(&mut self) {
        self.enter(State::Connecting);
        self.link = Link { state: LinkState::Busy, answers: 0, ..self.link };
        self.counters.connections += 1;
        self.actions.push_back(Action::Connect(Channel::Feed));
    }

    pub(crate) fn reconnect(&mut self) {
        self.hang_up();
        self.connect();
    }

    /// Closes the connection. Nothing of it is handled any more.
    pub(crate) fn hang_up(&mut self) {
        self.timer = None;
        self.end_look();
        if std::mem::replace(&mut self.link.state, LinkState::Closed) != LinkState::Closed {
            self.actions.push_back(Action::Close(Channel::Feed));
        }
    }

    /// Closes the connection and tries again after `pause`.
    pub(crate) fn wait(&mut self, pause: Duration) {
        self.hang_up();
        self.enter(State::Waiting);
        self.set_timer(pause);
    }

    /// Reports the last event and ends the feed.
    pub(crate) fn end(&mut self, event: FeedEvent) {
        self.hang_up();
        self.enter(State::Ended);
        self.tell(event);
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

    /// Returns true if the program does not accept events at the moment.
    pub(crate) fn is_blocked(&self) -> bool {
        self.outlet == Outlet::Blocked
    }
}
