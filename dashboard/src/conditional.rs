//! Conditional requests: an answer that the browser already has is not sent again (RFC 9110,
//! section 13).
//!
//! Only `If-None-Match` is evaluated. `If-Modified-Since` is ignored, because a document may change
//! several times within a second.

use crate::winner::is_newer;
use couch_mem::if_none_match::IfNoneMatch;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use masque::filters::{Prepared, Response};
use std::sync::Arc;

/// Returns the newest of `rev` and the known tags that are revisions.
pub(crate) fn newest<'r>(known: &'r IfNoneMatch, rev: Option<&'r str>) -> Option<&'r str> {
    let tags = known.tags().filter_map(|tag| std::str::from_utf8(tag).ok());
    tags.fold(rev, |newest, tag| if is_newer(tag, newest) { Some(tag) } else { newest })
}

/// An answer, and the 304 for browsers that already have it. A clone shares both.
#[derive(Clone, Debug)]
pub(crate) struct Tagged(Arc<Answers>);

#[derive(Debug)]
struct Answers {
    whole: Prepared,
    /// The tag, and the 304, if the answer has a tag.
    unchanged: Option<(Box<[u8]>, Prepared)>,
}

impl Tagged {
    /// Prepares an answer. Only a 200 with an `ETag` can be answered with a 304.
    pub(crate) fn new(response: Response) -> Self {
        let tag = response.headers().get(ETAG).filter(|_| response.status() == StatusCode::OK);
        let unchanged = tag.map(|tag| (tag.as_bytes().into(), Prepared::new(unchanged(&response))));
        Tagged(Arc::new(Answers { whole: Prepared::new(response), unchanged }))
    }

    /// Returns the answer, or the 304 if its tag is known.
    pub(crate) fn answer(&self, known: &IfNoneMatch) -> Prepared {
        match &self.0.unchanged {
            Some((tag, unchanged)) if known.matches(tag) => unchanged.clone(),
            _ => self.0.whole.clone(),
        }
    }
}

/// Returns the 304: the caching headers of the 200, without headers about its content (RFC 9110,
/// section 15.4.5).
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
    use http::header::IF_NONE_MATCH;
    use http::{HeaderMap, HeaderValue};

    fn known(lists: &[&'static str]) -> IfNoneMatch {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
        }
        IfNoneMatch::of(&headers)
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
            assert_eq!(newest(&known(lists), rev), expected, "{lists:?} {rev:?}");
        }
    }

    #[test]
    fn only_a_200_with_a_tag_can_be_known() {
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
