//! Of the limits of a drill and of its experiments, the stricter ones hold.
//!
//! Only limits that somebody wrote down are compared: an experiment that asks for ten minutes is not
//! held to the default of five because the drill is silent.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::{Cast, Item};
use crate::document::{BlastRadius, Criterion, Hours, OnNoData, Probe, Safety, Threshold};

/// Keeps the first of equals. Limits have no order, but what they look like has.
fn without_repeats<T: Debug>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|it| seen.insert(format!("{it:?}"))).collect()
}

/// Who gives limits: the drill, then its experiments.
pub(crate) fn givers<'c>(cast: &'c Cast<'_>) -> Vec<(&'c Item, &'c Safety)> {
    let experiments = cast.experiments.iter().map(|(item, it)| (*item, &it.safety));
    std::iter::once((cast.item, &cast.drill.safety)).chain(experiments).collect()
}

/// The strictest of all limits.
pub(super) fn safety(cast: &Cast<'_>) -> Safety {
    let givers = givers(cast);
    let given = |field: &str| -> Vec<&Safety> {
        let path = format!("safety/{field}");
        let given = givers.iter().filter(|(item, _)| item.spec().at(&path).is_some());
        given.map(|(_, it)| *it).collect()
    };
    let hours = |of: fn(&Safety) -> &Vec<Hours>| {
        without_repeats(givers.iter().flat_map(|(_, it)| of(it).iter().copied()))
    };
    let max_duration = given("maxDuration").iter().map(|it| it.max_duration).min();
    // The zone is that of whoever gives hours; that all agree is checked before a plan is made.
    let has_hours = |it: &Safety| !(it.allowed_hours.is_empty() && it.restricted_hours.is_empty());
    let zone = givers.iter().find(|(_, it)| has_hours(it)).map(|(_, it)| it.time_zone.clone());
    let on_no_data = given("onNoData");
    let may_continue =
        !on_no_data.is_empty() && on_no_data.iter().all(|it| it.on_no_data == OnNoData::Continue);
    let radii = || givers.iter().map(|(_, it)| it.blast_radius);
    let zone = zone.unwrap_or_else(|| cast.drill.safety.time_zone.clone());
    Safety {
        max_duration: max_duration.unwrap_or(Safety::MAX_DURATION),
        blast_radius: BlastRadius {
            max_instances: radii().filter_map(|it| it.max_instances).min(),
            max_services: radii().filter_map(|it| it.max_services).min(),
            min_healthy: radii().filter_map(|it| it.min_healthy).max(),
        },
        min_release: givers.iter().filter_map(|(_, it)| it.min_release).min(),
        allowed_hours: hours(|it| &it.allowed_hours),
        restricted_hours: hours(|it| &it.restricted_hours),
        approvals: givers.iter().map(|(_, it)| it.approvals).max().unwrap_or_default(),
        time_zone: zone,
        abort: without_repeats(givers.iter().flat_map(|(_, it)| it.abort.iter().copied())),
        on_no_data: if may_continue { OnNoData::Continue } else { OnNoData::Abort },
        error_budgets: without_repeats(givers.iter().flat_map(|(_, it)| it.error_budgets.clone())),
    }
}

/// Everything that must hold, each condition once.
pub(super) fn success(cast: &Cast<'_>) -> Vec<Threshold> {
    let of_drill = cast.drill.success.iter();
    let of_load = cast.load.iter().flat_map(|(_, it)| &it.success).cloned();
    let of_experiments = cast.experiments.iter().flat_map(|(_, it)| &it.success);
    let whole = |it: &Criterion| Threshold::from(*it);
    without_repeats(of_drill.map(whole).chain(of_load).chain(of_experiments.map(whole)))
}

/// Every question about the steady state, each once.
pub(super) fn steady_state(cast: &Cast<'_>) -> Vec<Probe> {
    let experiments = cast.experiments.iter().flat_map(|(_, it)| &it.steady_state);
    let asked = cast.drill.steady_state.iter().chain(experiments).cloned();
    without_repeats(asked.chain(givers(cast).iter().flat_map(|(_, it)| it.questions())))
}
