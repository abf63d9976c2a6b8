//! Each toxic does on real sockets what it says, on the stream that it is laid on; and links come, change and
//! go while others carry data.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use evenkeel_fault::proxy::{Placed, Proxy, ProxyError, Stream, Toxic};
use evenkeel_units::{Bytes, Clock, Ratio, Seed, SystemClock};
use rand::RngExt as _;

use crate::stage::{blocking, connect, echo, serve};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn on(stream: Stream, toxic: Toxic) -> Placed {
    Placed { toxic, stream: Some(stream), toxicity: Ratio::ONE }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A proxy with the link `x` to `upstream`, and where it listens.
fn linked(upstream: SocketAddr) -> (Proxy, SocketAddr) {
    let mut proxy = Proxy::without_links(Seed(7)).unwrap();
    let address = proxy.open("x", ANY, upstream.to_string().as_str()).unwrap();
    (proxy, address)
}

/// Answers one byte with so many, then waits for the end of the client.
fn answers(bytes: usize) -> SocketAddr {
    serve(move |mut client| {
        client.read_exact(&mut [0])?;
        client.write_all(&vec![1; bytes])?;
        client.read_to_end(&mut Vec::new()).map(drop)
    })
}

/// Reads so many bytes, then answers one.
fn takes(bytes: usize) -> SocketAddr {
    serve(move |mut client| {
        client.read_exact(&mut vec![0; bytes])?;
        client.write_all(&[1])
    })
}

/// A round trip of one byte through an echo.
fn trip(stream: &mut TcpStream) -> Duration {
    let clock = SystemClock::start();
    stream.write_all(&[7]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    clock.now().elapsed()
}

async fn timed(work: impl FnOnce() + Send + 'static) -> Duration {
    let clock = SystemClock::start();
    blocking(work).await;
    clock.now().elapsed()
}

#[tokio::test]
async fn a_latency_delays_the_stream_that_it_is_laid_on() {
    for stream in [Stream::Up, Stream::Down] {
        let (mut proxy, address) = linked(echo());
        let mut open = blocking(move || {
            let mut open = connect(address);
            trip(&mut open);
            open
        })
        .await;
        let latency = |delay| on(stream, Toxic::Latency { delay, jitter: Duration::ZERO });
        proxy.lay("x", 0, latency(millis(80)), None).await.unwrap();
        let (mut open, first) = blocking(move || {
            let first = trip(&mut open);
            (open, first)
        })
        .await;
        assert!(first >= millis(80), "{first:?}");
        // Another under the same number takes its place, one under another number is added.
        proxy.lay("x", 0, latency(millis(20)), None).await.unwrap();
        proxy.lay("x", 1, latency(millis(30)), None).await.unwrap();
        let times: Vec<_> = blocking(move || (0..10).map(|_| trip(&mut open)).collect()).await;
        assert!(times.iter().all(|it| *it >= millis(50)), "{times:?}");
        assert!(times.iter().any(|it| *it < millis(80)), "{times:?}");
    }
}

#[tokio::test]
async fn a_jitter_may_be_larger_than_its_latency() {
    let (mut proxy, address) = linked(echo());
    let toxic = Toxic::Latency { delay: millis(1), jitter: millis(30) };
    proxy.lay("x", 0, on(Stream::Down, toxic), None).await.unwrap();
    let times: Vec<_> = blocking(move || {
        let mut stream = connect(address);
        (0..40).map(|_| trip(&mut stream)).collect()
    })
    .await;
    // Half of them would be late by less than nothing.
    assert!(times.iter().filter(|it| **it < millis(10)).count() > 5, "{times:?}");
    assert!(times.iter().any(|it| *it > millis(15)), "{times:?}");
}

#[tokio::test]
async fn a_throttle_is_for_the_stream_that_it_is_laid_on() {
    for (stream, upstream) in [(Stream::Up, takes(50_000)), (Stream::Down, answers(50_000))] {
        let (mut proxy, address) = linked(upstream);
        let exchange = move || {
            let mut client = connect(address);
            let (out, back) = if stream == Stream::Up { (50_000, 1) } else { (1, 50_000) };
            client.write_all(&vec![1; out]).unwrap();
            client.read_exact(&mut vec![0; back]).unwrap();
        };
        let other = if stream == Stream::Up { Stream::Down } else { Stream::Up };
        let toxic = |rate| Toxic::Throttle { rate: Bytes(rate) };
        // One byte in the time of an answer.
        proxy.lay("x", 0, on(other, toxic(1000)), None).await.unwrap();
        proxy.lay("x", 1, on(stream, toxic(100_000)), None).await.unwrap();
        let (one, other) = tokio::join!(timed(exchange), timed(exchange));
        assert!(one.min(other) > millis(460), "{one:?} and {other:?}");
    }
}

#[tokio::test]
async fn without_a_rate_nothing_passes_until_there_is_one() {
    let (mut proxy, address) = linked(echo());
    let toxic = |rate| on(Stream::Up, Toxic::Throttle { rate: Bytes(rate) });
    proxy.lay("x", 0, toxic(0), None).await.unwrap();
    let stream = blocking(move || {
        let mut stream = connect(address);
        stream.write_all(&[7]).unwrap();
        stream.set_read_timeout(Some(millis(150))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(crate::stage::PATIENCE)).unwrap();
        stream
    })
    .await;
    proxy.lay("x", 0, toxic(1000), None).await.unwrap();
    blocking(move || { stream }.read_exact(&mut [0]).unwrap()).await;
}

#[tokio::test]
async fn a_slow_close_holds_up_the_end_and_nothing_else() {
    let (mut proxy, address) = linked(serve(|mut client| client.write_all(b"bye")));
    let toxic = |delay| on(Stream::Down, Toxic::SlowClose { delay });
    proxy.lay("x", 0, toxic(millis(200)), None).await.unwrap();
    let slow = timed(move || {
        let mut client = connect(address);
        client.read_exact(&mut [0; 3]).unwrap();
        let waits = SystemClock::start();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let end = waits.now().elapsed();
        assert!(end > millis(100), "{end:?}");
    })
    .await;
    assert!(slow >= millis(200), "{slow:?}");
    // Lifted, it holds up no end that has come already.
    proxy.lay("x", 0, toxic(Duration::from_hours(1)), None).await.unwrap();
    let client = blocking(move || {
        let mut client = connect(address);
        client.read_exact(&mut [0; 3]).unwrap();
        client
    })
    .await;
    proxy.lift("x", 0).await.unwrap();
    assert_eq!(blocking(move || { client }.read(&mut [0]).unwrap()).await, 0);
}

#[tokio::test]
async fn a_timeout_loses_data_and_closes_once_nothing_more_comes() {
    let (mut proxy, address) = linked(echo());
    let toxic = Toxic::Timeout { after: Some(millis(200)) };
    proxy.lay("x", 0, on(Stream::Down, toxic), None).await.unwrap();
    let time = timed(move || {
        let mut client = connect(address);
        client.write_all(b"lost").unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    })
    .await;
    assert!(time >= millis(200), "{time:?}");
}

#[tokio::test]
async fn a_timeout_without_a_time_closes_when_it_is_lifted() {
    for stream in [Stream::Up, Stream::Down] {
        let (mut proxy, address) = linked(echo());
        let toxic = on(stream, Toxic::Timeout { after: None });
        proxy.lay("x", 0, toxic, None).await.unwrap();
        let [sent, idle] = blocking(move || {
            let [mut sent, idle] = [(); 2].map(|()| connect(address));
            sent.write_all(b"lost").unwrap();
            sent.set_read_timeout(Some(millis(150))).unwrap();
            assert_eq!(sent.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            sent.set_read_timeout(Some(crate::stage::PATIENCE)).unwrap();
            [sent, idle]
        })
        .await;
        proxy.lift("x", 0).await.unwrap();
        blocking(move || {
            for mut client in [sent, idle] {
                assert_eq!(client.read(&mut [0]).unwrap(), 0);
            }
            trip(&mut connect(address));
        })
        .await;
    }
}

#[tokio::test]
async fn a_reset_may_take_its_time_and_tells_both_sides() {
    let (told, tells) = std::sync::mpsc::channel();
    let upstream = serve(move |mut client| {
        told.send(client.read(&mut [0]).map_err(|it| it.kind())).unwrap();
        Ok(())
    });
    let (mut proxy, address) = linked(upstream);
    let toxic = on(Stream::Up, Toxic::Reset { after: millis(150) });
    proxy.lay("x", 0, toxic, None).await.unwrap();
    let (time, seen) = blocking(move || {
        let mut client = connect(address);
        let clock = SystemClock::start();
        client.write_all(b"x").unwrap();
        let error = client.read(&mut [0]).unwrap_err().kind();
        assert_eq!(error, ErrorKind::ConnectionReset);
        (clock.now().elapsed(), tells.recv().unwrap())
    })
    .await;
    assert!(time >= millis(150), "{time:?}");
    assert_eq!(seen, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_reset_of_one_stream_leaves_the_other_alone() {
    let (mut proxy, address) =
        linked(serve(|mut client| client.read_to_end(&mut Vec::new()).map(drop)));
    let toxic = on(Stream::Down, Toxic::Reset { after: Duration::ZERO });
    proxy.lay("x", 0, toxic, None).await.unwrap();
    blocking(move || {
        let mut client = connect(address);
        client.write_all(&[1; 10_000]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_slicer_sends_small_pieces_a_pause_apart() {
    let (mut proxy, address) = linked(answers(300));
    let slicer = |pause| on(Stream::Down, Toxic::Slicer { size: 20, variation: 10, pause });
    proxy.lay("x", 0, slicer(millis(15)), None).await.unwrap();
    let (pieces, time) = blocking(move || {
        let mut client = connect(address);
        let clock = SystemClock::start();
        client.write_all(&[1]).unwrap();
        let (mut pieces, mut left, mut bytes) = (Vec::new(), 300, [0; 400]);
        while left > 0 {
            let read = client.read(&mut bytes).unwrap();
            pieces.push(read);
            left -= read;
        }
        (pieces, clock.now().elapsed())
    })
    .await;
    // A reader that is late finds two at once; all of them are at most ten apart, and at least thirty.
    assert!((8..=31).contains(&pieces.len()), "{pieces:?}");
    assert!(time >= millis(9 * 15), "{time:?}");
}

#[tokio::test]
async fn a_limit_lets_so_much_pass_and_closes() {
    for stream in [Stream::Up, Stream::Down] {
        let (told, tells) = std::sync::mpsc::channel();
        let upstream = serve(move |mut client| {
            client.write_all(&[2; 500])?;
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap_or_default();
            told.send(all.len()).unwrap();
            Ok(())
        });
        let (mut proxy, address) = linked(upstream);
        let toxic = on(stream, Toxic::LimitData { bytes: Bytes(100) });
        proxy.lay("x", 0, toxic, None).await.unwrap();
        let (up, down) = blocking(move || {
            let mut client = connect(address);
            let mut back = vec![0; 100];
            client.read_exact(&mut back).unwrap();
            client.write_all(&[1; 60]).unwrap();
            if stream == Stream::Up {
                client.write_all(&[1; 60]).unwrap();
            }
            // Closed with data unread is reset, which is no less closed.
            client.read_to_end(&mut back).unwrap_or_default();
            (tells.recv().unwrap(), back.len())
        })
        .await;
        match stream {
            Stream::Up => assert_eq!((up, down), (100, 500)),
            Stream::Down => assert_eq!(down, 100, "{up} went up"),
        }
    }
}

#[tokio::test]
async fn a_toxicity_is_the_share_of_connections_that_are_hit() {
    let (mut proxy, address) = linked(echo());
    let share =
        |toxicity| Placed { toxicity, ..on(Stream::Up, Toxic::Reset { after: Duration::ZERO }) };
    // Those that are not reset.
    let spared = |streams: Vec<TcpStream>| {
        blocking(move || {
            let echoes = |mut it: &TcpStream| {
                it.write_all(&[7]).unwrap();
                it.read(&mut [0]).is_ok()
            };
            streams.into_iter().filter(echoes).collect::<Vec<_>>()
        })
    };
    let streams = blocking(move || (0..60).map(|_| connect(address)).collect()).await;
    proxy.lay("x", 0, share(Ratio::percent(50)), None).await.unwrap();
    let streams = spared(streams).await;
    let count = streams.len();
    // 30 expected; four standard deviations are 15.
    assert!((15..=45).contains(&count), "{count} of 60");
    // Chance has decided for these.
    let streams = spared(streams).await;
    assert_eq!(streams.len(), count);
    proxy.lay("x", 0, share(Ratio::ZERO), None).await.unwrap();
    let streams = spared(streams).await;
    assert_eq!(streams.len(), count);
    proxy.lay("x", 0, share(Ratio::ONE), None).await.unwrap();
    assert_eq!(spared(streams).await.len(), 0);
}

#[tokio::test]
async fn a_link_that_is_closed_ends_its_connections_and_frees_its_port() {
    let (mut proxy, address) = linked(echo());
    let other = proxy.open("y", ANY, echo().to_string().as_str()).unwrap();
    let (mut cut, mut goes_on) = blocking(move || {
        let (mut cut, mut goes_on) = (connect(address), connect(other));
        trip(&mut cut);
        trip(&mut goes_on);
        (cut, goes_on)
    })
    .await;
    let latency = Toxic::Latency { delay: millis(1), jitter: Duration::ZERO };
    proxy.lay("x", 0, latency.clone(), Some(Duration::from_hours(1))).await.unwrap();
    proxy.close("x").await.unwrap();
    drop(TcpListener::bind(address).expect("the port is free"));
    let unknown = proxy.lay("x", 0, latency, None).await.unwrap_err();
    assert!(matches!(unknown, ProxyError::Unknown { .. }), "{unknown}");
    blocking(move || {
        assert_eq!(cut.read(&mut [0]).unwrap(), 0);
        trip(&mut goes_on);
    })
    .await;
    // There again, and nothing lies on it any more.
    assert_eq!(proxy.open("x", address, echo().to_string().as_str()).unwrap(), address);
    assert!(matches!(proxy.open("x", ANY, "127.0.0.1:1"), Err(ProxyError::Twice { .. })));
    blocking(move || trip(&mut connect(address))).await;
    proxy.close("nobody").await.unwrap();
}

#[tokio::test]
async fn what_lies_on_a_link_ends_with_its_proxy() {
    let (mut proxy, address) = linked(echo());
    proxy.lay("x", 0, Toxic::Refuse, None).await.unwrap();
    drop(proxy);
    drop(TcpListener::bind(address).expect("the port is free"));
}

#[tokio::test]
async fn what_waits_uses_no_cpu() {
    let ages = Duration::from_hours(1);
    let laid = [
        Toxic::Latency { delay: ages, jitter: Duration::ZERO },
        Toxic::Throttle { rate: Bytes(0) },
        Toxic::SlowClose { delay: ages },
        Toxic::Timeout { after: Some(ages) },
        Toxic::Reset { after: ages },
        Toxic::Slicer { size: 1, variation: 0, pause: ages },
    ];
    let mut proxy = Proxy::without_links(Seed(7)).unwrap();
    let mut clients = Vec::new();
    for (index, toxic) in laid.into_iter().enumerate() {
        for stream in [Stream::Up, Stream::Down] {
            let name = format!("{index}-{stream:?}");
            let address = proxy.open(&name, ANY, echo().to_string().as_str()).unwrap();
            proxy.lay(&name, 0, on(stream, toxic.clone()), None).await.unwrap();
            clients.push(blocking(move || {
                let mut client = connect(address);
                client.write_all(b"hello").unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                client
            }));
        }
    }
    let mut open = Vec::new();
    for client in clients {
        open.push(client.await);
    }
    // Until all of it has come to rest.
    tokio::time::sleep(millis(200)).await;
    let before = proxy.cpu_time();
    tokio::time::sleep(millis(300)).await;
    let used = proxy.cpu_time().saturating_sub(before);
    assert!(used < millis(15), "{used:?}");
    drop(open);
}

/// A byte for each place in a stream.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|it| (it % 251) as u8).collect()
}

#[tokio::test]
async fn whatever_comes_and_goes_meanwhile_all_bytes_arrive_in_order() {
    const BYTES: usize = 3_000_000;
    let mut rng = Seed(11).stream("laid");
    let (mut proxy, address) = linked(echo());
    let exchange = move || {
        let client = connect(address);
        let (mut reader, mut writer) = (client.try_clone().unwrap(), client);
        let write = std::thread::spawn(move || {
            writer.write_all(&pattern(BYTES)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        write.join().unwrap();
        back == pattern(BYTES)
    };
    let mut clients: Vec<_> = (0..6).map(|_| tokio::task::spawn_blocking(exchange)).collect();
    let mut changes = 0;
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        let number = rng.random_range(0..4);
        let some = millis(rng.random_range(1..15));
        let toxic = match rng.random_range(0..5) {
            0 => Toxic::Latency { delay: some, jitter: some },
            1 => Toxic::Throttle { rate: Bytes(rng.random_range(1_000_000..20_000_000)) },
            2 => Toxic::Bandwidth { rate: Bytes(rng.random_range(1_000_000..20_000_000)) },
            3 => Toxic::Slicer {
                size: rng.random_range(500..9000),
                variation: 400,
                pause: Duration::ZERO,
            },
            _ => Toxic::SlowClose { delay: some },
        };
        let stream = [None, Some(Stream::Up), Some(Stream::Down)][rng.random_range(0..3)];
        let toxicity = Ratio::percent(rng.random_range(0..=100));
        let placed = Placed { toxic, stream, toxicity };
        proxy.lay("x", number, placed, rng.random::<bool>().then_some(some)).await.unwrap();
        tokio::time::sleep(some).await;
        if rng.random() {
            proxy.lift("x", rng.random_range(0..4)).await.unwrap();
        }
        changes += 1;
    }
    for client in clients.drain(..) {
        assert!(client.await.unwrap(), "after {changes} changes");
    }
    assert!(changes > 5, "{changes}");
}
