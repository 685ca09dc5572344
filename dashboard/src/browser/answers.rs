//! Sending an answer, with its metrics, its log line and the end of the connection.

use super::{Browser, Waits};
use crate::access_log::{AccessLog, LogLine, LoggedRequest};
use http::StatusCode;
use masque::filters::{Reply, Request, Response};
use masque::reactor::Cx;

impl Browser {
    /// Answers the current request.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, answer: impl Into<Reply>) {
        let answer = answer.into();
        if self.is_closing {
            self.close_after_answer(cx);
        }
        let (status, body_bytes) = match &answer {
            Reply::Whole(response) => (response.status(), response.body().len()),
            Reply::Prepared(prepared) => (prepared.status(), prepared.body_len()),
            Reply::Start(_) | Reply::Data(_) | Reply::End | Reply::Continue => {
                unreachable!("every caller passes a whole answer")
            }
        };
        self.site.metrics.answered(self.kind, status);
        self.log(cx, status, body_bytes as u64);
        self.waits = Waits::Nothing { answered: Some(cx.now()) };
        self.client.put(cx, answer);
    }

    /// Answers a malformed request and ends the connection, because the bytes after it have no
    /// known meaning.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, refusal: Response) {
        self.site.metrics.refused(refusal.status());
        self.log(cx, refusal.status(), refusal.body().len() as u64);
        self.client.put_last(cx, refusal);
    }

    /// Ends the connection after the current answer.
    pub(super) fn close_after_answer(&self, cx: &mut Cx<'_>) {
        if let Some(httpd) = self.client.filter_mut(cx) {
            httpd.close_after_answer();
        }
    }

    /// Stores what the access log needs of a request, if there is a log.
    pub(super) fn note(&mut self, cx: &mut Cx<'_>, request: Option<&Request>) {
        if self.site.access_log.is_some() {
            let peer = self.client.peer(cx);
            let entry = LoggedRequest::new(peer, cx.date(), request);
            self.extra.get_or_insert_default().entry = Some(entry);
        }
    }

    /// Logs the answer, if there is a log.
    pub(super) fn log(&mut self, cx: &mut Cx<'_>, status: StatusCode, body_bytes: u64) {
        let entry = self.extra.as_mut().and_then(|extra| extra.entry.take());
        if let (Some(log), Some(entry)) = (self.site.access_log, entry) {
            self.drop_empty_extra();
            let line = LogLine { entry, status: status.as_u16(), body_bytes };
            if let Err(error) = cx.call(log, AccessLog::WRITE, line) {
                log::debug!("{error}");
            }
        }
    }

    pub(super) fn drop_empty_extra(&mut self) {
        self.extra.take_if(|extra| extra.entry.is_none() && extra.reads.is_empty());
    }
}
