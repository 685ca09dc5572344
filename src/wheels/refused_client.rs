//! A client that the listener refuses.

use super::listener;
use crate::limits::{LINGER_BYTES, LINGER_TIME};
use crate::reactor::{Cx, Readiness, Socket, Wheel, WheelCx, WheelId};
use bytes::Bytes;
use std::convert::Infallible;
use std::io::IoSlice;

/// A client that was accepted only to be refused. It gets a fixed answer and the end. Then its
/// bytes are read for a limited time, so that it reads the answer instead of a reset.
#[derive(Debug)]
pub(super) struct RefusedClient {
    socket: Socket,
    /// The listener, which counts its refusals in progress.
    listener: WheelId<listener::ListenerState>,
    /// The number of bytes that are still read.
    left: usize,
}

impl RefusedClient {
    /// Answers and closes the write side. Bytes that do not fit into a new connection's send buffer
    /// are not sent. Returns false if there is nothing to wait for.
    pub(super) fn begin(
        cx: &mut Cx<'_>,
        listener: WheelId<listener::ListenerState>,
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
            Ok::<_, Infallible>(RefusedClient { socket, listener, left })
        });
        mounted.again(cx);
        true
    }

    /// Reads the client's bytes. Returns true if the client has ended, or has sent too many.
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

impl Wheel for RefusedClient {
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
