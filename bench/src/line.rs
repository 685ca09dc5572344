//! What a peer makes of a line of the feed.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The followed document, as a line of the feed brought it.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Its revision.
    pub rev: String,
    /// The document as the database wrote it.
    pub body: String,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    changes: Vec<Rev<'a>>,
    #[serde(borrow)]
    doc: &'a RawValue,
}

#[derive(Deserialize)]
struct Rev<'a> {
    #[serde(borrow)]
    rev: Cow<'a, str>,
}

/// The followed document, if this line is of it. Lines that are not rows are skipped: sizes of
/// chunks, empty ones, the head of the response.
pub fn followed(line: &[u8]) -> Option<Change> {
    if line.first() != Some(&b'{') {
        return None;
    }
    let row: Row<'_> = serde_json::from_slice(line).ok()?;
    (row.id == "overview").then_some(())?;
    let rev = row.changes.first()?.rev.to_string();
    Some(Change { rev, body: row.doc.get().to_owned() })
}

/// The request for the feed from its beginning.
pub fn request(path: &str, host: &str) -> String {
    format!(
        "GET {path}/_changes?feed=continuous&include_docs=true&since=0 HTTP/1.1\r\n\
         Host: {host}\r\n\r\n"
    )
}

/// Host with port, and path, of a database's address.
pub fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/')?;
    Some(rest.split_at(slash))
}

#[cfg(test)]
mod tests {
    use super::{Change, followed, parts};

    #[test]
    fn only_the_followed_document_is_taken() {
        let row = |id: &str| {
            format!(r#"{{"seq":"7","id":"{id}","changes":[{{"rev":"7-a"}}],"doc":{{"x": 1}}}}"#)
        };
        let change = Change { rev: "7-a".into(), body: r#"{"x": 1}"#.into() };
        assert_eq!(followed(row("overview").as_bytes()), Some(change));
        assert_eq!(followed(row("other").as_bytes()), None);
        assert_eq!(followed(b"1f4\r\n"), None);
        assert_eq!(parts("http://h:1/db"), Some(("h:1", "/db")));
    }
}
