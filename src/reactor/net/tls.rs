//! TLS for clients, as a layer of a [`Socket`]. Reading and writing the socket drives the
//! handshake, and nothing blocks.

use super::socket::Socket;
use super::tls_error::TlsError;
use super::transport::{Layer, Transport};
use crate::limits::{READ_PER_TURN, TLS_HELD_BYTES};
use bytes::{Buf, BufMut, BytesMut};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

/// The certificates of the authorities that a client trusts. It needs the feature `tls`. A clone is
/// O(1).
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The authorities that the platform trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. It
    /// reads their files, which takes some milliseconds.
    ///
    /// # Errors
    /// If the platform has none.
    pub fn platform() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Platforms have a few certificates that are too old to be parsed; they are skipped.
        if let (0, _) = roots.add_parsable_certificates(found.certs) {
            let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::Trust(format!("no authorities here; {}", errors.join("; "))));
        }
        Trust::of(roots)
    }

    /// Trusts only these authorities: certificates in PEM, as `openssl` writes them.
    ///
    /// # Errors
    /// If there is no certificate, or one cannot be parsed.
    pub fn authority(pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Trust(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError::Trust(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(TlsError::Trust("there is no certificate in PEM".into()));
        }
        Trust::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, TlsError> {
        // The provider is passed here instead of installed, because an installed one is global
        // state.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        // Each connection checks the certificate, because a feed connects rarely.
        config.resumption = Resumption::disabled();
        Ok(Trust(Arc::new(config)))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Socket {
    /// Adds TLS to the socket, as a client. The server's certificate must be for `host` and valid
    /// on `date`. It needs the feature `tls`.
    ///
    /// Reads and writes drive the handshake. Writes return `WouldBlock` until it is done, so that
    /// nothing is sent to a server whose certificate is not valid. Reads fail with a [`TlsError`]
    /// within the [`io::Error`]. If the connection ends without TLS's closing message, they fail
    /// with [`UnexpectedEof`](ErrorKind::UnexpectedEof), because an attacker may have cut it.
    ///
    /// # Errors
    /// If `host` is neither a name nor an address.
    pub fn into_tls(self, trust: &Trust, host: &str, date: SystemTime) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| TlsError::WrongHost(error.to_string()))?;
        let mut config = (*trust.0).clone();
        config.time_provider = Arc::new(Date(date));
        let mut connection = ClientConnection::new(Arc::new(config), name)?;
        connection.set_buffer_limit(Some(TLS_HELD_BYTES));
        let mut tls = Tls {
            connection,
            outgoing: BytesMut::new(),
            failure: None,
            reads_on: false,
            has_refused: false,
            is_ending: false,
        };
        tls.gather();
        Ok(self.with_layer(tls))
    }
}

/// The time at which a certificate must be valid: the kernel's date, because only the driver reads
/// a clock.
#[derive(Debug)]
struct Date(SystemTime);

impl TimeProvider for Date {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

#[derive(Debug)]
struct Tls {
    connection: ClientConnection,
    /// Records that the transport has not taken yet.
    outgoing: BytesMut,
    /// The error that ended the input. It is returned after the bytes before it.
    failure: Option<io::Error>,
    reads_on: bool,
    /// True if a write was refused because the handshake was not done.
    has_refused: bool,
    /// True if the transport's write side is closed once all is written.
    is_ending: bool,
}

impl Layer for Tls {
    /// Fills the buffer as far as the transport has bytes, so that a short read has the same
    /// meaning as for every socket.
    fn read(&mut self, transport: &mut Transport, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads_on = false;
        let (mut filled, mut budget) = (0, READ_PER_TURN);
        while filled < buffer.len() {
            match self.read_some(transport, &mut buffer[filled..], &mut budget) {
                Ok(count @ 1..) => filled += count,
                end if filled == 0 => return end,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                end => {
                    self.reads_on = true;
                    self.failure = end.err();
                    break;
                }
            }
        }
        Ok(filled)
    }

    fn write(&mut self, transport: &mut Transport, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush(transport)?;
        self.has_refused = self.connection.is_handshaking();
        // A failure is returned by a read, after the bytes before it.
        if self.has_refused || self.failure.is_some() || !self.outgoing.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = self.connection.writer().write_vectored(slices)?;
        self.flush(transport)?;
        Ok(written)
    }

    fn flush(&mut self, transport: &mut Transport) -> io::Result<()> {
        self.gather();
        while !self.outgoing.is_empty() {
            match transport.write(&[IoSlice::new(&self.outgoing)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.outgoing.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if std::mem::take(&mut self.is_ending) {
            transport.shutdown_write()?;
        }
        Ok(())
    }

    /// RFC 8446, section 6.1: the side that ends sends a closing message. Only this message
    /// distinguishes an end from a cut.
    fn shutdown_write(&mut self, transport: &mut Transport) -> io::Result<()> {
        self.connection.send_close_notify();
        self.is_ending = true;
        self.flush(transport)
    }

    fn held(&self) -> usize {
        self.outgoing.len()
    }

    fn reads_on(&self) -> bool {
        self.reads_on
    }

    fn writes_on(&self) -> bool {
        self.held() > 0 || self.has_refused && !self.connection.is_handshaking()
    }
}

impl Tls {
    /// Reads decrypted bytes; if there are none, first reads more from the transport. Returns 0 at
    /// the end.
    fn read_some(
        &mut self,
        transport: &mut Transport,
        buffer: &mut [u8],
        budget: &mut usize,
    ) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(self.cut()),
                result => return result,
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            if *budget == 0 {
                self.reads_on = true; // a peer may send any number of records without data
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = self.connection.read_tls(&mut Incoming(transport))?;
            *budget = budget.saturating_sub(count);
            let processed = self.connection.process_new_packets();
            // The handshake, new keys and alerts require an answer. If sending it fails here, the
            // next write returns the error, so nothing is lost.
            let _ = self.flush(transport);
            self.failure = processed.err().map(|error| TlsError::from(error).into());
        }
    }

    /// Moves the connection's records into `outgoing`, so that `held` can count them.
    fn gather(&mut self) {
        while self.connection.wants_write() {
            let mut outgoing = (&mut self.outgoing).writer();
            self.connection.write_tls(&mut outgoing).expect("memory takes all");
        }
    }

    fn cut(&self) -> io::Error {
        let text = if self.connection.is_handshaking() {
            "the connection was cut in TLS's handshake"
        } else {
            "the connection was cut: TLS was not ended"
        };
        io::Error::new(ErrorKind::UnexpectedEof, text)
    }
}

struct Incoming<'a>(&'a mut Transport);

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use CertificateError as Bad;
        use rustls::Error;
        let text = match &error {
            // `openssl req -x509` makes such certificates by default.
            Error::InvalidCertificate(error) if error.to_string().contains("CaUsedAsEndEntity") => {
                "it is an authority's and not a server's; it needs basicConstraints=CA:FALSE".into()
            }
            Error::InvalidCertificate(error) => error.to_string(),
            Error::InvalidMessage(_) => format!("the peer does not send TLS: {error}"),
            error => error.to_string(),
        };
        match error {
            Error::InvalidCertificate(error) => match error {
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongHost(text),
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired(text),
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYetValid(text),
                Bad::UnknownIssuer => Self::UnknownIssuer(text),
                _ => Self::Certificate(text),
            },
            Error::NoCertificatesPresented => Self::Certificate(text),
            _ => Self::Protocol(text),
        }
    }
}
