//! One browser's connection.

mod answers;
mod closing;
mod events;
mod guest;
mod polls;
mod slow;

pub(crate) use closing::CLOSING;

use events::Subscription;
use polls::Asked;

use crate::access_log::LoggedRequest;
use crate::files::Files;
use crate::metrics::{ConnectionEnd, Kind, PollEnd};
use crate::overview::{News, Overview};
use crate::revisions::Revision;
use crate::site::{Route, Site, not_found};
use crate::{exposition, health};
use guest::Role;
use http::StatusCode;
use masque::filters::{Httpd, Request, Response};
use masque::reactor::{Cx, Event, Handlers, Session, Socket};
use masque::sessions::TcpServer;
use masque::wheels::{Ended, ReadWrite};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// The headers that are read in a request for a document.
const FIELDS: [&str; 2] = ["if-none-match", "last-event-id"];
/// The headers that are read in a request below [`FILES`]. Other requests can have a path that
/// starts like these, so the list includes `last-event-id`.
const FILE_FIELDS: [&str; 3] = ["if-none-match", "accept-encoding", "last-event-id"];
const FILES: [&str; 2] = ["/file/", "/favicon.ico"];
/// The headers that are in the access log.
const LOGGED: [&str; 2] = ["referer", "user-agent"];

/// Returns the filter of connections. A browser sends a dozen headers with each poll, and only the
/// listed ones are stored.
pub(crate) fn httpd(is_logged: bool) -> Httpd {
    let logged = if is_logged { &LOGGED[..] } else { &[] };
    let httpd = Httpd::new().with_fields(&[&FIELDS, logged].concat());
    let of_files = [&FILE_FIELDS, logged].concat();
    FILES.iter().fold(httpd, |httpd, path| httpd.with_fields_under(path, &of_files))
}

/// Answers the requests of one connection: immediately, when the document changes, or with a stream
/// of changes.
#[derive(Debug)]
pub(crate) struct Browser {
    client: ReadWrite<Httpd>,
    site: Arc<Site>,
    waits: Waits,
    /// The kind of the current request.
    kind: Kind,
    /// It has sent a request.
    is_known: bool,
    /// The server is ending.
    is_closing: bool,
    role: Role,
    /// The browser sends no more requests, so none may wait.
    has_ended: bool,
    end: ConnectionEnd,
    /// State that most connections do not have, boxed to save memory.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// The line of the access log for the current request, if there is a log.
    entry: Option<LoggedRequest>,
    /// Revisions that were not completely sent by the last write. Empty once everything is sent.
    reads: Vec<Revision>,
}

/// The event that the connection waits for, if the current request is not answered immediately.
#[derive(Debug)]
enum Waits {
    Nothing {
        /// When the last request of the connection was answered.
        answered: Option<Instant>,
    },
    /// A poll waits until the document at `index` changes.
    Change {
        index: usize,
        /// The browser knows the document as up to date.
        is_fresh: bool,
        /// Further conditions of the request, if it has any.
        asked: Option<Box<Asked>>,
    },
    /// A stream sends the changes of the document at `index`.
    Events { index: usize, subscription: Box<Subscription> },
}

impl Browser {
    const REQUEST: Event<Result<Request, Response>> = Event::new("browser.request");
    const ENDED: Event<Ended> = Event::new("browser.ended");
    const CHANGED: Event<News> = Event::new("browser.changed");
    const TIMED_OUT: Event<()> = Event::new("browser.timed_out");
    const FEED_STATE: Event<()> = Event::new("browser.feed_state");

    pub(crate) fn new(cx: &mut Cx<'_>, socket: Socket, site: Arc<Site>) -> io::Result<Self> {
        let role = if site.is_full() { Role::Guest } else { Role::Served };
        let httpd = role.httpd(site.httpd.clone());
        let client = ReadWrite::new(cx, socket, httpd, Self::REQUEST, Self::ENDED)?;
        cx.watch(CLOSING, Self::CLOSING);
        site.metrics.connections.add(1);
        site.metrics.accepted.add(1);
        site.metrics.guests.add(u64::from(role == Role::Guest));
        Ok(Browser {
            client,
            site,
            waits: Waits::Nothing { answered: None },
            kind: Kind::Other,
            is_known: false,
            is_closing: false,
            role,
            has_ended: false,
            end: ConnectionEnd::Cut,
            extra: None,
        })
    }

    fn request(&mut self, cx: &mut Cx<'_>, request: Result<Request, Response>) {
        self.is_known = true;
        self.note(cx, request.as_ref().ok());
        match request {
            Ok(ref request) => self.serve(cx, request),
            Err(refusal) => self.refuse(cx, refusal), // the answer of the filter
        }
    }

    fn serve(&mut self, cx: &mut Cx<'_>, request: &Request) {
        let route = self.site.route(request);
        self.kind = route.kind();
        let route = self.admit(cx, route);
        match route {
            Route::Answer(answer) => self.answer(cx, answer),
            Route::File(name) => match cx.call(self.site.files, Files::READ, name) {
                Ok(Some(file)) => self.answer(cx, file.answer(request.headers())),
                Ok(None) => self.answer(cx, not_found()),
                Err(_) => cx.stop(), // the program is ending
            },
            Route::Document { index, rev } => self.document(cx, request, index, rev.as_deref()),
            Route::Events { index } => self.subscribe(cx, request, index),
            Route::Health => {
                let Ok(status) = cx.call(self.site.overview, Overview::STATUS, ()) else {
                    return cx.stop();
                };
                self.answer(cx, health::health(&status, self.site.stale_after));
            }
            Route::Metrics => {
                let Ok(status) = cx.call(self.site.overview, Overview::STATUS, ()) else {
                    return cx.stop();
                };
                // A server that is ending has no counters any more.
                let listener = cx.call(Site::SERVER, TcpServer::COUNTS, ()).unwrap_or_default();
                let page =
                    exposition::exposition(&self.site.metrics, &listener, &status, &cx.stats());
                self.answer(cx, page);
            }
        }
    }

    fn changed(&mut self, cx: &mut Cx<'_>, news: News) {
        match (&self.waits, news) {
            (Waits::Change { .. }, News::FeedState) => self.feed_state_changed(cx),
            (Waits::Change { index, .. }, News::Changed(changed)) if *index == changed => {
                self.document_changed(cx);
            }
            (Waits::Change { index, .. }, News::Restarted(changed)) if *index == changed => {
                self.respond(cx, PollEnd::Changed);
            }
            (Waits::Events { index, .. }, News::Changed(changed)) if *index == changed => {
                self.send_document(cx);
            }
            (Waits::Events { index, .. }, News::Restarted(changed)) if *index == changed => {
                self.send_current_document(cx);
            }
            _ => {}
        }
    }

    /// A browser that sends no more has left, or has only closed its sending half. In both cases it
    /// is right to answer a waiting poll now, and the requests after it.
    fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        if ended.is_final() {
            self.end = match ended {
                Ended::TimedOut => ConnectionEnd::TimedOut,
                Ended::Failed(_) => ConnectionEnd::Failed,
                _ => ConnectionEnd::Finished,
            };
            return cx.stop();
        }
        self.has_ended = true;
        match self.waits {
            Waits::Nothing { .. } => {}
            Waits::Change { .. } => self.respond(cx, PollEnd::Left),
            Waits::Events { .. } => self.end_events(cx),
        }
        self.client.finish_after_input(cx);
    }
}

impl Session for Browser {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::REQUEST, Self::request)
            .on(Self::ENDED, Self::ended)
            .on(Self::CHANGED, Self::changed)
            .on(Self::TIMED_OUT, Self::timed_out)
            .on(Self::RELEASED, Self::released)
            .on(Self::FEED_STATE, Self::answer_with_feed_state)
            .on(Self::FEED_CHANGED, |browser, cx, ()| browser.send_feed_state(cx))
            .on(Self::QUIET, Self::quiet)
            .on(Self::FULL, |_, _, ()| ()) // the stream checks this itself
            .on(Self::DRAINED, Self::drained)
            .on(Self::CLOSING, Self::closing)
            .on(Self::LEAVE, Self::leave);
    }

    fn stopped(&mut self, cx: &mut Cx<'_>) {
        if let Waits::Events { subscription, .. } = &self.waits {
            let sent_bytes = subscription.sent_bytes();
            self.log(cx, StatusCode::OK, sent_bytes);
        }
    }
}

impl Drop for Browser {
    /// Counts the end. `stopped` does not run after a panic, and a browser that is not counted off
    /// would occupy its slot forever.
    fn drop(&mut self) {
        let metrics = &self.site.metrics;
        match self.waits {
            Waits::Nothing { .. } => {}
            Waits::Change { .. } => metrics.poll_ended(PollEnd::Left),
            Waits::Events { .. } => metrics.streams.remove(1),
        }
        metrics.guests.remove(u64::from(self.role == Role::Guest));
        metrics.connection_ended(self.end);
    }
}

#[cfg(test)]
mod tests;
