//! Shares: how many packets are lost, damaged or overtake, and that a disturbance of nothing disturbs nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use evenkeel_units::Ratio;

use super::stage::{
    Caller, Datagrams, Disturber, MS, alone, answers_of, datagrams_to, delay, wait_until,
};
use crate::netlink::queue::Treatment;

#[test]
fn of_many_datagrams_a_fifth_is_lost_when_a_fifth_shall_be() {
    alone(|| {
        let datagrams = Datagrams::new();
        let treatment = Treatment { loss: Ratio::percent(20), ..Treatment::default() };
        let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), treatment));
        let mut came = 0;
        for _ in 0..100 {
            datagrams.send(0..100);
            came += datagrams.all().len();
        }
        let did = disturber.end();
        came += datagrams.all().len();
        assert_eq!((did.packets, did.passed, did.gone), (10_000, 0, 0), "{did:?}");
        assert_eq!(did.lost, 10_000 - came as u64, "{did:?}");
        // Five standard deviations of 10 000 draws at 20 % are 200; which are drawn, the seed says.
        assert!(did.lost.abs_diff(2_000) < 200, "{did:?}");
    });
}

#[test]
fn damaged_datagrams_are_noticed_by_their_receiver_also_over_lo() {
    alone(|| {
        let datagrams = Datagrams::new();
        let treatment = Treatment { corrupt: Ratio::percent(30), ..delay(1) };
        let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), treatment));
        let before = udp_checksum_errors();
        // Order is kept: when one more has come whole, all before it have been dealt with.
        let mut sent = 1_000;
        datagrams.send(0..sent);
        let mut came = Vec::new();
        while came.last().is_none_or(|it| *it < 1_000) {
            datagrams.send(sent..sent + 1);
            sent += 1;
            came.extend(std::iter::from_fn(|| datagrams.next(MS * 20)));
        }
        let did = disturber.end();
        came.extend(datagrams.all());
        assert_eq!((did.packets, did.delayed), (sent.into(), sent.into()), "{did:?}");
        assert!(did.corrupted.abs_diff(300) < 75, "{did:?}");
        // A turned bit of the length or the port loses the packet before its checksum is looked at.
        assert_eq!(came.len() as u64, u64::from(sent) - did.corrupted);
        assert!(came.is_sorted());
        let noticed = udp_checksum_errors() - before;
        assert!(noticed > 0 && noticed <= did.corrupted, "{noticed} of {did:?}");
    });
}

/// Datagrams that this namespace dropped for their checksum.
fn udp_checksum_errors() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap();
    let mut udp = text.lines().filter_map(|it| it.strip_prefix("Udp: "));
    let (names, values) = (udp.next().unwrap(), udp.next().unwrap());
    let mut both = names.split(' ').zip(values.split(' '));
    both.find(|(name, _)| *name == "InCsumErrors").unwrap().1.parse().unwrap()
}

#[test]
fn damaged_segments_are_sent_again_and_arrive_whole() {
    alone(|| {
        let mut caller = Caller::tcp("127.0.0.1");
        let treatment = Treatment { corrupt: Ratio::percent(20), ..Treatment::default() };
        let disturber = Disturber::start(&answers_of(caller.port(), treatment));
        caller.times(40);
        let did = disturber.end();
        assert!(did.corrupted > 0 && did.packets > 40, "{did:?}");
    });
}

#[test]
fn packets_that_skip_the_queue_overtake_and_none_is_lost() {
    alone(|| {
        let datagrams = Datagrams::new();
        let treatment = Treatment { reorder: Ratio::percent(25), ..delay(100) };
        let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), treatment));
        datagrams.send(0..400);
        let came: Vec<u32> = (0..400).map(|_| datagrams.next(MS * 5_000).unwrap()).collect();
        let did = disturber.end();
        assert!(!came.is_sorted(), "{came:?}");
        assert!(did.reordered.abs_diff(100) < 45, "{did:?}");
        assert_eq!(did.delayed, 400 - did.reordered, "{did:?}");
    });
}

#[test]
fn a_stream_flows_through_a_queue_that_holds_nothing_back() {
    const BYTES: usize = 64 << 20;
    alone(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let disturber = Disturber::start(&answers_of(address.port(), Treatment::default()));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&vec![7; BYTES]).unwrap();
        });
        let mut received = Vec::new();
        TcpStream::connect(address).unwrap().read_to_end(&mut received).unwrap();
        server.join().unwrap();
        assert!(received.len() == BYTES && received.iter().all(|it| *it == 7));
        let did = disturber.end();
        assert!(did.bytes > BYTES as u64 && did.lost == 0, "{did:?}");
    });
}

#[test]
fn packets_beyond_what_a_queue_holds_pass() {
    alone(|| {
        let datagrams = Datagrams::new();
        let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), delay(10_000)));
        datagrams.send(0..70_000);
        // The first of those that pass; the others are held back for longer than this waits.
        assert!(wait_until(|| datagrams.next(MS).is_some()));
        let did = disturber.end();
        assert!(did.passed > 4_000 && did.packets == 70_000, "{did:?}");
    });
}
