//! `/db`: information about a database, creating and deleting it, and storing documents without an
//! id.

use http::{HeaderValue, Method, StatusCode, header};

use super::{Answer, ApiError, Call, Couch, complete, response};
use crate::percent::encoded;
use crate::store::{Database, Draft, push_string};

impl Couch {
    pub(super) fn database(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        match *call.method() {
            Method::GET | Method::HEAD => Ok(complete(StatusCode::OK, info(self.existing(db)?))),
            Method::PUT => {
                self.store.create(db).map_err(|error| ApiError::of_database_name(db, error))?;
                let mut response = response(StatusCode::CREATED, "{\"ok\":true}\n".into());
                response.headers_mut().extend(call.location(&[db]));
                Ok(Answer::Complete(response))
            }
            Method::DELETE if call.query.text("rev").is_some() => Err(ApiError::bad_request(
                "You tried to DELETE a database with a ?=rev parameter. \
                 Did you mean to DELETE a document instead?",
            )),
            Method::DELETE if self.store.delete(db) => {
                Ok(complete(StatusCode::OK, "{\"ok\":true}\n"))
            }
            Method::DELETE => Err(ApiError::no_database()),
            Method::POST => self.post_document(call, db),
            _ => Err(ApiError::method("DELETE,GET,HEAD,POST")),
        }
    }

    fn post_document(&mut self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        self.existing(db)?;
        call.expect_json()?;
        let draft = Draft::from_json(call.text()?)?;
        let id = draft.id.clone().unwrap_or_else(|| self.store.fresh_id());
        self.put_document(call, db, &id, &draft)
    }

    /// Nothing has to be committed, but old replicators send this request.
    pub(super) fn ensure_full_commit(&self, call: &Call<'_>, db: &str) -> Result<Answer, ApiError> {
        if *call.method() != Method::POST {
            return Err(ApiError::method("POST"));
        }
        call.expect_json()?;
        let start_time_s = self.existing(db)?.start_time_s();
        let body = format!("{{\"ok\":true,\"instance_start_time\":\"{start_time_s}\"}}\n");
        Ok(complete(StatusCode::CREATED, body))
    }
}

impl Call<'_> {
    /// Returns the `Location` of a created resource. `None` if the client sent no host.
    pub(super) fn location(&self, names: &[&str]) -> Option<(header::HeaderName, HeaderValue)> {
        let host = self.header(header::HOST)?;
        let path: Vec<String> = names.iter().map(|name| encoded(name)).collect();
        let url = format!("http://{host}/{}", path.join("/"));
        HeaderValue::try_from(url).ok().map(|url| (header::LOCATION, url))
    }
}

/// Returns the members that CouchDB 3.5 has. There is one shard with one copy, and no file.
fn info(database: &Database) -> String {
    let mut name = String::new();
    push_string(&mut name, database.name());
    format!(
        "{{\"instance_start_time\":\"{}\",\"db_name\":{name},\"purge_seq\":\"{}\",\
         \"update_seq\":\"{}\",\
         \"sizes\":{{\"file\":{size},\"external\":{size},\"active\":{size}}},\"props\":{{}},\
         \"doc_del_count\":{},\"doc_count\":{},\"disk_format_version\":8,\"compact_running\":false,\
         \"cluster\":{{\"q\":1,\"n\":1,\"w\":1,\"r\":1}}}}\n",
        database.start_time_s(),
        database.sequence(0),
        database.update_seq(),
        database.deleted_count(),
        database.document_count(),
        size = database.size(),
    )
}
