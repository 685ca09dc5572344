//! Capacity that fail, block or cannot be opened.

#[path = "../../../tests/it/support/wait.rs"]
mod wait;

use super::*;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, channel};
use wait::{PATIENCE, wait_until};

/// A disk with so much room.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Disk {
    fn room(&self, bytes: usize) {
        self.0.lock().expect("no test panics with it").1 = bytes;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panics with it").0.clone()).expect("text")
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().expect("no test panics with it");
        match bytes.len().min(disk.1) {
            0 => Err(ErrorKind::StorageFull.into()),
            count => {
                disk.1 -= count;
                disk.0.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until all is written.
#[track_caller]
fn settle(writer: &Writer) {
    wait_until(PATIENCE, || !writer.shared().state().is_unwritten());
}

/// Waits until no thread opens the place.
#[track_caller]
fn wait_until_opened(writer: &Writer) {
    wait_until(PATIENCE, || writer.shared().state().opening == 0);
}

fn to(disk: &Disk) -> Writer {
    let disk = disk.clone();
    Writer::open("disk", move || Ok(Box::new(disk))).expect("it opens")
}

#[test]
fn a_line_was_appended_to_the_half_line_that_a_full_disk_left_and_no_lost_line_was_counted() {
    let disk = Disk::default();
    let writer = to(&disk);
    for (room, lines, text, lost) in [
        (8, "one\n", "one\n", 0),
        (4, "two\nthree\nfour\n", "one\ntwo\n", 2),
        (2, "five\nsix\n", "one\ntwo\nfi", 3),
        (0, "seven\n", "one\ntwo\nfi", 4),
        (1, "eight\n", "one\ntwo\nfiv", 5),
        (99, "nine\n", "one\ntwo\nfive\nnine\n", 5),
    ] {
        disk.room(room);
        writer.write(lines.as_bytes());
        settle(&writer);
        assert_eq!((&*disk.text(), writer.lost()), (text, lost), "{lines}");
    }
}

#[test]
fn the_log_states_how_many_of_its_own_lines_are_lost() {
    let disk = Disk::default();
    let writer = Writer::of_log("stderr", Box::new(disk.clone())).expect("it opens");
    writer.write(b"one\ntwo\n");
    settle(&writer);
    assert_eq!((disk.text(), writer.lost()), (String::new(), 2));
    disk.room(1000);
    writer.write(b"three\n");
    settle(&writer);
    let message = "three\ndashboard: writing to stderr again; lost lines: 2\n";
    assert_eq!(disk.text(), message);
    writer.write(b"four\n");
    settle(&writer);
    assert_eq!(disk.text(), format!("{message}four\n"), "the message is written once");
}

/// A pipe that is not read until a test lets it be, and then once.
struct Pipe {
    reads: Receiver<()>,
    got: Disk,
}

impl Pipe {
    fn new(got: &Disk) -> (Sender<()>, Self) {
        let (read, reads) = channel();
        got.room(usize::MAX);
        (read, Pipe { reads, got: got.clone() })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reads.recv().map_err(|_| ErrorKind::BrokenPipe)?;
        self.got.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blocked_output_blocks_no_caller_and_dropped_lines_are_counted() {
    let got = Disk::default();
    let (read, pipe) = Pipe::new(&got);
    let writer = Writer::open("pipe", move || Ok(Box::new(pipe))).expect("it opens");
    writer.write(b"in the pipe\n");
    wait_until(PATIENCE, || writer.shared().state().pending.is_empty());
    let line = [vec![b'x'; 1023], vec![b'\n']].concat();
    for _ in 0..PENDING_BYTES_MAX / line.len() {
        writer.write(&line);
    }
    assert_eq!(writer.lost(), 0);
    writer.write(b"one\nline too many\n");
    writer.write(b"and another\n");
    assert_eq!(writer.lost(), 3);
    drop(read); // its reader is gone
    settle(&writer);
    assert_eq!(writer.lost(), 4 + PENDING_BYTES_MAX as u64 / 1024);
}

#[test]
fn lines_given_to_a_blocked_output_were_not_counted_as_lost_at_the_exit() {
    let got = Disk::default();
    let (_unread, pipe) = Pipe::new(&got);
    let writer = Writer::open("pipe", move || Ok(Box::new(pipe))).expect("it opens");
    writer.write(b"one\ntwo\n");
    wait_until(PATIENCE, || writer.shared().state().pending.is_empty());
    writer.write(b"three\n");
    assert_eq!(writer.give_up(), 1..=3, "it may be that the place has taken the first two");
    assert_eq!(writer.lost(), 1);
    assert_eq!(writer.give_up(), 0..=0, "they are counted once");
}

#[test]
fn an_output_that_does_not_open_blocks_no_caller_and_is_replaced_by_another() {
    let (_stuck, fifo) = channel::<()>();
    let writer = Writer::open("fifo", move || {
        let _ = fifo.recv();
        Err(ErrorKind::NotFound.into())
    });
    let writer = writer.expect("it may be opened later");
    writer.write(b"kept\n");
    let disk = Disk::default();
    disk.room(100);
    let output = disk.clone();
    writer.reopen(move || Ok(Box::new(output)));
    settle(&writer);
    assert_eq!((&*disk.text(), writer.lost()), ("kept\n", 0));
}

#[test]
fn an_output_that_cannot_be_opened_is_an_error_at_the_start_and_the_old_one_stays_later() {
    let refused = || Err(ErrorKind::PermissionDenied.into());
    let error = Writer::open("file", refused).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);

    let disk = Disk::default();
    disk.room(100);
    let writer = to(&disk);
    writer.reopen(refused);
    wait_until_opened(&writer);
    writer.write(b"still here\n");
    settle(&writer);
    assert_eq!(disk.text(), "still here\n");
}

#[test]
fn only_a_few_threads_open_the_same_output() {
    let disk = Disk::default();
    let writer = to(&disk);
    let (stuck, fifo) = channel::<()>();
    let fifo = Arc::new(Mutex::new(fifo));
    for _ in 0..=OPENING_MAX {
        let fifo = Arc::clone(&fifo);
        writer.reopen(move || {
            let _ = fifo.lock().expect("no test panics with it").recv();
            Err(ErrorKind::NotFound.into())
        });
    }
    assert_eq!(writer.shared().state().opening, OPENING_MAX);
    drop(stuck);
    wait_until_opened(&writer);
}

/// A pipe that does not block, and has room each second time only.
struct Unblocked {
    has_room: bool,
    got: Disk,
}

impl Write for Unblocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_room = !self.has_room;
        if !self.has_room {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.got.write(&bytes[..bytes.len().min(5)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn writing_to_a_nonblocking_pipe_is_retried() {
    let got = Disk::default();
    got.room(100);
    let pipe = Unblocked { has_room: true, got: got.clone() };
    let writer = Writer::open("pipe", move || Ok(Box::new(pipe))).expect("it opens");
    writer.write(b"one\ntwo\nthree\n");
    settle(&writer);
    assert_eq!((&*got.text(), writer.lost()), ("one\ntwo\nthree\n", 0));
}
