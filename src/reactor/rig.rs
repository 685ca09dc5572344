//! A rig: a kernel on virtual time and a network in memory, for tests.

use crate::deadline::Deadline;
use crate::reactor::config::Limits;
use crate::reactor::ids::WheelToken;
use crate::reactor::kernel::{Kernel, Wait};
use crate::reactor::net::{Endpoint, Memory, Net};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant, SystemTime};

/// Drives a [`Kernel`] on virtual time: hours take milliseconds.
///
/// Time does not pass while there is work. Then it jumps to the next timer, so a scenario is the
/// same in each run. Sessions listen and connect as on the system. Every address is free, because
/// each rig has its own network. A rig dereferences to its kernel.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Rig, Session};
/// use std::time::Duration;
///
/// struct Clock { ticks: u32 }
///
/// impl Clock {
///     const TICK: Event<()> = Event::new("clock.tick");
///     const TICKS: Event<(), u32> = Event::new("clock.ticks");
///
///     fn tick(&mut self, cx: &mut Cx<'_>, (): ()) {
///         self.ticks += 1;
///         cx.delay(Self::TICK, Duration::from_secs(1), ());
///     }
/// }
///
/// impl Session for Clock {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::TICK, Self::tick).on(Self::TICKS, |clock, _, ()| clock.ticks);
///     }
///     fn started(&mut self, cx: &mut Cx<'_>) {
///         cx.delay(Self::TICK, Duration::from_secs(1), ());
///     }
/// }
///
/// let mut rig = Rig::new();
/// let clock = rig.spawn(Clock { ticks: 0 });
/// rig.run_for(Duration::from_secs(3600));
/// assert_eq!(rig.call(clock, Clock::TICKS, ()), Ok(3600));
/// ```
#[derive(Debug)]
pub struct Rig {
    kernel: Kernel,
    network: Memory,
    start: Instant,
}

impl Rig {
    /// A rig with the limits of [`Limits::default`].
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A rig with these limits.
    pub fn with_limits(limits: Limits) -> Self {
        // The start of virtual time makes no difference, so it is now.
        let start = super::driver::clock();
        let network = Memory::default();
        let kernel = Kernel::on(Net::Memory(network.clone()), start, limits);
        Rig { kernel, network, start }
    }

    /// The virtual time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.now() - self.start
    }

    /// Sets the addresses of a host name in this network.
    pub fn name(&mut self, host: &str, addresses: &[IpAddr]) {
        self.network.name(host, addresses);
    }

    /// Makes an endpoint neither accept nor refuse connections, like a host that is switched off.
    pub fn silence(&mut self, endpoint: impl Into<Endpoint>) {
        self.network.silence(endpoint.into());
    }

    /// Runs until `time` has passed. With [`Duration::MAX`] it is the same as [`run`](Rig::run).
    pub fn run_for(&mut self, time: Duration) {
        let end = Deadline::after(self.now(), time);
        while let Some(due) = self.settle()
            && !end.is_before(due)
        {
            self.kernel.advance(due);
        }
        if let Some(end) = end.instant() {
            self.kernel.advance(end);
        }
    }

    /// Runs until no session is left, or no event can occur any more. Returns true if no session is
    /// left.
    pub fn run(&mut self) -> bool {
        while let Some(due) = self.settle() {
            self.kernel.advance(due);
        }
        self.kernel.next_wait() == Wait::Done
    }

    /// Runs everything that can happen without time passing. Returns when the next timer is due.
    pub fn settle(&mut self) -> Option<Instant> {
        loop {
            for (token, ready) in self.network.take_ready() {
                self.kernel.wake_wheel(WheelToken::of_token(token), ready);
            }
            self.kernel.date = SystemTime::UNIX_EPOCH + self.elapsed();
            let next = match self.kernel.turn(self.now()) {
                Wait::Poll => continue,
                Wait::Until(due) if due <= self.now() => continue,
                Wait::Until(due) => Some(due),
                Wait::Forever | Wait::Done => None,
            };
            if !self.network.is_ready() {
                return next;
            }
        }
    }
}

impl Default for Rig {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Rig {
    type Target = Kernel;

    fn deref(&self) -> &Kernel {
        &self.kernel
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Kernel {
        &mut self.kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{Cx, Event, Handlers, Session};

    const RING: Event<()> = Event::new("bell.ring");

    /// Rings after a second, once.
    struct Bell;

    impl Session for Bell {
        fn events(on: &mut Handlers<Self>) {
            on.on(RING, |_, _, ()| ());
        }

        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.delay(RING, Duration::from_secs(1), ());
        }
    }

    #[test]
    fn what_starts_between_turns_counts_from_then() {
        let mut rig = Rig::new();
        rig.run_for(Duration::from_millis(700));
        rig.spawn(Bell);
        rig.run_for(Duration::from_millis(999));
        assert_eq!(rig.stats().timers, 1, "it rings early");
        rig.run_for(Duration::from_millis(1));
        assert_eq!(rig.stats().timers, 0);
    }
}
