//! Where a database is: its URL, taken apart.

use crate::wheels::Target;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use std::fmt::{self, Write};

/// A CouchDB database: `http://user:password@host:5984/name`.
///
/// The credentials, percent-encoded in the URL, go to the server as Basic authentication and nowhere
/// else: neither `Debug` nor `Display` shows them.
#[derive(Clone)]
pub struct Database {
    host: String,
    port: u16,
    /// The value of `Host`.
    authority: HeaderValue,
    /// With a slash in front and none behind.
    path: String,
    authorization: Option<HeaderValue>,
}

/// Why a URL does not name a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It is no URL of the form `http://host/name`.
    Malformed,
    /// It is an `https` URL, and this build has no TLS.
    NoTls,
    /// Its scheme is not `http`.
    Scheme,
    /// It names a server but no database.
    NoName,
    /// Its credentials are not percent-encoded text.
    Credentials,
}

impl fmt::Display for DatabaseUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is not of the form http://user:password@host:5984/database",
            Self::NoTls => "this build has no TLS: use an http URL",
            Self::Scheme => "its scheme is not http",
            Self::NoName => "it names no database: http://host:5984/database",
            Self::Credentials => "its user or password is not percent-encoded UTF-8",
        })
    }
}

impl std::error::Error for DatabaseUrlError {}

/// CouchDB's own port.
const PORT: u16 = 5984;

impl std::str::FromStr for Database {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        use DatabaseUrlError as Error;
        let uri: Uri = url.parse().map_err(|_| Error::Malformed)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(Error::NoTls),
            Some(_) => return Err(Error::Scheme),
            None => return Err(Error::Malformed),
        }
        let authority = uri.authority().ok_or(Error::Malformed)?.as_str();
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        // `Uri` has no port both where there is none and where it is none.
        let port = match uri.port_u16() {
            None if !(host_port.ends_with(':') || is_without_port(host_port)) => {
                return Err(Error::Malformed);
            }
            port => port.unwrap_or(PORT),
        };
        let path = uri.path().trim_end_matches('/');
        if path.is_empty() {
            return Err(Error::NoName);
        }
        if uri.query().is_some() {
            return Err(Error::Malformed);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(Error::Malformed)?;
        Ok(Database {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: HeaderValue::from_str(host_port).map_err(|_| Error::Malformed)?,
            path: path.to_owned(),
            authorization: userinfo.map(basic).transpose()?,
        })
    }
}

impl Database {
    /// What to connect to.
    pub(super) fn target(&self) -> Target {
        Target::Host(self.host.clone(), self.port)
    }

    /// A request for the database itself (`tail` is empty) or what is under it.
    pub(super) fn get(&self, tail: &str) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        let uri = format!("{}{tail}", self.path);
        *request.uri_mut() = uri.parse().expect("a path and a query of encoded parts");
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

const AGENT: &str = concat!("masque/", env!("CARGO_PKG_VERSION"));

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Database { host, port, path, .. } = self;
        write!(f, "http://{}{path}", Target::Host(host.clone(), *port))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

/// Whether no port follows the host, which is in brackets when it has colons of its own.
fn is_without_port(host_port: &str) -> bool {
    host_port.ends_with(']') || !host_port.contains(':')
}

/// Percent-encodes everything but the characters that RFC 3986, section 2.3, leaves as they are.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    encoded
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = vec![];
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(decoded)
}

/// The credentials of a URL as RFC 7617 has them.
fn basic(userinfo: &str) -> Result<HeaderValue, DatabaseUrlError> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |part| {
        let bytes = decoded(part).ok_or(DatabaseUrlError::Credentials)?;
        String::from_utf8(bytes).map_err(|_| DatabaseUrlError::Credentials)
    };
    let credentials = format!("{}:{}", decoded(user)?, decoded(password)?);
    let value = format!("Basic {}", base64(credentials.as_bytes()));
    let mut value = HeaderValue::try_from(value).expect("base64 is ASCII");
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in bytes.chunks(3) {
        let number = (0..3).fold(0, |n, i| n << 8 | u32::from(*group.get(i).unwrap_or(&0)));
        for place in 0..4 {
            let digit = ALPHABET[(number >> (18 - 6 * place)) as usize & 63];
            encoded.push(if place <= group.len() { digit.into() } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let check = |url: &str, shown: &str, authorization: Option<&str>| {
            let database: Database = url.parse().unwrap();
            assert_eq!(database.to_string(), shown, "{url}");
            let request = database.get("/_changes");
            let sent = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(sent, authorization, "{url}");
        };
        check("http://localhost/db", "http://localhost:5984/db", None);
        check("http://localhost:80/a/b/", "http://localhost:80/a/b", None);
        check("http://h:/db", "http://h:5984/db", None);
        check("http://[::1]/db", "http://[::1]:5984/db", None);
        check("http://[::1]:5984/db", "http://[::1]:5984/db", None);
        // The example of RFC 7617, section 2.
        let aladdin = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check("http://Aladdin:open%20sesame@h/db", "http://h:5984/db", aladdin);
        check("http://test:123%C2%A3@h/db", "http://h:5984/db", Some("Basic dGVzdDoxMjPCow=="));
        check("http://u@h:1/db", "http://h:1/db", Some("Basic dTo="));
    }

    #[test]
    fn what_names_no_database_is_refused_with_the_reason() {
        use DatabaseUrlError as Error;
        for (url, error) in [
            ("", Error::Malformed),
            ("localhost:5984/db", Error::Malformed),
            ("/db", Error::Malformed),
            ("http://", Error::Malformed),
            ("http://h/db?x=1", Error::Malformed),
            ("https://h/db", Error::NoTls),
            ("ftp://h/db", Error::Scheme),
            ("http://h", Error::NoName),
            ("http://h/", Error::NoName),
            ("http://h:99999/db", Error::Malformed),
            ("http://[::1]:99999/db", Error::Malformed),
            ("http://%zz:x@h/db", Error::Credentials),
            ("http://%ff:x@h/db", Error::Credentials),
        ] {
            assert_eq!(url.parse::<Database>().err(), Some(error), "{url}");
        }
    }

    #[test]
    fn credentials_are_shown_nowhere() {
        let database: Database = "http://user:secret@h/db".parse().unwrap();
        let request = database.get("");
        for shown in [format!("{database:?} {database}"), format!("{request:?}")] {
            assert!(!shown.contains("secret") && !shown.contains("dXNlcjpzZWNyZXQ="), "{shown}");
        }
    }

    #[test]
    fn base64_pads_as_the_rfc_shows() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
