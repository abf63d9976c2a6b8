//! From a planned fault to the processes and links that it hits, now; and the dry run that shows it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use evenkeel_model::document::{Selector, Service};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Human, Ratio, Seed};

use super::error::FaultError;
use crate::engine::{self, Seen};
use crate::kind::{Aim, Hit};
use crate::kubernetes::{self, Pod};
use crate::need::PlanError;
use crate::plan::Plan;
use crate::process::{Process, families, find};
use crate::safety::Refusal;
use crate::target::{Candidate, Resolved, resolve};

/// What lives by itself ends this much after it should have been ended.
const SLACK: Duration = Duration::from_secs(5);

/// What a fault would do, for a dry run.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Who would be hit.
    pub resolved: Resolved,
    /// The steps.
    pub plan: Plan,
    /// Those who are hit and do not run yet, because the drill starts them.
    pub pending: Vec<String>,
    /// How long after one time the next, when it acts again and again.
    pub every: Option<Duration>,
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.resolved.hit().map(|it| it.name.as_str()).collect();
        let of = self.resolved.candidates.len();
        writeln!(f, "{}: {} ({} of {of})", self.resolved.label, names.join(", "), names.len())?;
        for name in &self.pending {
            writeln!(f, "pending {name}: resolved once the drill has started it")?;
        }
        write!(f, "{}", self.plan)?;
        match self.every {
            Some(it) => writeln!(f, "again   every {}, on targets that are picked anew", Human(it)),
            None => Ok(()),
        }
    }
}

/// What every fault of a plan would do, without doing any of it.
pub fn preview(plan: &evenkeel_model::Plan) -> Result<Vec<Preview>, FaultError> {
    let preview = |fault: &PlannedFault| {
        let located = locate(&plan.service, fault, plan.seed)?;
        if plan.service.start.is_none() {
            located.must_run()?;
        }
        let Located { resolved, mut hits, .. } = located;
        let runs = |it: &Hit| it.is_there(&resolved);
        let pending = hits.iter().filter(|it| !runs(it)).map(|it| it.name.clone()).collect();
        hits.retain(runs);
        let planned = aim(fault, "dry-run", plan.seed, &hits).plan();
        let label = fault.label.clone();
        let planned = planned.map_err(|error| FaultError::Plan { label, error })?;
        Ok(Preview { resolved, plan: planned, pending, every: fault.fault.every() })
    };
    plan.faults.iter().map(preview).collect()
}

/// What the faults of a plan need of this host and of this user, and is not there. It is the same whoever is hit.
pub fn lacking(plan: &evenkeel_model::Plan) -> Vec<FaultError> {
    let lacks = |fault: &PlannedFault| {
        let error = aim(fault, "dry-run", plan.seed, &[]).plan().err()?;
        let label = fault.label.clone();
        matches!(error, PlanError::Missing { .. }).then_some(FaultError::Plan { label, error })
    };
    plan.faults.iter().filter_map(lacks).collect()
}

/// Everybody a fault could hit, as they are now. Families are empty where nobody runs.
pub(super) struct Located {
    pub(super) resolved: Resolved,
    pub(super) hits: Vec<Hit>,
    spared: Vec<Hit>,
}

impl Located {
    /// Everybody who is named has to be there.
    pub(super) fn must_run(&self) -> Result<(), FaultError> {
        match self.hits.iter().find(|it| !it.is_there(&self.resolved)) {
            Some(it) => Err(FaultError::NotRunning {
                label: self.resolved.label.clone(),
                name: it.name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Of those whom the fault leaves alone, so many have to be well at this moment.
    pub(super) fn must_leave(&self, least: u32) -> Result<(), FaultError> {
        let left = self.spared.iter().filter(|it| it.is_well()).count();
        if !self.resolved.is_counted() || left >= least as usize {
            return Ok(());
        }
        Err(FaultError::Refused(Refusal::TooFewHealthy {
            label: self.resolved.label.clone(),
            left,
            candidates: self.resolved.candidates.len(),
            limit: least,
        }))
    }

    /// Those who are hit, and those who are not well already, may be no more than this share.
    pub(super) fn must_spare(&self, most: Ratio) -> Result<(), FaultError> {
        let candidates = self.resolved.candidates.len();
        let hit = candidates - self.spared.iter().filter(|it| it.is_well()).count();
        if !self.resolved.is_counted() || hit <= most.floor_of(candidates) {
            return Ok(());
        }
        let label = self.resolved.label.clone();
        Err(FaultError::Refused(Refusal::TooManyInstances { label, hit, candidates, limit: most }))
    }
}

/// Looks for everybody whom a fault could hit.
pub(super) fn locate(
    service: &Service,
    fault: &PlannedFault,
    seed: Seed,
) -> Result<Located, FaultError> {
    let mut found: BTreeMap<String, Vec<Process>> = BTreeMap::new();
    let mut containers: BTreeMap<String, Seen> = BTreeMap::new();
    let mut candidates = Vec::new();
    if let Some(
        select @ (Selector::Container(which) | Selector::Inside { containers: which, .. }),
    ) = fault.target.as_ref().map(|it| &it.select)
    {
        let label = || fault.label.clone();
        let seen = engine::find(which);
        for it in seen.map_err(|error| FaultError::Engine { label: label(), error })? {
            let name = it.container.name.clone();
            candidates.push(Candidate { name: name.clone(), finder: None });
            containers.insert(name, it);
        }
        if candidates.is_empty() && service.start.is_some() {
            candidates.push(Candidate { name: select.to_string(), finder: None });
        }
    }
    let mut pods: BTreeMap<String, Pod> = BTreeMap::new();
    if let Some(select @ Selector::Pods(which)) = fault.target.as_ref().map(|it| &it.select) {
        let failed = |error: kubernetes::ClusterError| FaultError::Plan {
            label: fault.label.clone(),
            error: error.into(),
        };
        let (_, found) = kubernetes::list(which).map_err(failed)?;
        for it in found.into_iter().filter(|it| it.is_running) {
            let name = it.it.name.clone();
            candidates.push(Candidate { name: name.clone(), finder: None });
            pods.insert(name, it);
        }
        if candidates.is_empty() && service.start.is_some() {
            candidates.push(Candidate { name: select.to_string(), finder: None });
        }
    }
    if let Some(select @ Selector::Process(finder)) = fault.target.as_ref().map(|it| &it.select) {
        for family in families(find(finder).map_err(FaultError::Look)?) {
            let Some(head) = family.first() else { continue };
            let name = head.to_string();
            candidates.push(Candidate { name: name.clone(), finder: Some(finder.clone()) });
            found.insert(name, family);
        }
        if candidates.is_empty() && service.start.is_some() {
            // The drill may be about to start it.
            candidates.push(Candidate { name: select.to_string(), finder: Some(finder.clone()) });
        }
    }
    let resolved = resolve(fault, service, &candidates, seed)?;
    let (mut hits, mut spared) = (Vec::new(), Vec::new());
    for (index, Candidate { name, finder }) in resolved.candidates.iter().cloned().enumerate() {
        let family = match (&finder, found.remove(&name)) {
            (_, Some(family)) => family,
            (Some(finder), None) => {
                families(find(finder).map_err(FaultError::Look)?).into_iter().flatten().collect()
            }
            (None, None) => Vec::new(),
        };
        let container = containers.remove(&name);
        let pod = pods.remove(&name);
        let hit = Hit { name, finder, family, container, pod };
        (if resolved.hits.contains(&index) { &mut hits } else { &mut spared }).push(hit);
    }
    Ok(Located { resolved, hits, spared })
}

pub(super) fn aim<'a>(
    fault: &'a PlannedFault,
    mark: &'a str,
    seed: Seed,
    hits: &'a [Hit],
) -> Aim<'a> {
    let limit = (fault.to - fault.from).saturating_add(SLACK);
    let target = fault.target.as_ref();
    Aim { fault: &fault.fault, target, limit, mark, seed, hits }
}
