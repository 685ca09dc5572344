//! The two modes: whole requests, or requests in parts.

use super::request::Refusal;
use super::{Httpd, Request, Turn};
use crate::filters::chunked::Piece;
use bytes::Bytes;
use std::fmt::Debug;

/// How an [`Httpd`] delivers requests: [`Whole`] or [`Streamed`]. The trait is sealed: no other
/// type can implement it.
pub trait Mode: Clone + Debug + Default + 'static {
    /// The item that the filter delivers.
    type Item: 'static;
    /// The state of a request while its body arrives.
    #[doc(hidden)]
    type Partial: Clone + Debug;
    /// True if the session gets the body in parts, and requests it.
    #[doc(hidden)]
    const STREAMS: bool;

    /// The next item.
    #[doc(hidden)]
    fn next(httpd: &mut Httpd<Self>, input: &mut &[u8]) -> Result<Option<Self::Item>, Refusal>;
}

/// Requests are delivered with their whole body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whole;

/// Requests are delivered as a head, parts of the body, and an end: POE's `POE::Filter::HTTPD` with
/// `Streaming`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streamed;

/// A part of a request, from [`Httpd::with_streamed_bodies`]: the counterpart of a response's
/// [`Part`](crate::filters::Part).
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestPart {
    /// The head. The data after it, up to the end, is its body.
    Head(http::Request<()>),
    /// Some bytes of the body: those of one read.
    Data(Bytes),
    /// The end. It follows every head that has not been answered before, with or without a body.
    End,
}

impl Mode for Whole {
    type Item = Request;
    type Partial = (Request, Vec<u8>);
    const STREAMS: bool = false;

    fn next(httpd: &mut Httpd<Self>, input: &mut &[u8]) -> Result<Option<Request>, Refusal> {
        if httpd.incoming.is_none() {
            let mut request = Request::default();
            let Some((outline, mut body)) = httpd.head(input, &mut request)? else {
                return Ok(None);
            };
            if body.is_within(input) {
                httpd.turn = Turn::Answer;
                if let Some(Piece::Data(data)) = body.piece(input)? {
                    *request.body_mut() = Bytes::copy_from_slice(data);
                }
                return Ok(Some(request));
            }
            httpd.expected = outline.expects && input.is_empty();
            httpd.incoming = Some(Box::new((body, (request, Vec::new()))));
        }
        let Some(incoming) = &mut httpd.incoming else { return Ok(None) };
        let (body, (_, received)) = &mut **incoming;
        loop {
            match body.piece(input)? {
                None => return Ok(None),
                Some(Piece::Data(data)) => body.append(data, received),
                Some(Piece::End) => break,
            }
        }
        httpd.expected = false;
        httpd.turn = Turn::Answer;
        Ok(httpd.incoming.take().map(|incoming| {
            let (mut request, received) = incoming.1;
            *request.body_mut() = received.into();
            request
        }))
    }
}

impl Mode for Streamed {
    type Item = RequestPart;
    type Partial = ();
    const STREAMS: bool = true;

    fn next(httpd: &mut Httpd<Self>, input: &mut &[u8]) -> Result<Option<RequestPart>, Refusal> {
        let Some(incoming) = &mut httpd.incoming else {
            let mut request = Request::default();
            let Some((outline, body)) = httpd.head(input, &mut request)? else {
                return Ok(None);
            };
            httpd.expected = outline.expects && input.is_empty() && !body.is_complete();
            httpd.incoming = Some(Box::new((body, ())));
            httpd.turn = Turn::Answer;
            return Ok(Some(RequestPart::Head(request.map(drop))));
        };
        httpd.expected &= input.is_empty();
        match incoming.0.piece(input)? {
            None => Ok(None),
            Some(Piece::Data(data)) => Ok(Some(RequestPart::Data(Bytes::copy_from_slice(data)))),
            Some(Piece::End) => {
                httpd.incoming = None;
                Ok(Some(RequestPart::End))
            }
        }
    }
}
