//! Why TLS failed. The type exists without the feature `tls` too, so that a `match` does not depend
//! on the feature; then it never occurs.

use std::fmt;

/// Why a connection is not, or no longer, secured. The text is the message of the TLS library.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate is for other hosts than the requested one (RFC 9525).
    WrongHost(String),
    /// The certificate has expired.
    Expired(String),
    /// The certificate is not valid yet, or this machine's clock is wrong.
    NotYetValid(String),
    /// No trusted authority has signed the certificate. It may be self-signed.
    UnknownIssuer(String),
    /// The certificate is not valid for another reason.
    Certificate(String),
    /// The two sides do not agree on a protocol, or the peer does not send TLS.
    Protocol(String),
    /// The certificates of the authorities cannot be read.
    Trust(String),
}

impl TlsError {
    /// Returns true if another try will fail until an operator mends the cause.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, TlsError::Protocol(_))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongHost(what) => write!(f, "the certificate is for another host: {what}"),
            Self::Expired(what) => write!(f, "the certificate has expired: {what}"),
            Self::NotYetValid(what) => write!(f, "the certificate is not valid yet: {what}"),
            Self::UnknownIssuer(what) => {
                write!(f, "no trusted authority has signed the certificate: {what}")
            }
            Self::Certificate(what) => write!(f, "the certificate is not valid: {what}"),
            Self::Protocol(what) => write!(f, "TLS failed: {what}"),
            Self::Trust(what) => write!(f, "the authorities' certificates cannot be read: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}
