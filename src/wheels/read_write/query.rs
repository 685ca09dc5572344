//! Queries about a connection, and access to its filter.

use super::ReadWrite;
use crate::filters::Filter;
use crate::reactor::{Cx, Endpoint};

impl<F: Filter> ReadWrite<F> {
    /// The number of bytes that have not been written to the socket.
    pub fn unsent(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| state.unsent())
    }

    /// The number of bytes of memory for unconsumed input and unsent output. Buffers that are
    /// shared with other connections count too.
    pub fn buffered(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| {
            state.input.pending.capacity() + state.unsent.as_ref().map_or(0, |output| output.room())
        })
    }

    /// The number of bytes that have arrived and that the filter has not consumed. It is 0 if the
    /// peer is idle.
    pub fn unread(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| state.input.pending.len())
    }

    /// The filter, unless the connection has ended.
    pub fn filter<'a>(self, cx: &'a mut Cx<'_>) -> Option<&'a F> {
        self.id.state(cx).map(|state| &state.filter)
    }

    /// The filter, to change or replace it, unless the connection has ended. In the next turn the
    /// wheel checks it: if it is [finished](crate::filters::Protocol::is_finished), the connection
    /// ends; otherwise it gets the unconsumed bytes, and its time limits apply.
    pub fn filter_mut<'a>(self, cx: &'a mut Cx<'_>) -> Option<&'a mut F> {
        self.id.state(cx)?;
        self.id.again(cx);
        self.id.state(cx).map(|state| {
            state.is_lent = true;
            &mut state.filter
        })
    }

    /// The address of the peer, unless the connection has ended.
    pub fn peer(self, cx: &mut Cx<'_>) -> Option<Endpoint> {
        self.id.state(cx)?.socket.peer().ok()
    }

    /// Returns true if the connection has not ended.
    pub fn is_open(self, cx: &mut Cx<'_>) -> bool {
        self.id.state(cx).is_some()
    }
}
