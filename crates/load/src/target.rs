//! Target: where requests go, read from a URL such as `https://shop.example:8443`.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::order::LoadError;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// What is spoken there.
    pub(crate) scheme: Scheme,
    /// As written, without the port when it is the usual one.
    pub(crate) host: String,
    /// Path and query, where the protocol asks for one when it connects; else `/`.
    pub(crate) path: String,
    /// The name or address alone.
    pub(crate) name: String,
    /// What is said when a connection is opened, where the protocol says anything.
    pub(crate) opening: Opening,
    /// Every address of the name; the first that answers is kept to. None when it could not be looked up.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// What a WebSocket is opened with beside what its handshake asks for, with its references looked up.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    /// When it is not that of the URL.
    pub(crate) path: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) protocols: Vec<String>,
}

/// It may hold secrets.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

/// What is spoken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Grpc,
    Grpcs,
    Ws,
    Wss,
    Tcp,
    Tls,
    Udp,
    Dns,
    Kafka,
    Kafkas,
}

impl Scheme {
    const ALL: [(&'static str, Self); 12] = [
        ("http", Self::Http),
        ("https", Self::Https),
        ("grpc", Self::Grpc),
        ("grpcs", Self::Grpcs),
        ("ws", Self::Ws),
        ("wss", Self::Wss),
        ("tcp", Self::Tcp),
        ("tls", Self::Tls),
        ("udp", Self::Udp),
        ("dns", Self::Dns),
        ("kafka", Self::Kafka),
        ("kafkas", Self::Kafkas),
    ];

    /// Whether it goes over TLS.
    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs | Self::Wss | Self::Tls | Self::Kafkas)
    }

    const fn usual_port(self) -> Option<u16> {
        match self {
            Self::Http | Self::Ws => Some(80),
            Self::Https | Self::Wss | Self::Grpcs => Some(443),
            Self::Dns => Some(53),
            Self::Kafka => Some(9092),
            Self::Kafkas => Some(9093),
            Self::Grpc | Self::Tcp | Self::Tls | Self::Udp => None,
        }
    }
}

impl Target {
    /// Reads `url` and looks its name up.
    pub(crate) fn find(url: &str) -> Result<Self, LoadError> {
        let bad = |reason| LoadError::Url { url: without_user(url), reason };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme: write `http://host:port`"))?;
        let lower = scheme.to_ascii_lowercase();
        let (_, scheme) = *Scheme::ALL.iter().find(|(name, _)| *name == lower).ok_or_else(|| {
            bad("its scheme is none of http, https, grpc, grpcs, ws, wss, tcp, tls, udp, dns, kafka and kafkas")
        })?;
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let asks_for_path = matches!(scheme, Scheme::Ws | Scheme::Wss);
        if path != "/" && !asks_for_path {
            return Err(bad("it has a path: write that into the routes"));
        }
        if !path.starts_with('/') || path.bytes().any(|it| !it.is_ascii_graphic() || it == b'#') {
            return Err(bad(
                "its path does not begin with `/`, or holds characters that no path has",
            ));
        }
        if authority.contains('@') {
            return Err(bad("it holds a user: write an `authorization` header into the routes"));
        }
        if authority.bytes().any(|it| !it.is_ascii_graphic()) {
            return Err(bad("it holds characters that no host name has"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| bad("its port is no number up to 65535"))?)
            }
            _ => (authority, scheme.usual_port().ok_or_else(|| bad("it has no port"))?),
        };
        if host.is_empty() || port == 0 {
            return Err(bad("it has no host or no port: write `http://host:port`"));
        }
        let name = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let mut addresses = Vec::new();
        // A name without an address is an answer like any other: every request that needs it fails.
        for address in (name, port).to_socket_addrs().into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let (name, path) = (name.to_owned(), path.to_owned());
        let host = match Some(port) == scheme.usual_port() {
            true => host.to_owned(),
            false => format!("{host}:{port}"),
        };
        Ok(Self { scheme, host, path, name, opening: Opening::default(), addresses })
    }
}

/// A URL fit for messages: what stands before an `@` may be a password.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        (_, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_and_without_port() {
        for (url, host, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080"),
            ("HTTP://127.0.0.1/", "127.0.0.1", "127.0.0.1:80"),
            ("https://127.0.0.1", "127.0.0.1", "127.0.0.1:443"),
            ("https://127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80"),
            ("http://[::1]:81", "[::1]:81", "[::1]:81"),
            ("dns://[::1]", "[::1]", "[::1]:53"),
        ] {
            let target = Target::find(url).unwrap();
            assert_eq!(
                (target.host.as_str(), target.addresses),
                (host, vec![address.parse().unwrap()])
            );
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_fix() {
        for (url, words) in [
            ("ftp://shop", "https"),
            ("shop:80", "no scheme"),
            ("tcp://shop", "no port"),
            ("http://shop/products", "routes"),
            ("http://shop:99999", "port"),
            ("http://", "no host"),
            ("http://sh op", "characters"),
            ("ws://shop/a b", "path"),
        ] {
            let error = Target::find(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_found_out_by_every_request() {
        let target = Target::find("http://nobody.invalid:80").unwrap();
        assert_eq!((target.name.as_str(), target.addresses), ("nobody.invalid", Vec::new()));
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let error = Target::find("http://me:hunter2@shop").unwrap_err().to_string();
        assert!(error.contains("authorization") && !error.contains("hunter2"), "{error}");
    }
}
