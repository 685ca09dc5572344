//! For tests of filters: gives a filter its input in pieces, as a wheel does. Feature `testing`.
//!
//! ```
//! use masque::filters::Line;
//! use masque::testing::each_way;
//!
//! each_way(b"one\ntwo\n", |pieces| {
//!     let seen = pieces.feed(&mut Line::new());
//!     assert_eq!(seen.items, ["one", "two"], "{pieces:?}");
//!     assert!(seen.error.is_none() && seen.left == 0);
//! });
//! ```

use crate::filters::{Filter, Output, Protocol};

/// An input, and one way to split it into pieces, as reads do.
#[derive(Debug)]
pub struct Pieces<'a> {
    input: &'a [u8],
    /// The offsets before which a new piece begins, ascending.
    cuts: Vec<usize>,
}

/// What a filter made of an input.
#[derive(Debug)]
pub struct Seen<F: Filter> {
    /// The items in order.
    pub items: Vec<F::In>,
    /// The error that ended them.
    pub error: Option<F::Error>,
    /// What the filter wrote.
    pub output: Vec<u8>,
    /// The number of bytes that it did not consume.
    pub left: usize,
}

/// Runs `check` for `input` as a whole, byte by byte, and in seeded random pieces.
pub fn each_way(input: &[u8], mut check: impl FnMut(&Pieces<'_>)) {
    check(&Pieces::cut(input, Vec::new()));
    check(&Pieces::cut(input, (1..input.len()).collect()));
    for seed in 1..=20 {
        check(&Pieces::random(input, seed));
    }
}

/// `input` with a few bytes removed, doubled or replaced. The same seed gives the same result.
pub fn damaged(input: &[u8], seed: u64) -> Vec<u8> {
    /// Bytes that parsers often mishandle.
    const ODD: &[u8] = b"\r\n :;,\0\t0fH/.\"\xff";
    let mut random = fastrand::Rng::with_seed(seed);
    let mut damaged = input.to_vec();
    for _ in 0..=random.usize(..3) {
        let at = random.usize(..damaged.len());
        match random.usize(..3) {
            0 => drop(damaged.remove(at)),
            1 => damaged.insert(at, damaged[at]),
            _ => damaged[at] = ODD[random.usize(..ODD.len())],
        }
    }
    damaged
}

impl<'a> Pieces<'a> {
    /// `input` with a new piece before each of `cuts`.
    pub fn cut(input: &'a [u8], cuts: Vec<usize>) -> Self {
        Self { input, cuts }
    }

    /// `input` in pieces of random lengths. The same seed gives the same lengths.
    pub fn random(input: &'a [u8], seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // Short inputs in pieces of a few bytes, long ones in pieces of up to two pages.
        let longest = (input.len() / 4).clamp(2, 8192);
        let mut cuts = Vec::new();
        let mut at = 0;
        loop {
            at += 1 + random.usize(..longest);
            if at >= input.len() {
                return Self { input, cuts };
            }
            cuts.push(at);
        }
    }

    /// Gives the pieces and then the end to `filter`, and answers nothing.
    pub fn feed<F: Filter>(&self, filter: &mut F) -> Seen<F> {
        self.converse(filter, |_, _, _| {})
    }

    /// Gives the pieces and then the end to `filter`. `answer` is called with each item and may
    /// encode.
    pub fn converse<F: Filter>(
        &self,
        filter: &mut F,
        mut answer: impl FnMut(&mut F, &F::In, &mut Output),
    ) -> Seen<F> {
        let mut seen = Seen { items: Vec::new(), error: None, output: Vec::new(), left: 0 };
        let mut output = Output::new();
        let mut pending = Vec::new();
        let mut from = 0;
        for to in self.cuts.iter().copied().chain([self.input.len(), usize::MAX]) {
            let ended = to == usize::MAX;
            if !ended {
                pending.extend_from_slice(&self.input[from..to]);
                from = to;
            }
            loop {
                let mut rest = &pending[..];
                let result =
                    if ended { filter.decode_end(&mut rest) } else { filter.decode(&mut rest) };
                let consumed = pending.len() - rest.len();
                pending.drain(..consumed);
                let response = filter.protocol_mut().and_then(Protocol::respond);
                output.shared(response.unwrap_or_default());
                match result {
                    Ok(Some(item)) => {
                        answer(filter, &item, &mut output);
                        seen.items.push(item);
                    }
                    Ok(None) => {
                        // Otherwise a wheel would stop reading and wait forever.
                        let waits = pending.len() >= filter.input_max();
                        assert!(
                            !waits || filter.protocol().is_some_and(Protocol::is_waiting),
                            "it needs more bytes than may wait"
                        );
                        break;
                    }
                    Err(error) => {
                        seen.error = Some(error);
                        break;
                    }
                }
            }
            if seen.error.is_some() {
                break;
            }
        }
        seen.output = output.to_vec();
        seen.left = pending.len();
        seen
    }
}
