//! Saving checkpoints, now and then and at the end.

use super::checkpoint_file::{CheckpointFile, Writer};
use super::{ChangesFeed, Start};
use crate::limits::CHECKPOINT_PAUSE;
use crate::reactor::Cx;
use couch_feed::{FeedOptions, Follower};
use std::io;

/// Where checkpoints are saved.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// Until the session starts.
    pub(super) file: Option<CheckpointFile>,
    writer: Option<Writer>,
    is_due: bool,
    /// True if it was reported that a checkpoint could not be written.
    is_failing: bool,
}

impl ChangesFeed {
    pub(super) fn save_soon(&mut self, cx: &mut Cx<'_>) {
        if self.saving.writer.is_some() && !std::mem::replace(&mut self.saving.is_due, true) {
            cx.delay(Self::SAVE, CHECKPOINT_PAUSE, ());
        }
    }

    /// Has the checkpoint written if it has moved. One is written at a time; moves until then are
    /// written together.
    pub(super) fn save(&mut self, cx: &mut Cx<'_>, (): ()) {
        let checkpoint = self.follower().and_then(Follower::checkpoint);
        let Saving { writer: Some(writer), is_due, is_failing, .. } = &mut self.saving else {
            return;
        };
        *is_due = false;
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
            self.unsaved(cx, error);
        }
    }

    pub(super) fn unsaved(&mut self, cx: &mut Cx<'_>, error: io::Error) {
        self.drive(cx, |follower, now| follower.handle_unsaved(now, error));
    }

    /// Starts the thread that writes checkpoints, and makes the options start where the file says.
    pub(super) fn open_file(&mut self, options: &mut FeedOptions) -> Option<io::Error> {
        let file = self.saving.file.take()?;
        if let Some(checkpoint) = file.checkpoint() {
            options.start_at(Start::Checkpoint(checkpoint.clone()));
        }
        match Writer::start(file) {
            Ok(writer) => self.saving.writer = Some(writer),
            Err(error) => return Some(error),
        }
        None
    }

    /// Writes the last checkpoint and waits for it.
    pub(super) fn save_at_last(&mut self) {
        let checkpoint = self.follower().and_then(Follower::checkpoint);
        if let Some(mut writer) = self.saving.writer.take() {
            if let Some(checkpoint) = checkpoint {
                writer.write(checkpoint);
            }
            if let Err(error) = writer.finish() {
                log::error!("the checkpoint of {} is not written: {error}", self.database);
            }
        }
    }
}
