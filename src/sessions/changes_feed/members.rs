//! The members of a JSON object that somebody looks at, as the server wrote them.

use serde_core::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The values of the members of these names, of two of one name the later; `None` for what is no
/// object. The whole text is read, once, and nothing is allocated.
pub(super) fn members<'a, const N: usize>(
    json: &'a [u8],
    names: [&str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    // Checked as a whole: by each of its strings it would cost more.
    let mut json = serde_json::Deserializer::from_str(std::str::from_utf8(json).ok()?);
    let found = json.deserialize_map(Members(names)).ok()?;
    json.end().ok()?;
    Some(found)
}

/// An object that is looked at for one member, within others.
pub(super) struct Revision<'a>(pub(super) Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Revision<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Members(["rev"])).map(|[rev]| Revision(rev))
    }
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(place) = map.next_key_seed(Name(&self.0))? {
            let value = map.next_value()?;
            if let Some(place) = place {
                found[place] = Some(value);
            }
        }
        Ok(found)
    }
}

/// Where a member's name is among those that are looked for.
struct Name<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

#[cfg(test)]
mod tests {
    use super::members;
    use serde_json::value::RawValue;

    #[track_caller]
    fn check(json: &str, expected: Option<[Option<&str>; 2]>) {
        let found = members(json.as_bytes(), ["a", "b"]);
        assert_eq!(found.map(|found| found.map(|value| value.map(RawValue::get))), expected);
    }

    #[test]
    fn members_come_as_they_were_written_and_the_later_of_two_counts() {
        check("{}", Some([None, None]));
        check(r#" {"b" : 1.50 , "c":[{"a":2}]} "#, Some([None, Some("1.50")]));
        check(r#"{"a":1,"b":null,"a":"\u00e9"}"#, Some([Some(r#""\u00e9""#), Some("null")]));
        check(r#"{"\u0061":{"b":0}}"#, Some([Some(r#"{"b":0}"#), None]));
    }

    #[test]
    fn a_member_may_be_as_deep_as_it_likes() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        check(&format!("{{\"z\":{deep},\"a\":{deep}}}"), Some([Some(&deep), None]));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for json in ["", "[]", "7", "\"a\"", r#"{"a":1"#, r#"{"a":1}{}"#, r#"{"a":}"#, "{a:1}"] {
            check(json, None);
        }
        for json in
            [&b"{\"a\":\"\xff\"}"[..], b"{\"z\":\"\xff\"}", b"{\"\xff\":1}", b"{\"a\":\"\n\"}"]
        {
            assert!(members(json, ["a"]).is_none());
        }
    }
}
