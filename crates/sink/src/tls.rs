//! TLS around HTTP/1.1: rustls without buffers of its own, so that a request is decrypted where it lies.

use std::error::Error;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};

use crate::http1::Http1;
use crate::serving::{Answers, Refused};

/// Of a record: its head, its tag, and what TLS 1.2 adds.
const RECORD_EXTRA_BYTES: usize = 64;

/// Plain text of a record.
const RECORD_BYTES: usize = 16 * 1024;

/// What the sink says in a handshake fits, but for long chains of certificates.
const HANDSHAKE_BYTES: usize = 4096;

/// A certificate for this machine, made now and trusted by nobody.
pub(crate) fn certificate() -> Result<CertifiedKey<KeyPair>, rcgen::Error> {
    rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned))
}

/// A server that shows a new certificate.
pub(crate) fn config() -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let made = certificate()?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// One connection.
pub(crate) struct Tls {
    /// `None` when the machine has no randomness to start with.
    connection: Option<UnbufferedServerConnection>,
    within: Http1,
    /// A record, or the start of one, that has not come whole.
    carry: Vec<u8>,
    /// Answers that are not encrypted yet.
    plain: Vec<u8>,
}

impl Tls {
    pub(crate) fn new(config: &Arc<ServerConfig>, within: Http1) -> Self {
        let connection = UnbufferedServerConnection::new(Arc::clone(config)).ok();
        Self { connection, within, carry: Vec::new(), plain: Vec::new() }
    }

    /// How many bytes were needed.
    fn read(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<usize, Refused> {
        let connection = self.connection.as_mut().ok_or(Refused("no randomness"))?;
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                connection.process_tls_records(&mut bytes[used..]);
            let mut done = false;
            match state.map_err(|_| Refused("TLS that is none"))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| Refused("TLS that is none"))?;
                        discard += record.discard;
                        self.within.answer(record.payload, &mut self.plain)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => append(out, HANDSHAKE_BYTES, |room| {
                    data.encode(room).map_err(|error| match error {
                        EncodeError::InsufficientSize(size) => Some(size),
                        EncodeError::AlreadyEncoded => None,
                    })
                })?,
                // It is sent before anything else is heard.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake => done = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    if !self.plain.is_empty() {
                        let records = self.plain.len().div_ceil(RECORD_BYTES);
                        let room = self.plain.len() + records * RECORD_EXTRA_BYTES;
                        append(out, room, |room| {
                            traffic.encrypt(&self.plain, room).map_err(|_| None)
                        })?;
                        self.plain.clear();
                    }
                    done = true;
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Err(Refused("the client has left"));
                }
                _ => return Err(Refused("data before the handshake")),
            }
            used += discard;
            if done {
                return Ok(used);
            }
        }
    }
}

/// Lets `write` fill some room at the end of `out`, and more of it if that is what it takes.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Refused> {
    let start = out.len();
    out.resize(start + room, 0);
    let written = write(&mut out[start..]).or_else(|error| {
        let size = error.ok_or(Refused("TLS has nothing to say"))?.required_size;
        out.resize(start + size, 0);
        write(&mut out[start..]).map_err(|_| Refused("TLS has nothing to say"))
    })?;
    out.truncate(start + written);
    Ok(())
}

impl Answers for Tls {
    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.carry.is_empty() {
            let used = self.read(bytes, out)?;
            self.carry.extend_from_slice(&bytes[used..]);
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            let used = self.read(&mut carry, out)?;
            carry.drain(..used);
            self.carry = carry;
        }
        Ok(())
    }
}
