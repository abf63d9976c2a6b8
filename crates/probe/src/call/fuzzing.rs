//! What the fuzzer calls: bytes in, nothing out. Whatever a server says, nothing may panic or go on without end.
//!
//! The first byte of an input says which protocol is spoken, the second in pieces of how many bytes the answer comes (0: as
//! they are asked for), and the rest is the answer. Behind the feature `fuzzing`, and in our own tests over a corpus and noise, so
//! that the target stays true.
//!
//! Deliberately absent: sockets, clocks and TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::SocketType;
use tokio::io::{AsyncRead, ReadBuf, join, sink};
use tokio::runtime::Builder;

use super::notes::Notes;
use super::postgres::Cover;
use super::{Call, Trouble, grpc, http, ping, postgres, redis};
use crate::address::Address;
use crate::certificate::Certificate;

/// What is asked, by the first byte of an input; what comes after them is a certificate, or an echo of ICMP.
const URLS: [&str; 5] = [
    "http://shop/health",
    "grpc://shop:50051/shop.Cart",
    "postgres://app:s3cret@db/shop",
    "redis://cache",
    "redis://app:s3cret@cache/7",
];
const EXPECTED: [&str; 4] = ["json:/status=healthy", "header:server~x", "body~a", "time<1m"];

/// The target.
pub fn probe(input: &[u8]) {
    let [which, size, answer @ ..] = input else { return };
    let kind = if which % 4 < 2 { SocketType::RAW } else { SocketType::DGRAM };
    match URLS.get(usize::from(*which)) {
        Some(url) => drop(said(url, usize::from(*size), answer)),
        None if which % 2 == 0 => drop(Certificate::read(answer)),
        None => {
            for peer in [Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)] {
                ping::is_reply(answer, (peer, 0).into(), kind, &[7; 16]);
            }
        }
    }
}

/// What comes of an answer.
fn said(url: &str, size: usize, answer: &[u8]) -> Result<String, Trouble> {
    let address = Address::parse(url).expect("it is a good one");
    let line = join(Pieces { rest: Bytes::copy_from_slice(answer), size, is_asked: false }, sink());
    let line = Box::new(line);
    let call = Call::default();
    let mut notes = Notes::begin(Duration::MAX);
    let runtime = Builder::new_current_thread().build().expect("it asks nothing of the system");
    let said = runtime.block_on(async {
        match address.scheme.name() {
            "http" => http::ask(&call, &address, line, &mut notes).await,
            "grpc" => grpc::ask(&call, &address, line, &mut notes).await,
            "postgres" => postgres::ask(&call, &address, (line, Cover::None), &mut notes).await,
            _ => redis::ask(&address, line, &mut notes).await,
        }
    });
    for it in EXPECTED {
        let expected: super::Expectation = it.parse().expect("it is a good one");
        drop(expected.complaint(&notes, Duration::ZERO));
    }
    said.map(|it| address.hidden(&it))
}

/// Bytes that come in pieces, and then an end.
struct Pieces {
    rest: Bytes,
    size: usize,
    is_asked: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // HTTP/2 reads before it writes: an answer that is there before its question would be none.
        if !std::mem::replace(&mut self.is_asked, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = if self.size == 0 { usize::MAX } else { self.size };
        let size = size.min(into.remaining()).min(self.rest.len());
        into.put_slice(&self.rest.split_to(size));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Every input of the corpus, by its name.
    fn corpus() -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/probe");
        let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let named = |it: &std::fs::DirEntry| it.file_name().into_string().unwrap();
        let mut all: Vec<_> =
            files.map(|it| (named(&it), std::fs::read(it.path()).unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn answers_of_the_corpus_are_heard_in_pieces_of_every_size() {
        for (name, mut input) in corpus() {
            let whole = URLS.get(usize::from(input[0])).map(|url| said(url, 0, &input[2..]));
            for size in 0..40 {
                input[1] = size;
                probe(&input);
                let again = URLS.get(usize::from(input[0]));
                let again = again.map(|url| said(url, usize::from(size), &input[2..]));
                assert_eq!(again, whole, "{name} in pieces of {size}");
            }
            // So that what the fuzzer begins with is known to reach the end.
            assert_eq!(name.ends_with("good"), matches!(whole, Some(Ok(_))), "{name}: {whole:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_answer_makes_it_panic(
            noise in prop::collection::vec(any::<u8>(), 0..100),
            which in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            probe(&noise);
            let inputs = corpus();
            let mut input = which.get(&inputs).1.clone();
            input.truncate(cut.index(input.len() + 1).max(3));
            input.extend(&noise);
            for (at, byte) in &changes {
                let at = at.index(input.len() - 2) + 2;
                input[at] = *byte;
            }
            probe(&input);
        }
    }
}
