//! A way between two programs that a test can cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards the bytes that arrive at its port. The threads end with their connections, and the one
/// that accepts with the test's process.
#[derive(Debug)]
pub(super) struct Relay {
    address: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// A relay to `HOST:PORT`.
    pub(super) fn to(address: &str) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
        let (to, open) = (address.to_owned(), Arc::new(Mutex::new(vec![])));
        let address = listener.local_addr().expect("it is bound").to_string();
        let kept = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let _ = join(&client, &to, &kept); // the client sees that it is closed
            }
        });
        Relay { address, open }
    }

    /// `HOST:PORT` of the relay.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Cuts all connections. New ones are taken as before.
    pub(super) fn cut(&self) {
        for stream in self.open.lock().expect("no thread panics with it").drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // it may have ended by itself
        }
    }
}

fn join(client: &TcpStream, to: &str, open: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    open.lock()
        .expect("no thread panics with it")
        .extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server, client.try_clone()?)]
    {
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both); // it may have ended by itself
        });
    }
    Ok(())
}
