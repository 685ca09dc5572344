//! Multipart bodies: `multipart/related`, in which replicators send a document with attachments,
//! and `multipart/mixed`, in which the replicator of CouchDB reads revisions.

use http::header;

use super::{ApiError, Call};
use crate::store::push_args;

impl<'a> Call<'a> {
    /// Returns the JSON text of the document in the body of a PUT: the whole body, or the first
    /// part of `multipart/related`. The other parts are attachments, which the JSON text names.
    pub(super) fn document_text(&self) -> Result<&'a str, ApiError> {
        let content_type = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !essence.trim().eq_ignore_ascii_case("multipart/related") {
            return self.text();
        }
        let part = boundary(parameters)
            .and_then(|boundary| first_part(self.request.body(), boundary))
            .ok_or_else(|| ApiError::bad_request("Malformed multipart/related body"))?;
        std::str::from_utf8(part).map_err(|_| ApiError::bad_json())
    }

    /// Returns true if the client accepts this content type. Without an `Accept` it accepts all.
    pub(super) fn accepts(&self, content_type: &str) -> bool {
        let Some(accept) = self.header(header::ACCEPT) else { return true };
        let family = content_type.split('/').next().unwrap_or_default();
        accept.split(',').any(|item| {
            let mut item = item.split(';').map(str::trim);
            let range = item.next().unwrap_or_default();
            let refused = item.any(|parameter| {
                parameter.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0))
            });
            let is_family = || range.strip_suffix("/*") == Some(family);
            !refused && (range == "*/*" || range.eq_ignore_ascii_case(content_type) || is_family())
        })
    }
}

/// Returns the parameter `boundary`, with or without quotes.
fn boundary(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

/// Returns the content of the first part (RFC 2046, section 5.1.1). `None` if there is no complete
/// part. O(length).
fn first_part<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let delimiter = format!("\r\n--{boundary}");
    let opening = delimiter.trim_start().as_bytes();
    let part = match body.strip_prefix(opening) {
        Some(rest) => rest,
        None => after(body, delimiter.as_bytes())?.1,
    };
    // Blanks may follow the boundary. A part without headers starts with its empty line.
    let (line_end, part) = after(part, b"\r\n")?;
    if !line_end.iter().all(|b| b" \t".contains(b)) {
        return None;
    }
    let content = match part.strip_prefix(b"\r\n") {
        Some(content) => content,
        None => after(part, b"\r\n\r\n")?.1,
    };
    Some(after(content, delimiter.as_bytes())?.0)
}

/// Splits at the first occurrence of `what`.
fn after<'a>(bytes: &'a [u8], what: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    // Searched texts start with a carriage return, which is rare in JSON.
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == what[0])?;
        if let Some(rest) = bytes[at..].strip_prefix(what) {
            return Some((&bytes[..at], rest));
        }
        from = at + 1;
    }
}

/// Appends a part of `multipart/mixed` with a JSON text, and the delimiter of the next one. The
/// text has no line end, so that no boundary can occur in it.
pub(super) fn push_part(out: &mut String, boundary: &str, json: &str, is_error: bool) {
    let error = if is_error { "; error=\"true\"" } else { "" };
    let content_type = format_args!("application/json{error}");
    push_args(out, format_args!("\r\nContent-Type: {content_type}\r\n\r\n{json}\r\n--{boundary}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_is_extracted() {
        let table: [(&str, Option<&str>); 9] = [
            ("--b\r\n\r\n{}\r\n--b--", Some("{}")),
            ("--b\r\nA: b\r\n\r\n{\r\n}\r\n--b\r\n\r\nx\r\n--b--", Some("{\r\n}")),
            ("preamble\r\n--b \t\r\nA: b\r\n\r\n{}\r\n--b--", Some("{}")),
            ("--b\r\n\r\n\r\n--b--", Some("")),
            ("--b\r\n\r\n{}", None),
            ("--b\r\nA: b\r\n{}\r\n--b--", None),
            ("--bb\r\n\r\n{}\r\n--bb--", None),
            ("--b--", None),
            ("", None),
        ];
        for (body, expected) in table {
            assert_eq!(first_part(body.as_bytes(), "b"), expected.map(str::as_bytes), "{body:?}");
        }
        let table = [
            (" boundary=b", Some("b")),
            ("a=1; Boundary=\"--b\"", Some("--b")),
            ("boundary=", None),
            ("boundary=\"\"", None),
            ("", None),
        ];
        for (parameters, expected) in table {
            assert_eq!(boundary(parameters), expected, "{parameters}");
        }
    }
}
