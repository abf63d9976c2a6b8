//! The block of seven neighbouring ports the shop lives on.
//!
//! Ports are checked together before anything starts, so that a taken one is one clear error and not
//! a half-started shop. A block that is "any free" lies below the range from which the kernel takes
//! ports for outgoing connections: a restarted part must find its port free, always.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use crate::args::PartName;
use crate::error::ShopError;

/// How many gateways there are.
pub(crate) const GATEWAYS: u16 = 3;
/// Balancer, gateways, and one for each neighbour.
const BLOCK: u16 = 1 + GATEWAYS + 3;

/// Ports of the parts, by their distance from the balancer's.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    base: u16,
}

impl Ports {
    /// Checks the block at `port`, or finds one for 0. The balancer's listener is kept open.
    pub(crate) fn claim(port: u16) -> Result<(Self, TcpListener), ShopError> {
        if port != 0 {
            return Self { base: port }.probe();
        }
        // Blocks of ten: two shops that start together either meet on the balancer's port or nowhere.
        let start = u16::try_from(std::process::id() % 2000).unwrap_or(0);
        for attempt in 0..2000 {
            let block = (start + attempt * 7) % 2000;
            match (Self { base: 12_000 + block * 10 }).probe() {
                Err(ShopError::PortTaken { .. }) => {}
                decided => return decided,
            }
        }
        Err(ShopError::NoFreePorts)
    }

    /// Where the balancer listens.
    pub(crate) fn balancer(self) -> u16 {
        self.base
    }

    /// Where an instance of a part listens; instances count from 1.
    pub(crate) fn of(self, name: PartName, instance: u16) -> u16 {
        self.base
            + match name {
                PartName::Gateway => instance,
                PartName::Inventory => GATEWAYS + 1,
                PartName::Payment => GATEWAYS + 2,
                PartName::Recommendations => GATEWAYS + 3,
            }
    }

    fn probe(self) -> Result<(Self, TcpListener), ShopError> {
        if self.base.checked_add(BLOCK).is_none() {
            return Err(ShopError::PortTooHigh { port: self.base });
        }
        let balancer = listen(self.base, "the balancer")?;
        for offset in 1..BLOCK {
            listen(self.base + offset, &Self::who(offset))?;
        }
        Ok((self, balancer))
    }

    fn who(offset: u16) -> String {
        match offset - 1 {
            gateway if gateway < GATEWAYS => format!("gateway-{}", gateway + 1),
            other => PartName::ALL[usize::from(other - GATEWAYS + 1)].to_string(),
        }
    }
}

/// Opens a listener on 127.0.0.1 for `part`.
pub(crate) fn listen(port: u16, part: &str) -> Result<TcpListener, ShopError> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).and_then(|it| it.set_nonblocking(true).map(|()| it)).map_err(
        |source| match source.kind() {
            io::ErrorKind::AddrInUse => ShopError::PortTaken { port, part: part.to_owned() },
            _ => ShopError::Listen { port, part: part.to_owned(), source },
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_part_and_the_flag() {
        let (free, listener) = Ports::claim(0).unwrap();
        let _taken = listen(free.of(PartName::Payment, 1), "a test").unwrap();
        drop(listener);
        let error = Ports::claim(free.balancer()).unwrap_err().to_string();
        let port = free.of(PartName::Payment, 1);
        assert!(error.starts_with(&format!("port {port} for payment is taken")), "{error}");
        assert!(error.contains("`--port 0`"), "{error}");
    }

    #[test]
    fn two_shops_on_any_free_ports_never_share_one() {
        let (one, _first) = Ports::claim(0).unwrap();
        let (two, _second) = Ports::claim(0).unwrap();
        assert!(one.balancer().abs_diff(two.balancer()) >= BLOCK);
    }

    #[test]
    fn a_block_beyond_the_last_port_is_refused() {
        assert!(matches!(Ports::claim(65_530), Err(ShopError::PortTooHigh { .. })));
    }
}
