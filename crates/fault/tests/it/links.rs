//! What lies on a link acts on connections that were open before, is counted, and leaves with the fault.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evenkeel_fault::Faults;
use evenkeel_model::document::{Fault, RateBy, Requests};
use evenkeel_units::{Bytes, Clock, Ratio, SystemClock};

use crate::stage::{blocking, connect, echo, on_link, open, serve, service, state_dir};

fn round_trip(stream: &mut TcpStream, size: usize) -> Duration {
    let clock = SystemClock::start();
    stream.write_all(&vec![7; size]).unwrap();
    stream.read_exact(&mut vec![0; size]).unwrap();
    clock.now().elapsed()
}

async fn opened(upstream: SocketAddr) -> (Faults, SocketAddr, tempfile::TempDir) {
    let state = state_dir();
    let faults = open(&service(Some(upstream), &[]), state.path()).await;
    let address = faults.address("payment").unwrap();
    (faults, address, state)
}

#[tokio::test]
async fn every_round_trip_on_one_open_connection_gains_the_delay() {
    let (mut faults, address, _state) = opened(echo()).await;
    let mut stream = blocking(move || {
        let mut stream = connect(address);
        round_trip(&mut stream, 10);
        stream
    })
    .await;
    let delay = Duration::from_millis(60);
    let fault = on_link(Fault::Latency { delay, jitter: Duration::ZERO });
    assert_eq!(faults.begin(0, &fault).await.unwrap().targets, ["payment"]);
    let (mut stream, times) = blocking(move || {
        let times: Vec<_> = (0..5).map(|_| round_trip(&mut stream, 10)).collect();
        (stream, times)
    })
    .await;
    assert!(times.iter().all(|it| *it >= delay), "{times:?}");
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted && evidence.counters["segments_delayed"] >= 5.0, "{evidence:?}");
    assert!(evidence.counters["median_added_delay_seconds"] >= 0.06, "{evidence:?}");
    // The shortest of a few: the host may be busy, the link must not be.
    let after = blocking(move || (0..20).map(|_| round_trip(&mut stream, 10)).min().unwrap()).await;
    assert!(after < delay / 2, "{after:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_delay_costs_time_and_not_throughput() {
    let bytes = 400 * 1000;
    let upstream = serve(move |mut client| {
        client.read_exact(&mut [0])?;
        // Many segments, each sent on its own.
        client.set_nodelay(true)?;
        (0..400).try_for_each(|_| client.write_all(&[1; 1000]))
    });
    let (mut faults, address, _state) = opened(upstream).await;
    let delay = Duration::from_millis(100);
    faults.begin(0, &on_link(Fault::Latency { delay, jitter: delay / 10 })).await.unwrap();
    let time = blocking(move || {
        let mut stream = connect(address);
        let clock = SystemClock::start();
        stream.write_all(&[1]).unwrap();
        stream.read_exact(&mut vec![0; bytes]).unwrap();
        clock.now().elapsed()
    })
    .await;
    // One segment after the other would take 40 s.
    assert!(time >= delay * 9 / 10 && time < Duration::from_secs(5), "{time:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_bandwidth_is_shared_by_the_connections_of_a_link() {
    let (mut faults, address, _state) = opened(echo()).await;
    faults
        .begin(0, &on_link(Fault::Bandwidth { rate: Bytes(200_000), by: RateBy::Tool }))
        .await
        .unwrap();
    let clock = SystemClock::start();
    let send = move || blocking(move || round_trip(&mut connect(address), 50_000));
    tokio::join!(send(), send());
    let time = clock.now().elapsed();
    // 100 000 bytes at 200 000 a second, less the first bucket.
    assert!(time > Duration::from_millis(420), "{time:?}");
    let (evidence, _) = faults.end(0).await;
    assert!(evidence.acted, "{evidence:?}");
    assert!((evidence.counters["throttled_bytes"] - 200_000.0).abs() < 1.0, "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_link_that_refuses_resets_what_is_open_and_listens_again_on_its_port() {
    let (mut faults, address, _state) = opened(echo()).await;
    let mut stream = blocking(move || {
        let mut stream = connect(address);
        round_trip(&mut stream, 10);
        stream
    })
    .await;
    faults.begin(0, &on_link(Fault::Refuse)).await.unwrap();
    let (refused, cut) = blocking(move || {
        (TcpStream::connect(address).unwrap_err().kind(), stream.read(&mut [0]).unwrap_err().kind())
    })
    .await;
    assert_eq!((refused, cut), (ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset));
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert_eq!(evidence.summary, "connects were refused, 1 connection reset");
    blocking(move || round_trip(&mut connect(address), 10)).await;
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_reset_comes_with_the_first_data() {
    let (mut faults, address, _state) = opened(echo()).await;
    faults.begin(0, &on_link(Fault::Reset)).await.unwrap();
    let error = blocking(move || {
        let mut stream = connect(address);
        stream.write_all(b"x").unwrap();
        stream.read(&mut [0]).unwrap_err().kind()
    })
    .await;
    assert_eq!(error, ErrorKind::ConnectionReset);
    assert!(faults.end(0).await.0.acted);
    blocking(move || round_trip(&mut connect(address), 10)).await;
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_black_hole_swallows_and_resets_at_the_end_who_lost_something() {
    let (mut faults, address, _state) = opened(echo()).await;
    let [mut old, mut idle] = blocking(move || {
        [(); 2].map(|()| {
            let mut stream = connect(address);
            round_trip(&mut stream, 10);
            stream
        })
    })
    .await;
    faults.begin(0, &on_link(Fault::BlackHole)).await.unwrap();
    let (mut old, mut new) = blocking(move || {
        let mut new = connect(address);
        for stream in [&mut old, &mut new] {
            stream.write_all(b"hello").unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        (old, new)
    })
    .await;
    let (evidence, _) = faults.end(0).await;
    assert_eq!(evidence.summary, "2 connections lost 10B");
    blocking(move || {
        for stream in [&mut old, &mut new] {
            stream.set_read_timeout(Some(crate::stage::PATIENCE)).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        round_trip(&mut idle, 10);
    })
    .await;
    faults.close().await.unwrap();
}

#[tokio::test]
async fn half_closed_connections_work_and_ends_are_passed_on() {
    let upstream = serve(|mut client| {
        let mut all = Vec::new();
        client.read_to_end(&mut all)?;
        client.write_all(&all)
    });
    let (faults, address, _state) = opened(upstream).await;
    let back = blocking(move || {
        let mut stream = connect(address);
        stream.write_all(&vec![3; 300_000]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back.len()
    })
    .await;
    assert_eq!(back, 300_000);
    assert!(faults.proxy_cpu_time() > Duration::ZERO);
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_fault_on_a_link_that_nobody_uses_has_no_evidence() {
    let (mut faults, _, _state) = opened(echo()).await;
    let delay = Duration::from_millis(1);
    faults.begin(0, &on_link(Fault::Latency { delay, jitter: delay })).await.unwrap();
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (false, None));
    assert_eq!(evidence.summary, "no segment came through the link");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_link_listens_on_loopback_only() {
    let state = state_dir();
    let mut service = service(Some(echo()), &[]);
    service.dependencies[0].listen = ([0, 0, 0, 0], 0).into();
    let (guardian, holder) = (crate::stage::helper("guardian"), crate::stage::helper("hold"));
    let limit = Duration::from_mins(1);
    let seed = evenkeel_units::Seed(1);
    let opened = Faults::open(&service, "x", seed, state.path(), &guardian, holder, limit).await;
    assert!(opened.unwrap_err().to_string().contains("which others can reach"));
}

#[tokio::test]
async fn a_link_on_which_nothing_happens_uses_no_cpu() {
    let (mut faults, address, _state) = opened(echo()).await;
    let idle = blocking(move || {
        [(); 3].map(|()| {
            let mut stream = connect(address);
            round_trip(&mut stream, 10);
            stream
        })
    })
    .await;
    let delay = Duration::from_millis(50);
    let laid = [
        Fault::Latency { delay, jitter: delay },
        Fault::Bandwidth { rate: Bytes(1000), by: RateBy::Tool },
        Fault::HttpErrors { share: Ratio::ONE, status: 500, of: Requests::default() },
        Fault::Reset,
        Fault::BlackHole,
    ];
    for (index, fault) in laid.into_iter().enumerate() {
        faults.begin(index, &on_link(fault)).await.unwrap();
    }
    let before = faults.proxy_cpu_time();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let used = faults.proxy_cpu_time().saturating_sub(before);
    assert!(used < Duration::from_millis(15), "{used:?}");
    drop(idle);
    faults.close().await.unwrap();
}
