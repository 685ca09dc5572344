//! Input: reads until the socket would block, decodes and delivers.

use super::contract::AskProtocol;
use super::state::{Sink, Source, WireState};
use super::{Ended, end, output};
use crate::filters::Filter;
use crate::limits::{READ_BUFFER, READ_PER_TURN};
use crate::reactor::{Readiness, WheelCx, WheelId};
use std::error::Error;
use std::io::ErrorKind;

type Fault = Box<dyn Error + Send + Sync>;

/// What a read of the socket can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Supply {
    /// Nothing, until the poll reports readiness.
    Dry,
    /// There may be bytes.
    Some,
    /// There may be bytes, and after them the end.
    ToTheEnd,
    /// The connection has failed. There may be bytes from before.
    Failed,
}

impl Supply {
    /// What a read can find after this readiness.
    pub(super) fn of(ready: Readiness) -> Self {
        if ready.intersects(Readiness::FAILED) {
            Supply::Failed
        } else if ready.intersects(Readiness::HANGUP) {
            Supply::ToTheEnd
        } else if ready.intersects(Readiness::READABLE) {
            Supply::Some
        } else {
            Supply::Dry
        }
    }
}

/// The buffer into which all connections of a kernel read, one at a time.
struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Buffer(vec![0; READ_BUFFER])
    }
}

/// Reads from the socket, within this turn's budget.
pub(super) fn run<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    let mut buffer = cx.take_scratch::<Buffer>();
    let mut budget = READ_PER_TURN;
    let mut is_at_end = false;
    while let Some(state) = me.state(cx) {
        if !state.wants_bytes() {
            is_at_end = state.input.source == Source::Eof;
            break;
        }
        if budget == 0 {
            me.again(cx);
            break;
        }
        match state.socket.read(&mut buffer.0) {
            Ok(0) => end_of_input(cx, me),
            Ok(count) => {
                // A short read means that the socket is empty, and new bytes are a new edge. So no
                // further read is needed, which saves half of the system calls of a request.
                budget = budget.saturating_sub(count);
                if state.socket.reads_on() {
                    budget = 0; // it has used its budget, for bytes that were not the filter's
                } else if count < buffer.0.len() && state.input.supply == Supply::Some {
                    state.input.supply = Supply::Dry;
                }
                feed(cx, me, &buffer.0[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if state.socket.reads_on() {
                    budget = 0;
                } else {
                    state.input.supply = Supply::Dry;
                }
            }
            // If input is discarded, a cut at its end does not matter.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && state.is_discarding() => {
                end_of_input(cx, me);
            }
            Err(error) => end(cx, me, Ended::Failed(error)),
        }
    }
    cx.put_scratch(buffer);
    if is_at_end {
        tell_eof(cx, me);
    }
}

impl<F: Filter> WireState<F> {
    fn wants_bytes(&self) -> bool {
        self.input.supply != Supply::Dry
            && match self.input.source {
                Source::Open | Source::Ending => {
                    self.takes_items() && self.input.pending.len() < self.filter.input_max()
                }
                Source::Discarding(_) => true,
                Source::Eof | Source::Ended | Source::Malformed => false,
            }
    }

    /// The next item of the bytes that are left at the end of the input.
    fn decode_end(&mut self) -> Result<Option<F::In>, Fault> {
        let pending = std::mem::take(&mut self.input.pending);
        let mut bytes = &*pending;
        let decoded = self.filter.decode_end(&mut bytes).map_err(Into::into)?;
        if decoded.is_some()
            && let Some(fault) = self.count_item(pending.len() - bytes.len())
        {
            return Err(fault.into());
        }
        self.input.pending = bytes.to_vec();
        Ok(decoded)
    }

    /// Returns true if there may be items in the bytes that have been read.
    pub(super) fn has_backlog(&self) -> bool {
        !self.input.pending.is_empty() || self.input.is_interrupted
    }

    fn takes_items(&self) -> bool {
        !self.input.paused
            && !self.input.is_clogged
            && self.input.items_left > 0
            && self.sink == Sink::Open
    }

    fn is_discarding(&self) -> bool {
        matches!(self.input.source, Source::Discarding(_))
    }
}

/// Decodes new bytes: directly from the shared buffer, if no earlier bytes wait.
fn feed<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    bytes: &[u8],
) {
    let Some(state) = me.state(cx) else { return };
    if let Source::Discarding(left) = &mut state.input.source {
        match left.checked_sub(bytes.len() as u32) {
            Some(rest) => *left = rest,
            None => end(cx, me, Ended::Finished), // the peer has had time to read the answer
        }
    } else if state.input.pending.is_empty() {
        let rest = decode(cx, me, bytes);
        if !rest.is_empty()
            && let Some(state) = me.state(cx)
        {
            state.input.pending.extend_from_slice(rest);
        }
    } else {
        state.input.pending.extend_from_slice(bytes);
        drain(cx, me);
    }
}

/// Decodes the bytes that wait.
pub(super) fn drain<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    let Some(state) = me.state(cx) else { return };
    if !state.has_backlog() || !state.takes_items() {
        return;
    }
    state.input.is_interrupted = false;
    let mut bytes = std::mem::take(&mut state.input.pending);
    let rest = decode(cx, me, &bytes).len();
    bytes.drain(..bytes.len() - rest);
    if let Some(state) = me.state(cx)
        && !bytes.is_empty()
    {
        state.input.pending = bytes;
    }
    tell_last(cx, me);
}

/// Decodes the last bytes of an input that has ended, if no earlier item waits for its answer.
fn tell_last<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    while let Some(state) = me.state(cx)
        && state.input.source == Source::Ended
        && !state.input.pending.is_empty()
        && state.takes_items()
        && !state.filter.is_waiting()
    {
        match state.decode_end() {
            Ok(Some(item)) => deliver(cx, me, item),
            Ok(None) => state.input.pending = Vec::new(),
            Err(error) => malformed(cx, me, error),
        }
    }
}

/// Delivers items until the filter needs more bytes or the session takes no more. Returns the rest.
fn decode<'a, F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    mut bytes: &'a [u8],
) -> &'a [u8] {
    while let Some(state) = me.state(cx) {
        if !state.takes_items() {
            state.input.is_interrupted = true;
            return bytes;
        }
        let before = bytes.len();
        let decoded = state.filter.decode(&mut bytes);
        let fault = match &decoded {
            Ok(Some(_)) => state.count_item(before - bytes.len()),
            Ok(None) => state.check_need(bytes.len()),
            Err(_) => None,
        };
        let response = state.filter.respond();
        state.input.items_left -= u16::from(matches!(decoded, Ok(Some(_))));
        let input = state.on_input;
        if let Some(response) = response {
            output::write_with(cx, me, |_, output| output.shared(response));
        }
        if let Some(fault) = fault {
            malformed(cx, me, fault.into());
            break;
        }
        match decoded {
            Ok(Some(item)) => cx.deliver(input, item),
            Ok(None) => return bytes,
            Err(error) => {
                malformed(cx, me, error.into());
                break;
            }
        }
    }
    &[]
}

fn deliver<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    item: F::In,
) {
    let Some(state) = me.state(cx) else { return };
    state.input.items_left -= 1;
    let input = state.on_input;
    cx.deliver(input, item);
}

/// The input has ended.
fn end_of_input<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    let Some(state) = me.state(cx) else { return };
    state.input.supply = Supply::Dry;
    match (state.input.source, state.sink) {
        (Source::Discarding(_), Sink::Shut) => end(cx, me, Ended::Finished),
        // The peer has ended and still reads: the last output must be written.
        (Source::Discarding(_), _) => state.input.source = Source::Ended,
        (Source::Ending, _) => {
            state.input.source = Source::Ended;
            drain(cx, me);
        }
        _ => state.input.source = Source::Eof,
    }
}

/// Reports that the peer has left, if no read can find that now, because the session has paused,
/// too much output is unsent, or the input buffer is full.
///
/// A failure is reported immediately. An orderly end is reported early only if an item waits for
/// its answer, so that no poll waits for a peer that may have left; otherwise it is reported after
/// the items.
pub(super) fn report_departure<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
) {
    let Some(state) = me.state(cx) else { return };
    if state.input.supply < Supply::ToTheEnd || state.input.items_left == 0 || state.wants_bytes() {
        return; // reading will find it
    }
    if state.input.supply == Supply::Failed {
        match state.socket.take_error() {
            Some(error) => return end(cx, me, Ended::Failed(error)),
            None => state.input.supply = Supply::ToTheEnd,
        }
    }
    if state.input.source == Source::Open && state.sink == Sink::Open && state.filter.is_waiting() {
        state.input.source = Source::Ending;
        let ended = state.on_ended;
        cx.deliver(ended, Ended::Eof);
    }
}

/// Delivers the end of the input after everything before it. If an item waits for its answer, the
/// end is delivered at once, because the answer may take long and the peer may have left.
fn tell_eof<F: Filter>(cx: &mut WheelCx<'_, '_, WireState<F>>, me: WheelId<WireState<F>>) {
    while let Some(state) = me.state(cx)
        && state.input.source == Source::Eof
        && state.takes_items()
    {
        let decoded = if state.filter.is_waiting() { Ok(None) } else { state.decode_end() };
        match decoded {
            Ok(Some(item)) => deliver(cx, me, item),
            Ok(None) => {
                state.input.source = Source::Ended;
                let ended = state.on_ended;
                cx.deliver(ended, Ended::Eof);
                // Bytes may wait after an item that was answered just now.
                drain(cx, me);
            }
            Err(error) => malformed(cx, me, error),
        }
    }
}

fn malformed<F: Filter>(
    cx: &mut WheelCx<'_, '_, WireState<F>>,
    me: WheelId<WireState<F>>,
    error: Fault,
) {
    let Some(state) = me.state(cx) else { return };
    state.input.source = match state.input.source {
        Source::Open | Source::Ending => Source::Malformed,
        _ => Source::Ended,
    };
    (state.input.pending, state.input.is_interrupted) = (Vec::new(), false);
    let ended = state.on_ended;
    cx.deliver(ended, Ended::Malformed(error));
}
