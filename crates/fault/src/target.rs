//! Who is hit: the candidates of a fault, and those of them that the seed picks.
//!
//! ```text
//! instances: gateway-*   the service's instances whose names match
//! process: {port: 5432}  families of processes on this host
//! container: {name: …}   containers, by their engine
//! pods: {labels: …}      running pods of a cluster
//! dependency: payment    links, likewise; of both only those with certain labels, when labels are given
//! traffic: {port: 5432}  packets that pass this host
//! postgres: URL          one server; likewise `redis`
//! nothing                this host
//! ```
//!
//! Picking is pure: the same seed and candidates give the same hits. A percentage is rounded down,
//! because a limit is a limit; 30 % of three instances is nobody, and that is said as an error rather
//! than rounded up to one.

use evenkeel_model::document::{ActsOn, Finder, Mode, Selector, Service};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::Seed;
use rand::RngExt;

/// The candidates of a fault and those that are hit, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Label of the fault.
    pub label: String,
    /// What the fault acts on.
    pub acts_on: ActsOn,
    /// Whose they are: the service, or the search for processes outside of it; `None` for the host.
    pub owner: Option<String>,
    /// Everybody who could be hit.
    pub candidates: Vec<Candidate>,
    /// Indices of those who are, in order.
    pub hits: Vec<usize>,
}

/// Somebody who can be hit: an instance, a family of processes, a container, a link, or this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name, such as `gateway-2`.
    pub name: String,
    /// How its processes are found, when it has any.
    pub finder: Option<Finder>,
}

impl Candidate {
    /// Somebody without processes.
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), finder: None }
    }
}

impl Resolved {
    /// Whether there may be several candidates, of which some have to stay well: those that the blast radius counts.
    pub fn is_counted(&self) -> bool {
        match self.acts_on {
            ActsOn::Process | ActsOn::Container | ActsOn::Pod => true,
            // Of containers, and not of this host.
            ActsOn::Traffic => self.owner.is_some(),
            _ => false,
        }
    }

    /// Those who are hit.
    pub fn hit(&self) -> impl Iterator<Item = &Candidate> {
        self.hits.iter().filter_map(|it| self.candidates.get(*it))
    }
}

/// Why a target cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The fault needs one.
    #[error("`{label}` has no target: name instances, a process or a dependency")]
    Missing {
        /// Of the fault.
        label: String,
    },
    /// The target is of the wrong kind.
    #[error("`{label}` acts on {needs}, and its target is {target}")]
    WrongKind {
        /// Of the fault.
        label: String,
        /// What it acts on.
        needs: String,
        /// What was named.
        target: String,
    },
    /// It names a service that the drill does not have.
    #[error("`{label}` aims at service `{named}`, and this drill is about `{service}`")]
    OtherService {
        /// Of the fault.
        label: String,
        /// As written.
        named: String,
        /// The drill's.
        service: String,
    },
    /// Nobody matches.
    #[error("`{label}` finds no {what}")]
    Nobody {
        /// Of the fault.
        label: String,
        /// What was looked for.
        what: String,
    },
    /// The share of the candidates is less than one.
    #[error("`{label}` hits none of its {candidates} candidates: shares are rounded down")]
    NoneOfThem {
        /// Of the fault.
        label: String,
        /// How many there are.
        candidates: usize,
    },
}

/// Resolves the target of a fault. `found` are the names of the families that a process selector found on this host, or
/// of the containers that their engine named; other selectors do not look at it.
pub fn resolve(
    fault: &PlannedFault,
    service: &Service,
    found: &[Candidate],
    seed: Seed,
) -> Result<Resolved, TargetError> {
    let label = fault.label.clone();
    let target = fault.target.as_ref();
    let usual = fault.fault.facts().acts_on;
    let acts_on = target.map_or(usual[0], |it| it.select.is());
    let wrong = |needs: &[ActsOn], target: &Selector| TargetError::WrongKind {
        label: fault.label.clone(),
        needs: needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        target: target.to_string(),
    };
    let of_drill = |named: &Option<String>| match named {
        Some(named) if *named != service.name => Err(TargetError::OtherService {
            label: fault.label.clone(),
            named: named.clone(),
            service: service.name.clone(),
        }),
        _ => Ok(Some(service.name.clone())),
    };
    let fits = usual.contains(&acts_on);
    let (owner, candidates) = match target.map(|it| &it.select) {
        _ if acts_on == ActsOn::Host => (None, vec![Candidate::named("this host")]),
        _ if acts_on == ActsOn::Cluster => (None, vec![Candidate::named("a cluster")]),
        None => return Err(TargetError::Missing { label }),
        Some(select) if !fits => return Err(wrong(usual, select)),
        Some(Selector::Dependency(parts)) => {
            let links = service.dependencies.iter();
            let links = links.filter(|it| parts.fit(&it.name, &it.labels));
            (of_drill(&parts.service)?, links.map(|it| Candidate::named(&it.name)).collect())
        }
        Some(Selector::Instances(parts)) => {
            let instances = service.instances.iter();
            let instances = instances.filter(|it| parts.fit(&it.name, &it.labels));
            let instances = instances
                .map(|it| Candidate { name: it.name.clone(), finder: Some(it.find.clone()) });
            (of_drill(&parts.service)?, instances.collect())
        }
        Some(select @ (Selector::Process(_) | Selector::Container(_) | Selector::Pods(_))) => {
            (Some(select.to_string()), found.to_vec())
        }
        Some(Selector::Inside { containers, .. }) => (Some(containers.to_string()), found.to_vec()),
        Some(select @ (Selector::Traffic(_) | Selector::Postgres(_) | Selector::Redis(_))) => {
            (None, vec![Candidate::named(&select.to_string())])
        }
    };
    if candidates.is_empty() {
        let what = target.map(|it| it.select.to_string()).unwrap_or_default();
        return Err(TargetError::Nobody { label, what: format!("`{what}`") });
    }
    let mode = target.map_or(Mode::All, |it| it.mode);
    let hits = pick(mode, candidates.len(), seed, &label);
    if hits.is_empty() {
        return Err(TargetError::NoneOfThem { label, candidates: candidates.len() });
    }
    Ok(Resolved { label, acts_on, owner, candidates, hits })
}

/// Picks by the seed, in order of the candidates.
fn pick(mode: Mode, candidates: usize, seed: Seed, label: &str) -> Vec<usize> {
    let mut rng = seed.stream(&format!("fault/targets/{label}"));
    let mut order: Vec<usize> = (0..candidates).collect();
    let most = mode.of(candidates);
    let wanted = match mode {
        Mode::AtMost(_) if most > 1 => rng.random_range(1..=most),
        _ => most,
    };
    // The first steps of a Fisher-Yates shuffle.
    for place in 0..wanted {
        order.swap(place, rng.random_range(place..candidates));
    }
    order.truncate(wanted);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use evenkeel_model::document::{Fault, Labels, Parts, Target};
    use evenkeel_units::Ratio;
    use proptest::prelude::*;

    fn kill(pattern: &str, mode: Mode) -> PlannedFault {
        let select = Selector::Instances(Parts::named(pattern));
        sample::fault(Fault::Kill { every: None }, Some(Target { select, mode }))
    }

    #[test]
    fn a_pattern_finds_the_instances_that_fit() {
        let service = sample::service(&["gateway-1", "gateway-2", "worker-1"]);
        let resolved = resolve(&kill("gateway-*", Mode::All), &service, &[], Seed(1)).unwrap();
        let names: Vec<_> = resolved.hit().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["gateway-1", "gateway-2"]);
    }

    #[test]
    fn a_label_picks_a_whole_zone() {
        let mut service = sample::service(&["gateway-1", "gateway-2", "worker-1"]);
        let zone: Labels = [("zone".to_owned(), "a".to_owned())].into();
        service.instances[0].labels = zone.clone();
        service.instances[2].labels = zone.clone();
        service.dependencies[0].labels = zone.clone();
        let parts = Parts { labels: zone, ..Parts::named("*") };
        for (fault, select, expected) in [
            (Fault::Kill { every: None }, Selector::Instances(parts.clone()), "gateway-1 worker-1"),
            (Fault::Refuse, Selector::Dependency(parts), "payment"),
        ] {
            let target = Target { select, mode: Mode::All };
            let resolved = resolve(&sample::fault(fault, Some(target)), &service, &[], Seed(1));
            let resolved = resolved.unwrap();
            let names: Vec<_> = resolved.hit().map(|it| it.name.as_str()).collect();
            assert_eq!(names.join(" "), expected);
        }
    }

    #[test]
    fn a_share_of_less_than_one_is_an_error_and_not_one() {
        let service = sample::service(&["a", "b", "c"]);
        let fault = kill("*", Mode::Share(Ratio::percent(30)));
        let error = resolve(&fault, &service, &[], Seed(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`kill · sample` hits none of its 3 candidates: shares are rounded down"
        );
    }

    #[test]
    fn a_fault_of_links_refuses_processes() {
        let service = sample::service(&["a"]);
        let target = kill("a", Mode::One).target;
        let error = resolve(&sample::fault(Fault::Refuse, target), &service, &[], Seed(1));
        assert!(matches!(error, Err(TargetError::WrongKind { .. })), "{error:?}");
    }

    proptest! {
        #[test]
        fn hits_are_distinct_candidates_never_more_than_asked_and_the_same_for_a_seed(
            seed: u64, candidates in 1usize..40, percent in 0u32..=100,
        ) {
            let mode = Mode::Share(Ratio::percent(percent));
            let hits = pick(mode, candidates, Seed(seed), "x");
            prop_assert!(hits.len() * 100 <= candidates * percent as usize);
            prop_assert!(hits.windows(2).all(|it| it[0] < it[1]));
            prop_assert!(hits.iter().all(|it| *it < candidates));
            prop_assert_eq!(hits, pick(mode, candidates, Seed(seed), "x"));
        }
    }
}
