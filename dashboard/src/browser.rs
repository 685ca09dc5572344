//! One browser's connection.

use crate::overview::{CHANGED, Current, Overview};
use crate::site::{Route, Site};
use http::Method;
use masque::filters::{Httpd, Reply, Request, Response};
use masque::reactor::{Cx, Event, Handlers, Session, Socket};
use masque::wheels::{Ended, ReadWrite};
use std::io;
use std::sync::Arc;

/// Answers a browser's requests: at once, or when the document that it waits for has changed.
#[derive(Debug)]
pub(crate) struct Browser {
    client: ReadWrite<Httpd>,
    site: Arc<Site>,
    /// The document that a poll waits for.
    waits_for: Option<usize>,
    /// Whether nothing more will come, so that nobody is kept waiting.
    has_ended: bool,
}

impl Browser {
    const REQUEST: Event<Result<Request, Response>> = Event::new("browser.request");
    const ENDED: Event<Ended> = Event::new("browser.ended");
    const CHANGED: Event<usize> = Event::new("browser.changed");
    const TIMED_OUT: Event<()> = Event::new("browser.timed_out");
    const ANSWERED: Event<()> = Event::new("browser.answered");

    pub(crate) fn new(cx: &mut Cx<'_>, socket: Socket, site: Arc<Site>) -> io::Result<Self> {
        let client = ReadWrite::new(cx, socket, Httpd::new(), Self::REQUEST, Self::ENDED)?;
        Ok(Browser { client, site, waits_for: None, has_ended: false })
    }

    fn request(&mut self, cx: &mut Cx<'_>, request: Result<Request, Response>) {
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return self.client.put_last(cx, refusal), // it comes with its answer
        };
        match self.site.route(&request) {
            Route::Answer(answer) => self.answer(cx, answer),
            Route::Document { place, rev } => {
                let Some(current) = self.current(cx, place) else { return };
                let knows_current = rev.is_some() && rev.as_deref() == current.rev.as_deref();
                let may_wait =
                    request.method() == Method::GET && !current.is_closing && !self.has_ended;
                if knows_current && may_wait {
                    self.park(cx, place);
                } else {
                    self.tell(cx, current);
                }
            }
        }
    }

    /// The browser has what there is: it is answered when that changes, or when it has waited
    /// enough.
    fn park(&mut self, cx: &mut Cx<'_>, place: usize) {
        self.waits_for = Some(place);
        cx.watch(CHANGED, Self::CHANGED);
        cx.delay(Self::TIMED_OUT, self.site.long_poll, ());
    }

    fn changed(&mut self, cx: &mut Cx<'_>, place: usize) {
        if self.waits_for == Some(place) {
            self.respond(cx);
        }
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, (): ()) {
        self.respond(cx);
    }

    /// Ends a poll with what there is now.
    fn respond(&mut self, cx: &mut Cx<'_>) {
        cx.unwatch(CHANGED);
        cx.delay_clear(Self::TIMED_OUT);
        let place = self.waits_for.take();
        if let Some(current) = place.and_then(|place| self.current(cx, place)) {
            self.tell(cx, current);
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>, current: Current) {
        if current.is_closing
            && let Some(httpd) = self.client.filter(cx)
        {
            httpd.close_after_answer();
        }
        self.answer(cx, current.answer);
    }

    fn answer(&mut self, cx: &mut Cx<'_>, answer: impl Into<Reply>) {
        self.client.put(cx, answer);
    }

    fn current(&mut self, cx: &mut Cx<'_>, place: usize) -> Option<Current> {
        let current = cx.call(self.site.overview, Overview::CURRENT, place);
        // Without it there is nothing to serve any more: the program is ending.
        current.inspect_err(|_| cx.stop()).ok()
    }

    /// A browser that sends no more has left, or reads on with its half: a poll that waits is
    /// answered now, which is right for either, and so are the requests that came behind it.
    fn ended(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        if ended.is_final() {
            return cx.stop();
        }
        self.has_ended = true;
        if self.waits_for.is_some() {
            self.respond(cx);
        }
        // The requests behind the poll come before this does.
        cx.yield_now(Self::ANSWERED, ());
    }
}

impl Session for Browser {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::REQUEST, Self::request)
            .on(Self::ENDED, Self::ended)
            .on(Self::CHANGED, Self::changed)
            .on(Self::TIMED_OUT, Self::timed_out)
            .on(Self::ANSWERED, |browser, cx, ()| browser.client.finish(cx));
    }
}
