//! What can be asked of a connection, and its filter.

use super::ReadWrite;
use crate::filters::Filter;
use crate::reactor::{Cx, Endpoint};

impl<F: Filter> ReadWrite<F> {
    /// How many bytes wait for the socket to have room.
    pub fn unsent(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| state.unsent())
    }

    /// How many bytes of memory hold what has come and is not consumed, and what is not sent. What
    /// is shared with other connections counts too.
    pub fn buffered(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| {
            state.pending.capacity() + state.unsent.as_ref().map_or(0, |output| output.room())
        })
    }

    /// How many bytes have come that the filter has not consumed: none from a peer that is idle.
    pub fn unread(self, cx: &mut Cx<'_>) -> usize {
        self.id.state(cx).map_or(0, |state| state.pending.len())
    }

    /// The filter, to look at, unless the connection is gone.
    pub fn filter<'a>(self, cx: &'a mut Cx<'_>) -> Option<&'a F> {
        self.id.state(cx).map(|state| &state.filter)
    }

    /// The filter, to be changed or exchanged, unless the connection is gone. In the next turn the
    /// wheel looks at it again: if it is [finished](crate::filters::Protocol::is_finished), the
    /// connection ends; if not, it is shown what has come and is not consumed, and waited for as it
    /// says.
    pub fn filter_mut<'a>(self, cx: &'a mut Cx<'_>) -> Option<&'a mut F> {
        self.id.state(cx)?;
        self.id.again(cx);
        self.id.state(cx).map(|state| {
            state.is_lent = true;
            &mut state.filter
        })
    }

    /// Who is on the other side, unless the connection is gone.
    pub fn peer(self, cx: &mut Cx<'_>) -> Option<Endpoint> {
        self.id.state(cx)?.socket.peer().ok()
    }

    /// Whether the connection is there.
    pub fn is_open(self, cx: &mut Cx<'_>) -> bool {
        self.id.state(cx).is_some()
    }
}
