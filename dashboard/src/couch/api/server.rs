//! The server's own endpoints: `/`, `/_up`, `/_all_dbs`, `/_session`.

use http::{Method, StatusCode};

use super::{API_VERSION, Answer, Call, Couch, Refusal, now};
use crate::couch::store::push_string;

impl Couch {
    pub(super) fn welcome(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        read_only(call)?;
        let version = env!("CARGO_PKG_VERSION");
        let uuid = self.store.identity().uuid;
        let body = format!(
            "{{\"couchdb\":\"Welcome\",\"version\":\"{API_VERSION}\",\"uuid\":\"{uuid:032x}\",\
             \"features\":[],\"vendor\":{{\"name\":\"masque\",\"version\":\"{version}\"}}}}\n"
        );
        Ok(now(StatusCode::OK, body))
    }

    pub(super) fn server(&self, call: &Call<'_>, name: &str) -> Result<Answer, Refusal> {
        let body = match name {
            "_up" => "{\"status\":\"ok\",\"seeds\":{}}\n".to_owned(),
            "_all_dbs" => self.all_dbs(),
            // Whoever reaches the port may do everything: CouchDB calls it the admin party.
            "_session" => "{\"ok\":true,\"userCtx\":{\"name\":null,\"roles\":[\"_admin\"]},\
                           \"info\":{\"authentication_handlers\":[]}}\n"
                .to_owned(),
            _ => return Err(Refusal::not_implemented(name)),
        };
        read_only(call)?;
        Ok(now(StatusCode::OK, body))
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

fn read_only(call: &Call<'_>) -> Result<(), Refusal> {
    match *call.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::method("GET,HEAD")),
    }
}
