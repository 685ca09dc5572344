//! Follows documents with a blocking HTTP client: `cargo run --example ureq -- URL ID...`

use couch_feed::{Action, Channel, DatabaseUrl, FeedOptions, Lost};
use http::{Request, Response};
use std::io::{Error, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Instant, SystemTime};

/// Reads a body in a thread, so that the follower's timer can fire while the server is silent.
fn pieces(mut body: impl Read + Send + 'static) -> Receiver<Result<Vec<u8>, Error>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = body.read(&mut piece).map(|length| piece[..length].to_vec());
            let is_last = read.as_ref().map_or(true, Vec::is_empty);
            if sender.send(read).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let url: DatabaseUrl = words.next().ok_or("usage: ureq http://HOST:PORT/DB ID...")?.parse()?;
    let origin = url.origin();
    let options = words.fold(FeedOptions::new(url), |options, id| options.doc(id));
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let agent = ureq::Agent::new_with_config(config.build());
    let (mut follower, mut answer) = (options.follow(Instant::now()), None);
    while !follower.is_over() {
        while let Some(action) = follower.poll_action() {
            match action {
                Action::Connect(Channel::Feed) => {
                    follower.handle_connected(Instant::now(), Channel::Feed);
                }
                Action::Send(Channel::Feed, request) => {
                    let (mut parts, body) = request.into_parts();
                    parts.uri = format!("{origin}{}", parts.uri).parse()?;
                    let answered = if body.is_empty() {
                        agent.run(Request::from_parts(parts, ()))
                    } else {
                        agent.run(Request::from_parts(parts, body.to_vec()))
                    };
                    match answered {
                        Ok(response) => {
                            let (parts, body) = response.into_parts();
                            let head = Response::from_parts(parts, ());
                            let (now, date) = (Instant::now(), SystemTime::now());
                            follower.handle_head(now, date, Channel::Feed, &head);
                            answer = Some(pieces(body.into_reader()));
                        }
                        Err(why) => {
                            let lost = Lost::Connect(why.into());
                            follower.handle_lost(Instant::now(), Channel::Feed, lost);
                        }
                    }
                }
                Action::Close(Channel::Feed) => answer = None,
                Action::Connect(channel) => {
                    let lost = Lost::Connect("it has one connection only".into());
                    follower.handle_lost(Instant::now(), channel, lost);
                }
                _ => {}
            }
        }
        while let Some(event) = follower.poll_event() {
            println!("{event:?}");
        }
        if follower.wants_settle() {
            follower.settle(Instant::now());
            continue;
        }
        let due = follower.poll_timeout().unwrap_or_else(Instant::now);
        let left = due.saturating_duration_since(Instant::now());
        let Some(pieces) = &answer else {
            std::thread::park_timeout(left);
            follower.handle_timeout(Instant::now());
            continue;
        };
        let read = pieces.recv_timeout(left);
        let now = Instant::now();
        match read {
            Ok(Ok(piece)) if piece.is_empty() => {
                answer = None;
                follower.handle_end(now, Channel::Feed, false);
            }
            Ok(Ok(piece)) => follower.handle_data(now, Channel::Feed, &piece.into()),
            Ok(Err(why)) => follower.handle_lost(now, Channel::Feed, Lost::Io(why)),
            Err(_) => follower.handle_timeout(now),
        }
    }
    Ok(())
}
