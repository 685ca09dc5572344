//! What each makes of the bytes of a connection.

use super::NEXT;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use masque::filters::{Filter, Httpd, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The statuses of masque's answers to a row and the request after it.
pub(super) fn masque_says(row: &[u8]) -> String {
    let bytes = [row, NEXT].concat();
    let (mut httpd, mut output, mut input) = (Httpd::new(), Output::new(), bytes.as_slice());
    loop {
        let item = match httpd.decode(&mut input).expect("its answers are its only errors") {
            Some(item) => Some(item),
            None => httpd.decode_end(&mut input).expect("its answers are its only errors"),
        };
        let answer = match item {
            Some(Ok(_)) => masque::filters::Response::default(),
            Some(Err(refusal)) => refusal,
            None => return statuses(&output.to_vec()),
        };
        httpd.encode(answer.into(), &mut output);
    }
}

/// The statuses of the answers of hyper's server, as it is by default, to the same.
pub(super) fn hyper_says(row: &[u8]) -> String {
    let bytes = [row, NEXT].concat();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("it needs nothing").block_on(async {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (mut from_server, mut to_server) = tokio::io::split(client);
        to_server.write_all(&bytes).await.expect("there is room for all of it");
        to_server.shutdown().await.expect("it is open");
        let service = service_fn(async |request: Request<Incoming>| {
            request.into_body().collect().await?;
            Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
        });
        let mut http = http1::Builder::new();
        // A client that has sent all is still answered, as masque does.
        http.timer(TokioTimer::new()).half_close(true);
        // The client may or may not receive the error.
        let _ = http.serve_connection(TokioIo::new(server), service).await;
        let mut answers = vec![];
        from_server.read_to_end(&mut answers).await.expect("it is closed in good order");
        statuses(&answers)
    })
}

/// Returns true if httparse accepts the head.
pub(super) fn httparse_says(row: &[u8]) -> String {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    match httparse::Request::new(&mut headers).parse(row) {
        Ok(httparse::Status::Complete(_)) => "ok".into(),
        Ok(httparse::Status::Partial) => "partial".into(),
        Err(error) => format!("{error:?}"),
    }
}

/// The statuses in a run of answers without bodies that could look like one.
fn statuses(answers: &[u8]) -> String {
    let text = String::from_utf8_lossy(answers);
    let lines = text.lines().filter_map(|line| line.strip_prefix("HTTP/1."));
    let statuses: Vec<&str> = lines.filter_map(|line| line.get(2..5)).collect();
    statuses.join(" ")
}
