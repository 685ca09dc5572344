//! The floor: the same job as the least code on bare epoll. One read and one write a reply; of a
//! request, only its end and its revision are looked at. No timers, no limits, no second thoughts:
//! it measures only the cost of the system calls, and is not for use.

use libc::{c_int, c_void};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

const EVENTS: usize = 1024;

struct Floor {
    poll: c_int,
    rev: Vec<u8>,
    /// Head and body of every answer.
    reply: Vec<u8>,
    parked: Vec<RawFd>,
    is_parked: Vec<bool>,
    /// What of the feed makes no whole line yet.
    rest: Vec<u8>,
    buffer: Vec<u8>,
}

fn main() -> io::Result<()> {
    let url = std::env::args().nth(1).expect("usage: floor FEED_URL");
    let (host, path) = bench::line::parts(&url).expect("http://host:port/db");
    let mut feed = TcpStream::connect(host)?;
    feed.write_all(bench::line::request(path, host).as_bytes())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // SAFETY: no memory is involved.
    let poll = unsafe {
        libc::listen(listener.as_raw_fd(), 4096); // the library's own backlog is 128
        libc::epoll_create1(libc::EPOLL_CLOEXEC)
    };
    let mut floor = Floor {
        poll,
        rev: vec![],
        reply: vec![],
        parked: vec![],
        is_parked: vec![false; 1 << 15],
        rest: vec![],
        buffer: vec![0; 1 << 18],
    };
    feed.set_nonblocking(true)?;
    listener.set_nonblocking(true)?;
    floor.add(feed.as_raw_fd());
    floor.add(listener.as_raw_fd());
    println!("http://{}/", listener.local_addr()?);
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    loop {
        // SAFETY: the kernel writes at most EVENTS events.
        let count = unsafe { libc::epoll_wait(poll, events.as_mut_ptr(), EVENTS as c_int, -1) };
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            match event.u64 as RawFd {
                fd if fd == feed.as_raw_fd() => floor.feed(fd),
                fd if fd == listener.as_raw_fd() => floor.accept(fd),
                fd => floor.request(fd),
            }
        }
    }
}

impl Floor {
    fn add(&self, fd: RawFd) {
        let events = (libc::EPOLLIN | libc::EPOLLET | libc::EPOLLRDHUP).cast_unsigned();
        let mut event = libc::epoll_event { events, u64: fd as u64 };
        // SAFETY: the event lives during the call.
        unsafe { libc::epoll_ctl(self.poll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    }

    fn read(&mut self, fd: RawFd) -> isize {
        let (at, room) = (self.buffer.as_mut_ptr(), self.buffer.len());
        // SAFETY: the kernel writes no more than there is room for.
        unsafe { libc::read(fd, at.cast::<c_void>(), room) }
    }

    fn answer(&self, fd: RawFd) {
        // SAFETY: the kernel only reads the reply.
        let wrote = unsafe { libc::write(fd, self.reply.as_ptr().cast(), self.reply.len()) };
        assert_eq!(wrote, self.reply.len().cast_signed(), "a socket was full");
    }

    fn accept(&self, listener: RawFd) {
        loop {
            // SAFETY: no address is asked for.
            let fd = unsafe {
                let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
                libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), flags)
            };
            if fd < 0 {
                return;
            }
            self.add(fd);
        }
    }

    fn request(&mut self, fd: RawFd) {
        let Ok(length @ 1..) = usize::try_from(self.read(fd)) else { return self.close(fd) };
        let request = &self.buffer[..length];
        assert!(request.ends_with(b"\r\n\r\n"), "a request came in pieces");
        let known = request.strip_prefix(b"GET /overview/");
        let knows_current = known.and_then(|known| known.strip_prefix(self.rev.as_slice()));
        if knows_current.is_some_and(|rest| rest.starts_with(b" ")) {
            self.parked.push(fd);
            self.is_parked[fd as usize] = true;
        } else {
            self.answer(fd);
        }
    }

    fn close(&mut self, fd: RawFd) {
        if std::mem::take(&mut self.is_parked[fd as usize]) {
            self.parked.retain(|parked| *parked != fd);
        }
        // SAFETY: the descriptor is ours, and is forgotten.
        unsafe { libc::close(fd) };
    }

    fn feed(&mut self, fd: RawFd) {
        while let Ok(length @ 1..) = usize::try_from(self.read(fd)) {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(&self.buffer[..length]);
            let mut lines = rest.as_slice();
            while let Some(end) = memchr::memchr(b'\n', lines) {
                let (line, after) = lines.split_at(end + 1);
                lines = after;
                self.line(line);
            }
            self.rest = lines.to_vec();
        }
    }

    /// Lines are looked at, not parsed: they come from the benchmark's own feeder.
    fn line(&mut self, line: &[u8]) {
        let Some(id) = memchr::memmem::find(line, b"\"id\":\"") else { return };
        if line[0] != b'{' || !line[id..].starts_with(b"\"id\":\"overview\"") {
            return;
        }
        let rev = memchr::memmem::find(line, b"\"rev\":\"").expect("a revision") + 7;
        let end = memchr::memchr(b'"', &line[rev..]).expect("its end");
        let doc = memchr::memmem::find(line, b"\"doc\":").expect("a document") + 6;
        self.rev = line[rev..rev + end].to_vec();
        let body = &line[doc..line.len() - 2];
        self.reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-cache\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        self.reply.extend_from_slice(body);
        for fd in std::mem::take(&mut self.parked) {
            self.is_parked[fd as usize] = false;
            self.answer(fd);
        }
    }
}
