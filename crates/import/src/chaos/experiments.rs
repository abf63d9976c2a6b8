//! `chaos_experiments:` and `safety_settings:`: a map of experiments, and the limits of all of them.
//!
//! ```yaml
//! chaos_experiments:
//!   network_latency:
//!     enabled: true
//!     schedule: "0 10 * * 2,4"
//!     config: {service_name: api, target_service: database, latency_ms: 500, duration: 600}
//!     success_criteria: {max_response_time: 1000, max_error_rate: 5.0}
//! safety_settings:
//!   blast_radius_limits: {max_instance_percentage: 30, restricted_hours: ["18:00-23:59"]}
//!   abort_conditions: ["error_rate > 10%"]
//! ```
//!
//! Bare numbers are seconds, but those of response times and of `latency_ms`, which are milliseconds; shares are
//! hundredths. `23:59` as an end means the end of the day.

use std::time::Duration;

use evenkeel_model::decode::codes;
use evenkeel_model::document::{
    ChaosExperiment, Comparison, Criterion, Fault, Hours, Metric, Mode, Safety, Unit,
};
use evenkeel_model::yaml::{Entry, Node, Sort};
use evenkeel_units::Ratio;

use super::counterpart::{Here, counterpart};
use super::draft::{self, Draft, experiment};
use super::fields::{Fields, items};
use crate::notes::cut;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    let safety = fields.map("safety_settings", draft).map(|it| safety(it, draft));
    if let Some(entry) = fields.take("chaos_experiments") {
        for each in Fields::of(&entry.value, entry.key_place, draft).rest() {
            one(each, safety.as_ref(), draft);
        }
    }
    fields.finish(draft);
}

fn one(entry: &Entry, safety: Option<&Safety>, draft: &mut Draft) {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let mut made = experiment(&entry.key);
    if let Some(it) = safety {
        made.safety = it.clone();
    }
    if let Some(it) = fields.take("enabled")
        && it.value.sort() != Sort::Boolean(true)
    {
        draft.leave(it, "an experiment runs when it is asked for, and not otherwise");
    }
    made.description = fields.text("description", draft).map(str::to_owned);
    made.schedule = fields.take("schedule").and_then(|it| draft.schedule(it));
    if let Some(config) = fields.map("config", draft) {
        fault(entry, config, &mut made, draft);
    }
    if let Some(criteria) = fields.map("success_criteria", draft) {
        made.success = criteria.rest().filter_map(|it| criterion(it, draft)).collect();
        let mut success = std::mem::take(&mut made.success);
        draft.bound(&mut success, entry.key_place, "criteria");
        made.success = success;
    }
    fields.finish(draft);
    draft.add(entry.key_place, made);
}

/// What it does, told by the field that no other experiment has.
fn fault(of: &Entry, mut config: Fields<'_>, made: &mut ChaosExperiment, draft: &mut Draft) {
    let service = config.text("service_name", draft);
    let duration = config.take("duration");
    let lasting = |draft: &mut Draft| duration.and_then(|it| draft.seconds(it));
    if let Some(share) = config.take("instance_percentage") {
        if let Some(share) = draft.percent(share).filter(|it| *it != Ratio::ZERO) {
            let target = draft::instances(service, Mode::Share(share));
            draft.whereabouts(of.key_place, &target);
            made.method.push(draft::step(
                Fault::Kill { every: None },
                target,
                Duration::ZERO,
                None,
            ));
            draft.leave_at(
                of.key_place,
                format!("at least one instance, however few {share} are"),
                "a share is rounded down here, because a limit is a limit; with few instances write `mode: one`",
            );
        }
        if let Some(it) = duration {
            draft.leave(it, "a kill happens at once");
        }
    } else if let Some(delay) = config.take("latency_ms") {
        let link = config.text("target_service", draft);
        let delay = draft.time(delay, 1e-3).filter(|it| !it.is_zero());
        lay(
            of,
            delay.map(|it| draft::latency(it, Duration::ZERO)),
            service,
            link,
            lasting(draft),
            made,
            draft,
        );
    } else if let Some(kind) = config.take("failure_type") {
        let link = config.text("dependency", draft);
        let word = kind.value.text().unwrap_or_default();
        let fault = match counterpart(&format!("experiments/{word}")) {
            Some(Here::Refuse) => Some(Fault::Refuse),
            Some(Here::BlackHole) => Some(Fault::BlackHole),
            _ => {
                let why = "that says too little: write `latency`, `httpErrors`, `refuse` or another fault of a link";
                draft.leave(kind, why);
                None
            }
        };
        lay(of, fault, service, link, lasting(draft), made, draft);
    } else if let Some(share) = config.take("connection_kill_percentage") {
        if let Some(share) = draft.percent(share).filter(|it| *it != Ratio::ZERO) {
            let (user, database, application) = (None, None, None);
            let fault = Fault::TerminateBackends { share, user, database, application };
            let target = draft::database();
            draft.whereabouts(of.key_place, &target);
            made.method.push(draft::step(fault, target, Duration::ZERO, None));
        }
        if let Some(it) = duration {
            draft.leave(it, "sessions are ended at once");
        }
    } else {
        for entry in config.rest() {
            let here = counterpart(&format!("experiments/{}", entry.key));
            if let Some(why) = here.and_then(Here::why_not) {
                draft.leave_at(of.key_place, format!("the experiment `{}`", cut(&of.key)), why);
            }
        }
    }
    let why = "the phases of a drill say how long it is watched: add one with `role: recovery`";
    config.leave("monitoring_duration", why, draft);
    if let Some(it) = config.take("rollback_on_failure")
        && it.value.sort() != Sort::Boolean(true)
    {
        draft.leave(it, "what was broken is always mended, whatever happens");
    }
    config.finish(draft);
}

/// Lays a fault on the link between two services.
fn lay(
    of: &Entry,
    fault: Option<Fault>,
    service: Option<&str>,
    link: Option<&str>,
    duration: Option<Duration>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let Some(fault) = fault else { return };
    let Some(link) = link else {
        let what = format!("`{fault}` of `{}`", cut(&of.key));
        draft.leave_at(of.key_place, what, "it does not say between which two services");
        return;
    };
    let duration = duration.filter(|it| !it.is_zero()).unwrap_or_else(|| {
        draft.leave_at(of.key_place, format!("how long `{}` lasts", cut(&of.key)), super::NO_END);
        Safety::MAX_DURATION
    });
    let target = draft::dependency(service, link);
    draft.whereabouts(of.key_place, &target);
    made.method.push(draft::step(fault, target, Duration::ZERO, Some(duration)));
}

/// A limit of a figure; what is no figure is left out.
fn criterion(entry: &Entry, draft: &mut Draft) -> Option<Criterion> {
    let Some(metric) = Metric::parse(&entry.key) else {
        let why = "no figure of a run shows it: judge by what users see, such as `error_rate`, `availability` or `p99`";
        draft.leave(entry, why);
        return None;
    };
    let text = entry.value.text().unwrap_or_default();
    if text.contains(['<', '>']) {
        return match Criterion::parse_limit(metric, text) {
            Ok(it) if it.sustained.is_none() => Some(it),
            Ok(_) => {
                draft.leave(entry, "`for` belongs to conditions that abort");
                None
            }
            Err(error) => {
                draft.wrong_as(
                    codes::CONDITION,
                    entry.value.place,
                    error.to_string(),
                    &error.help(),
                );
                None
            }
        };
    }
    let limit = match metric.unit() {
        Unit::Ratio => draft.percent(entry)?.get(),
        Unit::Seconds if matches!(metric, Metric::RecoveryTime | Metric::DetectionTime) => {
            draft.seconds(entry)?.as_secs_f64()
        }
        Unit::Seconds => draft.time(entry, 1e-3)?.as_secs_f64(),
        Unit::PerSecond | Unit::Users => f64::from(draft.count(entry)?),
    };
    let wants_more = matches!(
        metric,
        Metric::Availability | Metric::Throughput | Metric::BreakdownUsers | Metric::BreakdownRate
    );
    let comparison = if wants_more { Comparison::AtLeast } else { Comparison::AtMost };
    Some(Criterion { metric, comparison, limit, sustained: None })
}

fn safety(mut fields: Fields<'_>, draft: &mut Draft) -> Safety {
    let mut safety = Safety::default();
    let mut hours = Vec::new();
    if let Some(mut limits) = fields.map("blast_radius_limits", draft) {
        let radius = &mut safety.blast_radius;
        radius.max_instances =
            limits.take("max_instance_percentage").and_then(|it| draft.percent(it));
        if let Some(it) = limits.take("max_services_affected") {
            match draft.count(it) {
                Some(count @ 1..=1_000_000) => radius.max_services = Some(count),
                Some(_) => draft.leave(it, "at least one service is affected, or nothing is"),
                None => {}
            }
        }
        hours.extend(limits.take("restricted_hours"));
        limits.finish(draft);
    }
    hours.extend(fields.take("restricted_hours"));
    for entry in hours {
        restricted(entry, &mut safety, draft);
    }
    for item in fields.items("abort_conditions") {
        let text = item.text().unwrap_or_default();
        let late = |it: &Criterion| {
            matches!(
                it.metric,
                Metric::RecoveryTime
                    | Metric::DetectionTime
                    | Metric::BreakdownUsers
                    | Metric::BreakdownRate
            )
        };
        let why = match Criterion::parse(text) {
            Ok(it) if !late(&it) && safety.abort.len() < 1_000 => {
                safety.abort.push(it);
                continue;
            }
            Ok(_) => "it is known only afterwards, so nothing can be aborted by it".to_owned(),
            Err(error) => format!("{error}: {}", error.help()),
        };
        draft.leave_at(item.place, format!("the condition `{}`", cut(text)), why);
    }
    if let Some(entry) = fields.take("approval_required") {
        safety.approvals = 1;
        let why = "somebody else has to approve in any case (`approvals: 1`), whatever the environment and the hour";
        draft.leave(entry, why);
    }
    fields.finish(draft);
    safety
}

/// Hours in which nothing may be broken.
fn restricted(entry: &Entry, safety: &mut Safety, draft: &mut Draft) {
    for item in items(&entry.value) {
        let text = item.text().unwrap_or_default();
        // Their last minute was within, ours is not.
        let open = text.trim_end().strip_suffix("23:59").map(|it| format!("{it}24:00"));
        match Hours::parse(open.as_deref().unwrap_or(text)) {
            Some(it) => safety.restricted_hours.push(it),
            None => {
                let message = format!("`{}` are no hours of a day", cut(text));
                draft.wrong(item.place, message, "Write them such as `22:00-06:00`.");
            }
        }
    }
    let mut hours = std::mem::take(&mut safety.restricted_hours);
    draft.bound(&mut hours, entry.key_place, "hours");
    if (0..1440).all(|minute| hours.iter().any(|it| it.contains(0, minute))) {
        let message = "there is no minute of the day in which anything may be broken";
        draft.wrong_as(codes::HOURS, entry.key_place, message, "Shorten the hours.");
    }
    let why = "they were those of the machine that ran it, and are UTC here: write `timeZone`";
    draft.leave_at(entry.key_place, "the time zone of `restricted_hours`", why);
    safety.restricted_hours = hours;
}
