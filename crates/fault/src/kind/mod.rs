//! The faults, one file each: what it simulates, an example, what it needs, what ends it, and what shows
//! that it acted.
//!
//! A new fault is a new file and one line in [`KINDS`].

mod bandwidth;
mod black_hole;
mod cpu;
mod http_errors;
mod kill;
mod latency;
mod memory;
mod pause;
mod refuse;
mod reset;
mod restart;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_model::document::{Fault, Finder};
use evenkeel_model::event::Evidence;

use crate::image::Image;
use crate::plan::{Op, Plan, Release, Step, Undo};
use crate::process::Process;
use crate::proxy::{Counts, Toxic};

pub(crate) use self::kill::{Killed, evidence as kill_evidence};
pub(crate) use self::pause::{Paused, evidence as pause_evidence};
pub(crate) use self::refuse::evidence as refuse_evidence;
pub(crate) use self::restart::{Restarted, evidence as restart_evidence};
pub(crate) use self::{cpu::evidence as cpu_evidence, memory::evidence as memory_evidence};

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
    plan: fn(&Aim<'_>) -> io::Result<Vec<Step>>,
}

/// Every kind, in the order of the manual.
pub const KINDS: [Kind; 11] = [
    latency::KIND,
    bandwidth::KIND,
    black_hole::KIND,
    refuse::KIND,
    reset::KIND,
    http_errors::KIND,
    kill::KIND,
    pause::KIND,
    restart::KIND,
    cpu::KIND,
    memory::KIND,
];

/// The kind of a fault.
pub fn of(fault: &Fault) -> &'static Kind {
    let [
        latency,
        bandwidth,
        black_hole,
        refuse,
        reset,
        http_errors,
        kill,
        pause,
        restart,
        cpu,
        memory,
    ] = &KINDS;
    match fault {
        Fault::Latency { .. } => latency,
        Fault::Bandwidth { .. } => bandwidth,
        Fault::BlackHole => black_hole,
        Fault::Refuse => refuse,
        Fault::Reset => reset,
        Fault::HttpErrors { .. } => http_errors,
        Fault::Kill => kill,
        Fault::Pause => pause,
        Fault::Restart => restart,
        Fault::Cpu { .. } => cpu,
        Fault::Memory { .. } => memory,
    }
}

/// A fault with its targets, ready to be planned.
pub(crate) struct Aim<'a> {
    pub(crate) fault: &'a Fault,
    /// It ends by itself after this time, whatever happens.
    pub(crate) limit: Duration,
    /// What its children are started under.
    pub(crate) mark: &'a str,
    pub(crate) hits: &'a [Hit],
}

/// Somebody who is hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) finder: Option<Finder>,
    /// Its family, the head first; empty for links and the host.
    pub(crate) family: Vec<Process>,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    pub(crate) fn plan(&self) -> io::Result<Plan> {
        let kind = of(self.fault);
        Ok(Plan { release: kind.release, steps: (kind.plan)(self)? })
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.hits.iter().flat_map(|it| &it.family)
    }
}

/// One step for each link: nothing is left to undo once our process is gone.
fn on_links(aim: &Aim<'_>) -> io::Result<Vec<Step>> {
    let toxic = Toxic::of(aim.fault);
    let links = aim.hits.iter().zip(toxic.iter().cycle());
    let lay = |(hit, toxic): (&Hit, &Toxic)| Step {
        apply: Op::Lay { link: hit.name.clone(), toxic: toxic.clone(), limit: aim.limit },
        undo: Undo::None,
    };
    Ok(links.map(lay).collect())
}

/// What shows that a fault of a link acted.
pub(crate) fn link_evidence(toxic: &Toxic, counts: &Counts) -> Evidence {
    match *toxic {
        Toxic::Latency { .. } => latency::evidence(counts),
        Toxic::Bandwidth { .. } => bandwidth::evidence(counts),
        Toxic::BlackHole => black_hole::evidence(counts),
        Toxic::Refuse => refuse::evidence(counts, false),
        Toxic::Reset { .. } => reset::evidence(counts),
        Toxic::HttpErrors { status, .. } => http_errors::evidence(counts, status),
        // No fault of a drill lays these.
        Toxic::Throttle { .. }
        | Toxic::SlowClose { .. }
        | Toxic::Timeout { .. }
        | Toxic::Slicer { .. }
        | Toxic::LimitData { .. } => Evidence::default(),
    }
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

/// What it takes to start a process again; read while it is there.
pub(crate) fn image(process: &Process) -> io::Result<Image> {
    Image::of(process)
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
        for fault in [Fault::BlackHole, Fault::Refuse, Fault::Reset, Fault::Kill, Fault::Restart] {
            assert_eq!(of(&fault).name, fault.kind());
        }
    }
}
