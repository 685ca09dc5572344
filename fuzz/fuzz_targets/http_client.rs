//! A response is understood in the same way however its bytes come, and no more is kept than may
//! be.
#![no_main]

use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;
use masque::filters::{Filter, HttpClient, Output, Part};

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_last() else { return };
    let whole = converse(bytes, bytes.len().max(1));
    assert_eq!(converse(bytes, usize::from(step).max(1)), whole);
    if bytes.len() < 2000 {
        assert_eq!(converse(bytes, 1), whole);
    }
});

/// The result of `bytes` in pieces of `step`: each answer's head and body, whether it ended, and
/// the error.
fn converse(bytes: &[u8], step: usize) -> (Vec<(String, Vec<u8>, bool)>, Option<String>) {
    let mut filter = HttpClient::new().pass_unframed();
    let mut output = Output::new();
    let mut answers: Vec<(String, Vec<u8>, bool)> = vec![];
    let put = |filter: &mut HttpClient, output: &mut Output| {
        filter.encode(Request::new(Bytes::new()), output);
        *output = Output::new();
    };
    put(&mut filter, &mut output);
    let mut pending: Vec<u8> = vec![];
    let mut pieces = bytes.chunks(step);
    loop {
        let piece = pieces.next();
        pending.extend(piece.unwrap_or_default());
        loop {
            let mut rest = &pending[..];
            let decoded = match piece {
                Some(_) => filter.decode(&mut rest),
                None => filter.decode_end(&mut rest),
            };
            let consumed = pending.len() - rest.len();
            pending.drain(..consumed);
            match decoded {
                Ok(Some(Part::Head(head))) => answers.push((format!("{head:?}"), vec![], false)),
                Ok(Some(Part::Data(data) | Part::Unframed(data))) => {
                    answers.last_mut().unwrap().1.extend(data)
                }
                Ok(Some(Part::End)) => {
                    answers.last_mut().unwrap().2 = true;
                    if filter.is_idle() {
                        put(&mut filter, &mut output);
                    }
                }
                Ok(None) => break,
                Err(error) => return (answers, Some(error.to_string())),
            }
        }
        assert!(pending.len() < filter.input_max(), "it would wait for ever");
        if piece.is_none() {
            return (answers, None);
        }
    }
}
