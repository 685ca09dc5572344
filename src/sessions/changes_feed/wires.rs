//! The follower's connections.

use super::ChangesFeed;
use crate::filters::{HttpClient, HttpClientError, Part};
use crate::limits::{FEED_CONNECT_TIME, FEED_KEEPALIVE_IDLE, FEED_KEEPALIVE_INTERVAL};
use crate::reactor::{Cx, Socket, TlsError};
use crate::wheels::{ConnectError, Connector, Ended, ReadWrite};
use couch_feed::{Action, Channel, Lost, Urgency};

/// One of the follower's connections.
#[derive(Debug)]
pub(super) enum Wire {
    Closed,
    Connecting(Connector),
    Open(ReadWrite<HttpClient>),
}

impl ChangesFeed {
    pub(super) fn act(&mut self, cx: &mut Cx<'_>, action: Action) {
        match action {
            Action::Connect(channel) => {
                let target = self.database.target();
                let event = match channel {
                    Channel::Feed => Self::CONNECTED,
                    Channel::Look => Self::LOOK_CONNECTED,
                };
                let connector = Connector::new(cx, target, FEED_CONNECT_TIME, event);
                *self.wire(channel) = Wire::Connecting(connector);
            }
            Action::Send(channel, request) => {
                if let Wire::Open(wire) = *self.wire(channel) {
                    wire.put(cx, *request);
                }
            }
            Action::Close(channel) => match std::mem::replace(self.wire(channel), Wire::Closed) {
                Wire::Connecting(connector) => connector.close(cx),
                Wire::Open(wire) => wire.close(cx),
                Wire::Closed => {}
            },
            Action::Pause => {
                if let Wire::Open(wire) = self.feed {
                    wire.pause(cx);
                }
            }
            Action::Resume => {
                if let Wire::Open(wire) = self.feed {
                    wire.resume(cx);
                }
            }
            Action::Save(Urgency::Now) => self.save(cx, ()),
            Action::Save(_) => self.save_soon(cx),
            _ => {}
        }
    }

    pub(super) fn wire(&mut self, channel: Channel) -> &mut Wire {
        match channel {
            Channel::Feed => &mut self.feed,
            Channel::Look => &mut self.look,
        }
    }

    pub(super) fn connected(
        &mut self,
        cx: &mut Cx<'_>,
        channel: Channel,
        result: Result<Socket, ConnectError>,
    ) {
        *self.wire(channel) = Wire::Closed;
        match self.open(cx, channel, result) {
            Ok(wire) => {
                *self.wire(channel) = Wire::Open(wire);
                self.drive(cx, |follower, now| follower.handle_connected(now, channel));
            }
            Err(lost) => self.drive(cx, |follower, now| follower.handle_lost(now, channel, lost)),
        }
    }

    pub(super) fn open(
        &mut self,
        cx: &mut Cx<'_>,
        channel: Channel,
        result: Result<Socket, ConnectError>,
    ) -> Result<ReadWrite<HttpClient>, Lost> {
        let socket = result.map_err(|error| Lost::Connect(error.into()))?;
        let (part, ended) = match channel {
            Channel::Feed => (Self::PART, Self::ENDED),
            Channel::Look => (Self::LOOK_PART, Self::LOOK_ENDED),
        };
        if channel == Channel::Feed
            && let Err(error) = socket.set_keepalive(FEED_KEEPALIVE_IDLE, FEED_KEEPALIVE_INTERVAL)
        {
            log::debug!("TCP keep-alive is off for {}: {error}", self.database);
        }
        let socket = self.database.wrap_tls(socket, cx.date()).map_err(lost_by_tls)?;
        let filter = HttpClient::new().pass_unframed();
        ReadWrite::new(cx, socket, filter, part, ended).map_err(Lost::Io)
    }

    pub(super) fn part(&mut self, cx: &mut Cx<'_>, channel: Channel, part: Part) {
        match part {
            Part::Head(head) => {
                let date = cx.date();
                self.drive(cx, |follower, now| follower.handle_head(now, date, channel, &head));
            }
            Part::Data(data) => {
                self.drive(cx, |follower, now| follower.handle_data(now, channel, &data));
            }
            Part::Unframed(data) => {
                self.drive(cx, |follower, now| follower.handle_unframed(now, channel, &data));
            }
            Part::End => {
                let is_idle = match self.wire(channel) {
                    Wire::Open(wire) => wire.filter(cx).is_some_and(HttpClient::is_idle),
                    Wire::Closed | Wire::Connecting(_) => false,
                };
                self.drive(cx, |follower, now| follower.handle_end(now, channel, is_idle));
            }
        }
    }

    pub(super) fn ended(&mut self, cx: &mut Cx<'_>, channel: Channel, ended: Ended) {
        let lost = match ended {
            Ended::Failed(error) => error.downcast().map_or_else(Lost::Io, lost_by_tls),
            Ended::Malformed(error) => match error.downcast_ref() {
                Some(HttpClientError::Closed) => Lost::Unanswered,
                Some(HttpClientError::Cut) => Lost::Cut,
                _ => Lost::Http(error),
            },
            _ => Lost::Cut,
        };
        self.drive(cx, |follower, now| follower.handle_lost(now, channel, lost));
    }
}

fn lost_by_tls(error: TlsError) -> Lost {
    Lost::Tls { is_permanent: error.is_permanent(), error: error.into() }
}
