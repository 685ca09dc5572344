//! A document's changes as server-sent events, for as long as the browser listens.

use super::{Browser, Waits};
use crate::overview::{CHANGED, FEED_CHANGED, Overview, StreamState};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use masque::filters::{Reply, Request, ServerSentEvent};
use masque::reactor::{Cx, Event};
use masque::sessions::EventStream;

/// A browser's stream of events.
#[derive(Debug)]
pub(super) struct Subscription {
    stream: EventStream,
    /// A revision that the browser received from another dashboard, while this dashboard has only
    /// older ones.
    held: Option<Box<str>>,
}

impl Subscription {
    pub(super) fn sent_bytes(&self) -> u64 {
        self.stream.sent_bytes()
    }
}

/// The id of the last event that a browser received before it reconnected.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Browser {
    pub(super) const FEED_CHANGED: Event<()> = Event::new("browser.feed_changed");
    pub(super) const QUIET: Event<()> = Event::new("browser.quiet");
    pub(super) const FULL: Event<()> = Event::new("browser.full");
    pub(super) const DRAINED: Event<()> = Event::new("browser.drained");

    /// Starts a stream with the state of the feed, and with the document unless the browser has it.
    /// With `--monotonic`, a browser that has a newer revision from another dashboard gets no older
    /// one until this dashboard has caught up, or until the time of a poll is over.
    pub(super) fn subscribe(&mut self, cx: &mut Cx<'_>, request: &Request, index: usize) {
        if request.method() == Method::HEAD || self.answers_at_once() {
            return self.answer_with_head(cx);
        }
        let Some(state) = self.stream_state(cx, index) else { return };
        let mut stream = EventStream::start(cx, self.client, Self::FULL, Self::DRAINED);
        self.site.metrics.answered(self.kind, StatusCode::OK);
        self.site.metrics.streams.add(1);
        self.site.metrics.events.add(1);
        stream.send(cx, "feed", &state.feed);
        let last = request.headers().get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
        let last = last.and_then(|last| std::str::from_utf8(last).ok());
        let has_it = last.is_some() && last == state.current.rev.as_deref();
        let held = last.filter(|last| state.current.is_behind(last));
        self.site.metrics.ahead.add(u64::from(held.is_some()));
        let held = held.filter(|_| self.site.monotonic).map(Box::from);
        if held.is_some() {
            cx.delay(Self::TIMED_OUT, self.site.long_poll, ());
        } else if let Some(document) = state.document.filter(|_| !has_it) {
            self.site.metrics.events.add(1);
            stream.send(cx, "document", &document);
        }
        self.note_reading(cx, state.current.revision);
        self.waits = Waits::Events { index, subscription: Box::new(Subscription { stream, held }) };
        cx.watch(CHANGED, Self::CHANGED);
        cx.watch(FEED_CHANGED, Self::FEED_CHANGED);
        self.rest(cx);
    }

    /// Sends the current document, unless the browser has it or has a newer one from another
    /// dashboard.
    pub(super) fn send_document(&mut self, cx: &mut Cx<'_>) {
        let Waits::Events { index, subscription } = &mut self.waits else { return };
        let Some(held) = subscription.held.take() else {
            return self.send_event(cx, "document", |state| state.document);
        };
        let index = *index;
        let Some(state) = self.stream_state(cx, index) else { return };
        if state.current.is_behind(&held) {
            if let Waits::Events { subscription, .. } = &mut self.waits {
                subscription.held = Some(held);
            }
            return;
        }
        cx.delay_clear(Self::TIMED_OUT);
        if state.current.rev.as_deref() != Some(&held) {
            self.send_event(cx, "document", |state| state.document);
        }
    }

    /// Sends the current document, also if the browser has a newer one from another dashboard.
    pub(super) fn send_current_document(&mut self, cx: &mut Cx<'_>) {
        if let Waits::Events { subscription, .. } = &mut self.waits {
            subscription.held = None;
            cx.delay_clear(Self::TIMED_OUT);
            self.send_event(cx, "document", |state| state.document);
        }
    }

    /// Sends the state of the feed.
    pub(super) fn send_feed_state(&mut self, cx: &mut Cx<'_>) {
        self.send_event(cx, "feed", |state| Some(state.feed));
    }

    /// Sends a heartbeat after a time without events.
    pub(super) fn quiet(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Waits::Events { subscription, .. } = &mut self.waits {
            subscription.stream.heartbeat(cx);
            self.rest(cx);
        }
    }

    pub(super) fn drained(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Waits::Events { subscription, .. } = &mut self.waits {
            subscription.stream.drained(cx);
        }
    }

    /// Ends the stream. Browsers reconnect automatically.
    pub(super) fn end_events(&mut self, cx: &mut Cx<'_>) {
        let waits = std::mem::replace(&mut self.waits, Waits::Nothing { answered: None });
        let Waits::Events { subscription, .. } = waits else { return };
        cx.unwatch(CHANGED);
        cx.unwatch(FEED_CHANGED);
        cx.delay_clear(Self::QUIET);
        cx.delay_clear(Self::TIMED_OUT);
        self.site.metrics.streams.remove(1);
        self.log(cx, StatusCode::OK, subscription.sent_bytes());
        subscription.stream.end(cx);
    }

    fn send_event(
        &mut self,
        cx: &mut Cx<'_>,
        kind: &'static str,
        which: impl FnOnce(StreamState) -> Option<bytes::Bytes>,
    ) {
        let Waits::Events { index, .. } = self.waits else { return };
        let Some(state) = self.stream_state(cx, index) else { return };
        let revision = state.current.revision.clone();
        let event = which(state);
        if let (Waits::Events { subscription, .. }, Some(event)) = (&mut self.waits, event) {
            subscription.stream.send(cx, kind, &event);
            self.site.metrics.events.add(1);
            self.note_reading(cx, revision);
            self.rest(cx);
        }
    }

    fn stream_state(&mut self, cx: &mut Cx<'_>, index: usize) -> Option<StreamState> {
        let state = cx.call(self.site.overview, Overview::STREAM_STATE, index);
        // The program is ending: without the overview there is nothing to serve.
        state.inspect_err(|_| cx.stop()).ok()
    }

    /// Restarts the time until the next heartbeat. Half of the time of a poll is short enough for
    /// proxies that close quiet connections.
    fn rest(&self, cx: &mut Cx<'_>) {
        cx.delay(Self::QUIET, self.site.long_poll / 2, ());
    }

    /// Answers with a stream that ends immediately: for HEAD, and if the connection has to end now.
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
