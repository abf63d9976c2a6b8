//! Connections that are led through a link of ours, with something laid on it.
//!
//! ```text
//! program of this host ──▶ its dependency          before, and as soon as we are gone
//! program of this host ──▶ link ──▶ its dependency  meanwhile: connects are redirected
//! ```
//!
//! The rules stand in a table that the kernel removes with its owner. Where a connection was to go the kernel remembers;
//! what the link itself connects to bears a mark, and is let through. A connection that was open before is no longer the
//! link's to take: it is reset when it is used next, and whoever had it opens another.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use evenkeel_units::Seed;
use serde::{Deserialize, Serialize};

use super::{Counters, Life, Table};
use crate::proxy::{MARK, Proxy, Toxic, Upstream};

/// Lead connections through a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redirect {
    /// `nft`, by its absolute path.
    pub program: PathBuf,
    /// Name of the table.
    pub table: String,
    /// Which packets open them, any of these.
    pub matches: Vec<String>,
    /// What lies on the link.
    pub toxic: Toxic,
    /// For chance.
    pub seed: Seed,
}

impl Redirect {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let Self { program, table, matches, toxic, seed } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut proxy = Proxy::without_links(seed).map_err(io::Error::other)?;
        let mut ports = Vec::new();
        let mut counts = Vec::new();
        let locals = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for (local, family) in locals.into_iter().zip(["ipv4", "ipv6"]) {
            // A host without one of the protocols opens no connections by it.
            let Ok(address) = proxy.open(family, (local, 0).into(), Upstream::AsAsked) else {
                continue;
            };
            let laid = runtime.block_on(proxy.lay(family, 0, toxic.clone(), None));
            counts.push(laid.map_err(io::Error::other)?);
            ports.push((family, address.port()));
        }
        Table { program, name: table, body: body(&matches, &ports) }.run(life)?;
        let mut sums = Counters::new();
        for (name, count) in counts.iter().flat_map(|it| it.counters()) {
            // Of a host's two protocols one is used, or both count the same kind of thing.
            *sums.entry(name).or_default() += count;
        }
        Ok(sums)
    }
}

fn body(matches: &[String], ports: &[(&str, u16)]) -> String {
    let spared = format!("meta mark {MARK} return; tcp dport 22 return; ");
    let redirects = ports.iter().flat_map(|(family, port)| {
        matches.iter().map(move |it| {
            format!("meta nfproto {family} {it} counter redirect to :{port} comment \"led\"; ")
        })
    });
    let resets = matches.iter().map(|it| {
        format!("{it} tcp flags & rst == 0x0 counter reject with tcp reset comment \"reset\"; ")
    });
    let (redirects, resets): (String, String) = (redirects.collect(), resets.collect());
    format!(
        "chain opening {{ type nat hook output priority -100; policy accept; {spared}{redirects}}}; \
         chain open {{ type filter hook output priority filter; policy accept; {spared}{resets}}}; "
    )
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, table, matches, toxic, .. } = self;
        write!(
            f,
            "lead connections through a link of ours, {toxic}; {} -i: add table inet {table}, {} redirected",
            program.display(),
            matches.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_are_redirected_and_what_was_open_is_reset_but_never_our_own() {
        let body = body(&["ip daddr 10.0.0.7 tcp dport 80".to_owned()], &[("ipv4", 4711)]);
        assert_eq!(
            body,
            "chain opening { type nat hook output priority -100; policy accept; \
             meta mark 17739 return; tcp dport 22 return; meta nfproto ipv4 \
             ip daddr 10.0.0.7 tcp dport 80 counter redirect to :4711 comment \"led\"; }; \
             chain open { type filter hook output priority filter; policy accept; \
             meta mark 17739 return; tcp dport 22 return; ip daddr 10.0.0.7 tcp dport 80 \
             tcp flags & rst == 0x0 counter reject with tcp reset comment \"reset\"; }; "
        );
    }
}
