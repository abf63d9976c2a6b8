//! Address: what a URL says, and what of it is not spoken here.

use hyper::Uri;

/// Where to connect, and what to ask for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or number, without the brackets of IPv6.
    pub(crate) host: String,
    /// Port; 80 when the URL has none.
    pub(crate) port: u16,
    /// As the `Host` header says it.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// A URL cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no absolute URL.
    #[error("`{0}` is not an absolute URL: write one such as `http://127.0.0.1:8080/health`")]
    NotAUrl(String),
    /// It needs TLS.
    #[error("https is not spoken: probe the plain HTTP port behind it")]
    Https,
    /// It is of another kind.
    #[error("`{0}` is not spoken: write an `http://` URL")]
    Scheme(String),
    /// It has a name and a password, which reports and journals would print.
    #[error("a URL with credentials would end up in reports: remove them")]
    Credentials,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, AddressError> {
        let not_a_url = || AddressError::NotAUrl(url.to_owned());
        let uri: Uri = url.trim().parse().map_err(|_| not_a_url())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(AddressError::Https),
            Some(other) => return Err(AddressError::Scheme(other.to_owned())),
            None => return Err(not_a_url()),
        }
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        // A port that is no number must not quietly become 80.
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => 80,
            None => return Err(not_a_url()),
        };
        if host.is_empty() {
            return Err(not_a_url());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            authority: authority.to_string(),
            target: uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_url_says() {
        for (url, host, port, target) in [
            ("http://127.0.0.1:8080/health?deep=1", "127.0.0.1", 8080, "/health?deep=1"),
            ("http://shop.internal", "shop.internal", 80, "/"),
            ("http://[::1]:81/", "::1", 81, "/"),
            ("HTTP://shop/#part", "shop", 80, "/"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((&*address.host, address.port), (host, port), "{url}");
            assert_eq!(address.target, target, "{url}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_url_it_cannot_ask() {
        for (url, part) in [
            ("https://shop.internal/", "https is not spoken"),
            ("ftp://shop.internal/", "`ftp` is not spoken"),
            ("http://me:secret@shop/", "credentials"),
            ("/health", "not an absolute URL"),
            ("shop:80", "not an absolute URL"),
            ("http://", "not an absolute URL"),
            ("http://shop:99999/", "not an absolute URL"),
            ("http://shop:/", "not an absolute URL"),
            ("http://:80/", "not an absolute URL"),
            ("two words", "not an absolute URL"),
            ("", "not an absolute URL"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
