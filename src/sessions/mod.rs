//! Ready-made sessions over wheels and filters.

mod backoff;
mod changes_feed;

pub use backoff::Backoff;
pub use changes_feed::{
    Change, ChangesFeed, Database, DatabaseUrlError, FeedError, FeedEvent, Reason, Seq,
};
