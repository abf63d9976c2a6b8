//! Loopback: an address of this machine that others cannot reach, where nobody is asked who they are.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// An address of this machine that others cannot reach. Port 0 is any that is free.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loopback(SocketAddr);

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = text.strip_prefix("localhost:").unwrap_or(text).parse();
        let address = port.map(|port| SocketAddr::new(here, port)).or_else(|_| text.parse());
        let address: SocketAddr =
            address.map_err(|_| "give a port, or an address such as 127.0.0.1:8089".to_owned())?;
        match address.ip().is_loopback() {
            true => Ok(Self(address)),
            false => Err(format!(
                "{} can be reached from other machines, and nobody is asked who they are: give 127.0.0.1:{port}, \
                 and reach it through `ssh -L {port}:127.0.0.1:{port}`",
                address.ip(),
                port = address.port(),
            )),
        }
    }
}

impl Loopback {
    /// As it was given.
    pub(crate) const fn address(self) -> SocketAddr {
        self.0
    }

    /// Listens there, and says where that is.
    pub(crate) fn listen(self) -> io::Result<(std::net::TcpListener, SocketAddr)> {
        let listener = std::net::TcpListener::bind(self.0)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_be_let_in() {
        let parse = |text: &str| {
            text.parse::<Loopback>().map_err(|it| it.split(' ').next().unwrap().to_owned())
        };
        let at = |text: &str| Ok(Loopback(text.parse().unwrap()));
        assert_eq!(parse("8089"), at("127.0.0.1:8089"));
        assert_eq!(parse("localhost:8089"), at("127.0.0.1:8089"));
        assert_eq!(parse("[::1]:8089"), at("[::1]:8089"));
        assert_eq!(parse("127.9.9.9:0"), at("127.9.9.9:0"));
        assert_eq!(parse("0.0.0.0:8089"), Err("0.0.0.0".to_owned()));
        assert_eq!(parse("[::]:8089"), Err("::".to_owned()));
        assert_eq!(parse("192.168.1.4:8089"), Err("192.168.1.4".to_owned()));
        assert_eq!(parse("example.com:80"), Err("give".to_owned()));
        assert_eq!(parse("65536"), Err("give".to_owned()));
    }
}
