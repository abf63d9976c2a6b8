//! Rules of nft: which packets a fault of traffic acts on, and what happens to them.
//!
//! Each packet is seen once: where it arrives (also by `lo`), where it leaves this host, or where it is forwarded.
//! Port 22 is left alone in any case, so that nobody locks themselves out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_model::document::{Direction, Network, Protocol, Traffic};

use crate::holder::{Counters, Table, Work};
use crate::kind::Aim;
use crate::need::{NET_ADMIN, PlanError, program};
use crate::plan::Step;

/// Comments by which the counters are told apart.
const SEEN: &str = "seen";
/// On the rule that acts.
const ACTED: &str = "acted";

/// A step that holds a table of nft, which the kernel removes with the process that owns it.
///
/// `matches`: which packets, any of them. `actions`: what is done to them; each is counted.
pub(super) fn hold(
    aim: &Aim<'_>,
    matches: &[String],
    actions: &[&str],
) -> Result<Vec<Step>, PlanError> {
    NET_ADMIN.must_be_there()?;
    let program = program("nft", "nftables")?;
    let name = table(aim);
    let body = body(matches, actions);
    aim.hold_in_network(Work::Table(Table { program, name, body }))
}

/// Name of the table of a fault.
pub(super) fn table(aim: &Aim<'_>) -> String {
    format!("evenkeel_{}", plain(aim.mark))
}

fn body(matches: &[String], actions: &[&str]) -> String {
    let jumps: Vec<String> = matches.iter().map(|it| format!("{it} goto hit; ")).collect();
    let jumps = jumps.concat();
    let actions = actions.iter().map(|it| format!("{it} comment \"{ACTED}\"; "));
    let actions: String = actions.collect();
    let chain = |name: &str, hook: &str, first: &str| {
        format!(
            "chain {name} {{ type filter hook {hook} priority mangle; policy accept; {first}\
             tcp dport 22 return; tcp sport 22 return; {jumps}}}; "
        )
    };
    let arriving = chain("arriving", "input", "");
    let leaving = chain("leaving", "output", "oifname \"lo\" return; ");
    let forwarded = chain("forwarded", "forward", "");
    format!("chain hit {{ counter comment \"{SEEN}\"; {actions}}}; {arriving}{leaving}{forwarded}")
}

/// Refuses traffic that nobody may aim at, whatever is done to it.
pub(super) fn may_be_hit(traffic: &Traffic) -> Result<(), PlanError> {
    let unfit = |what: &str| Err(PlanError::Unfit(what.to_owned()));
    match (&traffic.host, traffic.port) {
        (_, Some(22)) => unfit(
            "port 22 is how this host is reached when something goes wrong; no fault may hit it",
        ),
        (Some(host), None) if holds_loopback(host) => {
            unfit("all of the loopback is more than anybody means to break: give a `port`, too")
        }
        (None, None) => unfit("traffic needs a `host` or a `port`"),
        _ => Ok(()),
    }
}

/// Whether any address by which this host speaks to itself is of the network.
fn holds_loopback(network: &Network) -> bool {
    let first = |bits: u8, of: u8| u128::MAX.checked_shl(u32::from(of - bits)).unwrap_or(0);
    match network.address() {
        IpAddr::V4(it) => {
            let differs = u128::from(it.to_bits() ^ Ipv4Addr::LOCALHOST.to_bits());
            it.is_loopback() || differs & first(network.bits(), 32) == 0
        }
        IpAddr::V6(it) => {
            let differs = it.to_bits() ^ Ipv6Addr::LOCALHOST.to_bits();
            differs & first(network.bits(), 128) == 0
        }
    }
}

/// The packets of some traffic.
pub(super) fn of(traffic: &Traffic) -> Result<Vec<String>, PlanError> {
    may_be_hit(traffic)?;
    let Traffic { host, port, protocol, direction } = traffic;
    let ends = match direction {
        Direction::Both => &["d", "s"][..],
        Direction::To => &["d"],
        Direction::From => &["s"],
    };
    Ok(ends
        .iter()
        .map(|end| {
            let host = host.as_ref().map(|it| address(end, it));
            let port = match (protocol, port) {
                (Protocol::Any, None) => None,
                (Protocol::Tcp, None) => Some("meta l4proto tcp".to_owned()),
                (Protocol::Udp, None) => Some("meta l4proto udp".to_owned()),
                (Protocol::Any, Some(port)) => {
                    Some(format!("meta l4proto {{ tcp, udp }} th {end}port {port}"))
                }
                (Protocol::Tcp, Some(port)) => Some(format!("tcp {end}port {port}")),
                (Protocol::Udp, Some(port)) => Some(format!("udp {end}port {port}")),
            };
            host.into_iter().chain(port).collect::<Vec<_>>().join(" ")
        })
        .collect())
}

/// The packets from some nodes to others.
pub(super) fn between(from: &Network, to: &[Network]) -> Vec<String> {
    let same = |it: &&Network| it.address().is_ipv4() == from.address().is_ipv4();
    let names: Vec<String> = to.iter().filter(same).map(Network::to_string).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let to = format!("{} daddr {{ {} }}", family(from), names.join(", "));
    vec![format!("{} {to}", address("s", from))]
}

fn address(end: &str, network: &Network) -> String {
    format!("{} {end}addr {network}", family(network))
}

const fn family(network: &Network) -> &'static str {
    match network.address() {
        IpAddr::V4(_) => "ip",
        IpAddr::V6(_) => "ip6",
    }
}

/// A mark as the name of a table: letters, digits and underscores.
fn plain(mark: &str) -> String {
    mark.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect()
}

/// Packets that were seen, and those that something was done to.
pub(super) fn packets(counted: &Counters) -> [f64; 2] {
    let counter = crate::kind::reader(counted);
    [SEEN, ACTED].map(|it| counter(&format!("{it}_packets")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(host: Option<&str>, port: Option<u16>) -> Traffic {
        let host = host.map(|it| it.parse().unwrap());
        Traffic { host, port, protocol: Protocol::Any, direction: Direction::Both }
    }

    #[test]
    fn a_network_that_holds_the_loopback_needs_a_port() {
        for host in ["127.0.0.1", "127.8.0.0/16", "126.0.0.0/7", "64.0.0.0/2", "::1", "::/64"] {
            assert!(of(&traffic(Some(host), None)).is_err(), "{host}");
            assert!(of(&traffic(Some(host), Some(80))).is_ok(), "{host}");
        }
        for host in ["128.0.0.0/1", "10.0.0.0/8", "fd00::/8", "192.0.2.1"] {
            assert!(of(&traffic(Some(host), None)).is_ok(), "{host}");
        }
    }

    #[test]
    fn an_endpoint_is_matched_in_both_directions() {
        let tcp = Traffic { protocol: Protocol::Tcp, ..traffic(Some("10.0.0.7"), Some(5432)) };
        let both = ["ip daddr 10.0.0.7 tcp dport 5432", "ip saddr 10.0.0.7 tcp sport 5432"];
        assert_eq!(of(&tcp).unwrap(), both);
        let to = Traffic { direction: Direction::To, ..tcp };
        assert_eq!(of(&to).unwrap(), both[..1]);
        let any = "meta l4proto { tcp, udp } th sport 53";
        assert_eq!(of(&traffic(None, Some(53))).unwrap()[1], any);
        assert_eq!(of(&traffic(Some("fd00::/64"), None)).unwrap()[0], "ip6 daddr fd00::/64");
    }

    #[test]
    fn nobody_locks_themselves_out() {
        for it in [traffic(None, Some(22)), traffic(Some("127.0.0.0/8"), None), traffic(None, None)]
        {
            assert!(matches!(of(&it), Err(PlanError::Unfit(_))), "{it}");
        }
    }

    #[test]
    fn each_packet_is_seen_where_it_arrives_leaves_or_is_forwarded() {
        let body = body(&["tcp dport 80".to_owned()], &["counter drop"]);
        assert_eq!(
            body,
            "chain hit { counter comment \"seen\"; counter drop comment \"acted\"; }; \
             chain arriving { type filter hook input priority mangle; policy accept; \
             tcp dport 22 return; tcp sport 22 return; tcp dport 80 goto hit; }; \
             chain leaving { type filter hook output priority mangle; policy accept; oifname \"lo\" return; \
             tcp dport 22 return; tcp sport 22 return; tcp dport 80 goto hit; }; \
             chain forwarded { type filter hook forward priority mangle; policy accept; \
             tcp dport 22 return; tcp sport 22 return; tcp dport 80 goto hit; }; "
        );
    }
}
