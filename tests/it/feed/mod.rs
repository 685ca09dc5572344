//! The follower of a changes feed against servers that misbehave on purpose, on virtual time.

mod access;
mod bursts;
mod caught_up;
mod checkpoints;
mod counting;
mod framing;
mod held_back;
mod identity;
mod keepalive;
mod lockout;
mod long_rows;
mod losses;
mod modes;
mod odd_lines;
mod property;
mod purges;
mod recorded_answers;
mod recordings;
mod repeats;
mod retry;
mod rows;
mod rows_property;
mod secrets;
mod server;
mod slow;
mod stage;
mod start;
mod timeout;
mod wrong_documents;

use server::{
    Act, Asked, beats, begin, chunk, end, info, json, nothing_more, revision, row, unannounced,
};
use stage::Stage;
