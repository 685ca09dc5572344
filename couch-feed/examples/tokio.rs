//! Follows documents on tokio, with hyper: `cargo run --example tokio -- URL ID...`

use bytes::Bytes;
use couch_feed::{Action, Channel, DatabaseUrl, FeedOptions, Follower, Lost};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::time::{Instant, SystemTime};
use tokio::net::TcpStream;

type Sender = SendRequest<Full<Bytes>>;

/// One of the follower's connections.
#[derive(Default)]
struct Connection {
    sender: Option<Sender>,
    body: Option<Incoming>,
}

async fn connect(url: &(String, u16)) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((url.0.as_str(), url.1)).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Does what the follower asks for on one of its connections.
async fn act(
    follower: &mut Follower,
    connection: &mut Connection,
    server: &(String, u16),
    action: Action,
) {
    match action {
        Action::Connect(channel) => match connect(server).await {
            Ok(sender) => {
                connection.sender = Some(sender);
                follower.handle_connected(Instant::now(), channel);
            }
            Err(why) => follower.handle_lost(Instant::now(), channel, Lost::Connect(why)),
        },
        Action::Send(channel, request) => {
            let Some(sender) = &mut connection.sender else { return };
            let request: Request<Full<Bytes>> = request.map(Full::new);
            match sender.send_request(request).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let (now, head) = (Instant::now(), Response::from_parts(parts, ()));
                    connection.body = Some(body);
                    follower.handle_head(now, SystemTime::now(), channel, &head);
                }
                Err(why) => {
                    follower.handle_lost(Instant::now(), channel, Lost::Http(why.into()));
                }
            }
        }
        Action::Close(_) => *connection = Connection::default(),
        _ => {}
    }
}

/// The next piece of a body; `None` at its end. Waits forever if there is no body.
async fn piece(connection: &mut Connection) -> Option<Result<Bytes, hyper::Error>> {
    let Some(body) = &mut connection.body else { return std::future::pending().await };
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(why) => return Some(Err(why)),
        }
    }
}

fn heard(
    follower: &mut Follower,
    connection: &mut Connection,
    channel: Channel,
    piece: Option<Result<Bytes, hyper::Error>>,
) {
    let now = Instant::now();
    match piece {
        Some(Ok(data)) => follower.handle_data(now, channel, &data),
        Some(Err(why)) => follower.handle_lost(now, channel, Lost::Http(why.into())),
        None => {
            connection.body = None;
            follower.handle_end(now, channel, true);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let url: DatabaseUrl = words.next().ok_or("usage: tokio http://HOST:PORT/DB ID...")?.parse()?;
    let server = (url.host().to_owned(), url.port());
    let options = words.fold(FeedOptions::new(url), |options, id| options.doc(id));
    let mut follower = options.follow(Instant::now());
    let (mut feed, mut look) = (Connection::default(), Connection::default());
    while !follower.is_over() {
        while let Some(action) = follower.poll_action() {
            let is_look = matches!(
                action,
                Action::Connect(Channel::Look)
                    | Action::Send(Channel::Look, _)
                    | Action::Close(Channel::Look)
            );
            let connection = if is_look { &mut look } else { &mut feed };
            act(&mut follower, connection, &server, action).await;
        }
        while let Some(event) = follower.poll_event() {
            println!("{event:?}");
        }
        if follower.wants_settle() {
            follower.settle(Instant::now());
            continue;
        }
        let due = follower.poll_timeout().unwrap_or_else(Instant::now);
        tokio::select! {
            next = piece(&mut feed) => heard(&mut follower, &mut feed, Channel::Feed, next),
            next = piece(&mut look) => heard(&mut follower, &mut look, Channel::Look, next),
            () = tokio::time::sleep_until(due.into()) => follower.handle_timeout(Instant::now()),
        }
    }
    Ok(())
}
