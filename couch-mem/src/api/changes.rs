//! `_changes`: the parameters of a request, and the answers that are complete immediately.

use std::time::Duration;

use http::{Method, StatusCode};

use super::bulk::answer_too_large;
use super::feed::{Feed, FeedKind, Filter, Pace};
use super::{Answer, ApiError, Call, Couch, complete};
use crate::limits::{
    ANSWER_SIZE_MAX, FILTER_IDS_MAX, HEARTBEAT_DEFAULT_MS, HEARTBEAT_MAX_MS, HEARTBEAT_MIN_MS,
    TIMEOUT_MAX_MS,
};
use crate::store::{Database, Members, Since, parse_number};

impl Couch {
    pub(super) fn changes(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        let database = self.existing(db)?;
        let in_body = match *call.method() {
            Method::GET => None,
            Method::HEAD => return Ok(complete(StatusCode::OK, "")),
            Method::POST => ids_in_body(call)?,
            _ => return Err(ApiError::method("GET,POST,HEAD")),
        };
        let feed = Feed {
            db: database.name().clone(),
            instance: database.instance(),
            kind: kind(call)?,
            since: since(call, database)?,
            limit: call.query.number("limit")?,
            include_docs: call.query.is_true("include_docs"),
            extras: call.extras(),
            all_leaves: call.query.text("style") == Some("all_docs"),
            filter: filter(call, database, in_body)?,
            pace: pace(call)?,
            seq_interval: seq_interval(call)?,
            sent: 0,
        };
        let body = if call.query.is_true("descending") {
            Some(feed.descending(database, ANSWER_SIZE_MAX).ok_or_else(answer_too_large)?)
        } else {
            feed.body_if_short(self)
        };
        Ok(body.map_or(Answer::Feed(feed), |body| complete(StatusCode::OK, body)))
    }
}

fn kind(call: &Call<'_>) -> Result<FeedKind, ApiError> {
    match call.query.text("feed") {
        None | Some("normal") => Ok(FeedKind::Normal),
        Some("longpoll") => Ok(FeedKind::LongPoll),
        Some("continuous" | "live") => Ok(FeedKind::Continuous),
        Some("eventsource") => Err(ApiError::not_implemented("feed=eventsource")),
        Some(_) => Err(ApiError::bad_request(
            "Supported `feed` types: normal, continuous, live, longpoll, eventsource",
        )),
    }
}

fn since(call: &Call<'_>, database: &Database) -> Result<u64, ApiError> {
    let since = Since::parse(call.query.text("since").unwrap_or("0")).ok_or_else(|| {
        ApiError::bad_request("Malformed sequence supplied in 'since' parameter.")
    })?;
    Ok(database.number(since))
}

/// A heartbeat takes precedence over a timeout, as in CouchDB.
fn pace(call: &Call<'_>) -> Result<Pace, ApiError> {
    let whole = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    let timeout_ms = match call.query.text("timeout") {
        None => TIMEOUT_MAX_MS,
        Some(text) if whole(text) => parse_number(text).unwrap_or(u64::MAX).min(TIMEOUT_MAX_MS),
        Some(text) => return Err(ApiError::bad_number(text)),
    };
    let heartbeat_ms = match call.query.text("heartbeat") {
        None => return Ok(Pace::Timeout(Duration::from_millis(timeout_ms))),
        Some("true") => HEARTBEAT_DEFAULT_MS,
        Some(text) if whole(text.strip_prefix('-').unwrap_or(text)) => {
            if text.starts_with('-') || parse_number(text) == Some(0) {
                return Err(ApiError::bad_request(
                    "The heartbeat value should be a positive integer (in milliseconds).",
                ));
            }
            parse_number(text).unwrap_or(u64::MAX)
        }
        Some(_) => {
            return Err(ApiError::bad_request(
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
) -> Result<Filter, ApiError> {
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
                return Err(ApiError::too_large(reason));
            }
            Ok(Filter::Ids(ids.into()))
        }
        Some("_selector") if *call.method() == Method::GET => {
            Err(ApiError::bad_request("Selector must be specified in POST payload"))
        }
        Some("_selector") => Err(ApiError::not_implemented("filter=_selector")),
        Some("_view") => {
            let view = call.query.text("view").filter(|view| !view.is_empty());
            let view = view
                .ok_or_else(|| ApiError::bad_request("`view` filter parameter is not provided."))?;
            let form = "`view` must be of the form `designname/viewname`";
            expect_defined(database, "views", view, form)?;
            Err(ApiError::not_implemented("filter=_view"))
        }
        Some(name) if name.starts_with('_') => {
            Err(ApiError::bad_request("unknown builtin filter name"))
        }
        Some(name) if name.split('/').all(str::is_empty) => Ok(Filter::All),
        Some(name) => {
            let form = "`filter` must be of the form `designname/filtername`";
            expect_defined(database, "filters", name, form)?;
            Err(ApiError::not_implemented("A filter function"))
        }
    }
}

/// Returns an error if `path` is not `design/function`, or if the design document does not define
/// this function in `member`.
fn expect_defined(
    database: &Database,
    member: &str,
    path: &str,
    form: &'static str,
) -> Result<(), ApiError> {
    let mut names = path.split('/').filter(|name| !name.is_empty());
    let (Some(design), Some(function), None) = (names.next(), names.next(), names.next()) else {
        return Err(ApiError::bad_request(form));
    };
    let leaf = database.get(&format!("_design/{design}"), None)?;
    let document = format!("{{{}}}", leaf.body);
    let mut object = document.as_str();
    for name in [member, function] {
        let members = Members::parse(object).map_err(|_| ApiError::not_found("json_mismatch"))?;
        object = members
            .value(name)
            .ok_or_else(|| ApiError::not_found(format!("missing json key: {name}")))?;
    }
    Ok(())
}

/// Returns the interval of rows that have a sequence.
fn seq_interval(call: &Call<'_>) -> Result<Option<u64>, ApiError> {
    let refuse = || ApiError::bad_request("invalid_seq_interval");
    let interval = |text| parse_number(text).filter(|&interval| interval > 0).ok_or_else(refuse);
    call.query.text("seq_interval").map(interval).transpose()
}

/// Returns the `doc_ids` in the body of a POST. An empty body counts as `{}`.
fn ids_in_body(call: &Call<'_>) -> Result<Option<Vec<String>>, ApiError> {
    if call.request.body().is_empty() {
        call.expect_json()?;
        return Ok(None);
    }
    call.members()?.value("doc_ids").map(ids).transpose()
}

fn ids(json: &str) -> Result<Vec<String>, ApiError> {
    serde_json::from_str(json).map_err(|error: serde_json::Error| {
        if error.is_data() { bad_ids() } else { ApiError::bad_json() }
    })
}

fn bad_ids() -> ApiError {
    ApiError::bad_request("`doc_ids` filter parameter is not a list of doc ids.")
}
