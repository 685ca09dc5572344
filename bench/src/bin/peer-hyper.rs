//! The job on the usual stack: tokio on one thread, hyper, a task for each connection, and
//! `tokio::sync::watch`.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

const LONG_POLL: Duration = Duration::from_secs(28);

/// The newest revision and document.
#[derive(Clone, Default)]
struct Current {
    rev: Arc<str>,
    body: Bytes,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let url = std::env::args().nth(1).expect("usage: peer-hyper FEED_URL");
    let (current, watched) = watch::channel(Current::default());
    tokio::spawn(async move { follow(&url, current).await.expect("the feed lasts") });
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    let listener = socket.listen(4096)?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let watched = watched.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, watched.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await; // a browser that leaves is no error
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    mut watched: watch::Receiver<Current>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(rest) = request.uri().path().strip_prefix("/overview") else {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    let knows_current =
        rest.strip_prefix('/').is_some_and(|rev| *rev == *watched.borrow_and_update().rev);
    if knows_current {
        let _ = tokio::time::timeout(LONG_POLL, watched.changed()).await;
    }
    let Current { body, .. } = watched.borrow().clone();
    let response = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-cache")
        .body(Full::new(body));
    Ok(response.expect("its parts are valid"))
}

async fn follow(url: &str, current: watch::Sender<Current>) -> io::Result<()> {
    let (host, path) = bench::line::parts(url).expect("http://host:port/db");
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(bench::line::request(path, host).as_bytes()).await?;
    let mut input = BufReader::with_capacity(64 * 1024, stream);
    let mut line = vec![];
    while input.read_until(b'\n', &mut line).await? > 0 {
        if let Some(change) = bench::line::followed(&line) {
            let _ = current.send(Current { rev: change.rev.into(), body: change.body.into() });
        }
        line.clear();
    }
    Ok(())
}
