//! The encodings of URLs and credentials.

use std::fmt::Write;

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

/// A document's id as a path: the slash behind `_design` and `_local` stays as it is, for `CouchDB`
/// answers the other with a redirect to where it takes itself to be, which behind a proxy is
/// another server.
pub(super) fn path_of(id: &str) -> String {
    let place = ["_design/", "_local/"].into_iter().find(|place| id.starts_with(place));
    place.map_or_else(|| encoded(id), |place| place.to_owned() + &encoded(&id[place.len()..]))
}

/// The bytes of a percent-encoded text; `None` where a percent sign is not followed by two digits.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
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

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
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
    fn base64_pads_as_the_rfc_shows() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn of_a_special_document_the_first_slash_is_none_of_its_name() {
        for (id, path) in [
            ("_design/a/b", "_design/a%2Fb"),
            ("_local/é", "_local/%C3%A9"),
            ("_designed/a", "_designed%2Fa"),
            ("a/_design/b", "a%2F_design%2Fb"),
        ] {
            assert_eq!(path_of(id), path);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for text in ["", "a-._~Z9", "a/b c+d%", "é\u{2028}[4,\"x\"]"] {
            let encoded = encoded(text);
            assert!(!encoded.contains(['/', ' ', '+', '"', '[', ',']), "{encoded}");
            assert_eq!(decoded(&encoded).unwrap(), text.as_bytes());
        }
        assert_eq!(decoded("%4"), None);
        assert_eq!(decoded("%zz"), None);
    }
}
