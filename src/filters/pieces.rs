//! For tests: shows a filter its input in pieces, the way a wheel does.

use super::{Filter, Output, Protocol};

/// One way of cutting an input into the pieces that reads bring.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    input: &'a [u8],
    /// The offsets before which a new piece begins, ascending.
    cuts: Vec<usize>,
}

/// What came of an input.
#[derive(Debug)]
pub(crate) struct Seen<F: Filter> {
    /// The items in order.
    pub(crate) items: Vec<F::In>,
    /// The error that ended them.
    pub(crate) error: Option<F::Error>,
    /// What the filter wrote.
    pub(crate) output: Vec<u8>,
    /// What it left unconsumed.
    pub(crate) left: usize,
}

/// Runs `check` on `input` whole, byte by byte, and in seeded random pieces.
pub(crate) fn each_way(input: &[u8], mut check: impl FnMut(&Pieces<'_>)) {
    check(&Pieces::cut(input, Vec::new()));
    check(&Pieces::cut(input, (1..input.len()).collect()));
    for seed in 1..=20 {
        check(&Pieces::random(input, seed));
    }
}

/// `input` with a few bytes lost, doubled or replaced: the same ones for the same seed.
pub(crate) fn damaged(input: &[u8], seed: u64) -> Vec<u8> {
    /// What parsers stumble over.
    const ODD: &[u8] = b"\r\n :;,\0\t0fH/.\"\xff";
    let mut random = Random::new(seed);
    let mut damaged = input.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(damaged.len());
        match random.below(3) {
            0 => drop(damaged.remove(at)),
            1 => damaged.insert(at, damaged[at]),
            _ => damaged[at] = ODD[random.below(ODD.len())],
        }
    }
    damaged
}

/// Marsaglia's xorshift: all the chance that tests need, from a seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or_default()
    }
}

impl<'a> Pieces<'a> {
    /// `input` with a new piece before each of `cuts`.
    pub(crate) fn cut(input: &'a [u8], cuts: Vec<usize>) -> Self {
        Self { input, cuts }
    }

    /// `input` in pieces of random lengths: the same ones for the same seed.
    pub(crate) fn random(input: &'a [u8], seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Short inputs in pieces of a few bytes, long ones in pieces of up to two pages.
        let longest = (input.len() / 4).clamp(2, 8192);
        let mut cuts = Vec::new();
        let mut at = 0;
        loop {
            at += 1 + random.below(longest);
            if at >= input.len() {
                return Self { input, cuts };
            }
            cuts.push(at);
        }
    }

    /// Feeds them to `filter` and then the end, answering nothing.
    pub(crate) fn feed<F: Filter>(&self, filter: &mut F) -> Seen<F> {
        self.converse(filter, |_, _, _| {})
    }

    /// Feeds them to `filter` and then the end; `answer` sees each item and may encode.
    pub(crate) fn converse<F: Filter>(
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
                        // Or a wheel would stop reading and wait for ever.
                        let waits = pending.len() >= filter.input_max();
                        assert!(
                            !waits || filter.protocol().is_some_and(Protocol::is_waiting),
                            "it wants more than is let wait"
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
