//! Protocols: how a request becomes bytes, and bytes become an answer.
//!
//! One protocol, one module. Each is a machine without input or output: it is fed the bytes of one
//! connection in whatever pieces they arrive, and says what they mean. So it runs the same under the
//! reactor, in a property test that splits the bytes at every place, and in a fuzzer.
//!
//! The engine is written once and compiled for each protocol. An **exchange** is one request and what comes
//! of it; its number is the engine's, and a protocol gives it back with all that it hears about it.

use evenkeel_model::Answer;
use evenkeel_units::Moment;

use crate::call::Call;
use crate::target::Target;
use crate::template::Values;

pub(crate) mod dns;
pub(crate) mod grpc;
pub(crate) mod http1;
pub(crate) mod http2;
mod message;
mod nonce;
pub(crate) mod plain;
mod text;
pub(crate) mod websocket;

/// What one connection speaks.
pub(crate) trait Protocol: Sized + Send {
    /// What all connections of a worker share: memory, and what was learnt on one and holds for all.
    type Shared: Send;
    /// A call that is ready to be sent.
    type Ready: Clone + Send;

    /// What it is sent over.
    const CARRIER: Carrier = Carrier::Stream;
    /// What is offered in the handshake of TLS (ALPN).
    const ALPN: &'static [&'static [u8]] = &[];
    /// Whether the server has to choose the first of these.
    const NEEDS_ALPN: bool = false;

    /// Whether a connection carries several exchanges at a time, so that what they have to say is better sent
    /// together.
    const IS_SHARED: bool = false;
    /// Whether a connection remembers what was said on it, so that another is no substitute for it.
    const HAS_SESSION: bool = false;
    /// Whether there may be something to [hear](Self::read) right after a request was begun, without any byte
    /// having come.
    const HEARS_AT_ONCE: bool = false;
    /// Whether it may have something to say at a moment of its own.
    const SPEAKS_LATER: bool = false;

    /// For a worker that talks to `target`.
    fn shared(target: &Target) -> Self::Shared;

    /// Makes a call ready: all that is the same each time is written once.
    ///
    /// # Errors
    /// When it cannot be sent.
    fn ready(host: &str, secure: bool, call: &Call) -> Result<Self::Ready, CallError>;

    /// A new connection. What has to be said first goes into `out`.
    fn open(shared: &mut Self::Shared, out: &mut Vec<u8>) -> Self;

    /// Whether it can carry a request, and how many more.
    fn standing(&self) -> Standing;

    /// Begins an exchange: its request goes into `out`, all of it or as much as may be sent now.
    fn begin(
        &mut self,
        shared: &mut Self::Shared,
        exchange: u32,
        call: &Self::Ready,
        values: &dyn Values,
        now: Moment,
        out: &mut Vec<u8>,
    );

    /// Reads on: takes bytes off the front of `input` and says what they mean; what has to be said in turn
    /// goes into `out`. `None` when more bytes are needed; to be called again until then, also when `input`
    /// has become empty.
    ///
    /// # Errors
    /// When the bytes are not of the protocol. The connection is of no use afterwards.
    fn read<'s, 'i: 's>(
        &'s mut self,
        shared: &'s mut Self::Shared,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed>;

    /// When it is next to be asked to [speak](Self::speak), though nothing has come.
    fn speaks_at(&self) -> Option<Moment> {
        None
    }

    /// It is that moment: what is to be said by now goes into `out`.
    fn speak(&mut self, _now: Moment, _out: &mut Vec<u8>) {}

    /// How many of the bytes that come next mean nothing by themselves, so that they may be
    /// [passed over](Self::pass_over) when nobody wants the body they are of.
    fn unseen(&self) -> u64 {
        0
    }

    /// So many bytes have come and were not looked at; more than were [unseen](Self::unseen) when they hold
    /// something that nobody asked for. To be [read](Self::read) on from there.
    fn pass_over(&mut self, _bytes: u64) {}

    /// The other side has closed the connection: the exchange whose answer is whole by that, if there is one.
    fn end(&mut self) -> Option<u32>;

    /// The exchange is given up. Where the protocol can tell the server so and go on, what tells it goes into
    /// `out`; where not, the connection [closes](Standing::Closing).
    fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>);
}

/// What a protocol is sent over.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// TCP, or TLS over it: bytes arrive in any pieces.
    Stream,
    /// UDP: each `read` gets one datagram, and all that is in `out` is sent as one.
    Datagram,
}

/// Whether a connection can carry a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not yet: the other side has to say something first.
    Opening,
    /// So many more.
    Open(u32),
    /// No more. What is under way may still be answered; then it is closed.
    Closing,
}

/// What bytes mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// The status of the final answer; informational ones are passed over.
    Status {
        /// Of which exchange.
        exchange: u32,
        /// The code: of HTTP, of gRPC, of DNS.
        status: u16,
    },
    /// A header or trailer. Only for calls that want them.
    Header {
        /// Of which exchange.
        exchange: u32,
        /// As sent; case does not matter.
        name: &'a [u8],
        /// As sent.
        value: &'a [u8],
    },
    /// A piece of the body, without its framing.
    Body {
        /// Of which exchange.
        exchange: u32,
        /// Never empty.
        data: &'a [u8],
    },
    /// The answer is whole.
    Done {
        /// Of which exchange.
        exchange: u32,
    },
    /// This exchange alone has come to nothing.
    Lost {
        /// Which.
        exchange: u32,
        /// What it counts as.
        answer: Answer,
        /// Whether the server has surely not acted on it, so that it may be sent again.
        untouched: bool,
    },
}

/// The bytes are not of the protocol.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A call cannot be sent. Says what, never the text, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Its method is not one.
    #[error("its method is not one word of letters")]
    Method,
    /// Its path would break the request.
    #[error("its path does not start with `/`, or holds spaces or control characters")]
    Path,
    /// A header would break the request.
    #[error("`{name}` is not the name of a header")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// A header would break the request.
    #[error("the value of its header `{name}` holds a line break or another control character")]
    HeaderValue {
        /// The name.
        name: String,
    },
    /// A header follows from something else.
    #[error("its header `{name}` is ours to send; leave it out")]
    HeaderOurs {
        /// The name.
        name: String,
    },
    /// The protocol of the URL is another.
    #[error("it cannot be sent over {protocol}: {reason}")]
    Protocol {
        /// The protocol of the URL.
        protocol: &'static str,
        /// What is wrong, and the fix.
        reason: String,
    },
}
