//! The states of a follower, and the transitions between them.

use crate::action::{Action, Channel};
use crate::answers::Answer;
use crate::event::FeedEvent;
use crate::follower::Follower;
use crate::listening::Listening;
use crate::row::{Info, Seq};
use std::time::{Duration, Instant};

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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    state: LinkState,
    /// The number of answers on this connection.
    pub(crate) answers: u32,
    /// True after the server has closed a connection that it seemed to keep open: then each request
    /// has its own connection, until a feed has worked for some time.
    pub(crate) is_single_use: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LinkState {
    #[default]
    Closed,
    Busy,
    /// Open, and the server accepts another request.
    Idle,
}

impl Link {
    /// Returns true if the next request can use this connection.
    pub(crate) fn is_idle(self) -> bool {
        self.state == LinkState::Idle && !self.is_single_use
    }

    pub(crate) fn set_idle(&mut self) {
        self.state = LinkState::Idle;
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

impl Follower {
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
}
