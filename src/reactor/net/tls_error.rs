//! Why TLS was refused. It is there without the feature `tls`, too, so that nobody's `match`
//! depends on it; then none of this ever comes.

use std::fmt;

/// Why a connection is not, or no longer, secured. The text is what the library for TLS says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate is for others than the host that was asked for (RFC 9525).
    WrongHost(String),
    /// The certificate's time is over.
    Expired(String),
    /// The certificate's time has yet to come; or this machine's clock is wrong.
    NotYetValid(String),
    /// Nobody who is trusted has signed the certificate. So it is with one that signs itself.
    UnknownIssuer(String),
    /// The certificate is not good for another reason.
    Certificate(String),
    /// The two sides do not agree, or what comes is no TLS.
    Protocol(String),
    /// Whom to trust cannot be read.
    Trust(String),
}

impl TlsError {
    /// Whether trying again will not help until somebody has done something about it.
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
                write!(f, "nobody who is trusted has signed the certificate: {what}")
            }
            Self::Certificate(what) => write!(f, "the certificate is not good: {what}"),
            Self::Protocol(what) => write!(f, "TLS failed: {what}"),
            Self::Trust(what) => write!(f, "whom to trust cannot be read: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}
