//! Traffic: which packets are meant, as a person says it, and as rules of nft that match them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::expression::{Base, Compare, Expression, Meta};

/// Packets to or from an endpoint. What is absent matches everything.
///
/// A port is found in the first fragment of a packet only: whoever fragments is matched by host alone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Traffic {
    pub(crate) way: Way,
    #[serde(default)]
    pub(crate) host: Option<Network>,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) protocol: Option<Protocol>,
}

/// Which way packets go, seen from the endpoint.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Way {
    /// Requests: the endpoint is where they go to.
    To,
    /// Answers: the endpoint is where they come from.
    From,
    Both,
}

/// A protocol with ports.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A host, or all hosts whose addresses begin alike. Written `10.0.0.0/8`, or as an address alone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no network: write `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`")]
pub(crate) struct NoNetwork(String);

impl Network {
    /// The addresses of which the first `prefix` bits are those of `address`; `None` when it has fewer.
    pub(crate) fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    /// Ones where an address must be equal.
    fn mask(self) -> Vec<u8> {
        let ones = |byte: u8| 8u8.min(self.prefix.saturating_sub(byte * 8));
        (0..bits(self.address) / 8).map(|it| !(0xffu16 >> ones(it)) as u8).collect()
    }

    fn octets(self) -> Vec<u8> {
        match self.address {
            IpAddr::V4(it) => it.octets().to_vec(),
            IpAddr::V6(it) => it.octets().to_vec(),
        }
    }

    /// What a packet of it looks like, seen from one of its ends.
    fn expressions(self, end: End) -> Vec<Expression> {
        // Where the addresses begin in the header, and its `NFPROTO_*`.
        let (start, family) = match self.address {
            IpAddr::V4(_) => (12, 2),
            IpAddr::V6(_) => (8, 10),
        };
        let mask = self.mask();
        let length = mask.len() as u32;
        let offset = start + if end == End::Source { 0 } else { length };
        let address = self.octets().iter().zip(&mask).map(|(it, mask)| it & mask).collect();
        let mut all = vec![
            Expression::Meta(Meta::Family),
            Expression::Compare(Compare::Equal, vec![family]),
            Expression::Payload { base: Base::Network, offset, length },
        ];
        if self.prefix < bits(self.address) {
            all.push(Expression::Mask(mask));
        }
        all.push(Expression::Compare(Compare::Equal, address));
        all
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

impl Traffic {
    /// Whether it is everything, which nobody may mean by leaving everything out.
    pub(crate) const fn is_everything(&self) -> bool {
        self.host.is_none() && self.port.is_none()
    }

    /// What answers it: the same between the same ends, the other way.
    pub(crate) const fn reversed(self) -> Self {
        let way = match self.way {
            Way::To => Way::From,
            Way::From => Way::To,
            Way::Both => Way::Both,
        };
        Self { way, ..self }
    }

    /// The part of it that goes by this protocol, if any.
    pub(crate) fn only(self, protocol: Protocol) -> Option<Self> {
        let some = self.protocol.is_none_or(|it| it == protocol);
        some.then_some(Self { protocol: Some(protocol), ..self })
    }

    /// What such packets look like: each is matched by one of these lists or by several.
    pub(crate) fn matches(&self) -> Vec<Vec<Expression>> {
        let ends: &[End] = match self.way {
            Way::To => &[End::Destination],
            Way::From => &[End::Source],
            Way::Both => &[End::Destination, End::Source],
        };
        // Without a host or a port both ends look the same.
        let ends = if self.is_everything() { &ends[..1] } else { ends };
        let protocols = match (self.protocol, self.port) {
            (Some(one), _) => vec![Some(one)],
            (None, Some(_)) => vec![Some(Protocol::Tcp), Some(Protocol::Udp)],
            (None, None) => vec![None],
        };
        let each = |end: End| {
            protocols.iter().map(move |protocol| {
                let mut all = self.host.map_or_else(Vec::new, |it| it.expressions(end));
                all.extend(protocol.iter().flat_map(|it| it.expressions()));
                all.extend(self.port.iter().flat_map(|it| port(*it, end)));
                all
            })
        };
        ends.iter().flat_map(|end| each(*end)).collect()
    }
}

impl Protocol {
    fn expressions(self) -> [Expression; 2] {
        let number = match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        };
        [Expression::Meta(Meta::Protocol), Expression::Compare(Compare::Equal, vec![number])]
    }
}

fn port(port: u16, end: End) -> [Expression; 2] {
    let offset = if end == End::Source { 0 } else { 2 };
    [
        Expression::Payload { base: Base::Transport, offset, length: 2 },
        Expression::Compare(Compare::Equal, port.to_be_bytes().to_vec()),
    ]
}

impl fmt::Display for Traffic {
    /// Reads after "packets".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::To => "to",
            Way::From => "from",
            Way::Both => "to and from",
        };
        write!(f, "{way} ")?;
        match self.host {
            Some(host) => write!(f, "{host}")?,
            None => write!(f, "any host")?,
        }
        self.port.map_or(Ok(()), |it| write!(f, " port {it}"))?;
        match self.protocol {
            Some(Protocol::Tcp) => write!(f, " (TCP)"),
            Some(Protocol::Udp) => write!(f, " (UDP)"),
            None => Ok(()),
        }
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let read = || {
            let (address, prefix) =
                text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
            let address = address.parse().ok()?;
            Self::new(address, prefix.map_or(Some(bits(address)), |it| it.parse().ok())?)
        };
        read().ok_or_else(|| NoNetwork(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for Network {
    type Error = NoNetwork;

    fn try_from(text: String) -> Result<Self, NoNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self { address, prefix: bits(address) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_network_is_told_from_what_is_none() {
        for good in ["10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(good.parse::<Network>().unwrap().to_string(), good);
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "host", "10.0.0.0/-1"] {
            let error = wrong.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains("write `10.1.2.3`"), "{error}");
        }
    }

    #[test]
    fn a_mask_has_as_many_ones_as_the_prefix_says() {
        let mask = |text: &str| text.parse::<Network>().unwrap().mask();
        assert_eq!(mask("10.0.0.0/0"), [0, 0, 0, 0]);
        assert_eq!(mask("10.0.0.0/9"), [255, 128, 0, 0]);
        assert_eq!(mask("10.0.0.1"), [255; 4]);
        assert_eq!(mask("fd00::/12")[..3], [255, 0xf0, 0]);
    }

    #[test]
    fn a_port_of_any_protocol_both_ways_takes_four_rules_and_a_host_one_a_way() {
        let of = |host: Option<&str>, port, way| {
            let host = host.map(|it| it.parse().unwrap());
            Traffic { way, host, port, protocol: None }.matches().len()
        };
        assert_eq!(of(None, Some(80), Way::Both), 4);
        assert_eq!(of(Some("10.0.0.0/8"), None, Way::Both), 2);
        assert_eq!(of(Some("::1"), Some(80), Way::To), 2);
        assert_eq!(of(None, None, Way::Both), 1);
    }

    #[test]
    fn a_network_is_compared_without_the_bits_that_do_not_count() {
        let host = Some("10.1.2.3/8".parse().unwrap());
        let traffic = Traffic { way: Way::From, host, port: None, protocol: None };
        let [expressions] = &traffic.matches()[..] else { panic!("one rule") };
        assert_eq!(
            expressions.last(),
            Some(&Expression::Compare(Compare::Equal, vec![10, 0, 0, 0]))
        );
    }

    proptest! {
        #[test]
        fn traffic_survives_its_json(address: [u8; 16], prefix in 0u8..=128, port: Option<u16>) {
            let host = Network::new(address.into(), prefix);
            let traffic = Traffic { way: Way::Both, host, port, protocol: Some(Protocol::Udp) };
            let json = serde_json::to_string(&traffic).unwrap();
            prop_assert_eq!(serde_json::from_str::<Traffic>(&json).unwrap(), traffic);
        }
    }
}
