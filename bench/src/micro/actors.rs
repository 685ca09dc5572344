//! The same with actix, whose actors are a runtime's tasks.

use super::messages::WATCHERS;
use super::sessions::BATCH;
use super::{Batch, Random};
use actix::{Actor, Addr, Context, Handler, Message, Recipient};
use std::hint::black_box;

struct Adder {
    sum: u64,
}

impl Actor for Adder {
    type Context = Context<Self>;
}

#[derive(Clone, Copy)]
struct Add(u64);

impl Message for Add {
    type Result = ();
}

impl Handler<Add> for Adder {
    type Result = ();

    fn handle(&mut self, Add(number): Add, _: &mut Self::Context) {
        self.sum += black_box(number);
    }
}

struct Sum;

impl Message for Sum {
    type Result = u64;
}

impl Handler<Sum> for Adder {
    type Result = u64;

    fn handle(&mut self, _: Sum, _: &mut Self::Context) -> u64 {
        self.sum
    }
}

/// Adders in a system of their own.
fn adders(count: usize) -> (actix::SystemRunner, Vec<Addr<Adder>>) {
    let system = actix::System::new();
    let adders = system.block_on(async { (0..count).map(|_| Adder { sum: 0 }.start()).collect() });
    (system, adders)
}

pub(super) fn post() -> Batch {
    let (system, adders) = adders(1);
    Box::new(move || {
        system.block_on(async {
            for number in 0..1000 {
                adders[0].do_send(Add(number));
            }
            adders[0].send(Sum).await.expect("it is there");
        });
    })
}

pub(super) fn call() -> Batch {
    let (system, adders) = adders(1);
    Box::new(move || {
        system.block_on(async {
            for _ in 0..1000 {
                black_box(adders[0].send(Sum).await.expect("it is there"));
            }
        });
    })
}

pub(super) fn notify() -> Batch {
    let (system, adders) = adders(WATCHERS);
    let watchers: Vec<Recipient<Add>> =
        adders.iter().map(|adder| adder.clone().recipient()).collect();
    Box::new(move || {
        system.block_on(async {
            for watcher in &watchers {
                watcher.do_send(Add(1));
            }
            let last = adders.last().expect("there are many");
            last.send(Sum).await.expect("it is there");
        });
    })
}

pub(super) fn start() -> Batch {
    let (system, _) = adders(0);
    let mut numbers = Random(1);
    Box::new(move || {
        system.block_on(async {
            for _ in 0..BATCH {
                // Without an address, an actor ends as soon as it is looked at.
                drop(Adder { sum: numbers.below(10) }.start());
            }
            // The last one's turn comes behind all others'.
            let last = Adder { sum: 0 }.start();
            last.send(Sum).await.expect("it is there");
        });
    })
}
