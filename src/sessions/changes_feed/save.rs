//! Keeping the checkpoint on the disk, now and then and at the end.

use super::ChangesFeed;
use super::checkpoint_file::Writer;
use super::event::FeedEvent;
use super::rows::Rows;
use crate::limits::CHECKPOINT_PAUSE;
use crate::reactor::Cx;
use std::sync::Arc;

impl ChangesFeed {
    /// Starts what writes the checkpoints.
    pub(super) fn start_saving(&mut self, cx: &mut Cx<'_>) {
        let Some(rows) = self.subject.rows_mut() else { return };
        match rows.file.take().map(Writer::start) {
            Some(Ok(writer)) => rows.writer = Some(writer),
            Some(Err(error)) => self.tell(cx, FeedEvent::Unsaved(Arc::new(error))),
            None => {}
        }
    }

    /// Has the checkpoint written after the pause, with what is handled until then.
    pub(super) fn save_soon(&mut self, cx: &mut Cx<'_>) {
        if let Some(rows) = self.subject.rows_mut()
            && rows.writer.is_some()
            && !std::mem::replace(&mut rows.is_save_due, true)
        {
            cx.delay(Self::SAVE, CHECKPOINT_PAUSE, ());
        }
    }

    /// Has the checkpoint written if it has moved, one at a time: what comes meanwhile waits here,
    /// and of that the newest is written.
    pub(super) fn save(&mut self, cx: &mut Cx<'_>, (): ()) {
        let checkpoint = self.checkpoint();
        let Some(rows) = self.subject.rows_mut() else { return };
        let Rows { writer: Some(writer), is_save_due, is_failing, .. } = rows else {
            return;
        };
        *is_save_due = false;
        let mut failure = None;
        match writer.outcome() {
            Some(Ok(())) => *is_failing = false,
            Some(Err(error)) => {
                failure = Some(error).filter(|_| !std::mem::replace(is_failing, true));
            }
            None => {}
        }
        if let Some(checkpoint) = checkpoint
            && !writer.is_busy()
        {
            writer.write(checkpoint);
        }
        if writer.is_busy() {
            self.save_soon(cx);
        }
        if let Some(error) = failure {
            self.tell(cx, FeedEvent::Unsaved(Arc::new(error)));
        }
    }

    /// Writes what is not written yet and waits for it, for this is the end.
    pub(super) fn save_at_last(&mut self) {
        let checkpoint = self.checkpoint();
        if let Some(rows) = self.subject.rows_mut()
            && let Some(mut writer) = rows.writer.take()
        {
            if let Some(checkpoint) = checkpoint {
                writer.write(checkpoint);
            }
            if let Err(error) = writer.finish() {
                log::error!("the checkpoint of {} is not written: {error}", self.database);
            }
        }
    }
}
