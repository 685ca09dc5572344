//! Requests to answers, as CouchDB 3.5 gives them. No socket.
//!
//! One file a family of endpoints: [`server`] (`/`, `/_up`), [`databases`] (`/db`), [`documents`]
//! (`/db/id`, `/db/_local/id`), [`all_docs`], [`bulk`] (`_bulk_docs`, `_revs_diff`), [`revisions`]
//! (`open_revs`, `_bulk_get`), [`changes`] and its running feeds, [`follow`].

mod all_docs;
mod bulk;
mod changes;
mod databases;
mod documents;
mod follow;
mod multipart;
mod path;
mod query;
mod refusal;
mod revisions;
mod server;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

pub(crate) use follow::{Follow, Pace, Rows, Then};
pub(crate) use refusal::Refusal;

use super::store::{Database, Identity, Members, Store};
use path::Target;
use query::Query;

/// The version of CouchDB's API that is spoken here, as `/` states it: clients choose by it what
/// they may use.
const API_VERSION: &str = "3.5.1";

const SERVER: &str = concat!("masque-couch/", env!("CARGO_PKG_VERSION"));

/// What CouchDB has below a database and this server has not.
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

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The whole response. `Content-Length` is set; the answer to a HEAD has the length and no
    /// body.
    Now(Response<Bytes>),
    /// A `_changes` answer that is not at its end: ask it for rows now, and whenever the database
    /// changed.
    Follow(Follow),
}

/// The embedded database: a store, and the requests to it.
#[derive(Debug)]
pub(crate) struct Couch {
    store: Store,
}

/// A request, taken apart.
struct Call<'a> {
    request: &'a Request<Bytes>,
    query: Query,
}

impl Couch {
    /// An empty database server.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { store: Store::new(identity) }
    }

    /// The databases, for followers to read.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The databases, for the program's own documents.
    pub(crate) fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Carries out a request. Never fails: what cannot be done is a response that says so. Ask
    /// [`Store::take_changed`] afterwards whose followers to wake.
    pub(crate) fn answer(&mut self, request: &Request<Bytes>) -> Answer {
        let answer = self.carry_out(request).unwrap_or_else(|no| Answer::Now(no.response()));
        match answer {
            Answer::Now(mut response) if request.method() == Method::HEAD => {
                *response.body_mut() = Bytes::new();
                Answer::Now(response)
            }
            answer => answer,
        }
    }

    fn carry_out(&mut self, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let target = Target::parse(request.uri().path())?;
        let query = Query::parse(request.uri().query().unwrap_or_default())?;
        let call = Call { request, query };
        match target {
            Target::Root => self.welcome(&call),
            Target::Server(name) => self.server(&call, &name),
            Target::Database(db) => self.database(&call, &db),
            Target::Special { db, name } => self.special(&call, &db, &name),
            Target::Document { db, id } => self.document(&call, &db, &id),
            Target::Local { db, name } => self.local(&call, &db, &name),
            Target::Beneath { db, id, name } => self.beneath(&call, &db, &id, &name),
        }
    }

    fn special(&mut self, call: &Call<'_>, db: &str, name: &str) -> Result<Answer, Refusal> {
        self.existing(db)?;
        match name {
            "_changes" => self.changes(call, db),
            "_all_docs" => self.all_docs(call, db),
            "_bulk_docs" => self.bulk_docs(call, db),
            "_bulk_get" => self.bulk_get(call, db),
            "_revs_diff" => self.revs_diff(call, db),
            "_ensure_full_commit" => self.ensure_full_commit(call, db),
            "_local" => Err(Refusal::bad_request("Invalid _local document id.")),
            "_partition" => Err(Refusal::bad_request("invalid_partition_req")),
            _ if NOT_OFFERED.contains(&name) => Err(Refusal::not_implemented(name)),
            // CouchDB takes any other name for the id of a document, which no document can have.
            _ => self.document(call, db, name),
        }
    }

    fn existing(&self, db: &str) -> Result<&Database, Refusal> {
        self.store.database(db).ok_or_else(Refusal::no_database)
    }

    fn existing_mut(&mut self, db: &str) -> Result<&mut Database, Refusal> {
        self.store.database_mut(db).ok_or_else(Refusal::no_database)
    }
}

impl<'a> Call<'a> {
    fn method(&self) -> &'a Method {
        self.request.method()
    }

    /// A header's value, if it is text.
    fn header(&self, name: header::HeaderName) -> Option<&'a str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// Refuses a body that is not declared to be JSON, as CouchDB does. It also keeps out the forms
    /// of foreign web pages, which cannot declare that without the server's leave.
    fn expect_json(&self) -> Result<(), Refusal> {
        self.expect("application/json")
    }

    fn expect(&self, content_type: &str) -> Result<(), Refusal> {
        let declared = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(content_type) {
            Ok(())
        } else {
            Err(Refusal::content_type(content_type))
        }
    }

    /// The body as text.
    fn text(&self) -> Result<&'a str, Refusal> {
        std::str::from_utf8(self.request.body()).map_err(|_| Refusal::bad_json())
    }

    /// The body of a POST, which must be a JSON object.
    fn members(&self) -> Result<Members<'a>, Refusal> {
        self.expect_json()?;
        Members::parse(self.text()?).map_err(|error| {
            if error.is_data() {
                Refusal::bad_request("Request body must be a JSON object")
            } else {
                Refusal::bad_json()
            }
        })
    }
}

/// A JSON response with the headers of all of them. The body brings its own line end, as CouchDB's
/// do.
fn answer(status: StatusCode, body: String) -> Response<Bytes> {
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

fn now(status: StatusCode, body: impl Into<String>) -> Answer {
    Answer::Now(answer(status, body.into()))
}
