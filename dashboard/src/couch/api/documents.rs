//! `/db/id` and `/db/_local/id`: one document.

use http::{HeaderValue, Method, StatusCode, header};

use super::bulk::{Wanted, push_results};
use super::query::parse_rev;
use super::{Answer, Call, Couch, Refusal, answer, now};
use crate::couch::store::{
    Database, Draft, Extras, GetError, Local, PutError, parse_number, push_args, push_string,
};

impl Couch {
    pub(super) fn document(
        &mut self,
        call: &Call<'_>,
        db: &str,
        id: &str,
    ) -> Result<Answer, Refusal> {
        self.existing(db)?;
        match *call.method() {
            Method::GET | Method::HEAD => self.read_document(call, db, id),
            Method::PUT => {
                let draft = Draft::from_json(call.text()?)?;
                self.put_document(call, db, id, &draft)
            }
            Method::DELETE => self.delete_document(call, db, id),
            _ => Err(Refusal::method("DELETE,GET,HEAD,POST,PUT")),
        }
    }

    fn read_document(&self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, Refusal> {
        let database = self.existing(db)?;
        if let Some(revs) = call.query.text("open_revs") {
            let wanted = Wanted::parse(revs)?;
            let mut body = String::from("[");
            push_results(&mut body, database, id, &wanted, call)?;
            if wanted == Wanted::All && body == "[" {
                return Err(GetError::Missing.into());
            }
            body.push_str("]\n");
            return Ok(now(StatusCode::OK, body));
        }
        let document = database.document(id).ok_or(GetError::Missing)?;
        let leaf = match call.query.rev("rev")? {
            Some(rev) if call.query.is_true("latest") => {
                document.latest(rev).ok_or(GetError::Missing)?
            }
            rev => database.get(id, rev)?,
        };
        let (extras, tag) = (call.extras(), format!("\"{}\"", leaf.rev()));
        // The tag names the revision alone, so it does not speak for what extras may say of others.
        let tagged = extras == Extras::default();
        if tagged && call.knows(&tag) {
            let mut response = answer(StatusCode::NOT_MODIFIED, String::new());
            response.headers_mut().insert(header::ETAG, text_value(&tag));
            return Ok(Answer::Now(response));
        }
        let mut body = String::new();
        document.push_json(&mut body, id, leaf, extras);
        body.push('\n');
        let mut response = answer(StatusCode::OK, body);
        if tagged {
            response.headers_mut().insert(header::ETAG, text_value(&tag));
        }
        Ok(Answer::Now(response))
    }

    /// A PUT, or a POST to the database: an edit of `id`.
    pub(super) fn put_document(
        &mut self,
        call: &Call<'_>,
        db: &str,
        id: &str,
        draft: &Draft,
    ) -> Result<Answer, Refusal> {
        let database = self.existing_mut(db)?;
        let rev = call.rev(draft.rev.as_deref())?;
        let new_edits = call.query.text("new_edits") != Some("false");
        let rev = store_draft(database, id, rev, draft, new_edits)?;
        Ok(edited(StatusCode::CREATED, id, &rev, call.location(&[db, id])))
    }

    fn delete_document(&mut self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, Refusal> {
        let database = self.existing_mut(db)?;
        let rev = call.rev(None)?.map(parse_rev).transpose()?;
        database.get(id, rev).map_err(|error| match database.document(id) {
            Some(_) if error == GetError::Missing => Refusal::from(PutError::Conflict),
            _ => Refusal::from(error),
        })?;
        let rev = database.delete(id, rev.ok_or(PutError::Conflict)?)?.to_string();
        Ok(edited(StatusCode::OK, id, &rev, None))
    }

    pub(super) fn local(
        &mut self,
        call: &Call<'_>,
        db: &str,
        name: &str,
    ) -> Result<Answer, Refusal> {
        let id = format!("_local/{name}");
        let database = self.existing_mut(db)?;
        match *call.method() {
            Method::GET | Method::HEAD => {
                let local = database.local(name).ok_or(GetError::Missing)?;
                Ok(now(StatusCode::OK, local_json(&id, local)))
            }
            Method::PUT => {
                let draft = Draft::from_json(call.text()?)?;
                self.put_document(call, db, &id, &draft)
            }
            Method::DELETE if database.delete_local(name) => {
                Ok(edited(StatusCode::OK, &id, "0-0", None))
            }
            Method::DELETE => Err(GetError::Missing.into()),
            _ => Err(Refusal::method("DELETE,GET,HEAD,POST,PUT")),
        }
    }

    /// What lies below a document, and is not offered: attachments, views.
    pub(super) fn beneath(&self, call: &Call<'_>, db: &str, id: &str) -> Result<Answer, Refusal> {
        self.existing(db)?;
        let reads = matches!(*call.method(), Method::GET | Method::HEAD);
        Err(match id.strip_prefix("_design/") {
            Some(_) => Refusal::not_implemented("What a design document defines"),
            None if reads => Refusal::not_found("Document is missing attachment"),
            None => Refusal::not_implemented("An attachment"),
        })
    }
}

/// Stores what a client sent: a document, or with the id `_local/...` a checkpoint; as an edit on
/// `rev`, or with `new_edits` false as the revision that the draft itself states. Gives the
/// revision as text.
pub(super) fn store_draft(
    database: &mut Database,
    id: &str,
    rev: Option<&str>,
    draft: &Draft,
    new_edits: bool,
) -> Result<String, Refusal> {
    if let Some(name) = id.strip_prefix("_local/") {
        if draft.deleted {
            database.delete_local(name);
            return Ok("0-0".to_owned());
        }
        let edits = rev.map_or(Some(0), |rev| parse_number(rev.strip_prefix("0-")?));
        let edits = edits.ok_or_else(|| Refusal::bad_request("Invalid rev format"))?;
        return Ok(format!("0-{}", database.put_local(name, edits, draft)?));
    }
    let rev = rev.map(parse_rev).transpose()?;
    if new_edits {
        return Ok(database.put(id, rev, draft)?.to_string());
    }
    let history = draft.replicated(rev).ok_or_else(|| {
        Refusal::bad_request("With new_edits=false a document must state _rev or _revisions")
    })?;
    let rev = history.leaf().to_string();
    database.graft(id, history, draft)?;
    Ok(rev)
}

/// The answer to an edit.
fn edited(
    status: StatusCode,
    id: &str,
    rev: &str,
    location: Option<(header::HeaderName, HeaderValue)>,
) -> Answer {
    let mut body = String::from("{\"ok\":true,\"id\":");
    push_string(&mut body, id);
    push_args(&mut body, format_args!(",\"rev\":\"{rev}\"}}\n"));
    let mut response = answer(status, body);
    response.headers_mut().insert(header::ETAG, text_value(&format!("\"{rev}\"")));
    response.headers_mut().extend(location);
    Answer::Now(response)
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
    /// The extras that the query asks for. Others, such as `attachments=true`, ask for nothing that
    /// is here.
    pub(super) fn extras(&self) -> Extras {
        Extras { revs: self.query.is_true("revs"), conflicts: self.query.is_true("conflicts") }
    }

    /// The revision that an edit is for, which may be stated in three places but must be one.
    fn rev<'a>(&'a self, in_body: Option<&'a str>) -> Result<Option<&'a str>, Refusal> {
        let in_header = self.header(header::IF_MATCH).map(|tag| tag.trim().trim_matches('"'));
        let mut stated = [in_body, self.query.text("rev"), in_header].into_iter().flatten();
        let rev = stated.next();
        if stated.all(|other| Some(other) == rev) {
            Ok(rev)
        } else {
            Err(Refusal::bad_request(
                "Document rev from request body, query string and header have different values",
            ))
        }
    }

    /// Whether `If-None-Match` names this tag.
    fn knows(&self, tag: &str) -> bool {
        let known = self.header(header::IF_NONE_MATCH).unwrap_or_default();
        known.split(',').map(str::trim).any(|known| known == "*" || known == tag)
    }
}

/// Text of this server's own making: revisions and quotes.
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("a revision is visible ASCII")
}
