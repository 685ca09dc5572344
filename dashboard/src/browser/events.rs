//! A document's changes as server-sent events, for as long as the browser listens.

use super::{Browser, Waits};
use crate::overview::{CHANGED, FEED_CHANGED, Overview, Told};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use masque::filters::{Reply, Request, ServerSentEvent};
use masque::reactor::{Cx, Event};
use masque::sessions::EventStream;

/// The id of the last event that a browser got before it came back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Browser {
    pub(super) const FEED_CHANGED: Event<()> = Event::new("browser.feed_changed");
    pub(super) const QUIET: Event<()> = Event::new("browser.quiet");
    pub(super) const FULL: Event<()> = Event::new("browser.full");
    pub(super) const DRAINED: Event<()> = Event::new("browser.drained");

    /// Begins a stream: with the state of the feed, and with the document unless the browser has
    /// it.
    pub(super) fn subscribe(&mut self, cx: &mut Cx<'_>, request: &Request, place: usize) {
        if request.method() == Method::HEAD || self.hurries() {
            return self.answer_with_head(cx);
        }
        let Some(told) = self.told(cx, place) else { return };
        let mut stream = EventStream::start(cx, self.client, Self::FULL, Self::DRAINED);
        self.site.metrics.answered(self.kind, StatusCode::OK);
        self.site.metrics.streams.add(1);
        self.site.metrics.events.add(1);
        stream.send(cx, "feed", &told.feed);
        let last = request.headers().get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
        let has_it = last.is_some() && last == told.rev.as_deref().map(str::as_bytes);
        if let Some(document) = told.document.filter(|_| !has_it) {
            self.site.metrics.events.add(1);
            stream.send(cx, "document", &document);
        }
        self.note_reading(cx, told.revision);
        self.waits = Waits::Events { place, stream: Box::new(stream) };
        cx.watch(CHANGED, Self::CHANGED);
        cx.watch(FEED_CHANGED, Self::FEED_CHANGED);
        self.rest(cx);
    }

    /// Tells the document as it is now.
    pub(super) fn tell_document(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx, "document", |told| told.document);
    }

    /// Tells that the feed is lost, or back.
    pub(super) fn tell_feed(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx, "feed", |told| Some(told.feed));
    }

    /// Nothing was told for a while: a sign of life is.
    pub(super) fn quiet(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Waits::Events { stream, .. } = &mut self.waits {
            stream.heartbeat(cx);
            self.rest(cx);
        }
    }

    pub(super) fn drained(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Waits::Events { stream, .. } = &mut self.waits {
            stream.drained(cx);
        }
    }

    /// Ends the stream; browsers come back by themselves.
    pub(super) fn end_events(&mut self, cx: &mut Cx<'_>) {
        let Waits::Events { stream, .. } = std::mem::replace(&mut self.waits, Waits::Nothing)
        else {
            return;
        };
        cx.unwatch(CHANGED);
        cx.unwatch(FEED_CHANGED);
        cx.delay_clear(Self::QUIET);
        self.streamed(cx, &stream);
        stream.end(cx);
    }

    /// Counts and logs a stream that has ended.
    pub(super) fn streamed(&mut self, cx: &mut Cx<'_>, stream: &EventStream) {
        self.site.metrics.streams.remove(1);
        self.log(cx, StatusCode::OK, stream.sent_bytes());
    }

    fn tell(
        &mut self,
        cx: &mut Cx<'_>,
        kind: &'static str,
        which: impl FnOnce(Told) -> Option<bytes::Bytes>,
    ) {
        let Waits::Events { place, .. } = self.waits else { return };
        let Some(told) = self.told(cx, place) else { return };
        let revision = told.revision.clone();
        let event = which(told);
        if let (Waits::Events { stream, .. }, Some(event)) = (&mut self.waits, event) {
            stream.send(cx, kind, &event);
            self.site.metrics.events.add(1);
            self.note_reading(cx, revision);
            self.rest(cx);
        }
    }

    fn told(&mut self, cx: &mut Cx<'_>, place: usize) -> Option<Told> {
        let told = cx.call(self.site.overview, Overview::TOLD, place);
        // Without it there is nothing to serve any more: the program is ending.
        told.inspect_err(|_| cx.stop()).ok()
    }

    /// Begins the time without events anew. Half of what a poll waits is short enough for whatever
    /// cuts quiet connections.
    fn rest(&self, cx: &mut Cx<'_>) {
        cx.delay(Self::QUIET, self.site.long_poll / 2, ());
    }

    /// A stream that is over when it has begun: for HEAD, and for who comes when there is no time
    /// left for one.
    fn answer_with_head(&mut self, cx: &mut Cx<'_>) {
        if self.is_closing {
            self.close_after_answer(cx);
        }
        self.site.metrics.answered(self.kind, StatusCode::OK);
        self.log(cx, StatusCode::OK, 0);
        self.client.put(cx, Reply::Start(ServerSentEvent::head()));
        self.client.put(cx, Reply::End);
    }
}
