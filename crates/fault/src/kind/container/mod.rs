//! Faults of containers, by the socket of their engine. `kill`, `pause` and `restart` act on processes, too, and stand
//! there; what they do to a container is here.
//!
//! ```text
//! kill      SIGKILL to the main process: what the container's restart policy then does is observed
//! pause     all of its processes are frozen, as by `docker pause`
//! restart   stopped and started by its engine
//! stop      stopped, and started again at the end
//! ```

pub(super) mod stop;

use std::time::Duration;

use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::act::Did;
use crate::engine::{Fate, Run, Seen, Verb};
use crate::holder::Network;
use crate::kind::{Aim, Past, count};
use crate::need::{PlanError, SYS_ADMIN};
use crate::plan::{Op, Step, Undo};

/// One step for each container that is hit.
pub(in crate::kind) fn steps(
    aim: &Aim<'_>,
    verb: impl Fn(&Run) -> Result<Verb, PlanError>,
) -> Result<Vec<Step>, PlanError> {
    let containers = aim.hits.iter().filter_map(|it| it.container.as_ref());
    containers
        .map(|Seen { container, .. }| {
            let run = container.running()?;
            let verb = verb(&run)?;
            let undo = match verb {
                Verb::Kill { .. } => Undo::None,
                Verb::Pause => Undo::Unpause(run.clone()),
                Verb::Stop | Verb::Restart => Undo::StartContainer(run.clone()),
            };
            Ok(Step { apply: Op::Container { verb, run }, undo })
        })
        .collect()
}

/// One that may be killed by us.
pub(in crate::kind) fn kill(run: &Run) -> Result<Verb, PlanError> {
    Ok(Verb::Kill { main: run.mortal()? })
}

/// One that ends soon enough.
pub(in crate::kind) fn restart(run: &Run) -> Result<Verb, PlanError> {
    run.must_end_soon().map(|()| Verb::Restart)
}

/// The networks of the containers that are hit; those that share one are hit together.
pub(in crate::kind) fn networks(aim: &Aim<'_>) -> Result<Vec<Network>, PlanError> {
    SYS_ADMIN.must_be_there()?;
    let mut networks: Vec<Network> = Vec::new();
    for Seen { container, .. } in aim.hits.iter().filter_map(|it| it.container.as_ref()) {
        let main = container.running()?.main()?;
        let Some(network) = Network::of(main, container.to_string())? else {
            let message = format!(
                "{container} has no network of its own but that of this host: aim at `traffic` without a `container`"
            );
            return Err(PlanError::Unfit(message));
        };
        if networks.iter().all(|it| it.inode != network.inode) {
            networks.push(network);
        }
    }
    Ok(networks)
}

/// What shows that containers were hit; `None` when none was to be.
pub(in crate::kind) fn evidence(past: &Past<'_>) -> Option<Evidence> {
    let fates = past.did.iter().filter_map(|it| match it {
        Did::Container(verb, fate) => Some((verb, fate)),
        _ => None,
    });
    let (verbs, fates): (Vec<&Verb>, Vec<&Fate>) = fates.unzip();
    let verb = verbs.first()?;
    let held = fates.iter().filter(|it| it.held).count();
    let all = count(fates.len() as u64, "container");
    let time = fates.iter().map(|it| it.time).min().unwrap_or_default();
    let slowest = fates.iter().filter_map(|it| it.away).max();
    let back = fates.iter().filter(|it| it.away.is_some()).count();
    let not_all = if held < fates.len() { ", not all of them to the end" } else { "" };
    let summary = match verb {
        Verb::Pause => format!("{all} paused for {}{not_all}", Human(time)),
        Verb::Stop => format!("{all} stopped for {}{not_all}", Human(time)),
        Verb::Kill { .. } => match slowest {
            None => format!("{all} killed, none came back"),
            Some(it) => format!("{all} killed, {back} back after {}", Human(it)),
        },
        Verb::Restart => match slowest {
            None => "nothing came back".to_owned(),
            Some(it) => format!("{all} restarted, away for {}", Human(it)),
        },
    };
    let mut counters = match verb {
        Verb::Pause | Verb::Stop => vec![
            ("containers_down", fates.len() as f64),
            ("containers_down_to_the_end", held as f64),
            ("down_seconds", time.as_secs_f64()),
        ],
        Verb::Kill { .. } => vec![("targets_killed", held as f64), ("targets_back", back as f64)],
        Verb::Restart => vec![("targets_restarted", back as f64)],
    };
    if matches!(verb, Verb::Kill { .. } | Verb::Restart) {
        counters.extend(slowest.map(|it| ("slowest_return_seconds", it.as_secs_f64())));
    }
    let acted = match verb {
        Verb::Pause | Verb::Stop => held > 0 && time > Duration::ZERO,
        Verb::Kill { .. } | Verb::Restart => held == fates.len(),
    };
    Some(crate::kind::evidence(acted, summary, &counters))
}
