//! What is held back is late by as much as was asked for, and nothing else is.

use evenkeel_units::Seed;

use super::stage::{
    Caller, Datagrams, Disturber, MS, SLACK_MS, alone, answers_of, datagrams_to, delay,
};
use crate::netlink::disturbance::Disturbance;
use crate::netlink::queue::{Order, Treatment};
use evenkeel_model::document::{Direction, Protocol, Traffic};

#[test]
fn every_answer_on_a_connection_that_is_kept_is_late() {
    alone(|| {
        for (mut caller, what) in [
            (Caller::tcp("127.0.0.1"), "TCP over IPv4"),
            (Caller::tcp("::1"), "TCP over IPv6"),
            (Caller::udp("127.0.0.1"), "UDP over IPv4"),
            (Caller::udp("::1"), "UDP over IPv6"),
        ] {
            assert!(caller.shortest() < MS * SLACK_MS, "{what}");
            let disturber = Disturber::start(&answers_of(caller.port(), delay(20)));
            let times = caller.times(20);
            assert!(times.iter().all(|it| *it >= MS * 20), "{what}: {times:?}");
            assert!(*times.iter().min().unwrap() < MS * (20 + SLACK_MS), "{what}: {times:?}");
            let did = disturber.end();
            assert!(did.packets >= 20 && did.delayed == did.packets, "{what}: {did:?}");
            assert!(did.bytes > 0 && did.lost + did.passed + did.gone == 0, "{what}: {did:?}");
            assert!(did.delay_median.unwrap() >= MS * 19, "{what}: {did:?}");
            assert!(caller.shortest() < MS * SLACK_MS, "{what}");
        }
    });
}

#[test]
fn packets_over_lo_are_met_once_whichever_way_they_go() {
    alone(|| {
        for (way, ms) in [(Direction::To, 20), (Direction::From, 20), (Direction::Both, 40)] {
            let mut caller = Caller::udp("127.0.0.1");
            let traffic = Traffic {
                direction: way,
                host: None,
                port: Some(caller.port()),
                protocol: Protocol::Udp,
            };
            let disturbance = Disturbance { traffic: vec![traffic], ..answers_of(0, delay(20)) };
            let disturber = Disturber::start(&disturbance);
            let shortest = caller.shortest();
            assert!((MS * ms..MS * (ms + SLACK_MS)).contains(&shortest), "{way:?}: {shortest:?}");
            assert_eq!(disturber.end().packets, u64::from(ms), "{way:?}");
        }
    });
}

#[test]
fn traffic_that_is_not_meant_is_not_late() {
    alone(|| {
        let (mut meant, mut other) = (Caller::tcp("127.0.0.1"), Caller::tcp("127.0.0.1"));
        let disturber = Disturber::start(&answers_of(meant.port(), delay(300)));
        assert!(other.shortest() < MS * 100);
        assert!(meant.times(1)[0] >= MS * 300);
        disturber.end();
    });
}

#[test]
fn a_network_means_its_hosts_and_who_is_spared_is_spared() {
    alone(|| {
        let mut inside = Caller::udp("127.1.2.3");
        let mut outside = Caller::udp("127.2.2.3");
        let mut spared = Caller::udp("127.1.2.4");
        let of = |host: &str| {
            let host = Some(host.parse().unwrap());
            Traffic { direction: Direction::Both, host, port: None, protocol: Protocol::Any }
        };
        let disturbance = Disturbance {
            traffic: vec![of("127.1.0.0/16"), of("127.1.2.3")],
            spared: vec![of("127.1.2.4")],
            treatment: delay(50),
            seed: Seed(1),
        };
        let disturber = Disturber::start(&disturbance);
        // It is the source of its answers and the destination of what it is asked, and asks from there, too.
        assert!(inside.times(3).iter().all(|it| *it >= MS * 100));
        assert!(outside.shortest() < MS * 50);
        assert!(spared.shortest() < MS * 50);
        assert_eq!(disturber.end().packets, 6);
    });
}

#[test]
fn jitter_keeps_the_order_of_packets_or_not_as_was_asked() {
    alone(|| {
        for order in [Order::Kept, Order::Free] {
            let datagrams = Datagrams::new();
            let treatment = Treatment { jitter: MS * 20, order, ..delay(30) };
            let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), treatment));
            datagrams.send(0..200);
            let came: Vec<u32> = (0..200).map(|_| datagrams.next(MS * 5_000).unwrap()).collect();
            assert_eq!(came.is_sorted(), order == Order::Kept, "{came:?}");
            let did = disturber.end();
            assert_eq!((did.packets, did.delayed), (200, 200));
        }
    });
}
