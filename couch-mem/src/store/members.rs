//! The members of a JSON object, in order, each value as its original text.
//!
//! Numbers such as `1.50` or 2^60 must not change, so documents are never parsed into a `Value`.

use std::fmt;

use serde_core::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one object. A repeated name keeps its first place and has its last value.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Parses the text of an object. O(n log n) in the number of members.
    pub(crate) fn parse(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Returns the value of a member, as text.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value.get())
    }

    /// Returns all members, in their order in the text.
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

/// Keeps only the last of equal names. O(n log n), so that a hostile object with a million members
/// does not take quadratic time.
fn last_wins(members: Vec<(String, &RawValue)>) -> Vec<(String, &RawValue)> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| members[a].0.cmp(&members[b].0).then(a.cmp(&b)));
    let mut kept = vec![true; members.len()];
    for pair in order.windows(2) {
        kept[pair[0]] = members[pair[0]].0 != members[pair[1]].0;
    }
    let mut kept = kept.into_iter();
    members.into_iter().filter(|_| kept.next() == Some(true)).collect()
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
}
