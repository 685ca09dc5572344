//! HTTP: requests to responses, as CouchDB 3.5 answers them. It knows no socket.
//!
//! One file for each family of endpoints:
//!
//! - `server`: `/`, `/_up`
//! - `databases`: `/db`
//! - `documents`: `/db/id`, `/db/_local/id`
//! - `all_docs`
//! - `bulk`: `_bulk_docs`, `_revs_diff`
//! - `revisions`: `open_revs`, `_bulk_get`
//! - `changes`, and its running feeds: `feed`

mod all_docs;
mod bulk;
mod changes;
mod databases;
mod documents;
mod error;
mod feed;
mod multipart;
mod path;
mod query;
mod revisions;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

pub use error::error_body;
pub use feed::{Feed, Pace, Rows, Then};

use crate::store::{CreateError, Database, Identity, Members, Store};
use error::ApiError;
use path::Resource;
use query::Query;

/// The version of the API of CouchDB, as `/` returns it. Clients use it to decide which features
/// they use.
const API_VERSION: &str = "3.5.1";

const SERVER: &str = concat!("masque-couch/", env!("CARGO_PKG_VERSION"));

/// Endpoints below a database that CouchDB has and this server does not.
const NOT_OFFERED: [&str; 17] = [
    "_auto_purge",
    "_compact",
    "_design_docs",
    "_explain",
    "_find",
    "_index",
    "_local_docs",
    "_missing_revs",
    "_purge",
    "_purged_infos",
    "_purged_infos_limit",
    "_revs_limit",
    "_security",
    "_shards",
    "_sync_shards",
    "_temp_view",
    "_view_cleanup",
];

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// The whole response. `Content-Length` is set. The response to a HEAD has the length of the
    /// body that a GET would return, and an empty body.
    Complete(Response<Bytes>),
    /// A `_changes` response that has not ended. Ask for its rows now, and again each time its
    /// database has changed.
    Feed(Feed),
}

/// An in-memory CouchDB server: databases, and answers to requests. See the
/// [example](crate#couch-mem) of the crate.
#[derive(Debug)]
pub struct Couch {
    store: Store,
}

/// A request and its parsed query.
struct Call<'a> {
    request: &'a Request<Bytes>,
    query: Query,
}

impl Couch {
    /// Makes a server without databases.
    pub fn new(identity: Identity) -> Self {
        Self { store: Store::new(identity) }
    }

    /// Makes an empty database, as `PUT /name` does.
    ///
    /// # Errors
    /// If the name is not valid or taken, or if there are
    /// [`DATABASES_MAX`](crate::limits::DATABASES_MAX) databases.
    pub fn create_database(&mut self, name: &str) -> Result<(), CreateError> {
        self.store.create(name).map(drop)
    }

    /// Answers a request. An error is a response with a status of 400 or more. Call
    /// [`take_changed`](Self::take_changed) afterwards to learn which feeds have new rows.
    pub fn answer(&mut self, request: &Request<Bytes>) -> Answer {
        let answer = self.try_answer(request);
        let answer = answer.unwrap_or_else(|error| Answer::Complete(error.response()));
        match answer {
            Answer::Complete(mut response) if request.method() == Method::HEAD => {
                *response.body_mut() = Bytes::new();
                Answer::Complete(response)
            }
            answer => answer,
        }
    }

    /// Returns the names of the databases that were changed or deleted since the last call. The
    /// [`Feed`]s of these databases have new rows, or have ended. Cost: O(databases).
    pub fn take_changed(&mut self) -> Vec<Arc<str>> {
        self.store.take_changed()
    }

    fn try_answer(&mut self, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        let resource = Resource::parse(request.uri().path())?;
        let query = Query::parse(request.uri().query().unwrap_or_default())?;
        let call = Call { request, query };
        match resource {
            Resource::Root => self.welcome(&call),
            Resource::Server(name) => self.server(&call, &name),
            Resource::Database(db) => self.database(&call, &db),
            Resource::Special { db, name } => self.special(&call, &db, &name),
            Resource::Document { db, id } => self.document(&call, &db, &id),
            Resource::Local { db, name } => self.local(&call, &db, &name),
            Resource::Beneath { db, id, name } => self.beneath(&call, &db, &id, &name),
        }
    }

    fn special(&mut self, call: &Call<'_>, db: &str, name: &str) -> Result<Answer, ApiError> {
        self.existing(db)?;
        match name {
            "_changes" => self.changes(call, db),
            "_all_docs" => self.all_docs(call, db),
            "_bulk_docs" => self.bulk_docs(call, db),
            "_bulk_get" => self.bulk_get(call, db),
            "_revs_diff" => self.revs_diff(call, db),
            "_ensure_full_commit" => self.ensure_full_commit(call, db),
            "_local" => Err(ApiError::bad_request("Invalid _local document id.")),
            "_partition" => Err(ApiError::bad_request("invalid_partition_req")),
            _ if NOT_OFFERED.contains(&name) => Err(ApiError::not_implemented(name)),
            // CouchDB treats any other name as the id of a document. No document can have such an
            // id.
            _ => self.document(call, db, name),
        }
    }

    fn existing(&self, db: &str) -> Result<&Database, ApiError> {
        self.store.database(db).ok_or_else(ApiError::no_database)
    }

    fn existing_mut(&mut self, db: &str) -> Result<&mut Database, ApiError> {
        self.store.database_mut(db).ok_or_else(ApiError::no_database)
    }
}

impl<'a> Call<'a> {
    fn method(&self) -> &'a Method {
        self.request.method()
    }

    /// Returns the value of a header, if it is text.
    fn header(&self, name: header::HeaderName) -> Option<&'a str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// Returns an error unless the body is declared to be JSON, as CouchDB does. This also excludes
    /// forms of foreign web pages, which cannot declare JSON without permission of the server.
    fn expect_json(&self) -> Result<(), ApiError> {
        self.expect("application/json")
    }

    fn expect(&self, content_type: &str) -> Result<(), ApiError> {
        let declared = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(content_type) {
            Ok(())
        } else {
            Err(ApiError::content_type(content_type))
        }
    }

    /// Returns the body as text.
    fn text(&self) -> Result<&'a str, ApiError> {
        std::str::from_utf8(self.request.body()).map_err(|_| ApiError::bad_json())
    }

    /// Returns the body of a POST, which must be a JSON object.
    fn members(&self) -> Result<Members<'a>, ApiError> {
        self.expect_json()?;
        Members::parse(self.text()?).map_err(|error| {
            if error.is_data() {
                ApiError::bad_request("Request body must be a JSON object")
            } else {
                ApiError::bad_json()
            }
        })
    }
}

/// Returns a JSON response with the common headers. The body must end with a line end, as those of
/// CouchDB do.
fn response(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("must-revalidate"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    response
}

fn complete(status: StatusCode, body: impl Into<String>) -> Answer {
    Answer::Complete(response(status, body.into()))
}
