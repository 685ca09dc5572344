//! What a server lets a client ask for, and how long it waits.

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

/// Bounds of a connection, shared by all connections of a server.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) head: usize,
    pub(super) target: usize,
    pub(super) headers: usize,
    /// The fields that a session looks at; `None`: it may look at all.
    fields: Option<Kept>,
    /// Those that it looks at instead where the path begins so.
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
    /// The fields that are kept of a request for `path`; `None`: all.
    pub(super) fn kept(&self, path: &str) -> Option<&Kept> {
        let under = self.fields_under.iter().find(|(prefix, _)| path.starts_with(&**prefix));
        under.map(|(_, kept)| kept).or(self.fields.as_ref())
    }

    /// Whether few fields of most requests are kept.
    pub(super) fn keeps_few(&self) -> bool {
        self.fields.is_some()
    }

    /// The time for a body of which so much has come.
    pub(super) fn body_time(&self, received: usize) -> Duration {
        let rate = u64::from(self.body_bytes_per_s.max(1));
        let earned = Duration::from_millis((received as u64).saturating_mul(1000) / rate);
        self.body_time.saturating_add(earned)
    }
}

/// Limits; each has its default, with the reason, in [`crate::limits`]. A time of
/// [`Duration::MAX`] is for ever.
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

    /// Keeps these fields of a request alone; the others are read past, which is the better part of
    /// what a browser's head costs. They are checked as ever, and those that say how a request is
    /// framed are heeded. Names are in any case.
    pub fn with_fields(self, names: &[&str]) -> Self {
        self.with(|limits| limits.fields = Some(Kept::of(names)))
    }

    /// Keeps these fields in place of [`with_fields`](Httpd::with_fields)'s where a request's path
    /// begins with `prefix`: a route that looks at more than the others does not cost them
    /// anything. The path is compared as it was sent, not decoded, and a prefix may end within a
    /// segment. The first prefix that fits counts. O(prefixes) for each request.
    pub fn with_fields_under(self, prefix: &str, names: &[&str]) -> Self {
        self.with(|limits| limits.fields_under.push((prefix.into(), Kept::of(names))))
    }

    /// Refuses bodies of more than `bytes` with 413: at once when the head announces more.
    pub fn with_body_max(self, bytes: usize) -> Self {
        self.with(|limits| limits.body = bytes)
    }

    /// Closes a connection after its `count`th answer; without this there may be any number.
    pub fn with_requests_max(self, count: u32) -> Self {
        self.with(|limits| limits.requests = count)
    }

    /// Waits so long for a head: from its first byte, or from the beginning of the connection. Then
    /// comes 408, or just the end when not a byte has come.
    pub fn with_head_time(self, time: Duration) -> Self {
        self.with(|limits| limits.head_time = time)
    }

    /// Waits so long for a body, and a second more for each
    /// [`with_body_rate`](Httpd::with_body_rate) that has come. Then comes 408.
    pub fn with_body_time(self, time: Duration) -> Self {
        self.with(|limits| limits.body_time = time)
    }

    /// Has each `bytes_per_s` of a body that have come earn it a second.
    pub fn with_body_rate(self, bytes_per_s: u32) -> Self {
        self.with(|limits| limits.body_bytes_per_s = bytes_per_s)
    }

    /// Closes a connection that is idle so long after an answer.
    pub fn with_idle_time(self, time: Duration) -> Self {
        self.with(|limits| limits.idle_time = time)
    }

    /// When a client counts as one that does not read.
    ///
    /// # Panics
    /// When `low` is not less than `high`.
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
