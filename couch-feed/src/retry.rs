//! When a lost feed is tried again.

use crate::error::FeedError;
use crate::limits::{
    LOGIN_RETRY_CAP, LOGIN_RETRY_MIN, PAUSE_MIN, PERMANENT_RETRY_MIN, RETRY_CAP, RETRY_CAP_MIN,
    RETRY_FIRST, STUCK_TIMES,
};
use crate::row::Seq;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The pauses of a feed, and what decides whether there is another try.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The most losses in a row that are followed by another try.
    pub(crate) limit: u32,
    pub(crate) condition: fn(&FeedError) -> bool,
    pub(crate) cap: Duration,
    /// After a loss.
    pub(crate) losses: Pauses,
    /// After a feed ended at once in good order.
    pub(crate) ends: Pauses,
    /// After the credentials were rejected.
    logins: Pauses,
    /// The end of the last pause of these.
    login_due: Option<Instant>,
    /// True if a login was renewed since the last loss.
    pub(crate) is_login_renewed: bool,
    stuck: Stuck,
}

/// The last failure, and how often it happened at the same sequence.
#[derive(Debug, Default)]
struct Stuck {
    what: String,
    times: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            limit: u32::MAX,
            condition: |_| true,
            cap: RETRY_CAP,
            losses: Pauses::new(RETRY_FIRST, RETRY_CAP),
            ends: Pauses::new(RETRY_FIRST, RETRY_CAP),
            logins: Pauses::new(2 * LOGIN_RETRY_MIN, LOGIN_RETRY_CAP),
            login_due: None,
            is_login_renewed: false,
            stuck: Stuck::default(),
        }
    }
}

impl Retry {
    /// Makes the random parts of all pauses repeatable.
    pub(crate) fn seed(&mut self, seed: u64) {
        for pauses in [&mut self.losses, &mut self.ends, &mut self.logins] {
            pauses.seed(seed);
        }
    }

    /// Limits the pauses after a loss.
    pub(crate) fn set_cap(&mut self, cap: Duration) {
        self.cap = cap.max(RETRY_CAP_MIN);
        self.losses = Pauses::new(RETRY_FIRST.min(self.cap), self.cap);
    }

    /// Returns true if there is another try after `why`, the last of so many losses in a row.
    pub(crate) fn allows(&self, why: &FeedError, losses: u32) -> bool {
        losses <= self.limit && (self.condition)(why)
    }

    /// The pause after a loss. An end in good order has pauses of its own, of at most `heartbeat`:
    /// a node in maintenance mode may send new rows each time, and these restart the other pauses.
    pub(crate) fn pause(&mut self, why: &FeedError, heartbeat: Duration, now: Instant) -> Duration {
        let mut pause = self.losses.next_pause();
        // A missing database may be created at any moment, and asking for it is no failed login.
        if why.is_permanent() && !matches!(why, FeedError::NoDatabase(_)) {
            // Slow, but not the same for all clients.
            pause = (self.cap / 2 + pause / 2).max(PERMANENT_RETRY_MIN);
        }
        if let FeedError::Ended { .. } = why {
            pause = pause.max(self.ends.next_pause().min(heartbeat).min(self.cap));
        }
        pause.max(self.login_pause(now)).max(why.retry_after().unwrap_or_default())
    }

    /// The server has rejected the credentials. They are not sent again for some time, because each
    /// rejection counts towards a lock-out.
    pub(crate) fn login_rejected(&mut self, now: Instant) {
        self.login_due = Some(now + self.logins.next_pause());
    }

    /// The server has accepted the credentials. Soon after a rejection that proves little, because
    /// other nodes of a cluster may not agree.
    pub(crate) fn login_accepted(&mut self, now: Instant) {
        if self.login_pause(now).is_zero() {
            self.logins.reset();
        }
    }

    /// How long the credentials should not be sent.
    pub(crate) fn login_pause(&self, now: Instant) -> Duration {
        self.login_due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// The feed works: the next loss is the first of a series.
    pub(crate) fn proven(&mut self) {
        self.losses.reset();
        self.stuck = Stuck::default();
        self.is_login_renewed = false;
    }

    /// Counts the same failure at the same sequence. Returns the count if it should be reported.
    pub(crate) fn count_stuck(
        &mut self,
        why: &FeedError,
        since: Option<&Seq>,
        was_proven: bool,
    ) -> Option<u32> {
        if why.is_transport() && was_proven {
            self.stuck = Stuck::default(); // the feed worked, and then the network failed
            return None;
        }
        if matches!(why, FeedError::Connect(_)) {
            return None; // there is no server that could fail
        }
        let what = format!("{} at {since:?}", why.kind());
        if self.stuck.what == what {
            self.stuck.times += 1;
        } else {
            self.stuck = Stuck { what, times: 1 };
        }
        let times = self.stuck.times;
        let is_due = times.is_multiple_of(STUCK_TIMES) && (times / STUCK_TIMES).is_power_of_two();
        is_due.then_some(times)
    }
}

/// Pauses that double up to a cap: half of each is fixed, and a random part of the other half is
/// added (equal jitter).
///
/// The random part is drawn once for a series of failures. So a pause is never shorter than the one
/// before it, and the distance between two clients that lost the same server grows with each try.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    first: Duration,
    cap: Duration,
    tries: u32,
    random: u64,
}

impl Pauses {
    /// The first pause is between half of `first` and all of it. No pause is longer than `cap`.
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        let mut pauses = Pauses { first, cap, tries: 0, random: 0 };
        pauses.seed(RandomState::new().hash_one(0_u8));
        pauses
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        // Similar seeds must not give similar numbers, and xorshift never leaves zero.
        self.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        self.draw();
    }

    /// Draws the random part of the next series.
    fn draw(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
    }

    pub(crate) fn next_pause(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.tries).map(|factor| self.first.saturating_mul(factor));
        let half = doubled.map_or(self.cap, |doubled| doubled.min(self.cap)) / 2;
        self.tries = self.tries.saturating_add(1);
        // The upper 53 bits as a fraction of one, which is what an f64 can hold.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        half.saturating_add(half.mul_f64(fraction)).max(PAUSE_MIN)
    }

    /// The number of pauses since the last reset.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// Starts a new series.
    pub(crate) fn reset(&mut self) {
        if self.tries > 0 {
            self.tries = 0;
            self.draw();
        }
    }
}
