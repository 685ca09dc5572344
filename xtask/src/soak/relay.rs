//! A relay between the dashboard and its database. From time to time it closes every connection, as
//! a proxy does that is restarted.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The time between two moments at which all connections are closed.
pub(super) const CUT_PAUSE: Duration = Duration::from_secs(20);

/// Both ends of each connection that was relayed since the last cut.
type Open = Arc<Mutex<Vec<TcpStream>>>;

/// Relays connections to `server` from a port of its own, and returns that port's address. Its
/// threads end with the process.
pub(super) fn start(server: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let open = Open::default();
    let to_cut = Arc::clone(&open);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client whose connection cannot be relayed sees it close, and tries again.
            let _ = relay(client, server, &open);
        }
    });
    thread::spawn(move || {
        loop {
            thread::sleep(CUT_PAUSE);
            for stream in to_cut.lock().expect("no thread panics with it").drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    });
    Ok(address)
}

fn relay(client: TcpStream, server: SocketAddr, open: &Open) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    open.lock()
        .expect("no thread panics with it")
        .extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            // However it ends, both directions end with it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
