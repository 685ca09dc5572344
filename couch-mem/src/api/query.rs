//! The query of a request: tolerant as CouchDB is with what it does not know, strict with what it
//! does.

use super::ApiError;
use crate::percent::decoded;
use crate::store::{Members, ParseRevisionError, Revision, parse_number};

/// Names and values, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`; `+` is a blank. Percent signs that stand for nothing stay as they are.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// This query, and after it the members of a body, which mean the same there.
    pub(super) fn with(&self, members: &Members<'_>) -> Self {
        let in_body = members.iter().map(|(name, json)| {
            // In the query an id is text, and a key is JSON.
            let is_id = name.contains("key_doc");
            let id = is_id.then(|| serde_json::from_str(json).ok()).flatten();
            (name.to_owned(), id.unwrap_or_else(|| json.to_owned()))
        });
        Self(self.0.iter().cloned().chain(in_body).collect())
    }

    /// The first value of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    /// Whether the value is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A number of zero or more.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let number = |text| parse_number(text).ok_or_else(|| ApiError::bad_number(text));
        self.text(name).map(number).transpose()
    }

    /// `true` or `false`, in any case.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(ApiError::bad_boolean(text)),
        };
        self.text(name).map(boolean).transpose()
    }

    /// A revision.
    pub(super) fn rev(&self, name: &str) -> Result<Option<Revision>, ApiError> {
        self.text(name).map(parse_rev).transpose()
    }

    /// A value in JSON.
    pub(super) fn json(&self, name: &str) -> Result<Option<serde_json::Value>, ApiError> {
        let value = self.text(name).map(serde_json::from_str).transpose();
        value.map_err(|_| ApiError::bad_json())
    }
}

/// Reads a revision as a client states it.
pub(super) fn parse_rev(text: &str) -> Result<Revision, ApiError> {
    text.parse().map_err(|error: ParseRevisionError| ApiError::bad_request(error.to_string()))
}

fn decode(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let Some(bytes) = decoded(&text) else { return Ok(text) };
    String::from_utf8(bytes).map_err(|_| ApiError::bad_request("The query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_counts() {
        let query = Query::parse("a=1&&b=x+y%2B&a=2&flag&bad=%zz&t=true").unwrap();
        let table = [
            ("a", Some("1")),
            ("b", Some("x y+")),
            ("flag", Some("")),
            ("bad", Some("%zz")),
            ("none", None),
        ];
        for (name, expected) in table {
            assert_eq!(query.text(name), expected, "{name}");
        }
        assert!(query.is_true("t") && !query.is_true("a"));
        assert_eq!(query.number("a"), Ok(Some(1)));
        assert_eq!(query.number("b").unwrap_err().status, 400);
        assert_eq!(query.number("flag").unwrap_err().status, 400);
        assert_eq!(Query::parse("a=%FF").unwrap_err().status, 400);
    }
}
