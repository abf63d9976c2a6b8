//! Link: a connection between a coordinator and an agent, encrypted, on which each has shown that it knows the token.
//!
//! ```text
//! caller ── TLS 1.3 ──▶ called      its certificate is of the moment, and trusted by nobody
//!        ── hello, proof ──▶        a stranger learns nothing from whoever is called
//!        ◀── hello, proof ──        and an impostor is not told what to send
//! ```
//!
//! Either side may be the one that calls, over anything that carries bytes.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::message::{GREETING_BYTES_MAX, Greeting, MESSAGE_BYTES_MAX, PROTOCOL, decode, encode};
use super::token::{Binding, Role, Token};
use crate::tls::AnyCertificate;

/// Whoever says nothing for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// How often each side says that it is there.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// What proofs are made of, by name.
const EXPORTED: &[u8] = b"EXPORTER-evenkeel-fleet";

/// No name is asked for: the proof tells who it is.
const NAME: &str = "agent.evenkeel.invalid";

/// Of Evenkeel.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why two do not talk, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error("it said nothing for 5 s")]
    Silent,
    #[error("a message of {length} bytes is too long")]
    Long { length: usize },
    #[error("what it said was not understood: {0}")]
    Garbage(String),
    #[error("it does not know the token")]
    Token,
    #[error("it is of version {theirs}, and this is {VERSION}: both must be the same")]
    Version { theirs: String },
    #[error("{0}")]
    Refused(String),
    #[error("TLS cannot be spoken: {0}")]
    Tls(String),
    #[error("the database cannot be used: {0}")]
    Database(String),
}

/// What carries the bytes of a link: a connection, or the tables of a database.
pub(super) trait Wire: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Wire for T {}

/// What a link speaks, whatever carries it.
type Stream = TlsStream<Box<dyn Wire>>;

/// What is heard.
#[derive(Debug)]
pub(super) struct Reader {
    half: ReadHalf<Stream>,
    begun: Vec<u8>,
    at_most: usize,
    /// When the last byte came.
    heard: Instant,
}

impl Reader {
    /// The next message. Nothing is lost when this is given up half-way.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        loop {
            if let Some(message) = decode(&mut self.begun, self.at_most)? {
                return Ok(message);
            }
            match self.half.read_buf(&mut self.begun).await {
                Ok(0) => return Err(LinkError::Closed),
                Ok(_) => self.heard = Instant::now(),
                // A process that was killed says no goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(LinkError::Closed);
                }
                Err(error) => return Err(LinkError::Broken(error)),
            }
        }
    }

    /// Until when something must be heard. Any byte counts: an order with its data may take long.
    pub(super) fn patience(&self) -> Instant {
        self.heard + SILENCE
    }

    /// Whether something was.
    pub(super) fn is_there(&self) -> Result<(), LinkError> {
        match Instant::now() < self.patience() {
            true => Ok(()),
            false => Err(LinkError::Silent),
        }
    }
}

/// What is said.
#[derive(Debug)]
pub(super) struct Writer {
    half: WriteHalf<Stream>,
}

impl Writer {
    /// Says something; to somebody who does not listen, not for ever.
    pub(super) async fn say(&mut self, message: &impl Serialize) -> Result<(), LinkError> {
        let bytes = encode(message)?;
        let write = async {
            self.half.write_all(&bytes).await?;
            self.half.flush().await
        };
        // What is long may take long.
        let patience = SILENCE + Duration::from_millis(bytes.len() as u64 / 2_000);
        timeout(patience, write).await.map_err(|_| LinkError::Silent)?.map_err(LinkError::Broken)
    }

    /// Says goodbye, as far as it can be heard.
    pub(super) async fn close(&mut self) {
        timeout(SILENCE, self.half.shutdown()).await.unwrap_or(Ok(())).unwrap_or_default();
    }
}

/// How whoever is called speaks TLS: with a certificate of its own making, for as long as it runs.
pub(super) fn acceptor() -> Result<TlsAcceptor, LinkError> {
    let wrong = |it: &dyn std::fmt::Display| LinkError::Tls(it.to_string());
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(|it| wrong(&it))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|it| wrong(&it))?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(|it| wrong(&it))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector() -> Result<TlsConnector, LinkError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|it| LinkError::Tls(it.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A link before the other side is known.
struct Stranger {
    reader: Reader,
    writer: Writer,
    binding: Binding,
}

impl Stranger {
    fn new(stream: Stream) -> Result<Self, LinkError> {
        let binding = match &stream {
            TlsStream::Client(it) => it.get_ref().1.export_keying_material([0; 32], EXPORTED, None),
            TlsStream::Server(it) => it.get_ref().1.export_keying_material([0; 32], EXPORTED, None),
        };
        let binding = binding.map_err(|it| LinkError::Tls(it.to_string()))?;
        let (reader, writer) = split(stream);
        let reader = Reader {
            half: reader,
            begun: Vec::new(),
            at_most: GREETING_BYTES_MAX,
            heard: Instant::now(),
        };
        Ok(Self { reader, writer: Writer { half: writer }, binding })
    }

    fn hello(&self, token: &Token, role: Role, name: &str) -> Greeting {
        Greeting::Hello {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            name: name.to_owned(),
            proof: token.proof(role, &self.binding),
        }
    }

    /// The name of the other side, if it may be talked to.
    async fn meet(&mut self, token: &Token, role: Role) -> Result<String, LinkError> {
        match self.reader.next().await? {
            Greeting::Refused(reason) => Err(LinkError::Refused(reason)),
            Greeting::Hello { protocol, version, .. }
                if protocol != PROTOCOL || version != VERSION =>
            {
                Err(LinkError::Version { theirs: version })
            }
            Greeting::Hello { name, proof, .. } => {
                match token.is_proven(role, &self.binding, &proof) {
                    true => Ok(name),
                    false => Err(LinkError::Token),
                }
            }
        }
    }

    fn known(mut self) -> (Reader, Writer) {
        self.reader.at_most = MESSAGE_BYTES_MAX;
        (self.reader, self.writer)
    }
}

/// A connection to an address.
pub(super) async fn dial(address: &str) -> Result<Box<dyn Wire>, LinkError> {
    let stream = timeout(SILENCE, TcpStream::connect(address)).await;
    over(stream.map_err(|_| LinkError::Silent)?.map_err(LinkError::Connect)?)
}

/// What a connection carries is short, and not to be waited with.
pub(super) fn over(stream: TcpStream) -> Result<Box<dyn Wire>, LinkError> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// Greets somebody who has been reached, as `role`, and says what that one calls itself.
pub(super) async fn call(
    wire: Box<dyn Wire>,
    token: &Token,
    role: Role,
    name: &str,
) -> Result<(Reader, Writer, String), LinkError> {
    let meet = async {
        let server = ServerName::try_from(NAME).map_err(|it| LinkError::Tls(it.to_string()))?;
        let stream = connector()?.connect(server, wire).await?;
        let mut stranger = Stranger::new(stream.into())?;
        let hello = stranger.hello(token, role, name);
        stranger.writer.say(&hello).await?;
        let name = stranger.meet(token, role.other()).await?;
        let (reader, writer) = stranger.known();
        Ok((reader, writer, name))
    };
    timeout(SILENCE, meet).await.unwrap_or(Err(LinkError::Silent))
}

/// Lets in somebody who has called, if `seat` has a place for one of that name. Tells one that is not let in why.
pub(super) async fn answer<S>(
    wire: Box<dyn Wire>,
    acceptor: &TlsAcceptor,
    token: &Token,
    role: Role,
    name: &str,
    seat: impl FnOnce(&str) -> Result<S, String>,
) -> Result<(Reader, Writer, S), LinkError> {
    let meet = async {
        let stream = acceptor.accept(wire).await?;
        let mut stranger = Stranger::new(stream.into())?;
        let met = stranger.meet(token, role.other()).await;
        let seat = met.and_then(|theirs| seat(&theirs).map_err(LinkError::Refused));
        let greeting = match &seat {
            Ok(_) => stranger.hello(token, role, name),
            Err(LinkError::Token) => Greeting::Refused("its token is another one".to_owned()),
            Err(LinkError::Version { theirs }) => Greeting::Refused(format!(
                "it is of version {VERSION}, and this is {theirs}: both must be the same"
            )),
            Err(LinkError::Refused(reason)) => Greeting::Refused(reason.clone()),
            Err(_) => Greeting::Refused("it did not understand the greeting".to_owned()),
        };
        stranger.writer.say(&greeting).await?;
        if seat.is_err() {
            stranger.writer.close().await;
        }
        let seat = seat?;
        let (reader, writer) = stranger.known();
        Ok((reader, writer, seat))
    };
    timeout(SILENCE, meet).await.unwrap_or(Err(LinkError::Silent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::net::TcpListener;

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    /// Somebody who speaks TLS at an address, and answers the first greeting as it likes.
    async fn impostor(
        answer: impl Fn(&Stranger, Greeting) -> Greeting + Send + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor().unwrap().accept(over(stream).unwrap()).await.unwrap();
            let mut stranger = Stranger::new(stream.into()).unwrap();
            let hello = stranger.reader.next().await.unwrap();
            let answer = answer(&stranger, hello);
            stranger.writer.say(&answer).await.unwrap();
            // Whoever was fooled would go on talking.
            drop(stranger.reader.next::<Greeting>().await);
        });
        address
    }

    async fn call_agent(address: SocketAddr) -> LinkError {
        let wire = dial(&address.to_string()).await.unwrap();
        let ours = token("the token of the fleet");
        call(wire, &ours, Role::Coordinator, "").await.unwrap_err()
    }

    async fn met_by_agent(ours: &'static str, hello: Greeting) -> (LinkError, Greeting) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let agent = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor().unwrap();
            let (wire, seat) = (over(stream).unwrap(), |_: &str| Ok(()));
            answer(wire, &acceptor, &token(ours), Role::Agent, "it", seat).await.unwrap_err()
        });
        let stream = dial(&address.to_string()).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let stream = connector().unwrap().connect(name, stream).await.unwrap();
        let mut stranger = Stranger::new(stream.into()).unwrap();
        stranger.writer.say(&hello).await.unwrap();
        let greeting = stranger.reader.next().await.unwrap();
        (agent.await.unwrap(), greeting)
    }

    #[tokio::test]
    async fn an_impostor_that_does_not_know_the_token_is_told_nothing() {
        // It sends our own proof back, or one that it made itself.
        let echo = impostor(|_, hello| hello).await;
        let guess =
            impostor(|it, _| it.hello(&token("a guess of 16 characters"), Role::Agent, "")).await;
        for address in [echo, guess] {
            let error = call_agent(address).await;
            assert!(matches!(error, LinkError::Token), "{error}");
        }
    }

    #[tokio::test]
    async fn another_version_is_said_on_both_sides() {
        let old = |hello: Greeting| match hello {
            Greeting::Hello { protocol, name, proof, .. } => {
                Greeting::Hello { protocol, version: "0.0.1".to_owned(), name, proof }
            }
            refused @ Greeting::Refused(_) => refused,
        };
        let address = impostor(move |_, hello| old(hello)).await;
        let error = call_agent(address).await;
        assert!(error.to_string().starts_with("it is of version 0.0.1, and this is "), "{error}");

        let hello = Greeting::Hello {
            protocol: PROTOCOL,
            version: "0.0.1".to_owned(),
            name: String::new(),
            proof: String::new(),
        };
        let (error, greeting) = met_by_agent("the token of the fleet", hello).await;
        assert!(matches!(error, LinkError::Version { .. }), "{error}");
        let Greeting::Refused(reason) = greeting else { panic!("{greeting:?}") };
        assert!(reason.ends_with("and this is 0.0.1: both must be the same"), "{reason}");
    }

    #[tokio::test]
    async fn a_greeting_of_another_connection_opens_nothing() {
        let text = "the token of the fleet";
        // Right, but for a connection that is not this one.
        let proof = token(text).proof(Role::Coordinator, &[0; 32]);
        let (version, name) = (VERSION.to_owned(), String::new());
        let hello = Greeting::Hello { protocol: PROTOCOL, version, name, proof };
        let (error, greeting) = met_by_agent(text, hello).await;
        assert!(matches!(error, LinkError::Token), "{error}");
        assert_eq!(greeting, Greeting::Refused("its token is another one".to_owned()));
    }
}
