//! The server's own endpoints: `/`, `/_up`, `/_all_dbs`, `/_session`, `/_uuids`.

use http::{HeaderValue, Method, StatusCode, header};

use super::{API_VERSION, Answer, ApiError, Call, Couch, complete, response};
use crate::limits::UUIDS_MAX;
use crate::store::{GetError, parse_number, push_string};

/// Endpoints that CouchDB has and this server does not, including the system databases.
const NOT_OFFERED: [&str; 14] = [
    "_active_tasks",
    "_cluster_setup",
    "_db_updates",
    "_dbs_info",
    "_global_changes",
    "_membership",
    "_node",
    "_reload_query_servers",
    "_replicate",
    "_replicator",
    "_reshard",
    "_scheduler",
    "_users",
    "_utils",
];

impl Couch {
    pub(super) fn welcome(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        read_only(call)?;
        let version = env!("CARGO_PKG_VERSION");
        let uuid = self.store.identity().uuid;
        let body = format!(
            "{{\"couchdb\":\"Welcome\",\"version\":\"{API_VERSION}\",\"uuid\":\"{uuid:032x}\",\
             \"features\":[],\"vendor\":{{\"name\":\"masque\",\"version\":\"{version}\"}}}}\n"
        );
        Ok(complete(StatusCode::OK, body))
    }

    pub(super) fn server(&mut self, call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
        let body = match name {
            "_up" => "{\"seeds\":{},\"status\":\"ok\"}\n".to_owned(),
            "_all_dbs" => self.all_dbs(),
            // Every client is an administrator: CouchDB calls this the admin party.
            "_session" => "{\"ok\":true,\"userCtx\":{\"name\":null,\"roles\":[\"_admin\"]},\
                           \"info\":{\"authentication_handlers\":[]}}\n"
                .to_owned(),
            "_uuids" => return self.uuids(call),
            "_node/_local" => "{\"name\":\"masque@127.0.0.1\"}\n".to_owned(),
            // Browsers request it. It is not a database.
            "favicon.ico" => return Err(GetError::Missing.into()),
            _ if NOT_OFFERED.contains(&name.split('/').next().unwrap_or_default()) => {
                return Err(ApiError::not_implemented(name));
            }
            _ => return Err(ApiError::no_database()),
        };
        read_only(call)?;
        Ok(complete(StatusCode::OK, body))
    }

    /// Returns ids that no document has yet. They differ each time, so caches must not store them.
    fn uuids(&mut self, call: &Call<'_>) -> Result<Answer, ApiError> {
        if !matches!(*call.method(), Method::GET | Method::HEAD) {
            return Err(ApiError::method("GET"));
        }
        let count = call.query.text("count").unwrap_or("1");
        let digits = count.strip_prefix('-').unwrap_or(count);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number = parse_number(digits).filter(|&number| number <= UUIDS_MAX);
        let number = match number {
            _ if !is_number || digits != count && number != Some(0) => {
                return Err(ApiError::bad_request("count must be a positive integer"));
            }
            None => return Err(ApiError::bad_request("count parameter too large")),
            Some(number) => number,
        };
        let ids: Vec<_> = (0..number).map(|_| format!("\"{}\"", self.store.fresh_id())).collect();
        let mut response = response(StatusCode::OK, format!("{{\"uuids\":[{}]}}\n", ids.join(",")));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        let past = HeaderValue::from_static("Mon, 01 Jan 1990 00:00:00 GMT");
        headers.insert(header::EXPIRES, past);
        Ok(Answer::Complete(response))
    }

    fn all_dbs(&self) -> String {
        let mut body = String::from("[");
        for name in self.store.names() {
            if body.len() > 1 {
                body.push(',');
            }
            push_string(&mut body, name);
        }
        body.push_str("]\n");
        body
    }
}

fn read_only(call: &Call<'_>) -> Result<(), ApiError> {
    match *call.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(ApiError::method("GET,HEAD")),
    }
}
