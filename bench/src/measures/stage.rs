//! One server with its feed and its browsers.

use super::Bench;
use crate::Failure;
use crate::account::Account;
use crate::contestants::{Contestant, Server};
use crate::feeder::Feeder;
use crate::load::{Again, Load, Round, Run};
use std::time::{Duration, Instant};

/// Everything that a measure needs of one contestant; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) feeder: Feeder,
    pub(super) load: Load,
    pub(super) account: Account,
    _server: Server,
}

/// The longest that a server may take to follow.
const FOLLOW: Duration = Duration::from_secs(10);

impl Stage {
    /// Starts a contestant and waits until it follows.
    pub(super) fn set(
        bench: &Bench,
        contestant: &Contestant,
        document_bytes: usize,
    ) -> Result<Self, Failure> {
        let feeder = Feeder::start(document_bytes)?;
        let server = contestant.start(&feeder.url(), bench.core, &bench.under)?;
        let begin = Instant::now();
        while feeder.followers() == 0 {
            if begin.elapsed() > FOLLOW {
                return Err(Failure("it does not follow the feed".into()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let account = server.account();
        account.settled()?;
        let load = Load::new(server.address, contestant.asking)?;
        Ok(Stage { feeder, load, account, _server: server })
    }

    /// Opens browsers, each with the newest document.
    pub(super) fn open(&mut self, count: usize) -> Result<(), Failure> {
        self.load.open(count, &self.feeder.document())
    }

    /// Parks all browsers but the first `from`.
    pub(super) fn park(&mut self, from: usize) -> Result<(), Failure> {
        self.load.park(from)?;
        self.account.settled()?;
        self.quiet()
    }

    /// One change, sent to all browsers, with the server's time until all browsers are parked
    /// again.
    pub(super) fn round(&mut self, again: Again) -> Result<(Round, Duration), Failure> {
        let before = self.account.settled()?;
        let change = self.feeder.prepare();
        let document = change.document.clone();
        let round = self.load.round(again, &document, || change.tell())?;
        let time = self.account.settled_since(before)?;
        self.quiet()?;
        Ok((round, time))
    }

    /// Requests of the browsers from this place on; with them, the server's time.
    pub(super) fn run(&mut self, from: usize, count: usize) -> Result<(Run, Duration), Failure> {
        let before = self.account.settled()?;
        let run = self.load.run(from, count, &self.feeder.document())?;
        Ok((run, self.account.settled_since(before)?))
    }

    /// No browser receives bytes that it has not asked for.
    fn quiet(&mut self) -> Result<(), Failure> {
        if self.load.is_quiet()? {
            return Ok(());
        }
        Err(Failure("a parked browser was answered, or its connection closed".into()))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.feeder.hang_up();
    }
}
