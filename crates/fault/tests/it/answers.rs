//! Servers of a few lines, on loopback.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A server that answers each connection in a thread of its own, for as long as the test runs.
pub(crate) fn serve(
    answer: impl Fn(TcpStream) -> io::Result<()> + Send + Clone + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, answer) = (client.unwrap(), answer.clone());
            // Clients that are reset are what these tests are about.
            std::thread::spawn(move || answer(client).unwrap_or_default());
        }
    });
    address
}

pub(crate) fn echo() -> SocketAddr {
    serve(|mut client| {
        client.set_nodelay(true)?;
        let mut bytes = vec![0; 65_536];
        loop {
            match client.read(&mut bytes)? {
                0 => return Ok(()),
                read => client.write_all(&bytes[..read])?,
            }
        }
    })
}
