//! How a database's server is spoken to: as it is, or by TLS.

use super::database::DatabaseUrlError;
#[cfg(feature = "tls")]
use crate::reactor::Trust;
use crate::reactor::{Socket, TlsError};
use std::fmt;
use std::time::SystemTime;

/// The scheme of a database's URL.
#[derive(Clone, Debug)]
pub(super) enum Scheme {
    Http,
    /// With whom to trust, once that is known.
    #[cfg(feature = "tls")]
    Https(Option<Trust>),
}

/// Why a database takes no authority of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityError {
    /// This build has no TLS.
    NoTls,
    /// Its URL is not `https`: there is nothing to be vouched for.
    NotHttps,
    /// There is no certificate, or one that makes no sense.
    Unreadable(TlsError),
}

/// How a build gets what it lacks.
pub(super) const NO_TLS: &str = "this build has no TLS; one with `--features tls` has";

impl Scheme {
    pub(super) fn of(name: Option<&str>) -> Result<Self, DatabaseUrlError> {
        match name {
            Some("http") => Ok(Scheme::Http),
            #[cfg(feature = "tls")]
            Some("https") => Ok(Scheme::Https(None)),
            #[cfg(not(feature = "tls"))]
            Some("https") => Err(DatabaseUrlError::NoTls),
            Some(_) => Err(DatabaseUrlError::Scheme),
            None => Err(DatabaseUrlError::Malformed),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Scheme::Http => "http",
            #[cfg(feature = "tls")]
            Scheme::Https(_) => "https",
        }
    }

    /// The scheme's own port (RFC 9110, section 4.2).
    pub(super) fn port(&self) -> u16 {
        match self {
            Scheme::Http => 80,
            #[cfg(feature = "tls")]
            Scheme::Https(_) => 443,
        }
    }

    /// Where a database is whose URL names no port: at CouchDB's own. TLS is mostly spoken by a
    /// proxy before it, at the scheme's own port; CouchDB itself would speak it at 6984.
    pub(super) fn database_port(&self) -> u16 {
        match self {
            Scheme::Http => 5984,
            #[cfg(feature = "tls")]
            Scheme::Https(_) => self.port(),
        }
    }

    /// Trusts the authorities of `pem` and no others.
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "who would read it?"))]
    pub(super) fn authority(self, pem: &[u8]) -> Result<Self, AuthorityError> {
        match self {
            Scheme::Http if !cfg!(feature = "tls") => Err(AuthorityError::NoTls),
            Scheme::Http => Err(AuthorityError::NotHttps),
            #[cfg(feature = "tls")]
            Scheme::Https(_) => {
                let trust = Trust::authority(pem).map_err(AuthorityError::Unreadable)?;
                Ok(Scheme::Https(Some(trust)))
            }
        }
    }

    /// A socket to `host` as this scheme has it. Whom the platform trusts is read when it is needed
    /// first.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, clippy::unnecessary_wraps, reason = "nothing is to be done")
    )]
    pub(super) fn dress(
        &mut self,
        socket: Socket,
        host: &str,
        date: SystemTime,
    ) -> Result<Socket, TlsError> {
        match self {
            Scheme::Http => Ok(socket),
            #[cfg(feature = "tls")]
            Scheme::Https(trust) => {
                let trust = match trust {
                    Some(trust) => trust,
                    None => trust.insert(Trust::platform()?),
                };
                socket.into_tls(trust, host, date)
            }
        }
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str(NO_TLS),
            Self::NotHttps => f.write_str("it is for https, and the database's URL is not"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthorityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
