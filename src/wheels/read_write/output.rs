//! Output: encodes, writes at once, and stores the bytes that the socket does not accept.

use super::contract::AskProtocol;
use super::state::{EndPlan, Extra, Sink, Source, WireState};
use super::{Ended, Put, end, patience};
use crate::filters::{Filter, Marks, Output};
use crate::limits::{FINISH_TIME, LINGER_BYTES, LINGER_TIME, OUTPUT_MAX, WRITE_SLICES};
use crate::reactor::{Cx, Socket, WheelCx, WheelEvent, WheelId};
use std::io::{self, ErrorKind, IoSlice};
use std::time::Instant;

/// Encodes an item and writes it after the unsent bytes.
pub(super) fn put<F: Filter>(cx: &mut Cx<'_>, me: WheelId<WireState<F>>, item: F::Out) -> Put {
    let Some(state) = me.state(cx) else { return Put::Gone };
    if state.sink != Sink::Open || state.failure.is_some() {
        return Put::Gone;
    }
    if state.unsent() > OUTPUT_MAX {
        state.failure = Some(overfull());
        me.again(cx);
        return Put::Gone;
    }
    write_with(cx, me, |filter, output| filter.encode(item, output));
    let Some(state) = me.state(cx) else { return Put::Gone };
    let put = match &state.extra {
        Some(extra) if extra.is_above_mark() => Put::Full,
        _ => Put::Flowing,
    };
    if state.filter.is_finished() {
        finish(cx, me);
    } else if !state.running {
        if !state.input.pending.is_empty() || state.end == EndPlan::AfterInput {
            me.again(cx); // to decode what waited for this answer, or to end
        }
        patience::arm(cx, me);
    }
    put
}

/// Writes the unsent bytes and the filter's output after them, as far as there is room, and stores
/// the rest.
pub(super) fn write_with<F: Filter>(
    cx: &mut Cx<'_>,
    me: WheelId<WireState<F>>,
    say: impl FnOnce(&mut F, &mut Output),
) {
    let (date, now, spare) = (cx.date(), cx.now(), cx.take_scratch());
    let Some(state) = me.state(cx) else { return cx.put_scratch(spare) };
    state.filter.set_date(date);
    let (spare, has_news) = state.write(spare, now, say);
    if has_news {
        me.again(cx); // to report a mark, or that all is written; or to read on
    }
    if let Some(spare) = spare {
        cx.put_scratch(spare);
    }
}

fn flush(socket: &mut Socket, output: &mut Output) -> io::Result<()> {
    while !output.is_empty() {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let count = output.gather(&mut slices);
        match socket.write(&slices[..count]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => output.advance(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    socket.flush()
}

/// Continues with the unsent bytes if there is room, and with an end that is in progress.
pub(super) fn run<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    is_writable: bool,
) {
    let Some(state) = me.state(cx) else { return };
    if let Some(error) = state.failure.take() {
        return end(cx, me, Ended::Failed(error));
    }
    if is_writable && state.unsent() > 0 {
        write_with(cx, me, |_, _| ());
    }
    let Some(state) = me.state(cx) else { return };
    if let Some(error) = state.failure.take() {
        return end(cx, me, Ended::Failed(error));
    }
    if state.sink == Sink::Finishing && state.unsent() == 0 {
        shut(cx, me);
    }
}

fn overfull() -> io::Error {
    io::Error::other(format!("the peer does not read: more than {OUTPUT_MAX} bytes are unsent"))
}

/// Ends the output: from now on items are dropped and input is discarded.
pub(super) fn finish<F: Filter>(cx: &mut Cx<'_>, me: WheelId<WireState<F>>) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    if state.sink != Sink::Open {
        return;
    }
    state.sink = Sink::Finishing;
    state.input.pending = Vec::new();
    state.input.source = match state.input.source {
        Source::Open | Source::Ending | Source::Malformed => {
            Source::Discarding(LINGER_BYTES as u32)
        }
        Source::Eof => Source::Ended,
        source => source,
    };
    state.wait.begin_to_end(now);
    me.delay(cx, FINISH_TIME);
    me.again(cx);
}

/// Finishes a connection that ends with its input, if all items have been answered.
pub(super) fn finish_after_input<F: Filter>(cx: &mut Cx<'_>, me: WheelId<WireState<F>>) {
    if let Some(state) = me.state(cx)
        && state.end == EndPlan::AfterInput
        && matches!(state.input.source, Source::Ended | Source::Malformed)
        && !state.has_backlog()
        && !state.filter.is_waiting()
    {
        finish(cx, me);
    }
}

/// All output is written: closes the write side, and waits until the peer has read it, unless the
/// peer has ended.
fn shut<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    report(cx, me); // due events come before the end
    let Some(state) = me.state(cx) else { return };
    state.sink = Sink::Shut;
    let is_over = !matches!(state.input.source, Source::Discarding(_));
    if state.socket.shutdown_write().is_err() || is_over {
        return end(cx, me, Ended::Finished);
    }
    me.delay(cx, LINGER_TIME);
}

/// The time limit of an end has passed, unless the peer has read some of the last bytes meanwhile.
pub(super) fn give_up<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    let left = FINISH_TIME.saturating_sub(state.wait.elapsed(now));
    match state.sink {
        Sink::Open => {}
        Sink::Finishing if !left.is_zero() => me.delay(cx, left),
        Sink::Finishing => end(cx, me, Ended::Failed(ErrorKind::TimedOut.into())),
        Sink::Shut => end(cx, me, Ended::Finished),
    }
}

/// The session has panicked: sends the filter's last answer, as far as there is room. Then reads
/// the peer's bytes, because unread bytes would make the system send a reset before the answer.
pub(super) fn last_words<F: Filter>(state: &mut WireState<F>) {
    if state.sink != Sink::Open || state.failure.is_some() {
        return;
    }
    let mut output = state.unsent.take().unwrap_or_default();
    state.filter.orphaned(&mut output);
    let sent = flush(&mut state.socket, &mut output).and_then(|()| state.socket.shutdown_write());
    let (mut bytes, mut left) = ([0; 4096], LINGER_BYTES);
    while sent.is_ok()
        && left > 0
        && let Ok(count @ 1..) = state.socket.read(&mut bytes)
    {
        left = left.saturating_sub(count);
    }
    if !output.is_empty() {
        state.unsent = Some(output); // so that the connection is reset
    }
}

impl<F: Filter> WireState<F> {
    /// Returns true if output is unsent, or an end or a failure is in progress.
    pub(super) fn has_output(&self) -> bool {
        self.unsent() > 0 || self.sink != Sink::Open || self.failure.is_some()
    }

    /// Writes the unsent bytes and the filter's output after them, with `spare` as the buffer if
    /// nothing is unsent. Returns the buffer that is not needed, and true if the wheel must run
    /// because something has changed.
    fn write(
        &mut self,
        spare: Box<Output>,
        now: Instant,
        say: impl FnOnce(&mut F, &mut Output),
    ) -> (Option<Box<Output>>, bool) {
        let (mut output, spare) = match self.unsent.take() {
            Some(unsent) => (unsent, Some(spare)),
            None => (spare, None),
        };
        say(&mut self.filter, &mut output);
        let before = output.len();
        let failed = flush(&mut self.socket, &mut output).err();
        if output.len() < before {
            self.wait.moved(now);
        }
        let has_failed = failed.is_some();
        if has_failed {
            self.failure = failed;
            output.clear();
        }
        let spare = if output.is_empty() {
            Some(output)
        } else {
            self.unsent = Some(output);
            spare
        };
        self.adapt_ack_time(now);
        let flows = self.unclog();
        (spare, self.count() || flows || has_failed)
    }

    /// Compares the unsent bytes with the filter's marks. Returns true if reading can go on.
    fn unclog(&mut self) -> bool {
        let unsent = self.unsent();
        if unsent == 0 {
            return std::mem::take(&mut self.input.is_clogged);
        }
        let Some(stall) = self.filter.stall() else { return false };
        let was_clogged = self.input.is_clogged;
        self.input.is_clogged =
            unsent >= stall.marks.high || (was_clogged && unsent > stall.marks.low);
        was_clogged && !self.input.is_clogged
    }

    /// Compares the unsent bytes with the session's marks. Returns true if an event is due.
    fn count(&mut self) -> bool {
        let unsent = self.unsent();
        let Some(extra) = &mut self.extra else { return false };
        extra.flushed_due = unsent == 0 && extra.flushed.is_some();
        let is_crossed = extra.marks.as_mut().is_some_and(|marks| marks.compare(unsent));
        is_crossed || extra.flushed_due
    }
}

impl Extra {
    fn is_above_mark(&self) -> bool {
        self.marks.as_ref().is_some_and(|marks| marks.is_above)
    }
}

/// The marks of a session, and its events for them.
pub(super) struct MarkEvents {
    marks: Marks,
    full: WheelEvent<()>,
    drained: WheelEvent<()>,
    /// The high mark was reached, and the low mark has not been since.
    is_above: bool,
    /// The number of crossings that were not delivered yet. Two more are none: they cancel out.
    crossings: u8,
}

impl MarkEvents {
    pub(super) fn new(marks: Marks, full: WheelEvent<()>, drained: WheelEvent<()>) -> Self {
        MarkEvents { marks, full, drained, is_above: false, crossings: 0 }
    }

    /// Compares the unsent bytes with the marks. Returns true if an event is due.
    fn compare(&mut self, unsent: usize) -> bool {
        let Marks { high, low } = self.marks;
        let is_crossed = if self.is_above { unsent <= low } else { unsent >= high };
        if is_crossed {
            self.is_above = !self.is_above;
            self.crossings = if self.crossings == 2 { 1 } else { self.crossings + 1 };
        }
        self.crossings > 0
    }

    /// Takes the oldest crossing that was not delivered.
    fn take_due(&mut self) -> Option<WheelEvent<()>> {
        let was_above = self.is_above != (self.crossings % 2 == 1);
        self.crossings = self.crossings.checked_sub(1)?;
        Some(if was_above { self.drained } else { self.full })
    }
}

/// Delivers the due events: marks that were crossed, and an empty buffer.
pub(super) fn report<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    // Crossings that a handler causes here are delivered in the next turn.
    let marks = |state: &mut WireState<F>| Some(state.extra.as_ref()?.marks.as_ref()?.crossings);
    for _ in 0..me.state(cx).and_then(marks).unwrap_or(0) {
        if let Some(state) = me.state(cx)
            && let Some(extra) = &mut state.extra
            && let Some(marks) = &mut extra.marks
            && let Some(event) = marks.take_due()
        {
            cx.deliver(event, ());
        }
    }
    if let Some(state) = me.state(cx)
        && let Some(extra) = &mut state.extra
        && std::mem::take(&mut extra.flushed_due)
        && let Some(flushed) = extra.flushed
    {
        cx.deliver(flushed, ());
    }
}
