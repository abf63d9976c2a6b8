//! Between two hosts: what leaves by another interface than `lo`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command};

use evenkeel_units::{Clock, Ratio, SystemClock};

use super::stage::{
    Caller, Disturber, MS, PATIENCE, SLACK_MS, alone, answers_of, delay, inside, output, wait_until,
};
use crate::netlink::disturbance::Disturbance;
use crate::netlink::queue::Treatment;
use evenkeel_model::document::{Direction, Protocol, Traffic};

/// Another host, on a wire of its own to this one, which it takes for its router.
struct Host {
    /// Keeps its network.
    child: Child,
    /// This host, and the other one.
    addresses: [String; 2],
}

impl Host {
    fn new(number: u8) -> Self {
        let own = File::open("/proc/self/ns/net").unwrap();
        let child = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let host = Self { child, addresses: ["1", "2"].map(|it| format!("10.9.{number}.{it}")) };
        let inode = |file: &File| rustix::fs::fstat(file).unwrap().st_ino;
        assert!(wait_until(|| inode(&host.network()) != inode(&own)));
        let pid = host.child.id().to_string();
        let [here, there] = &host.addresses;
        let ip = |words: String| output("ip", &words.split(' ').collect::<Vec<_>>());
        ip(format!("link add to-{number} type veth peer name home netns {pid}"));
        ip(format!("address add {here}/24 dev to-{number}"));
        ip(format!("link set to-{number} up"));
        let ip = |words: String| {
            let words = format!("--net --target {pid} ip {words}");
            output("nsenter", &words.split(' ').collect::<Vec<_>>())
        };
        ip(format!("address add {there}/24 dev home"));
        ip("link set home up".to_owned());
        ip(format!("route add default via {here}"));
        host
    }

    fn network(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.child.id())).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn meant(direction: Direction, port: u16, protocol: Protocol, treatment: Treatment) -> Disturbance {
    let traffic = Traffic { direction, host: None, port: Some(port), protocol };
    Disturbance { traffic: vec![traffic], ..answers_of(port, treatment) }
}

#[test]
fn a_round_trip_takes_as_much_longer_as_over_lo_whoever_is_at_the_other_end() {
    alone(|| {
        let host = Host::new(0);
        let [here, there] = host.addresses.clone();
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        for (protocol, is_caller_here) in [(tcp, true), (tcp, false), (udp, true), (udp, false)] {
            let new = move |address: &str, from| match protocol {
                Protocol::Tcp => Caller::tcp_from(address, from),
                _ => Caller::udp_from(address, from),
            };
            let network = host.network();
            let mut caller = if is_caller_here {
                new(&there, Some(network))
            } else {
                let own = File::open("/proc/self/ns/net").unwrap();
                let here = here.clone();
                inside(Some(network), move || new(&here, Some(own)))
            };
            for (way, ms) in [(Direction::To, 20), (Direction::From, 20), (Direction::Both, 40)] {
                let what = format!("{protocol:?} {way:?}, caller here: {is_caller_here}");
                let disturber = Disturber::start(&meant(way, caller.port(), protocol, delay(20)));
                let shortest = caller.shortest();
                assert!(
                    (MS * ms..MS * (ms + SLACK_MS)).contains(&shortest),
                    "{what}: {shortest:?}"
                );
                let did = disturber.end();
                assert!(did.delayed >= u64::from(ms) && did.passed == 0, "{what}: {did:?}");
            }
            assert!(caller.shortest() < MS * SLACK_MS);
        }
    });
}

#[test]
fn a_stream_to_another_host_flows_though_its_round_trip_is_long() {
    // With the stream itself held back, TCP sent some 600 kB a second.
    const BYTES: usize = 32 << 20;
    alone(|| {
        let host = Host::new(0);
        let address = (host.addresses[1].parse::<IpAddr>().unwrap(), 0);
        let listener = inside(Some(host.network()), move || TcpListener::bind(address).unwrap());
        let address = listener.local_addr().unwrap();
        let treatment = Treatment { loss: Ratio::new(0.001).unwrap(), ..delay(5) };
        let disturber =
            Disturber::start(&meant(Direction::To, address.port(), Protocol::Tcp, treatment));
        let server = std::thread::spawn(move || {
            let mut received = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
            received.len()
        });
        let clock = SystemClock::start();
        TcpStream::connect(address).unwrap().write_all(&vec![7; BYTES]).unwrap();
        assert_eq!(server.join().unwrap(), BYTES);
        assert!(clock.now().elapsed() < PATIENCE, "{}", clock.now());
        let did = disturber.end();
        // What was meant is counted, and its answers are.
        assert!(did.bytes > BYTES as u64 && did.delayed > 10, "{did:?}");
    });
}

#[test]
fn what_passes_between_others_is_held_back_once() {
    alone(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let (one, other) = (Host::new(1), Host::new(2));
        let (from, to) = (one.network(), other.network());
        let address = other.addresses[1].clone();
        let mut caller = inside(Some(from), move || Caller::tcp_from(&address, Some(to)));
        for (way, ms) in [(Direction::To, 20), (Direction::From, 20), (Direction::Both, 40)] {
            let disturber = Disturber::start(&meant(way, caller.port(), Protocol::Tcp, delay(20)));
            let shortest = caller.shortest();
            assert!((MS * ms..MS * (ms + SLACK_MS)).contains(&shortest), "{way:?}: {shortest:?}");
            disturber.end();
        }
        assert!(caller.shortest() < MS * SLACK_MS);
    });
}
