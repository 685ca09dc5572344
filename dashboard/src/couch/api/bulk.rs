//! `_bulk_docs`, `_bulk_get` and `_revs_diff`: many documents at once, as replication works.

use http::{Method, StatusCode};
use serde_json::value::RawValue;

use super::documents::store_draft;
use super::query::parse_rev;
use super::{Answer, Call, Couch, Refusal, now};
use crate::couch::limits::{ANSWER_SIZE_MAX, BULK_ITEMS_MAX};
use crate::couch::store::{
    Database, Draft, GetError, Leaf, Members, Revision, push_args, push_string,
};

impl Couch {
    /// Stores documents one by one: each row of the answer says what became of its own. All are
    /// read before the first is stored, so a request with a malformed one stores nothing.
    pub(super) fn bulk_docs(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, Refusal> {
        expect_post(call)?;
        let members = call.members()?;
        let drafts = items(&members, "docs")?
            .into_iter()
            .map(|raw| Draft::from_json(raw.get()))
            .collect::<Result<Vec<_>, _>>()?;
        let new_edits = members.value("new_edits") != Some("false");
        let mut rows = String::from("[");
        for draft in drafts {
            let id = draft.id.clone().unwrap_or_else(|| self.store.fresh_id());
            let database = self.existing_mut(db)?;
            let rev = store_draft(database, &id, draft.rev.as_deref(), &draft, new_edits);
            // Replication asks for the failures alone.
            if new_edits || rev.is_err() {
                push_separator(&mut rows, '[');
                push_outcome(&mut rows, &id, &rev);
            }
        }
        rows.push_str("]\n");
        Ok(now(StatusCode::CREATED, rows))
    }

    /// Reads revisions of documents.
    pub(super) fn bulk_get(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, Refusal> {
        expect_post(call)?;
        let database = self.existing(db)?;
        let mut body = String::from("{\"results\":[");
        for raw in items(&call.members()?, "docs")? {
            let Ok(item) = Members::parse(raw.get()) else {
                return Err(Refusal::bad_request("docs must be objects"));
            };
            let id: String = json_or(item.value("id"), "Missing document ID in docs")?;
            let rev: Option<String> = match item.value("rev") {
                Some(rev) => Some(json_or(Some(rev), "Invalid rev format")?),
                None => None,
            };
            push_separator(&mut body, '[');
            body.push_str("{\"id\":");
            push_string(&mut body, &id);
            body.push_str(",\"docs\":[");
            push_bulk_results(&mut body, database, &id, rev.as_deref(), call)?;
            body.push_str("]}");
        }
        body.push_str("]}\n");
        Ok(now(StatusCode::OK, body))
    }

    /// Which revisions of a list are not known here.
    pub(super) fn revs_diff(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, Refusal> {
        expect_post(call)?;
        let database = self.existing(db)?;
        let (mut body, mut count) = (String::from("{"), 0);
        for (id, revs) in call.members()?.iter() {
            let revs: Vec<String> = json_or(Some(revs), "A list of revisions is expected")?;
            count += revs.len();
            if count > BULK_ITEMS_MAX {
                return Err(too_many());
            }
            let revs = revs.iter().map(|rev| parse_rev(rev)).collect::<Result<Vec<_>, _>>()?;
            let document = database.document(id);
            let unknown = |rev: &Revision| document.is_none_or(|document| !document.knows(*rev));
            let missing: Vec<_> = revs.into_iter().filter(unknown).collect();
            let Some(newest) = missing.iter().max() else { continue };
            push_separator(&mut body, '{');
            push_string(&mut body, id);
            body.push_str(":{\"missing\":");
            push_revs(&mut body, &missing);
            let leaves = document.map_or(&[][..], |document| document.leaves());
            let older = leaves.iter().map(Leaf::rev);
            let ancestors: Vec<_> =
                older.filter(|rev| rev.generation < newest.generation).collect();
            if !ancestors.is_empty() {
                body.push_str(",\"possible_ancestors\":");
                push_revs(&mut body, &ancestors);
            }
            body.push('}');
        }
        body.push_str("}\n");
        Ok(now(StatusCode::OK, body))
    }
}

/// Which leaves of a document a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Revs(Vec<Revision>),
}

impl Wanted {
    /// Reads the value of `open_revs`: `all`, or a JSON list of revisions.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text == "all" {
            return Ok(Self::All);
        }
        let revs: Vec<String> = json_or(Some(text), "open_revs must be all or a list")?;
        if revs.len() > BULK_ITEMS_MAX {
            return Err(too_many());
        }
        let revs = revs.iter().map(|rev| parse_rev(rev)).collect::<Result<_, _>>()?;
        Ok(Self::Revs(revs))
    }
}

/// Appends `{"ok":{...}},{"missing":"rev"}`, the rows of `open_revs`.
pub(super) fn push_results(
    out: &mut String,
    database: &Database,
    id: &str,
    wanted: &Wanted,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    push_leaves(out, database, id, wanted, call, |out, rev| {
        push_args(out, format_args!("{{\"missing\":\"{rev}\"}}"));
    })
}

/// Appends the rows of one document in a `_bulk_get`. What is wrong with one does not spoil the
/// others: a client would take a refused request for a server without `_bulk_get`.
fn push_bulk_results(
    out: &mut String,
    database: &Database,
    id: &str,
    rev: Option<&str>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let push_error = |out: &mut String, rev: &str, refusal: &Refusal| {
        out.push_str("{\"error\":{\"id\":");
        push_string(out, id);
        out.push_str(",\"rev\":");
        push_string(out, rev);
        out.push(',');
        refusal.push_members(out);
        out.push_str("}}");
    };
    let missing = Refusal::from(GetError::Missing);
    let wanted = match rev.map(parse_rev) {
        None if database.document(id).is_none() => {
            push_error(out, "undefined", &missing);
            return Ok(());
        }
        None => Wanted::All,
        Some(Ok(rev)) => Wanted::Revs(vec![rev]),
        Some(Err(refusal)) => {
            push_error(out, rev.unwrap_or_default(), &refusal);
            return Ok(());
        }
    };
    push_leaves(out, database, id, &wanted, call, |out, rev| push_error(out, rev, &missing))
}

/// Appends the leaves that are there as `{"ok":...}`, and what `push_missing` writes for the
/// others.
fn push_leaves(
    out: &mut String,
    database: &Database,
    id: &str,
    wanted: &Wanted,
    call: &Call<'_>,
    push_missing: impl Fn(&mut String, &str),
) -> Result<(), Refusal> {
    let (extras, latest) = (call.extras(), call.query.is_true("latest"));
    let document = database.document(id);
    let leaves = document.map_or(&[][..], |document| document.leaves());
    let mut push = |rev: Option<Revision>| {
        let is_wanted = |leaf: &&Leaf| match rev {
            Some(rev) if latest => leaf.history.contains(rev),
            Some(rev) => leaf.rev() == rev,
            None => true,
        };
        let mut found = false;
        for leaf in leaves.iter().filter(is_wanted) {
            push_separator(out, '[');
            out.push_str("{\"ok\":");
            if let Some(document) = document {
                document.push_json(out, id, leaf, extras);
            }
            out.push('}');
            found = true;
        }
        if let (false, Some(rev)) = (found, rev) {
            push_separator(out, '[');
            push_missing(out, &rev.to_string());
        }
        if out.len() > ANSWER_SIZE_MAX { Err(answer_too_large()) } else { Ok(()) }
    };
    match wanted {
        Wanted::All => push(None),
        Wanted::Revs(revs) => revs.iter().try_for_each(|rev| push(Some(*rev))),
    }
}

fn push_outcome(out: &mut String, id: &str, rev: &Result<String, Refusal>) {
    match rev {
        Ok(rev) => {
            out.push_str("{\"ok\":true,\"id\":");
            push_string(out, id);
            push_args(out, format_args!(",\"rev\":\"{rev}\"}}"));
        }
        Err(refusal) => {
            out.push_str("{\"id\":");
            push_string(out, id);
            out.push(',');
            refusal.push_members(out);
            out.push('}');
        }
    }
}

fn push_revs(out: &mut String, revs: &[Revision]) {
    let revs: Vec<String> = revs.iter().map(|rev| format!("\"{rev}\"")).collect();
    push_args(out, format_args!("[{}]", revs.join(",")));
}

/// Appends a comma unless the list or object has just been opened.
pub(super) fn push_separator(out: &mut String, opening: char) {
    if !out.ends_with(opening) {
        out.push(',');
    }
}

/// The refusal of an answer beyond [`ANSWER_SIZE_MAX`].
pub(super) fn answer_too_large() -> Refusal {
    Refusal::too_large("The answer would be too large: ask for less at once")
}

fn too_many() -> Refusal {
    Refusal::too_large(format!("More than {BULK_ITEMS_MAX} items in one request"))
}

fn expect_post(call: &Call<'_>) -> Result<(), Refusal> {
    if *call.method() == Method::POST { Ok(()) } else { Err(Refusal::method("POST")) }
}

/// The list of this name in a bulk request.
fn items<'a>(members: &Members<'a>, name: &str) -> Result<Vec<&'a RawValue>, Refusal> {
    let Some(list) = members.value(name) else {
        return Err(Refusal::bad_request(format!("POST body must include `{name}` parameter.")));
    };
    let items: Vec<&RawValue> = serde_json::from_str(list)
        .map_err(|_| Refusal::bad_request(format!("`{name}` parameter must be an array.")))?;
    if items.len() > BULK_ITEMS_MAX { Err(too_many()) } else { Ok(items) }
}

fn json_or<T: serde_core::de::DeserializeOwned>(
    text: Option<&str>,
    reason: &'static str,
) -> Result<T, Refusal> {
    let value = text.and_then(|text| serde_json::from_str(text).ok());
    value.ok_or_else(|| Refusal::bad_request(reason))
}
