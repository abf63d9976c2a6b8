//! Faults of traffic: what packets meet, and that nothing is left of it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use evenkeel_fault::{FaultError, Faults};
use evenkeel_model::document::{
    Direction, DnsAnswer, Fault, Network, PartitionShape, Protocol, RateBy, Selector, Traffic,
};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Bytes, Clock, Ratio, SystemClock};
use tempfile::TempDir;

use crate::aftermath::{guardian_in, left_by};
use crate::alone::{alone, ruleset};
use crate::stage::{blocking, echo, fault, open, service, signal, state_dir, until};

/// Long enough for lo, and short enough to wait for what never comes.
const SHORT: Duration = Duration::from_millis(300);

fn traffic(port: u16) -> Traffic {
    let host = Some("127.0.0.1".parse().unwrap());
    Traffic { host, port: Some(port), protocol: Protocol::Any, direction: Direction::Both }
}

fn on(traffic: Traffic, it: Fault) -> PlannedFault {
    fault(it, Some(Selector::Traffic(traffic)))
}

async fn opened() -> (TempDir, Faults) {
    let state = state_dir();
    let faults = open(&service(None, &[]), state.path()).await;
    (state, faults)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, ErrorKind> {
    blocking(move || TcpStream::connect_timeout(&address, SHORT).map_err(|it| it.kind())).await
}

#[test]
fn a_port_in_a_black_hole_hangs_and_the_one_beside_it_does_not() {
    alone("network::a_port_in_a_black_hole_hangs_and_the_one_beside_it_does_not", async {
        let (victim, neighbour) = (echo(), echo());
        let (_state, mut faults) = opened().await;
        faults.begin(0, &on(traffic(victim.port()), Fault::BlackHole)).await.unwrap();
        assert_eq!(connect(victim).await.unwrap_err(), ErrorKind::TimedOut);
        connect(neighbour).await.unwrap();
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["packets_dropped"] >= 1.0, "{evidence:?}");
        connect(victim).await.unwrap();
        faults.close().await.unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn a_port_that_is_refused_refuses_and_closes_what_is_open() {
    alone("network::a_port_that_is_refused_refuses_and_closes_what_is_open", async {
        let victim = echo();
        let (_state, mut faults) = opened().await;
        let open = connect(victim).await.unwrap();
        faults.begin(0, &on(traffic(victim.port()), Fault::Refuse)).await.unwrap();
        assert_eq!(connect(victim).await.unwrap_err(), ErrorKind::ConnectionRefused);
        let reset = blocking(move || {
            use std::io::{Read, Write};
            let mut open = open;
            open.write_all(b"?").unwrap();
            open.read(&mut [0]).unwrap_err().kind()
        });
        assert_eq!(reset.await, ErrorKind::ConnectionReset);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["packets_rejected"] >= 2.0, "{evidence:?}");
        connect(victim).await.unwrap();
        faults.close().await.unwrap();
    });
}

#[test]
fn whoever_sends_data_to_a_port_is_reset_and_may_connect() {
    alone("network::whoever_sends_data_to_a_port_is_reset_and_may_connect", async {
        use std::io::{Read, Write};
        let victim = echo();
        let (_state, mut faults) = opened().await;
        faults.begin(0, &on(traffic(victim.port()), Fault::Reset)).await.unwrap();
        let mut open = connect(victim).await.unwrap();
        let reset = blocking(move || {
            open.write_all(b"?").unwrap();
            open.read(&mut [0]).unwrap_err().kind()
        });
        assert_eq!(reset.await, ErrorKind::ConnectionReset);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["segments_reset"] >= 1.0, "{evidence:?}");
        assert!(round_trip(victim).await < SHORT);
        faults.close().await.unwrap();
    });
}

/// 400 datagrams of 1000 bytes with their headers: how many arrive, and when the last.
fn flood(receiver: &UdpSocket, sender: &UdpSocket, to: SocketAddr) -> (usize, Duration) {
    let clock = SystemClock::start();
    let next = || receiver.recv(&mut [0]).ok().map(|_| clock.now().elapsed());
    let mut times = Vec::new();
    receiver.set_nonblocking(true).unwrap();
    for _ in 0..400 {
        sender.send_to(&[0; 972], to).unwrap();
        times.extend(std::iter::from_fn(next));
    }
    receiver.set_nonblocking(false).unwrap();
    times.extend(std::iter::from_fn(next));
    (times.len(), *times.last().unwrap())
}

#[test]
fn no_more_than_the_bandwidth_passes_in_either_direction() {
    alone("network::no_more_than_the_bandwidth_passes_in_either_direction", async {
        let rate = Bytes(400 * 1000);
        let (receiver, sender) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        receiver.set_read_timeout(Some(SHORT)).unwrap();
        let to = receiver.local_addr().unwrap();
        let (_state, mut faults) = opened().await;
        faults
            .begin(0, &on(traffic(to.port()), Fault::Bandwidth { rate, by: RateBy::Tool }))
            .await
            .unwrap();
        let (arrived, last) = blocking(move || flood(&receiver, &sender, to)).await;
        assert!(arrived >= 200, "{arrived}");
        assert!(last >= Duration::from_micros(2_500) * (arrived as u32 - 1), "{arrived} {last:?}");
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        let counter = |name: &str| evidence.counters[name] as usize;
        assert_eq!((counter("rated_bytes"), counter("lost")), (arrived * 1000, 400 - arrived));
        assert!(evidence.acted, "{evidence:?}");
        faults.close().await.unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn the_kernel_holds_packets_to_a_bandwidth_and_is_as_before_afterwards() {
    alone("network::the_kernel_holds_packets_to_a_bandwidth_and_is_as_before_afterwards", async {
        let rate = Bytes(400 * 1000);
        let (receiver, sender) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        receiver.set_read_timeout(Some(SHORT)).unwrap();
        let (to, other) = (receiver.local_addr().unwrap(), echo());
        let before = disciplines();
        let (_state, mut faults) = opened().await;
        let fault = Fault::Bandwidth { rate, by: RateBy::Htb };
        faults.begin(0, &on(traffic(to.port()), fault)).await.unwrap();
        assert_ne!(disciplines(), before);
        let (arrived, last) = blocking(move || flood(&receiver, &sender, to)).await;
        // With what stands before IP each is 1014 bytes. Who sends over lo waits with them, and so none needs to be lost.
        assert!(arrived >= 200, "{arrived}");
        assert!(last >= Duration::from_micros(2_535) * (arrived as u32 - 3), "{arrived} {last:?}");
        assert!(round_trip(other).await < SHORT);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["waits"] > 0.0, "{evidence:?}");
        assert_eq!(evidence.counters["lost"] as usize, 400 - arrived);
        assert_eq!(disciplines(), before);
        faults.close().await.unwrap();
    });
}

/// What stands at the interfaces, as `tc` tells it.
fn disciplines() -> String {
    let output = std::process::Command::new("tc").args(["qdisc", "show"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_fifth_of_the_datagrams_is_lost() {
    alone("network::one_fifth_of_the_datagrams_is_lost", async {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let (_state, mut faults) = opened().await;
        let to = Traffic { direction: Direction::To, protocol: Protocol::Udp, ..traffic(port) };
        let loss = Fault::Loss { share: Ratio::percent(20) };
        faults.begin(0, &on(to, loss)).await.unwrap();
        let arrived = blocking(move || {
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            receiver.set_nonblocking(true).unwrap();
            let mut arrived = 0;
            for _ in 0..20_000 {
                sender.send_to(b"x", ("127.0.0.1", port)).unwrap();
                // By lo what is not lost is there at once.
                while receiver.recv(&mut [0]).is_ok() {
                    arrived += 1;
                }
            }
            arrived
        });
        let arrived: u32 = arrived.await;
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        let [seen, lost] = ["packets_seen", "packets_lost"].map(|it| evidence.counters[it] as u32);
        assert_eq!((seen, lost), (20_000, 20_000 - arrived));
        // Three and a half standard deviations.
        assert!((0.19..0.21).contains(&(1.0 - f64::from(arrived) / 20_000.0)), "{evidence:?}");
        faults.close().await.unwrap();
    });
}

#[test]
fn nodes_of_two_halves_do_not_reach_each_other() {
    alone("network::nodes_of_two_halves_do_not_reach_each_other", async {
        let nodes: Vec<Network> =
            (1..=5).map(|it| format!("127.0.1.{it}").parse().unwrap()).collect();
        let sockets: Vec<UdpSocket> =
            nodes.iter().map(|it| UdpSocket::bind((it.address(), 0)).unwrap()).collect();
        let reaches = |a: usize, b: usize| {
            sockets[a].send_to(b"?", sockets[b].local_addr().unwrap()).unwrap();
            sockets[b].set_nonblocking(true).unwrap();
            sockets[b].recv(&mut [0]).is_ok()
        };
        assert!(reaches(0, 4) && reaches(4, 0));
        let (_state, mut faults) = opened().await;
        let shape = PartitionShape::Halves;
        let both = Fault::Partition { nodes: nodes.clone(), shape, one_way: false };
        faults.begin(0, &fault(both, None)).await.unwrap();
        assert!(!reaches(0, 4) && !reaches(4, 0) && reaches(0, 1) && reaches(2, 4));
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert_eq!(evidence.counters["packets_dropped"] as u32, 2);
        let one_way = Fault::Partition { nodes: nodes.clone(), shape, one_way: true };
        faults.begin(1, &fault(one_way, None)).await.unwrap();
        assert!(reaches(0, 4) && !reaches(4, 0));
        faults.close().await.unwrap();
        assert!(reaches(0, 4) && reaches(4, 0));
    });
}

#[test]
fn rules_are_gone_with_the_tool_and_nobody_else_removes_them() {
    alone("network::rules_are_gone_with_the_tool_and_nobody_else_removes_them", async {
        let victim = echo();
        let (state, mut faults) = opened().await;
        faults.begin(0, &on(traffic(victim.port()), Fault::BlackHole)).await.unwrap();
        let flush = std::process::Command::new("nft").args(["flush", "ruleset"]).status();
        flush.unwrap();
        assert_eq!(connect(victim).await.unwrap_err(), ErrorKind::TimedOut);
        // Whatever kills it: the kernel closes its end of the pipe to `nft`.
        for it in
            left_by(state.path()).into_iter().filter(|it| *it != guardian_in(state.path()).pid)
        {
            signal("KILL", it);
        }
        until(|| ruleset().is_empty()).await;
        connect(victim).await.unwrap();
        let (evidence, _) = faults.end(0).await;
        assert!(!evidence.acted, "{evidence:?}");
        faults.close().await.unwrap();
    });
}

#[test]
fn nobody_is_locked_out_of_the_host() {
    alone("network::nobody_is_locked_out_of_the_host", async {
        let (_state, mut faults) = opened().await;
        let ssh = Traffic { host: None, ..traffic(22) };
        let error = faults.begin(0, &on(ssh, Fault::BlackHole)).await.unwrap_err();
        assert!(matches!(error, FaultError::Plan { .. }), "{error}");
        // A whole network is cut off, and port 22 of it is not.
        let all = Traffic { port: None, host: Some("10.0.0.0/8".parse().unwrap()), ..traffic(1) };
        faults.begin(1, &on(all, Fault::BlackHole)).await.unwrap();
        assert!(ruleset().matches("tcp dport 22 return").count() == 3, "{}", ruleset());
        faults.close().await.unwrap();
    });
}

/// How long a question and its answer take on a connection that stays open.
async fn round_trip(address: SocketAddr) -> Duration {
    blocking(move || {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let clock = SystemClock::start();
        let mut times = [Duration::ZERO; 5];
        for it in &mut times {
            let began = clock.now();
            stream.write_all(b"?").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            *it = clock.now() - began;
        }
        *times.iter().min().unwrap()
    })
    .await
}

#[test]
fn every_round_trip_to_a_late_port_is_late_once() {
    alone("network::every_round_trip_to_a_late_port_is_late_once", async {
        let (victim, neighbour) = (echo(), echo());
        let (_state, mut faults) = opened().await;
        let delay = Duration::from_millis(100);
        let late = Fault::Latency { delay, jitter: Duration::ZERO };
        faults.begin(0, &on(traffic(victim.port()), late)).await.unwrap();
        let shortest = round_trip(victim).await;
        assert!((delay..delay * 2).contains(&shortest), "{shortest:?}");
        assert!(round_trip(neighbour).await < delay);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["delayed"] >= 5.0, "{evidence:?}");
        assert!(round_trip(victim).await < delay);
        faults.close().await.unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn datagrams_that_are_damaged_do_not_arrive_and_others_overtake() {
    alone("network::datagrams_that_are_damaged_do_not_arrive_and_others_overtake", async {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(SHORT)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let arrivals = || {
            for number in 0..100u8 {
                sender.send_to(&[number], ("127.0.0.1", port)).unwrap();
            }
            let next = || receiver.recv(&mut [0]).is_ok().then_some(());
            std::iter::from_fn(next).count()
        };
        let to = Traffic { direction: Direction::To, protocol: Protocol::Udp, ..traffic(port) };
        let (_state, mut faults) = opened().await;
        let corrupt = Fault::Corrupt { share: Ratio::percent(50) };
        faults.begin(0, &on(to.clone(), corrupt)).await.unwrap();
        let arrived = arrivals();
        let (evidence, _) = faults.end(0).await;
        assert_eq!(evidence.counters["corrupted"] as usize, 100 - arrived, "{evidence:?}");
        assert!((20..80).contains(&arrived), "{evidence:?}");

        let delay = Duration::from_millis(50);
        let reorder = Fault::Reorder { share: Ratio::percent(30), delay };
        faults.begin(1, &on(to, reorder)).await.unwrap();
        assert_eq!(arrivals(), 100);
        let (evidence, _) = faults.end(1).await;
        assert!(evidence.acted && evidence.counters["delayed"] > 0.0, "{evidence:?}");
        faults.close().await.unwrap();
    });
}

#[test]
fn datagrams_arrive_twice_where_the_kernel_can_and_else_it_says_what_is_missing() {
    let test =
        "network::datagrams_arrive_twice_where_the_kernel_can_and_else_it_says_what_is_missing";
    alone(test, async {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let (_state, mut faults) = opened().await;
        let twice = on(traffic(port), Fault::Duplicate { share: Ratio::ONE });
        match faults.begin(0, &twice).await {
            Err(FaultError::Plan { error, .. }) => {
                let said = error.to_string();
                assert!(said.contains("this needs the queueing discipline `prio`"), "{said}");
            }
            begun => {
                begun.unwrap();
                let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
                (0..10).for_each(|_| assert!(sender.send_to(b"x", ("127.0.0.1", port)).is_ok()));
                receiver.set_read_timeout(Some(SHORT)).unwrap();
                let arrived = std::iter::from_fn(|| receiver.recv(&mut [0]).ok()).count();
                let (evidence, error) = faults.end(0).await;
                assert_eq!((arrived, evidence.acted, error), (20, true, None), "{evidence:?}");
            }
        }
        faults.close().await.unwrap();
    });
}

#[test]
fn a_name_that_is_meant_is_answered_by_us_and_others_by_the_name_server() {
    alone("network::a_name_that_is_meant_is_answered_by_us_and_others_by_the_name_server", async {
        // A name server of the kind that echoes: whoever asks it gets the question back as it is.
        let truth = UdpSocket::bind("127.0.0.9:53").unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok((length, client)) = truth.recv_from(&mut bytes) {
                truth.send_to(&bytes[..length], client).unwrap();
            }
        });
        let ask = |name: &str| {
            // As resolvers do, from a new port each time.
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect("127.0.0.9:53").unwrap();
            client.set_read_timeout(Some(SHORT)).unwrap();
            // Number 7, one question: the name, its type A, the internet.
            let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name.split('.') {
                question.push(label.len() as u8);
                question.extend(label.bytes());
            }
            question.extend([0, 0, 1, 0, 1]);
            client.send(&question).unwrap();
            let mut answer = vec![0; 512];
            let length = client.recv(&mut answer).ok()?;
            answer.truncate(length);
            Some((answer == question, answer))
        };
        assert!(ask("payment.example").unwrap().0);
        let dns = |answer| Fault::Dns { names: vec!["payment.example".to_owned()], answer };
        let (_state, mut faults) = opened().await;
        faults.begin(0, &fault(dns(DnsAnswer::ServFail), None)).await.unwrap();
        let (is_truth, answer) = ask("payment.example").unwrap();
        // The second half of the fourth byte is the code: 2 is a failure of the server.
        assert!(!is_truth && answer[..2] == [0, 7] && answer[3] & 15 == 2, "{answer:?}");
        let (evidence, error) = faults.end(0).await;
        assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");

        let spoofed = DnsAnswer::Address("192.0.2.7".parse().unwrap());
        faults.begin(1, &fault(dns(spoofed), None)).await.unwrap();
        assert!(ask("payment.example").unwrap().1.ends_with(&[192, 0, 2, 7]));
        let (_, error) = faults.end(1).await;
        assert_eq!(error, None);
        faults.begin(2, &fault(dns(DnsAnswer::Timeout), None)).await.unwrap();
        assert!(ask("payment.example").is_none());
        faults.close().await.unwrap();
        assert!(ask("payment.example").unwrap().0);
    });
}
