//! The reactor: a kernel with the system's clock, sockets and signals.

use crate::limits::POLL_EVENTS_MAX;
use crate::reactor::config::Limits;
use crate::reactor::ids::WheelToken;
use crate::reactor::kernel::{Kernel, Wait};
use crate::reactor::net::{Net, Readiness, SIGNALS, Sockets, WAKER};
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant, SystemTime};

/// Runs a [`Kernel`] on the system: POE's loop.
///
/// Only the reactor reads the clock and waits. A process may have several, each in its own thread.
/// A reactor dereferences to its kernel, for `spawn`, `post`, `call` and `stop` between turns.
///
/// ```
/// use masque::reactor::{Cx, Event, Handlers, Reactor, Session};
///
/// struct Hello;
///
/// impl Hello {
///     const GREET: Event<&'static str> = Event::new("hello.greet");
/// }
///
/// impl Session for Hello {
///     fn events(on: &mut Handlers<Self>) {
///         on.on(Self::GREET, |_, _, who| println!("hello, {who}"));
///     }
///     fn started(&mut self, cx: &mut Cx<'_>) {
///         cx.yield_now(Self::GREET, "world");
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::new()?;
/// reactor.spawn(Hello);
/// reactor.run() // returns when no session is left
/// # }
/// ```
#[derive(Debug)]
pub struct Reactor {
    kernel: Kernel,
    poll: mio::Poll,
    events: mio::Events,
    /// When the latest turn began, if its time has not been recorded yet.
    turned: Option<Instant>,
}

impl Reactor {
    /// A reactor with the limits of [`Limits::default`].
    pub fn new() -> io::Result<Self> {
        Self::with_limits(Limits::default())
    }

    /// A reactor with limits of its own.
    pub fn with_limits(limits: Limits) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let net = Net::System(Sockets::new(poll.registry())?);
        let mut kernel = Kernel::on(net, clock(), limits);
        kernel.date = SystemTime::now();
        let events = mio::Events::with_capacity(POLL_EVENTS_MAX);
        Ok(Reactor { kernel, poll, events, turned: None })
    }

    /// Runs until no session is left. It can be called again, with new sessions.
    ///
    /// # Errors
    /// A [`RunError`](super::RunError) if an [essential](super::Cx::mark_essential) session
    /// panicked: all sessions have been stopped then. Other errors are those of the system's poll,
    /// such as a lack of memory. Errors of sockets are events.
    pub fn run(&mut self) -> io::Result<()> {
        self.turned = None; // the time between two runs belongs to no turn
        while self.turn(None)? {}
        Ok(())
    }

    /// Waits for readiness or a timer, at most for `at_most`, then runs one turn. Returns false if
    /// no session is left. It is for programs with their own loop (POE's `run_one_timeslice`). The
    /// time between two turns counts as a part of the first, because sessions wait during that time
    /// too.
    ///
    /// # Errors
    /// Like [`run`](Reactor::run).
    pub fn turn(&mut self, at_most: Option<Duration>) -> io::Result<bool> {
        let now = clock();
        // One reading of the clock serves both: the end of the last turn and the start of the wait.
        if let Some(began) = self.turned.take() {
            self.kernel.measured(now - began);
        }
        let wait = match self.kernel.next_wait() {
            Wait::Done => return self.done(),
            Wait::Poll => Some(Duration::ZERO),
            Wait::Until(due) => Some(due.saturating_duration_since(now)),
            Wait::Forever => None,
        };
        let timeout = match (wait, at_most) {
            (Some(wait), Some(most)) => Some(wait.min(most)),
            (wait, most) => wait.or(most),
        };
        let tidy = self.kernel.bursts.due().map(|due| due.saturating_duration_since(now));
        let timeout =
            tidy.map_or(timeout, |tidy| Some(timeout.map_or(tidy, |time| time.min(tidy))));
        self.wait(timeout)?;
        let now = clock();
        if self.kernel.is_timer_due(now) {
            self.take_all_ready()?;
        }
        self.kernel.date = SystemTime::now();
        self.turned = Some(now);
        match self.kernel.turn(now) {
            Wait::Done => self.done(),
            _ => Ok(true),
        }
    }

    /// Collects all readiness without waiting, so that bytes which came before a timer was due are
    /// read before it fires. The process may have been suspended since the last poll, and one poll
    /// reports at most [`POLL_EVENTS_MAX`] sockets.
    ///
    /// A system reports each ready socket before it reports one again, so the number of wheels
    /// bounds the number of polls.
    ///
    /// Cost: a system call (some 0.1 µs) in a turn that fires a timer.
    fn take_all_ready(&mut self) -> io::Result<()> {
        let polls = 1 + self.kernel.wheels.len() / self.events.capacity();
        for _ in 0..polls {
            if !self.wait(Some(Duration::ZERO))? {
                break;
            }
        }
        Ok(())
    }

    /// No session is left: an error if an essential one has panicked.
    fn done(&mut self) -> io::Result<bool> {
        self.kernel.take_failure().map_or(Ok(false), |error| Err(io::Error::other(error)))
    }

    /// Waits for readiness and wakes the wheels that are ready. Returns true if more may be ready
    /// than one poll can report. If a signal interrupts the wait, the driver polls again without
    /// waiting, because an interrupted wait does not report readiness.
    fn wait(&mut self, mut timeout: Option<Duration>) -> io::Result<bool> {
        if timeout != Some(Duration::ZERO) && !self.kernel.releases.fall_asleep() {
            timeout = Some(Duration::ZERO);
        }
        let polled = loop {
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    timeout = Some(Duration::ZERO);
                }
                polled => break polled,
            }
        };
        self.kernel.releases.wake_up();
        polled?;
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                WAKER => self.kernel.take_lookups(),
                SIGNALS => self.kernel.take_signals(),
                token => {
                    let wheel = WheelToken::of_token(token.0);
                    self.kernel.wake_wheel(wheel, readiness(event));
                }
            }
        }
        Ok(count == self.events.capacity())
    }
}

impl Deref for Reactor {
    type Target = Kernel;

    fn deref(&self) -> &Kernel {
        &self.kernel
    }
}

/// Moves the kernel's time to now first, so that timers set between turns count from now.
impl DerefMut for Reactor {
    fn deref_mut(&mut self) -> &mut Kernel {
        self.kernel.advance(clock());
        &mut self.kernel
    }
}

/// Reads the system's clock. Nothing else in the library does.
pub(super) fn clock() -> Instant {
    Instant::now()
}

/// An error or a hang-up is found by reading or writing, so it makes a socket ready for both.
fn readiness(event: &mio::event::Event) -> Readiness {
    let mut ready = Readiness::default();
    if event.is_readable() {
        ready = ready | Readiness::READABLE;
    }
    if event.is_writable() {
        ready = ready | Readiness::WRITABLE;
    }
    if event.is_read_closed() {
        ready = ready | Readiness::READABLE | Readiness::HANGUP;
    }
    if event.is_error() || event.is_write_closed() {
        ready = ready | Readiness::READABLE | Readiness::WRITABLE | Readiness::HANGUP;
    }
    if event.is_error() {
        ready = ready | Readiness::FAILED;
    }
    ready
}

impl Kernel {
    /// Returns true if a turn at `now` would fire a timer.
    fn is_timer_due(&self, now: Instant) -> bool {
        let now = self.nanos(now);
        self.timers.first().is_some_and(|first| first.due <= now)
    }

    /// Counts the time of a turn.
    fn measured(&mut self, turn: Duration) {
        let nanos = u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX);
        self.stats.turn_time.record(nanos);
    }

    fn take_lookups(&mut self) {
        let mut ended = vec![];
        if let Net::System(sockets) = &mut self.net {
            sockets.take_lookups(|token| ended.push(WheelToken::of_token(token)));
        }
        for wheel in ended {
            self.wake_resolved(wheel);
        }
    }

    fn take_signals(&mut self) {
        let signals = match &mut self.net {
            Net::System(sockets) => sockets.take_signals(),
            Net::Memory(_) => vec![],
        };
        for signal in signals {
            self.raise(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::net::Socket;
    use crate::reactor::{Cx, Event, Handlers, Session, Wheel, WheelCx, WheelEvent};
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    /// More than two polls of this test report.
    const SOCKETS: usize = 7;

    /// Reports that its socket can be read.
    struct Reporter(
        #[expect(dead_code, reason = "it is there to be watched")] Socket,
        WheelEvent<()>,
    );

    impl Wheel for Reporter {
        fn ready(cx: &mut WheelCx<'_, '_, Self>, ready: Readiness) {
            if let Some(reporter) = cx.state()
                && ready.intersects(Readiness::READABLE)
            {
                let wheel_event = reporter.1;
                cx.deliver(wheel_event, ());
            }
        }
    }

    /// Has a timer that is due, and sockets that can be read.
    struct Watcher {
        sockets: Vec<UnixStream>,
        reports: usize,
        reports_before_timer: Option<usize>,
    }

    impl Watcher {
        const READABLE: Event<()> = Event::new("watcher.readable");
        const TIMER: Event<()> = Event::new("watcher.timer");
        const REPORTS: Event<(), Option<usize>> = Event::new("watcher.reports");
    }

    impl Session for Watcher {
        fn events(on: &mut Handlers<Self>) {
            on.on(Self::READABLE, |watcher, _, ()| watcher.reports += 1)
                .on(Self::TIMER, |watcher, _, ()| {
                    watcher.reports_before_timer = Some(watcher.reports);
                })
                .on(Self::REPORTS, |watcher, _, ()| watcher.reports_before_timer);
        }

        fn started(&mut self, cx: &mut Cx<'_>) {
            cx.delay(Self::TIMER, Duration::ZERO, ());
            let wheel_event = cx.wheel_event(Self::READABLE);
            for socket in self.sockets.drain(..) {
                let mut socket = Socket::try_from(socket).expect("it is open");
                cx.mount(|cx, id| {
                    id.register(cx, &mut socket)?;
                    Ok::<_, io::Error>(Reporter(socket, wheel_event))
                })
                .expect("the system watches it");
            }
        }
    }

    #[test]
    fn one_poll_reports_up_to_1024_sockets() {
        let reactor = Reactor::new().expect("the system has a poll");
        assert_eq!(reactor.events.capacity(), 1024);
    }

    #[test]
    fn a_timer_fired_before_sockets_that_were_ready_beyond_two_polls() {
        let pair = || UnixStream::pair().expect("there are descriptors");
        let (mut peers, sockets): (Vec<_>, Vec<_>) = (0..SOCKETS).map(|_| pair()).unzip();
        for peer in &mut peers {
            peer.write_all(b"x").expect("there is room");
        }
        for per_poll in [1, 2, 3, SOCKETS, SOCKETS + 1] {
            let mut reactor = Reactor::new().expect("the system has a poll");
            reactor.events = mio::Events::with_capacity(per_poll);
            let clone = |socket: &UnixStream| socket.try_clone().expect("there are descriptors");
            let sockets = sockets.iter().map(clone).collect();
            let watcher =
                reactor.spawn(Watcher { sockets, reports: 0, reports_before_timer: None });
            reactor.turn(Some(Duration::ZERO)).expect("the system polls");
            let reports = reactor.call(watcher, Watcher::REPORTS, ()).expect("it is there");
            assert_eq!(reports, Some(SOCKETS), "{per_poll} events in a poll");
        }
    }
}
