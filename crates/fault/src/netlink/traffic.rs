//! Traffic as rules of nft: what the packets look like that a person means.
//!
//! A port is found in the first fragment of a packet only: whoever fragments is matched by host alone.

use std::net::IpAddr;

use evenkeel_model::document::{Direction, Network, Protocol, Traffic};

use super::expression::{Base, Compare, Expression, Meta};

/// `IPPROTO_TCP` and `IPPROTO_UDP`.
const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Whether it is everything, which nobody may mean by leaving everything out.
pub(super) const fn is_everything(traffic: &Traffic) -> bool {
    traffic.host.is_none() && traffic.port.is_none()
}

/// What such packets look like: each is matched by one of these lists or by several.
pub(super) fn matches(traffic: &Traffic) -> Vec<Vec<Expression>> {
    let ends: &[End] = match traffic.direction {
        Direction::To => &[End::Destination],
        Direction::From => &[End::Source],
        Direction::Both => &[End::Destination, End::Source],
    };
    // Without a host or a port both ends look the same.
    let ends = if is_everything(traffic) { &ends[..1] } else { ends };
    let protocols: &[Option<u8>] = match (traffic.protocol, traffic.port) {
        (Protocol::Tcp, _) => &[Some(TCP)],
        (Protocol::Udp, _) => &[Some(UDP)],
        (Protocol::Any, Some(_)) => &[Some(TCP), Some(UDP)],
        (Protocol::Any, None) => &[None],
    };
    let each = |end: End| {
        protocols.iter().map(move |number| {
            let mut all = traffic.host.map_or_else(Vec::new, |it| host(it, end));
            all.extend(number.iter().flat_map(|it| protocol(*it)));
            all.extend(traffic.port.iter().flat_map(|it| port(*it, end)));
            all
        })
    };
    ends.iter().flat_map(|end| each(*end)).collect()
}

/// What answers it: the same between the same ends, the other way.
pub(super) fn reversed(traffic: &Traffic) -> Traffic {
    let direction = match traffic.direction {
        Direction::To => Direction::From,
        Direction::From => Direction::To,
        Direction::Both => Direction::Both,
    };
    Traffic { direction, ..traffic.clone() }
}

/// The part of it that goes by TCP, if any.
pub(super) fn tcp(traffic: &Traffic) -> Option<Traffic> {
    let protocol = Protocol::Tcp;
    (traffic.protocol != Protocol::Udp).then(|| Traffic { protocol, ..traffic.clone() })
}

/// What a packet of a network looks like, seen from one of its ends.
fn host(network: Network, end: End) -> Vec<Expression> {
    // Where the addresses begin in the header, and its `NFPROTO_*`.
    let (start, family, address) = match network.address() {
        IpAddr::V4(it) => (12, 2, it.octets().to_vec()),
        IpAddr::V6(it) => (8, 10, it.octets().to_vec()),
    };
    let length = address.len() as u32;
    let offset = start + if end == End::Source { 0 } else { length };
    let mut all = vec![
        Expression::Meta(Meta::Family),
        Expression::Compare(Compare::Equal, vec![family]),
        Expression::Payload { base: Base::Network, offset, length },
    ];
    if u32::from(network.bits()) < length * 8 {
        all.push(Expression::Mask(mask(network.bits(), address.len())));
    }
    all.push(Expression::Compare(Compare::Equal, address));
    all
}

/// Ones where an address must be equal.
fn mask(bits: u8, bytes: usize) -> Vec<u8> {
    let ones = |byte: usize| usize::from(bits).saturating_sub(byte * 8).min(8);
    (0..bytes).map(|it| !(0xffu16 >> ones(it)) as u8).collect()
}

fn protocol(number: u8) -> [Expression; 2] {
    [Expression::Meta(Meta::Protocol), Expression::Compare(Compare::Equal, vec![number])]
}

fn port(port: u16, end: End) -> [Expression; 2] {
    let offset = if end == End::Source { 0 } else { 2 };
    [
        Expression::Payload { base: Base::Transport, offset, length: 2 },
        Expression::Compare(Compare::Equal, port.to_be_bytes().to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(host: Option<&str>, port: Option<u16>, direction: Direction) -> Traffic {
        let host = host.map(|it| it.parse().unwrap());
        Traffic { host, port, protocol: Protocol::Any, direction }
    }

    #[test]
    fn a_mask_has_as_many_ones_as_the_network_has_bits() {
        assert_eq!(mask(9, 4), [255, 128, 0, 0]);
        assert_eq!(mask(32, 4), [255; 4]);
        assert_eq!(mask(12, 16)[..3], [255, 0xf0, 0]);
    }

    #[test]
    fn a_port_of_any_protocol_both_ways_takes_four_rules_and_a_host_one_a_way() {
        let of = |host, port, direction| matches(&traffic(host, port, direction)).len();
        assert_eq!(of(None, Some(80), Direction::Both), 4);
        assert_eq!(of(Some("10.0.0.0/8"), None, Direction::Both), 2);
        assert_eq!(of(Some("::1"), Some(80), Direction::To), 2);
        assert_eq!(of(None, None, Direction::Both), 1);
    }

    #[test]
    fn a_network_is_compared_without_the_bits_that_do_not_count() {
        let rules = matches(&traffic(Some("10.1.2.3/8"), None, Direction::From));
        let [expressions] = &rules[..] else { panic!("one rule") };
        assert_eq!(
            expressions.last(),
            Some(&Expression::Compare(Compare::Equal, vec![10, 0, 0, 0]))
        );
    }
}
