//! `_all_docs`: the documents by id.

use std::ops::Bound;

use http::{Method, StatusCode};
use serde_json::Value;

use super::bulk::{answer_too_large, push_separator};
use super::query::Query;
use super::{Answer, ApiError, Call, Couch, complete};
use crate::limits::{ANSWER_SIZE_MAX, BULK_ITEMS_MAX};
use crate::store::{Database, Document, Extra, Extras, push_args, push_string};

impl Couch {
    pub(super) fn all_docs(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        let database = self.existing(db)?;
        let (query, place) = match *call.method() {
            Method::GET | Method::HEAD => (call.query.clone(), "parameter"),
            Method::POST => (call.query.with(&call.members()?), "body member"),
            _ => return Err(ApiError::method("GET,HEAD,POST")),
        };
        let keys = query.json("keys")?;
        let page = Selection::of(&query)?;
        let body = match keys {
            Some(Value::Array(keys)) if keys.len() > BULK_ITEMS_MAX => {
                return Err(ApiError::too_large(format!("More than {BULK_ITEMS_MAX} keys")));
            }
            Some(Value::Array(mut keys)) => {
                if page.descending {
                    keys.reverse();
                }
                of_keys(database, &page, &keys)?
            }
            Some(_) => {
                return Err(ApiError::bad_request(format!("`keys` {place} must be an array.")));
            }
            None => in_range(&query, database, &page)?,
        };
        Ok(complete(StatusCode::OK, body))
    }
}

/// The rows that a request asks for, and their content.
struct Selection {
    skip: usize,
    limit: usize,
    descending: bool,
    include_docs: bool,
    update_seq: bool,
    extras: Extras,
}

impl Selection {
    fn of(query: &Query) -> Result<Self, ApiError> {
        let number = |name, default| {
            let number = query.number(name)?;
            Ok::<_, ApiError>(number.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX)))
        };
        let boolean = |name| Ok::<_, ApiError>(query.boolean(name)?.unwrap_or_default());
        Ok(Self {
            skip: number("skip", 0)?,
            limit: number("limit", usize::MAX)?,
            descending: boolean("descending")?,
            include_docs: boolean("include_docs")?,
            update_seq: boolean("update_seq")?,
            extras: Extras::default().with(Extra::Conflicts, boolean("conflicts")?),
        })
    }
}

/// Returns a row for each key, in the order of the keys.
fn of_keys(database: &Database, page: &Selection, keys: &[Value]) -> Result<String, ApiError> {
    let total = database.document_count();
    let update_seq = if page.update_seq { ",\"update_seq\":null" } else { "" };
    let mut body = format!("{{\"total_rows\":{total},\"offset\":null{update_seq},\"rows\":[");
    for key in keys.iter().skip(page.skip).take(page.limit) {
        let id = key.as_str();
        let found = id.and_then(|id| Some((id, database.document(id)?)));
        push_separator(&mut body, '[');
        match found {
            Some((id, document)) => push_row(&mut body, id, document, page)?,
            None => {
                push_args(&mut body, format_args!("\r\n{{\"key\":{key},\"error\":\"not_found\"}}"));
            }
        }
    }
    body.push_str("\r\n]}\n");
    Ok(body)
}

/// Returns the live documents between two ids. O(log n), O(1) for each row, and O(1) for each
/// document before the first row, to count them.
fn in_range(query: &Query, database: &Database, page: &Selection) -> Result<String, ApiError> {
    let key = id_of(query, &["key"])?;
    // The key of a row is the id of its document, so `startkey` and `startkey_docid` mean the same.
    let start = key.clone().or(id_of(query, &["startkey", "start_key"])?);
    let start = start.or_else(|| docid_of(query, &["startkey_docid", "start_key_doc_id"]));
    let end = key.or(id_of(query, &["endkey", "end_key"])?);
    let end = end.or_else(|| docid_of(query, &["endkey_docid", "end_key_doc_id"]));
    let inclusive_end = query.boolean("inclusive_end")?.unwrap_or(true);
    let first = start.as_deref().map_or(Bound::Unbounded, Bound::Included);
    let last = match end.as_deref() {
        None => Bound::Unbounded,
        Some(id) if inclusive_end => Bound::Included(id),
        Some(id) => Bound::Excluded(id),
    };
    let before = match start.as_deref() {
        None => 0,
        Some(id) if page.descending => {
            live(database, Bound::Excluded(id), Bound::Unbounded).count()
        }
        Some(id) => live(database, Bound::Unbounded, Bound::Excluded(id)).count(),
    };
    let rows: Vec<_> = if page.descending {
        live(database, last, first).rev().skip(page.skip).take(page.limit).collect()
    } else {
        live(database, first, last).skip(page.skip).take(page.limit).collect()
    };
    let total = database.document_count();
    let offset = before.saturating_add(page.skip).min(total);
    let mut body = format!("{{\"total_rows\":{total},\"offset\":{offset}");
    if page.update_seq {
        push_args(&mut body, format_args!(",\"update_seq\":\"{}\"", database.update_seq()));
    }
    body.push_str(",\"rows\":[");
    for (id, document) in rows {
        push_separator(&mut body, '[');
        push_row(&mut body, id, document, page)?;
    }
    body.push_str("\r\n]}\n");
    Ok(body)
}

/// Returns the documents from `low` to `high`, without tombstones. Returns none if the bounds are
/// in the wrong order.
fn live<'a>(
    database: &'a Database,
    low: Bound<&str>,
    high: Bound<&str>,
) -> impl DoubleEndedIterator<Item = (&'a str, &'a Document)> {
    let rows = is_ordered(low, high).then(|| database.documents((low, high)));
    rows.into_iter().flatten().filter(|(_, document)| !document.winner().deleted)
}

/// Returns true if the bounds are in order. `BTreeMap::range` panics otherwise.
fn is_ordered(low: Bound<&str>, high: Bound<&str>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        (Bound::Included(low), Bound::Included(high)) => low <= high,
        (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) => low < high,
    }
}

/// Returns a key of the query. Ids are strings, which sort between numbers and lists. Keys of other
/// types are rejected, not sorted.
fn id_of(query: &Query, names: &[&str]) -> Result<Option<String>, ApiError> {
    for name in names {
        match query.json(name)? {
            None => {}
            Some(Value::String(id)) => return Ok(Some(id)),
            Some(_) => return Err(ApiError::bad_request(format!("`{name}` must be a string."))),
        }
    }
    Ok(None)
}

/// Returns an id of the query, which is plain text, not JSON.
fn docid_of(query: &Query, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| query.text(name)).map(str::to_owned)
}

fn push_row(
    out: &mut String,
    id: &str,
    document: &Document,
    page: &Selection,
) -> Result<(), ApiError> {
    let winner = document.winner();
    out.push_str("\r\n{\"id\":");
    push_string(out, id);
    out.push_str(",\"key\":");
    push_string(out, id);
    push_args(out, format_args!(",\"value\":{{\"rev\":\"{}\"", winner.rev()));
    out.push_str(if winner.deleted { ",\"deleted\":true}" } else { "}" });
    if page.include_docs {
        out.push_str(",\"doc\":");
        if winner.deleted {
            out.push_str("null");
        } else {
            document.push_json(out, id, winner, page.extras);
        }
    }
    out.push('}');
    if out.len() > ANSWER_SIZE_MAX { Err(answer_too_large()) } else { Ok(()) }
}
