//! Talk: a connection that hears what a fuzzer says, and is held to what the engine relies on.

use std::collections::BTreeSet;

use evenkeel_units::Moment;

use crate::protocol::{Heard, Malformed, Protocol, Standing};
use crate::target::Target;
use crate::template::NoValues;

/// The most exchanges at a time, and in all.
const STREAMS_MAX: usize = 3;
const EXCHANGES_MAX: u32 = 64;

/// How large the pieces are.
const PIECES: [usize; 8] = [1, 2, 3, 7, 16, 64, 1_000, usize::MAX];

/// How an input is said.
#[derive(Copy, Clone, Debug)]
pub(super) struct How {
    /// Which of the calls.
    call: usize,
    piece: usize,
    /// Without what usually comes before.
    pub(super) bare: bool,
    /// After which piece an exchange is given up.
    cancel: usize,
}

impl How {
    /// Takes it off the front of an input.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[first, cancel], rest) = bytes.split_first_chunk()?;
        let piece = PIECES[usize::from(first >> 3 & 7)];
        let how = Self {
            call: usize::from(first & 7),
            piece,
            bare: first & 0x40 != 0,
            cancel: usize::from(cancel),
        };
        Some((how, rest))
    }
}

/// One connection.
pub(super) struct Talk<P: Protocol> {
    shared: P::Shared,
    /// `None` once bytes came that are not of the protocol.
    speaks: Option<P>,
    calls: Vec<P::Ready>,
    how: How,
    out: Vec<u8>,
    next: u32,
    under_way: BTreeSet<u32>,
    /// How much has come, and how much it meant.
    came: usize,
    meant: usize,
}

impl<P: Protocol> Talk<P> {
    /// A new one, with as much begun as there is room for.
    pub(super) fn new(url: &str, calls: Vec<P::Ready>, how: How) -> Self {
        let target = Target::find(url).expect("the URL is a good one");
        let (mut shared, mut out) = (P::shared(&target), Vec::new());
        let speaks = Some(P::open(&mut shared, &mut out));
        let under_way = BTreeSet::new();
        let mut talk =
            Self { shared, speaks, calls, how, out, next: 0, under_way, came: 0, meant: 0 };
        talk.begin();
        talk
    }

    /// What was said since the last time.
    pub(super) fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn begin(&mut self) {
        let Some(speaks) = &mut self.speaks else { return };
        while let Standing::Open(1..) = speaks.standing()
            && self.under_way.len() < STREAMS_MAX
            && self.next < EXCHANGES_MAX
        {
            let call = &self.calls[(self.how.call + self.next as usize) % self.calls.len()];
            let (shared, out) = (&mut self.shared, &mut self.out);
            speaks.begin(shared, self.next, call, &NoValues, Moment::START, out);
            self.under_way.insert(self.next);
            self.next += 1;
        }
    }

    /// Hears all of `bytes`, in pieces, and then the end.
    pub(super) fn hear_all(&mut self, bytes: &[u8]) {
        self.hear(&[]);
        for (number, piece) in bytes.chunks(self.how.piece).enumerate() {
            self.hear(piece);
            if number == self.how.cancel
                && let (Some(speaks), Some(exchange)) =
                    (&mut self.speaks, self.under_way.pop_first())
            {
                speaks.cancel(exchange, &mut self.out);
                self.hear(&[]);
            }
        }
        if let Some(exchange) = self.speaks.as_mut().and_then(Protocol::end) {
            assert!(self.under_way.remove(&exchange), "{exchange} is whole, and was not under way");
        }
    }

    /// Hears one piece.
    pub(super) fn hear(&mut self, piece: &[u8]) {
        self.came += piece.len();
        let mut input = piece;
        loop {
            let Some(speaks) = &mut self.speaks else { return };
            self.meant += 1;
            assert!(self.meant < 1_000 + 16 * self.came, "it means more and more");
            match speaks.read(&mut self.shared, &mut input, &mut self.out) {
                Err(Malformed) => self.speaks = None,
                Ok(None) => break,
                Ok(Some(heard)) => {
                    let (exchange, ends) = match heard {
                        Heard::Status { exchange, .. } | Heard::Header { exchange, .. } => {
                            (exchange, false)
                        }
                        Heard::Body { exchange, data } => {
                            assert!(!data.is_empty(), "a piece of a body is never empty");
                            (exchange, false)
                        }
                        Heard::Done { exchange } | Heard::Lost { exchange, .. } => (exchange, true),
                    };
                    assert!(self.under_way.contains(&exchange), "{exchange} is not under way");
                    if ends {
                        self.under_way.remove(&exchange);
                    }
                }
            }
        }
        assert!(input.is_empty(), "more bytes are wanted while there are some");
        assert!(self.out.len() < 1 << 20, "it says more and more");
        self.out.clear();
        self.begin();
    }
}
