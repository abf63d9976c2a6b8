//! Servers on loopback that do as a test tells them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A right answer with a body of five bytes.
pub(crate) const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Listens, and gives every connection a thread and its number.
pub(crate) fn serve(talk: impl Fn(&mut Talk, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let talk = Arc::clone(&talk);
            std::thread::spawn(move || talk(&mut Talk::over(stream), number));
        }
    });
    address
}

/// Answers every request of every connection with `answer`.
pub(crate) fn answering(answer: &'static [u8]) -> SocketAddr {
    serve(move |talk, _| {
        while talk.request().is_some() {
            talk.say(answer);
        }
    })
}

/// An address that refuses connections: taken until the tests end, so that no other test's server can get
/// it, and never listened on.
pub(crate) fn refusing() -> SocketAddr {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let taken = Box::leak(Box::new(socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()));
    bind(&*taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    SocketAddr::try_from(getsockname(&*taken).unwrap()).unwrap()
}

/// What a connection goes over.
pub(crate) trait Line: Read + Write {
    /// Says that nothing comes any more, in the words of the line.
    fn farewell(&mut self) -> std::io::Result<()>;
}

impl Line for TcpStream {
    fn farewell(&mut self) -> std::io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// The server's side of one connection.
pub(crate) struct Talk {
    stream: Box<dyn Line>,
    bytes: Vec<u8>,
}

impl Talk {
    pub(crate) fn over(stream: impl Line + 'static) -> Self {
        Self { stream: Box::new(stream), bytes: Vec::new() }
    }

    /// The next bytes, as they come; none when the client has closed.
    pub(crate) fn piece(&mut self) -> Vec<u8> {
        let mut piece = vec![0; 4096];
        let length = self.stream.read(&mut piece).unwrap_or(0);
        piece.truncate(length);
        piece
    }

    /// Says that nothing comes any more; a client that is gone does not hear it.
    pub(crate) fn farewell(&mut self) {
        self.stream.farewell().unwrap_or_default();
    }

    /// The next request up to the end of its head; `None` when the client has closed.
    pub(crate) fn request(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                let rest = self.bytes.split_off(end + 4);
                let head = std::mem::replace(&mut self.bytes, rest);
                return Some(String::from_utf8(head).unwrap());
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(length) => self.bytes.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// The body of the request that was read last.
    pub(crate) fn body(&mut self, length: usize) -> Vec<u8> {
        self.exactly(length).unwrap()
    }

    /// The next so many bytes; `None` when the client closes before.
    pub(crate) fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let rest = self.bytes.split_off(self.bytes.len().min(length));
        let mut bytes = std::mem::replace(&mut self.bytes, rest);
        let begun = bytes.len();
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[begun..]).ok()?;
        Some(bytes)
    }

    /// Sends bytes; a client that is gone does not hear them.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            self.bytes.clear();
        }
    }

    /// Waits until the client has closed.
    pub(crate) fn wait_for_the_end(&mut self) {
        while self.request().is_some() {}
    }
}
