//! Percent-encoding (RFC 3986, section 2.1) for names in paths and queries.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All bytes except the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Decodes `%41` to `A`. Returns `None` if two hex digits do not follow each percent sign.
///
/// ```
/// assert_eq!(couch_mem::percent::decoded("a%2Fb").as_deref(), Some(&b"a/b"[..]));
/// assert_eq!(couch_mem::percent::decoded("100%"), None);
/// ```
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut after_signs = text.split('%').skip(1);
    let is_valid = after_signs.all(|after| match after.as_bytes() {
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    });
    is_valid.then(|| percent_decode_str(text).collect())
}

/// Encodes all bytes except unreserved characters, so that the result is one segment of a path.
///
/// ```
/// assert_eq!(couch_mem::percent::encoded("a/b"), "a%2Fb");
/// ```
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
