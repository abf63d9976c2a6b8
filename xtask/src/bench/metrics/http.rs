//! HTTP: requests to a server of metrics, and its answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};

/// A connection that is kept.
pub(super) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true).context("cannot send at once")?;
        Ok(Self { address, stream: BufReader::new(stream) })
    }

    /// The body of the answer, if all is well.
    pub(super) fn get(&mut self, path: &str) -> Result<String> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.exchange(&head, &[])
    }

    /// Writes samples.
    pub(super) fn write(&mut self, body: &[u8]) -> Result<()> {
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nhost: {}\r\ncontent-encoding: snappy\r\n\
             content-type: application/x-protobuf\r\nx-prometheus-remote-write-version: 0.1.0\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.exchange(&head, body).map(drop)
    }

    fn exchange(&mut self, head: &str, body: &[u8]) -> Result<String> {
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).context("cannot send")?;
        stream.write_all(body).context("cannot send")?;
        let status = self.line()?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", it)) => {
                    length = it.trim().parse().context("a length that is no number")?;
                }
                Some(("transfer-encoding", it)) => is_chunked = it.trim() == "chunked",
                Some(_) => {}
            }
        }
        let mut answer = Vec::new();
        if is_chunked {
            loop {
                let size =
                    usize::from_str_radix(&self.line()?, 16).context("a chunk of no size")?;
                self.read(size, &mut answer)?;
                ensure!(self.line()?.is_empty(), "a chunk is longer than it says");
                if size == 0 {
                    break;
                }
            }
        } else {
            self.read(length, &mut answer)?;
        }
        let answer = String::from_utf8(answer).context("an answer that is no text")?;
        if !status.starts_with("HTTP/1.1 2") {
            bail!("{status}: {}", answer.trim());
        }
        Ok(answer)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line).context("no answer")? > 0, "no answer");
        Ok(line.trim_end().to_owned())
    }

    fn read(&mut self, length: usize, into: &mut Vec<u8>) -> Result<()> {
        let read = self.stream.by_ref().take(length as u64).read_to_end(into);
        ensure!(read.context("an answer that breaks off")? == length, "an answer breaks off");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_are_read_whole_or_chunked_and_refusals_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nwhy\n",
        ];
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut seen = [0; 4096];
                assert!(stream.read(&mut seen).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut connection = Connection::open(address).unwrap();
        let mut said = || connection.get("/");
        assert_eq!(said().unwrap(), "one");
        assert_eq!(said().unwrap(), "two");
        assert_eq!(said().unwrap(), "");
        assert_eq!(said().unwrap_err().to_string(), "HTTP/1.1 400 Bad Request: why");
        server.join().unwrap();
    }
}
