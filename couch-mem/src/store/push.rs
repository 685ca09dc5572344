//! Appends JSON to a string. Answers are composed of text, so that stored text does not change.

use std::fmt::{Arguments, Write};

/// Appends formatted text without a temporary string.
pub(crate) fn push_args(out: &mut String, args: Arguments<'_>) {
    out.write_fmt(args).expect("writing to a String cannot fail");
}

/// Appends valid JSON without blanks between its tokens, so that a document is one line of a
/// continuous feed.
pub(crate) fn push_compact(out: &mut String, json: &str) {
    let (mut in_string, mut escaped, mut from) = (false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b' ' | b'\t' | b'\r' | b'\n' if !in_string => {
                out.push_str(&json[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&json[from..]);
}

/// Appends a string as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"".into(),
            b'\\' => "\\\\".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            0..0x20 => format!("\\u{byte:04x}"),
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(&escape);
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_drops_blanks_between_tokens_only() {
        let table = [
            ("{ \"a b\" : [1 ,\n2 ] }", "{\"a b\":[1,2]}"),
            (r#"" \" x\\" "#, r#"" \" x\\""#),
            ("\t1e3\r\n", "1e3"),
        ];
        for (json, expected) in table {
            let mut out = String::new();
            push_compact(&mut out, json);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_string_is_written_as_json() {
        for text in ["", "plain", "é日😀", "a\"b\\c\nd\u{1}\u{7f}", "\u{2028}"] {
            let mut out = String::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
