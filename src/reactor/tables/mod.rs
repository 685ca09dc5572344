//! The kernel's tables: plain data with methods. They know neither the kernel nor a handler's
//! context, and each can be tested by itself.

pub(in crate::reactor) mod arena;
pub(in crate::reactor) mod queue;
pub(in crate::reactor) mod slots;
pub(in crate::reactor) mod timers;
pub(in crate::reactor) mod topics;
pub(in crate::reactor) mod wheels;
