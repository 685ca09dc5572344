//! The way in: reads until the socket would block, decodes, delivers.

use super::{Ended, Source, State, end, output};
use crate::filters::Filter;
use crate::limits::{READ_BUFFER, READ_PER_TURN};
use crate::reactor::{Cx, WheelId};
use std::io::ErrorKind;

/// The buffer that all connections of a kernel read into, one at a time.
struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Buffer(vec![0; READ_BUFFER])
    }
}

/// Takes what waits, then what the socket has, as far as this turn's budget goes.
pub(super) fn run<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    drain(cx, me);
    let mut buffer: Option<Box<Buffer>> = None;
    let mut budget = READ_PER_TURN;
    while let Some(state) = cx.wheel(me)
        && state.wants_bytes()
    {
        if budget == 0 {
            cx.again(me);
            break;
        }
        let bytes = buffer.get_or_insert_with(|| cx.borrow_spare());
        let Some(state) = cx.wheel(me) else { break };
        match state.socket.read(&mut bytes.0) {
            Ok(0) => end_of_input(cx, me),
            Ok(count) => {
                budget = budget.saturating_sub(count);
                feed(cx, me, &bytes.0[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => state.readable = false,
            Err(error) => end(cx, me, Ended::Failed(error)),
        }
    }
    if let Some(buffer) = buffer {
        cx.return_spare(buffer);
    }
    tell_eof(cx, me);
}

impl<F: Filter> State<F> {
    fn wants_bytes(&self) -> bool {
        self.readable
            && match self.source {
                Source::Open => !self.paused && self.pending.len() < self.filter.input_max(),
                Source::Discarding(_) => true,
                Source::Eof | Source::Ended => false,
            }
    }

    fn takes_items(&self) -> bool {
        !self.paused && !matches!(self.source, Source::Discarding(_))
    }
}

/// Takes new bytes: straight from the shared buffer when nothing waits before them.
fn feed<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>, bytes: &[u8]) {
    let Some(state) = cx.wheel(me) else { return };
    if let Source::Discarding(left) = &mut state.source {
        if *left < bytes.len() {
            return end(cx, me, Ended::Finished); // it has had its time to read the answer
        }
        *left -= bytes.len();
    } else if state.pending.is_empty() {
        let rest = decode(cx, me, bytes);
        if let Some(state) = cx.wheel(me) {
            state.pending.extend_from_slice(rest);
        }
    } else {
        state.pending.extend_from_slice(bytes);
        drain(cx, me);
    }
}

/// Takes items from what waits.
fn drain<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    let Some(state) = cx.wheel(me) else { return };
    if state.pending.is_empty() || !state.takes_items() {
        return;
    }
    let mut bytes = std::mem::take(&mut state.pending);
    let rest = decode(cx, me, &bytes).len();
    bytes.drain(..bytes.len() - rest);
    if let Some(state) = cx.wheel(me)
        && !bytes.is_empty()
    {
        state.pending = bytes;
    }
}

/// Delivers items until the filter needs more bytes or the session wants no more; what is left.
fn decode<'a, F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>, mut bytes: &'a [u8]) -> &'a [u8] {
    while let Some(state) = cx.wheel(me) {
        if !state.takes_items() {
            return bytes;
        }
        let decoded = state.filter.decode(&mut bytes);
        let input = state.input;
        output::respond(cx, me);
        match decoded {
            Ok(Some(item)) => cx.deliver(input, item),
            Ok(None) => return bytes,
            Err(error) => {
                malformed(cx, me, error);
                break;
            }
        }
    }
    &[]
}

/// The socket has no more, now or ever.
fn end_of_input<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    let Some(state) = cx.wheel(me) else { return };
    state.readable = false;
    match state.source {
        Source::Discarding(_) => end(cx, me, Ended::Finished),
        _ => state.source = Source::Eof,
    }
}

/// Tells the end of the input once everything before it has been delivered, or at once when that waits
/// for an answer: the answer may be long in coming, and the peer may have left.
fn tell_eof<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>) {
    while let Some(state) = cx.wheel(me)
        && state.source == Source::Eof
        && !state.paused
    {
        let mut decoded = Ok(None);
        if !state.filter.is_waiting() {
            let pending = std::mem::take(&mut state.pending);
            let mut bytes = &*pending;
            decoded = state.filter.decode_end(&mut bytes);
            state.pending = bytes.to_vec();
        }
        match decoded {
            Ok(Some(item)) => {
                let input = state.input;
                cx.deliver(input, item);
            }
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

fn malformed<F: Filter>(cx: &mut Cx<'_>, me: WheelId<State<F>>, error: F::Error) {
    let Some(state) = cx.wheel(me) else { return };
    state.source = Source::Ended;
    state.readable = false;
    state.pending = Vec::new();
    let ended = state.ended;
    cx.deliver(ended, Ended::Malformed(Box::new(error)));
}
