//! What a test's own thread logs, as a program would see it that logs everything.

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;

thread_local! {
    /// The records of a thread that has asked for them.
    static RECORDS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The logger of the whole program, because there can be only one. Threads that do not use it cost
/// nothing.
struct Records;

impl Log for Records {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        RECORDS.with_borrow(Option::is_some)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let shown = format!("{} {}: {}", record.level(), record.target(), record.args());
            RECORDS.with_borrow_mut(|records| records.as_mut().map(|all| all.push(shown)));
        }
    }

    fn flush(&self) {}
}

/// Everything that `work` logs in this thread, at whatever level.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<String> {
    let _ = log::set_logger(&Records); // another test may have done so
    log::set_max_level(LevelFilter::Trace);
    RECORDS.set(Some(vec![]));
    work();
    RECORDS.take().unwrap_or_default()
}
