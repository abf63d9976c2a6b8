//! A proxy as it is asked for, and where it may listen.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::body::{Object, Why, Wrong};
use super::trouble::{Trouble, plain};

/// A proxy as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Where it listens: a host and a port.
    pub listen: String,
    /// Where it leads: a host and a port.
    pub upstream: String,
    /// Whether it listens at all.
    pub enabled: bool,
}

impl Spec {
    /// Reads one from an object; what is not given stays as it is in `default`.
    pub(super) fn read(given: &mut Object<'_>, default: Self) -> Self {
        Self {
            name: given.text("name").unwrap_or(default.name),
            listen: given.text("listen").unwrap_or(default.listen),
            upstream: given.text("upstream").unwrap_or(default.upstream),
            enabled: given.boolean("enabled").unwrap_or(default.enabled),
        }
    }

    /// What one is of which nothing is said.
    pub(super) const fn unsaid() -> Self {
        Self { name: String::new(), listen: String::new(), upstream: String::new(), enabled: true }
    }

    /// Reads a list of them, such as a `toxiproxy.json`: one for each item, and everything that is wrong.
    pub fn read_all(value: &Value) -> (Vec<Self>, Vec<Wrong>) {
        let (mut specs, mut wrongs) = (Vec::new(), Vec::new());
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Null => &[],
            _ => {
                let why = Why::Unfit("something else where a list of proxies belongs".to_owned());
                wrongs.push(Wrong { path: String::new(), why });
                &[]
            }
        };
        for (index, item) in items.iter().enumerate() {
            let mut given = Object::at(index.to_string(), item);
            let spec = Self::read(&mut given, Self::unsaid());
            if given.wrongs.is_empty() {
                for (field, text) in [("name", &spec.name), ("upstream", &spec.upstream)] {
                    if text.is_empty() {
                        let which = format!("{field} at proxy {}", index + 1);
                        given.wrong(field, Why::Missing(which));
                    }
                }
            }
            wrongs.append(&mut given.wrongs);
            specs.push(spec);
        }
        (specs, wrongs)
    }

    /// The address at which it would listen. Whoever asks for every address of the host gets that of loopback.
    pub async fn address(&self) -> Result<SocketAddr, Trouble> {
        address(&self.listen).await
    }
}

/// The host and the port to connect to; without a host it is this one.
pub(super) fn leads_to(upstream: &str) -> String {
    match upstream.strip_prefix(':') {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => upstream.to_owned(),
    }
}

/// The address of a host with a port.
pub(super) async fn address(listen: &str) -> Result<SocketAddr, Trouble> {
    if listen.is_empty() {
        return Ok((Ipv4Addr::LOCALHOST, 0).into());
    }
    let no_port = || Trouble::listen(format!("address {listen}: missing port in address"));
    let (host, port) = listen.rsplit_once(':').ok_or_else(no_port)?;
    let bad_port = |_| Trouble::listen(format!("address {listen}: `{port}` is not a port"));
    let port: u16 = if port.is_empty() { 0 } else { port.parse().map_err(bad_port)? };
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    if matches!(host, "" | "0.0.0.0" | "::" | "localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let unknown = |why: String| Trouble::listen(format!("lookup {host}: {why}"));
    let found = tokio::net::lookup_host((host, port)).await;
    let mut found: Vec<_> = found.map_err(|it| unknown(plain(&it)))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| unknown("no such host".to_owned()))
}
