//! `_changes`: what a client asks for, and the answers that are complete at once.

use std::time::Duration;

use http::{Method, StatusCode};

use super::bulk::answer_too_large;
use super::follow::{Feed, Filter, Follow, Pace};
use super::{Answer, Call, Couch, Refusal, now};
use crate::couch::limits::{
    ANSWER_SIZE_MAX, FILTER_IDS_MAX, HEARTBEAT_DEFAULT_MS, HEARTBEAT_MAX_MS, HEARTBEAT_MIN_MS,
    TIMEOUT_MAX_MS,
};
use crate::couch::store::{Database, Since, parse_number};

impl Couch {
    pub(super) fn changes(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, Refusal> {
        let database = self.existing(db)?;
        let in_body = match *call.method() {
            Method::GET => None,
            Method::HEAD => return Ok(now(StatusCode::OK, "")),
            Method::POST => ids_in_body(call)?,
            _ => return Err(Refusal::method("GET,POST,HEAD")),
        };
        let follow = Follow {
            db: database.name().clone(),
            instance: database.instance(),
            feed: feed(call)?,
            since: since(call, database)?,
            limit: call.query.number("limit")?,
            include_docs: call.query.is_true("include_docs"),
            extras: call.extras(),
            all_leaves: call.query.text("style") == Some("all_docs"),
            filter: filter(call, database, in_body)?,
            pace: pace(call)?,
            sent: false,
        };
        let complete = if call.query.is_true("descending") {
            Some(follow.descending(database, ANSWER_SIZE_MAX).ok_or_else(answer_too_large)?)
        } else {
            follow.complete(&self.store)
        };
        Ok(complete.map_or(Answer::Follow(follow), |body| now(StatusCode::OK, body)))
    }
}

fn feed(call: &Call<'_>) -> Result<Feed, Refusal> {
    match call.query.text("feed") {
        None | Some("normal") => Ok(Feed::Normal),
        Some("longpoll") => Ok(Feed::LongPoll),
        Some("continuous" | "live") => Ok(Feed::Continuous),
        Some("eventsource") => Err(Refusal::not_implemented("feed=eventsource")),
        Some(_) => Err(Refusal::bad_request(
            "Supported `feed` types: normal, continuous, live, longpoll, eventsource",
        )),
    }
}

fn since(call: &Call<'_>, database: &Database) -> Result<u64, Refusal> {
    let since = Since::parse(call.query.text("since").unwrap_or("0"))
        .ok_or_else(|| Refusal::bad_request("Malformed sequence supplied in 'since' parameter."))?;
    Ok(database.number(since))
}

/// A heartbeat goes before a timeout, as in CouchDB.
fn pace(call: &Call<'_>) -> Result<Pace, Refusal> {
    let whole = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    let timeout_ms = match call.query.text("timeout") {
        None => TIMEOUT_MAX_MS,
        Some(text) if whole(text) => parse_number(text).unwrap_or(u64::MAX).min(TIMEOUT_MAX_MS),
        Some(text) => return Err(Refusal::bad_number(text)),
    };
    let heartbeat_ms = match call.query.text("heartbeat") {
        None => return Ok(Pace::Timeout(Duration::from_millis(timeout_ms))),
        Some("true") => HEARTBEAT_DEFAULT_MS,
        Some(text) if whole(text.strip_prefix('-').unwrap_or(text)) => {
            if text.starts_with('-') || parse_number(text) == Some(0) {
                return Err(Refusal::bad_request(
                    "The heartbeat value should be a positive integer (in milliseconds).",
                ));
            }
            parse_number(text).unwrap_or(u64::MAX)
        }
        Some(_) => {
            return Err(Refusal::bad_request(
                "Invalid heartbeat value. Expecting a positive integer value (in milliseconds).",
            ));
        }
    };
    let heartbeat_ms = heartbeat_ms.clamp(HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS);
    Ok(Pace::Heartbeat(Duration::from_millis(heartbeat_ms)))
}

fn filter(
    call: &Call<'_>,
    database: &Database,
    in_body: Option<Vec<String>>,
) -> Result<Filter, Refusal> {
    match call.query.text("filter") {
        None => Ok(Filter::All),
        Some("_design") => Ok(Filter::Design),
        Some("_doc_ids") => {
            let in_query = || call.query.text("doc_ids").map(ids);
            let ids = match in_body {
                Some(ids) => ids,
                None => in_query().ok_or_else(bad_ids)??,
            };
            if ids.len() > FILTER_IDS_MAX {
                let reason = format!("More than {FILTER_IDS_MAX} doc_ids");
                return Err(Refusal::too_large(reason));
            }
            Ok(Filter::Ids(ids.into()))
        }
        Some(name @ ("_selector" | "_view")) => {
            Err(Refusal::not_implemented(&format!("filter={name}")))
        }
        Some(name) => {
            let design = name.split('/').next().unwrap_or_default();
            database.get(&format!("_design/{design}"), None)?;
            Err(Refusal::not_implemented("A filter function"))
        }
    }
}

/// The `doc_ids` of a POST's body. An empty body is taken for `{}`.
fn ids_in_body(call: &Call<'_>) -> Result<Option<Vec<String>>, Refusal> {
    if call.request.body().is_empty() {
        call.expect_json()?;
        return Ok(None);
    }
    call.members()?.value("doc_ids").map(ids).transpose()
}

fn ids(json: &str) -> Result<Vec<String>, Refusal> {
    serde_json::from_str(json).map_err(|_| bad_ids())
}

fn bad_ids() -> Refusal {
    Refusal::bad_request("`doc_ids` filter parameter is not a list of strings.")
}
