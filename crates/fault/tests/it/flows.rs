//! What flows past us through a pipe arrives as it was sent, and meets whatever is laid while it flows.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use evenkeel_fault::proxy::{Counts, Proxy, Toxic};
use evenkeel_units::{Bytes, Seed};
use rand::RngExt as _;

use crate::stage::{blocking, connect, serve, until};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// More than all buffers on the way hold.
const MUCH: usize = 32 << 20;

const BLOCK: usize = 32 << 10;

/// What a stream is made of.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut noise = vec![0; 1 << 20];
    Seed(1).stream("noise").fill(noise.as_mut_slice());
    noise
});

/// Bytes of a stream from `at` on. Neighbours differ, so that none can be lost, doubled or moved unseen.
fn block(at: usize) -> &'static [u8] {
    let from = at / BLOCK * 4093 % (NOISE.len() - BLOCK);
    &NOISE[from..from + BLOCK]
}

/// Sends `bytes`, and says how far it has come.
fn send(stream: &mut TcpStream, bytes: usize, sent: &AtomicUsize) -> std::io::Result<()> {
    while sent.load(Ordering::Relaxed) < bytes {
        let data = block(sent.load(Ordering::Relaxed));
        stream.write_all(data)?;
        sent.fetch_add(BLOCK, Ordering::Relaxed);
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads to the end, and says how much that was.
fn receive(stream: &mut TcpStream) -> usize {
    let (mut at, mut data) = (0, vec![0; BLOCK]);
    loop {
        match stream.read(&mut data[..1]).unwrap() {
            0 => return at,
            _ => stream.read_exact(&mut data[1..]).unwrap(),
        }
        assert!(data == block(at), "from byte {at} on");
        at += BLOCK;
    }
}

/// A link to somebody who sends much at once, and how far that has come.
fn flood() -> (Proxy, SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::<AtomicUsize>::default();
    let progress = sent.clone();
    let upstream = serve(move |mut client| send(&mut client, MUCH, &progress));
    let mut proxy = Proxy::without_links(Seed(7)).unwrap();
    let address = proxy.open("x", ANY, upstream.to_string().as_str()).unwrap();
    (proxy, address, sent)
}

/// Waits until everything on the way is full.
async fn stuck(sent: &AtomicUsize) {
    let (mut before, mut looks) = (0, 0);
    until(|| {
        let now = sent.load(Ordering::Relaxed);
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
        now > 0 && looks > 20
    })
    .await;
}

#[tokio::test]
async fn what_flows_both_ways_at_once_arrives_as_it_was_sent() {
    let upstream = serve(|mut client| {
        let mut back = client.try_clone()?;
        let sends = std::thread::spawn(move || send(&mut back, MUCH, &AtomicUsize::new(0)));
        assert_eq!(receive(&mut client), MUCH);
        sends.join().unwrap()
    });
    let mut proxy = Proxy::without_links(Seed(7)).unwrap();
    let address = proxy.open("x", ANY, upstream.to_string().as_str()).unwrap();
    let client = connect(address);
    let mut up = client.try_clone().unwrap();
    let sends = blocking(move || send(&mut up, MUCH, &AtomicUsize::new(0)).unwrap());
    let receives = blocking(move || receive(&mut { client }));
    assert_eq!(tokio::join!(sends, receives).1, MUCH);
}

#[tokio::test]
async fn what_has_not_arrived_meets_a_bandwidth() {
    let (mut proxy, address, sent) = flood();
    let mut client = connect(address);
    stuck(&sent).await;
    let rate = Toxic::Bandwidth { rate: Bytes(400_000_000) };
    let counts = proxy.lay("x", 0, rate, None).await.unwrap();
    assert_eq!(blocking(move || receive(&mut client)).await, MUCH);
    let counted = Counts::read(&counts.bytes) as usize;
    // Buffers of sockets hold some that had left us; the pipe's are still ours.
    assert!(counted > MUCH - sent.load(Ordering::Relaxed).min(16 << 20), "{counted}");
    assert!(Counts::read(&counts.waits) > 0);
}

#[tokio::test]
async fn what_has_not_arrived_is_lost_in_a_black_hole() {
    let (mut proxy, address, sent) = flood();
    let client = connect(address);
    stuck(&sent).await;
    let counts = proxy.lay("x", 0, Toxic::BlackHole, None).await.unwrap();
    until(|| Counts::read(&counts.swallowed_bytes) > 0).await;
    assert_eq!(Counts::read(&counts.swallowed), 1);
    proxy.lift("x", 0).await.unwrap();
    // The stream has a hole in it.
    let reset = blocking(move || std::io::copy(&mut { client }, &mut std::io::sink())).await;
    assert!(reset.is_err());
}

#[tokio::test]
async fn a_delay_that_comes_and_goes_leaves_the_stream_whole() {
    let (mut proxy, address, sent) = flood();
    let mut client = connect(address);
    stuck(&sent).await;
    let received = tokio::spawn(blocking(move || receive(&mut client)));
    let mut segments = 0;
    for _ in 0..10 {
        let late = Toxic::Latency { delay: Duration::from_millis(2), jitter: Duration::ZERO };
        let counts = proxy.lay("x", 0, late, None).await.unwrap();
        until(|| Counts::read(&counts.segments) > 0 || received.is_finished()).await;
        proxy.lift("x", 0).await.unwrap();
        segments += Counts::read(&counts.segments);
    }
    assert_eq!(received.await.unwrap(), MUCH);
    assert!(segments > 0);
}
