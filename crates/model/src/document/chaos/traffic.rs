//! Traffic: packets to and from an endpoint, as they pass this host.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Packets to or from an endpoint. With neither host nor port it would be everything, which nobody may aim at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Where the endpoint is; `None`: anywhere.
    pub host: Option<Network>,
    /// Its port; `None`: any.
    pub port: Option<u16>,
    /// Of which protocol. With a port, any means TCP and UDP.
    pub protocol: Protocol,
    /// Seen from whoever talks to the endpoint.
    pub direction: Direction,
}

/// Of which protocol packets are.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Any.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where packets go.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the endpoint and from it.
    Both,
    /// To the endpoint.
    To,
    /// From the endpoint.
    From,
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.direction {
            Direction::Both => {}
            Direction::To => f.write_str("to ")?,
            Direction::From => f.write_str("from ")?,
        }
        match (&self.host, self.port) {
            (Some(host), Some(port)) if host.address.is_ipv6() => write!(f, "[{host}]:{port}")?,
            (Some(host), Some(port)) => write!(f, "{host}:{port}")?,
            (Some(host), None) => write!(f, "{host}")?,
            (None, Some(port)) => write!(f, "port {port}")?,
            (None, None) => f.write_str("all traffic")?,
        }
        f.write_str(match self.protocol {
            Protocol::Any => "",
            Protocol::Tcp => "/tcp",
            Protocol::Udp => "/udp",
        })
    }
}

/// An address, or all that begin with the same bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text is no address and no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It has another form.
    #[error("`{0}` is neither an IP address nor a network such as `10.0.0.0/8`")]
    Form(String),
    /// The network would be every address there is.
    #[error("`{0}` is every address there is")]
    Everything(String),
}

impl Network {
    /// The address, or the first of the network.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all addresses of it have in common.
    pub const fn bits(&self) -> u8 {
        self.bits
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::Form(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let address = match address {
            "localhost" => IpAddr::from([127, 0, 0, 1]),
            other => other.parse::<IpAddr>().map_err(|_| wrong())?,
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(it) if it.bytes().all(|it| it.is_ascii_digit()) => {
                it.parse().ok().filter(|it| *it <= most).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        if bits == 0 {
            return Err(NetworkError::Everything(text.to_owned()));
        }
        let first = match address {
            IpAddr::V4(it) => IpAddr::V4((it.to_bits() & (u32::MAX << (32 - bits))).into()),
            IpAddr::V6(it) => IpAddr::V6((it.to_bits() & (u128::MAX << (128 - bits))).into()),
        };
        Ok(Self { address: first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.bits) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => write!(f, "{}", self.address),
            (address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

impl From<Network> for String {
    fn from(it: Network) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_network_is_named_by_its_first_address() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("localhost", "127.0.0.1"),
            ("::1", "::1"),
            ("fd00::7/64", "fd00::/64"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/-1", "::/0", "0.0.0.0/0", "host", "10.0.0.1/"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(address: IpAddr, bits in 1u8..=128) {
            let bits = if address.is_ipv4() { bits.min(32) } else { bits };
            let network: Network = format!("{address}/{bits}").parse().unwrap();
            prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }
    }
}
