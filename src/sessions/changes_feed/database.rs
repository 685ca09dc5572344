//! Where a database is: its URL, taken apart.

use super::scheme::{AuthorityError, NO_TLS, Scheme};
use crate::reactor::{Socket, TlsError};
use crate::wheels::Target;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use std::fmt;
use std::time::SystemTime;

pub(super) use super::encoding::encoded;
use super::encoding::{base64, decoded};

/// A CouchDB database: `http://user:password@host:5984/name`, or `https://` in a build with the
/// feature `tls`. Without a port in the URL it is 5984 for `http`, CouchDB's own, and 443 for
/// `https`.
///
/// The credentials, percent-encoded in the URL, go to the server as Basic authentication and
/// nowhere else: neither `Debug` nor `Display` shows them.
#[derive(Clone)]
pub struct Database {
    scheme: Scheme,
    host: String,
    port: u16,
    /// The value of `Host`.
    authority: HeaderValue,
    /// With a slash in front and none behind.
    path: String,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
struct Credentials {
    /// The value of `Authorization`.
    basic: HeaderValue,
    /// The body of a login.
    form: Bytes,
}

/// Why a URL does not name a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It is no URL of the form `http://host/name`.
    Malformed,
    /// It is an `https` URL, and this build has no TLS.
    NoTls,
    /// Its scheme is neither `http` nor `https`.
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
            Self::NoTls => NO_TLS,
            Self::Scheme => "its scheme is not http or https",
            Self::NoName => "it names no database: http://host:5984/database",
            Self::Credentials => "its user or password is not percent-encoded UTF-8",
        })
    }
}

impl std::error::Error for DatabaseUrlError {}

impl std::str::FromStr for Database {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        use DatabaseUrlError as Error;
        let uri: Uri = url.parse().map_err(|_| Error::Malformed)?;
        let scheme = Scheme::of(uri.scheme_str())?;
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
            port => port.unwrap_or(scheme.database_port()),
        };
        let path = uri.path().trim_end_matches('/');
        if path.is_empty() {
            return Err(Error::NoName);
        }
        // `Uri` drops what stands behind a number sign: part of a name that is not encoded, maybe.
        if uri.query().is_some() || url.contains('#') {
            return Err(Error::Malformed);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(Error::Malformed)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        // RFC 9110, section 7.2: the port is left out where it is the scheme's own, which 5984 is
        // not.
        let shown = Target::Host(host.clone(), port).to_string();
        let own_port = format!(":{}", scheme.port());
        let shown = shown.strip_suffix(&own_port).unwrap_or(&shown);
        Ok(Database {
            authority: HeaderValue::from_str(shown).map_err(|_| Error::Malformed)?,
            scheme,
            host,
            port,
            path: path.to_owned(),
            credentials: userinfo.map(Credentials::of).transpose()?,
        })
    }
}

impl Database {
    /// Trusts the authorities of `pem`, certificates in PEM, to vouch for the server, and no
    /// others. Else those are trusted that the platform trusts.
    ///
    /// # Errors
    /// When there is none in `pem`; when the URL is not `https`; and in a build without the feature
    /// `tls`.
    pub fn authority(mut self, pem: &[u8]) -> Result<Self, AuthorityError> {
        self.scheme = self.scheme.authority(pem)?;
        Ok(self)
    }

    /// A socket to the server, over which the URL's scheme is spoken.
    pub(super) fn dress(&mut self, socket: Socket, date: SystemTime) -> Result<Socket, TlsError> {
        self.scheme.dress(socket, &self.host, date)
    }

    /// What to connect to.
    pub(super) fn target(&self) -> Target {
        Target::Host(self.host.clone(), self.port)
    }

    /// The target of a request for the database itself (`tail` is empty) or what is under it.
    pub(super) fn under(&self, tail: &str) -> String {
        format!("{}{tail}", self.path)
    }

    /// The target of a request for what the server has at `name`, beside its databases.
    pub(super) fn beside(&self, name: &str) -> String {
        let beside = self.path.rsplit_once('/').map_or("", |(beside, _)| beside);
        format!("{beside}/{name}")
    }

    /// A request for `target`, with a session's cookie or else with the URL's credentials; `None`
    /// when the target is longer than a URL can be.
    pub(super) fn get(&self, target: &str, cookie: Option<&HeaderValue>) -> Option<Request<Bytes>> {
        let mut request = self.request(target)?;
        let headers = request.headers_mut();
        match (cookie, &self.credentials) {
            (Some(cookie), _) => drop(headers.insert(COOKIE, cookie.clone())),
            (None, Some(own)) => drop(headers.insert(AUTHORIZATION, own.basic.clone())),
            (None, None) => {}
        }
        Some(request)
    }

    /// A request for a session's cookie; `None` where the URL has no credentials. The sessions of a
    /// server are beside its databases.
    pub(super) fn login(&self) -> Option<Request<Bytes>> {
        let form = self.credentials.as_ref()?.form.clone();
        let mut request = self.request(&self.beside("_session"))?;
        *request.method_mut() = Method::POST;
        *request.body_mut() = form;
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        Some(request)
    }

    fn request(&self, target: &str) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = target.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        Some(request)
    }

    /// The target that a redirect's `location` means, if it is on this server: nobody else is to
    /// have the credentials, nor to say how the documents stand.
    pub(super) fn redirected(&self, location: &str) -> Result<String, &'static str> {
        let location = location.split('#').next().unwrap_or_default();
        let uri: Uri = location.parse().map_err(|_| "to no URL")?;
        match (uri.scheme_str(), uri.host()) {
            (None, None) if location.starts_with('/') && !location.starts_with("//") => {}
            (Some(scheme), Some(host)) if scheme == self.scheme.name() => {
                let is_here = host.trim_matches(['[', ']']).eq_ignore_ascii_case(&self.host)
                    && uri.port_u16().unwrap_or(self.scheme.port()) == self.port;
                if !is_here {
                    return Err("to another server, where the feed does not follow");
                }
            }
            (Some("https"), _) if !cfg!(feature = "tls") => {
                return Err("to https, and this build has no TLS");
            }
            (Some("https"), _) => return Err("to https, which its URL does not say"),
            (Some("http"), _) => return Err("to http, where nobody would vouch for it"),
            _ => return Err("to no URL of this server"),
        }
        Ok(uri.path_and_query().map_or("/", |target| target.as_str()).to_owned())
    }
}

const AGENT: &str = concat!("masque/", env!("CARGO_PKG_VERSION"));

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Database { scheme, host, port, path, .. } = self;
        write!(f, "{}://{}{path}", scheme.name(), Target::Host(host.clone(), *port))
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

impl Credentials {
    /// The user and password of a URL.
    fn of(userinfo: &str) -> Result<Self, DatabaseUrlError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decoded = |part| {
            let bytes = decoded(part).ok_or(DatabaseUrlError::Credentials)?;
            String::from_utf8(bytes).map_err(|_| DatabaseUrlError::Credentials)
        };
        let (user, password) = (decoded(user)?, decoded(password)?);
        // RFC 7617, section 2.
        let basic = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        let mut basic = HeaderValue::try_from(basic).expect("base64 is ASCII");
        basic.set_sensitive(true);
        let form = format!("name={}&password={}", encoded(&user), encoded(&password));
        Ok(Credentials { basic, form: form.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let check = |url: &str, shown: &str, authorization: Option<&str>| {
            let database: Database = url.parse().unwrap();
            assert_eq!(database.to_string(), shown, "{url}");
            let request = database.get("/db", None).unwrap();
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
            ("http://h/db#1", Error::Malformed),
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
    #[cfg(not(feature = "tls"))]
    fn without_tls_a_url_of_it_is_refused_with_the_way_to_get_it() {
        let error = "https://h/db".parse::<Database>().unwrap_err();
        assert_eq!(error, DatabaseUrlError::NoTls);
        assert_eq!(error.to_string(), "this build has no TLS; one with `--features tls` has");
        let database: Database = "http://h/db".parse().unwrap();
        assert_eq!(database.authority(b"").err(), Some(AuthorityError::NoTls));
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_url_of_tls_has_the_ports_of_its_scheme() {
        let check = |url: &str, shown: &str, host: &str| {
            let database: Database = url.parse().unwrap();
            assert_eq!(database.to_string(), shown, "{url}");
            assert_eq!(database.get("/db", None).unwrap().headers()[HOST], host, "{url}");
        };
        check("https://h/db", "https://h:443/db", "h");
        check("https://h:6984/db", "https://h:6984/db", "h:6984");
        check("https://h:80/db", "https://h:80/db", "h:80");
        check("https://[::1]/db", "https://[::1]:443/db", "[::1]");
    }

    #[test]
    #[cfg(feature = "tls")]
    fn an_authority_is_for_https_and_must_be_a_certificate() {
        let check = |url: &str, pem: &str, expected: &str| {
            let database: Database = url.parse().unwrap();
            let error = database.authority(pem.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check("http://h/db", "", "it is for https, and the database's URL is not");
        check("https://h/db", "", "whom to trust cannot be read: there is no certificate in PEM");
        check("https://h/db", "what is this?", "whom to trust cannot be read: there is no cert");
        let begin = "-----BEGIN CERTIFICATE-----\n";
        check("https://h/db", begin, "whom to trust cannot be read: ");
        let end = "-----END CERTIFICATE-----\n";
        check("https://h/db", &format!("{begin}AAAA\n{end}"), "whom to trust cannot be read: ");
        check("https://h/db", &format!("{begin}?\n{end}"), "whom to trust cannot be read: ");
    }

    #[test]
    fn credentials_are_shown_nowhere() {
        let database: Database = "http://user:secret@h/db".parse().unwrap();
        let request = database.get("/db", None).unwrap();
        for shown in [format!("{database:?} {database}"), format!("{request:?}")] {
            assert!(!shown.contains("secret") && !shown.contains("dXNlcjpzZWNyZXQ="), "{shown}");
        }
    }

    #[test]
    fn a_login_goes_to_the_session_beside_the_database() {
        let database: Database = "http://u%26:p%20w@h/couch/db".parse().unwrap();
        let request = database.login().unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/couch/_session"));
        assert_eq!(request.body(), "name=u%26&password=p%20w");
        assert!(request.headers().get(AUTHORIZATION).is_none());
        assert!("http://h/db".parse::<Database>().unwrap().login().is_none());
        let cookie = HeaderValue::from_static("AuthSession=x");
        let request = database.get("/couch/db", Some(&cookie)).unwrap();
        assert_eq!(request.headers().get(COOKIE), Some(&cookie));
        assert!(request.headers().get(AUTHORIZATION).is_none());
    }

    #[test]
    fn redirects_stay_on_this_server() {
        let check = |url: &str, location: &str, expected: Option<&str>| {
            let database: Database = url.parse().unwrap();
            let target = database.redirected(location);
            assert_eq!(target.as_deref().ok(), expected, "{location}");
        };
        check("http://h/db", "/other/db?x=1#top", Some("/other/db?x=1"));
        check("http://h/db", "http://H:5984/db/", Some("/db/"));
        check("http://h:80/db", "http://h/db/", Some("/db/"));
        check("http://[::1]/db", "http://[::1]:5984", Some("/"));
        #[cfg(feature = "tls")]
        for (location, expected) in [
            ("https://h/other", Some("/other")),
            ("https://h:443/other", Some("/other")),
            ("https://h:6984/other", None),
            ("http://h:443/other", None),
            ("http://h/other", None),
        ] {
            check("https://h/db", location, expected);
        }
        for elsewhere in [
            "http://h/db",
            "http://h:81/db",
            "http://evil:5984/db",
            "http://h@evil:5984/db",
            "http://h:5984@evil/db",
            "https://h:5984/db",
            "//evil/db",
            "db",
            "",
            "ftp://h:5984/db",
        ] {
            check("http://h/db", elsewhere, None);
        }
    }
}
