//! The way out: encodes, writes at once, keeps what the socket has no room for.

use super::contract::AskProtocol;
use super::{Ended, Put, Sink, Source, State, end, patience};
use crate::filters::{Filter, Output};
use crate::limits::{FINISH_TIME, LINGER_BYTES, LINGER_TIME, OUTPUT_MAX, WRITE_SLICES};
use crate::reactor::{Cx, Socket, WheelCx, WheelId};
use std::io::{self, ErrorKind, IoSlice};
use std::time::Instant;

/// Encodes an item and writes it, behind what is unsent.
pub(super) fn put<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>, item: F::Out) -> Put {
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
        Some(extra) if extra.above => Put::Full,
        _ => Put::Flowing,
    };
    if state.filter.is_finished() {
        finish(cx, me);
    } else if !state.running {
        if !state.pending.is_empty() || state.ends_with_input {
            me.again(cx); // what waited behind the question that this answers, or the end
        }
        patience::arm(cx, me);
    }
    put
}

/// Writes what is unsent, and what the filter says behind it, as far as there is room, and keeps
/// the rest.
pub(super) fn write_with<F: Filter>(
    cx: &mut Cx<'_>,
    me: WheelId<State<F>>,
    say: impl FnOnce(&mut F, &mut Output),
) {
    let (date, now, spare) = (cx.date(), cx.now(), cx.take_scratch());
    let Some(state) = me.state(cx) else { return cx.put_scratch(spare) };
    state.filter.set_date(date);
    let (spare, has_news) = state.write(spare, now, say);
    if has_news {
        me.again(cx); // to tell of a mark that was crossed, or that all is written; or to read on
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

/// Goes on with what is unsent when there is room, and with an ending that is under way.
pub(super) fn run<F: Filter>(
    cx: &mut WheelCx<'_, '_, State<F>>,
    me: WheelId<State<F>>,
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
    io::Error::other(format!("the peer does not read: more than {OUTPUT_MAX} bytes wait for it"))
}

/// From now on nothing is put, and input is thrown away.
pub(super) fn finish<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    if state.sink != Sink::Open {
        return;
    }
    state.sink = Sink::Finishing;
    state.pending = Vec::new();
    state.source = match state.source {
        Source::Open | Source::Ending | Source::Malformed => Source::Discarding(LINGER_BYTES),
        Source::Eof => Source::Ended,
        source => source,
    };
    state.watch.begin_to_end(now);
    me.delay(cx, FINISH_TIME);
    me.again(cx);
}

/// Finishes a connection that ends with its input, if nothing of that is left to be answered.
pub(super) fn finish_after_input<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    if let Some(state) = me.state(cx)
        && state.ends_with_input
        && matches!(state.source, Source::Ended | Source::Malformed)
        && !state.has_backlog()
        && !state.filter.is_waiting()
    {
        finish(cx, me);
    }
}

/// All is written: tells the peer so, and waits for it to have read unless it has ended already.
fn shut<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    report(cx, me); // what is due comes before the end
    let Some(state) = me.state(cx) else { return };
    state.sink = Sink::Shut;
    let is_over = !matches!(state.source, Source::Discarding(_));
    if state.socket.shutdown_write().is_err() || is_over {
        return end(cx, me, Ended::Finished);
    }
    me.delay(cx, LINGER_TIME);
}

/// The time for an ending is up, unless the peer has taken some of the last bytes meanwhile.
pub(super) fn give_up<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    let now = cx.now();
    let Some(state) = me.state(cx) else { return };
    let left = FINISH_TIME.saturating_sub(state.watch.elapsed(now));
    match state.sink {
        Sink::Open => {}
        Sink::Finishing if !left.is_zero() => me.delay(cx, left),
        Sink::Finishing => end(cx, me, Ended::Failed(ErrorKind::TimedOut.into())),
        Sink::Shut => end(cx, me, Ended::Finished),
    }
}

/// The session has panicked: sends what the filter has to say of that, as far as there is room, and
/// what the peer has sent is taken, or the system would have a reset overtake those words.
pub(super) fn last_words<F: Filter>(state: &mut State<F>) {
    if state.sink != Sink::Open || state.failure.is_some() {
        return;
    }
    let mut output = state.unsent.take().unwrap_or_default();
    state.filter.orphaned(&mut output);
    let said = flush(&mut state.socket, &mut output).and_then(|()| state.socket.shutdown_write());
    let (mut bytes, mut left) = ([0; 4096], LINGER_BYTES);
    while said.is_ok()
        && left > 0
        && let Ok(count @ 1..) = state.socket.read(&mut bytes)
    {
        left = left.saturating_sub(count);
    }
    if !output.is_empty() {
        state.unsent = Some(output); // so that it ends with a reset
    }
}

impl<F: Filter> State<F> {
    /// Whether something is still to go out, or to be told of that.
    pub(super) fn has_output(&self) -> bool {
        self.unsent() > 0 || self.sink != Sink::Open || self.failure.is_some()
    }

    /// Writes what is unsent, and what the filter says behind it, into `spare` where nothing is
    /// unsent; an output that is not needed, and whether the wheel is to run for what has changed.
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
            self.watch.moved(now);
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

    /// Compares the unsent bytes with the filter's marks; whether input that was held back can
    /// come.
    fn unclog(&mut self) -> bool {
        let unsent = self.unsent();
        if unsent == 0 {
            return std::mem::take(&mut self.is_clogged);
        }
        let Some(stall) = self.filter.stall() else { return false };
        let was_clogged = self.is_clogged;
        self.is_clogged = unsent >= stall.marks.high || (was_clogged && unsent > stall.marks.low);
        was_clogged && !self.is_clogged
    }

    /// Compares the unsent bytes with the marks; whether there is something to tell.
    fn count(&mut self) -> bool {
        let unsent = self.unsent();
        let Some(extra) = &mut self.extra else { return false };
        extra.flushed_due = unsent == 0 && extra.flushed.is_some();
        if let Some((marks, ..)) = extra.marks {
            if !extra.above && unsent >= marks.high {
                extra.above = true;
                extra.high_due = true;
            } else if extra.above && unsent <= marks.low {
                extra.above = false;
                extra.low_due = true;
            }
        }
        extra.high_due || extra.low_due || extra.flushed_due
    }
}

/// Tells of marks that were crossed and of an empty buffer, each once, if somebody asked for it.
pub(super) fn report<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    let tell = |cx: &mut WheelCx<'_, '_, State<F>>,
                which: fn(&mut super::Extra) -> Option<super::WheelEvent<()>>| {
        let outlet = me.state(cx).and_then(|state| which(state.extra.as_mut()?));
        if let Some(outlet) = outlet {
            cx.deliver(outlet, ());
        }
    };
    tell(cx, |extra| {
        let (_, full, _) = extra.marks?;
        std::mem::take(&mut extra.high_due).then_some(full)
    });
    tell(cx, |extra| {
        let (.., drained) = extra.marks?;
        std::mem::take(&mut extra.low_due).then_some(drained)
    });
    tell(cx, |extra| {
        let flushed = extra.flushed?;
        std::mem::take(&mut extra.flushed_due).then_some(flushed)
    });
}
