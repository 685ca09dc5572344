//! A listening socket that is handed over, as systemd does it.

use super::program;
use crate::support::folder::Folder;
use crate::support::process::Program;
use crate::support::{PATIENCE, http};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// Hands over so many listening sockets, or a Unix one at a path, from descriptor 3 on, and becomes
/// the program in its arguments. In Perl, which every Debian has, because std cannot give a child a
/// descriptor.
const SUPERVISOR: &str = r#"
    use Socket;
    $^F = 9; # descriptors up to here are inherited
    my $what = shift;
    my $path = $what =~ m{/} ? $what : undef;
    for (1 .. ($path ? 1 : $what)) {
        socket(my $socket, $path ? PF_UNIX : PF_INET, SOCK_STREAM, 0) or die $!;
        bind($socket, $path ? sockaddr_un($path) : sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
        listen($socket, 128) or die $!;
        die "not in order" if fileno($socket) != 2 + $_;
        push @sockets, $socket;
    }
    $ENV{LISTEN_PID} = $$;
    $ENV{LISTEN_FDS} = @sockets;
    $| = 1;
    print "port ", (sockaddr_in(getsockname($sockets[0])))[0], "\n" unless $path;
    exec @ARGV or die $!;
"#;

fn supervised(what: &str) -> Program {
    let mut command = Command::new("perl");
    command.args(["-e", SUPERVISOR, what]).arg(program::command().get_program());
    Program::start(command.args(["--listen", "127.0.0.1:1"]))
}

#[test]
fn a_socket_that_is_handed_over_is_served() {
    let mut program = supervised("1");
    let port = program.wait_for_line("port ", PATIENCE).replace("port ", "");
    // It waits in the backlog until the program is there.
    let url = format!("http://127.0.0.1:{port}/favicon.ico");
    assert_eq!(http::get(&url).status, 200);
    let line = program.wait_for_line("dashboard at ", PATIENCE);
    assert_eq!(line, format!("dashboard at http://127.0.0.1:{port}/"));
    program.signal("TERM");
    assert_eq!(program.wait_for_end(PATIENCE).code(), Some(0));
}

#[test]
fn a_socket_of_a_path_is_served_as_well() {
    let folder = Folder::new("activation");
    let path = folder.path().join("http.sock");
    let mut program = supervised(path.to_str().expect("it is text"));
    let line = program.wait_for_line("dashboard at ", PATIENCE);
    assert_eq!(line, format!("dashboard at {}", path.display()));
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can wait");
    let request = b"GET /favicon.ico HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("it answers and closes");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

/// Hands over something else than a socket that listens, and becomes the program in its arguments.
const CONFUSED: &str = r#"
    use Socket;
    $^F = 9;
    my $what = shift;
    my $handle;
    if ($what eq "file") {
        open($handle, "<", "/dev/null") or die $!;
    } elsif ($what eq "datagram") {
        socket($handle, PF_INET, SOCK_DGRAM, 0) or die $!;
        bind($handle, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
    } elsif ($what eq "not listening") {
        socket($handle, PF_INET, SOCK_STREAM, 0) or die $!;
        bind($handle, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
    } elsif ($what eq "not listening at a path") {
        socket($handle, PF_UNIX, SOCK_STREAM, 0) or die $!;
    }
    die "not in order" if $handle && fileno($handle) != 3;
    $ENV{LISTEN_PID} = $$;
    $ENV{LISTEN_FDS} = $what eq "no number" ? "one" : 1;
    exec @ARGV or die $!;
"#;

#[test]
fn a_socket_that_does_not_listen_was_served_forever_without_a_client() {
    for what in
        ["nothing", "file", "datagram", "not listening", "not listening at a path", "no number"]
    {
        let mut command = Command::new("perl");
        command.args(["-e", CONFUSED, what]).arg(program::command().get_program());
        let mut program = Program::start(&mut command);
        assert_eq!(program.wait_for_end(PATIENCE).code(), Some(1), "{what}");
        let log = program.log();
        let why = match what {
            "no number" => "LISTEN_FDS: not a number of sockets",
            _ => "LISTEN_FDS: the passed descriptor is not a listening TCP or Unix socket",
        };
        assert!(log.contains(why), "{what}: {log}");
    }
}

#[test]
fn more_than_can_be_served_is_an_error() {
    let mut program = supervised("2");
    assert_eq!(program.wait_for_end(PATIENCE).code(), Some(1));
    assert!(program.log().contains("LISTEN_FDS: 2 sockets"), "{}", program.log());
}
