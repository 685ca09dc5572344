//! The states of a follower, and the transitions between them.

use crate::answers::Answer;
use crate::event::{Action, Channel, FeedEvent};
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

impl Step {
    pub(crate) fn is_document(self) -> bool {
        matches!(self, Step::Document(_) | Step::RowDocument)
    }
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
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    /// The number of answers on this connection.
    pub(crate) answers: u32,
    /// True after the server has closed a connection that it seemed to keep open: then each request
    /// has its own connection, until a feed has worked for some time.
    pub(crate) is_single_use: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkState {
    #[default]
    Closed,
    Busy,
    /// Open, and the server accepts another request.
    Idle,
}

/// The redirects of the current request.
#[derive(Debug, Default)]
pub(crate) struct Redirect {
    /// The target of the next request, if it was redirected.
    pub(crate) target: Option<String>,
    /// The number of redirects in a row.
    pub(crate) count: u32,
}

/// The database, and the position up to which it was followed.
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

impl Place {
    /// Returns true if the database is certainly another one than before.
    ///
    /// Only a server whose sequences are numbers sends neither a creation time nor a uuid. Then a
    /// database with fewer changes than were reported is another one, or has lost its last changes
    /// in a crash. The same holds for one that was missing for a time. One that was created again
    /// unseen, and has as many changes, is not recognised.
    pub(crate) fn is_recreated(&self, info: &Info) -> bool {
        match (&self.identity, &info.identity) {
            (Some(before), Some(now)) => before != now,
            _ => self.since.as_ref().is_some_and(|since| self.has_lost(info, since)),
        }
    }

    /// Returns true if the changes up to `seq` certainly no longer exist. Only sequences that are
    /// numbers can say so: they count the changes of one database.
    pub(crate) fn has_lost(&self, info: &Info, seq: &Seq) -> bool {
        info.count.is_some_and(|count| {
            self.was_missing || seq.number().is_some_and(|known| count < known)
        })
    }

    /// Returns true if everything was reported that existed when the database was last looked at.
    /// It is not known whether changes at the end were skipped because of a filter.
    pub(crate) fn is_at_end(&self) -> bool {
        let (Some(end), Some(since)) = (&self.end, &self.since) else { return false };
        let is_past = end.count.zip(since.number()).is_some_and(|(count, seq)| seq >= count);
        is_past || end.update_seq.as_ref() == Some(since)
    }

    /// Returns true if documents were purged since they were last read, or purges last reported.
    pub(crate) fn is_purged(&self, info: &Info) -> bool {
        self.purges.as_ref().zip(info.purges.as_ref()).is_some_and(|(before, now)| before != now)
    }
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
    /// Goes to another state. The only place where the state changes.
    pub(crate) fn enter(&mut self, to: State) {
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
    }

    /// Opens a connection for the next request.
    pub(crate) fn connect(&mut self) {
        self.enter(State::Connecting);
        (self.link.state, self.link.answers) = (LinkState::Busy, 0);
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
        if std::mem::take(&mut self.link.state) != LinkState::Closed {
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
