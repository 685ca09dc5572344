//! The way in: reads until the socket would block, decodes, delivers.

use super::contract::AskProtocol;
use super::{Ended, Sink, Source, State, end, output};
use crate::filters::Filter;
use crate::limits::{READ_BUFFER, READ_PER_TURN};
use crate::reactor::{Readiness, WheelCx, WheelId};
use std::error::Error;
use std::io::ErrorKind;

type Fault = Box<dyn Error + Send + Sync>;

/// What the socket has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Supply {
    /// Nothing until the poll says so.
    Dry,
    /// There may be bytes.
    Some,
    /// There may be bytes, and behind them the end.
    ToTheEnd,
    /// The connection has failed. There may be bytes that came before.
    Failed,
}

impl Supply {
    /// What a socket with this readiness has to be read.
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

/// The buffer that all connections of a kernel read into, one at a time.
struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Buffer(vec![0; READ_BUFFER])
    }
}

/// Takes what the socket has, as far as this turn's budget goes.
pub(super) fn run<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    let mut buffer = cx.take_scratch::<Buffer>();
    let mut budget = READ_PER_TURN;
    let mut is_at_end = false;
    while let Some(state) = me.state(cx) {
        if !state.wants_bytes() {
            is_at_end = state.source == Source::Eof;
            break;
        }
        if budget == 0 {
            me.again(cx);
            break;
        }
        match state.socket.read(&mut buffer.0) {
            Ok(0) => end_of_input(cx, me),
            Ok(count) => {
                // Less than was asked for is all that there was; what comes now is a new edge. That
                // saves the read that would only say so, half of the system calls of a request.
                budget = budget.saturating_sub(count);
                if state.socket.reads_on() {
                    budget = 0; // it has had its share, for bytes that were not the filter's
                } else if count < buffer.0.len() && state.supply == Supply::Some {
                    state.supply = Supply::Dry;
                }
                feed(cx, me, &buffer.0[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if state.socket.reads_on() {
                    budget = 0;
                } else {
                    state.supply = Supply::Dry;
                }
            }
            // Of what is thrown away nothing can be missed.
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

impl<F: Filter> State<F> {
    fn wants_bytes(&self) -> bool {
        self.supply != Supply::Dry
            && match self.source {
                Source::Open | Source::Ending => {
                    self.takes_items() && self.pending.len() < self.filter.input_max()
                }
                Source::Discarding(_) => true,
                Source::Eof | Source::Ended | Source::Malformed => false,
            }
    }

    /// The next item of what is left at the end of the input.
    fn decode_end(&mut self) -> Result<Option<F::In>, Fault> {
        let pending = std::mem::take(&mut self.pending);
        let mut bytes = &*pending;
        let decoded = self.filter.decode_end(&mut bytes).map_err(Into::into)?;
        if decoded.is_some()
            && let Some(fault) = self.count_item(pending.len() - bytes.len())
        {
            return Err(fault.into());
        }
        self.pending = bytes.to_vec();
        Ok(decoded)
    }

    /// Whether there may be items in what has been read.
    pub(super) fn has_backlog(&self) -> bool {
        !self.pending.is_empty() || self.is_interrupted
    }

    fn takes_items(&self) -> bool {
        !self.paused && !self.is_clogged && self.items_left > 0 && self.sink == Sink::Open
    }

    fn is_discarding(&self) -> bool {
        matches!(self.source, Source::Discarding(_))
    }
}

/// Takes new bytes: straight from the shared buffer when nothing waits before them.
fn feed<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>, bytes: &[u8]) {
    let Some(state) = me.state(cx) else { return };
    if let Source::Discarding(left) = &mut state.source {
        if *left < bytes.len() {
            return end(cx, me, Ended::Finished); // it has had its time to read the answer
        }
        *left -= bytes.len();
    } else if state.pending.is_empty() {
        let rest = decode(cx, me, bytes);
        if !rest.is_empty()
            && let Some(state) = me.state(cx)
        {
            state.pending.extend_from_slice(rest);
        }
    } else {
        state.pending.extend_from_slice(bytes);
        drain(cx, me);
    }
}

/// Takes items from what waits.
pub(super) fn drain<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    let Some(state) = me.state(cx) else { return };
    if !state.has_backlog() || !state.takes_items() {
        return;
    }
    state.is_interrupted = false;
    let mut bytes = std::mem::take(&mut state.pending);
    let rest = decode(cx, me, &bytes).len();
    bytes.drain(..bytes.len() - rest);
    if let Some(state) = me.state(cx)
        && !bytes.is_empty()
    {
        state.pending = bytes;
    }
    tell_last(cx, me);
}

/// Takes what is left of an input that has ended once nothing before it waits for an answer.
fn tell_last<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    while let Some(state) = me.state(cx)
        && state.source == Source::Ended
        && !state.pending.is_empty()
        && state.takes_items()
        && !state.filter.is_waiting()
    {
        match state.decode_end() {
            Ok(Some(item)) => deliver(cx, me, item),
            Ok(None) => state.pending = Vec::new(),
            Err(error) => malformed(cx, me, error),
        }
    }
}

/// Delivers items until the filter needs more bytes or the session wants no more; what is left.
fn decode<'a, F: Filter>(
    cx: &mut WheelCx<'_, '_, State<F>>,
    me: WheelId<State<F>>,
    mut bytes: &'a [u8],
) -> &'a [u8] {
    while let Some(state) = me.state(cx) {
        if !state.takes_items() {
            state.is_interrupted = true;
            return bytes;
        }
        let before = bytes.len();
        let decoded = state.filter.decode(&mut bytes);
        let fault = match &decoded {
            Ok(Some(_)) => state.count_item(before - bytes.len()),
            Ok(None) => state.check_need(bytes.len()),
            Err(_) => None,
        };
        let said = state.filter.respond();
        state.items_left -= u16::from(matches!(decoded, Ok(Some(_))));
        let input = state.input;
        if let Some(said) = said {
            output::write_with(cx, me, |_, output| output.shared(said));
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

fn deliver<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>, item: F::In) {
    let Some(state) = me.state(cx) else { return };
    state.items_left -= 1;
    let input = state.input;
    cx.deliver(input, item);
}

/// The socket has no more, now or ever.
fn end_of_input<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    let Some(state) = me.state(cx) else { return };
    state.supply = Supply::Dry;
    match (state.source, state.sink) {
        (Source::Discarding(_), Sink::Shut) => end(cx, me, Ended::Finished),
        // It has sent its last byte and reads on: the last bytes for it are still to go out.
        (Source::Discarding(_), _) => state.source = Source::Ended,
        (Source::Ending, _) => {
            state.source = Source::Ended;
            drain(cx, me);
        }
        _ => state.source = Source::Eof,
    }
}

/// Reports that the peer has left, if reading cannot find it because nothing is read now: the
/// session has paused, too much output waits for the peer, or the input buffer is full.
///
/// A failure is reported immediately. An orderly end is reported early only if an item waits for
/// its answer, so that no poll is held for a peer that may have gone; otherwise it comes after the
/// items.
pub(super) fn report_departure<F: Filter>(
    cx: &mut WheelCx<'_, '_, State<F>>,
    me: WheelId<State<F>>,
) {
    let Some(state) = me.state(cx) else { return };
    if state.supply < Supply::ToTheEnd || state.items_left == 0 || state.wants_bytes() {
        return; // reading will find it
    }
    if state.supply == Supply::Failed {
        match state.socket.take_error() {
            Some(error) => return end(cx, me, Ended::Failed(error)),
            None => state.supply = Supply::ToTheEnd,
        }
    }
    if state.source == Source::Open && state.sink == Sink::Open && state.filter.is_waiting() {
        state.source = Source::Ending;
        let ended = state.ended;
        cx.deliver(ended, Ended::Eof);
    }
}

/// Tells the end of the input once everything before it has been delivered, or at once when that
/// waits for an answer: the answer may be long in coming, and the peer may have left.
fn tell_eof<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>) {
    while let Some(state) = me.state(cx)
        && state.source == Source::Eof
        && state.takes_items()
    {
        let decoded = if state.filter.is_waiting() { Ok(None) } else { state.decode_end() };
        match decoded {
            Ok(Some(item)) => deliver(cx, me, item),
            Ok(None) => {
                state.source = Source::Ended;
                let ended = state.ended;
                cx.deliver(ended, Ended::Eof);
                // What waits behind a question that was answered just now.
                drain(cx, me);
            }
            Err(error) => malformed(cx, me, error),
        }
    }
}

fn malformed<F: Filter>(cx: &mut WheelCx<'_, '_, State<F>>, me: WheelId<State<F>>, error: Fault) {
    let Some(state) = me.state(cx) else { return };
    state.source = match state.source {
        Source::Open | Source::Ending => Source::Malformed,
        _ => Source::Ended,
    };
    (state.pending, state.is_interrupted) = (Vec::new(), false);
    let ended = state.ended;
    cx.deliver(ended, Ended::Malformed(error));
}
