//! Looking at the database next to a feed that goes on, because no row tells of a purge.
//!
//! `CouchDB` removes what is purged without a trace: a feed has no row for it, and the document is
//! just not there any more. Only the `purge_seq` of `GET /db` changes. A feed that is asked for
//! again looks at the database first and so notices it. While an answer goes on, the database is
//! looked at once in a while on another connection, because the answer may go on for days, and
//! asking for it again would have the server search everything that its filter leaves out.
//!
//! A look that fails does no harm to the feed: it is repeated after the next pause. It follows no
//! redirect; where `GET /db` is redirected, a purge is noticed when the feed is next asked for. One
//! whose credentials are refused counts as a refused try: a feed that is lost then waits for the
//! pause after such a try.

use super::ChangesFeed;
use super::FeedEvent;
use super::answer::{Answer, is_plain};
use super::row::{Info, parse_info};
use crate::filters::{HttpClient, Part};
use crate::limits::{ANSWER_TIME, FEED_ANSWER_BYTES, FEED_CONNECT_TIME, FEED_LOOK_PAUSE};
use crate::reactor::{Cx, Event, Handlers, Socket};
use crate::wheels::{ConnectError, Connector, Ended, ReadWrite};
use http::StatusCode;

/// The look at the database that is under way, and what the last one found.
#[derive(Debug, Default)]
pub(super) struct Look {
    connector: Option<Connector>,
    wire: Option<ReadWrite<HttpClient>>,
    answer: Answer,
    /// How many purges there were when documents were last read, or purges last told.
    pub(super) purges: Option<String>,
}

impl ChangesFeed {
    /// Begins a look, or ends one that takes too long.
    const LOOK: Event<()> = Event::new("changes_feed.look");
    const LOOK_CONNECTED: Event<Result<Socket, ConnectError>> =
        Event::new("changes_feed.look_connected");
    const LOOK_PART: Event<Part> = Event::new("changes_feed.look_part");
    const LOOK_ENDED: Event<Ended> = Event::new("changes_feed.look_ended");

    pub(super) fn look_events(on: &mut Handlers<Self>) {
        on.on(Self::LOOK, Self::look_is_due)
            .on(Self::LOOK_CONNECTED, Self::look_connected)
            .on(Self::LOOK_PART, Self::look_part)
            .on(Self::LOOK_ENDED, |feed, cx, _| feed.look_later(cx));
    }

    /// Looks at the database after a pause, unless the feed ends before that, the server does not
    /// count purges or has refused this look: the feed needs no login while it goes on.
    pub(super) fn look_later(&mut self, cx: &mut Cx<'_>) {
        let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let is_refused = self.look.answer.status.is_some_and(|status| refusals.contains(&status));
        self.end_look(cx);
        if self.look.purges.is_some() && !is_refused {
            cx.delay(Self::LOOK, FEED_LOOK_PAUSE.max(self.login_pause(cx)), ());
        }
    }

    /// Looks no more, until the feed is asked for again.
    pub(super) fn end_look(&mut self, cx: &mut Cx<'_>) {
        cx.delay_clear(Self::LOOK);
        if std::mem::take(&mut self.look.answer).refuses_credentials(false) {
            self.login_is_refused(cx);
        }
        if let Some(connector) = self.look.connector.take() {
            connector.close(cx);
        }
        if let Some(wire) = self.look.wire.take() {
            wire.close(cx);
        }
    }

    fn look_is_due(&mut self, cx: &mut Cx<'_>, (): ()) {
        if self.look.connector.is_some() || self.look.wire.is_some() {
            return self.look_later(cx);
        }
        let target = self.database.target();
        let connector = Connector::new(cx, target, FEED_CONNECT_TIME, Self::LOOK_CONNECTED);
        self.look.connector = Some(connector);
        cx.delay(Self::LOOK, ANSWER_TIME, ());
    }

    fn look_connected(&mut self, cx: &mut Cx<'_>, result: Result<Socket, ConnectError>) {
        self.look.connector = None;
        let socket = result.ok().and_then(|socket| self.database.dress(socket, cx.date()).ok());
        self.look.wire = socket.and_then(|socket| {
            ReadWrite::new(cx, socket, HttpClient::new(), Self::LOOK_PART, Self::LOOK_ENDED).ok()
        });
        let request = self.database.get(&self.database.under(""), self.login.cookie());
        match (self.look.wire, request) {
            (Some(wire), Some(request)) => drop(wire.put(cx, request)),
            _ => self.look_later(cx),
        }
    }

    fn look_part(&mut self, cx: &mut Cx<'_>, part: Part) {
        match part {
            Part::Head(head) => {
                self.login.keep(head.headers());
                self.look.answer = Answer::of(&head, cx.date());
                if !is_plain(head.headers()) {
                    self.look_later(cx);
                }
            }
            Part::Data(data) => {
                let body = &mut self.look.answer.body;
                if body.len() + data.len() > FEED_ANSWER_BYTES {
                    return self.look_later(cx);
                }
                body.extend_from_slice(&data);
            }
            Part::End => self.looked(cx),
        }
    }

    /// The answer is complete.
    fn looked(&mut self, cx: &mut Cx<'_>) {
        let answer = &self.look.answer;
        let info = parse_info(&answer.body).filter(|_| answer.is_ok());
        self.look_later(cx);
        let Some(info) = info else { return };
        let is_other = info.identity.is_some() && info.identity != self.identity;
        let must_read = self.is_purged(&info) && self.subject.rows().is_none();
        if is_other || must_read {
            self.look_again(cx);
        } else {
            self.tell_purges(cx, &info);
        }
    }

    /// Returns true if documents were purged since they were last read, or purges last told.
    pub(super) fn is_purged(&self, info: &Info) -> bool {
        let purges = self.look.purges.as_ref().zip(info.purges.as_ref());
        purges.is_some_and(|(before, now)| before != now)
    }

    /// Keeps how many purges there were, and tells a watcher of every change if there are more.
    pub(super) fn tell_purges(&mut self, cx: &mut Cx<'_>, info: &Info) {
        let is_purged = self.is_purged(info);
        if info.purges.is_some() {
            self.look.purges.clone_from(&info.purges);
        }
        if is_purged && self.subject.rows().is_some() {
            self.tell(cx, FeedEvent::Purged);
            self.save_soon(cx);
        }
    }
}
