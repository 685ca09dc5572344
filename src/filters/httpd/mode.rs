//! Requests whole, or in pieces.

use super::request::Refusal;
use super::{Httpd, Request, Turn};
use crate::filters::chunked::Piece;
use bytes::Bytes;
use std::fmt::Debug;

/// How requests come out of an [`Httpd`]: [`Whole`] or [`Streamed`]. Nobody else can make one, for
/// what it is made of has no name outside.
pub trait Mode: Clone + Debug + Default + 'static {
    /// What comes out.
    type Item: 'static;
    /// What is kept of a request while its body comes.
    #[doc(hidden)]
    type Kept: Clone + Debug;
    /// Whether the session sees a body coming, and asks for it.
    #[doc(hidden)]
    const STREAMS: bool;

    /// The next item.
    #[doc(hidden)]
    fn next(httpd: &mut Httpd<Self>, input: &mut &[u8]) -> Result<Option<Self::Item>, Refusal>;
}

/// Requests come with their whole body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whole;

/// Requests come as their head, what comes of their body, and its end: POE's
/// `POE::Filter::HTTPD` with `Streaming`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streamed;

/// A part of a request, from [`Httpd::with_streamed_bodies`]: the counterpart of a response's
/// [`Part`](crate::filters::Part).
#[derive(Debug)]
pub enum RequestPart {
    /// The head. Everything that follows, up to the end, is its body.
    Head(http::Request<()>),
    /// Some of the body: as much as one read brought.
    Data(Bytes),
    /// The end. It comes after every head that has not been answered before, body or none.
    End,
}

impl Mode for Whole {
    type Item = Request;
    type Kept = (Request, Vec<u8>);
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
    type Kept = ();
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
