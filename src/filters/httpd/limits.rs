//! Limits of a server: sizes and times.

use super::{Httpd, Mode};
use crate::filters::head::Kept;
use crate::filters::{Marks, Stall};
use crate::limits::{
    HTTP_BODY_BYTES, HTTP_BODY_BYTES_PER_S, HTTP_BODY_TIME, HTTP_HEAD_BYTES, HTTP_HEAD_TIME,
    HTTP_HEADERS, HTTP_IDLE_TIME, HTTP_OUTPUT_HIGH, HTTP_OUTPUT_LOW, HTTP_STALL_TIME,
    HTTP_TARGET_BYTES,
};
use std::sync::Arc;
use std::time::Duration;

/// Limits of a connection, shared by all connections of a server.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) head: usize,
    pub(super) target: usize,
    pub(super) headers: usize,
    /// The fields that are kept; `None` keeps all.
    fields: Option<Kept>,
    /// For paths that begin with this prefix, other fields.
    fields_under: Vec<(Box<str>, Kept)>,
    pub(super) body: usize,
    pub(super) requests: u32,
    pub(super) head_time: Duration,
    pub(super) body_time: Duration,
    pub(super) body_bytes_per_s: u32,
    pub(super) idle_time: Duration,
    pub(super) stall: Stall,
}

static DEFAULT: Limits = Limits {
    head: HTTP_HEAD_BYTES,
    target: HTTP_TARGET_BYTES,
    headers: HTTP_HEADERS,
    fields: None,
    fields_under: vec![],
    body: HTTP_BODY_BYTES,
    requests: u32::MAX,
    head_time: HTTP_HEAD_TIME,
    body_time: HTTP_BODY_TIME,
    body_bytes_per_s: HTTP_BODY_BYTES_PER_S,
    idle_time: HTTP_IDLE_TIME,
    stall: Stall {
        marks: Marks { high: HTTP_OUTPUT_HIGH, low: HTTP_OUTPUT_LOW },
        time: HTTP_STALL_TIME,
    },
};

impl Limits {
    /// The fields that are kept of a request for `path`; `None` keeps all.
    pub(super) fn kept(&self, path: &str) -> Option<&Kept> {
        let under = self.fields_under.iter().find(|(prefix, _)| path.starts_with(&**prefix));
        under.map(|(_, kept)| kept).or(self.fields.as_ref())
    }

    /// Returns true if most requests keep only a few fields.
    pub(super) fn keeps_few(&self) -> bool {
        self.fields.is_some()
    }

    /// The time limit of a body of which `received` bytes have arrived.
    pub(super) fn body_time(&self, received: usize) -> Duration {
        let rate = u64::from(self.body_bytes_per_s.max(1));
        let earned = Duration::from_millis((received as u64).saturating_mul(1000) / rate);
        self.body_time.saturating_add(earned)
    }
}

/// Limits. [`crate::limits`] has each default, with its reason. A time of [`Duration::MAX`] means
/// forever.
impl<M: Mode> Httpd<M> {
    /// Refuses heads of more than `bytes` with 431.
    pub fn with_head_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.head = bytes)
    }

    /// Refuses request targets of more than `bytes` with 414.
    pub fn with_target_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.target = bytes)
    }

    /// Refuses heads of more than `count` fields with 431.
    pub fn with_headers_max(self, count: usize) -> Self {
        self.with(|limits| limits.headers = count)
    }

    /// Keeps only these fields of a request. The others are skipped, which saves most of the cost
    /// of a browser's head. They are still checked, and the fields that frame the request still
    /// apply. Names may be in upper or lower case.
    pub fn with_fields(self, names: &[&str]) -> Self {
        self.with(|limits| limits.fields = Some(Kept::of(names)))
    }

    /// Keeps these fields instead of those of [`with_fields`](Httpd::with_fields) if a request's
    /// path begins with `prefix`, so that a route that needs more fields costs the others nothing.
    /// The path is compared as it was sent, not decoded, and a prefix may end within a segment. The
    /// first prefix that matches applies. O(prefixes) for each request.
    pub fn with_fields_under(self, prefix: &str, names: &[&str]) -> Self {
        self.with(|limits| limits.fields_under.push((prefix.into(), Kept::of(names))))
    }

    /// Refuses bodies of more than `bytes` with 413, at once if the head announces more.
    pub fn with_body_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.body = bytes)
    }

    /// Closes a connection after `count` answers. By default there is no limit.
    pub fn with_requests_max(self, count: u32) -> Self {
        self.with(|limits| limits.requests = count)
    }

    /// Sets the time limit of a head, from its first byte or from the beginning of the connection.
    /// After it the answer is 408, or none if no byte has arrived.
    pub fn with_head_time(self, time: Duration) -> Self {
        self.with(|limits| limits.head_time = time)
    }

    /// Sets the time limit of a body. Each [`with_body_rate`](Httpd::with_body_rate) bytes that
    /// arrive add a second. After it the answer is 408.
    pub fn with_body_time(self, time: Duration) -> Self {
        self.with(|limits| limits.body_time = time)
    }

    /// Sets the number of bytes of a body that add a second to its time limit.
    pub fn with_body_rate(self, bytes_per_s: u32) -> Self {
        self.with(|limits| limits.body_bytes_per_s = bytes_per_s)
    }

    /// Closes a connection that has been idle for `time` after an answer.
    pub fn with_idle_time(self, time: Duration) -> Self {
        self.with(|limits| limits.idle_time = time)
    }

    /// Sets when a client counts as one that does not read.
    ///
    /// # Panics
    /// If `low` is not less than `high`.
    #[track_caller]
    pub fn with_stall(self, stall: Stall) -> Self {
        assert!(
            stall.marks.low < stall.marks.high,
            "the low mark must be below the high mark: {stall:?}"
        );
        self.with(|limits| limits.stall = stall)
    }

    pub(super) fn limits(&self) -> &Limits {
        self.limits.as_deref().unwrap_or(&DEFAULT)
    }

    fn with(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        set(Arc::make_mut(self.limits.get_or_insert_with(|| Arc::new(DEFAULT.clone()))));
        self
    }
}
