//! The server's filter understands any input in one way only, however it is split into pieces, and
//! with bodies read whole or in parts. It never waits for more bytes than it allows to wait. It
//! sends nothing after an error answer, and no error answer echoes bytes of the request.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use masque::filters::{Filter, Httpd, Mode, Output, Protocol, RequestPart, Response};

/// Small, so that the fuzzer reaches them.
fn httpd() -> Httpd {
    Httpd::new().with_head_max(512).with_target_max(64).with_headers_max(8).with_body_max(128)
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_last() else { return };
    let step = usize::from(step).max(1);
    let whole = converse(httpd(), bytes, bytes.len().max(1), whole_answer);
    for step in [1, step] {
        assert_eq!(converse(httpd(), bytes, step, whole_answer), whole, "in pieces of {step}");
        let streamed = httpd().with_streamed_bodies();
        assert_eq!(converse(streamed, bytes, step, part_answer()), whole, "in parts of {step}");
    }
});

/// The answer to a request: its method, target and body.
fn text(head: &http::Request<()>, body: &[u8]) -> Response {
    let text = format!("{} {} {}\n", head.method(), head.uri(), body.escape_ascii());
    Response::new(text.into())
}

fn whole_answer(item: Result<http::Request<Bytes>, Response>) -> Option<Response> {
    Some(item.map_or_else(
        |refusal| refusal,
        |request| {
            let (parts, body) = request.into_parts();
            text(&http::Request::from_parts(parts, ()), &body)
        },
    ))
}

fn part_answer() -> impl FnMut(Result<RequestPart, Response>) -> Option<Response> {
    let mut request = None;
    move |part| match part {
        Ok(RequestPart::Head(head)) => {
            request = Some((head, vec![]));
            None
        }
        Ok(RequestPart::Data(data)) => {
            request.as_mut().expect("a head came first").1.extend_from_slice(&data);
            None
        }
        Ok(RequestPart::End) => request.take().map(|(head, body)| text(&head, &body)),
        Err(refusal) => Some(refusal),
    }
}

/// The answers to `bytes`, in pieces of `step`, and the end.
fn converse<M: Mode>(
    mut filter: Httpd<M>,
    bytes: &[u8],
    step: usize,
    mut answer: impl FnMut(<Httpd<M> as Filter>::In) -> Option<Response>,
) -> Vec<u8> {
    let (mut output, mut pending) = (Output::new(), vec![]);
    let pieces = bytes.chunks(step).map(Some).chain([None]);
    for piece in pieces {
        pending.extend_from_slice(piece.unwrap_or_default());
        loop {
            let mut rest = &pending[..];
            let decoded = match piece {
                Some(_) => filter.decode(&mut rest),
                None => filter.decode_end(&mut rest),
            };
            let consumed = pending.len() - rest.len();
            pending.drain(..consumed);
            let Ok(Some(item)) = decoded else { break };
            assert!(!filter.is_finished(), "something comes after the end");
            if let Some(answer) = answer(item) {
                filter.encode(answer.into(), &mut output);
            }
            let _ = filter.patience();
        }
        let waits = pending.len() >= filter.input_max() && !filter.is_waiting();
        assert!(!waits, "it wants more than it lets wait");
    }
    assert!(!filter.is_finished() || pending.is_empty(), "it keeps what it will never look at");
    output.to_vec()
}
