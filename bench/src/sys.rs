//! The few system calls that the standard library has no words for.

use crate::Failure;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// The cores that this process may run on.
pub fn cores() -> Vec<usize> {
    // SAFETY: a cpu_set_t is plain bits, and the kernel writes no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return vec![];
        }
        let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
        (0..most).filter(|core| libc::CPU_ISSET(*core, &set)).collect()
    }
}

/// Keeps this thread, and the threads and programs that it starts, on one core.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: as above; the set is only read.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        checked(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set))?;
    }
    Ok(())
}

/// Has this process killed when the one that started it ends, however that ends.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: no memory is involved.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    Ok(())
}

/// Asks a process to end.
pub fn terminate(process: u32) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(process.cast_signed(), libc::SIGTERM) };
}

/// Has this process killed after this time, so that nothing runs forever.
pub fn end_after(time: Duration) {
    // SAFETY: no memory is involved.
    unsafe { libc::alarm(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)) };
}

/// Takes as many descriptors as the system allows; how many those are.
pub fn raise_descriptors() -> io::Result<u64> {
    // SAFETY: the kernel reads and writes one rlimit.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        checked(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        checked(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
        Ok(limit.rlim_cur)
    }
}

/// How long this thread has run on a core.
pub fn thread_time() -> Duration {
    // SAFETY: the kernel writes one timespec.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Connects from an address of choice, since a single one has too few ports for thousands of short
/// connections.
pub fn connect(from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream, Failure> {
    let at = |error: io::Error| Failure(format!("cannot connect from {from} to {to}: {error}"));
    // SAFETY: the addresses live during the calls, and their lengths are their own.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        let socket = TcpStream::from_raw_fd(checked(socket).map_err(at)?);
        let fd = socket.as_raw_fd();
        let one: libc::c_int = 1;
        let (one, size) = ((&raw const one).cast(), size_of::<libc::c_int>() as libc::socklen_t);
        let late = libc::IP_BIND_ADDRESS_NO_PORT; // the port is chosen for the pair of addresses
        checked(libc::setsockopt(fd, libc::IPPROTO_IP, late, one, size)).map_err(at)?;
        let (from, to) = (address(SocketAddrV4::new(from, 0)), address(to));
        let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        checked(libc::bind(fd, (&raw const from).cast(), size)).map_err(at)?;
        checked(libc::connect(fd, (&raw const to).cast(), size)).map_err(at)?;
        socket.set_nonblocking(true).map_err(at)?;
        Ok(socket)
    }
}

fn address(at: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: at.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*at.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// The kernel's poll, edge-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    ready: Vec<u64>,
}

/// Readiness that one wait brings: more of it means fewer system calls for thousands of replies.
const EVENTS: u16 = 512;

impl Epoll {
    /// A new one.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor, owned from here on.
        let fd = unsafe {
            let fd = checked(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Epoll { fd, ready: Vec::with_capacity(EVENTS.into()) })
    }

    /// Hears of input on `fd` until it is closed.
    pub fn add(&self, fd: RawFd, token: usize) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLET | libc::EPOLLRDHUP).cast_unsigned();
        let mut event = libc::epoll_event { events, u64: token as u64 };
        // SAFETY: the event lives during the call.
        checked(unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        })?;
        Ok(())
    }

    /// Waits. The tokens of the ready sockets are then in [`ready`](Epoll::ready).
    pub fn wait(&mut self, most: Duration) -> io::Result<usize> {
        let timeout = i32::try_from(most.as_millis()).unwrap_or(i32::MAX);
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS as usize];
        // SAFETY: the kernel writes at most EVENTS events.
        let count = checked(unsafe {
            let (at, most) = (events.as_mut_ptr(), libc::c_int::from(EVENTS));
            libc::epoll_wait(self.fd.as_raw_fd(), at, most, timeout)
        });
        let count = match count {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => usize::try_from(other?).unwrap_or_default(),
        };
        self.ready.clear();
        self.ready.extend(events[..count].iter().map(|event| event.u64));
        Ok(count)
    }

    /// How many the last wait brought.
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// The token at this place of the last wait.
    pub fn ready(&self, place: usize) -> usize {
        self.ready[place] as usize
    }
}

fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
