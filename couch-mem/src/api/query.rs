//! The query of a request. Unknown parameters are ignored, and wrong values of known ones are
//! errors, as in CouchDB.

use super::ApiError;
use crate::percent::decoded;
use crate::store::{Members, ParseRevisionError, Revision, parse_number};

/// Names and values, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses `a=1&b=2`; `+` is a blank. Malformed percent-encoding stays unchanged.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Returns this query followed by the members of a body, which have the same meaning.
    pub(super) fn with(&self, members: &Members<'_>) -> Self {
        let in_body = members.iter().map(|(name, json)| {
            // An id is plain text in a query, and JSON in a body.
            let is_id = name.contains("key_doc");
            let id = is_id.then(|| serde_json::from_str(json).ok()).flatten();
            (name.to_owned(), id.unwrap_or_else(|| json.to_owned()))
        });
        Self(self.0.iter().cloned().chain(in_body).collect())
    }

    /// Returns the first value with this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    /// Returns true if the value is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Returns a number of zero or more.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let number = |text| parse_number(text).ok_or_else(|| ApiError::bad_number(text));
        self.text(name).map(number).transpose()
    }

    /// Returns `true` or `false`, written in any case.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(ApiError::bad_boolean(text)),
        };
        self.text(name).map(boolean).transpose()
    }

    /// Returns a revision.
    pub(super) fn rev(&self, name: &str) -> Result<Option<Revision>, ApiError> {
        self.text(name).map(parse_rev).transpose()
    }

    /// Returns a value in JSON.
    pub(super) fn json(&self, name: &str) -> Result<Option<serde_json::Value>, ApiError> {
        let value = self.text(name).map(serde_json::from_str).transpose();
        value.map_err(|_| ApiError::bad_json())
    }
}

/// Parses a revision of a client.
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
