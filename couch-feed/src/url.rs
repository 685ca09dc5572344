//! The URL of a database, and the requests that are made of it.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// The URL of a database: `http://user:password@host:5984/name`, or `https://`. A URL without a
/// port means 5984 for `http`, which is CouchDB's own port, and 443 for `https`.
///
/// The credentials are percent-encoded in the URL. They are sent to this server only, as Basic
/// authentication or as a login. Neither `Debug` nor `Display` shows them.
///
/// ```
/// let url: couch_feed::DatabaseUrl = "http://ann:secret@couch.example/shop".parse()?;
/// assert_eq!(url.to_string(), "http://couch.example:5984/shop");
/// # Ok::<(), couch_feed::DatabaseUrlError>(())
/// ```
#[derive(Clone)]
pub struct DatabaseUrl {
    /// Either `http` or `https`.
    scheme: Scheme,
    host: String,
    port: u16,
    /// The value of `Host`.
    authority: HeaderValue,
    /// Begins with a slash and does not end with one.
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

/// Why a text is not the URL of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It is not a URL of the form `http://host/name`.
    Malformed,
    /// Its scheme is neither `http` nor `https`.
    Scheme,
    /// It names a server but no database.
    NoName,
    /// Its credentials are not percent-encoded UTF-8.
    Credentials,
}

impl fmt::Display for DatabaseUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is not of the form http://user:password@host:5984/database",
            Self::Scheme => "its scheme is not http or https",
            Self::NoName => "it names no database: http://host:5984/database",
            Self::Credentials => "its user or password is not percent-encoded UTF-8",
        })
    }
}

impl std::error::Error for DatabaseUrlError {}

impl std::str::FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        use DatabaseUrlError as Error;
        let uri: Uri = url.parse().map_err(|_| Error::Malformed)?;
        let scheme = uri.scheme().ok_or(Error::Malformed)?.clone();
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(Error::Scheme);
        }
        let authority = uri.authority().ok_or(Error::Malformed)?.as_str();
        let (userinfo, host_port) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        // `Uri` has no port both if there is none and if it is not a number.
        let has_no_port = host_port.ends_with([']', ':']) || !host_port.contains(':');
        let port = match uri.port_u16() {
            Some(port) => port,
            None if !has_no_port => return Err(Error::Malformed),
            // CouchDB itself would listen for TLS at 6984, but usually a proxy in front of it does,
            // at the scheme's default port.
            None if scheme == Scheme::HTTPS => 443,
            None => 5984,
        };
        let path = uri.path().trim_end_matches('/');
        if path.is_empty() {
            return Err(Error::NoName);
        }
        // `Uri` drops the text after a number sign, which may be part of a name that should have
        // been encoded.
        if uri.query().is_some() || url.contains('#') {
            return Err(Error::Malformed);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(Error::Malformed)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        // RFC 9110, section 7.2: the default port of the scheme is left out. 5984 is not one.
        let shown = host_and_port(&host, port);
        let default_port = format!(":{}", default_port(&scheme));
        let shown = shown.strip_suffix(&default_port).unwrap_or(&shown);
        Ok(DatabaseUrl {
            authority: HeaderValue::from_str(shown).map_err(|_| Error::Malformed)?,
            scheme,
            host,
            port,
            path: path.to_owned(),
            credentials: userinfo.map(Credentials::of).transpose()?,
        })
    }
}

impl DatabaseUrl {
    /// The name or address of the server, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns true if the connection must be secured by TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The scheme, host and port: a client that wants absolute URLs puts them before the target of
    /// a request.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, host_and_port(&self.host, self.port))
    }

    /// The target of a request for the database itself (`tail` is empty) or for a path below it.
    pub(crate) fn path_in_database(&self, tail: &str) -> String {
        format!("{}{tail}", self.path)
    }

    /// The target of a request for a path of the server, next to its databases.
    pub(crate) fn path_on_server(&self, name: &str) -> String {
        let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        format!("{parent}/{name}")
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// A request for `target` with the cookie of a session, or else with the credentials of the
    /// URL. With a JSON body it is a POST. `None` if the target is longer than a URL can be.
    pub(crate) fn request(
        &self,
        target: &str,
        cookie: Option<&HeaderValue>,
        body: Option<Bytes>,
    ) -> Option<Request<Bytes>> {
        let basic = || Some((AUTHORIZATION, &self.credentials.as_ref()?.basic));
        let login = cookie.map(|cookie| (COOKIE, cookie)).or_else(basic);
        self.build(target, login, body.map(|body| ("application/json", body)))
    }

    /// A request for the cookie of a session; `None` if the URL has no credentials.
    pub(crate) fn login(&self) -> Option<Request<Bytes>> {
        let form = self.credentials.as_ref()?.form.clone();
        let body = ("application/x-www-form-urlencoded", form);
        self.build(&self.path_on_server("_session"), None, Some(body))
    }

    fn build(
        &self,
        target: &str,
        login: Option<(HeaderName, &HeaderValue)>,
        body: Option<(&'static str, Bytes)>,
    ) -> Option<Request<Bytes>> {
        const AGENT: &str = concat!("couch-feed/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = target.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some((name, value)) = login {
            headers.insert(name, value.clone());
        }
        if let Some((media_type, body)) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            *request.method_mut() = Method::POST;
            *request.body_mut() = body;
        }
        Some(request)
    }

    /// The target of a redirect's `location` on this server. A redirect to another server is not
    /// followed, because that server must neither get the credentials nor send documents.
    ///
    /// # Errors
    /// Why the redirect is not followed.
    pub(crate) fn redirected(&self, location: &str) -> Result<String, &'static str> {
        let location = location.split('#').next().unwrap_or_default();
        let uri: Uri = location.parse().map_err(|_| "to no URL")?;
        match (uri.scheme(), uri.host()) {
            (None, None) if location.starts_with('/') && !location.starts_with("//") => {}
            (Some(scheme), Some(host)) if *scheme == self.scheme => {
                let is_same = host.trim_matches(['[', ']']).eq_ignore_ascii_case(&self.host)
                    && uri.port_u16().unwrap_or(default_port(scheme)) == self.port;
                if !is_same {
                    return Err("to another server, where the feed does not follow");
                }
            }
            (Some(scheme), _) if *scheme == Scheme::HTTPS => {
                return Err("to https, which the database's URL does not use");
            }
            (Some(scheme), _) if *scheme == Scheme::HTTP => {
                return Err("to http, which is not encrypted");
            }
            _ => return Err("to no URL of this server"),
        }
        Ok(uri.path_and_query().map_or("/", |target| target.as_str()).to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// RFC 9110, section 4.2.
fn default_port(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTPS { 443 } else { 80 }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl Credentials {
    /// The user and the password of a URL.
    fn of(userinfo: &str) -> Result<Self, DatabaseUrlError> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decoded = |part| decoded(part).ok_or(DatabaseUrlError::Credentials);
        let (user, password) = (decoded(user)?, decoded(password)?);
        // RFC 7617, section 2.
        let basic = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        let mut basic = HeaderValue::try_from(basic).expect("base64 is ASCII");
        basic.set_sensitive(true);
        let form = format!("name={}&password={}", encoded(&user), encoded(&password));
        Ok(Credentials { basic, form: form.into() })
    }
}

/// All characters except the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a text.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A document's id as a path. The slash after `_design` and `_local` is not encoded: CouchDB
/// answers an encoded one with a redirect to its own address, which is another server if there is a
/// proxy in front of it.
pub(crate) fn path_of(id: &str) -> String {
    let prefix = ["_design/", "_local/"].into_iter().find(|prefix| id.starts_with(prefix));
    prefix.map_or_else(|| encoded(id), |prefix| prefix.to_owned() + &encoded(&id[prefix.len()..]))
}

/// Decodes a percent-encoded text. `None` if a percent sign is not followed by two hexadecimal
/// digits, or if the bytes are not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let is_hex = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    let is_valid = text.split('%').skip(1).all(is_hex);
    let decoded = is_valid.then(|| percent_decode_str(text).decode_utf8())?;
    Some(decoded.ok()?.into_owned())
}

/// RFC 4648, section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
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
