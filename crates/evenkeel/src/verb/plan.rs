//! `plan`: what a drill would do, without doing any of it; and the dry run of an experiment, which is the same.

use std::path::Path;

use evenkeel_fault::{Preview, plan::Step};
use evenkeel_model::Plan;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{Probe, When};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::Human;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::chaos::approve::lacking;
use super::documents::{plan_of, plural};
use crate::args::{PlanArgs, RUNS};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Prints the plan of a drill.
pub(crate) fn run(args: &PlanArgs, screen: &Screen) -> Result<Exit, Failure> {
    dry_run(&plan_of(&args.document, screen)?, Path::new(RUNS), None, screen)
}

/// Prints what a plan would do; exit code 5 when a rule refuses it.
pub(crate) fn dry_run(
    plan: &Plan,
    dir: &Path,
    requester: Option<&str>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    nothing_lacks(plan)?;
    let previews = evenkeel_fault::preview(plan)
        .map_err(|error| Failure::could_not_run(format!("no plan: {}", in_one_line(&error))))?;
    let resolved: Vec<_> = previews.iter().map(|it| it.resolved.clone()).collect();
    let permit = evenkeel_fault::permit(plan, &resolved, jiff::Timestamp::now());
    let refused = permit.err().unwrap_or_default();
    let halt = evenkeel_fault::halt::halted(&evenkeel_fault::state_dir());
    let halt = halt.filter(|_| !plan.faults.is_empty());
    let approvals = lacking(plan, dir, requester)?;
    let refusals = refused.iter().map(ToString::to_string);
    let refusals: Vec<_> = refusals.chain(halt.map(|it| it.to_string())).chain(approvals).collect();
    let hash = hash(plan);
    let faults: Vec<_> = plan.faults.iter().zip(&previews).map(|(a, b)| fault(a, b)).collect();
    let value = json!({"plan": plan, "hash": hash, "faults": faults, "refusals": refusals, "due": due(plan), "is_drawn": plan.is_drawn()});
    screen.show(&value, || shown(plan, &hash, &previews, &refusals))?;
    Ok(if refusals.is_empty() { Exit::OK } else { Exit::REFUSED })
}

/// Refuses a plan for which this host or this user lacks something: a program, a capability.
pub(crate) fn nothing_lacks(plan: &Plan) -> Result<(), Failure> {
    let lacking = evenkeel_fault::lacking(plan);
    if lacking.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = lacking.iter().map(|it| in_one_line(it)).collect();
    Err(Failure::usage(lines.join("\n")).help("`evenkeel doctor` shows what works here"))
}

/// What tells a plan from others: SHA-256 of its canonical text.
pub(crate) fn hash(plan: &Plan) -> String {
    Sha256::digest(plan.canonical()).iter().map(|it| format!("{it:02x}")).collect()
}

/// The next times at which it runs by itself.
fn due(plan: &Plan) -> Vec<jiff::Timestamp> {
    let now = jiff::Timestamp::now();
    plan.schedule.iter().flat_map(|it| it.times(now).take(3)).collect()
}

fn fault(planned: &PlannedFault, preview: &Preview) -> Value {
    let step = |it: &Step| {
        json!({
            "apply": it.apply.to_string(),
            "undo": it.undo.to_string(),
            "by_hand": it.undo.by_hand(),
        })
    };
    json!({
        "label": planned.label,
        "kind": planned.fault.kind(),
        "from_seconds": planned.from,
        "to_seconds": planned.to,
        "release": preview.plan.release.letter(),
        "targets": preview.resolved.hit().map(|it| &it.name).collect::<Vec<_>>(),
        "candidates": preview.resolved.candidates.len(),
        "pending": preview.pending,
        "steps": preview.plan.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn shown(plan: &Plan, hash: &str, previews: &[Preview], refusals: &[String]) -> String {
    let mut lines = vec![format!("{}  seed {}  {}", plan.drill, plan.seed, Human(plan.length()))];
    lines.extend(plan.hypothesis.iter().map(|it| format!("hypothesis: {it}")));
    lines.extend(plan.monkey.iter().map(|it| {
        let word = if plan.is_drawn() { "breaks something" } else { "breaks nothing" };
        format!(
            "left to chance: {} of the runs break something; with this seed it {word}",
            it.probability
        )
    }));
    lines.extend(plan.schedule.iter().map(|it| {
        let times: Vec<_> = due(plan).into_iter().map(|at| it.shown(at)).collect();
        format!("runs at {it}: {}", times.join(", "))
    }));
    if plan.load.is_some() {
        lines.push(String::new());
    }
    let width = plan.phases.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
    for phase in &plan.phases {
        let Some(shape) = &phase.shape else { continue };
        let arrivals = shape.due(shape.length());
        let load = arrivals
            .map_or_else(|| "closed model".to_owned(), |it| plural(it.round() as usize, "request"));
        let (from, to) = (phase.from.elapsed(), phase.to.elapsed());
        lines.push(format!(
            "{:>6} – {:<6} {:width$}  {:9} {load}",
            Human(from),
            Human(to),
            phase.name,
            shape.name()
        ));
    }
    for (fault, preview) in plan.faults.iter().zip(previews) {
        lines.push(String::new());
        lines.push(format!(
            "{:>6} – {:<6} fault",
            Human(fault.from.elapsed()),
            Human(fault.to.elapsed())
        ));
        lines.extend(preview.to_string().lines().map(|it| format!("                {it}")));
    }
    lines.push(String::new());
    let probes = plan.steady_state.iter();
    lines.extend(probes.map(|it| format!("asks {}: {}", asked(it), it.kind)));
    lines.extend(plan.success.iter().map(|it| format!("succeeds when {}", it.criterion)));
    lines.extend(plan.safety.abort.iter().map(|it| format!("aborts when {it}")));
    let radius = plan.safety.blast_radius;
    let mut limits = vec![format!("no fault longer than {}", Human(plan.safety.max_duration))];
    limits.extend(radius.max_instances.map(|it| format!("at most {it} of the instances")));
    limits.extend(
        radius.max_services.map(|it| format!("at most {}", plural(it as usize, "service"))),
    );
    limits.extend(radius.min_healthy.map(|it| format!("at least {it} untouched")));
    lines.push(limits.join(", "));
    lines.push(format!("plan {hash}"));
    lines.extend(refusals.iter().map(|it| format!("REFUSED: {it}")));
    lines.join("\n")
}

/// Where in the run a question is asked, and how often.
fn asked(probe: &Probe) -> String {
    if probe.when == When::everywhere() {
        return format!("every {}", Human(probe.every));
    }
    let parts = probe.when.iter().map(|it| match it {
        When::Before => "before".to_owned(),
        When::During => format!("every {} meanwhile", Human(probe.every)),
        When::After => "after".to_owned(),
    });
    parts.collect::<Vec<_>>().join(", ")
}
