//! Conditional requests: answers that a browser has already are not sent again (RFC 9110, section
//! 13).
//!
//! Only `If-None-Match` is heard. A document may change several times a second, which no date
//! tells, so `If-Modified-Since` is passed over, and the answer is the whole document.

use crate::winner::is_newer;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use http::{HeaderMap, StatusCode};
use masque::filters::{Prepared, Response};
use std::sync::Arc;

/// What a request says of the answers that the browser has. Small when it says nothing, which polls
/// mostly do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Option<Box<[u8]>>);

impl Known {
    /// Reads `If-None-Match`; a copy, for a value shares the request's whole head.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut lists = headers.get_all(IF_NONE_MATCH).iter();
        let Some(first) = lists.next() else { return Known(None) };
        let mut all = first.as_bytes().to_vec();
        for list in lists {
            all.push(b',');
            all.extend_from_slice(list.as_bytes());
        }
        Known(Some(all.into()))
    }

    /// Whether an answer with this tag is known, by weak comparison: what stands between the quotes
    /// is compared. A list that is broken ends where it breaks.
    fn has(&self, tag: &[u8]) -> bool {
        let list = self.0.as_deref().unwrap_or_default();
        list.trim_ascii() == b"*" || self.tags().any(|known| known == opaque(tag))
    }

    /// Returns the newest of `rev` and the tags that are revisions.
    pub(crate) fn newest<'r>(&'r self, rev: Option<&'r str>) -> Option<&'r str> {
        let tags = self.tags().filter_map(|tag| std::str::from_utf8(tag).ok());
        tags.fold(rev, |newest, tag| if is_newer(tag, newest) { Some(tag) } else { newest })
    }

    /// Returns true if the request has no such field.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns what is between the quotes of each tag, up to where the list is broken.
    fn tags(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_deref().unwrap_or_default();
        std::iter::from_fn(move || {
            while let [b' ' | b'\t' | b',', after @ ..] = rest {
                rest = after;
            }
            let opened = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"")?;
            let end = opened.iter().position(|byte| *byte == b'"')?;
            rest = &opened[end + 1..];
            Some(&opened[..end])
        })
    }
}

/// What stands between a tag's quotes.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag)
}

/// An answer, with what is sent in its place to those who know it. A clone is a reference more.
#[derive(Clone, Debug)]
pub(crate) struct Tagged(Arc<Answers>);

#[derive(Debug)]
struct Answers {
    whole: Prepared,
    /// The tag of an answer that has one, and the 304.
    unchanged: Option<(Box<[u8]>, Prepared)>,
}

impl Tagged {
    /// Only a 200 that has an `ETag` can be known.
    pub(crate) fn new(response: Response) -> Self {
        let tag = response.headers().get(ETAG).filter(|_| response.status() == StatusCode::OK);
        let unchanged = tag.map(|tag| (tag.as_bytes().into(), Prepared::new(unchanged(&response))));
        Tagged(Arc::new(Answers { whole: Prepared::new(response), unchanged }))
    }

    /// The answer to a request that says this.
    pub(crate) fn answer(&self, known: &Known) -> Prepared {
        match &self.0.unchanged {
            Some((tag, unchanged)) if known.has(tag) => unchanged.clone(),
            _ => self.0.whole.clone(),
        }
    }
}

/// 304 with what the 200 says of caching, but nothing of a content (RFC 9110, section 15.4.5).
fn unchanged(response: &Response) -> Response {
    let mut unchanged = Response::default();
    *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
    *unchanged.headers_mut() = response.headers().clone();
    for name in [ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE] {
        unchanged.headers_mut().remove(name);
    }
    unchanged
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn known(lists: &[&'static str]) -> Known {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
        }
        Known::of(&headers)
    }

    #[test]
    fn tags_are_compared_weakly_and_found_wherever_they_stand() {
        for (lists, is_known) in [
            (&[][..], false),
            (&["\"a,b\""], true),
            (&["W/\"a,b\""], true),
            (&["\"x\", W/\"a,b\" , \"y\""], true),
            (&["\"x\"", "\"a,b\""], true),
            (&["*"], true),
            (&[" , ,\"a,b\""], true),
            (&["\"x\",\"a,b\""], true),
            (&[""], false),
            (&["a,b"], false),
            (&["\"a", "b\""], true), // a comma joins two fields, wherever they were cut
            (&["\"a,b"], false),
            (&["\"A,B\""], false),
            (&["\"x\", *"], false),
            (&["x, \"a,b\""], false),
        ] {
            for tag in ["\"a,b\"", "W/\"a,b\""] {
                assert_eq!(known(lists).has(tag.as_bytes()), is_known, "{lists:?} has {tag}");
            }
        }
    }

    #[test]
    fn the_newest_revision_is_found_in_the_path_and_among_the_tags() {
        for (lists, rev, expected) in [
            (&[][..], None, None),
            (&[], Some("7-a"), Some("7-a")),
            (&["\"8-b\""], Some("7-a"), Some("8-b")),
            (&["\"8-b\", W/\"9-c\"", "\"2-d\""], Some("7-a"), Some("9-c")),
            (&["\"6-b\""], Some("7-a"), Some("7-a")),
            (&["\"8-b\""], None, Some("8-b")),
            (&["*"], None, None),
            (&["\"x\""], None, None),
            (&["\"x\", \"8-b\""], Some("none"), Some("8-b")),
        ] {
            assert_eq!(known(lists).newest(rev), expected, "{lists:?} {rev:?}");
        }
    }

    #[test]
    fn only_a_whole_answer_with_a_tag_can_be_known() {
        let mut response = Response::new("content".into());
        assert_eq!(Tagged::new(response.clone()).answer(&known(&["*"])).status(), StatusCode::OK);
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"a\""));
        let answer = Tagged::new(response.clone());
        assert_eq!(answer.answer(&known(&["\"a\""])).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer.answer(&known(&["\"a\""])).body_len(), 0);
        assert_eq!(answer.answer(&known(&["\"b\""])).status(), StatusCode::OK);
        *response.status_mut() = StatusCode::NOT_FOUND;
        let answer = Tagged::new(response).answer(&known(&["*"]));
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
