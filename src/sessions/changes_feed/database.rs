//! A database as a masque program names it: its URL, and the trust in its certificate.

#[cfg(feature = "tls")]
use crate::reactor::Trust;
use crate::reactor::{Socket, TlsError};
use crate::wheels::Target;
use couch_feed::{DatabaseUrl, DatabaseUrlError};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// A CouchDB database: `http://user:password@host:5984/name`, or `https://` in a build with the
/// feature `tls`. A URL without a port means 5984 for `http`, which is CouchDB's own port, and 443
/// for `https`.
///
/// The credentials are percent-encoded in the URL. They are sent to this server only. Neither
/// `Debug` nor `Display` shows them.
#[derive(Clone)]
pub struct Database {
    pub(super) url: DatabaseUrl,
    /// The trusted root certificates; `None` until the platform's are read, when first needed.
    #[cfg(feature = "tls")]
    trust: Option<Trust>,
}

/// Why a text does not name a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It is not the URL of a database.
    Url(DatabaseUrlError),
    /// It is an `https` URL, and this build has no TLS.
    NoTls,
}

/// Why a database cannot have its own root certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityError {
    /// This build has no TLS.
    NoTls,
    /// Its URL is not `https`, so there is no certificate to verify.
    NotHttps,
    /// There is no certificate, or one that cannot be read.
    Unreadable(TlsError),
}

const NO_TLS: &str = "this build has no TLS; one with `--features tls` has";

impl FromStr for Database {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: DatabaseUrl = text.parse().map_err(DatabaseError::Url)?;
        if url.is_https() && !cfg!(feature = "tls") {
            return Err(DatabaseError::NoTls);
        }
        Ok(Database {
            url,
            #[cfg(feature = "tls")]
            trust: None,
        })
    }
}

impl Database {
    /// Verifies the server's certificate against the root certificates in `pem` only. Without this
    /// call those of the platform are trusted.
    ///
    /// # Errors
    /// If `pem` has no certificate; if the URL is not `https`; and in a build without the feature
    /// `tls`.
    #[cfg_attr(not(feature = "tls"), expect(unused_mut, unused_variables, reason = "without TLS"))]
    pub fn authority(mut self, pem: &[u8]) -> Result<Self, AuthorityError> {
        #[cfg(not(feature = "tls"))]
        return Err(AuthorityError::NoTls);
        #[cfg(feature = "tls")]
        {
            if !self.url.is_https() {
                return Err(AuthorityError::NotHttps);
            }
            self.trust = Some(Trust::authority(pem).map_err(AuthorityError::Unreadable)?);
            Ok(self)
        }
    }

    /// What to connect to.
    pub(super) fn target(&self) -> Target {
        Target::Host(self.url.host().to_owned(), self.url.port())
    }

    /// The socket, with TLS if the URL is `https`.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, clippy::unnecessary_wraps, reason = "without TLS")
    )]
    pub(super) fn wrap_tls(
        &mut self,
        socket: Socket,
        date: SystemTime,
    ) -> Result<Socket, TlsError> {
        #[cfg(feature = "tls")]
        if self.url.is_https() {
            let trust = match &mut self.trust {
                Some(trust) => trust,
                none => none.insert(Trust::platform()?),
            };
            return socket.into_tls(trust, self.url.host(), date);
        }
        Ok(socket)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.url)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::NoTls => f.write_str(NO_TLS),
        }
    }
}

impl std::error::Error for DatabaseError {}

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
            Self::NoTls | Self::NotHttps => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "tls"))]
    fn without_tls_an_https_url_is_rejected_with_the_way_to_get_it() {
        let error = "https://h/db".parse::<Database>().unwrap_err();
        assert_eq!(error, DatabaseError::NoTls);
        assert_eq!(error.to_string(), "this build has no TLS; one with `--features tls` has");
        let database: Database = "http://h/db".parse().unwrap();
        assert_eq!(database.authority(b"").err(), Some(AuthorityError::NoTls));
    }

    #[test]
    #[cfg(feature = "tls")]
    fn root_certificates_are_for_https_only() {
        let database: Database = "http://h/db".parse().unwrap();
        assert_eq!(database.authority(b"").err(), Some(AuthorityError::NotHttps));
        let database: Database = "https://h/db".parse().unwrap();
        let error = database.authority(b"no certificate").err();
        assert!(matches!(error, Some(AuthorityError::Unreadable(_))), "{error:?}");
    }
}
