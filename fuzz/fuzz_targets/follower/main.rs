//! Whatever a server sends, for a feed or for what is asked before it, the follower neither panics
//! nor makes a storm; and it goes on when the server is well again, also if it is started anew from
//! its checkpoint. Of every change, no checkpoint passes a row that is not handled, and each
//! checkpoint is read as it was written.
#![no_main]

mod server;
mod watcher;
mod ways;

use libfuzzer_sys::fuzz_target;
use masque::couch_feed::limits::RETRY_AFTER_MAX;
use masque::reactor::Rig;
use masque::sessions::{FeedError, FeedEvent, TcpServer};
use server::{Script, Wire};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use watcher::{Seen, WORK_TIME, Watcher};
use ways::{How, Place};

fuzz_target!(|input: &[u8]| {
    let [bytes @ .., place, how, step] = input else { return };
    let place = Place(place ^ b'\n');
    let script = Script::new(&input[..bytes.len() + 2], (*step).max(1).into(), place);
    let script = Rc::new(RefCell::new(script));
    let mut rig = Rig::new();
    let server = script.clone();
    rig.spawn(TcpServer::new(("127.0.0.1", 5984)).serve(move |_| Wire(server.clone())));
    let seen = Rc::new(RefCell::new(Seen::default()));
    let how = How(how ^ b'\r');
    rig.spawn(Watcher::new(&seen, how, place));
    rig.run_for(Duration::from_secs(180));
    assert!(script.borrow().requests < 200, "a storm: {:?}", seen.borrow().events);
    for _ in 0..place.repeats() {
        if !seen.borrow().is_well {
            rig.run_for(RETRY_AFTER_MAX); // which the input may have asked for
        }
    }
    assert!(script.borrow().requests < 1000, "a storm: {:?}", seen.borrow().events);
    for _ in 0..10 {
        if seen.borrow().unhandled > 0 {
            rig.run_for(WORK_TIME); // some were told just now
        }
    }
    let seen = seen.borrow();
    if let Some((first, last)) = script.borrow().sent.filter(|_| place.repeats() > 1) {
        let is_storm = script.borrow().inputs > 10 && last - first < Duration::from_secs(2);
        assert!(!is_storm, "a storm: {:?}", seen.events);
    }
    assert!(seen.is_well, "it has not come back: {:?}", seen.events);
    if how.is_every() {
        let last = seen.last.as_ref().map(|checkpoint| checkpoint.seq.as_str());
        assert_eq!(last, Some("9-w"), "all is handled: {:?}", seen.events);
    }
    // The answers of a server that is well have an end, which is seen whatever fills the window.
    let is_silent = |event: &FeedEvent| match event {
        FeedEvent::Lost { why, .. } => matches!(**why, FeedError::Silent(_)),
        _ => false,
    };
    let was_silent = how.is_paged() && seen.events.iter().any(is_silent);
    assert!(!was_silent, "an answer had no end: {:?}", seen.events);
});
