//! `/db/id` and `/db/_local/id`: one document.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::query::{Query, parse_rev};
use super::{Answer, ApiError, Call, Couch, complete, response};
use crate::if_none_match::IfNoneMatch;
use crate::percent::decoded;
use crate::store::{
    Database, Draft, Extra, Extras, GetError, Local, PutError, parse_number, push_args, push_string,
};

impl Couch {
    pub(super) fn document(
        &mut self,
        call: &Call<'_>,
        db: &str,
        id: &str,
    ) -> Result<Answer, ApiError> {
        self.existing(db)?;
        match *call.method() {
            Method::GET | Method::HEAD => self.read_document(call, db, id),
            Method::PUT => {
                let draft = Draft::from_json(call.document_text()?)?;
                self.put_document(call, db, id, &draft)
            }
            Method::POST => {
                call.expect("multipart/form-data")?;
                Err(ApiError::not_implemented("An upload by a form"))
            }
            Method::DELETE => self.delete_document(call, db, id),
            _ if call.method().as_str() == "COPY" => self.copy_document(call, db, id),
            _ => Err(ApiError::method("DELETE,GET,HEAD,POST,PUT,COPY")),
        }
    }

    /// `COPY`, an extension of HTTP: stores the content of a revision under another id.
    fn copy_document(&mut self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, ApiError> {
        let database = self.existing_mut(db)?;
        let rev = call.rev(None)?.map(parse_rev).transpose()?;
        let leaf = database.get(id, rev.as_ref())?;
        let draft = Draft { body: leaf.body.to_string(), ..Draft::default() };
        let destination = call
            .header(HeaderName::from_static("destination"))
            .ok_or_else(|| ApiError::bad_request("Destination header is mandatory for COPY."))?;
        let (target, query) = destination.split_once('?').unwrap_or((destination, ""));
        let target = decoded(target).and_then(|target| String::from_utf8(target).ok());
        let target = target.ok_or_else(|| ApiError::bad_request("Bad percent-encoding"))?;
        let rev = Query::parse(query)?.rev("rev")?;
        let rev = database.put(&target, rev.as_ref(), &draft)?.to_string();
        let tag = Some(format!("\"{rev}\""));
        Ok(edited(StatusCode::CREATED, &target, &rev, tag, call.location(&[db, &target])))
    }

    fn read_document(&self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, ApiError> {
        let database = self.existing(db)?;
        // CouchDB treats an empty list as a missing parameter.
        if let Some(revs) = call.query.text("open_revs").filter(|revs| *revs != "[]") {
            return self.open_revs(call, db, id, revs);
        }
        let document = database.document(id).ok_or(GetError::Missing)?;
        // With `latest` CouchDB returns the winner, whichever revision is named.
        let rev = call.query.rev("rev")?.filter(|_| !call.query.is_true("latest"));
        let leaf = database.get(id, rev.as_ref())?;
        let (extras, tag) = (call.extras(), format!("\"{}\"", leaf.rev()));
        let tagged = !document.has_more(leaf, extras);
        if tagged && call.knows(&tag) {
            return Ok(not_modified(&tag));
        }
        let mut body = String::new();
        document.push_json(&mut body, id, leaf, extras);
        body.push('\n');
        let mut response = response(StatusCode::OK, body);
        if tagged {
            response.headers_mut().insert(header::ETAG, text_value(&tag));
        }
        Ok(Answer::Complete(response))
    }

    /// Edits the document `id`, for a PUT or a POST to the database.
    pub(super) fn put_document(
        &mut self,
        call: &Call<'_>,
        db: &str,
        id: &str,
        draft: &Draft,
    ) -> Result<Answer, ApiError> {
        let database = self.existing_mut(db)?;
        let rev = call.rev(draft.rev.as_deref())?;
        let new_edits = call.query.text("new_edits") != Some("false");
        let rev = store_draft(database, id, rev, draft, new_edits)?;
        if call.query.text("batch") == Some("ok") {
            return Ok(accepted(id));
        }
        let tag = match id.strip_prefix("_local/") {
            _ if *call.method() == Method::POST => None, // its URL is not that of the document
            Some(name) => database.local(name).map(local_tag),
            None => Some(format!("\"{rev}\"")),
        };
        Ok(edited(StatusCode::CREATED, id, &rev, tag, call.location(&[db, id])))
    }

    fn delete_document(&mut self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, ApiError> {
        let database = self.existing_mut(db)?;
        let rev = call.rev(None)?.map(parse_rev).transpose()?;
        database.get(id, rev.as_ref()).map_err(|error| match database.document(id) {
            Some(_) if error == GetError::Missing => ApiError::from(PutError::Conflict),
            _ => ApiError::from(error),
        })?;
        let rev = database.delete(id, &rev.ok_or(PutError::Conflict)?)?.to_string();
        Ok(edited(StatusCode::OK, id, &rev, Some(format!("\"{rev}\"")), None))
    }

    pub(super) fn local(
        &mut self,
        call: &Call<'_>,
        db: &str,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let id = format!("_local/{name}");
        let database = self.existing_mut(db)?;
        match *call.method() {
            Method::GET | Method::HEAD => {
                let local = database.local(name).ok_or(GetError::Missing)?;
                let tag = local_tag(local);
                if call.knows(&tag) {
                    return Ok(not_modified(&tag));
                }
                let mut response = response(StatusCode::OK, local_json(&id, local));
                response.headers_mut().insert(header::ETAG, text_value(&tag));
                Ok(Answer::Complete(response))
            }
            Method::PUT => {
                let draft = Draft::from_json(call.document_text()?)?;
                self.put_document(call, db, &id, &draft)
            }
            Method::DELETE if database.delete_local(name) => {
                Ok(edited(StatusCode::OK, &id, "0-0", None, None))
            }
            Method::DELETE => Err(GetError::Missing.into()),
            _ => Err(ApiError::method("DELETE,GET,HEAD,POST,PUT")),
        }
    }

    /// Answers paths below a document or an endpoint that are not implemented: attachments, views.
    pub(super) fn beneath(
        &self,
        call: &Call<'_>,
        db: &str,
        id: &str,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let database = self.existing(db)?;
        let reads = matches!(*call.method(), Method::GET | Method::HEAD);
        Err(match id {
            _ if id.starts_with("_design/") => {
                ApiError::not_implemented("What a design document defines")
            }
            _ if id.starts_with("_local/") => {
                ApiError::bad_request("_local documents do not accept attachments.")
            }
            "_partition" => ApiError::bad_request("database is not partitioned"),
            "_all_docs" if name == "queries" && *call.method() != Method::POST => {
                ApiError::method("POST")
            }
            _ if id.starts_with('_') => ApiError::not_implemented(&format!("{id}/{name}")),
            _ if reads => match database.get(id, None) {
                Ok(_) => ApiError::not_found("Document is missing attachment"),
                Err(error) => error.into(),
            },
            _ => ApiError::not_implemented("An attachment"),
        })
    }
}

/// Stores a document, or a checkpoint if the id starts with `_local/`. This is an edit of `rev`, or
/// with `new_edits` false the revision that the draft itself states. Returns the revision as text.
pub(super) fn store_draft(
    database: &mut Database,
    id: &str,
    rev: Option<&str>,
    draft: &Draft,
    new_edits: bool,
) -> Result<String, ApiError> {
    if let Some(name) = id.strip_prefix("_local/") {
        if draft.deleted {
            database.delete_local(name);
            return Ok("0-0".to_owned());
        }
        let edits = rev.map_or(Some(0), |rev| parse_number(rev.strip_prefix("0-")?));
        let edits = edits.ok_or_else(|| ApiError::bad_request("Invalid rev format"))?;
        return Ok(format!("0-{}", database.put_local(name, edits, draft)?));
    }
    let rev = rev.map(parse_rev).transpose()?;
    if new_edits {
        return Ok(database.put(id, rev.as_ref(), draft)?.to_string());
    }
    let history = draft.replicated(rev).ok_or_else(|| {
        ApiError::bad_request(
            "When `new_edits: false`, the document needs `_rev` or `_revisions` specified",
        )
    })?;
    let rev = history.leaf().to_string();
    // After a PUT of one document, a replicator stops at 400 but counts a failure at 403.
    database.graft(id, history, draft).map_err(|error| match error {
        PutError::IllegalId(_) => ApiError::from(error).forbidden(),
        _ => error.into(),
    })?;
    Ok(rev)
}

/// Returns the answer to an edit.
fn edited(
    status: StatusCode,
    id: &str,
    rev: &str,
    tag: Option<String>,
    location: Option<(HeaderName, HeaderValue)>,
) -> Answer {
    let mut body = String::from("{\"ok\":true,\"id\":");
    push_string(&mut body, id);
    push_args(&mut body, format_args!(",\"rev\":\"{rev}\"}}\n"));
    let mut response = response(status, body);
    let tag = tag.map(|tag| (header::ETAG, text_value(&tag)));
    response.headers_mut().extend(tag.into_iter().chain(location));
    Answer::Complete(response)
}

/// Returns the answer to an edit with `batch=ok`. CouchDB stores it later and knows no revision
/// yet.
fn accepted(id: &str) -> Answer {
    let mut body = String::from("{\"ok\":true,\"id\":");
    push_string(&mut body, id);
    body.push_str("}\n");
    complete(StatusCode::ACCEPTED, body)
}

fn not_modified(tag: &str) -> Answer {
    let mut response = response(StatusCode::NOT_MODIFIED, String::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().insert(header::ETAG, text_value(tag));
    Answer::Complete(response)
}

fn local_tag(local: &Local) -> String {
    format!("\"{:x}\"", local.tag())
}

fn local_json(id: &str, local: &Local) -> String {
    let mut body = String::from("{\"_id\":");
    push_string(&mut body, id);
    push_args(&mut body, format_args!(",\"_rev\":\"0-{}\"", local.edits));
    if !local.body.is_empty() {
        body.push(',');
        body.push_str(&local.body);
    }
    body.push_str("}\n");
    body
}

impl Call<'_> {
    /// Returns the extras that the query asks for. Others, such as `attachments=true`, have no
    /// effect here.
    pub(super) fn extras(&self) -> Extras {
        let is_true = |name| self.query.is_true(name);
        let meta = is_true("meta");
        Extras::default()
            .with(Extra::Revs, is_true("revs"))
            .with(Extra::Conflicts, meta || is_true("conflicts"))
            .with(Extra::DeletedConflicts, meta || is_true("deleted_conflicts"))
            .with(Extra::RevsInfo, meta || is_true("revs_info"))
            .with(Extra::LocalSeq, is_true("local_seq"))
    }

    /// Returns the revision that an edit is based on. It may be stated in three places, but all
    /// must be equal.
    fn rev<'a>(&'a self, in_body: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
        let in_query = self.query.text("rev");
        if in_body.zip(in_query).is_some_and(|(body, query)| body != query) {
            return Err(ApiError::bad_request(
                "Document rev from request body and query string have different values",
            ));
        }
        let explicit = in_body.or(in_query);
        let in_header = self.header(header::IF_MATCH).map(|tag| tag.trim().trim_matches('"'));
        if explicit.zip(in_header).is_some_and(|(rev, tag)| rev != tag) {
            return Err(ApiError::bad_request("Document rev and etag have different values"));
        }
        Ok(explicit.or(in_header))
    }

    /// Returns true if `If-None-Match` names this tag.
    fn knows(&self, tag: &str) -> bool {
        IfNoneMatch::of(self.request.headers()).matches(tag.as_bytes())
    }
}

/// Returns a header value of text that this server makes: revisions and quotes.
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("a revision is visible ASCII")
}
