//! Between two hosts: what leaves by another interface than `lo`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};

use evenkeel_units::{Clock, Ratio, SystemClock};

use super::stage::{
    Caller, Disturber, MS, PATIENCE, SLACK_MS, alone, answers_of, delay, inside, output, wait_until,
};
use crate::netlink::disturbance::Disturbance;
use crate::netlink::queue::Treatment;
use evenkeel_model::document::{Direction, Protocol, Traffic};

const HERE: &str = "10.9.0.1";
const THERE: &str = "10.9.0.2";

/// Another host, on a wire of its own to this one.
struct Host(Child);

impl Host {
    fn new() -> Self {
        let own = File::open("/proc/self/ns/net").unwrap();
        let child = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let host = Self(child);
        let inode = |file: &File| rustix::fs::fstat(file).unwrap().st_ino;
        assert!(wait_until(|| inode(&host.network()) != inode(&own)));
        let pid = host.0.id().to_string();
        let pair = ["link", "add", "here", "type", "veth", "peer", "name", "there", "netns"];
        output("ip", &[&pair[..], &[&*pid]].concat());
        let enter = ["--net", "--target", &pid, "ip"];
        for (link, address, before) in [("here", HERE, &[][..]), ("there", THERE, &enter)] {
            let address = format!("{address}/24");
            for words in
                [&["address", "add", &address, "dev", link], &["link", "set", link, "up"][..]]
            {
                match before {
                    [] => output("ip", words),
                    enter => output("nsenter", &[enter, words].concat()),
                };
            }
        }
        host
    }

    fn network(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn meant(direction: Direction, port: u16, protocol: Protocol, treatment: Treatment) -> Disturbance {
    let traffic = Traffic { direction, host: None, port: Some(port), protocol };
    Disturbance { traffic: vec![traffic], ..answers_of(port, treatment) }
}

#[test]
fn a_round_trip_takes_as_much_longer_as_over_lo_whoever_is_at_the_other_end() {
    alone(|| {
        let host = Host::new();
        let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
        for (protocol, is_caller_here) in [(tcp, true), (tcp, false), (udp, true), (udp, false)] {
            let new = move |address: &str, from| match protocol {
                Protocol::Tcp => Caller::tcp_from(address, from),
                _ => Caller::udp_from(address, from),
            };
            let network = host.network();
            let mut caller = if is_caller_here {
                new(THERE, Some(network))
            } else {
                let own = File::open("/proc/self/ns/net").unwrap();
                inside(Some(network), move || new(HERE, Some(own)))
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
        let host = Host::new();
        let listener = inside(Some(host.network()), || TcpListener::bind((THERE, 0)).unwrap());
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
