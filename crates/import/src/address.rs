//! URLs, cut into the server and what is asked of it.

use std::fmt::Write as _;

/// A URL that we can call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `scheme://host:port`, with the port visible.
    pub(crate) base: String,
    /// Path and query, beginning with `/`; not encoded yet.
    pub(crate) path: String,
    /// Whether there were a name and a password before the host.
    pub(crate) credentials: bool,
}

/// Cuts a URL. The error is a reason that reads after "because".
pub(crate) fn split(url: &str) -> Result<Address, String> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme such as `http://`")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host_port, credentials) = match authority.rsplit_once('@') {
        Some((_, host)) => (host, true),
        None => (authority, false),
    };
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Address { base: base(scheme, host_port)?, path, credentials })
}

/// `scheme://host:port` of its parts; the port may be absent.
pub(crate) fn base(scheme: &str, host_port: &str) -> Result<String, String> {
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(format!("`{}` is not HTTP", super::notes::cut(&scheme))),
    };
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_port, None),
    };
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let fits = match inner {
        Some(it) => {
            !it.is_empty() && it.bytes().all(|it| it.is_ascii_hexdigit() || b":.".contains(&it))
        }
        None => {
            let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
            !host.is_empty() && host.len() <= 253 && host.bytes().all(fits)
        }
    };
    if !fits {
        return Err(format!("`{}` is not a host", super::notes::cut(host)));
    }
    let port = match port {
        None | Some("") => usual,
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 && text.bytes().all(|it| it.is_ascii_digit()) => port,
            _ => return Err(format!("`{}` is not a port", super::notes::cut(text))),
        },
    };
    Ok(format!("{scheme}://{}:{port}", host.to_ascii_lowercase()))
}

/// The host of `scheme://host:port`.
pub(crate) fn host(base: &str) -> &str {
    let authority = base.split_once("://").map_or(base, |(_, it)| it);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// What a path may hold; everything else is written as %20 and the like.
pub(crate) fn encode_path(text: &str) -> String {
    encode(text, |it| it.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&it))
}

/// A value of a query or a form.
pub(crate) fn encode_value(text: &str) -> String {
    encode(text, |it| it.is_ascii_alphanumeric() || b"-_.~*".contains(&it))
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match keep(byte) {
            true => encoded.push(char::from(byte)),
            false => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_becomes_visible_and_the_fragment_goes() {
        let read = split("HTTPS://Shop.Example/a?b=1#top").unwrap();
        assert_eq!(read.base, "https://shop.example:443");
        assert_eq!(read.path, "/a?b=1");
        assert_eq!(split("http://[::1]:8080").unwrap().base, "http://[::1]:8080");
        assert_eq!(split("http://a?x=1").unwrap().path, "/?x=1");
        assert!(split("http://me:secret@a/").unwrap().credentials);
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_the_reason() {
        for (url, reason) in [
            ("shop/a", "it has no scheme such as `http://`"),
            ("ws://a/", "`ws` is not HTTP"),
            ("http:///a", "`` is not a host"),
            ("http://a:0/", "`0` is not a port"),
            ("http://a b/", "`a b` is not a host"),
        ] {
            assert_eq!(split(url), Err(reason.to_owned()), "{url}");
        }
    }
}
