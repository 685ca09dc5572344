//! A server that speaks TLS, over any network: TLS's other side as a filter, and what a test has it
//! say.

use bytes::Bytes;
use masque::filters::{Filter, Output, Protocol};
use masque::reactor::Cx;
use masque::sessions::Connection;
use masque::wheels::{Ended, ReadWrite};
use rustls::{ServerConfig, ServerConnection};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

/// TLS as a filter: bytes in, bytes out.
pub(super) struct Secure {
    connection: ServerConnection,
    /// True if the client has announced its end.
    is_ended: bool,
}

/// What a server says.
pub(super) enum Say {
    Bytes(Bytes),
    /// That the client take other keys, and this side, too.
    NewKeys,
    /// That this is the end.
    End,
}

impl From<Bytes> for Say {
    fn from(bytes: Bytes) -> Self {
        Say::Bytes(bytes)
    }
}

impl Secure {
    fn new(config: &Arc<ServerConfig>) -> Self {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        connection.set_buffer_limit(None);
        Secure { connection, is_ended: false }
    }

    fn send(&mut self, output: &mut Output) {
        let mut records = vec![];
        while self.connection.wants_write() {
            self.connection.write_tls(&mut records).unwrap();
        }
        output.text(&records);
    }
}

impl Filter for Secure {
    type In = Bytes;
    type Out = Say;
    type Error = rustls::Error;

    fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Bytes>, rustls::Error> {
        loop {
            let mut bytes = vec![0; 64 * 1024];
            match self.connection.reader().read(&mut bytes) {
                Ok(0) => self.is_ended = true,
                Ok(count) => {
                    bytes.truncate(count);
                    return Ok(Some(bytes.into()));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            if input.is_empty() {
                return Ok(None);
            }
            self.connection.read_tls(input).unwrap();
            self.connection.process_new_packets()?;
        }
    }

    fn decode_end(&mut self, _: &mut &[u8]) -> Result<Option<Bytes>, rustls::Error> {
        Ok(None)
    }

    fn encode(&mut self, item: Say, output: &mut Output) {
        match item {
            Say::Bytes(bytes) => self.connection.writer().write_all(&bytes).unwrap(),
            Say::NewKeys => self.connection.refresh_traffic_keys().unwrap(),
            Say::End => self.connection.send_close_notify(),
        }
        self.send(output);
    }

    fn input_max(&self) -> usize {
        64 * 1024
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }

    fn protocol_mut(&mut self) -> Option<&mut dyn Protocol> {
        Some(self)
    }
}

impl Protocol for Secure {
    fn respond(&mut self) -> Option<Bytes> {
        let mut output = Output::new();
        self.send(&mut output);
        Some(output.to_vec().into())
    }
}

type Act = dyn FnMut(&mut Cx<'_>, ReadWrite<Secure>, &[u8]);

/// The server's side of a connection: what it has heard, and what it does when it hears something.
pub(super) struct Served {
    config: Arc<ServerConfig>,
    heard: Heard,
    act: Rc<RefCell<Act>>,
}

/// What all connections of a server have heard.
#[derive(Clone, Default)]
pub(super) struct Heard(Rc<RefCell<Vec<u8>>>, Rc<RefCell<Vec<String>>>);

impl Heard {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// How connections ended.
    pub(super) fn ends(&self) -> Vec<String> {
        self.1.borrow().clone()
    }
}

impl Served {
    /// `act` decides what to do with the received bytes that are not consumed; the first call has
    /// none.
    pub(super) fn new(config: &Arc<ServerConfig>, heard: &Heard, act: &Rc<RefCell<Act>>) -> Self {
        Served { config: config.clone(), heard: heard.clone(), act: act.clone() }
    }
}

impl Connection for Served {
    type Filter = Secure;

    fn filter(&self) -> Secure {
        Secure::new(&self.config)
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Secure>) {
        (self.act.borrow_mut())(cx, wire, b"");
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Secure>, bytes: Bytes) {
        self.heard.0.borrow_mut().extend_from_slice(&bytes);
        (self.act.borrow_mut())(cx, wire, &bytes);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<Secure>, why: &Ended) {
        let said = wire.filter(cx).is_some_and(|filter| filter.is_ended);
        let how = if said { "in good order" } else { "without a word" };
        self.heard.1.borrow_mut().push(match why {
            Ended::Malformed(error) => error.to_string(),
            _ => how.to_owned(),
        });
        wire.finish(cx);
    }
}
