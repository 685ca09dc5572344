//! The dashboard as its users meet it: the program itself, over real sockets.

mod access_log;
mod activation;
mod caching;
mod command_line;
mod crowd;
mod ending;
mod events;
mod files;
mod paths;
mod polls;
mod program;
mod replicator;
mod servers;
mod signals;
mod tools;
mod trouble;
mod watching;
