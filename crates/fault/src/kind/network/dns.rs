//! `dns`: questions for names get a wrong answer, or none.
//!
//! Simulates a name server that fails (`servfail`, `refused`, `timeout`), a record that somebody deleted (`nxdomain`), or
//! one that leads elsewhere (an address: to nowhere, or to a stand-in).
//!
//! ```yaml
//! - dns: {names: [payment.example, "*.internal"], answer: servfail, at: 10s, duration: 60s}
//! ```
//!
//! It is seen by everybody on this host who asks over UDP at port 53, by whichever name server. Questions for other names
//! are handed on to the first name server of `/etc/resolv.conf`. Where that one runs on this host, as systemd-resolved or
//! dnsmasq does, only questions to this host are seen: those that it asks elsewhere in its turn are its own. Not seen: DNS over TCP, TLS or HTTPS, names in
//! `/etc/hosts`, and what a program or a service of this host remembers from before. The kernel keeps a socket that asks
//! the same server again on the way it took at first, until it was silent for half a minute; resolvers ask from a new
//! socket each time.
//!
//! Needs: `nft` and CAP_NET_ADMIN. Release class A: the rule that leads questions to us belongs to a process of ours, and
//! the kernel removes it with that process. Evidence: questions that got the answer.

use std::net::{IpAddr, Ipv4Addr};

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use super::rules;
use crate::holder::{Counters, Dns, Work};
use crate::kind::{Aim, Kind, count};
use crate::need::{NET_ADMIN, PlanError, program};
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "dns",
    release: Release::Lifetime,
    needs: "nft, CAP_NET_ADMIN",
    about: "- dns: {names: [payment.example, \"*.internal\"], answer: servfail, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Dns { names, answer } = aim.fault else { return Ok(Vec::new()) };
    NET_ADMIN.must_be_there()?;
    let resolv = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    // As resolv.conf(5) says of a host without any.
    let server = name_server(&resolv).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Ok(vec![aim.hold(Work::Dns(Dns {
        program: program("nft", "nftables")?,
        table: rules::table(aim),
        names: names.clone(),
        answer: *answer,
        upstream: (server, 53).into(),
    }))])
}

fn name_server(resolv: &str) -> Option<IpAddr> {
    let mut words = resolv.lines().map(str::split_ascii_whitespace);
    words.find_map(|mut it| (it.next()? == "nameserver").then(|| it.next()?.parse().ok())?)
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [questions, answered] = ["questions", "questions_answered"].map(counter);
    let summary = match questions as u64 {
        0 => "nobody asked".to_owned(),
        all => format!("{} of {} answered so", answered as u64, count(all, "question")),
    };
    Evidence { acted: answered > 0.0, summary, counters: counted.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_server_is_asked() {
        let text = "# nameserver 9.9.9.9\nsearch a b\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\nnameserver 8.8.8.8\n";
        assert_eq!(name_server(text), Some("192.0.2.53".parse().unwrap()));
        assert_eq!(name_server("options edns0\n"), None);
    }
}
