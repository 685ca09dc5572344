//! The dashboard as its users meet it: the program itself, over real sockets.

mod command_line;
mod crowd;
mod ending;
mod files;
mod paths;
mod polls;
mod program;
mod servers;
mod trouble;
