//! The dashboard as its users meet it: the program itself, over real sockets.

mod access_log;
mod activation;
mod blocked;
mod caching;
mod command_line;
mod crowd;
mod departures;
mod ending;
mod events;
mod files;
mod paths;
mod polls;
mod program;
mod relay;
mod replicator;
mod servers;
mod signals;
mod starved;
mod tools;
mod trouble;
mod watching;
