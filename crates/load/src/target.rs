//! Target: where requests go, read from a URL such as `http://127.0.0.1:8080`.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::order::LoadError;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// For the `host` header: as written, without the port when it is the usual one.
    pub(crate) host: String,
    /// Every address of the name, at least one; the first that answers is kept to.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Target {
    /// Reads `url` and looks its name up.
    pub(crate) fn find(url: &str) -> Result<Self, LoadError> {
        let bad = |reason| LoadError::Url { url: without_user(url), reason };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme: write `http://host:port`"))?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(bad(
                "TLS cannot be sent yet: give the address of the service behind it, with `http://`",
            ));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(bad("only `http://` can be sent"));
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(bad("it has a path: write that into the routes"));
        }
        if authority.contains('@') {
            return Err(bad("it holds a user: write an `authorization` header into the routes"));
        }
        if authority.bytes().any(|it| !it.is_ascii_graphic()) {
            return Err(bad("it holds characters that no host name has"));
        }
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                (name, port.parse().map_err(|_| bad("its port is no number up to 65535"))?)
            }
            _ => (authority, 80),
        };
        if name.is_empty() || port == 0 {
            return Err(bad("it has no host or no port: write `http://host:port`"));
        }
        let plain = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
        let unknown = |source| LoadError::Lookup { host: plain.to_owned(), source };
        let mut addresses = Vec::new();
        for address in (plain, port).to_socket_addrs().map_err(unknown)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(bad("its host has no address"));
        }
        let host = match port {
            80 => name.to_owned(),
            port => format!("{name}:{port}"),
        };
        Ok(Self { host, addresses })
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
            ("http://[::1]:81", "[::1]:81", "[::1]:81"),
            ("http://[::1]", "[::1]", "[::1]:80"),
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
            ("https://shop", "TLS"),
            ("ftp://shop", "only `http://`"),
            ("shop:80", "no scheme"),
            ("http://shop/products", "routes"),
            ("http://shop:99999", "port"),
            ("http://", "no host"),
            ("http://sh op", "characters"),
        ] {
            let error = Target::find(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let error = Target::find("http://me:hunter2@shop").unwrap_err().to_string();
        assert!(error.contains("authorization") && !error.contains("hunter2"), "{error}");
    }
}
