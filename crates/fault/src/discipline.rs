//! Discipline: packets that leave by an interface are treated by a queueing discipline of the kernel, as `tc` tells it.
//!
//! ```text
//! interface ─ 454b: prio ─┬ 1: first in, first out   all that no filter names
//!                         ├ 2: 3: nothing
//!                         └ 4: netem                 what a filter names
//!
//! interface ─ 454b: htb ──┬ at once                  all that no filter names
//!                         ├ 4: so much a second      what a filter names, to the endpoint
//!                         └ 5: so much a second      and from it, where that leaves here, too
//! ```
//!
//! The usual map of prio would lead packets of others to the later bands; here all of it leads to the first, so that
//! what is not named is not changed. htb lets go at once what belongs to no class. An interface that has a queueing
//! discipline of somebody's is not touched.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel_model::document::{Direction, Network, Protocol, Traffic};
use evenkeel_units::{Bytes, Ratio};
use serde::{Deserialize, Serialize};

use crate::host;
use crate::need::{NET_ADMIN, PlanError, program};
use crate::plan::Argv;
use crate::run::RunError;

/// By this a discipline is known to be ours. Nobody's choice: it is the handle that we ask for.
const HANDLE: &str = "454b:";
/// Those below it, in which packets wait, each with the class it belongs to.
const LEAVES: [(&str, u8); 2] = [("454c:", TO), ("454d:", FROM)];
/// Classes of packets to the endpoint, and from it.
const TO: u8 = 4;
const FROM: u8 = 5;
/// Packets that may wait in an emulator; the usual 1000 would lose some.
const LIMIT: &str = "10000";
/// A packet as large as the kernel makes them has to fit a queue.
const LARGEST: u64 = 64 << 10;

/// A queueing discipline on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discipline {
    /// `tc`, by its absolute path.
    pub tc: PathBuf,
    /// By which packets leave.
    pub interface: String,
    /// What is done to those that are named.
    pub treatment: Treatment,
    /// Which are named, in words of the filter u32, and those that are spared before.
    pub filters: Vec<Filter>,
}

/// What a discipline does.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// netem sends a share of them twice.
    Duplicate(Ratio),
    /// htb lets no more than this go each second and direction.
    Rate(Bytes),
}

impl Treatment {
    /// Of which disciplines it is made.
    const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Duplicate(_) => &["prio", "netem"],
            Self::Rate(_) => &["htb"],
        }
    }
}

/// Some of the packets that leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// `ip` or `ipv6`.
    pub protocol: String,
    /// In words of u32.
    pub matches: Vec<String>,
    /// What becomes of them.
    pub way: Way,
}

/// Where a filter leads.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// On as they are.
    Spared,
    /// To the endpoint.
    To,
    /// From the endpoint.
    From,
}

impl Discipline {
    /// One for traffic, where the host has what it is made of.
    pub(crate) fn of(traffic: &Traffic, treatment: Treatment) -> Result<Self, PlanError> {
        NET_ADMIN.must_be_there()?;
        let tc = program("tc", "iproute2")?;
        let known = host::disciplines(&tc);
        for discipline in treatment.needs() {
            if !known.contains(*discipline) {
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
            unfit("it acts where packets leave: the traffic needs a `host`, to know by which interface")
        })?;
        let interface = interface_to(&program("ip", "iproute2")?, &host)?;
        if interface != "lo" && traffic.direction == Direction::From {
            let message = "it acts where packets leave, and what comes from another host arrives: take `direction: to`";
            return Err(unfit(message));
        }
        let filters = filters(traffic, &host, interface == "lo");
        let discipline = Self { tc, interface, treatment, filters };
        match discipline.root()? {
            Root::Usual => Ok(discipline),
            _ => Err(unfit(&format!(
                "{} has a queueing discipline of somebody's, which would have to be replaced",
                discipline.interface
            ))),
        }
    }

    /// What brings it about, in this order.
    pub(crate) fn steps(&self) -> Vec<Argv> {
        let stands = match self.treatment {
            Treatment::Duplicate(share) => self.emulator(share),
            Treatment::Rate(rate) => self.classes(rate),
        };
        stands.into_iter().chain(self.filters.iter().map(|it| self.filter(it))).collect()
    }

    fn emulator(&self, share: Ratio) -> Vec<Argv> {
        let (root, (leaf, class)) = (HANDLE, LEAVES[0]);
        // All of the map leads to the first band.
        let map = vec!["0"; 16].join(" ");
        vec![
            self.adding("qdisc", &format!("root handle {root} prio bands 4 priomap {map}")),
            self.adding(
                "qdisc",
                &format!(
                    "parent {root}{class} handle {leaf} netem limit {LIMIT} duplicate {share}"
                ),
            ),
        ]
    }

    /// What would wait for more than half a second is lost.
    fn classes(&self, rate: Bytes) -> Vec<Argv> {
        let (bits, queue) = (rate.0.saturating_mul(8), (rate.0 / 2).max(LARGEST));
        let root = self.adding("qdisc", &format!("root handle {HANDLE} htb default 0"));
        let below = LEAVES.iter().flat_map(|(leaf, class)| {
            let class = format!("{HANDLE}{class}");
            let of_rate = format!("parent {HANDLE} classid {class} htb rate {bits}bit");
            let waiting = format!("parent {class} handle {leaf} bfifo limit {queue}");
            [self.adding("class", &of_rate), self.adding("qdisc", &waiting)]
        });
        std::iter::once(root).chain(below).collect()
    }

    fn filter(&self, filter: &Filter) -> Argv {
        let (priority, class) = match (filter.way, self.treatment) {
            (Way::Spared, Treatment::Duplicate(_)) => (1, 1),
            // To the discipline itself: at once.
            (Way::Spared, Treatment::Rate(_)) => (1, 0),
            (Way::From, Treatment::Rate(_)) => (2, FROM),
            (Way::To, _) | (Way::From, Treatment::Duplicate(_)) => (2, TO),
        };
        // The kernel has one protocol for each priority.
        let priority = priority + if filter.protocol == "ipv6" { 2 } else { 0 };
        let (protocol, matches) = (&filter.protocol, filter.matches.join(" "));
        self.adding(
            "filter",
            &format!(
                "parent {HANDLE} protocol {protocol} prio {priority} u32 {matches} flowid {HANDLE}{class}"
            ),
        )
    }

    fn adding(&self, what: &str, how: &str) -> Argv {
        self.argv(&format!("{what} add dev {} {how}", self.interface))
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

    /// What became of the packets that were named.
    pub(crate) fn passed(&self) -> io::Result<Passed> {
        Ok(passed(&self.shown(&["-s"])?))
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

impl fmt::Display for Discipline {
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

/// What became of packets in a discipline.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// How many went on.
    pub(crate) packets: u64,
    /// How large they were together, with what stands before IP.
    pub(crate) bytes: u64,
    /// How many found the queue full.
    pub(crate) lost: u64,
    /// How often one had to wait for its rate.
    pub(crate) waits: u64,
}

/// ```text
/// qdisc bfifo 454c: dev lo parent 454b:4 limit 200000b
///  Sent 84 bytes 1 pkt (dropped 0, overlimits 0 requeues 0)
/// ```
fn passed(listing: &str) -> Passed {
    let mut all = Passed::default();
    let mut lines = listing.lines();
    while let Some(line) = lines.next() {
        let Some(handle) = line.strip_prefix("qdisc ").and_then(|it| it.split(' ').nth(1)) else {
            continue;
        };
        let is_leaf = LEAVES.iter().any(|(leaf, _)| *leaf == handle);
        if !is_leaf && handle != HANDLE {
            continue;
        }
        let counts = lines.next().unwrap_or_default();
        let mut numbers =
            counts.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse::<u64>().ok());
        let mut next = || numbers.next().unwrap_or_default();
        let (bytes, packets, lost, waits) = (next(), next(), next(), next());
        match is_leaf {
            true => {
                all.bytes += bytes;
                all.packets += packets;
                all.lost += lost;
            }
            false => all.waits += waits,
        }
    }
    all
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
    let mut filter = |words: &[String], way| {
        let words = words.iter().flat_map(|it| it.split(' ')).map(str::to_owned).collect();
        all.push(Filter { protocol: protocol.to_owned(), matches: words, way });
    };
    let numbers: &[Option<u8>] = match (traffic.protocol, traffic.port) {
        (Protocol::Tcp, _) => &[Some(TCP)],
        (Protocol::Udp, _) => &[Some(UDP)],
        (Protocol::Any, Some(_)) => &[Some(TCP), Some(UDP)],
        (Protocol::Any, None) => &[None],
    };
    for end in ["dport", "sport"] {
        let way_in = format!("match {family} {end} 22 0xffff");
        filter(&[format!("match {family} protocol {TCP} 0xff"), way_in], Way::Spared);
    }
    let to = ("dst", "dport", Way::To, traffic.direction != Direction::From);
    let from = ("src", "sport", Way::From, is_local && traffic.direction != Direction::To);
    for (end, port, way, _) in [to, from].into_iter().filter(|it| it.3) {
        for number in numbers {
            let bits = host.bits();
            let mut words = vec![format!("match {family} {end} {}/{bits}", host.address())];
            words.extend(number.map(|it| format!("match {family} protocol {it} 0xff")));
            words.extend(traffic.port.map(|it| format!("match {family} {port} {it} 0xffff")));
            filter(&words, way);
        }
    }
    all
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn discipline(
        treatment: Treatment,
        host: &str,
        port: Option<u16>,
        interface: &str,
    ) -> Discipline {
        let host: Network = host.parse().unwrap();
        let (protocol, direction) = (Protocol::Any, Direction::Both);
        let traffic = Traffic { host: Some(host), port, protocol, direction };
        Discipline {
            tc: "/sbin/tc".into(),
            interface: interface.to_owned(),
            treatment,
            filters: filters(&traffic, &host, interface == "lo"),
        }
    }

    const TWICE: Treatment = Treatment::Duplicate(Ratio::percent(20));

    fn plan(it: &Discipline) -> String {
        let steps = it.steps().into_iter().chain([it.removal()]);
        steps.map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_no_filter_names_goes_to_the_first_band() {
        insta::assert_snapshot!(plan(&discipline(TWICE, "10.0.0.7", Some(5432), "eth0")), @r"
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
        let plan = plan(&discipline(TWICE, "::1", None, "lo"));
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
    fn only_what_a_filter_names_waits_for_a_rate_and_each_direction_has_its_own() {
        let rate = Treatment::Rate(Bytes(1_000_000));
        insta::assert_snapshot!(plan(&discipline(rate, "127.0.0.1", Some(5432), "lo")), @r"
        /sbin/tc qdisc add dev lo root handle 454b: htb default 0
        /sbin/tc class add dev lo parent 454b: classid 454b:4 htb rate 8000000bit
        /sbin/tc qdisc add dev lo parent 454b:4 handle 454c: bfifo limit 500000
        /sbin/tc class add dev lo parent 454b: classid 454b:5 htb rate 8000000bit
        /sbin/tc qdisc add dev lo parent 454b:5 handle 454d: bfifo limit 500000
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 1 u32 match ip protocol 6 0xff match ip dport 22 0xffff flowid 454b:0
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 1 u32 match ip protocol 6 0xff match ip sport 22 0xffff flowid 454b:0
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 2 u32 match ip dst 127.0.0.1/32 match ip protocol 6 0xff match ip dport 5432 0xffff flowid 454b:4
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 2 u32 match ip dst 127.0.0.1/32 match ip protocol 17 0xff match ip dport 5432 0xffff flowid 454b:4
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 2 u32 match ip src 127.0.0.1/32 match ip protocol 6 0xff match ip sport 5432 0xffff flowid 454b:5
        /sbin/tc filter add dev lo parent 454b: protocol ip prio 2 u32 match ip src 127.0.0.1/32 match ip protocol 17 0xff match ip sport 5432 0xffff flowid 454b:5
        /sbin/tc qdisc del dev lo root
        ");
    }

    #[test]
    fn packets_that_were_named_are_counted_and_no_others() {
        let listing = "qdisc prio 454b: dev lo root refcnt 2 bands 4 priomap 0 0
 Sent 900 bytes 9 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem 454c: dev lo parent 454b:4 limit 10000 duplicate 20%
 Sent 500 bytes 5 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
";
        let all = Passed { packets: 5, bytes: 500, ..Passed::default() };
        assert_eq!((passed(listing), passed("")), (all, Passed::default()));
    }

    #[test]
    fn packets_that_waited_or_found_no_place_are_counted_of_both_directions() {
        let listing =
            "qdisc htb 454b: root refcnt 2 r2q 10 default 0 direct_packets_stat 0 direct_qlen 1000
 Sent 900 bytes 9 pkt (dropped 3, overlimits 7 requeues 0)
 backlog 0b 0p requeues 0
qdisc bfifo 454d: parent 454b:5 limit 64Kb
 Sent 100 bytes 1 pkt (dropped 1, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc bfifo 454c: parent 454b:4 limit 64Kb
 Sent 500 bytes 5 pkt (dropped 2, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
";
        let all = Passed { packets: 6, bytes: 600, lost: 3, waits: 7 };
        assert_eq!(passed(listing), all);
    }
}
