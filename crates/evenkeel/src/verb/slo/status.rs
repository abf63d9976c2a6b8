//! `slo status`: how objectives stand.

use evenkeel_serve::objectives::{Judged, judge};
use evenkeel_slo::standing::Burning;
use evenkeel_slo::{Counts, Exhaustion, Objective, Share, Status, Unit};
use evenkeel_units::Human;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::asked::{Asked, asked, unasked};
use crate::args::slo::SourceArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Shows how objectives stand.
pub(crate) async fn run(args: SourceArgs, screen: &Screen) -> Result<Exit, Failure> {
    let Asked { objectives, source, at, .. } = asked(&args, screen)?;
    let mut all = Vec::new();
    for it in &objectives {
        all.push((it, judge(&source, it, at).await.map_err(unasked)?));
    }
    let rows: Vec<_> = all.iter().map(|(it, judged)| row(it, judged)).collect();
    let value = json!({"at": at, "objectives": rows});
    screen.show(&value, || all.iter().map(|(it, judged)| shown(it, judged)).collect())?;
    let has = |status| all.iter().any(|(_, it)| it.standing.status == status);
    Ok(match (has(Status::Exhausted), has(Status::NoData)) {
        (true, _) => Exit::FAILED,
        (false, true) => Exit::INCONCLUSIVE,
        (false, false) => Exit::OK,
    })
}

/// An objective as programs read it.
pub(super) fn row(of: &Objective, judged: &Judged) -> Value {
    let it = &judged.standing;
    let counts = it.account.budget.counts;
    let share = |it: Option<Share>| it.map(Share::get);
    let (at, lasts) = match it.exhaustion {
        Some(Exhaustion::After { lasts, at }) => (Some(at), Some(lasts.as_secs_f64())),
        Some(Exhaustion::Already) => (None, Some(0.0)),
        _ => (None, None),
    };
    let coverage = it.coverage.present.as_secs_f64() / it.coverage.of.as_secs_f64().max(1e-3);
    let mut value = json!({
        "name": of.name,
        "service": of.service,
        "status": status(it.status),
        "objective_ratio": of.promise.get(),
        "attainment_ratio": counts.ratio(),
        "budget_consumed_ratio": share(it.account.spent()),
        "budget_remaining_ratio": share(it.account.left()),
        "burn_rate": share(it.account.mean_burn()),
        "recent_burn_rate": share(it.recent.map(|it| it.0)),
        "exhausted_at": at,
        "exhausted_in_seconds": lasts,
        "coverage_ratio": coverage,
        "window": {
            "from": it.account.bounds.from,
            "to": it.account.bounds.to,
            "is_rolling": it.account.rolling,
        },
        "alerts": it.burning.iter().map(alert).collect::<Vec<_>>(),
        "note": judged.flaw,
    });
    if let Some(map) = value.as_object_mut() {
        map.extend(counted(of, counts));
    }
    value
}

/// What was counted, by names that say of what.
pub(super) fn counted(of: &Objective, it: Counts) -> impl Iterator<Item = (String, Value)> {
    let unit = of.asking.unit();
    let all = [("good", it.good), ("bad", it.bad()), ("total", it.total)];
    all.into_iter().map(move |(name, count)| match unit {
        Unit::Events => (format!("{name}_events"), json!(count)),
        Unit::Time => (format!("{name}_seconds"), json!(count as f64 / 1_000.0)),
    })
}

/// A status as programs read it.
pub(super) fn status(of: Status) -> String {
    of.name().replace(' ', "_")
}

fn alert(of: &Burning) -> Value {
    json!({
        "name": of.rule.name,
        "severity": of.rule.severity.name(),
        "factor": of.rule.factor.get(),
        "long_seconds": of.rule.long.as_secs_f64(),
        "short_seconds": of.rule.short.map(|it| it.as_secs_f64()),
        "for_seconds": of.rule.pending.as_secs_f64(),
        "long_burn_rate": of.long.map(Share::get),
        "short_burn_rate": of.short.map(Share::get),
        "state": state(of),
        "inhibited_by": of.inhibited_by,
    })
}

/// What an alert does. Whether one with a `for` has held for so long, a single look does not tell.
pub(super) fn state(of: &Burning) -> &'static str {
    match (of.holds, &of.inhibited_by) {
        (None, _) => "unknown",
        (Some(false), _) => "inactive",
        (Some(true), Some(_)) => "inhibited",
        (Some(true), None) if !of.rule.pending.is_zero() => "pending",
        (Some(true), None) => "firing",
    }
}

/// A share for people.
pub(super) fn percent(of: Option<Share>) -> String {
    of.map_or_else(
        || "no data".to_owned(),
        |it| format!("{:.3} %", it.get() * 100.0).replace("inf", "∞"),
    )
}

/// The share that was reached.
pub(super) fn reached(judged: &Judged) -> Option<Share> {
    let it = judged.standing.account.budget.counts;
    (it.total > 0).then(|| Share::of(it.good, it.total))
}

fn shown(of: &Objective, judged: &Judged) -> String {
    let it = &judged.standing;
    let reached = reached(judged);
    let mut lines = vec![format!("{}  {}", of.name, it.status.name())];
    lines.push(format!("  reached    {} of {}", percent(reached), of.promise));
    lines.push(format!("  left       {} of the budget", percent(it.account.left())));
    if let Some((rate, over)) = it.recent {
        let exhaustion = it.exhaustion.map(exhausted).unwrap_or_default();
        lines.push(format!("  burns      at {rate} over {}{exhaustion}", Human(over.length())));
    }
    for alert in it.burning.iter().filter(|it| it.holds != Some(false)) {
        lines.push(format!("  alert      {} is {}", alert.rule.name, state(alert)));
    }
    let (present, whole) = (Human(it.coverage.present), Human(it.coverage.of));
    lines.push(format!("  data       {present} of {whole}"));
    lines.extend(judged.flaw.iter().map(|it| format!("  note       {it}")));
    lines.join("\n") + "\n"
}

/// When a budget is spent, after a comma.
pub(super) fn exhausted(of: Exhaustion) -> String {
    let shown = |at: Timestamp| format!("{at:.0}");
    match of {
        Exhaustion::Already => ", and nothing is left".to_owned(),
        Exhaustion::Never | Exhaustion::NotInWindow => String::new(),
        Exhaustion::After { lasts, at } => {
            format!(", and lasts {} at that, until {}", Human(lasts), shown(at))
        }
    }
}
