//! netem: packets that leave by an interface are treated by the kernel's emulator, as `tc` tells it.
//!
//! ```text
//! interface ─ 454b: prio ─┬ 1: first in, first out   all that no filter names
//!                         ├ 2: 3: nothing
//!                         └ 4: netem                 what a filter names
//! ```
//!
//! The usual map of priorities would lead packets of others to the later bands; here all of it leads to the first, so
//! that what is not named is not changed. An interface that has a queueing discipline of somebody's is not touched.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel_model::document::{Direction, Network, Protocol, Traffic};
use serde::{Deserialize, Serialize};

use crate::host;
use crate::need::{NET_ADMIN, PlanError, program};
use crate::plan::Argv;
use crate::run::RunError;

/// By this a discipline is known to be ours. Nobody's choice: it is the handle that we ask for.
const HANDLE: &str = "454b:";
const NETEM: &str = "454c:";
/// Packets that may wait in it; the usual 1000 would lose some.
const LIMIT: &str = "10000";

/// An emulator on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netem {
    /// `tc`, by its absolute path.
    pub tc: PathBuf,
    /// By which packets leave.
    pub interface: String,
    /// What is done to those that are named, in words of netem.
    pub effect: Vec<String>,
    /// Which are named, in words of the filter u32, and those that are spared before.
    pub filters: Vec<Filter>,
}

/// Some of the packets that leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// `ip` or `ipv6`.
    pub protocol: String,
    /// In words of u32.
    pub matches: Vec<String>,
    /// Whether they are let through as they are.
    pub is_spared: bool,
}

impl Netem {
    /// An emulator for traffic, where the host has one to offer.
    pub(crate) fn of(traffic: &Traffic, effect: &[&str]) -> Result<Self, PlanError> {
        NET_ADMIN.must_be_there()?;
        let tc = program("tc", "iproute2")?;
        let known = host::disciplines(&tc);
        for discipline in ["prio", "netem"] {
            if !known.contains(discipline) {
                return Err(PlanError::Missing {
                    what: format!("the queueing discipline `{discipline}`"),
                    help: format!(
                        "load its module (`modprobe sch_{discipline}`), or run on a kernel with CONFIG_NET_SCH_{}",
                        discipline.to_uppercase()
                    ),
                });
            }
        }
        let unfit = |what: &str| PlanError::Unfit(what.to_owned());
        let host = traffic.host.ok_or_else(|| {
            unfit("netem acts where packets leave: the traffic needs a `host`, to know by which interface")
        })?;
        let interface = interface_to(&program("ip", "iproute2")?, &host)?;
        if interface != "lo" && traffic.direction == Direction::From {
            let message = "netem acts where packets leave, and what comes from another host arrives: take `direction: to`";
            return Err(unfit(message));
        }
        let effect = effect.iter().map(|it| (*it).to_owned()).collect();
        let filters = filters(traffic, &host, interface == "lo");
        let netem = Self { tc, interface, effect, filters };
        match netem.root()? {
            Root::Usual => Ok(netem),
            _ => Err(unfit(&format!(
                "{} has a queueing discipline of somebody's, which would have to be replaced",
                netem.interface
            ))),
        }
    }

    /// What brings it about, in this order.
    pub(crate) fn steps(&self) -> Vec<Argv> {
        let interface = self.interface.as_str();
        let add = |what: &str| self.argv(&format!("{what} add dev {interface}"));
        let mut prio = add("qdisc");
        prio.arguments.extend(words(&format!("root handle {HANDLE} prio bands 4 priomap")));
        prio.arguments.extend(vec!["0".to_owned(); 16]);
        let mut netem = add("qdisc");
        let parent = format!("parent {HANDLE}4 handle {NETEM} netem limit {LIMIT}");
        netem.arguments.extend(words(&parent));
        netem.arguments.extend(self.effect.clone());
        let filters = self.filters.iter().map(|it| {
            let (priority, band) = if it.is_spared { (1, 1) } else { (2, 4) };
            // The kernel has one protocol for each priority.
            let priority = priority + if it.protocol == "ipv6" { 2 } else { 0 };
            let protocol = &it.protocol;
            let mut argv = add("filter");
            argv.arguments
                .extend(words(&format!("parent {HANDLE} protocol {protocol} prio {priority} u32")));
            argv.arguments.extend(it.matches.clone());
            argv.arguments.extend(words(&format!("flowid {HANDLE}{band}")));
            argv
        });
        let filters: Vec<Argv> = filters.collect();
        [prio, netem].into_iter().chain(filters).collect()
    }

    /// What takes it away.
    pub(crate) fn removal(&self) -> Argv {
        self.argv(&format!("qdisc del dev {} root", self.interface))
    }

    fn argv(&self, line: &str) -> Argv {
        let arguments = words(line).collect();
        Argv { program: self.tc.clone(), arguments, directory: "/".into() }
    }

    pub(crate) async fn add(&self, mark: &str) -> Result<(), RunError> {
        for step in self.steps() {
            step.run(Some(mark)).await?;
        }
        Ok(())
    }

    pub(crate) async fn remove(&self) -> Result<(), RunError> {
        self.removal().run(None).await.map(drop)
    }

    /// Whether it stands on the interface.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        Ok(self.root()? == Root::Ours)
    }

    /// How many packets went through the emulator.
    pub(crate) fn packets(&self) -> io::Result<u64> {
        Ok(packets(&self.shown(&["-s"])?))
    }

    fn root(&self) -> io::Result<Root> {
        Ok(root(&self.shown(&[])?))
    }

    fn shown(&self, options: &[&str]) -> io::Result<String> {
        let mut command = Command::new(&self.tc);
        command.args(options).args(["qdisc", "show", "dev", &self.interface]);
        let output = command.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // An interface that is gone has none. Else nobody knows what is there, and that is not nothing.
        match output.status.success() || said.contains("Cannot find device") {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(io::Error::other(format!("{}: {}", self.tc.display(), said.trim()))),
        }
    }
}

impl fmt::Display for Netem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.steps().iter().map(ToString::to_string).collect();
        f.write_str(&steps.join("; "))
    }
}

/// What stands at the root of an interface.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Root {
    /// What the kernel puts there itself; it has no handle.
    Usual,
    Ours,
    Foreign,
}

fn root(listing: &str) -> Root {
    let roots = listing.lines().filter(|it| it.split(' ').any(|it| it == "root"));
    let mut handles = roots.filter_map(|it| it.split(' ').nth(2));
    match handles.next() {
        None | Some("0:") => Root::Usual,
        Some(HANDLE) => Root::Ours,
        Some(_) => Root::Foreign,
    }
}

/// `Sent 84 bytes 1 pkt (dropped 0, …`, below the line of the emulator.
fn packets(listing: &str) -> u64 {
    let mut lines =
        listing.lines().skip_while(|it| !it.starts_with(&format!("qdisc netem {NETEM}")));
    let sent = lines.nth(1).unwrap_or_default();
    sent.split_whitespace().nth(3).and_then(|it| it.parse().ok()).unwrap_or_default()
}

fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split(' ').map(str::to_owned)
}

/// The interface by which packets for a host leave.
fn interface_to(ip: &Path, host: &Network) -> Result<String, PlanError> {
    let address = host.address().to_string();
    let output = Command::new(ip).args(["-o", "route", "get", &address]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words = said.split_whitespace().skip_while(|it| *it != "dev").skip(1);
    let none = || PlanError::Unfit(format!("no way leads from here to {address}"));
    words.next().map(str::to_owned).ok_or_else(none)
}

/// `is_local`: what comes from the endpoint leaves here, too.
fn filters(traffic: &Traffic, host: &Network, is_local: bool) -> Vec<Filter> {
    let (protocol, family) = if host.address().is_ipv4() { ("ip", "ip") } else { ("ipv6", "ip6") };
    let mut all = Vec::new();
    let mut filter = |words: &[String], is_spared| {
        let words = words.iter().flat_map(|it| it.split(' ')).map(str::to_owned).collect();
        all.push(Filter { protocol: protocol.to_owned(), matches: words, is_spared });
    };
    let numbers: &[Option<u8>] = match (traffic.protocol, traffic.port) {
        (Protocol::Tcp, _) => &[Some(TCP)],
        (Protocol::Udp, _) => &[Some(UDP)],
        (Protocol::Any, Some(_)) => &[Some(TCP), Some(UDP)],
        (Protocol::Any, None) => &[None],
    };
    for end in ["dport", "sport"] {
        let way_in = format!("match {family} {end} 22 0xffff");
        filter(&[format!("match {family} protocol {TCP} 0xff"), way_in], true);
    }
    let to = [("dst", "dport", traffic.direction != Direction::From)];
    let from = [("src", "sport", is_local && traffic.direction != Direction::To)];
    for (end, port, _) in to.iter().chain(&from).filter(|it| it.2) {
        for number in numbers {
            let bits = host.bits();
            let mut words = vec![format!("match {family} {end} {}/{bits}", host.address())];
            words.extend(number.map(|it| format!("match {family} protocol {it} 0xff")));
            words.extend(traffic.port.map(|it| format!("match {family} {port} {it} 0xffff")));
            filter(&words, false);
        }
    }
    all
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn netem(host: &str, port: Option<u16>, interface: &str) -> Netem {
        let host: Network = host.parse().unwrap();
        let (protocol, direction) = (Protocol::Any, Direction::Both);
        let traffic = Traffic { host: Some(host), port, protocol, direction };
        Netem {
            tc: "/sbin/tc".into(),
            interface: interface.to_owned(),
            effect: vec!["duplicate".to_owned(), "20%".to_owned()],
            filters: filters(&traffic, &host, interface == "lo"),
        }
    }

    fn plan(netem: &Netem) -> String {
        let steps = netem.steps().into_iter().chain([netem.removal()]);
        steps.map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_no_filter_names_goes_to_the_first_band() {
        insta::assert_snapshot!(plan(&netem("10.0.0.7", Some(5432), "eth0")), @r"
        /sbin/tc qdisc add dev eth0 root handle 454b: prio bands 4 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
        /sbin/tc qdisc add dev eth0 parent 454b:4 handle 454c: netem limit 10000 duplicate 20%
        /sbin/tc filter add dev eth0 parent 454b: protocol ip prio 1 u32 match ip protocol 6 0xff match ip dport 22 0xffff flowid 454b:1
        /sbin/tc filter add dev eth0 parent 454b: protocol ip prio 1 u32 match ip protocol 6 0xff match ip sport 22 0xffff flowid 454b:1
        /sbin/tc filter add dev eth0 parent 454b: protocol ip prio 2 u32 match ip dst 10.0.0.7/32 match ip protocol 6 0xff match ip dport 5432 0xffff flowid 454b:4
        /sbin/tc filter add dev eth0 parent 454b: protocol ip prio 2 u32 match ip dst 10.0.0.7/32 match ip protocol 17 0xff match ip dport 5432 0xffff flowid 454b:4
        /sbin/tc qdisc del dev eth0 root
        ");
    }

    #[test]
    fn over_the_loopback_both_directions_leave() {
        let plan = plan(&netem("::1", None, "lo"));
        let named: Vec<&str> = plan.lines().filter(|it| it.ends_with("454b:4")).collect();
        assert_eq!(
            named,
            [
                "/sbin/tc filter add dev lo parent 454b: protocol ipv6 prio 4 u32 match ip6 dst ::1/128 flowid 454b:4",
                "/sbin/tc filter add dev lo parent 454b: protocol ipv6 prio 4 u32 match ip6 src ::1/128 flowid 454b:4",
            ]
        );
    }

    #[test]
    fn a_discipline_of_somebody_is_told_from_ours_and_the_kernels() {
        for (listing, expected) in [
            ("qdisc noqueue 0: dev lo root refcnt 2 \n", Root::Usual),
            (
                "qdisc mq 0: dev eth0 root \nqdisc fq_codel 0: dev eth0 parent :1 limit\n",
                Root::Usual,
            ),
            ("", Root::Usual),
            (
                "qdisc prio 454b: dev lo root refcnt 2 bands 4 priomap 0 0\nqdisc netem 454c:",
                Root::Ours,
            ),
            ("qdisc htb 1: dev eth0 root refcnt 2 r2q 10\n", Root::Foreign),
        ] {
            assert_eq!(root(listing), expected, "{listing}");
        }
    }

    #[test]
    fn packets_of_the_emulator_are_counted_and_no_others() {
        let listing = "qdisc prio 454b: dev lo root refcnt 2 bands 4 priomap 0 0
 Sent 900 bytes 9 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem 454c: dev lo parent 454b:4 limit 10000 duplicate 20%
 Sent 500 bytes 5 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
";
        assert_eq!((packets(listing), packets("")), (5, 0));
    }
}
