//! The part of a line of the access log that comes from the request.

use http::HeaderMap;
use http::header::{HeaderName, REFERER, USER_AGENT};
use masque::filters::{HttpDate, Request};
use masque::reactor::Endpoint;
use std::io::Write;
use std::time::SystemTime;

/// A request as it is logged, kept until it is answered. It contains no credential: no
/// `Authorization`, no cookies, and no user or password of a URL.
#[derive(Debug)]
pub(crate) struct LoggedRequest {
    peer: String,
    date: SystemTime,
    request: Vec<u8>,
    referer: Vec<u8>,
    agent: Vec<u8>,
    /// A HEAD request: its answer has no body.
    is_head: bool,
}

impl LoggedRequest {
    /// Reads a request. `None` for a malformed one, whose fields are logged as `-`.
    pub(crate) fn new(peer: Option<Endpoint>, date: SystemTime, request: Option<&Request>) -> Self {
        let peer = match peer {
            Some(Endpoint::Tcp(address)) => address.ip().to_string(),
            _ => "-".into(),
        };
        let mut entry = LoggedRequest {
            peer,
            date,
            request: b"-".to_vec(),
            referer: b"-".to_vec(),
            agent: b"-".to_vec(),
            is_head: false,
        };
        if let Some(request) = request {
            let target = request.uri().path_and_query().map_or("-", |target| target.as_str());
            let line = format!("{} {target} {:?}", request.method(), request.version());
            entry.request = escaped(line.as_bytes());
            entry.referer = field(request.headers(), REFERER);
            entry.agent = field(request.headers(), USER_AGENT);
            entry.is_head = request.method() == http::Method::HEAD;
        }
        entry
    }

    /// Appends the line of the log.
    pub(super) fn write(&self, status: u16, body_bytes: u64, batch: &mut Vec<u8>) {
        let LoggedRequest { peer, request, referer, agent, .. } = self;
        // Writing to a Vec cannot fail, here and below.
        let _ = write!(batch, "{peer} - - [{}] \"", stamp(self.date));
        batch.extend_from_slice(request);
        let _ = match body_bytes {
            _ if self.is_head => write!(batch, "\" {status} - \""),
            0 => write!(batch, "\" {status} - \""),
            bytes => write!(batch, "\" {status} {bytes} \""),
        };
        batch.extend_from_slice(referer);
        batch.extend_from_slice(b"\" \"");
        batch.extend_from_slice(agent);
        batch.extend_from_slice(b"\"\n");
    }
}

/// Returns the value of a header, or `-`.
fn field(headers: &HeaderMap, name: HeaderName) -> Vec<u8> {
    headers.get(name).map_or_else(
        || b"-".to_vec(),
        |value| {
            let value = value.as_bytes();
            escaped(&without_user(value))
        },
    )
}

/// Returns a URL without user and password.
fn without_user(address: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(address);
    let Some((scheme, rest)) = text.split_once("://") else { return address.to_vec() };
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]).into_bytes(),
        None => address.to_vec(),
    }
}

/// Escapes everything except printable ASCII, so that no request can forge a line or send control
/// sequences to a terminal.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'"' | b'\\' => escaped.extend([b'\\', byte]),
            b' '..=b'~' => escaped.push(byte),
            _ => {
                let _ = write!(escaped, "\\x{byte:02x}");
            }
        }
    }
    escaped
}

/// Returns `10/Oct/2000:13:55:36 +0000`, from the date format of HTTP.
fn stamp(date: SystemTime) -> String {
    let date = HttpDate::from(date).to_string();
    let mut words = date.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    format!("{}/{}/{}:{} +0000", word(), word(), word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::{Duration, UNIX_EPOCH};

    fn line(request: Option<&Request>, status: u16, body_bytes: u64) -> String {
        let peer = Endpoint::Tcp(([192, 0, 2, 7], 4711).into());
        let date = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut batch = vec![];
        LoggedRequest::new(Some(peer), date, request).write(status, body_bytes, &mut batch);
        String::from_utf8(batch).expect("it is ASCII")
    }

    #[test]
    fn an_answer_is_a_line_of_the_combined_format() {
        let mut request = Request::new("".into());
        *request.uri_mut() = "/overview/7-abc".parse().expect("it is a path");
        assert_eq!(
            line(Some(&request), 200, 345),
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /overview/7-abc HTTP/1.1\" 200 345 \
             \"-\" \"-\"\n"
        );
        *request.method_mut() = http::Method::HEAD;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("curl/8.5"));
        assert!(line(Some(&request), 200, 345).ends_with("HTTP/1.1\" 200 - \"-\" \"curl/8.5\"\n"));
        assert!(line(None, 400, 12).ends_with("+0000] \"-\" 400 12 \"-\" \"-\"\n"));
    }

    #[test]
    fn a_clock_that_no_date_of_http_can_show_panicked() {
        let second = Duration::from_secs(1);
        assert_eq!(stamp(UNIX_EPOCH - second), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(stamp(UNIX_EPOCH + second * 0x7fff_ffff * 1000), "31/Dec/9999:23:59:59 +0000");
    }

    #[test]
    fn no_request_can_forge_a_line() {
        let mut request = Request::new("".into());
        let agent = HeaderValue::from_bytes(b"a\" \\ \t\xff").expect("it can stand in a header");
        request.headers_mut().insert(USER_AGENT, agent);
        let line = line(Some(&request), 200, 0);
        assert!(line.ends_with("\"a\\\" \\\\ \\x09\\xff\"\n"), "{line}");
        assert_eq!(escaped(b"\r\n\0\x1b\x7f"), b"\\x0d\\x0a\\x00\\x1b\\x7f");
    }

    #[test]
    fn no_credential_is_shown() {
        let mut request = Request::new("".into());
        *request.uri_mut() = "http://u:secret@h/overview?a=1".parse().expect("it is an address");
        for (name, value) in [
            ("authorization", "Basic secret"),
            ("cookie", "AuthSession=secret"),
            ("referer", "https://u:secret@h/page?q=@"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let line = line(Some(&request), 200, 0);
        assert!(line.contains("\"GET /overview?a=1 HTTP/1.1\""), "{line}");
        assert!(line.contains("\"https://h/page?q=@\""), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
}
