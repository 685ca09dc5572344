//! Errors in the form of CouchDB: a status, and `{"error":...,"reason":...}`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::response;
use crate::store::{CreateError, DraftError, GetError, PutError, push_string};

/// An error that ends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) reason: Cow<'static, str>,
    /// The allowed methods, for a 405.
    allow: Option<&'static str>,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, error, reason: reason.into(), allow: None }
    }

    pub(super) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    pub(super) fn not_found(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    pub(super) fn no_database() -> Self {
        Self::not_found("Database does not exist.")
    }

    pub(super) fn bad_json() -> Self {
        Self::bad_request("invalid UTF-8 JSON")
    }

    pub(super) fn illegal_id(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "illegal_docid", reason)
    }

    /// The error for a database that cannot be created.
    pub(super) fn of_database_name(name: &str, error: CreateError) -> Self {
        let status = StatusCode::BAD_REQUEST;
        match error {
            CreateError::IllegalName => Self::new(
                status,
                "illegal_database_name",
                format!(
                    "Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of \
                     the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter."
                ),
            ),
            CreateError::NameTooLong => Self::new(
                status,
                "database_name_too_long",
                format!("At least one path segment of `{name}` is too long."),
            ),
            CreateError::Exists => {
                Self::new(StatusCode::PRECONDITION_FAILED, "file_exists", error.to_string())
            }
            CreateError::TooMany => full(&error),
        }
    }

    /// The error for an invalid number in the query. CouchDB answers some of these with 500
    /// (`limit=abc`). The client is at fault, so the status here is always 400, as in the views of
    /// CouchDB.
    pub(super) fn bad_number(value: &str) -> Self {
        let is_negative = value.strip_prefix('-').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let kind = if is_negative { "positive integer" } else { "integer" };
        Self::bad_value(format!("Invalid value for {kind}: {value:?}"))
    }

    pub(super) fn bad_boolean(value: &str) -> Self {
        Self::bad_value(format!("Invalid boolean parameter: {value:?}"))
    }

    fn bad_value(reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query_parse_error", reason)
    }

    /// Returns this error as `forbidden`, which a replicator counts before it continues.
    pub(super) fn forbidden(self) -> Self {
        Self { status: StatusCode::FORBIDDEN, error: "forbidden", ..self }
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let reason = format!("Only {allow} allowed");
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason);
        Self { allow: Some(allow), ..refusal }
    }

    pub(super) fn content_type(expected: &str) -> Self {
        let reason = format!("Content-Type must be {expected}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_content_type", reason)
    }

    /// The error for a feature that CouchDB has and this server does not.
    pub(super) fn not_implemented(what: &str) -> Self {
        let reason = format!("{what} is not implemented in this embedded database");
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", reason)
    }

    /// The error for a request that asks for too much.
    pub(super) fn too_large(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason)
    }

    /// Appends `"error":...,"reason":...` without the braces, because the rows of bulk answers have
    /// more members.
    pub(super) fn push_members(&self, out: &mut String) {
        push_members(out, self.error, &self.reason);
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let mut response = response(self.status, error_body(self.error, &self.reason));
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Returns an error as CouchDB writes it, for example
/// `{"error":"not_found","reason":"missing"}`, with a line end.
///
/// For servers that reject a request themselves: a replicator reads every answer as JSON.
pub fn error_body(error: &str, reason: &str) -> String {
    let mut body = String::from("{");
    push_members(&mut body, error, reason);
    body.push_str("}\n");
    body
}

fn push_members(out: &mut String, error: &str, reason: &str) {
    out.push_str("\"error\":");
    push_string(out, error);
    out.push_str(",\"reason\":");
    push_string(out, reason);
}

impl From<PutError> for ApiError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Conflict => Self::new(StatusCode::CONFLICT, "conflict", error.to_string()),
            PutError::IllegalId(reason) => Self::illegal_id(reason),
            PutError::TooManyConflicts => Self::bad_request(error.to_string()).forbidden(),
            PutError::TooManyDocuments | PutError::DatabaseFull => full(&error),
        }
    }
}

impl From<GetError> for ApiError {
    fn from(error: GetError) -> Self {
        Self::not_found(error.to_string())
    }
}

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        let reason = error.to_string();
        match error {
            DraftError::UnknownMember(_) | DraftError::BadRevisions(_) => {
                Self::new(StatusCode::BAD_REQUEST, "doc_validation", reason)
            }
            DraftError::BadId => Self::illegal_id("Document id must be a string"),
            DraftError::Attachments => Self::bad_request(reason).forbidden(),
            DraftError::TooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "document_too_large", reason)
            }
            DraftError::BadJson | DraftError::NotAnObject | DraftError::BadRev => {
                Self::bad_request(reason)
            }
        }
    }
}

fn full(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage", error.to_string())
}
