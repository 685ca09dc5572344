//! Turning a client away.

use super::listener;
use crate::limits::{LINGER_BYTES, LINGER_TIME};
use crate::reactor::{Cx, Readiness, Socket, Wheel, WheelCx, WheelId};
use bytes::Bytes;
use std::convert::Infallible;
use std::io::IoSlice;

/// A client that was accepted to be told that there is no room: a canned answer, the end, and a
/// while for what it still sends, so that it reads the answer rather than a reset.
#[derive(Debug)]
pub(super) struct Refusal {
    socket: Socket,
    /// Who refuses, and counts how many refusals are under way.
    listener: WheelId<listener::State>,
    /// How much more is read.
    left: usize,
}

impl Refusal {
    /// Answers and closes. What a new connection has no room for, which is more than any canned
    /// answer, is not sent. False when nothing is left to be waited for.
    pub(super) fn begin(
        cx: &mut Cx<'_>,
        listener: WheelId<listener::State>,
        mut socket: Socket,
        answer: &Bytes,
    ) -> bool {
        let told = socket.write(&[IoSlice::new(answer)]).and_then(|_| socket.shutdown_write());
        if told.is_err() {
            return false;
        }
        let Ok(mounted) = cx.mount(|cx, id| {
            let watched = id.register(cx, &mut socket).is_ok();
            id.delay(cx, LINGER_TIME);
            let left = if watched { LINGER_BYTES } else { 0 };
            Ok::<_, Infallible>(Refusal { socket, listener, left })
        });
        mounted.again(cx);
        true
    }

    /// Reads what has come; whether the client has ended, or has had its time.
    fn is_over(&mut self) -> bool {
        let mut bytes = [0; 4096];
        while self.left > 0 {
            match self.socket.read(&mut bytes) {
                Ok(0) => return true,
                Ok(count) => self.left = self.left.saturating_sub(count),
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

impl Wheel for Refusal {
    fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
        let me = cx.wheel();
        let Some(refusal) = me.state(cx) else { return };
        if ready.intersects(Readiness::TIMER) || refusal.is_over() {
            let listener = refusal.listener;
            me.unmount(cx);
            listener::refused(cx, listener);
        }
    }
}
