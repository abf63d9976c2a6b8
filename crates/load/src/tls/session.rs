//! Session: TLS on one connection.

use evenkeel_model::Answer;
use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// What a record needs before its length is known.
const HEADER_BYTES: usize = 5;

/// What encrypting adds to each record, at most: its header, nonce, tag and type.
const ADDED_BYTES: usize = 64;

/// The most plaintext in one record.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Room that is kept for the beginning of a record when there is none.
pub(super) const KEPT_BYTES: usize = 4 * 1024;

/// TLS on one connection.
pub(crate) struct Session {
    connection: Box<UnbufferedClientConnection>,
    /// The beginning of a record whose rest has not arrived.
    pub(super) begun: Vec<u8>,
    /// What was to be sent before the handshake was done.
    waiting: Vec<u8>,
    ready: bool,
    /// Whether anything was received that is not of the handshake.
    heard: bool,
    closed: bool,
    /// After the first fault nothing is looked at.
    failed: Option<TlsFault>,
}

/// What was received.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// There may be more.
    Open,
    /// The other side has said that there is no more (close_notify). A connection that ends without was cut.
    Closed,
}

/// The session has failed; the connection is of no use afterwards.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TlsFault {
    reason: rustls::Error,
    heard: bool,
}

impl TlsFault {
    /// What a request on the connection counts as. In TLS 1.3 a server refuses our certificate after we are
    /// done with the handshake, so that it lasts until the first byte of an answer.
    pub(crate) const fn answer(&self) -> Answer {
        match self.heard {
            true => Answer::Malformed,
            false => Answer::Tls,
        }
    }
}

impl Session {
    pub(super) fn new(connection: UnbufferedClientConnection) -> Self {
        Self {
            connection: Box::new(connection),
            begun: Vec::new(),
            waiting: Vec::new(),
            ready: false,
            heard: false,
            closed: false,
            failed: None,
        }
    }

    /// Takes what was received; records are decrypted in place. What they hold is appended to `plain`, what
    /// has to be said in turn to `out`, also when this fails: then it says why to the other side.
    ///
    /// # Errors
    /// When the other side cannot be trusted or understood, or has refused us.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Received, TlsFault> {
        let mut rest = bytes;
        while !self.begun.is_empty() && !rest.is_empty() && !self.closed {
            let (piece, after) = rest.split_at_mut(self.missing().min(rest.len()));
            self.begun.extend_from_slice(piece);
            rest = after;
            let mut begun = std::mem::take(&mut self.begun);
            let used = self.drive(&mut begun, plain, out)?;
            begun.drain(..used);
            if begun.is_empty() && begun.capacity() > KEPT_BYTES {
                begun = Vec::new();
            }
            self.begun = begun;
        }
        if !rest.is_empty() && !self.closed {
            let used = self.drive(rest, plain, out)?;
            self.begun.extend_from_slice(&rest[used..]);
        }
        if self.closed {
            self.begun = Vec::new();
            return Ok(Received::Closed);
        }
        self.send_waiting(out)?;
        Ok(Received::Open)
    }

    /// Encrypts `plain` into `out`. Before the handshake is done it is kept, and sent as soon as it is.
    ///
    /// # Errors
    /// When the session has failed before, or its keys are used up.
    pub(crate) fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsFault> {
        if plain.is_empty() {
            return Ok(());
        }
        if !self.ready {
            self.waiting.extend_from_slice(plain);
            return Ok(());
        }
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let heard = self.heard;
        let fault = |reason| TlsFault { reason, heard };
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.begun);
            match state.map_err(fault)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let records = plain.len().div_ceil(RECORD_BYTES_MAX);
                    let mut room = plain.len() + records * ADDED_BYTES;
                    let from = out.len();
                    loop {
                        out.resize(from + room, 0);
                        match traffic.encrypt(plain, &mut out[from..]) {
                            Ok(written) => {
                                out.truncate(from + written);
                                return Ok(());
                            }
                            Err(EncryptError::InsufficientSize(it)) if it.required_size > room => {
                                room = it.required_size;
                            }
                            Err(_) => {
                                out.truncate(from);
                                return Err(fault(rustls::Error::EncryptError));
                            }
                        }
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(out, |room| data.encode(room));
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                _ => return Err(fault(rustls::Error::HandshakeNotComplete)),
            }
            self.begun.drain(..discard);
        }
    }

    /// Appends what has to be said without being asked: at first, the beginning of the handshake.
    ///
    /// # Errors
    /// When the session has failed before.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), TlsFault> {
        let mut begun = std::mem::take(&mut self.begun);
        let used = self.drive(&mut begun, &mut Vec::new(), out)?;
        begun.drain(..used);
        self.begun = begun;
        self.send_waiting(out)
    }

    /// Says that we send no more (close_notify), so that the other side can tell it from a cut.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if self.failed.is_some() {
            return;
        }
        let status = self.connection.process_tls_records(&mut self.begun);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            let from = out.len();
            out.resize(from + ADDED_BYTES, 0);
            let written = traffic.queue_close_notify(&mut out[from..]).unwrap_or(0);
            out.truncate(from + written);
        }
    }

    /// Whether the other side has said that it sends no more.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the handshake is done.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether it resumed an earlier session. Known once it is [ready](Self::is_ready).
    pub(crate) fn resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Which of the offered protocols the server chose.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// How many bytes the record that has begun still needs, or those that tell it.
    fn missing(&self) -> usize {
        let whole = match *self.begun {
            [_, _, _, high, low, ..] => HEADER_BYTES + usize::from(u16::from_be_bytes([high, low])),
            _ => HEADER_BYTES,
        };
        // Records of one long message of the handshake are kept together: then by the piece.
        whole.checked_sub(self.begun.len()).filter(|it| *it > 0).unwrap_or(KEPT_BYTES)
    }

    fn send_waiting(&mut self, out: &mut Vec<u8>) -> Result<(), TlsFault> {
        if !self.ready || self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.send(&waiting, out)
    }

    /// Works off the records in `bytes`, and says how many bytes of them are done with.
    fn drive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<usize, TlsFault> {
        let (mut used, before) = (0, plain.len());
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut bytes[used..]);
            let goes_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, |room| data.encode(room));
                    true
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.closed = true;
                    true
                }
                Ok(_) => false,
                Err(reason) => {
                    self.say_why(out);
                    self.heard |= plain.len() > before;
                    return Err(self.failed.insert(TlsFault { reason, heard: self.heard }).clone());
                }
            };
            used += discard;
            // Mostly one record came, and nothing is to be said: no need to ask for what is next.
            let is_all = self.ready && used == bytes.len() && !self.connection.wants_write();
            if !goes_on || is_all {
                break;
            }
        }
        self.heard |= plain.len() > before;
        self.ready = !self.connection.is_handshaking();
        Ok(used)
    }

    /// Appends the alert that says why we give up. What waits to be sent comes before anything is read, so
    /// that the records which were not understood are not looked at again.
    fn say_why(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { break };
            append(out, |room| data.encode(room));
        }
    }
}

/// Appends what `encode` writes, once it says how much room it needs.
fn append(out: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let from = out.len();
    if let Err(EncodeError::InsufficientSize(it)) = encode(&mut []) {
        out.resize(from + it.required_size, 0);
        let written = encode(&mut out[from..]).unwrap_or(0);
        out.truncate(from + written);
    }
}
