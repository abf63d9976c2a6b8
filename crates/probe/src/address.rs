//! Address: what a URL says, and what of it is spoken here.
//!
//! A URL may hold a password. It is kept for the service alone: whatever is shown of an address, or of a text that is none, says
//! `***` in its place.

mod shown;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use shown::{hidden, is_secret, masked, without_secrets};

/// The protocol that a service is asked in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// `http://`: a GET.
    Http,
    /// `https://`: a GET over TLS.
    Https,
    /// `tcp://`: whether a connection stands.
    Tcp,
    /// `tls://`: whether a TLS session stands on it.
    Tls,
    /// `udp://`: a datagram, and what comes back for it.
    Udp,
    /// `ping://`: an echo of ICMP.
    Ping,
    /// `grpc://`: `grpc.health.v1.Health/Check`, of the service that is the path.
    Grpc,
    /// `grpcs://`: the same over TLS.
    Grpcs,
    /// `postgres://` or `postgresql://`: a session and a query.
    Postgres,
    /// `redis://`: a session and `PING`.
    Redis,
    /// `rediss://`: the same over TLS.
    Rediss,
}

/// Every scheme with its name and its port. One without a port of its own needs one in each URL.
const SCHEMES: [(&str, Scheme, Option<u16>); 12] = [
    ("http", Scheme::Http, Some(80)),
    ("https", Scheme::Https, Some(443)),
    ("tcp", Scheme::Tcp, None),
    ("tls", Scheme::Tls, Some(443)),
    ("udp", Scheme::Udp, None),
    ("ping", Scheme::Ping, Some(0)),
    ("grpc", Scheme::Grpc, None),
    ("grpcs", Scheme::Grpcs, Some(443)),
    ("postgres", Scheme::Postgres, Some(5432)),
    ("postgresql", Scheme::Postgres, Some(5432)),
    ("redis", Scheme::Redis, Some(6379)),
    ("rediss", Scheme::Rediss, Some(6379)),
];

/// What `sslmode` of a PostgreSQL may be.
const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Whether a parameter of libpq asks for a safety that is not given here, or for other than the URL says. What only tunes a
/// connection does not.
fn asks_for_more(name: &str, value: &str) -> bool {
    match name {
        "sslmode" => false,
        "channel_binding" | "gssencmode" => value == "require",
        "target_session_attrs" => value != "any",
        "dbname" | "hostaddr" | "options" | "port" | "require_auth" | "service" => true,
        _ => name.starts_with("ssl"),
    }
}

impl Scheme {
    /// As a URL has it.
    pub fn name(self) -> &'static str {
        SCHEMES.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }

    /// Whether the first thing said is TLS.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Tls | Self::Grpcs | Self::Rediss)
    }

    const fn takes_login(self) -> bool {
        matches!(self, Self::Http | Self::Https | Self::Postgres | Self::Redis | Self::Rediss)
    }

    const fn takes_path(self) -> bool {
        !matches!(self, Self::Tcp | Self::Tls | Self::Udp | Self::Ping)
    }
}

/// Where to connect, as whom, and what to ask for there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The protocol.
    pub(crate) scheme: Scheme,
    /// Name or number, without the brackets of IPv6.
    pub(crate) host: String,
    /// The one of the scheme when the URL has none; 0 where there are none.
    pub(crate) port: u16,
    /// As the `Host` header says it.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
    /// Who asks.
    pub(crate) user: Option<String>,
    /// What shows that it is them.
    pub(crate) password: Option<String>,
    /// For people.
    shown: String,
    /// What is not for them, wherever it turns up.
    secrets: Vec<String>,
}

/// A URL cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no absolute URL.
    #[error("`{0}` is not an absolute URL: write one such as `http://127.0.0.1:8080/health`")]
    NotAUrl(String),
    /// It is of another kind.
    #[error("`{name}` is not spoken: write {spoken}")]
    Scheme {
        /// The kind.
        name: String,
        /// What is spoken.
        spoken: &'static str,
    },
    /// It says one where there are none.
    #[error("`ping` has no ports: remove what is after the host, or ask `tcp://`")]
    NoPort,
    /// It does not say the port.
    #[error("`{0}` has no usual port: write it after the host, such as `{0}://127.0.0.1:{1}`")]
    Port(&'static str, u16),
    /// It says more than can be asked.
    #[error("`{0}` asks for nothing at the other end: end the URL with the host and its port")]
    Path(&'static str),
    /// It has a name and a password, which nobody asks for, or which reports and journals would print.
    #[error("a URL with credentials would end up in reports: remove them")]
    Credentials,
    /// How a PostgreSQL is to be reached is not known.
    #[error(
        "`sslmode={0}` is not known: write `disable`, `prefer`, `require`, `verify-ca` or `verify-full`"
    )]
    Mode(String),
    /// It asks for what would not be heeded.
    #[error(
        "`{0}` is not heeded: remove it (`--ca` names certificates to trust, the path a database, `--expect role=primary` a role)"
    )]
    Parameter(String),
    /// A socket in a folder.
    #[error("a socket in a folder is not spoken: write the host and the port, and no `host=`")]
    Socket,
    /// Nobody is asked for a name there.
    #[error("`{0}` asks nobody who they are: remove what is before the `@`")]
    Login(&'static str),
}

impl Address {
    /// Reads a URL.
    ///
    /// ```
    /// # use evenkeel_probe::Address;
    /// let address = Address::parse("postgres://app:s3cret@db.internal/shop").unwrap();
    /// assert_eq!(address.to_string(), "postgres://app:***@db.internal/shop");
    /// ```
    ///
    /// # Errors
    /// When it is none, or of a kind that is not spoken; no message repeats a password.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let url = url.trim();
        let not_a_url = || AddressError::NotAUrl(masked(url));
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        let name = uri.scheme_str().ok_or_else(not_a_url)?.to_ascii_lowercase();
        let Some((name, scheme, usual)) = SCHEMES.into_iter().find(|it| it.0 == name) else {
            let spoken = "`http`, `https`, `tcp`, `tls`, `udp`, `ping`, `grpc`, `grpcs`, `postgres`, `redis` or `rediss`";
            return Err(AddressError::Scheme { name, spoken });
        };
        let authority = uri.authority().ok_or_else(not_a_url)?;
        let (login, place) = match authority.as_str().rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority.as_str()),
        };
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() {
            return Err(not_a_url());
        }
        // A port that is no number must not quietly become the usual one.
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if place != host => return Err(not_a_url()),
            None => usual.ok_or(AddressError::Port(
                name,
                match scheme {
                    Scheme::Grpc => 50_051,
                    Scheme::Udp => 53,
                    _ => 5_432,
                },
            ))?,
        };
        if scheme == Scheme::Ping && authority.port().is_some() {
            return Err(AddressError::NoPort);
        }
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        if has_path && !scheme.takes_path() {
            return Err(AddressError::Path(name));
        }
        if login.is_some() && !scheme.takes_login() {
            return Err(AddressError::Login(name));
        }
        let decoded = |it: &str| {
            percent_decode_str(it).decode_utf8().map(Cow::into_owned).map_err(|_| not_a_url())
        };
        let (user, password) = match login.map(|it| it.split_once(':').unwrap_or((it, ""))) {
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
            None => (None, None),
        };
        // Of `http://host?query` it has no slash, without which it is nothing to ask for.
        let target = uri.path_and_query().map_or("", |it| it.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let mut address = Self {
            scheme,
            host: bare.to_owned(),
            port,
            authority: place.to_owned(),
            target: format!("{slash}{target}"),
            user: user.filter(|it| !it.is_empty()),
            password: password.filter(|it| !it.is_empty()),
            shown: without_secrets(scheme, url, authority.as_str(), login, place),
            secrets: Vec::new(),
        };
        let secrets = address.parameters().filter(|it| is_secret(&it.0));
        address.secrets = secrets.map(|it| it.1.into_owned()).collect();
        if scheme == Scheme::Postgres {
            address.as_libpq_has_it()?;
        }
        Ok(address)
    }

    /// What parameters say besides.
    fn as_libpq_has_it(&mut self) -> Result<(), AddressError> {
        let said = |name: &str| self.parameter(name).filter(|it| !it.is_empty());
        let (user, password) = (said("user"), said("password"));
        match said("sslmode") {
            _ if said("host").is_some() => return Err(AddressError::Socket),
            Some(mode) if !MODES.contains(&&*mode) => return Err(AddressError::Mode(mode)),
            _ => {}
        }
        if let Some((name, _)) = self.parameters().find(|it| asks_for_more(&it.0, &it.1)) {
            return Err(AddressError::Parameter(name.into_owned()));
        }
        self.user = user.or(self.user.take());
        self.password = password.or(self.password.take());
        Ok(())
    }

    /// A URL of a document: of HTTP, and without credentials, which reports and journals would print.
    pub(crate) fn of_document(url: &str) -> Result<Self, AddressError> {
        let spoken = "an `http://` or an `https://` URL";
        let address = match Self::parse(url) {
            Err(AddressError::Scheme { name, .. }) => {
                return Err(AddressError::Scheme { name, spoken });
            }
            other => other?,
        };
        match address.scheme {
            _ if address.user.is_some() || address.password.is_some() => {
                Err(AddressError::Credentials)
            }
            Scheme::Http | Scheme::Https => Ok(address),
            other => Err(AddressError::Scheme { name: other.name().to_owned(), spoken }),
        }
    }

    /// The protocol it is asked in.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// With a name and a password for a URL that has none.
    pub fn or_login(self, user: Option<String>, password: Option<String>) -> Self {
        Self { user: self.user.or(user), password: self.password.or(password), ..self }
    }

    /// With a secret that neither what is shown of it nor what is said of an answer repeats. Texts too short for one are left.
    pub fn hiding(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self.shown = hidden(&self.shown, secret);
        self
    }

    /// What is said of an answer, which may repeat what it was asked with.
    pub(crate) fn hidden(&self, text: &str) -> String {
        let mut secrets: Vec<_> = self.secrets.iter().chain(&self.password).collect();
        // One may be part of another.
        secrets.sort_by_key(|it| Reverse(it.len()));
        secrets.into_iter().fold(text.to_owned(), |text, it| hidden(&text, it))
    }

    /// What the query says of a name.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().find(|it| it.0 == name).map(|it| it.1.into_owned())
    }

    fn parameters(&self) -> form_urlencoded::Parse<'_> {
        let query = self.target.split_once('?').map_or("", |it| it.1);
        form_urlencoded::parse(query.as_bytes())
    }

    /// The path without its first slash, with what was escaped in it; nothing when it is no text.
    pub(crate) fn name(&self) -> Option<String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix('/').unwrap_or(path);
        percent_decode_str(path).decode_utf8().ok().map(Cow::into_owned)
    }
}

impl fmt::Display for Address {
    /// As it was written, without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_a_url_says() {
        for (url, scheme, host, port, target) in [
            ("http://127.0.0.1:8080/health?deep=1", "http", "127.0.0.1", 8080, "/health?deep=1"),
            ("http://shop.internal", "http", "shop.internal", 80, "/"),
            ("http://[::1]:81/", "http", "::1", 81, "/"),
            ("http://shop?deep=1", "http", "shop", 80, "/?deep=1"),
            ("http://shop?", "http", "shop", 80, "/?"),
            ("HTTP://shop/#part", "http", "shop", 80, "/"),
            ("https://shop", "https", "shop", 443, "/"),
            ("TCP://db:5432", "tcp", "db", 5432, "/"),
            ("tls://shop/", "tls", "shop", 443, "/"),
            ("udp://dns:53", "udp", "dns", 53, "/"),
            ("ping://[fe80::1]", "ping", "fe80::1", 0, "/"),
            ("grpc://shop:50051/shop.Cart", "grpc", "shop", 50_051, "/shop.Cart"),
            (
                "postgresql://db/shop?sslmode=require",
                "postgres",
                "db",
                5432,
                "/shop?sslmode=require",
            ),
            ("rediss://cache", "rediss", "cache", 6379, "/"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.scheme.name(), address.port), (scheme, port), "{url}");
            assert_eq!((&*address.host, &*address.target), (host, target), "{url}");
        }
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let address =
            Address::parse("postgres://app:p%40s%3As@db:5433/shop?sslmode=require").unwrap();
        assert_eq!(address.user.as_deref(), Some("app"));
        assert_eq!(address.password.as_deref(), Some("p@s:s"));
        assert_eq!(address.authority, "db:5433");
        assert_eq!(address.parameter("sslmode").as_deref(), Some("require"));
        assert_eq!(address.name().as_deref(), Some("shop"));
        assert_eq!(address.to_string(), "postgres://app:***@db:5433/shop?sslmode=require");
        let address =
            Address::parse("postgres://app@db/shop?user=other&password=s%33cret").unwrap();
        assert_eq!(address.user.as_deref(), Some("other"));
        assert_eq!(address.password.as_deref(), Some("s3cret"));
        for (url, is_shown) in [
            ("redis://:s3cret@cache", "redis://:***@cache"),
            ("redis://s3cret@cache", "redis://***@cache"),
            ("http://shop/health?token=s3cret&deep=1", "http://shop/health?token=***&deep=1"),
            ("postgres://db/shop?password=s3cret", "postgres://db/shop?password=***"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), is_shown);
            assert!(!format!("{address:?}").contains("s3cret"));
        }
    }

    #[test]
    fn what_came_from_where_secrets_are_kept_is_not_shown() {
        let address = Address::parse("http://shop/by/s3cret?x=s3cret").unwrap();
        assert_eq!(address.clone().hiding("s3cret").to_string(), "http://shop/by/***?x=***");
        assert_eq!(address.hiding("p").to_string(), "http://shop/by/s3cret?x=s3cret");
    }

    #[test]
    fn what_is_said_of_an_answer_has_no_secret_in_any_form() {
        let address = Address::parse("http://me:p%40ss%3A@shop/?token=s3cret&deep=1").unwrap();
        let address = address.hiding("s3cret/more");
        for said in ["p@ss:", "p%40ss%3A", "s3cret", "s3cret/more", "s3cret%2Fmore"] {
            assert_eq!(address.hidden(&format!("301, to /{said}?deep=1")), "301, to /***?deep=1");
        }
    }

    #[test]
    fn a_login_from_elsewhere_is_for_a_url_without_one() {
        let login = |url: &str| {
            let address = Address::parse(url).unwrap();
            let address = address.or_login(Some("env".to_owned()), Some("word".to_owned()));
            (address.user.unwrap(), address.password.unwrap())
        };
        assert_eq!(login("postgres://db"), ("env".to_owned(), "word".to_owned()));
        assert_eq!(login("postgres://app@db"), ("app".to_owned(), "word".to_owned()));
        assert_eq!(login("postgres://app:own@db"), ("app".to_owned(), "own".to_owned()));
    }

    #[test]
    fn says_what_is_wrong_with_a_url_it_cannot_ask() {
        for (url, part) in [
            ("ftp://shop.internal/", "`ftp` is not spoken"),
            ("udp://shop.internal", "such as `udp://127.0.0.1:53`"),
            ("udp://shop.internal:53/x", "asks for nothing"),
            ("ping://shop:80", "`ping` has no ports"),
            ("tcp://shop", "`tcp` has no usual port"),
            ("grpc://shop", "such as `grpc://127.0.0.1:50051`"),
            ("tcp://shop:80/health", "asks for nothing"),
            ("ping://shop?x", "asks for nothing"),
            ("tcp://me:secret@shop:80", "asks nobody who they are"),
            ("/health", "not an absolute URL"),
            ("shop:80", "not an absolute URL"),
            ("http://", "not an absolute URL"),
            ("http://shop:99999/", "not an absolute URL"),
            ("http://shop:/", "not an absolute URL"),
            ("http://:80/", "not an absolute URL"),
            ("postgres://me:secret@", "not an absolute URL"),
            ("postgres://me:sec ret@db", "`postgres://***@db` is not an absolute URL"),
            ("postgres://db/shop?sslmode=maybe", "`sslmode=maybe` is not known"),
            ("postgres://db/shop?sslrootcert=ca.pem", "`sslrootcert` is not heeded"),
            ("postgres://db/shop?channel_binding=require", "`channel_binding` is not heeded"),
            ("postgres://db/shop?a=b&dbname=other", "`dbname` is not heeded"),
            ("postgres:///shop?host=/run/postgresql", "not an absolute URL"),
            ("postgres://db/shop?host=/run/postgresql", "a socket in a folder"),
            ("me:secret@db", "not an absolute URL"),
            ("postgres://me:%ff%fesecret@db", "not an absolute URL"),
            ("two words", "not an absolute URL"),
            ("", "not an absolute URL"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("secret") && !error.contains("sec ret"), "{error}");
        }
    }

    #[test]
    fn a_document_has_urls_of_http_without_credentials() {
        for (url, part) in [
            ("http://me:secret@shop/", "credentials"),
            ("redis://shop/", "write an `http://` or an `https://` URL"),
            ("ftp://shop/", "write an `http://` or an `https://` URL"),
        ] {
            let error = Address::of_document(url).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{url}: {error}");
        }
        assert!(Address::of_document("https://shop/").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_tell(text in "[/?#@:a.%-]{0,9}\\PC{0,40}", scheme in "[a-z]{0,10}") {
            for url in [text.clone(), format!("{scheme}://{text}"), format!("redis://a:hush{text}hush@h/x")] {
                match Address::parse(&url) {
                    Ok(it) => {
                        prop_assert!(!url.contains("hush") || it.host != "h" || !it.to_string().contains("hush"));
                        prop_assert!(it.target.parse::<hyper::http::uri::PathAndQuery>().is_ok(), "{}", it.target);
                        prop_assert!(it.target.parse::<Uri>().is_ok() && it.authority.parse::<hyper::header::HeaderValue>().is_ok());
                    }
                    Err(it) => prop_assert!(!url.starts_with("redis://a:hush") || !it.to_string().contains("hush")),
                }
            }
        }

        #[test]
        fn what_is_shown_says_the_same_again(host in "[a-z]{1,9}", port in 1_u16.., path in "[a-z/]{0,9}", user in "[a-z]{0,4}") {
            let at = if user.is_empty() { "" } else { "@" };
            let url = format!("http://{user}{at}{host}:{port}/{path}");
            let address = Address::parse(&url).unwrap();
            prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        }
    }
}
