//! `_bulk_docs` and `_revs_diff`: many documents at once, as replication works.

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::documents::store_draft;
use super::{Answer, ApiError, Call, Couch, complete};
use crate::limits::BULK_ITEMS_MAX;
use crate::store::{Draft, DraftError, Leaf, Members, Revision, push_args, push_string};

impl Couch {
    /// Stores documents one by one. Each row of the answer is the result for one document.
    ///
    /// With `new_edits` a malformed document fails the request, and nothing is stored, as in
    /// CouchDB. Without it, a replicator sends documents that other servers made: only a document
    /// that cannot be stored here is rejected, as forbidden. The replicators of CouchDB and PouchDB
    /// count that and continue.
    pub(super) fn bulk_docs(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        expect_post(call)?;
        let members = call.members()?;
        let items = items(&members, "docs", "POST body must include `docs` parameter.")?;
        let new_edits = match members.value("new_edits") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => {
                return Err(ApiError::bad_request("`new_edits` parameter must be a boolean."));
            }
        };
        let drafts: Vec<_> = items.iter().map(|raw| Draft::from_json(raw.get())).collect();
        let fails_all = |error: &&DraftError| {
            **error == DraftError::NotAnObject || new_edits && **error != DraftError::Attachments
        };
        if let Some(error) = drafts.iter().filter_map(|draft| draft.as_ref().err()).find(fails_all)
        {
            return Err(error.clone().into());
        }
        if new_edits && members.value("all_or_nothing") == Some("true") {
            return Ok(complete(StatusCode::EXPECTATION_FAILED, aborted(&items)));
        }
        let mut rows = String::from("[");
        for (raw, draft) in items.into_iter().zip(drafts) {
            let (stated, stored) = match draft {
                Ok(mut draft) => {
                    let id = draft.id.take().unwrap_or_else(|| self.store.fresh_id());
                    let database = self.existing_mut(db)?;
                    let rev = draft.rev.as_deref();
                    let stored = store_draft(database, &id, rev, &draft, new_edits);
                    let leaf =
                        || draft.revisions.as_ref().map(|history| history.leaf().to_string());
                    (Stated { id: Some(id), rev: draft.rev.clone().or_else(leaf) }, stored)
                }
                Err(error) => (Stated::in_json(raw.get()), Err(error.into())),
            };
            match stored {
                Ok(rev) if new_edits => push_stored(&mut rows, &stated, &rev),
                Ok(_) => {} // only the failures are listed
                Err(refusal) if new_edits => {
                    push_failure(&mut rows, &Stated { rev: None, ..stated }, &refusal);
                }
                // The document is valid, so the replicator must send it again later with the rest.
                Err(refusal) if refusal.status == StatusCode::INSUFFICIENT_STORAGE => {
                    return Err(refusal);
                }
                Err(refusal) => push_failure(&mut rows, &stated, &refusal.forbidden()),
            }
        }
        rows.push_str("]\n");
        Ok(complete(StatusCode::CREATED, rows))
    }

    /// Returns the revisions of a list that are not known here. A malformed revision counts as
    /// unknown: the replicator then sends the document, and only this one is rejected.
    pub(super) fn revs_diff(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        expect_post(call)?;
        let database = self.existing(db)?;
        let (mut body, mut count) = (String::from("{"), 0);
        for (id, revs) in call.members()?.iter() {
            let revs: Vec<String> = json_or(revs, "Invalid list of revisions")?;
            count += revs.len();
            if count > BULK_ITEMS_MAX {
                return Err(too_many());
            }
            let document = database.document(id);
            let (mut missing, mut newest) = (String::from("["), 0);
            for text in revs {
                let rev = text.parse::<Revision>().ok();
                if rev.as_ref().zip(document).is_some_and(|(rev, document)| document.knows(rev)) {
                    continue;
                }
                push_separator(&mut missing, '[');
                push_string(&mut missing, &rev.as_ref().map_or(text, Revision::to_string));
                newest = newest.max(rev.map_or(0, |rev| rev.generation));
            }
            if missing == "[" {
                continue;
            }
            push_separator(&mut body, '{');
            push_string(&mut body, id);
            push_args(&mut body, format_args!(":{{\"missing\":{missing}]"));
            let leaves = document.map_or(&[][..], |document| document.leaves());
            let older = leaves.iter().map(Leaf::rev).filter(|rev| rev.generation < newest);
            let ancestors: Vec<String> = older.map(|rev| format!("\"{rev}\"")).collect();
            if !ancestors.is_empty() {
                let ancestors = ancestors.join(",");
                push_args(&mut body, format_args!(",\"possible_ancestors\":[{ancestors}]"));
            }
            body.push('}');
        }
        body.push_str("}\n");
        Ok(complete(StatusCode::OK, body))
    }
}

/// The id and revision by which a row of a bulk answer names its document.
#[derive(Debug)]
struct Stated {
    id: Option<String>,
    rev: Option<String>,
}

impl Stated {
    /// Reads id and revision of a document that is not stored.
    fn in_json(json: &str) -> Self {
        let members = Members::parse(json).unwrap_or_default();
        let text = |name| serde_json::from_str(members.value(name)?).ok();
        Self { id: text("_id"), rev: text("_rev") }
    }
}

/// Returns the rows for `all_or_nothing`, which CouchDB does not support any more.
fn aborted(items: &[&RawValue]) -> String {
    let reason = "all_or_nothing is not supported";
    let refusal = ApiError::new(StatusCode::EXPECTATION_FAILED, "not_implemented", reason);
    let mut rows = String::from("[");
    for raw in items {
        let stated = Stated::in_json(raw.get());
        let rev = stated.rev.unwrap_or_else(|| "0-".to_owned());
        push_failure(&mut rows, &Stated { rev: Some(rev), ..stated }, &refusal);
    }
    rows.push_str("]\n");
    rows
}

fn push_stored(out: &mut String, stated: &Stated, rev: &str) {
    push_separator(out, '[');
    out.push_str("{\"ok\":true,\"id\":");
    push_string(out, stated.id.as_deref().unwrap_or_default());
    push_args(out, format_args!(",\"rev\":\"{rev}\"}}"));
}

fn push_failure(out: &mut String, stated: &Stated, refusal: &ApiError) {
    push_separator(out, '[');
    out.push_str("{\"id\":");
    match &stated.id {
        Some(id) => push_string(out, id),
        None => out.push_str("null"),
    }
    if let Some(rev) = &stated.rev {
        out.push_str(",\"rev\":");
        push_string(out, rev);
    }
    out.push(',');
    refusal.push_members(out);
    out.push('}');
}

/// Appends a comma unless the list or object has just been opened.
pub(super) fn push_separator(out: &mut String, opening: char) {
    if !out.ends_with(opening) {
        out.push(',');
    }
}

/// Returns the error for an answer above [`ANSWER_SIZE_MAX`](crate::limits::ANSWER_SIZE_MAX).
pub(super) fn answer_too_large() -> ApiError {
    ApiError::too_large("The answer would be too large: ask for less at once")
}

pub(super) fn too_many() -> ApiError {
    ApiError::too_large(format!("More than {BULK_ITEMS_MAX} items in one request"))
}

pub(super) fn expect_post(call: &Call<'_>) -> Result<(), ApiError> {
    if *call.method() == Method::POST { Ok(()) } else { Err(ApiError::method("POST")) }
}

/// Returns the list with this name in a bulk request. `absent` is the error without it.
pub(super) fn items<'a>(
    members: &Members<'a>,
    name: &str,
    absent: &'static str,
) -> Result<Vec<&'a RawValue>, ApiError> {
    let list = members.value(name).ok_or_else(|| ApiError::bad_request(absent))?;
    let items: Vec<&RawValue> = serde_json::from_str(list)
        .map_err(|_| ApiError::bad_request(format!("`{name}` parameter must be an array.")))?;
    if items.len() > BULK_ITEMS_MAX { Err(too_many()) } else { Ok(items) }
}

pub(super) fn json_or<T: serde_core::de::DeserializeOwned>(
    text: &str,
    reason: &'static str,
) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() { ApiError::bad_request(reason) } else { ApiError::bad_json() }
    })
}
