//! The header `If-None-Match` (RFC 9110, section 13.1.2).

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

/// The entity tags that a client knows already.
///
/// A copy of the header's value, because a `HeaderValue` may share the memory of the request's
/// whole head. Without such a header the value allocates nothing.
///
/// ```
/// use couch_mem::if_none_match::IfNoneMatch;
/// use http::{HeaderMap, HeaderValue, header};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"7-a\", W/\"8-b\""));
/// let known = IfNoneMatch::of(&headers);
/// assert!(known.matches(b"\"8-b\"") && !known.matches(b"\"9-c\""));
/// ```
#[derive(Clone, Debug, Default)]
pub struct IfNoneMatch(Option<Box<[u8]>>);

impl IfNoneMatch {
    /// Reads the headers of a request. Several headers are joined to one list.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lists = headers.get_all(IF_NONE_MATCH).iter();
        let Some(first) = lists.next() else { return Self(None) };
        let mut all = first.as_bytes().to_vec();
        for list in lists {
            all.push(b',');
            all.extend_from_slice(list.as_bytes());
        }
        Self(Some(all.into()))
    }

    /// Returns true if the list is `*` or contains this entity tag, by weak comparison: only the
    /// text between the quotes is compared. A malformed list ends where it is malformed.
    pub fn matches(&self, tag: &[u8]) -> bool {
        let list = self.0.as_deref().unwrap_or_default();
        list.trim_ascii() == b"*" || self.tags().any(|known| known == opaque(tag))
    }

    /// Returns true if the request has no such header.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the text between the quotes of each tag, up to where the list is malformed.
    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
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

/// Returns the text between the quotes of a tag.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn tags_are_compared_weakly_at_any_place_of_the_list() {
        for (lists, matches) in [
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
            (&["\"a", "b\""], true), // a comma joins two headers, wherever they were split
            (&["\"a,b"], false),
            (&["\"A,B\""], false),
            (&["\"x\", *"], false),
            (&["x, \"a,b\""], false),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
            }
            let known = IfNoneMatch::of(&headers);
            for tag in ["\"a,b\"", "W/\"a,b\""] {
                assert_eq!(known.matches(tag.as_bytes()), matches, "{lists:?} matches {tag}");
            }
        }
    }
}
