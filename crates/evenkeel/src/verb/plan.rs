//! `plan`: what a drill would do, without doing any of it.

use evenkeel_fault::Preview;
use evenkeel_model::Plan;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_units::Human;
use serde_json::json;

use super::documents::{plan_of, plural};
use crate::args::PlanArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Prints the plan.
pub(crate) fn run(args: &PlanArgs, screen: &Screen) -> Result<Exit, Failure> {
    let plan = plan_of(&args.document, screen)?;
    let previews = evenkeel_fault::preview(&plan)
        .map_err(|error| Failure::could_not_run(format!("no plan: {}", in_one_line(&error))))?;
    let resolved: Vec<_> = previews.iter().map(|it| it.resolved.clone()).collect();
    let refusals = match evenkeel_fault::permit(&plan, &resolved, jiff::Timestamp::now()) {
        Ok(()) => Vec::new(),
        Err(refusals) => refusals.iter().map(ToString::to_string).collect(),
    };
    let faults: Vec<_> = previews.iter().map(ToString::to_string).collect();
    screen.show(&json!({"plan": plan, "faults": faults, "refusals": refusals}), || {
        shown(&plan, &previews, &refusals)
    })?;
    Ok(if refusals.is_empty() { Exit::OK } else { Exit::REFUSED })
}

fn shown(plan: &Plan, previews: &[Preview], refusals: &[String]) -> String {
    let mut lines = vec![format!("{}  seed {}  {}", plan.drill, plan.seed, Human(plan.length()))];
    lines.extend(plan.hypothesis.iter().map(|it| format!("hypothesis: {it}")));
    lines.push(String::new());
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
    lines.extend(plan.safety.abort.iter().map(|it| format!("aborts when {it}")));
    let radius = plan.safety.blast_radius;
    let mut limits = vec![format!("no fault longer than {}", Human(plan.safety.max_duration))];
    limits.extend(radius.max_instances.map(|it| format!("at most {it} of the instances")));
    limits.extend(
        radius.max_services.map(|it| format!("at most {}", plural(it as usize, "service"))),
    );
    limits.extend(radius.min_healthy.map(|it| format!("at least {it} untouched")));
    lines.push(limits.join(", "));
    lines.extend(refusals.iter().map(|it| format!("REFUSED: {it}")));
    lines.join("\n")
}
