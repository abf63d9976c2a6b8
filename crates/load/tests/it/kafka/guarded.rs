//! Brokers behind TLS, that let in those alone who show who they are.
//!
//! The mock cluster can do neither, so each of its brokers gets a front: it ends TLS, asks who comes, and gives
//! itself out for the broker. The client of librdkafka is let in by it as well, so that it is no friend of ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_load::{LoadError, Order, Said, prepare};
use evenkeel_model::Answer;
use evenkeel_model::document::{Mechanism, Sasl, Template};
use ring::{digest, hmac, pbkdf2};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Cluster, constant, consume, produce};
use crate::books::{Books, frames, run};
use crate::secure::World;

const USER: &str = "ann";
const PASSWORD: &str = "correct horse";

/// Few, since the password is hashed by slow code for each connection; Kafka asks for 4,096 at least.
const ROUNDS: NonZeroU32 = NonZeroU32::new(64).unwrap();

const API_VERSIONS: i16 = 18;
const HANDSHAKE: i16 = 17;
const AUTHENTICATE: i16 = 36;

const UNSUPPORTED_VERSION: i16 = 35;
const AUTHENTICATION_FAILED: i16 = 58;

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Fronts of every broker; says where they are.
fn fronts(
    cluster: &Cluster,
    tls: Option<&Arc<ServerConfig>>,
    mechanism: Option<Mechanism>,
) -> Vec<SocketAddr> {
    let brokers = cluster.addresses();
    let bind = |_: &SocketAddr| TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<_> = brokers.iter().map(bind).collect();
    let fronts: Vec<_> = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
    let ports = brokers.iter().zip(&fronts).map(|(it, front)| (it.port(), front.port()));
    let ports: Arc<[(u16, u16)]> = ports.collect();
    for (listener, broker) in listeners.into_iter().zip(brokers) {
        let (tls, ports) = (tls.cloned(), Arc::clone(&ports));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tls, ports) = (tls.clone(), Arc::clone(&ports));
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let outer: Box<dyn Stream> = match tls {
                        Some(it) => {
                            Box::new(StreamOwned::new(ServerConnection::new(it).unwrap(), stream))
                        }
                        None => Box::new(stream),
                    };
                    let inner = TcpStream::connect(broker).ok()?;
                    inner.set_nodelay(true).unwrap();
                    Front { outer, inner, ports, mechanism }.serve()
                });
            }
        });
    }
    fronts
}

struct Front {
    outer: Box<dyn Stream>,
    inner: TcpStream,
    /// Of brokers, and of their fronts.
    ports: Arc<[(u16, u16)]>,
    mechanism: Option<Mechanism>,
}

impl Front {
    /// One request after another, until the client goes or is not let in.
    fn serve(&mut self) -> Option<()> {
        let mut guard = self.mechanism.map(Guard::new);
        loop {
            let request = frame(&mut self.outer)?;
            let word = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            let (api, version, correlation) = (word(0), word(2), &request[4..8]);
            // Behind the name of the client.
            let body = &request[10 + word(8).max(0) as usize..];
            let answer = match (api, &mut guard) {
                (API_VERSIONS, Some(_)) if version > 0 => {
                    Some([&UNSUPPORTED_VERSION.to_be_bytes()[..], &[0; 4]].concat())
                }
                (HANDSHAKE, Some(guard)) => Some(guard.handshake()),
                (AUTHENTICATE, Some(guard)) => Some(guard.authenticate(version, &body[4..])),
                (API_VERSIONS, _) | (_, None) => None,
                (_, Some(guard)) if guard.is_open => None,
                // A stranger.
                _ => return None,
            };
            let answer = match answer {
                Some(answer) => [correlation, &answer].concat(),
                None => {
                    say(&mut self.inner, &request)?;
                    let mut answer = frame(&mut self.inner)?;
                    if api == API_VERSIONS && guard.is_some() {
                        // Correlation and error, then how many there are.
                        let count = i32::from_be_bytes(answer[6..10].try_into().unwrap());
                        answer[6..10].copy_from_slice(&(count + 2).to_be_bytes());
                        let more = [HANDSHAKE, 0, 1, AUTHENTICATE, 0, 1].map(i16::to_be_bytes);
                        answer.extend(more.as_flattened());
                    }
                    self.ours(answer)
                }
            };
            say(&mut self.outer, &answer)?;
        }
    }

    /// With fronts in the place of brokers.
    fn ours(&self, mut answer: Vec<u8>) -> Vec<u8> {
        for (theirs, ours) in &*self.ports {
            let [theirs, ours] =
                [theirs, ours].map(|it| [b"127.0.0.1", &u32::from(*it).to_be_bytes()[..]].concat());
            let length = theirs.len();
            while let Some(at) = answer.windows(length).position(|it| it == theirs) {
                answer[at..at + length].copy_from_slice(&ours);
            }
        }
        answer
    }
}

fn frame(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn say(to: &mut impl Write, frame: &[u8]) -> Option<()> {
    to.write_all(&[&(frame.len() as u32).to_be_bytes()[..], frame].concat()).ok()?;
    to.flush().ok()
}

/// Lets in who knows the password: PLAIN (RFC 4616) and SCRAM (RFC 5802).
struct Guard {
    mechanism: Mechanism,
    /// What SCRAM has said so far.
    said: Option<(String, String)>,
    is_open: bool,
}

impl Guard {
    const fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, said: None, is_open: false }
    }

    /// Which mechanisms there are.
    fn handshake(&self) -> Vec<u8> {
        let known = Mechanism::NAMES.iter().find(|it| it.1 == self.mechanism).unwrap().0;
        let length = (known.len() as u16).to_be_bytes();
        [&[0, 0][..], &1i32.to_be_bytes(), &length, known.as_bytes()].concat()
    }

    fn authenticate(&mut self, version: i16, said: &[u8]) -> Vec<u8> {
        let said = String::from_utf8(said.to_vec()).unwrap();
        let answer = match self.mechanism {
            Mechanism::Plain => {
                self.is_open = said == format!("\0{USER}\0{PASSWORD}");
                self.is_open.then(String::new)
            }
            _ => self.scram(&said),
        };
        let error = if answer.is_some() { 0 } else { AUTHENTICATION_FAILED };
        let answer = answer.unwrap_or_default();
        let length = (answer.len() as u32).to_be_bytes();
        let lifetime = if version > 0 { &[0; 8][..] } else { &[] };
        // Without a message.
        let head = [error.to_be_bytes(), (-1i16).to_be_bytes()].concat();
        [&head[..], &length, answer.as_bytes(), lifetime].concat()
    }

    fn scram(&mut self, said: &str) -> Option<String> {
        let (hash, mac, derived) = match self.mechanism {
            Mechanism::ScramSha256 => {
                (&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256)
            }
            _ => (&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
        };
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(mac, key), text);
        let Some((first, ours)) = self.said.take() else {
            let first = said.strip_prefix("n,,")?;
            let nonce = first.strip_prefix(&format!("n={USER},r="))?;
            let ours = format!("r={nonce}server,s={},i={ROUNDS}", STANDARD.encode("salt"));
            self.said = Some((first.to_owned(), ours.clone()));
            return Some(ours);
        };
        let (without, proof) = said.rsplit_once(",p=")?;
        let nonce = ours.strip_prefix("r=")?.split_once(',')?.0;
        // The end is enough, as for Kafka: older versions of librdkafka say their own part twice.
        if !without.strip_prefix("c=biws,r=")?.ends_with(nonce) {
            return None;
        }
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(derived, ROUNDS, b"salt", PASSWORD.as_bytes(), &mut salted);
        let client = sign(&salted, b"Client Key");
        let stored = digest::digest(hash, client.as_ref());
        let whole = format!("{first},{ours},{without}");
        let signature = sign(stored.as_ref(), whole.as_bytes());
        let right: Vec<_> =
            client.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        self.is_open = STANDARD.decode(proof).ok()? == right;
        let server = sign(&salted, b"Server Key");
        let signature = sign(server.as_ref(), whole.as_bytes());
        self.is_open.then(|| format!("v={}", STANDARD.encode(signature)))
    }
}

fn order(fronts: &[SocketAddr], scheme: &str) -> Order {
    let url = format!("{scheme}://{}", fronts[0]);
    let routes = vec![produce("orders", None, "order ${run:user}"), consume("orders")];
    Order { url, ..super::order("", routes, vec![constant(100, 1000)]) }
}

fn sasl(mechanism: Mechanism) -> Sasl {
    let template = |it| Template::parse(it).unwrap();
    Sasl { mechanism, user: template(USER), password: template("${env:PASSWORD}") }
}

/// Sends a load, for which the password is looked up.
fn run_with(order: Order, password: &str) -> Books {
    let password = password.to_owned();
    let prepared = prepare(order, move |_| Ok(password.clone())).unwrap();
    let (say, said) = std::sync::mpsc::channel::<Said>();
    prepared.start(move |it| drop(say.send(it))).unwrap().join();
    Books::of(&frames(said))
}

#[test]
fn records_go_over_tls_to_brokers_that_are_trusted() {
    let (cluster, world) = (Cluster::with("orders"), World::new());
    let fronts = fronts(&cluster, Some(&world.right(&[])), None);
    let mut order = order(&fronts, "kafkas");
    order.test.sending.tls = world.trusting();
    let books = run(order.clone());
    assert_eq!((books.count(Answer::Ok), books.missed), (200, 0), "{books:?}");

    order.test.routes.truncate(1);
    let stranger = World::new();
    order.test.sending.tls = stranger.trusting();
    run(order.clone()).all_were(100, Answer::Tls);
    order.test.sending.tls.insecure = true;
    run(order.clone()).all_were(100, Answer::Ok);
    order.test.sending.tls.server_name = Some("shop.test".to_owned());
    let error = prepare(order, |_| Ok(String::new())).unwrap_err();
    assert!(matches!(error, LoadError::Tls { .. }), "{error}");
}

#[test]
fn brokers_let_in_who_knows_the_password_and_nobody_else() {
    let (cluster, world) = (Cluster::with("orders"), World::new());
    let shown = world.right(&[]);
    for (name, mechanism) in Mechanism::NAMES {
        let secret = fronts(&cluster, Some(&shown), Some(mechanism));
        let plain = fronts(&cluster, None, Some(mechanism));
        for (fronts, scheme) in [(&secret, "kafkas"), (&plain, "kafka")] {
            let mut order = order(fronts, scheme);
            order.test.sending.tls = world.trusting();
            order.test.sending.sasl = Some(sasl(mechanism));
            let books = run_with(order.clone(), PASSWORD);
            assert_eq!((books.count(Answer::Ok), books.missed), (200, 0), "{name}: {books:?}");
            order.test.routes.truncate(1);
            run_with(order, "wrong horse").all_were(100, Answer::Status);
        }
        let theirs = |password: &str| {
            let ca = world.trusting().ca.unwrap();
            let settings = [
                "security.protocol=sasl_ssl".to_owned(),
                format!("ssl.ca.location={}", ca.as_str()),
                format!("sasl.mechanisms={name}"),
                format!("sasl.username={USER}"),
                format!("sasl.password={password}"),
            ];
            let mut kcat = Command::new("kcat");
            kcat.args(["-L", "-m", "5", "-b", &secret[0].to_string()]);
            kcat.args(settings.iter().flat_map(|it| ["-X", it]));
            kcat.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(theirs(PASSWORD), "{name}: the front is no broker to others");
    }
}

#[test]
fn brokers_do_not_hear_those_who_do_not_say_who_they_are() {
    let cluster = Cluster::with("orders");
    let fronts = fronts(&cluster, None, Some(Mechanism::Plain));
    let mut order = order(&fronts, "kafka");
    order.test.routes.truncate(1);
    let books = run(order);
    assert_eq!((books.sent, books.count(Answer::Ok)), (100, 0), "{books:?}");
}
