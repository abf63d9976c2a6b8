//! Every limit refuses what is beyond it, and nothing that is within.

use std::time::Duration;

use evenkeel_model::document::{
    AllowFaults, Fault, Mode, OnNoData, Parts, PauseBy, Safety, Selector, Target,
};
use evenkeel_units::{Moment, Seed};
use proptest::prelude::*;

use super::*;
use crate::sample;
use crate::target::resolve;

const NOON: &str = "2026-03-10T12:00:00Z";

fn plan(instances: usize, mode: Mode, safety: Safety) -> (Plan, Vec<Resolved>) {
    let names: Vec<String> = (0..instances).map(|it| format!("gateway-{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let select = Selector::Instances(Parts::named("*"));
    let fault = sample::fault(Fault::Pause { by: PauseBy::Signal }, Some(Target { select, mode }));
    let mut plan = sample::plan(sample::service(&names), vec![fault]);
    plan.safety = safety;
    let resolved = resolve_all(&plan);
    (plan, resolved)
}

fn resolve_all(plan: &Plan) -> Vec<Resolved> {
    let resolve = |it| resolve(it, &plan.service, &[], Seed(1)).unwrap();
    plan.faults.iter().map(resolve).collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refusals(plan: &Plan, targets: &[Resolved], wall: &str) -> Vec<String> {
    let refusals = permit(plan, targets, at(wall)).err().unwrap_or_default();
    refusals.iter().map(Refusal::to_string).collect()
}

#[test]
fn without_leave_of_the_owners_nothing_is_broken() {
    let (mut plan, targets) = plan(3, Mode::One, Safety::default());
    plan.service.allow_faults = AllowFaults::None;
    assert_eq!(
        refusals(&plan, &targets, NOON),
        ["service `shop` does not allow `pause`: add it to its allowFaults, if its owners agree"]
    );
}

#[test]
fn the_stricter_of_experiment_and_service_says_what_may_end_a_fault() {
    use Release::{Guardian, Lease, OneShot};
    for (experiment, service, refused) in [
        (None, None, false),
        (Some(Guardian), Some(OneShot), false),
        (Some(Lease), None, true),
        (Some(OneShot), Some(Lease), true),
    ] {
        let safety = Safety { min_release: experiment, ..Safety::default() };
        let (mut plan, targets) = plan(3, Mode::One, safety);
        plan.service.min_release = service;
        let found = refusals(&plan, &targets, NOON);
        let why = "`pause · sample` has release class C (undone by the guardian), and minRelease is \
                   B (ends when nobody renews it)";
        let wanted: &[&str] = if refused { &[why] } else { &[] };
        assert_eq!(found, wanted, "{experiment:?} {service:?}");
    }
}

#[test]
fn what_ends_a_fault_is_that_of_the_means_by_which_it_is_done() {
    let safety = Safety { min_release: Some(Release::Lifetime), ..Safety::default() };
    let (mut plan, targets) = plan(3, Mode::One, safety);
    assert_eq!(refusals(&plan, &targets, NOON).len(), 1);
    plan.faults[0].fault = Fault::Pause { by: PauseBy::Trace };
    assert_eq!(refusals(&plan, &targets, NOON), <[&str; 0]>::default());
}

#[test]
fn a_fault_that_lives_too_long_is_refused() {
    let safety = Safety { max_duration: Duration::from_secs(5), ..Safety::default() };
    let (plan, targets) = plan(3, Mode::One, safety);
    assert_eq!(
        refusals(&plan, &targets, NOON),
        ["`pause · sample` would act for 10s, and maxDuration is 5s"]
    );
}

#[test]
fn two_faults_at_once_count_together() {
    let radius = BlastRadius { min_healthy: Some(2), ..BlastRadius::default() };
    let safety = Safety { blast_radius: radius, ..Safety::default() };
    let (mut plan, _) = plan(3, Mode::One, safety);
    let target =
        |name: &str| Target { select: Selector::Instances(Parts::named(name)), mode: Mode::All };
    plan.faults[0].target = Some(target("gateway-*"));
    plan.faults[0].target.as_mut().unwrap().mode = Mode::One;
    let mut second = plan.faults[0].clone();
    second.label = "second".to_owned();
    plan.faults.push(second);
    let targets = resolve_all(&plan);
    let same = targets[0].hits == targets[1].hits;
    assert_eq!(refusals(&plan, &targets, NOON).is_empty(), same);
    // One after the other, each leaves two.
    plan.faults[1].from = plan.faults[0].to;
    plan.faults[1].to = plan.faults[0].to + Duration::from_secs(1);
    assert_eq!(refusals(&plan, &targets, NOON), Vec::<String>::new());
}

#[test]
fn a_link_is_one_and_is_not_held_to_a_share_of_instances() {
    let radius = BlastRadius {
        max_instances: Some(Ratio::percent(34)),
        min_healthy: Some(2),
        max_services: Some(1),
    };
    let select = Selector::Dependency(Parts::named("payment"));
    let fault = sample::fault(Fault::Refuse, Some(Target { select, mode: Mode::All }));
    let mut plan = sample::plan(sample::service(&["a", "b", "c"]), vec![fault]);
    plan.safety.blast_radius = radius;
    assert_eq!(refusals(&plan, &resolve_all(&plan), NOON), Vec::<String>::new());
}

#[test]
fn hours_are_those_of_the_zone_and_go_past_midnight() {
    let safety = Safety {
        restricted_hours: vec![Hours::parse("18:00-06:00").unwrap()],
        time_zone: "Europe/Paris".to_owned(),
        on_no_data: OnNoData::Abort,
        ..Safety::default()
    };
    let (plan, targets) = plan(3, Mode::One, safety);
    assert_eq!(refusals(&plan, &targets, NOON), Vec::<String>::new());
    // 17:59:45 in Paris: it begins ten seconds later and would act until 18:00:05.
    assert_eq!(
        refusals(&plan, &targets, "2026-03-10T16:59:45Z"),
        [
            "`pause · sample` would act at Tue 18:00 (Europe/Paris), within the restricted hours 18:00-06:00"
        ]
    );
    assert_eq!(refusals(&plan, &targets, "2026-03-10T23:30:00Z").len(), 1);
    assert_eq!(refusals(&plan, &targets, "2026-03-10T05:00:00Z"), Vec::<String>::new());
}

#[test]
fn outside_the_allowed_hours_nothing_acts() {
    let hours = vec![Hours::parse("09:00-11:00").unwrap(), Hours::parse("14:00-16:00").unwrap()];
    let (plan, targets) = plan(3, Mode::One, Safety { allowed_hours: hours, ..Safety::default() });
    assert_eq!(
        refusals(&plan, &targets, NOON),
        [
            "`pause · sample` would act at Tue 12:00 (UTC), outside the allowed hours 09:00-11:00, 14:00-16:00"
        ]
    );
    assert_eq!(refusals(&plan, &targets, "2026-03-10T10:00:00Z"), Vec::<String>::new());
}

#[test]
fn on_a_day_that_is_not_named_nothing_acts() {
    let hours = vec![Hours::parse("Mon,Wed-Fri 00:00-24:00").unwrap()];
    let (plan, targets) = plan(3, Mode::One, Safety { allowed_hours: hours, ..Safety::default() });
    // A Tuesday.
    assert_eq!(refusals(&plan, &targets, NOON).len(), 1);
    assert_eq!(refusals(&plan, &targets, "2026-03-11T12:00:00Z"), Vec::<String>::new());
}

#[test]
fn a_zone_that_nobody_knows_is_refused_and_not_taken_for_utc() {
    let safety = Safety {
        restricted_hours: vec![Hours::parse("01:00-02:00").unwrap()],
        time_zone: "Mars/Olympus".to_owned(),
        ..Safety::default()
    };
    let (plan, targets) = plan(3, Mode::One, safety);
    assert!(refusals(&plan, &targets, NOON)[0].contains("`Mars/Olympus` is no time zone"));
}

proptest! {
    #[test]
    fn what_is_permitted_is_within_every_limit(
        instances in 1usize..30, hit in 1u32..30, percent in 0u32..=100, healthy in 0u32..30,
    ) {
        let radius = BlastRadius {
            max_instances: Some(Ratio::percent(percent)),
            max_services: None,
            min_healthy: Some(healthy),
        };
        let safety = Safety { blast_radius: radius, ..Safety::default() };
        let (plan, targets) = plan(instances, Mode::Count(hit), safety);
        let hit = targets[0].hits.len();
        let within = hit * 100 <= instances * percent as usize
            && instances - hit >= healthy as usize;
        prop_assert_eq!(permit(&plan, &targets, at(NOON)).is_ok(), within);
    }

    #[test]
    fn a_permitted_fault_never_acts_in_a_restricted_minute(
        from in 0u16..1440, length in 1u16..1440, start in 0i64..86_400, begins in 0u64..7200, acts in 1u64..7200,
    ) {
        let hours = Hours::daily(from, (from + length) % 1440).unwrap();
        let safety = Safety {
            restricted_hours: vec![hours],
            max_duration: Duration::from_hours(3),
            ..Safety::default()
        };
        let (mut plan, targets) = plan(3, Mode::One, safety);
        plan.faults[0].from = Moment::at(Duration::from_secs(begins));
        plan.faults[0].to = Moment::at(Duration::from_secs(begins + acts));
        let wall = at("2026-03-10T00:00:00Z").checked_add(SignedDuration::from_secs(start)).unwrap();
        let bad = (begins..begins + acts).any(|it| {
            let minute = (start.unsigned_abs() + it) / 60 % 1440;
            hours.contains(0, minute as u16)
        });
        prop_assert_eq!(permit(&plan, &targets, wall).is_err(), bad);
    }
}
