//! The resource that the path of a request names.

use super::ApiError;
use crate::percent::decoded;

/// The resource of a path. All names are percent-decoded, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `/`
    Root,
    /// `/_up` and others: everything after the first slash.
    Server(String),
    /// `/db`
    Database(String),
    /// `/db/_changes` and others: the name after the last slash.
    Special { db: String, name: String },
    /// `/db/id`, also `/db/_design/name`.
    Document { db: String, id: String },
    /// `/db/_local/name`: the name.
    Local { db: String, name: String },
    /// Below a document or an endpoint: attachments, views. `name` is the next segment.
    Beneath { db: String, id: String, name: String },
}

impl Resource {
    /// Parses a path. It is split at slashes before `%2F` is decoded, so that names of databases
    /// and ids may contain slashes. A single trailing slash is ignored.
    pub(super) fn parse(path: &str) -> Result<Self, ApiError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self::Root);
        }
        let names = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        if names[0].starts_with('_') || names == ["favicon.ico"] {
            return Ok(Self::Server(names.join("/")));
        }
        let mut names = names.into_iter();
        let db = names.next().unwrap_or_default();
        let Some(first) = names.next() else {
            return Ok(Self::Database(db));
        };
        let id = match first.as_str() {
            "_design" | "_local" => match names.next() {
                Some(second) => format!("{first}/{second}"),
                None => return Ok(Self::Special { db, name: first }),
            },
            _ => first,
        };
        if let Some(name) = names.next() {
            return Ok(Self::Beneath { db, id, name });
        }
        Ok(if let Some(name) = id.strip_prefix("_local/") {
            Self::Local { name: name.to_owned(), db }
        } else if id.starts_with('_') && !id.starts_with("_design/") {
            Self::Special { db, name: id }
        } else {
            Self::Document { db, id }
        })
    }
}

/// Decodes `%41` strictly: each percent sign needs two hex digits, and the result must be UTF-8.
fn decode(text: &str) -> Result<String, ApiError> {
    let bytes = decoded(text).ok_or_else(|| ApiError::bad_request("Bad percent-encoding"))?;
    String::from_utf8(bytes).map_err(|_| ApiError::bad_request("The path is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent::encoded;

    fn document(db: &str, id: &str) -> Resource {
        Resource::Document { db: db.into(), id: id.into() }
    }

    fn beneath(db: &str, id: &str, name: &str) -> Resource {
        Resource::Beneath { db: db.into(), id: id.into(), name: name.into() }
    }

    #[test]
    fn a_path_names_one_thing() {
        let special = |name: &str| Resource::Special { db: "db".into(), name: name.into() };
        let local = |name: &str| Resource::Local { db: "db".into(), name: name.into() };
        let table = [
            ("/", Resource::Root),
            ("/_up", Resource::Server("_up".into())),
            ("/db", Resource::Database("db".into())),
            ("/db/", Resource::Database("db".into())),
            ("/a%2Fb", Resource::Database("a/b".into())),
            ("/db/_changes", special("_changes")),
            ("/db/_design", special("_design")),
            ("/db/_local", special("_local")),
            ("/db/d%2F1", document("db", "d/1")),
            ("/db/%2541", document("db", "%41")),
            ("/db/a+b", document("db", "a+b")),
            ("/db/_design/app", document("db", "_design/app")),
            ("/db/_design%2Fapp", document("db", "_design/app")),
            ("/db/_local/cp", local("cp")),
            ("/db/_local%2Fcp", local("cp")),
            ("/db/%C3%A9", document("db", "é")),
            ("/db/..", document("db", "..")),
            ("/%5Fup", Resource::Server("_up".into())),
            ("/_node/_local", Resource::Server("_node/_local".into())),
            ("/favicon.ico", Resource::Server("favicon.ico".into())),
            ("/db/d/att", beneath("db", "d", "att")),
            ("/db/_all_docs/queries", beneath("db", "_all_docs", "queries")),
            ("/db/_design/a/_view/v", beneath("db", "_design/a", "_view")),
            ("/../../etc/passwd", beneath("..", "..", "etc")),
        ];
        for (path, expected) in table {
            assert_eq!(Resource::parse(path), Ok(expected), "{path}");
        }
        for bad in ["/db/%", "/db/%4", "/db/%zz", "/db/%+1", "/%FF", "/db/%C3%28"] {
            assert_eq!(Resource::parse(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        assert_eq!(encoded("_local/checkpoint"), "_local%2Fcheckpoint");
        for name in ["", "a b", "é/%", "~"] {
            assert_eq!(decode(&encoded(name)).unwrap(), name);
        }
    }
}
