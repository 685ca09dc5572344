//! A JSON object as its members, in order, each value kept as the text it came in.
//!
//! Numbers such as `1.50` or 2^60 must come out as they went in, so documents never pass through a `Value`.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one object. A name given twice keeps its place and takes the last value.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Splits the text of an object. O(n log n) in its members.
    pub(crate) fn parse(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// The value of one member, as text.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value.get())
    }

    /// All members, in the order they were written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        from.deserialize_map(InOrder).map(|members| Self(last_wins(members)))
    }
}

/// Drops all but the last of equal names. O(n log n): a hostile object of a million members must not cost its square.
fn last_wins<'a>(members: Vec<(String, &'a RawValue)>) -> Vec<(String, &'a RawValue)> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| members[a].0.cmp(&members[b].0).then(a.cmp(&b)));
    let mut kept = vec![true; members.len()];
    for pair in order.windows(2) {
        kept[pair[0]] = members[pair[0]].0 != members[pair[1]].0;
    }
    let mut kept = kept.into_iter();
    members.into_iter().filter(|_| kept.next() == Some(true)).collect()
}

/// Appends valid JSON without the blanks between its tokens, so that a document is one line of a continuous feed.
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
    fn values_keep_their_text_and_order() {
        let members =
            Members::parse(r#" {"b": 1.50, "a":{"x" : [1 , 2]}, "b" : 1152921504606846976} "#)
                .unwrap();
        let texts: Vec<_> = members.iter().collect();
        assert_eq!(texts, [("a", r#"{"x" : [1 , 2]}"#), ("b", "1152921504606846976")]);
        assert_eq!(members.value("a"), Some(r#"{"x" : [1 , 2]}"#));
        assert!(Members::parse("[1]").unwrap_err().is_data());
        assert!(Members::parse("{\"a\":").is_err());
    }

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
