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

/// The fields that are looked at in a request for a document.
const FIELDS: [&str; 2] = ["if-none-match", "last-event-id"];
/// The fields that are looked at where the files are, and what else may have a path that begins so.
const FILE_FIELDS: [&str; 3] = ["if-none-match", "accept-encoding", "last-event-id"];
const FILES: [&str; 2] = ["/file/", "/favicon.ico"];
/// The fields that the access log tells.
const LOGGED: [&str; 2] = ["referer", "user-agent"];

/// What browsers' connections are read by. A browser sends a dozen fields with each poll; what
/// nobody looks at is not kept.
pub(crate) fn httpd(is_logged: bool) -> Httpd {
    let logged = if is_logged { &LOGGED[..] } else { &[] };
    let httpd = Httpd::new().with_fields(&[&FIELDS, logged].concat());
    let of_files = [&FILE_FIELDS, logged].concat();
    FILES.iter().fold(httpd, |httpd, path| httpd.with_fields_under(path, &of_files))
}

/// Answers a browser's requests: at once, or when the document that it waits for has changed, or
/// with every change for as long as it listens.
#[derive(Debug)]
pub(crate) struct Browser {
    client: ReadWrite<Httpd>,
    site: Arc<Site>,
    waits: Waits,
    /// What the request at work is for.
    kind: Kind,
    /// Whether it has sent a request.
    is_known: bool,
    /// Whether the server ends.
    is_closing: bool,
    role: Role,
    /// Whether nothing more will come, so that nobody is kept waiting.
    has_ended: bool,
    end: ConnectionEnd,
    /// What most browsers do not have, so that it costs them no memory.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// What the log will say of the request at work, where there is a log.
    entry: Option<LoggedRequest>,
    /// Revisions of which not all was sent when they were put last. Empty while all is sent.
    reads: Vec<Revision>,
}

/// What the connection waits for, when its request is not answered at once.
#[derive(Debug)]
enum Waits {
    Nothing {
        /// When the connection's last request was answered.
        answered: Option<Instant>,
    },
    /// A poll: for the document at `index` to change.
    Change {
        index: usize,
        /// The browser takes the document for up to date.
        is_fresh: bool,
        /// What the request said beyond the revision, if it said more.
        asked: Option<Box<Asked>>,
    },
    /// A stream of events of the document at `index`.
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
            Err(refusal) => self.refuse(cx, refusal), // a bad request comes with its answer
        }
    }

    fn serve(&mut self, cx: &mut Cx<'_>, request: &Request) {
        let route = self.site.route(request);
        self.kind = route.kind();
        let route = self.receive(cx, route);
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
                // A server that is ending has none any more.
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

    /// A browser that sends no more has left, or reads on with its half: a poll that waits is
    /// answered now, which is right for either, and so are the requests that came behind it.
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
            .on(Self::FULL, |_, _, ()| ()) // the stream knows
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
    /// Counts the end. `stopped` does not run after a panic, and a browser that was never counted
    /// off would keep its index.
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
