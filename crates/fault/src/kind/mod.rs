//! The faults, one file each: what it simulates, an example, what it needs, what ends it, and what shows
//! that it acted.
//!
//! ```text
//! network    links to dependencies, and packets that pass this host
//! process    processes of a service
//! container  containers, by their engine
//! cluster    pods, deployments and nodes of Kubernetes
//! resource   what a host has only so much of
//! database   sessions, connections, tables and clients of a database server
//! command    whatever a program of the user's does and takes back
//! ```
//!
//! A new fault is a new file, and a line in [`KINDS`] and in [`of`]. It is made of the few things that are done to a
//! host ([`Op`]), so nothing else has to know it.

mod cluster;
mod command;
mod container;
mod database;
mod network;
mod process;
mod resource;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use evenkeel_model::document::{ActsOn, Fault, Finder, PauseBy, RateBy, Selector, Target, Traffic};
use evenkeel_model::event::Evidence;
use evenkeel_units::Seed;

use self::cluster::{cordon, pod_delete, pod_evict, scale};
use self::container::stop;
use self::database::{
    kill_clients, lock_table, pause_clients, take_connections, terminate_backends,
};
use self::network::{
    bandwidth, black_hole, corrupt, dns, duplicate, http_abort, http_change, http_delay,
    http_errors, latency, loss, partition, refuse, reorder, reset, shaped, tls,
};
use self::process::{
    clock_skew, file_descriptors, io_throttle, kill, pause, restart, stop_unit, trace,
};
use self::resource::{cpu, disk_fill, inodes, io_errors, io_latency, memory, pids};
use crate::act::Did;
use crate::engine::Seen;
use crate::holder::{Counters, Within, Work};
use crate::kubernetes::Pod;
use crate::need::PlanError;
use crate::plan::{Op, Plan, Release, Step, Undo};
use crate::process::{Process, State};
use crate::proxy::{Counts, Toxic};
use crate::target::Resolved;

pub(crate) use self::cluster::Held;
pub(crate) use self::process::{Down, Limited, Paused, Restarted, Skewed, Throttled};

/// What is known about a kind of fault before any is planned.
#[derive(Copy, Clone, Debug)]
pub struct Kind {
    /// Name in documents.
    pub name: &'static str,
    /// What ends it when we are gone.
    pub release: Release,
    /// What it needs beside the right to run.
    pub needs: &'static str,
    /// The manual page.
    pub about: &'static str,
    plan: fn(&Aim<'_>) -> Result<Vec<Step>, PlanError>,
    evidence: fn(&Past<'_>) -> Evidence,
}

/// Every kind, in the order of the manual; of those with several means, the usual one.
pub static KINDS: [&Kind; Fault::KINDS.len()] = [
    &latency::KIND,
    &bandwidth::KIND,
    &black_hole::KIND,
    &refuse::KIND,
    &reset::KIND,
    &http_errors::KIND,
    &http_abort::KIND,
    &http_delay::KIND,
    &http_change::KIND,
    &tls::KIND,
    &loss::KIND,
    &corrupt::KIND,
    &reorder::KIND,
    &duplicate::KIND,
    &partition::KIND,
    &dns::KIND,
    &kill::KIND,
    &pause::KIND,
    &restart::KIND,
    &stop::KIND,
    &stop_unit::KIND,
    &file_descriptors::KIND,
    &io_throttle::KIND,
    &clock_skew::KIND,
    &cpu::KIND,
    &memory::KIND,
    &disk_fill::KIND,
    &inodes::KIND,
    &io_errors::KIND,
    &io_latency::KIND,
    &pids::KIND,
    &command::KIND,
    &pod_delete::KIND,
    &pod_evict::KIND,
    &scale::KIND,
    &cordon::KIND,
    &terminate_backends::KIND,
    &take_connections::KIND,
    &lock_table::KIND,
    &kill_clients::KIND,
    &pause_clients::KIND,
];

/// The kind of a fault. One that can be done by several means is as many kinds, since what ends it differs.
pub fn of(fault: &Fault) -> &'static Kind {
    match fault {
        Fault::Latency { .. } => &latency::KIND,
        Fault::Bandwidth { by: RateBy::Tool, .. } => &bandwidth::KIND,
        Fault::Bandwidth { by: RateBy::Htb, .. } => &shaped::KIND,
        Fault::BlackHole => &black_hole::KIND,
        Fault::Refuse => &refuse::KIND,
        Fault::Reset => &reset::KIND,
        Fault::HttpErrors { .. } => &http_errors::KIND,
        Fault::HttpAbort { .. } => &http_abort::KIND,
        Fault::HttpDelay { .. } => &http_delay::KIND,
        Fault::HttpChange { .. } => &http_change::KIND,
        Fault::Tls { .. } => &tls::KIND,
        Fault::Kill { .. } => &kill::KIND,
        Fault::Pause { by: PauseBy::Signal } => &pause::KIND,
        Fault::Pause { by: PauseBy::Trace } => &trace::KIND,
        Fault::Restart { .. } => &restart::KIND,
        Fault::Stop => &stop::KIND,
        Fault::StopUnit { .. } => &stop_unit::KIND,
        Fault::Cpu { .. } => &cpu::KIND,
        Fault::Memory { .. } => &memory::KIND,
        Fault::Loss { .. } => &loss::KIND,
        Fault::Dns { .. } => &dns::KIND,
        Fault::Corrupt { .. } => &corrupt::KIND,
        Fault::Reorder { .. } => &reorder::KIND,
        Fault::Duplicate { .. } => &duplicate::KIND,
        Fault::Partition { .. } => &partition::KIND,
        Fault::DiskFill { .. } => &disk_fill::KIND,
        Fault::Inodes { .. } => &inodes::KIND,
        Fault::IoErrors { .. } => &io_errors::KIND,
        Fault::IoLatency { .. } => &io_latency::KIND,
        Fault::Pids { .. } => &pids::KIND,
        Fault::FileDescriptors { .. } => &file_descriptors::KIND,
        Fault::IoThrottle(_) => &io_throttle::KIND,
        Fault::ClockSkew { .. } => &clock_skew::KIND,
        Fault::PodDelete { .. } => &pod_delete::KIND,
        Fault::PodEvict => &pod_evict::KIND,
        Fault::Scale { .. } => &scale::KIND,
        Fault::Cordon { .. } => &cordon::KIND,
        Fault::TerminateBackends { .. } => &terminate_backends::KIND,
        Fault::TakeConnections { .. } => &take_connections::KIND,
        Fault::LockTable { .. } => &lock_table::KIND,
        Fault::KillClients { .. } => &kill_clients::KIND,
        Fault::PauseClients { .. } => &pause_clients::KIND,
        Fault::Command { .. } => &command::KIND,
    }
}

/// A fault with its targets, ready to be planned.
pub(crate) struct Aim<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) target: Option<&'a Target>,
    /// It ends by itself after this time, whatever happens.
    pub(crate) limit: Duration,
    /// What its children are started under.
    pub(crate) mark: &'a str,
    pub(crate) seed: Seed,
    pub(crate) hits: &'a [Hit],
}

/// Somebody who is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) finder: Option<Finder>,
    /// Its family, the head first; empty for links and the host.
    pub(crate) family: Vec<Process>,
    /// The container that it is.
    pub(crate) container: Option<Seen>,
    /// The pod that it is.
    pub(crate) pod: Option<Pod>,
}

impl Hit {
    /// Whether it can be hit at all; one of which there is nothing to be found is always there.
    pub(crate) fn is_there(&self, resolved: &Resolved) -> bool {
        match resolved.acts_on {
            ActsOn::Process => !self.family.is_empty(),
            ActsOn::Pod => self.pod.is_some(),
            _ if resolved.is_counted() => self.container.as_ref().is_some_and(|it| it.is_up),
            _ => true,
        }
    }

    /// Whether it does its work.
    pub(crate) fn is_well(&self) -> bool {
        self.family.iter().any(|it| it.state() == State::Running)
            || self.container.as_ref().is_some_and(|it| it.is_well)
            || self.pod.as_ref().is_some_and(|it| it.is_ready)
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(it) = &self.container {
            return it.container.fmt(f);
        }
        match self.family.as_slice() {
            [] => f.write_str(&self.name),
            // A family found on the host is named after its head already.
            [head, ..] if self.name.ends_with(&format!("(pid {})", head.pid)) => {
                f.write_str(&self.name)
            }
            [head] => write!(f, "{} (pid {})", self.name, head.pid),
            [head, rest @ ..] => {
                write!(f, "{} (pid {} and {} more)", self.name, head.pid, rest.len())
            }
        }
    }
}

impl Aim<'_> {
    /// What will be done. Reads what it has to (a process that is to be started again), changes nothing.
    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        let kind = of(self.fault);
        Ok(Plan { release: kind.release, steps: (kind.plan)(self)? })
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.hits.iter().flat_map(|it| &it.family)
    }

    /// The packets that it is aimed at.
    fn traffic(&self) -> Option<&Traffic> {
        match &self.target?.select {
            Selector::Traffic(it) | Selector::Inside { traffic: it, .. } => Some(it),
            _ => None,
        }
    }

    /// Whether it is aimed at the networks of containers.
    fn is_inside(&self) -> bool {
        self.target.is_some_and(|it| matches!(it.select, Selector::Inside { .. }))
    }

    /// What is done to traffic in a child of ours: in the network of this host, or in that of each container.
    fn hold_in_network(&self, work: Work) -> Result<Vec<Step>, PlanError> {
        match self.is_inside() {
            true => {
                let within = |network| Within { network, work: Box::new(work.clone()) };
                let networks = container::networks(self)?.into_iter();
                Ok(networks.map(|it| self.hold(Work::Within(within(it)))).collect())
            }
            false => Ok(vec![self.hold(work)]),
        }
    }

    /// A step that lives in a child of ours: its pipe ends it, or its mark in the journal.
    fn hold(&self, work: Work) -> Step {
        Step {
            apply: Op::Hold { work, limit: self.limit },
            undo: Undo::KillMarked { mark: self.mark.to_owned() },
        }
    }
}

/// One step for each link: nothing is left to undo once our process is gone. Traffic is led through one.
fn on_links(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let toxic = Toxic::of(aim.fault);
    if let (Some(traffic), Some(toxic)) = (aim.traffic(), &toxic) {
        return network::redirect(aim, traffic, toxic);
    }
    let links = aim.hits.iter().zip(toxic.iter().cycle());
    let lay = |(hit, toxic): (&Hit, &Toxic)| Step {
        apply: Op::Lay { link: hit.name.clone(), toxic: toxic.clone(), limit: aim.limit },
        undo: Undo::None,
    };
    Ok(links.map(lay).collect())
}

/// A fault that is being taken back, and what its deeds did.
pub(crate) struct Past<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) hits: &'a [Hit],
    pub(crate) did: &'a [Did],
    /// When it began, on the clock that counts from boot, and in its ticks.
    pub(crate) began: Duration,
    pub(crate) began_ticks: u64,
}

impl Past<'_> {
    /// What shows that it acted.
    pub(crate) fn evidence(&self) -> Evidence {
        (of(self.fault).evidence)(self)
    }

    /// Evidence of a fault that lay on a link, of a dependency or of ours.
    fn link(&self, evidence: impl FnOnce(&Counts) -> Evidence) -> Evidence {
        match self.did {
            [Did::Link { counts, .. }, ..] => evidence(counts),
            _ => self.held(|counted| evidence(&Counts::said(counted))),
        }
    }

    /// Evidence of a fault that lived in children of ours: what all of them counted.
    fn held(&self, evidence: impl FnOnce(&Counters) -> Evidence) -> Evidence {
        let counters: Option<Vec<&Counters>> = self.did.iter().map(Did::held).collect();
        match counters.as_deref() {
            None | Some([]) => self.nothing(),
            Some([one]) => evidence(one),
            Some(several) => {
                let mut sums = Counters::new();
                for (name, value) in several.iter().flat_map(|it| it.iter()) {
                    *sums.entry(name.clone()).or_default() += value;
                }
                evidence(&sums)
            }
        }
    }

    /// Evidence of one that lay on a link or was done to traffic.
    fn on(
        &self,
        link: impl FnOnce(&Counts) -> Evidence,
        traffic: impl FnOnce(&Counters) -> Evidence,
    ) -> Evidence {
        match self.did {
            [Did::Link { .. }, ..] => self.link(link),
            _ => self.held(traffic),
        }
    }

    fn nothing(&self) -> Evidence {
        let lost = self.did.iter().find_map(|it| match it {
            Did::Lost(reason) => Some(reason.clone()),
            _ => None,
        });
        let summary = lost.unwrap_or_else(|| "it left nothing to be counted".to_owned());
        Evidence { summary, ..Evidence::default() }
    }
}

/// Reads counters by their names; what was not counted is nothing.
fn reader(counted: &Counters) -> impl Fn(&str) -> f64 {
    |name| counted.get(name).copied().unwrap_or_default()
}

fn evidence(acted: bool, summary: String, counters: &[(&str, f64)]) -> Evidence {
    let counters: BTreeMap<String, f64> =
        counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Evidence { acted, summary, counters }
}

/// `1 segment`, `2 segments`.
fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_documents_is_listed_in_their_order() {
        assert_eq!(KINDS.map(|it| it.name), Fault::KINDS);
        for kind in &KINDS {
            assert!(kind.about.contains("method:") || kind.about.contains("- "), "{}", kind.name);
        }
    }

    #[test]
    fn a_fault_finds_its_own_kind() {
        for fault in [Fault::BlackHole, Fault::Refuse, Fault::Reset, Fault::Kill { every: None }] {
            assert_eq!(of(&fault).name, fault.kind());
        }
    }
}
