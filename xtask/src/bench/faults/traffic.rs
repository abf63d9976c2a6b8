//! Traffic: what is sent through whatever stands in between, and to whom. All of it shares one core.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::bench::running::now;
use anyhow::{Context as _, Result, anyhow, ensure};

/// Written and read at a time, as iperf3 does.
const PIECE_BYTES: usize = 128 * 1024;
/// Servers that wait for connections; more of them than clients.
const ECHOES: usize = 24;
const SINKS: usize = 4;
/// Of an exchange.
const MESSAGE_BYTES: usize = 64;
/// Who does not answer for so long never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom everything is sent to, for as long as this program lives.
#[derive(Copy, Clone, Debug)]
pub(super) struct Server {
    /// Swallows, and says at the end how much that was.
    pub(super) sink: SocketAddr,
    /// Answers each message with itself.
    pub(super) echo: SocketAddr,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        Ok(Self { sink: serve(SINKS, sink)?, echo: serve(ECHOES, echo)? })
    }
}

/// A sink that no fault knows of.
pub(super) fn another_sink() -> Result<SocketAddr> {
    serve(1, sink)
}

fn serve(threads: usize, answer: fn(TcpStream) -> std::io::Result<()>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    for _ in 0..threads {
        let listener = listener.try_clone().context("cannot share a listener")?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that is gone is how each of them ends.
                answer(client).unwrap_or_default();
            }
        });
    }
    listener.local_addr().context("a listener has no address")
}

fn sink(mut client: TcpStream) -> std::io::Result<()> {
    let (mut bytes, mut total) = (vec![0; PIECE_BYTES], 0);
    loop {
        match client.read(&mut bytes)? {
            0 => return client.write_all(&u64::to_be_bytes(total)),
            read => total += read as u64,
        }
    }
}

fn echo(mut client: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut bytes = [0; MESSAGE_BYTES];
    loop {
        match client.read(&mut bytes)? {
            0 => return Ok(()),
            read => client.write_all(bytes.get(..read).unwrap_or_default())?,
        }
    }
}

/// A connection to an echo that answers or fails.
pub(super) fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
    stream.set_read_timeout(Some(PATIENCE)).context("cannot limit a wait")?;
    Ok(stream)
}

/// Sends to a sink as fast as it goes for so many seconds; says how many bytes arrived, and in which time.
pub(super) fn push(to: SocketAddr, seconds: f64) -> Result<(f64, f64)> {
    let mut stream = connect(to)?;
    let piece = vec![7; PIECE_BYTES];
    let start = now();
    while now() - start < seconds {
        stream.write_all(&piece).context("the sink is gone")?;
    }
    stream.shutdown(Shutdown::Write).context("cannot end a stream")?;
    let mut total = [0; 8];
    stream.read_exact(&mut total).context("the sink did not say how much arrived")?;
    Ok((u64::from_be_bytes(total) as f64, now() - start))
}

/// How long one message takes there and back.
pub(super) fn trip(stream: &mut TcpStream) -> Result<f64> {
    let mut message = [7; MESSAGE_BYTES];
    let start = now();
    stream.write_all(&message).context("the echo is gone")?;
    stream.read_exact(&mut message).context("the echo did not answer")?;
    Ok(now() - start)
}

/// So many of them one after the other on one connection, sorted.
pub(super) fn trips(to: SocketAddr, count: usize) -> Result<Vec<f64>> {
    let mut stream = connect(to)?;
    // The first ones find cold caches.
    for _ in 0..count / 10 {
        trip(&mut stream)?;
    }
    let mut times = (0..count).map(|_| trip(&mut stream)).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// How many connections are made, used for one message and closed, by so many clients in so many seconds; and in which
/// time.
pub(super) fn connections(to: SocketAddr, clients: usize, seconds: f64) -> Result<(f64, f64)> {
    let start = now();
    let client = || -> Result<u32> {
        let mut count = 0;
        while now() - start < seconds {
            trip(&mut connect(to)?)?;
            count += 1;
        }
        Ok(count)
    };
    let counts = thread::scope(|scope| {
        let all: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let ended = all.into_iter().map(|it| it.join().map_err(|_| anyhow!("a client failed"))?);
        ended.collect::<Result<Vec<u32>>>()
    })?;
    Ok((f64::from(counts.iter().sum::<u32>()), now() - start))
}

/// The share of so many datagrams that does not arrive.
pub(super) fn lost(server: &UdpSocket, count: u32) -> Result<f64> {
    let to = server.local_addr().context("a socket has no address")?;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot have a socket")?;
    server.set_nonblocking(true).context("cannot make a socket not wait")?;
    let mut arrived = 0;
    for _ in 0..count {
        match client.send_to(&[7; MESSAGE_BYTES], to) {
            // Whoever drops a packet on its way out may say so to its sender.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            sent => ensure!(sent.context("cannot send")? > 0, "nothing was sent"),
        }
        // Over loopback it is there by now, so that no buffer can run over.
        arrived += u32::from(server.recv(&mut [0; MESSAGE_BYTES]).is_ok());
    }
    Ok(1.0 - f64::from(arrived) / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_sent_arrives_and_is_counted() {
        let server = Server::start().unwrap();
        let (bytes, seconds) = push(server.sink, 0.01).unwrap();
        assert!(bytes >= PIECE_BYTES as f64 && seconds >= 0.01);
        let times = trips(server.echo, 20).unwrap();
        assert!(times.len() == 20 && times.is_sorted() && times[0] > 0.0);
        let (count, _) = connections(server.echo, 2, 0.01).unwrap();
        assert!(count >= 2.0);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(lost(&socket, 100).unwrap() < 0.01);
    }
}
