//! Reading revisions: `open_revs` of one document, and `_bulk_get` of many.

use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::bulk::{answer_too_large, expect_post, items, json_or, push_separator, too_many};
use super::multipart::push_part;
use super::query::parse_rev;
use super::{Answer, ApiError, Call, Couch, complete, response};
use crate::limits::{ANSWER_SIZE_MAX, BULK_ITEMS_MAX};
use crate::store::{Database, Document, GetError, Leaf, Members, Revision, check_id, push_args};

/// Parameters that apply to one document only.
const NOT_OF_MANY: [&str; 5] = ["open_revs", "new_edits", "w", "rev", "atts_since"];

impl Couch {
    /// Returns the requested leaves of one document, as a JSON list, or as `multipart/mixed` if the
    /// client accepts that.
    pub(super) fn open_revs(
        &self,
        call: &Call<'_>,
        db: &str,
        id: &str,
        revs: &str,
    ) -> Result<Answer, ApiError> {
        let wanted = Wanted::parse(revs)?;
        let document = self.existing(db)?.document(id);
        if wanted == Wanted::All && document.is_none() {
            return Err(GetError::Missing.into());
        }
        let in_parts = call.accepts("multipart/mixed");
        let boundary = format!("{:032x}", self.store.identity().uuid);
        let mut body = if in_parts { format!("--{boundary}") } else { String::from("[") };
        each_leaf(document, &wanted, call.query.is_true("latest"), |found| {
            let mut json = String::new();
            match found {
                Ok((document, leaf)) => document.push_json(&mut json, id, leaf, call.extras()),
                Err(rev) => push_args(&mut json, format_args!("{{\"missing\":\"{rev}\"}}")),
            }
            match found {
                _ if in_parts => push_part(&mut body, &boundary, &json, found.is_err()),
                Ok(_) => {
                    push_separator(&mut body, '[');
                    push_args(&mut body, format_args!("{{\"ok\":{json}}}"));
                }
                Err(_) => {
                    push_separator(&mut body, '[');
                    body.push_str(&json);
                }
            }
            if body.len() > ANSWER_SIZE_MAX { Err(answer_too_large()) } else { Ok(()) }
        })?;
        body.push_str(if in_parts { "--" } else { "]\n" });
        let mut response = response(StatusCode::OK, body);
        if in_parts {
            let content_type = format!("multipart/mixed; boundary=\"{boundary}\"");
            let content_type = HeaderValue::try_from(content_type).expect("the boundary is hex");
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        Ok(Answer::Complete(response))
    }

    /// Reads revisions of documents. An error of one item does not fail the others: a client would
    /// conclude from a failed request that the server has no `_bulk_get`.
    pub(super) fn bulk_get(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        expect_post(call)?;
        let database = self.existing(db)?;
        if let Some(name) = NOT_OF_MANY.iter().find(|name| call.query.text(name).is_some()) {
            let reason = format!("\"{name}\" query parameter is not acceptable");
            return Err(ApiError::bad_request(reason));
        }
        let mut body = String::from("{\"results\":[");
        for raw in items(&call.members()?, "docs", "Missing JSON list of 'docs'.")? {
            push_separator(&mut body, '[');
            Asked::parse(raw.get()).push_result(&mut body, database, call)?;
        }
        body.push_str("]}\n");
        Ok(complete(StatusCode::OK, body))
    }
}

/// One item of a `_bulk_get`, with unchecked values.
struct Asked {
    id: Value,
    rev: Option<Value>,
    is_object: bool,
}

impl Asked {
    fn parse(json: &str) -> Self {
        let members = Members::parse(json).unwrap_or_default();
        let value = |name| Some(serde_json::from_str(members.value(name)?).unwrap_or_default());
        Self {
            id: value("id").unwrap_or_default(),
            rev: value("rev"),
            is_object: members.iter().next().is_some(),
        }
    }

    fn push_result(
        &self,
        out: &mut String,
        database: &Database,
        call: &Call<'_>,
    ) -> Result<(), ApiError> {
        push_args(out, format_args!("{{\"id\":{},\"docs\":[", self.id));
        match self.wanted(database) {
            Ok((id, wanted)) => {
                let latest = call.query.is_true("latest");
                each_leaf(database.document(id), &wanted, latest, |found| {
                    push_separator(out, '[');
                    match found {
                        Ok((document, leaf)) => {
                            out.push_str("{\"ok\":");
                            document.push_json(out, id, leaf, call.extras());
                            out.push('}');
                        }
                        Err(rev) => {
                            let rev = Value::String(rev.to_string());
                            self.push_error(out, &rev, &GetError::Missing.into());
                        }
                    }
                    if out.len() > ANSWER_SIZE_MAX { Err(answer_too_large()) } else { Ok(()) }
                })?;
            }
            Err((rev, refusal)) => self.push_error(out, &rev, &refusal),
        }
        out.push_str("]}");
        Ok(())
    }

    /// Returns the document and the requested leaves, or an error with the revision that CouchDB
    /// names in this case.
    fn wanted(&self, database: &Database) -> Result<(&str, Wanted), (Value, ApiError)> {
        let refuse = |refusal| (Value::Null, refusal);
        if !self.is_object {
            return Err(refuse(ApiError::bad_request("document must be a JSON object")));
        }
        let id = match &self.id {
            Value::Null => return Err(refuse(ApiError::bad_request("document id missed"))),
            Value::String(id) => id,
            _ => return Err(refuse(ApiError::illegal_id("Document id must be a string"))),
        };
        check_id(id).map_err(|error| refuse(error.into()))?;
        let wanted = match &self.rev {
            None if database.document(id).is_none() => {
                return Err((Value::from("undefined"), GetError::Missing.into()));
            }
            None => Wanted::All,
            Some(rev) => {
                let rev_text = rev.as_str().unwrap_or_default();
                let rev = parse_rev(rev_text).map_err(|refusal| (rev.clone(), refusal))?;
                Wanted::Revs(vec![rev])
            }
        };
        Ok((id, wanted))
    }

    fn push_error(&self, out: &mut String, rev: &Value, refusal: &ApiError) {
        push_args(out, format_args!("{{\"error\":{{\"id\":{},\"rev\":{rev},", self.id));
        refusal.push_members(out);
        out.push_str("}}");
    }
}

/// The leaves of a document that a client requests.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Revs(Vec<Revision>),
}

impl Wanted {
    /// Parses the value of `open_revs`: `all`, or a JSON list of revisions.
    fn parse(text: &str) -> Result<Self, ApiError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let revs: Vec<String> = json_or(text, "Invalid list of revisions")?;
        if revs.len() > BULK_ITEMS_MAX {
            return Err(too_many());
        }
        let revs = revs.iter().map(|rev| parse_rev(rev)).collect::<Result<_, _>>()?;
        Ok(Self::Revs(revs))
    }
}

/// Passes each requested leaf with its document to `push`, and each requested revision that does
/// not exist. With `latest` a revision stands for its descendant leaves.
fn each_leaf<'a>(
    document: Option<&'a Document>,
    wanted: &Wanted,
    latest: bool,
    mut push: impl FnMut(Result<(&'a Document, &'a Leaf), &Revision>) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut leaves: Vec<_> = document
        .into_iter()
        .flat_map(|document| document.leaves().iter().map(move |leaf| (document, leaf)))
        .collect();
    leaves.sort_by_key(|(_, leaf)| leaf.rev()); // as CouchDB lists them
    let Wanted::Revs(revs) = wanted else {
        return leaves.into_iter().try_for_each(|found| push(Ok(found)));
    };
    for rev in revs {
        let is_wanted = |leaf: &Leaf| {
            if latest { leaf.history.contains(rev) } else { leaf.rev() == *rev }
        };
        let mut found = leaves.iter().filter(|(_, leaf)| is_wanted(leaf)).peekable();
        if found.peek().is_none() {
            push(Err(rev))?;
        }
        found.try_for_each(|found| push(Ok(*found)))?;
    }
    Ok(())
}
